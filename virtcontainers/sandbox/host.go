// Package sandbox makes, changes and ends sandboxes: a virtual machine with
// the containers in it. It is the only package that knows all the parts; both
// the command line and the shimv2 service call it.
package sandbox

import (
	"errors"
	"log/slog"
	"time"

	"github.com/kata-go/kata-runtime/internal/proc"
	"github.com/kata-go/kata-runtime/oci"
	"github.com/kata-go/kata-runtime/virtcontainers/container"
	"github.com/kata-go/kata-runtime/virtcontainers/factory"
	"github.com/kata-go/kata-runtime/virtcontainers/hypervisor"
	"github.com/kata-go/kata-runtime/virtcontainers/network"
	"github.com/kata-go/kata-runtime/virtcontainers/resources"
	"github.com/kata-go/kata-runtime/virtcontainers/share"
	"github.com/kata-go/kata-runtime/virtcontainers/state"
)

// Settings are the parsed settings by which sandboxes are made.
type Settings struct {
	Hypervisor *hypervisor.Config
	Share      *share.Config
	Network    *network.Config
	Shim       *container.ShimConfig
	Proxy      *ProxyConfig
	Agent      *AgentConfig

	Cgroups *resources.Config
	Factory *factory.Config

	// SystemdCgroup: cgroup paths have systemd's form "slice:prefix:name".
	SystemdCgroup bool
	// DisableGuestSeccomp leaves out a container's seccomp profile.
	DisableGuestSeccomp bool
	// recording is the file that QEMU writes its translations to; empty for none.
	recording string
	// Log is where shims log.
	Log container.LogTarget
	// Serve is the command that serves the cache of VMs by the same configuration,
	// for the first start; empty where it is not known.
	Serve []string
}

// ProxyConfig is the table [proxy.kata].
type ProxyConfig struct {
	// Path is the binary kata-proxy.
	Path string `toml:"path"`
	// EnableDebug makes the proxy log each connection.
	EnableDebug bool `toml:"enable_debug"`
}

// AgentConfig is the table [agent.kata].
type AgentConfig struct {
	// EnableDebug makes the agent log each call on the guest's console.
	EnableDebug bool `toml:"enable_debug"`
}

// Host is the place where sandboxes live: a root folder on this machine. Its
// methods keep nothing between calls; any number of processes may call them at
// the same time.
type Host struct {
	store    *state.Store
	settings *Settings
	log      *slog.Logger
	command  []string
}

// NewHost answers the host whose sandboxes lie below root. settings may be nil
// for a caller that starts nothing: neither Create nor Exec.
func NewHost(root string, settings *Settings, log *slog.Logger) (*Host, error) {
	store, err := state.Open(root)
	if err != nil {
		return nil, err
	}
	return &Host{store: store, settings: settings, log: log}, nil
}

// ErrNotExist is the answer about a container that nobody knows.
var ErrNotExist = state.ErrNotExist

// errDying is for operations that need a VM when it has ended.
var errDying = errors.New("its virtual machine has ended: delete the container")

// State is what is kept on disk of one sandbox.
type State struct {
	ID string `json:"id"`
	// VM, Proxy and ShareDaemon are the processes that outlive a command; zero
	// where there is none (yet).
	VM          hypervisor.VM `json:"vm"`
	Proxy       proc.Handle   `json:"proxy"`
	ShareDaemon proc.Handle   `json:"share_daemon"`
	// Agent is the agent's address.
	Agent   string  `json:"agent"`
	Network Network `json:"network"`
	// ShimPath is kata-shim's, for start, which reads no settings.
	ShimPath string `json:"shim_path"`
	// Helper is the process that serves the guest out of its network namespace;
	// Lent says that it lends the namespace's name servers.
	Helper proc.Handle `json:"helper"`
	Lent   bool        `json:"lent,omitempty"`
	// Sizing is by what the VM gets its size.
	Sizing Sizing `json:"sizing"`
	// Cgroups are those that were made for the sandbox.
	Cgroups Cgroups `json:"cgroups"`
	// Cache is the folder of the VMs that are kept ready, if the sandbox may have
	// asked for one, and Origin the name of the one that it got. For a ready VM
	// itself, Owner is the folder of the sandbox that has it.
	Cache  string `json:"cache,omitempty"`
	Origin string `json:"origin,omitempty"`
	Owner  string `json:"owner,omitempty"`
	// EmptyDirs are the kubelet's volumes of memory that the sandbox has met, by
	// their paths: true for those that are file systems of the guest.
	EmptyDirs map[string]bool `json:"empty_dirs,omitempty"`
	// ShareDriver is "virtiofs" or "9p".
	ShareDriver string                `json:"share_driver"`
	Containers  map[string]*Container `json:"containers"`
}

// Container is what is kept of one container.
type Container struct {
	ID      string    `json:"id"`
	Bundle  string    `json:"bundle"`
	Rootfs  string    `json:"rootfs"`
	Created time.Time `json:"created"`
	Owner   int       `json:"owner"`
	// Place is its own place in the shared folder.
	Place string `json:"place"`
	// Creator is the process that is making the container; zero when it is done.
	Creator proc.Handle `json:"creator"`
	// Shim stands for the init process; zero if Service does.
	Shim proc.Handle `json:"shim"`
	// Service is a process that stands for the init process in place of a shim,
	// and for others; Ended is set when it says that the process has ended.
	Service proc.Handle `json:"service"`
	Ended   bool        `json:"ended,omitempty"`
	// PID is what engines get to know: a process in the sandbox's network
	// namespace, the shim's or the proxy's.
	PID     int  `json:"pid"`
	Started bool `json:"started"`
	Paused  bool `json:"paused"`
	// Infra: it stands for its pod and has no process.
	Infra bool `json:"infra,omitempty"`
	// PIDs says whose processes one that joined sees.
	PIDs PIDs `json:"pids,omitempty"`
	// Limits are those that the VM has to have room for.
	Limits resources.Limits `json:"limits"`
	// Cgroup is that of a container that joined a pod.
	Cgroup *resources.Group `json:"cgroup,omitempty"`
	// ResolvConf is the host's file that is /etc/resolv.conf in it; may be empty.
	ResolvConf string `json:"resolv_conf,omitempty"`
	// Disks are the block devices that it was given.
	Disks []Disk `json:"disks,omitempty"`
	// Volumes are the direct-assigned ones that it mounts.
	Volumes []Volume `json:"volumes,omitempty"`
	// Shares are its volumes that other containers of the sandbox can have, too.
	Shares []Share `json:"shares,omitempty"`
	// EmptyDirs are the volumes of memory that it mounts and the guest has.
	EmptyDirs []EmptyDir `json:"empty_dirs,omitempty"`
	// HugePages are set aside for it in the guest.
	HugePages []oci.HugePages `json:"huge_pages,omitempty"`
	// Spec is config.json as it was at create.
	Spec Spec `json:"spec"`
	// Execs are the shims of further processes, by exec id.
	Execs map[string]proc.Handle `json:"execs,omitempty"`

	// hooked: this process has begun to run its hooks of create.
	hooked bool
}

// status follows from who lives: a container whose shim has ended is stopped,
// whatever the guest may say. So is one whose service has ended or says so.
func (c *Container) status() container.Status {
	switch {
	case c.Creator.Alive():
		return container.Creating
	case c.Creator.PID != 0, c.Ended, !c.Shim.Alive() && !c.Service.Alive():
		return container.Stopped // a creation that was cut off, or a process that ended
	case c.Paused:
		return container.Paused
	case c.Started:
		return container.Running
	}
	return container.Created
}
