package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent/uevent"
)

// Online brings plugged CPUs into use, until at least as many are as wanted,
// and all memory that is not. CPUs that are still being plugged are waited
// for, until ctx ends.
func Online(ctx context.Context, cpus uint32, memory bool) (*agentpb.OnlineResourcesReply, error) {
	if cpus > 0 {
		err := uevent.Until(ctx, "cpu", func() (bool, error) {
			if err := onlineAll("/sys/devices/system/cpu/cpu[0-9]*/online", "0", "1"); err != nil {
				return false, err
			}
			n, err := onlineCPUs()
			return n >= cpus, err
		})
		if err != nil {
			return nil, fmt.Errorf("bring %d CPUs online: %w", cpus, err)
		}
	}
	if memory {
		if err := onlineAll(memoryBlocks+"/memory[0-9]*/state", "offline", "online"); err != nil {
			return nil, fmt.Errorf("bring memory online: %w", err)
		}
	}
	n, err := onlineCPUs()
	if err != nil {
		return nil, err
	}
	info, err := memInfo()
	if err != nil {
		return nil, err
	}
	return &agentpb.OnlineResourcesReply{Cpus: n, Memory: info["MemTotal"]}, nil
}

// onlineAll writes one word to each of the files that hold another.
func onlineAll(pattern, from, to string) error {
	files, err := filepath.Glob(pattern)
	if err != nil {
		return err
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			continue // unplugged meanwhile
		}
		if err != nil {
			return err
		}
		if string(bytes.TrimSpace(data)) != from {
			continue
		}
		err = os.WriteFile(file, []byte(to), 0)
		// EBUSY and EINVAL: the kernel has done so itself meanwhile.
		if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EBUSY) {
			return err
		}
	}
	return nil
}
