package share

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// daemon starts the host's virtiofsd for a new folder.
func daemon(t *testing.T) (*Daemon, *Folder, string) {
	t.Helper()
	f := folder(t)
	choice, err := Config{SharedFS: VirtioFS}.Choose()
	if err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	d, err := StartVirtioFSD(Default(), choice, dir, f, filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return d, f, dir
}

// answer asks the daemon for its features (vhost-user, VHOST_USER_GET_FEATURES):
// it answers once it has confined itself.
func answer(t *testing.T, conn *os.File) {
	t.Helper()
	// Request 1, flags: version 1, no payload.
	if _, err := conn.Write([]byte{1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 20)); err != nil {
		t.Fatalf("no answer: %v", err)
	}
}

// server answers the process that serves: a child of the daemon, or itself.
func server(t *testing.T, d *Daemon) string {
	t.Helper()
	dir := "/proc/" + strconv.Itoa(d.Process.PID)
	children, err := os.ReadFile(dir + "/task/" + strconv.Itoa(d.Process.PID) + "/children")
	if err != nil {
		t.Fatal(err)
	}
	if fields := strings.Fields(string(children)); len(fields) > 0 {
		return "/proc/" + fields[0]
	}
	return dir
}

func TestDaemonSeesLaterMounts(t *testing.T) {
	d, f, _ := daemon(t)
	before := tree(t)
	if _, err := f.AddRootfs("@early", before, false); err != nil {
		t.Fatal(err)
	}
	conn, err := d.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	answer(t, conn)
	if _, err := f.AddRootfs("@late", tree(t), false); err != nil {
		t.Fatal(err)
	}
	inside := server(t, d)
	if mine, err := os.Readlink("/proc/self/ns/mnt"); err != nil {
		t.Fatal(err)
	} else if its, err := os.Readlink(inside + "/ns/mnt"); err != nil || its == mine {
		t.Errorf("the daemon is not in a mount namespace of its own (%v)", err)
	}
	for _, name := range []string{"@early/rootfs/sub/b", "@late/rootfs/a", "@late/rootfs/sub/b"} {
		if _, err := os.Stat(inside + "/root/" + name); err != nil {
			t.Errorf("the daemon does not see %s: %v", name, err)
		}
	}
	if err := os.WriteFile(inside+"/root/x", nil, 0o600); !errors.Is(err, unix.EROFS) {
		t.Errorf("the daemon can write into the folder itself: %v", err)
	}
	if err := f.RemovePlace("@late"); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadFile(inside + "/mountinfo"); err != nil || strings.Contains(string(left), "/@late/") {
		t.Errorf("the daemon keeps a mount that was taken away (%v):\n%s", err, left)
	}
	status, err := os.ReadFile(inside + "/status")
	if err != nil || !strings.Contains(string(status), "NoNewPrivs:\t1") {
		t.Errorf("no_new_privs is not set (%v)", err)
	}
	if _, err := os.Stat(d.socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
}

func TestDaemonEndsWithItsConnection(t *testing.T) {
	d, _, _ := daemon(t)
	if !d.Process.Alive() {
		t.Fatal("the daemon does not run")
	}
	conn, err := d.Connect()
	if err != nil {
		t.Fatal(err)
	}
	answer(t, conn)
	conn.Close()
	<-d.Done()
	if err := d.Err(); err != nil {
		t.Error(err)
	}
	if d.Process.Alive() {
		t.Error("the daemon is left")
	}
	if _, err := d.Connect(); err == nil {
		t.Error("connected to a daemon that has ended")
	}
}

func TestDaemonLeadsItsOwnSession(t *testing.T) {
	d, _, dir := daemon(t)
	if sid, err := unix.Getsid(d.Process.PID); err != nil || sid != d.Process.PID {
		t.Errorf("session %d of process %d: %v", sid, d.Process.PID, err)
	}
	if err := d.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := d.Err(); err == nil {
		t.Error("a daemon that was killed has no error")
	}
	info, err := os.Stat(filepath.Join(dir, "log"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("log: %v, %v", info, err)
	}
}

func TestDaemonDiesAtOnce(t *testing.T) {
	f := folder(t)
	dir := t.TempDir()
	program, log := filepath.Join(dir, "virtiofsd"), filepath.Join(dir, "log")
	script := "#!/bin/sh\n# announce_submounts\necho one >&2\necho cannot open device >&2\nexit 3\n"
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, log, "of an earlier run\n")
	d, err := StartVirtioFSD(Default(), Choice{FS: VirtioFS, Daemon: program}, dir, f, log)
	if err == nil {
		<-d.Done()
		err = errors.Join(d.Err(), d.Stop(context.Background()))
	}
	if err == nil || !strings.Contains(err.Error(), "exit status 3: one; cannot open device") || strings.Contains(err.Error(), "earlier") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "virtiofsd.sock")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
}

func TestTheLastLinesOfALogThatWasCut(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	write(t, log, "of an earlier run\nthe last\n")
	if got := tail(log, 18); got != ": the last" {
		t.Errorf("%q", got)
	}
	if got := tail(log, 1<<20); got != ": of an earlier run; the last" {
		t.Errorf("begun behind its end: %q", got)
	}
}

func TestDaemonThatIsNone(t *testing.T) {
	f := folder(t)
	dir := t.TempDir()
	for _, program := range []string{"/bin/true", filepath.Join(dir, "missing")} {
		if _, err := StartVirtioFSD(Default(), Choice{FS: VirtioFS, Daemon: program}, dir, f, filepath.Join(dir, "log")); err == nil || !strings.Contains(err.Error(), program) {
			t.Errorf("%s: %v", program, err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("left %v, %v", entries, err)
	}
}

func TestDialects(t *testing.T) {
	c := Config{VirtioFSCache: "none", VirtioFSExtraArgs: []string{"--thread-pool-size=1"}}
	for d, want := range map[dialect][]string{
		dialectC:    {`source=/a\,b\\c`, "cache=none", "no_posix_acl", "sandbox=namespace", "--rlimit-nofile=20", "--thread-pool-size=1"},
		dialectRust: {`--shared-dir=/a,b\c`, "--cache=never", "--sandbox=namespace", "--rlimit-nofile=20", "--thread-pool-size=1"},
	} {
		args := d.args(c, `/a,b\c`, 20)
		for _, arg := range want {
			if !slices.Contains(args, arg) {
				t.Errorf("dialect %d lacks %s: %q", d, arg, args)
			}
		}
	}
	// A mark across two reads.
	path := filepath.Join(t.TempDir(), "x")
	for _, before := range []int{0, 256<<10 - 5, 512<<10 - 40} {
		write(t, path, "announce_submounts"+strings.Repeat("x", before)+"announce-submounts")
		if d, err := dialectOf(path); err != nil || d != dialectRust {
			t.Errorf("mark at %d: %v, %v", before, d, err)
		}
	}
}
