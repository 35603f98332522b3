package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/config"
)

// bootResult is what a booted VM told.
type bootResult struct {
	// GuestKernel is the guest's kernel release, as of uname -r.
	GuestKernel string
	// Accelerator and Machine are what the VM ran with ("tcg", "q35").
	Accelerator, Machine string
	// Elapsed is the time from the first step to the agent's first answer.
	Elapsed time.Duration
}

// bootProbe is kata-check's --boot: it boots a VM as a container would get it,
// asks its agent for the kernel, and ends it.
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

func checkBoot(ctx context.Context, in *checkInput, limit time.Duration) checkResult {
	r := bootVM(ctx, in, limit)
	r.Name = "boot"
	return r
}

func bootVM(ctx context.Context, in *checkInput, limit time.Duration) checkResult {
	if in.config == nil {
		return fail("correct the configuration first", "not tried: there is no valid configuration")
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	b, err := in.boot(ctx, in.config)
	if errors.Is(err, context.DeadlineExceeded) {
		return fail(`if the accelerator is "kvm", try accelerator = "tcg"; else look at the guest's console with enable_debug = true`,
			"the guest did not answer within %s: %v", limit, err)
	}
	if err != nil {
		return fail("see the cause; enable_debug = true in [hypervisor.qemu] shows the guest's console", "%v", err)
	}
	host := hostKernel()
	if b.GuestKernel == host {
		// The same release may well be installed in both: say so, do not fail.
		return warn("compare \"uname -v\" in a container with the host's, which tells when a kernel was built", "the guest answered after %s (%s, %s), with the same kernel release as the host: %s",
			seconds(b.Elapsed), b.Machine, b.Accelerator, host)
	}
	return ok("guest kernel %s, host kernel %s, %s on %s, first answer after %s",
		b.GuestKernel, host, b.Accelerator, b.Machine, seconds(b.Elapsed))
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

// hostKernel is the host's kernel release, as of uname -r.
func hostKernel() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "unknown"
	}
	return unix.ByteSliceToString(u.Release[:])
}
