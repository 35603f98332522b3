package network

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("namespaces and links need root")
	}
}

// namespace makes a namespace for a test, which must be gone at its end.
func namespace(t *testing.T, name string) *Namespace {
	t.Helper()
	needRoot(t)
	path := filepath.Join(t.TempDir(), name)
	ns, err := NewNamespace(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ns.Remove(); err != nil {
			t.Error(err)
		}
		mounts, err := os.ReadFile("/proc/self/mountinfo")
		if err != nil || bytes.Contains(mounts, []byte(path)) {
			t.Errorf("%s is still mounted (%v)", path, err)
		}
	})
	return ns
}

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}

func TestNamespace(t *testing.T) {
	ns := namespace(t, "ns")
	outside := inode(t, own)
	for range 100 {
		if err := ns.Do(func() error {
			if got := inode(t, own); got != inode(t, ns.Path()) {
				t.Errorf("inside: namespace %d", got)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if got := inode(t, own); got != outside {
			t.Fatalf("outside: namespace %d, not %d", got, outside)
		}
	}
	if err := ns.Do(func() error { return io.EOF }); !errors.Is(err, io.EOF) {
		t.Errorf("the function's error is lost: %v", err)
	}
	if err := ns.Do(func() error {
		lo, err := net.InterfaceByName("lo")
		if err == nil && lo.Flags&net.FlagUp == 0 {
			err = errors.New("lo is down")
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

func TestNewNamespaceLeavesAnotherFileAlone(t *testing.T) {
	needRoot(t)
	path := filepath.Join(t.TempDir(), "taken")
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewNamespace(path); !errors.Is(err, os.ErrExist) {
		t.Errorf("got %v", err)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "x" {
		t.Errorf("the file changed: %q, %v", data, err)
	}
}

func TestRemoveNamespaceTwice(t *testing.T) {
	ns := namespace(t, "ns")
	for range 2 {
		if err := RemoveNamespace(ns.Path()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOpenNamespaceRefusesWhatIsNone(t *testing.T) {
	for _, path := range []string{"/proc/self/ns/mnt", "/etc/passwd", "/dev/null", t.TempDir(), "/nonexistent"} {
		if ns, err := OpenNamespace(path); err == nil {
			ns.Close()
			t.Errorf("%s was opened", path)
		}
	}
}

func TestStartInside(t *testing.T) {
	ns := namespace(t, "ns")
	cmd := exec.Command("readlink", "/proc/self/ns/net")
	var out strings.Builder
	cmd.Stdout = &out
	if err := ns.Start(cmd); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	var want string
	if err := ns.Do(func() (err error) { want, err = os.Readlink(own); return err }); err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(out.String()); got != want {
		t.Errorf("the process is in %s, not in %s", got, want)
	}
}

func TestIsHost(t *testing.T) {
	ns := namespace(t, "ns")
	for path, want := range map[string]bool{"/proc/self/ns/net": true, ns.Path(): false} {
		if got, err := IsHost(path); err != nil || got != want {
			t.Errorf("IsHost(%s) = %v, %v", path, got, err)
		}
	}
	if _, err := IsHost("/nonexistent"); err == nil {
		t.Error("a path that is not there has an answer")
	}
}
