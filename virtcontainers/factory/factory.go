// Package factory makes virtual machines. So far it knows one way, the direct
// one; machines from a template or from a pool will be made here.
package factory

import (
	"context"

	"github.com/kata-go/kata-runtime/virtcontainers/hypervisor"
)

// Boot starts a new machine from its kernel and answers while it boots.
func Boot(ctx context.Context, config *hypervisor.Config, spec *hypervisor.Spec) (*hypervisor.VM, error) {
	return hypervisor.Launch(ctx, config, spec)
}
