package oci

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

const minimal = `{"ociVersion":"1.0.2","process":{"args":["sh"],"cwd":"/"},"root":{"path":"rootfs"},"linux":{}}`

func bundle(t *testing.T, config string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "rootfs"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestLoad(t *testing.T) {
	dir := bundle(t, minimal)
	b, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if b.Rootfs != filepath.Join(dir, "rootfs") {
		t.Errorf("rootfs %s", b.Rootfs)
	}
}

func TestLoadNamesTheMistake(t *testing.T) {
	for name, c := range map[string]struct{ config, want string }{
		"syntax":         {"{\n\"process\": }", "line 2"},
		"empty":          {"", "invalid JSON"},
		"type":           {strings.Replace(minimal, `"cwd":"/"`, `"cwd":5`, 1), "process.cwd must be string"},
		"no root":        {strings.Replace(minimal, `"root"`, `"toor"`, 1), "root.path"},
		"no linux":       {strings.Replace(minimal, `"linux"`, `"xunil"`, 1), "linux is missing"},
		"no process":     {strings.Replace(minimal, `"process"`, `"p"`, 1), "process is missing"},
		"no args":        {strings.Replace(minimal, `["sh"]`, `[]`, 1), "process.args"},
		"relative cwd":   {strings.Replace(minimal, `"cwd":"/"`, `"cwd":"tmp"`, 1), "absolute"},
		"NUL":            {strings.Replace(minimal, `"sh"`, `"s\u0000h"`, 1), "NUL"},
		"missing rootfs": {strings.Replace(minimal, `"rootfs"`, `"gone"`, 1), "invalid rootfs"},
		"rootfs a file":  {strings.Replace(minimal, `"rootfs"`, `"config.json"`, 1), "not a directory"},
		"two of a kind":  {strings.Replace(minimal, `"linux":{}`, `"linux":{"namespaces":[{"type":"pid"},{"type":"pid"}]}`, 1), "there twice"},
		"destination":    {strings.Replace(minimal, `"linux"`, `"mounts":[{"source":"/x"}],"linux"`, 1), "destination"},
	} {
		if _, err := Load(bundle(t, c.config)); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want one line with %q", name, err, c.want)
		}
	}
	for name, c := range map[string]struct{ linux, want string }{
		"intelRdt":       {`{"intelRdt":{"closID":"x"}}`, "linux.intelRdt"},
		"memory policy":  {`{"memoryPolicy":{"mode":"MPOL_BIND","nodes":"0"}}`, "linux.memoryPolicy"},
		"rdma":           {`{"resources":{"rdma":{"mlx5_1":{"hcaHandles":3}}}}`, "linux.resources.rdma"},
		"netDevices":     {`{"netDevices":{"eth9":{}}}`, "linux.netDevices"},
		"notify":         {`{"seccomp":{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_NOTIFY"}]}}`, "SCMP_ACT_NOTIFY"},
		"notify default": {`{"seccomp":{"defaultAction":"SCMP_ACT_NOTIFY"}}`, "SCMP_ACT_NOTIFY"},
		"listener":       {`{"seccomp":{"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"/x"}}`, "listenerPath"},
		"user namespace": {`{"namespaces":[{"type":"user","path":"/proc/1/ns/user"}]}`, "uidMappings"},
	} {
		_, err := ParseSpec([]byte(strings.Replace(minimal, `"linux":{}`, `"linux":`+c.linux, 1)))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "in a VM") {
			t.Errorf("%s: %v, want a refusal with %q", name, err, c.want)
		}
	}
	mapped := strings.Replace(minimal, `"linux"`, `"mounts":[{"destination":"/m","source":"/x","options":["bind","idmap"],"uidMappings":[{"size":1}]}],"linux"`, 1)
	if _, err := ParseSpec([]byte(mapped)); err == nil || !strings.Contains(err.Error(), "mounts[0].uidMappings") {
		t.Errorf("id-mapped mount: %v", err)
	}
	for _, option := range []string{"idmap", "ridmap"} {
		mapped = strings.Replace(minimal, `"linux"`, `"mounts":[{"destination":"/m","source":"/x","options":["bind","`+option+`"]}],"linux"`, 1)
		if _, err := ParseSpec([]byte(mapped)); err == nil || !strings.Contains(err.Error(), "the option "+option+" (/m)") {
			t.Errorf("mount option %s: %v", option, err)
		}
	}
	for source, refused := range map[string]bool{"/dev/sdb1": true, "/srv/image": true, "//server/share": false, "server:/export": false, "": false} {
		typed := strings.Replace(minimal, `"linux"`, `"mounts":[{"destination":"/m","type":"ext4","source":"`+source+`"}],"linux"`, 1)
		_, err := ParseSpec([]byte(typed))
		if refused != (err != nil) || refused && !strings.Contains(err.Error(), `mounts[0] (/m): the type "ext4" with the source `+source) {
			t.Errorf("ext4 of %q: %v", source, err)
		}
	}
	if _, err := Load(t.TempDir()); err == nil || !strings.Contains(err.Error(), "config.json not found") {
		t.Errorf("no config.json: %v", err)
	}
}

func TestLoadTakesSourcesFromTheBundle(t *testing.T) {
	mounts := `"mounts":[{"destination":"/a","type":"bind","source":"sub/../data","options":["bind"]},
		{"destination":"/b","source":"/data","options":["rbind"]},{"destination":"/c","type":"tmpfs","source":"tmpfs"}],`
	dir := bundle(t, strings.Replace(minimal, `"linux"`, mounts+`"linux"`, 1))
	b, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{filepath.Join(dir, "data"), "/data", "tmpfs"} {
		if got := b.Spec.Mounts[i].Source; got != want {
			t.Errorf("mounts[%d]: source %s, want %s", i, got, want)
		}
	}
}

func TestKindOf(t *testing.T) {
	bind := func(source, destination string) specs.Mount {
		return specs.Mount{Destination: destination, Source: source, Type: "bind", Options: []string{"rbind"}}
	}
	for _, c := range []struct {
		mount specs.Mount
		want  MountKind
	}{
		{bind("/dev/null", "/etc/foo.conf"), KernelView}, {bind("/dev/net/../urandom", "/dev/random"), KernelView},
		{bind("/dev/net/tun", "/dev/net/tun"), KernelView}, {bind("/dev/sda", "/disk"), Shared}, {bind("/dev/nullx", "/x"), Shared},
		{bind("/dev/pts/0", "/x"), KernelView}, {bind("/data", "/dev/null"), Shared}, {bind("/data", "/dev/shm"), Shm},
		{specs.Mount{Type: "overlay", Source: "/merge", Destination: "/o"}, Overlay},
		{specs.Mount{Type: "overlay", Source: "/data", Destination: "/o", Options: []string{"bind"}}, Shared},
		{specs.Mount{Type: "tmpfs", Source: "/tmp", Destination: "/tmp"}, InGuest},
	} {
		if got := KindOf(c.mount); got != c.want {
			t.Errorf("%s on %s: %v, want %v", c.mount.Source, c.mount.Destination, got, c.want)
		}
	}
}

func TestGuestSpec(t *testing.T) {
	spec, err := ParseSpec([]byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	spec.Mounts = []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc"},
		{Destination: "/data", Type: "bind", Source: "/host/data", Options: []string{"rbind", "ro", "rprivate", "rnosuid", "noexec"}},
		{Destination: "/dev/shm", Type: "bind", Source: "/host/shm"},
		{Destination: "/view", Source: "/sys/", Options: []string{"rbind"}},
		{Destination: "/over", Type: "overlay", Source: "/host/merge", Options: []string{"lowerdir=/host/l", "upperdir=/host/u", "workdir=/host/w", "volatile", "private", "nosuid"}},
	}
	spec.Annotations = map[string]string{"a": "b"}
	spec.Linux.CgroupsPath = "/host/cgroup"
	spec.Linux.Namespaces = []specs.LinuxNamespace{{Type: specs.NetworkNamespace, Path: "/run/netns/x"}, {Type: specs.PIDNamespace, Path: "/proc/1/ns/pid"},
		{Type: specs.IPCNamespace, Path: "/host/ipc"}, {Type: specs.UTSNamespace}}
	spec.Hooks = &specs.Hooks{CreateRuntime: []specs.Hook{{Path: "/h"}}, StartContainer: []specs.Hook{{Path: "/in"}}}
	document, err := GuestSpec(spec, GuestPlan{
		Root: "/run/kata-containers/shared/c/rootfs", Sources: map[int]string{1: "/guest/data", 4: "/guest/over"}, ShmSize: map[int]uint64{2: 4096},
		Bundle: "/the/bundle", BundleMark: "x-bundle",
		Below: map[int][]Below{1: {{Path: "sub", Source: "/guest/sub"}}}, BelowMark: "x-below",
	})
	if err != nil {
		t.Fatal(err)
	}
	var guest specs.Spec
	if err := json.Unmarshal(document, &guest); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(document), "/host") || strings.Contains(string(document), "netns") {
		t.Errorf("a path of the host reaches the guest: %s", document)
	}
	if guest.Mounts[1].Source != "/guest/data" || guest.Mounts[3].Type != "tmpfs" || guest.Mounts[4].Source != "/sys" {
		t.Errorf("mounts %+v", guest.Mounts)
	}
	// What is mounted below is mounted right after, and read-only by "rro" alone.
	below := specs.Mount{Destination: "/data/sub", Type: "bind", Source: "/guest/sub", Options: []string{"bind", "rprivate", "rnosuid", "x-below"}}
	if !reflect.DeepEqual(guest.Mounts[2], below) {
		t.Errorf("below: %+v, want %+v", guest.Mounts[2], below)
	}
	over := specs.Mount{Destination: "/over", Type: "bind", Source: "/guest/over", Options: []string{"bind", "private", "nosuid"}}
	if !reflect.DeepEqual(guest.Mounts[5], over) {
		t.Errorf("overlay: %+v, want %+v", guest.Mounts[5], over)
	}
	if data := OverlayData(spec.Mounts[4]); data != "lowerdir=/host/l,upperdir=/host/u,workdir=/host/w,volatile" {
		t.Errorf("overlay data %s", data)
	}
	// Who joins others joins the guest's own.
	want := []specs.LinuxNamespace{{Type: specs.PIDNamespace}, {Type: specs.IPCNamespace, Path: "/proc/1/ns/ipc"}, {Type: specs.UTSNamespace}}
	if !reflect.DeepEqual(guest.Linux.Namespaces, want) {
		t.Errorf("namespaces %+v", guest.Linux.Namespaces)
	}
	if len(guest.Hooks.CreateRuntime) != 0 || len(guest.Hooks.StartContainer) != 1 {
		t.Errorf("hooks %+v", guest.Hooks)
	}
	if guest.Annotations["x-bundle"] != "/the/bundle" || guest.Annotations["a"] != "b" || len(spec.Annotations) != 1 {
		t.Errorf("annotations %v and %v", guest.Annotations, spec.Annotations)
	}
	if spec.Mounts[1].Source != "/host/data" || spec.Root.Path != "rootfs" || spec.Linux.CgroupsPath == "" {
		t.Error("the spec given was changed")
	}
	if _, err := GuestSpec(spec, GuestPlan{}); err == nil {
		t.Error("a mount without a plan is accepted")
	}
}

// As runc 1.1 and 1.2 bind: what an option sets, or lifts, is the user's word.
func TestFlagsOfTheSource(t *testing.T) {
	for _, c := range []struct{ options, flags, want []string }{
		{[]string{"rbind", "rprivate"}, []string{"nosuid", "nodev", "noexec"}, []string{"rbind", "rprivate", "nosuid", "nodev", "noexec"}},
		{[]string{"rbind", "rw", "exec"}, []string{"nosuid", "noexec"}, []string{"rbind", "rw", "exec", "nosuid"}},
		{[]string{"rbind", "ro"}, []string{"noexec"}, []string{"rbind", "ro"}},
		{[]string{"rbind", "rnosuid"}, []string{"noexec"}, []string{"rbind", "rnosuid", "noexec"}},
		{[]string{"rbind"}, nil, []string{"rbind"}},
	} {
		spec, err := ParseSpec([]byte(minimal))
		if err != nil {
			t.Fatal(err)
		}
		spec.Mounts = []specs.Mount{{Destination: "/data", Type: "bind", Source: "/data", Options: c.options}}
		document, err := GuestSpec(spec, GuestPlan{
			Sources: map[int]string{0: "/guest/data"}, Flags: map[int][]string{0: c.flags},
			Below: map[int][]Below{0: {{Path: "sub", Source: "/guest/sub", Flags: c.flags}}}, BelowMark: "x-below",
		})
		if err != nil {
			t.Fatal(err)
		}
		var guest specs.Spec
		if err := json.Unmarshal(document, &guest); err != nil {
			t.Fatal(err)
		}
		if got := guest.Mounts[0].Options; !slices.Equal(got, c.want) {
			t.Errorf("%v of a source with %v: %v, want %v", c.options, c.flags, got, c.want)
		}
		for _, f := range c.flags {
			if got := guest.Mounts[1].Options; !slices.Contains(got, f) {
				t.Errorf("%v: %v below, without %s", c.options, got, f)
			}
		}
	}
}

func FuzzParseSpec(f *testing.F) {
	f.Add([]byte(minimal))
	f.Fuzz(func(t *testing.T, data []byte) {
		spec, err := ParseSpec(data)
		if err != nil {
			return
		}
		RoleOf(spec)
		NetworkNamespace(spec)
		sources := map[int]string{}
		for i := range spec.Mounts {
			sources[i] = "/x"
		}
		if _, err := GuestSpec(spec, GuestPlan{Root: "/r", Sources: sources}); err != nil {
			t.Error(err)
		}
	})
}
