package container

import (
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func plain() *specs.Spec {
	return &specs.Spec{
		Process: &specs.Process{Args: []string{"true"}, Cwd: "/"},
		Root:    &specs.Root{Path: "/run/kata-containers/shared/c/rootfs"},
		Linux:   &specs.Linux{},
	}
}

func TestRewriteNamespaces(t *testing.T) {
	list := func(types ...specs.LinuxNamespaceType) (out []specs.LinuxNamespace) {
		for _, n := range types {
			out = append(out, specs.LinuxNamespace{Type: n, Path: "/host/" + string(n)})
		}
		return out
	}
	for _, c := range []struct {
		name   string
		have   []specs.LinuxNamespace
		shared string
		joins  bool
		want   string
	}{
		{"all", list("pid", "network", "ipc", "uts", "mount", "cgroup"), "", false, "pid: ipc:/proc/1/ns/ipc uts:/proc/1/ns/uts mount: cgroup:"},
		{"none but mounts and cgroups are its own", nil, "", false, "mount: cgroup:"},
		{"shared pid", list("pid", "mount"), "/proc/9/ns/pid", false, "pid:/proc/9/ns/pid mount: cgroup:"},
		{"shared pid, unasked", list("mount"), "/proc/9/ns/pid", false, "mount: pid:/proc/9/ns/pid cgroup:"},
		{"own user", list("user", "ipc", "uts", "mount"), "", false, "user: ipc: uts: mount: cgroup:"},
		{"a member", list("pid", "ipc", "uts"), "", true, "pid: ipc:/proc/1/ns/ipc uts:/proc/1/ns/uts mount: cgroup:"},
		{"one that joins with its own", []specs.LinuxNamespace{{Type: "ipc"}, {Type: "uts"}, {Type: "mount"}}, "", true, "ipc: uts: mount: cgroup:"},
		{"the first with its own", []specs.LinuxNamespace{{Type: "ipc"}, {Type: "uts"}, {Type: "mount"}}, "", false, "ipc:/proc/1/ns/ipc uts:/proc/1/ns/uts mount: cgroup:"},
	} {
		spec := plain()
		spec.Linux.Namespaces = c.have
		spec.Hostname = "name"
		if _, err := (Guest{CgroupParent: "/kata", SharedPID: c.shared, Joins: c.joins}).rewrite(quiet, "c", spec); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var got []string
		for _, n := range spec.Linux.Namespaces {
			got = append(got, string(n.Type)+":"+n.Path)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %s", c.name, got, c.want)
		}
		if uts := strings.Contains(c.want, "uts"); (spec.Hostname != "") != uts {
			t.Errorf("%s: host name %q", c.name, spec.Hostname)
		}
	}
}

func TestRewriteTheRest(t *testing.T) {
	hooks := t.TempDir()
	if err := os.MkdirAll(filepath.Join(hooks, "prestart"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{"10-run": 0o755, "20-not": 0o644} {
		if err := os.WriteFile(filepath.Join(hooks, "prestart", name), nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	spec := plain()
	swap := int64(1 << 30)
	spec.Linux.CgroupsPath = "../../escape"
	spec.Linux.Sysctl = map[string]string{"net.ipv4.ip_forward": "1", "kernel.shmmax": "2"}
	spec.Linux.MountLabel, spec.Process.SelinuxLabel, spec.Process.ApparmorProfile = "a", "b", "c"
	spec.Linux.Resources = &specs.LinuxResources{
		CPU: &specs.LinuxCPU{Cpus: "9-12"}, Memory: &specs.LinuxMemory{Swap: &swap}, BlockIO: &specs.LinuxBlockIO{},
		Network: &specs.LinuxNetwork{},
	}
	spec.Hooks = &specs.Hooks{Poststop: []specs.Hook{{Path: "/host"}}, StartContainer: []specs.Hook{{Path: "/in"}}}
	sysctls, err := (Guest{CgroupRoot: t.TempDir(), CgroupParent: "/kata", HookDir: hooks}).rewrite(quiet, "c", spec)
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case len(sysctls) != 1 || sysctls["net.ipv4.ip_forward"] != "1" || len(spec.Linux.Sysctl) != 1:
		t.Errorf("sysctls %v and %v", sysctls, spec.Linux.Sysctl)
	case spec.Linux.CgroupsPath != "/kata/c":
		t.Errorf("cgroup %s", spec.Linux.CgroupsPath)
	case spec.Linux.MountLabel+spec.Process.SelinuxLabel+spec.Process.ApparmorProfile != "":
		t.Error("labels are left")
	case spec.Linux.Resources.CPU.Cpus != "" || spec.Linux.Resources.Memory.Swap != nil || spec.Linux.Resources.BlockIO != nil || spec.Linux.Resources.Network != nil:
		t.Error("limits that the guest cannot have are left")
	case spec.Process.OOMScoreAdj == nil || *spec.Process.OOMScoreAdj != 0:
		t.Error("the agent's oom_score_adj would be inherited")
	case len(spec.Hooks.CreateRuntime) != 1 || spec.Hooks.CreateRuntime[0].Path != hooks+"/prestart/10-run":
		t.Errorf("guest hooks %+v", spec.Hooks.CreateRuntime)
	case len(spec.Hooks.Poststop) != 0 || len(spec.Hooks.StartContainer) != 1:
		t.Errorf("hooks %+v", spec.Hooks)
	}
}

func TestRewriteRefuses(t *testing.T) {
	for name, change := range map[string]func(*specs.Spec){
		"process":       func(s *specs.Spec) { s.Process = nil },
		"args":          func(s *specs.Spec) { s.Process.Args = nil },
		"root":          func(s *specs.Spec) { s.Root = nil },
		"relative root": func(s *specs.Spec) { s.Root.Path = "rootfs" },
		"missing node":  func(s *specs.Spec) { s.Mounts = []specs.Mount{{Destination: "/x", Type: "bind", Source: "/dev/none"}} },
		"windows":       func(s *specs.Spec) { s.Windows = &specs.Windows{} },
	} {
		spec := plain()
		change(spec)
		if _, err := (Guest{}).rewrite(quiet, "c", spec); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestCheckOwn(t *testing.T) {
	mounts := []specs.Mount{
		{Destination: "/a", Type: "bind", Source: "/dev/null"}, {Destination: "/b", Type: "tmpfs", Source: "tmpfs"},
		{Destination: "/c", Type: "bind", Source: "/run/kata-containers/not/ours/to/say"},
	}
	if err := checkOwn(mounts); err != nil {
		t.Error(err)
	}
	err := checkOwn(append(mounts, specs.Mount{Destination: "/net", Type: "bind", Source: "/dev/net/none"}))
	if err == nil || !strings.Contains(err.Error(), "mounts[3] (/net): the guest's kernel has no /dev/net/none") {
		t.Errorf("a node that is not there: %v", err)
	}
}

func TestSysctlPath(t *testing.T) {
	for key, want := range map[string]string{
		"net.ipv4.ip_forward": "/proc/sys/net/ipv4/ip_forward", "net/ipv4/conf/eth0.1/x": "/proc/sys/net/ipv4/conf/eth0.1/x",
		"net.ipv4.conf.eth0/1.x": "/proc/sys/net/ipv4/conf/eth0.1/x",
		"":                       "", "net/../../x": "", "/etc/passwd": "", "../x": "", "net//x": "",
	} {
		got, err := sysctlPath(key)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v, want %q", key, got, err, want)
		}
	}
}

func TestParseStat(t *testing.T) {
	info, name, err := parseStat([]byte("42 (a) b (c) S 7 42 42 34816 42 0 0 0 0 0 3 4 0 0 20 0 1 0 100 0 0"))
	if err != nil || name != "a) b (c" || info.Pid != 42 || info.Ppid != 7 || info.CpuNs != 70e6 || info.StartNs != 1e9 || info.Tty != "pts/0" {
		t.Errorf("%+v, %q, %v", info, name, err)
	}
	if info, err := readProcess(os.Getpid()); err != nil || int(info.Ppid) != os.Getppid() || info.Command == "" {
		t.Errorf("%+v, %v", info, err)
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("1 (init) S 0 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 1 0"))
	f.Fuzz(func(_ *testing.T, data []byte) { parseStat(data) })
}

// Whatever the document says, it is refused or rewritten, and what is joined
// is nothing of the host's naming.
func FuzzRewrite(f *testing.F) {
	seed, _ := json.Marshal(plain())
	f.Add(seed)
	f.Add([]byte(`{"process":{"args":["x"],"rlimits":[{"type":"RLIMIT_X"}]},"root":{"path":"/"},"linux":{"namespaces":[{"type":"network","path":"/x"}],"resources":{"cpu":{"cpus":"1"}}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		spec, err := ParseSpec(data)
		if err != nil {
			return
		}
		if _, err := (Guest{CgroupParent: "/kata"}).rewrite(quiet, "c", spec); err != nil {
			return
		}
		libProcess(spec.Process)
		for _, n := range spec.Linux.Namespaces {
			if n.Type == specs.NetworkNamespace || n.Path != "" && !strings.HasPrefix(n.Path, "/proc/1/ns/") {
				t.Errorf("namespace %+v", n)
			}
		}
	})
}

func TestRewriteBindOptions(t *testing.T) {
	spec := plain()
	spec.Mounts = []specs.Mount{
		{Destination: "/a", Type: "bind", Options: []string{"rbind", "mode=755", "ro", "rprivate", "size=1k", "nosuid", "noatime", "rro"}},
		{Destination: "/b", Type: "tmpfs", Options: []string{"mode=755", "size=1k"}},
	}
	if _, err := (Guest{}).rewrite(quiet, "c", spec); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"rbind ro rprivate nosuid noatime rro", "mode=755 size=1k"} {
		if got := strings.Join(spec.Mounts[i].Options, " "); got != want {
			t.Errorf("%s: %q, want %q", spec.Mounts[i].Destination, got, want)
		}
	}
}

func TestRewriteFIFO(t *testing.T) {
	spec := plain()
	spec.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/p", Type: "p", Major: 8, Minor: 666}, {Path: "/dev/c", Type: "c", Major: 10, Minor: 229}}
	if _, err := (Guest{}).rewrite(quiet, "c", spec); err != nil {
		t.Fatal(err)
	}
	if p, c := spec.Linux.Devices[0], spec.Linux.Devices[1]; p.Major != 0 || p.Minor != 0 || c.Major != 10 || c.Minor != 229 {
		t.Errorf("%+v %+v", p, c)
	}
}
