package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/kata-go/kata-runtime/internal/proc"
)

func TestForeignNamespace(t *testing.T) {
	for path, refused := range map[string]bool{
		"/proc/1234/ns/net": true, "/run/netns/cni-1": false, "/proc/self/ns/net": false, "/x/sandboxes/y/netns": false,
	} {
		if err := foreign(path); (err != nil) != refused {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestInNamespace(t *testing.T) {
	h, err := NewHost(t.TempDir(), nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	self, err := proc.Of(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	// Three sandboxes: of a dead VM, with another namespace, and the one.
	for id, st := range map[string]*State{
		"dead":  {Network: Network{Namespace: "/proc/self/ns/net"}},
		"other": {Network: Network{Namespace: "/proc/self/ns/uts"}},
		"this":  {Network: Network{Namespace: "/proc/self/ns/net"}},
	} {
		dir, err := h.store.Create(id, id)
		if err != nil {
			t.Fatal(err)
		}
		st.ID, st.Containers = id, map[string]*Container{id: {ID: id}}
		if id != "dead" {
			st.VM.Process = self
		}
		disk := new(State)
		if err := dir.Update(disk, func() error { *disk = *st; return nil }); err != nil {
			t.Fatal(err)
		}
		if err := dir.Claim(id + "-member"); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		fmt.Sprintf("/proc/%d/ns/net", os.Getpid()): "this",
		"/proc/self/ns/ipc":                         "",
	} {
		if got, err := h.inNamespace(path); err != nil || got != want {
			t.Errorf("%s: sandbox %q, %v; want %q", path, got, err, want)
		}
	}
	if _, err := h.inNamespace("/proc/self/ns/none"); err == nil {
		t.Error("a namespace that is not there is accepted")
	}
}

// An engine may take the path of a network namespace away before the container
// is gone: a further process gets into it all the same, as with runc.
func TestStartInANamespaceWithoutPath(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	inside := exec.Command("cat")
	inside.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	stdin, err := inside.StdinPipe()
	if err == nil {
		err = inside.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	end := func() {
		stdin.Close()
		inside.Wait()
	}
	defer end()
	want, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", inside.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	handle, err := proc.Of(inside.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	gone := filepath.Join(t.TempDir(), "gone")
	for name, st := range map[string]*State{
		"beside the proxy": {Network: Network{Namespace: gone}, Proxy: handle},
		"beside a shim":    {Network: Network{Namespace: gone}, Containers: map[string]*Container{"c": {Shim: handle}}},
	} {
		var out bytes.Buffer
		cmd := exec.Command("readlink", "/proc/self/ns/net")
		cmd.Stdout = &out
		if err := errors.Join(st.start(cmd), cmd.Wait()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := strings.TrimSpace(out.String()); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	end()
	st := &State{Network: Network{Namespace: gone}, Proxy: handle}
	if err := st.start(exec.Command("true")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("with nobody inside: %v", err)
	}
}
