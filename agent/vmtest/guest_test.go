package vmtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/yamux"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent-protocol/call"
	"github.com/kata-go/kata-runtime/agent-protocol/serial"
	"github.com/kata-go/kata-runtime/agent-protocol/stream"
	"github.com/kata-go/kata-runtime/agent-protocol/wire"
)

// guest is a booted VM with the agent.
type guest struct {
	agentpb.AgentClient
	t       testing.TB
	ctx     context.Context
	socket  string
	console string
	qemu    *exec.Cmd
	session *yamux.Session
	conn    *call.Client
}

// rootfs is the test containers' root in the guest.
const rootfs = "/kata-test/rootfs"

// boot starts a guest and connects; the test ends it. more are QEMU arguments.
func boot(t testing.TB, more ...string) *guest {
	t.Helper()
	return bootWith(t, os.Getenv("KATA_TEST_APPEND"), more...)
}

// bootWith is boot with words for the kernel's command line.
func bootWith(t testing.TB, words string, more ...string) *guest {
	t.Helper()
	kernel, initrd := os.Getenv("KATA_TEST_KERNEL"), os.Getenv("KATA_TEST_INITRD")
	if kernel == "" || initrd == "" {
		t.Skip("KATA_TEST_KERNEL and KATA_TEST_INITRD name no guest kernel and initrd with the agent")
	}
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	t.Cleanup(cancel)
	g := &guest{t: t, ctx: ctx, socket: filepath.Join(dir, "agent.sock"), console: filepath.Join(dir, "console.log")}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: g.socket, Net: "unix"})
	g.must(err)
	socket, err := listener.File()
	g.must(err)
	g.qemu = exec.Command("qemu-system-x86_64", append([]string{"-machine", "q35,accel=tcg", "-cpu", "max", "-m", "256",
		"-nodefaults", "-display", "none", "-no-reboot",
		"-kernel", kernel, "-initrd", withRootfs(t, initrd, filepath.Join(dir, "initrd")),
		"-append", "console=ttyS0 quiet panic=-1 " + words, "-serial", "file:" + g.console,
		"-device", "virtio-serial-pci", "-chardev", "socket,id=agent,fd=3,server=on,wait=off",
		"-device", "virtserialport,chardev=agent,name=kata.agent.0"}, more...)...)
	g.qemu.ExtraFiles = []*os.File{socket}
	var stderr bytes.Buffer
	g.qemu.Stderr = &stderr
	g.must(g.qemu.Start())
	socket.Close()
	listener.SetUnlinkOnClose(false)
	listener.Close()
	t.Cleanup(func() {
		g.qemu.Process.Kill()
		g.qemu.Wait()
		if t.Failed() || os.Getenv("KATA_TEST_CONSOLE") != "" {
			log, _ := os.ReadFile(g.console)
			t.Logf("console:\n%s\nQEMU: %s", log, &stderr)
		}
	})
	g.connect()
	t.Cleanup(func() { g.session.Close() })
	return g
}

// withRootfs adds a container's root file system to an initrd.
func withRootfs(t testing.TB, initrd, out string) string {
	t.Helper()
	data, err := os.ReadFile(initrd)
	if err != nil {
		t.Fatal(err)
	}
	box, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Skip("no static busybox: ", err)
	}
	a := &archive{}
	for len(data)%4 != 0 {
		data = append(data, 0)
	}
	for _, dir := range []string{"", "/bin", "/proc", "/sys", "/dev", "/tmp", "/etc", "/root"} {
		if dir == "" {
			a.folder("kata-test")
		}
		a.folder(rootfs[1:] + dir)
	}
	a.file(rootfs[1:]+"/bin/busybox", box)
	a.file(otherInit[1:], []byte(otherInitScript))
	a.add(rootfs[1:]+"/etc/noexec", 0o100644, []byte("not a program"))
	for _, name := range []string{"sh", "cat", "echo", "true", "sleep", "id", "hostname", "stty", "tty", "kill", "ls",
		"mount", "date", "tr", "head", "dd", "md5sum", "ps", "yes", "wc", "touch", "ulimit", "env", "pwd", "grep", "tail"} {
		a.link(rootfs[1:]+"/bin/"+name, "busybox")
	}
	if err := os.WriteFile(out, append(data, a.bytes()...), 0o600); err != nil {
		t.Fatal(err)
	}
	return out
}

// connect does what kata-proxy does, and greets the agent.
func (g *guest) connect() {
	g.t.Helper()
	raw, err := net.Dial("unix", g.socket)
	g.must(err)
	port := io.ReadWriteCloser(raw)
	if g.session != nil {
		port = serial.Resync(raw)
	}
	g.session, err = yamux.Client(serial.Coalesce(port), serial.Config())
	g.must(err)
	session := g.session
	g.conn = call.NewClient(nil, func(context.Context) (net.Conn, error) { return session.Open() })
	g.AgentClient = agentpb.NewAgentClient(g.conn)
	hello, err := g.Hello(g.ctx, &agentpb.HelloRequest{Version: wire.ProtocolVersion, Client: "vmtest"})
	g.must(err)
	g.must(wire.CheckVersion(wire.ProtocolVersion, hello.Version))
}

func (g *guest) must(err error) {
	g.t.Helper()
	if err != nil {
		g.t.Fatal(err)
	}
}

// spec is a plain container's document.
func spec(args ...string) *specs.Spec {
	caps := []string{"CAP_CHOWN", "CAP_KILL", "CAP_SETUID", "CAP_SETGID", "CAP_AUDIT_WRITE", "CAP_NET_BIND_SERVICE"}
	return &specs.Spec{
		Version:  "1.0.2",
		Root:     &specs.Root{Path: rootfs},
		Hostname: "box",
		Process: &specs.Process{Args: args, Cwd: "/", Env: []string{"PATH=/bin", "HOME=/root"}, NoNewPrivileges: true,
			Capabilities: &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps},
			Rlimits:      []specs.POSIXRlimit{{Type: "RLIMIT_NOFILE", Soft: 1024, Hard: 2048}}},
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc"},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
			{Destination: "/dev/pts", Type: "devpts", Source: "devpts", Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
			{Destination: "/dev/shm", Type: "tmpfs", Source: "shm", Options: []string{"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
			{Destination: "/sys", Type: "sysfs", Source: "sysfs", Options: []string{"nosuid", "noexec", "nodev", "ro"}},
			{Destination: "/sys/fs/cgroup", Type: "cgroup", Source: "cgroup", Options: []string{"nosuid", "noexec", "nodev", "relatime", "ro"}},
		},
		Linux: &specs.Linux{
			CgroupsPath: "/of/the/host",
			Namespaces: []specs.LinuxNamespace{{Type: "pid"}, {Type: "network", Path: "/var/run/netns/of-the-host"}, {Type: "ipc"},
				{Type: "uts"}, {Type: "mount"}, {Type: "cgroup"}},
			MaskedPaths:   []string{"/proc/kcore", "/proc/keys"},
			ReadonlyPaths: []string{"/proc/sys", "/proc/bus"},
			Resources:     &specs.LinuxResources{Devices: []specs.LinuxDeviceCgroup{{Allow: false, Access: "rwm"}}},
		},
	}
}

// sandbox makes the guest's sandbox.
func (g *guest) sandbox() {
	g.t.Helper()
	_, err := g.CreateSandbox(g.ctx, &agentpb.CreateSandboxRequest{SandboxId: "box", Hostname: "guest"})
	g.must(err)
}

func (g *guest) create(id string, s *specs.Spec) error {
	doc, err := json.Marshal(s)
	g.must(err)
	_, err = g.CreateContainer(g.ctx, &agentpb.CreateContainerRequest{ContainerId: id, OciSpec: doc})
	return err
}

func (g *guest) start(id string) {
	g.t.Helper()
	_, err := g.StartContainer(g.ctx, &agentpb.ContainerRequest{ContainerId: id})
	g.must(err)
}

func (g *guest) remove(id string) {
	g.t.Helper()
	_, err := g.RemoveContainer(g.ctx, &agentpb.ContainerRequest{ContainerId: id})
	g.must(err)
}

func (g *guest) wait(id, exec string) *agentpb.WaitProcessReply {
	g.t.Helper()
	reply, err := g.WaitProcess(g.ctx, &agentpb.ProcessRequest{ContainerId: id, ExecId: exec})
	g.must(err)
	return reply
}

func (g *guest) attach(id, exec string, which agentpb.Stream, offset uint64) *stream.Client {
	g.t.Helper()
	conn, err := g.session.Open()
	g.must(err)
	client, err := stream.Attach(g.ctx, conn, &agentpb.StreamHello{ContainerId: id, ExecId: exec, Stream: which, Offset: offset})
	g.must(err)
	return client
}

// output reads a stream to its end.
func (g *guest) output(id, exec string, which agentpb.Stream) string {
	g.t.Helper()
	var out bytes.Buffer
	g.must(g.attach(id, exec, which, 0).CopyTo(&out))
	return out.String()
}

// run runs a container to its end and answers what it printed, and its code.
func (g *guest) run(id string, s *specs.Spec) (string, int32) {
	g.t.Helper()
	g.must(g.create(id, s))
	g.start(id)
	out := g.output(id, "", agentpb.Stream_STDOUT)
	if !s.Process.Terminal {
		out += g.output(id, "", agentpb.Stream_STDERR)
	}
	code := g.wait(id, "").ExitCode
	g.remove(id)
	return out, code
}

// exec starts a process of a container.
func (g *guest) exec(id, exec string, p *specs.Process) error {
	doc, err := json.Marshal(p)
	g.must(err)
	_, err = g.ExecProcess(g.ctx, &agentpb.ExecProcessRequest{ContainerId: id, ExecId: exec, Process: doc})
	return err
}

func process(args ...string) *specs.Process { return spec(args...).Process }

func shell(format string, args ...any) []string {
	return []string{"sh", "-c", fmt.Sprintf(format, args...)}
}
