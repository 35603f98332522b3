package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent-protocol/dial"
	"github.com/kata-go/kata-runtime/agent-protocol/stream"
	"github.com/kata-go/kata-runtime/virtcontainers/hypervisor"
)

const (
	// rehearsal is the id of the sandbox and its container that a guest creates
	// while it is not yet anybody's.
	rehearsal = "rehearsal"
	// rehearsalRoot is that container's root file system in the guest, a tmpfs.
	rehearsalRoot = "/run/kata-containers/rehearsal"
)

// rehearse has the guest of a template or of a ready VM create, run and remove
// a container, so that the first real one finds everything where it needs it:
// pages, caches and, in a ready VM, what QEMU has translated, which it does
// before a piece of code first runs, and keeps as long as it lives. Nothing is
// known of it with KVM, so there none does.
//
// Nothing of the rehearsal stays but what the guest's kernel and the agent have
// learned. The container's program is the agent's, which prints its version.
func (b *boot) rehearse(ctx context.Context, agent *dial.Agent) error {
	if b.vm.Accelerator != hypervisor.AccelTCG {
		return nil
	}
	details, err := agent.GuestDetails(ctx, &agentpb.Empty{})
	if err != nil {
		return fmt.Errorf("rehearsal: %w", guestError(err))
	}
	spec := rehearsalSpec(rehearsalRoot, "--version")
	spec.Root.Readonly = true
	spec.Mounts = append(spec.Mounts, specs.Mount{Type: "bind", Source: details.AgentPath, Destination: "/program", Options: []string{"bind", "ro"}})
	document, err := json.Marshal(spec)
	if err != nil {
		return err
	}
	_, err = agent.CreateSandbox(ctx, &agentpb.CreateSandboxRequest{
		SandboxId: rehearsal,
		Storages: []*agentpb.Storage{
			b.config.Share.Storage(b.choice),
			{Driver: "ephemeral", MountPoint: rehearsalRoot},
		},
		Container: &agentpb.CreateContainerRequest{ContainerId: rehearsal, OciSpec: document},
	})
	if err == nil {
		err = perform(ctx, agent)
	}
	if err != nil {
		return fmt.Errorf("rehearsal: %w", guestError(err))
	}
	return nil
}

// perform runs the container and removes all that there is of it.
func perform(ctx context.Context, agent *dial.Agent) error {
	// A process has ended when both outputs were taken, too.
	var outputs []*stream.Client
	for _, kind := range []agentpb.Stream{agentpb.Stream_STDOUT, agentpb.Stream_STDERR} {
		output, err := agent.Attach(ctx, &agentpb.StreamHello{ContainerId: rehearsal, Stream: kind})
		if err != nil {
			return err
		}
		defer output.Close()
		outputs = append(outputs, output)
	}
	if _, err := agent.StartContainer(ctx, &agentpb.ContainerRequest{ContainerId: rehearsal}); err != nil {
		return err
	}
	for _, output := range outputs {
		if err := output.CopyTo(io.Discard); err != nil {
			return err
		}
	}
	end, err := agent.WaitProcess(ctx, &agentpb.ProcessRequest{ContainerId: rehearsal})
	if err != nil {
		return err
	}
	if end.ExitCode != 0 {
		return fmt.Errorf("the container has ended with code %d", end.ExitCode)
	}
	_, err = agent.DestroySandbox(ctx, &agentpb.DestroySandboxRequest{})
	return err
}

// rehearsalSpec is a document as engines write it, for /program below root: what it
// does not use is not rehearsed.
func rehearsalSpec(root string, args ...string) *specs.Spec {
	memory, shares, denied := int64(64<<20), uint64(1024), uint(1) // EPERM
	caps := []string{"CAP_KILL", "CAP_NET_BIND_SERVICE"}
	mount := func(kind, source, destination string, options ...string) specs.Mount {
		return specs.Mount{Type: kind, Source: source, Destination: destination, Options: options}
	}
	return &specs.Spec{
		Version: specs.Version,
		Root:    &specs.Root{Path: root},
		Process: &specs.Process{
			Args: append([]string{"/program"}, args...), Cwd: "/", Env: []string{"PATH=/"}, NoNewPrivileges: true,
			Capabilities: &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps},
			Rlimits:      []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Hard: 1024, Soft: 1024}},
		},
		Mounts: []specs.Mount{
			mount("proc", "proc", "/proc"),
			mount("tmpfs", "tmpfs", "/dev", "nosuid", "strictatime", "mode=755", "size=65536k"),
			mount("devpts", "devpts", "/dev/pts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"),
			mount("mqueue", "mqueue", "/dev/mqueue", "nosuid", "noexec", "nodev"),
			mount("sysfs", "sysfs", "/sys", "nosuid", "noexec", "nodev", "ro"),
			mount("cgroup", "cgroup", "/sys/fs/cgroup", "nosuid", "noexec", "nodev", "relatime", "ro"),
		},
		Linux: &specs.Linux{
			// No pid namespace: as its process 1 the agent, a rehearsal's program, would be an init.
			Namespaces: []specs.LinuxNamespace{
				{Type: specs.IPCNamespace}, {Type: specs.UTSNamespace}, {Type: specs.MountNamespace}, {Type: specs.CgroupNamespace},
			},
			Resources: &specs.LinuxResources{
				Devices: []specs.LinuxDeviceCgroup{{Access: "rwm"}},
				Memory:  &specs.LinuxMemory{Limit: &memory}, CPU: &specs.LinuxCPU{Shares: &shares},
			},
			Seccomp: &specs.LinuxSeccomp{
				DefaultAction: specs.ActAllow,
				Syscalls:      []specs.LinuxSyscall{{Names: []string{"kexec_load"}, Action: specs.ActErrno, ErrnoRet: &denied}},
			},
			MaskedPaths:   []string{"/proc/kcore", "/sys/firmware"},
			ReadonlyPaths: []string{"/proc/sys", "/proc/bus"},
		},
	}
}
