package vmtest

import (
	"crypto/md5"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent-protocol/call"
)

const shared = "/run/kata-containers/"

// TestSandbox makes one call of everything that a pod needs, and takes it away.
func TestSandbox(t *testing.T) {
	disk := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(disk, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(disk, 32<<20); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.WriteFile(folder+"/word", []byte("from the host\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	g := boot(t, "-netdev", "user,id=n,restrict=on", "-device", "virtio-net-pci,netdev=n,mac=02:00:00:00:00:01",
		"-drive", "if=none,id=d,format=raw,file="+disk, "-device", "virtio-blk-pci,drive=d,serial=disk0",
		"-virtfs", "local,mount_tag=share,security_model=none,path="+folder)
	pause := spec("/pause")
	pauseDoc, err := json.Marshal(pause)
	g.must(err)
	reply, err := g.CreateSandbox(g.ctx, &agentpb.CreateSandboxRequest{
		SandboxId: "pod", Hostname: "pod", Dns: []string{"nameserver 10.0.0.1"}, ClockNs: 2e18, Entropy: []byte("0123456789abcdef"),
		SharePid: true, ShmSize: 1 << 20, Sysctls: map[string]string{"net.ipv4.ip_forward": "1", "net.ipv4.conf.eth7.rp_filter": "2", "net.ipv6.conf.all.disable_ipv6": "1"},
		Interfaces: []*agentpb.Interface{{DeviceMac: "02:00:00:00:00:01", Name: "eth7", Mac: "02:00:00:00:00:99", Mtu: 1400, Addresses: []string{"10.1.2.3/24", "fd00::3/64"}}},
		Routes:     []*agentpb.Route{{Gateway: "10.1.2.1", Device: "eth7"}},
		Neighbours: []*agentpb.Neighbour{{Device: "eth7", Address: "10.1.2.1", Mac: "02:00:00:00:00:77"}},
		Storages:   []*agentpb.Storage{{Driver: "ephemeral", MountPoint: shared + "vol", Options: []string{"size=1m"}}},
		Container:  &agentpb.CreateContainerRequest{ContainerId: "infra", OciSpec: pauseDoc, Infra: true, SharePid: true},
	})
	g.must(err)
	if reply.Container.GetPid() == 0 || len(reply.Interfaces) != 1 || reply.Interfaces[0].Name != "eth7" || reply.Interfaces[0].Mac != "02:00:00:00:00:99" {
		t.Errorf("reply %+v", reply)
	}
	_, err = g.CreateSandbox(g.ctx, &agentpb.CreateSandboxRequest{SandboxId: "other"})
	g.want(err, call.AlreadyExists, "pod")
	g.start("infra")
	t.Run("shared namespaces", func(t *testing.T) { testSharedPID(g.in(t)) })
	t.Run("limits", func(t *testing.T) { testRlimits(g.in(t)) })
	t.Run("isolation", func(t *testing.T) { testIsolation(g.in(t)) })
	t.Run("user namespace", func(t *testing.T) { testUserNamespace(g.in(t)) })
	t.Run("storages", func(t *testing.T) { testStorages(g.in(t)) })
	t.Run("block device", func(t *testing.T) { testBlock(g.in(t)) })
	t.Run("files", func(t *testing.T) { testFiles(g.in(t)) })
	t.Run("seccomp", func(t *testing.T) { testSeccomp(g.in(t)) })
	online, err := g.OnlineResources(g.ctx, &agentpb.OnlineResourcesRequest{Cpus: 1, Memory: true})
	g.must(err)
	if online.Cpus != 1 || online.Memory == 0 {
		t.Errorf("resources %+v", online)
	}
	metrics, err := g.Metrics(g.ctx, &agentpb.Empty{})
	g.must(err)
	t.Logf("%s", metrics.Text)
	// With a container that runs and mounts that are used.
	g.must(g.create("left", spec("sleep", "1000")))
	g.start("left")
	_, err = g.DestroySandbox(g.ctx, &agentpb.DestroySandboxRequest{VmEnds: true})
	g.must(err)
	if code := g.wait("left", "").ExitCode; code != 137 {
		g.t.Errorf("code %d at the VM's end", code)
	}
	// If the VM lives on all the same, the rest can still be undone.
	_, err = g.DestroySandbox(g.ctx, &agentpb.DestroySandboxRequest{PowerOff: true})
	g.must(err)
	if err := g.qemu.Wait(); err != nil {
		t.Errorf("QEMU: %v", err)
	}
}

func testSharedPID(g *guest) {
	sharing := func(id string, s *specs.Spec) {
		doc, err := json.Marshal(s)
		g.must(err)
		_, err = g.CreateContainer(g.ctx, &agentpb.CreateContainerRequest{ContainerId: id, OciSpec: doc, SharePid: true})
		g.must(err)
		g.start(id)
	}
	sharing("one", spec("sleep", "1111"))
	sharing("two", spec(shell("cat /proc/[0-9]*/cmdline | tr '\\0' ' '; hostname; cat /proc/sys/net/ipv4/ip_forward; date +%%s")...))
	out := g.output("two", "", agentpb.Stream_STDOUT)
	for _, word := range []string{"/pause ", "sleep 1111", "\n1\n20000000"} {
		if !strings.Contains(out, word) {
			g.t.Errorf("no %q in %q", word, out)
		}
	}
	g.remove("two")
	// What a container leaves in the shared namespace goes with it.
	list, err := g.ListProcesses(g.ctx, &agentpb.ContainerRequest{ContainerId: "one"})
	g.must(err)
	if len(list.Processes) != 1 {
		g.t.Errorf("processes %+v", list.Processes)
	}
	g.remove("one")
	// Not only its init is killed: the other one would keep the stream open.
	sharing("three", spec(shell("sleep 2222 & echo $(cat /proc/sys/net/ipv4/conf/eth7/rp_filter); exec sleep 3333")...))
	_, err = g.SignalProcess(g.ctx, &agentpb.SignalProcessRequest{ContainerId: "three", Signal: uint32(unix.SIGKILL)})
	g.must(err)
	g.output("three", "", agentpb.Stream_STDOUT)
	g.remove("three")
}

// testRlimits: what a process has by itself, and what it can ask for.
func testRlimits(g *guest) {
	script := shell("cat /proc/self/limits | tr -s ' '; cat /proc/sys/kernel/threads-max /proc/sys/fs/nr_open /proc/sys/fs/file-max /proc/sys/fs/inotify/max_user_watches")
	s := spec(script...)
	s.Process.Rlimits = nil
	out, _ := g.run("own", s)
	for _, line := range []string{"Max processes unlimited unlimited", "Max pending signals unlimited unlimited", "Max core file size 0 unlimited",
		"Max open files 1048576 1048576", "\n4194304\n1073741816\n9223372036854775807\n1048576\n"} {
		if !strings.Contains(out, line) {
			g.t.Errorf("no %q in %q", line, out)
		}
	}
	s = spec(script...)
	s.Process.Rlimits = []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 2000000, Hard: 2000000}, {Type: "RLIMIT_CORE"}, {Type: "RLIMIT_NPROC", Soft: 50, Hard: 60}}
	out, _ = g.run("asked", s)
	for _, line := range []string{"Max open files 2000000 2000000", "Max core file size 0 0", "Max processes 50 60"} {
		if !strings.Contains(out, line) {
			g.t.Errorf("no %q in %q", line, out)
		}
	}
}

func testIsolation(g *guest) {
	s := spec(shell("cat /proc/self/mountinfo | wc -l; ls -a /; ls /kata-test; id; ulimit -n; ulimit -Hn; cat /proc/self/status")...)
	umask := uint32(0o27)
	s.Process.User = specs.User{UID: 1000, GID: 1001, AdditionalGids: []uint32{5, 7}, Umask: &umask}
	s.Root.Readonly = true
	out, _ := g.run("iso", s)
	for _, word := range []string{"uid=1000 gid=1001", "5", "7", "1024\n2048", "NoNewPrivs:\t1", "CapBnd:\t00000000200004e1", "Umask:\t0027", "/kata-test: No such file"} {
		if !strings.Contains(out, word) {
			g.t.Errorf("no %q in %q", word, out)
		}
	}
	if strings.Contains(out, "kata-agent") || strings.Contains(out, "\ninit\n") {
		g.t.Errorf("the guest's root is visible: %q", out)
	}
	testHiddenPaths(g)
	s = spec(shell("touch /x; echo $?; touch /dev/shm/x && echo ok")...)
	s.Root.Readonly = true
	if out, _ := g.run("ro", s); !strings.Contains(out, "1\nok\n") {
		g.t.Errorf("read-only root: %q", out)
	}
}

// testHiddenPaths: what the spec masks is empty, and what it has as read-only
// cannot be written to, each by itself; without, it is not so. (/proc/keys would
// prove nothing: it is empty here without a mask.)
func testHiddenPaths(g *guest) {
	for id, test := range map[string]struct {
		script, open, closed string
		set                  specs.Linux
	}{
		"kcore":  {"head -c 4 /proc/kcore | tail -c 3", "ELF", "", specs.Linux{MaskedPaths: []string{"/proc/kcore"}}},
		"folder": {"ls /proc/irq", "default_smp_affinity\n", "", specs.Linux{MaskedPaths: []string{"/proc/irq"}}},
		"write": {"echo 9000 >/proc/sys/kernel/msgmax && cat /proc/sys/kernel/msgmax", "9000\n",
			"sh: can't create /proc/sys/kernel/msgmax: Read-only file system\n", specs.Linux{ReadonlyPaths: []string{"/proc/sys"}}},
	} {
		for _, set := range []bool{false, true} {
			s := spec(shell("%s", test.script)...)
			caps := s.Process.Capabilities // for kcore
			caps.Bounding = append(slices.Clone(caps.Bounding), "CAP_SYS_RAWIO")
			caps.Effective, caps.Permitted = caps.Bounding, caps.Bounding
			s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = nil, nil
			want := test.open
			if set {
				s.Linux.MaskedPaths, s.Linux.ReadonlyPaths, want = test.set.MaskedPaths, test.set.ReadonlyPaths, test.closed
			}
			out, _ := g.run(fmt.Sprintf("hidden-%s-%t", id, set), s)
			if set && out != want || !strings.Contains(out, want) {
				g.t.Errorf("%s, asked for: %t: printed %q", id, set, out)
			}
		}
	}
}

func testUserNamespace(g *guest) {
	s := spec(shell("cat /proc/self/uid_map; id -u; hostname")...)
	s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: "user"})
	ids := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 100000, Size: 65536}}
	s.Linux.UIDMappings, s.Linux.GIDMappings = ids, ids
	// Its numbers, not the guest's device of that name.
	s.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/ttyS0", Type: "c", Major: 1, Minor: 5}, {Path: "/dev/more/zero", Type: "c", Major: 1, Minor: 5}}
	read := spec(shell("head -c 3 /dev/ttyS0 /dev/more/zero | md5sum; ls -ln /dev/more")...)
	read.Linux = s.Linux
	zeros, code := g.run("devices", read)
	if want := fmt.Sprintf("%x", md5.Sum([]byte("==> /dev/ttyS0 <==\n\x00\x00\x00\n==> /dev/more/zero <==\n\x00\x00\x00"))); code != 0 || !strings.Contains(zeros, want) || !strings.Contains(zeros, "crw-rw-rw-") {
		g.t.Errorf("devices: printed %q, code %d", zeros, code)
	}
	out, code := g.run("user", s)
	if fields := strings.Fields(out); code != 0 || len(fields) != 5 || fields[1] != "100000" || fields[3] != "0" || fields[4] != "box" {
		g.t.Errorf("printed %q, code %d", out, code)
	}
	testOwnStreams(g, s)
}

// testOwnStreams opens the standard streams by their names in a container with a
// user namespace, where the pipes must not belong to the guest's root.
func testOwnStreams(g *guest, user *specs.Spec) {
	script := shell("echo out >/dev/stdout && echo err >/proc/self/fd/2 && : </dev/stdin && echo in")
	for _, uid := range []uint32{0, 1000} {
		id := fmt.Sprintf("streams%d", uid)
		s := spec(script...)
		s.Linux, s.Process.User.UID = user.Linux, uid
		if out, code := g.run(id, s); code != 0 || out != "out\nin\nerr\n" {
			g.t.Errorf("user %d: printed %q, code %d", uid, out, code)
		}
		s.Process.Args = []string{"sleep", "1000"}
		g.must(g.create(id, s))
		g.start(id)
		p := process(script...)
		p.User.UID = uid
		g.must(g.exec(id, "x", p))
		out, err := g.output(id, "x", agentpb.Stream_STDOUT), g.output(id, "x", agentpb.Stream_STDERR)
		if out != "out\nin\n" || err != "err\n" {
			g.t.Errorf("exec of user %d: printed %q and %q", uid, out, err)
		}
		g.remove(id)
	}
}

func testStorages(g *guest) {
	volume := &agentpb.VolumeRequest{MountPoint: shared + "vol"}
	stat, err := g.StatVolume(g.ctx, volume)
	g.must(err)
	if stat.Capacity != 1<<20 {
		g.t.Errorf("volume %+v", stat)
	}
	_, err = g.ResizeVolume(g.ctx, volume)
	g.want(err, call.Unimplemented, "no size of its own")
	_, err = g.AddStorages(g.ctx, &agentpb.AddStoragesRequest{Storages: []*agentpb.Storage{{Driver: "ephemeral", MountPoint: "/etc"}}})
	g.want(err, call.InvalidArgument, "/etc")
	details, err := g.GuestDetails(g.ctx, &agentpb.Empty{})
	g.must(err)
	s := spec("cat", "/mnt/word")
	s.Mounts = append(s.Mounts, specs.Mount{Destination: "/mnt", Type: "bind", Source: shared + "share", Options: []string{"rbind", "ro"}})
	doc, err := json.Marshal(s)
	g.must(err)
	_, err = g.CreateContainer(g.ctx, &agentpb.CreateContainerRequest{ContainerId: "share", OciSpec: doc, Storages: []*agentpb.Storage{
		{Driver: "9p", Source: "share", MountPoint: shared + "share", Options: []string{"msize=1048576", "cache=mmap"}}}})
	if !strings.Contains(strings.Join(details.Filesystems, " "), "9p") {
		g.want(err, call.Internal, "no such device")
		g.t.Skip("the guest's kernel has no 9p")
	}
	g.must(err)
	g.start("share")
	if out := g.output("share", "", agentpb.Stream_STDOUT); out != "from the host\n" {
		g.t.Errorf("printed %q", out)
	}
	g.remove("share")
	_, err = g.StatVolume(g.ctx, &agentpb.VolumeRequest{MountPoint: shared + "share"})
	g.want(err, call.NotFound, "")
}

func testBlock(g *guest) {
	s := spec(shell("dd if=/dev/host bs=1k count=1 2>/dev/null | wc -c; ls -l /dev/host | grep -c ^b")...)
	s.Linux.Devices = []specs.LinuxDevice{{Path: "/dev/host", Type: "b", Major: 77, Minor: 7}}
	major, minor := int64(77), int64(7)
	s.Linux.Resources.Devices = append(s.Linux.Resources.Devices, specs.LinuxDeviceCgroup{Allow: true, Type: "b", Major: &major, Minor: &minor, Access: "rwm"})
	doc, err := json.Marshal(s)
	g.must(err)
	_, err = g.CreateContainer(g.ctx, &agentpb.CreateContainerRequest{ContainerId: "blk", OciSpec: doc,
		Devices: []*agentpb.Device{{Driver: "blk", Source: "serial=disk0", ContainerPath: "/dev/host"}}})
	g.must(err)
	g.start("blk")
	if out := g.output("blk", "", agentpb.Stream_STDOUT); out != "1024\n1\n" {
		g.t.Errorf("printed %q and %q", out, g.output("blk", "", agentpb.Stream_STDERR))
	}
	g.remove("blk")
}

func testFiles(g *guest) {
	_, err := g.CopyFile(g.ctx, &agentpb.CopyFileRequest{Path: shared + "files/a", Mode: 0o100644, Size_: 3, Data: []byte("abc")})
	g.must(err)
	s := spec("cat", "/a")
	s.Mounts = append(s.Mounts, specs.Mount{Destination: "/a", Type: "bind", Source: shared + "files/a", Options: []string{"bind"}})
	if out, code := g.run("file", s); out != "abc" || code != 0 {
		g.t.Errorf("printed %q, code %d", out, code)
	}
}

func testSeccomp(g *guest) {
	errno := uint(95)
	s := spec(shell("kill -0 $$; echo $?")...)
	s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: "SCMP_ACT_ALLOW", Architectures: []specs.Arch{"SCMP_ARCH_X86_64"},
		Syscalls: []specs.LinuxSyscall{{Names: []string{"kill"}, Action: "SCMP_ACT_ERRNO", ErrnoRet: &errno}}}
	if out, _ := g.run("sec", s); !strings.Contains(out, "1\n") || !strings.Contains(out, "not supported") {
		g.t.Errorf("printed %q", out)
	}
	// A profile from before these calls were known, or a strict one of a user.
	s = spec("echo", "hi")
	s.Linux.Seccomp = &specs.LinuxSeccomp{DefaultAction: "SCMP_ACT_ALLOW", Architectures: []specs.Arch{"SCMP_ARCH_X86_64"},
		Syscalls: []specs.LinuxSyscall{{Names: []string{"statx", "openat2", "close_range", "fsopen", "open_tree"}, Action: "SCMP_ACT_ERRNO"}}}
	for _, late := range []bool{false, true} {
		s.Process.NoNewPrivileges = late
		if out, _ := g.run("old-profile", s); out != "hi\n" {
			g.t.Errorf("noNewPrivileges %v: printed %q", late, out)
		}
	}
}

// TestResize grows a file system with the disk that it lies on.
func TestResize(t *testing.T) {
	mkfs, err := exec.LookPath("mkfs.ext4")
	if err != nil {
		t.Skip("no mkfs.ext4: ", err)
	}
	disk := filepath.Join(t.TempDir(), "disk")
	if out, err := exec.Command(mkfs, "-q", disk, "16m").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.Truncate(disk, 64<<20); err != nil {
		t.Fatal(err)
	}
	g := boot(t, "-drive", "if=none,id=d,format=raw,file="+disk, "-device", "virtio-blk-pci,drive=d,serial=disk0")
	g.sandbox()
	_, err = g.AddStorages(g.ctx, &agentpb.AddStoragesRequest{Storages: []*agentpb.Storage{
		{Driver: "blk", Source: "serial=disk0", Fstype: "ext4", MountPoint: shared + "disk"}}})
	if err != nil && strings.Contains(err.Error(), "no such device") {
		t.Skip("the guest's kernel has no ext4")
	}
	g.must(err)
	volume := &agentpb.VolumeRequest{MountPoint: shared + "disk"}
	_, err = g.ResizeVolume(g.ctx, volume)
	g.must(err)
	stat, err := g.StatVolume(g.ctx, volume)
	g.must(err)
	if stat.Capacity < 48<<20 {
		t.Errorf("volume %+v", stat)
	}
	_, err = g.RemoveStorage(g.ctx, &agentpb.RemoveStorageRequest{MountPoint: shared + "disk"})
	g.must(err)
}
