package sandbox

import (
	"fmt"
	"log/slog"
	"os"
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
