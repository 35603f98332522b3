package boot

import (
	"os"
	"strings"
)

// Options are the agent's words of the kernel's command line.
type Options struct {
	// VSock: the channel is AF_VSOCK, "agent.channel=vsock". Otherwise it is
	// the virtio-serial port.
	VSock bool
	// Debug: log everything, "agent.log=debug".
	Debug bool
}

// ReadOptions reads the command line; /proc must be mounted. Words that it
// does not know are others' business.
func ReadOptions() (Options, error) {
	data, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return Options{}, err
	}
	return parseOptions(string(data)), nil
}

func parseOptions(line string) Options {
	var o Options
	for _, word := range strings.Fields(line) {
		switch word {
		case "agent.channel=vsock":
			o.VSock = true
		case "agent.channel=serial":
			o.VSock = false
		case "agent.log=debug":
			o.Debug = true
		}
	}
	return o
}
