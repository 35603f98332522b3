package task

import (
	"context"

	"github.com/kata-go/kata-runtime/oci"
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
	ctx, cancel := context.WithCancel(context.Background())
	go f.Run(ctx, agent, s.Log)
	go func() {
		<-t.init.done
		cancel()
	}()
}
