package task

import (
	"context"

	"github.com/kata-go/kata-runtime/oci"
	"github.com/kata-go/kata-runtime/shim/clock"
	"github.com/kata-go/kata-runtime/shim/forward"
)

// forward brings connections to loopback addresses of a pod's network
// namespace to the guest, until the pod's first container has ended. A host
// that cannot do that has all else of a pod.
func (s *Service) forward(t *task, bundle *oci.Bundle, agent string) {
	netns, _ := oci.NetworkNamespace(bundle.Spec)
	if !t.infra || netns == "" {
		return
	}
	f, err := forward.Listen(netns)
	if err != nil {
		s.Log.Warn("ports of the pod cannot be forwarded", "error", err)
		return
	}
	go f.Run(t.whileRunning(), agent, s.Log)
}

// keepClock keeps the guest's clock by the host's, until the sandbox's first
// container has ended.
func (s *Service) keepClock(t *task, agent string) {
	go clock.Keep(t.whileRunning(), agent, clock.Interval, s.Log)
}

// whileRunning answers a context that ends with the container's process.
func (t *task) whileRunning() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-t.init.done
		cancel()
	}()
	return ctx
}
