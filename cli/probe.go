package main

import (
	"context"
	"time"

	"github.com/kata-go/kata-runtime/config"
)

// bootProbe is kata-check's --boot: a VM as a container would get it.
func (e *runtimeEnv) bootProbe(ctx context.Context, c *config.Config) (bootResult, error) {
	host, err := e.hostWith(c)
	if err != nil {
		return bootResult{}, err
	}
	begin := time.Now()
	probed, err := host.Probe(ctx)
	if err != nil {
		return bootResult{}, err
	}
	return bootResult{
		GuestKernel: probed.Kernel, Accelerator: probed.Accelerator, Machine: probed.Machine,
		Elapsed: time.Since(begin),
	}, nil
}
