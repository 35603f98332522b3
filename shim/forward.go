package main

import (
	"log/slog"

	"github.com/kata-go/kata-runtime/shim/forward"
)

// listen takes the pod's ports on loopback addresses, if the shim is told to.
// A host that cannot do that has all else of a pod.
func (o *options) listen(log *slog.Logger) *forward.Forwarder {
	if !o.forward {
		return nil
	}
	f, err := forward.Listen("/proc/self/ns/net")
	if err != nil {
		log.Warn("ports of the pod cannot be forwarded", "error", err)
		return nil
	}
	return f
}
