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

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/kata-go/kata-runtime/internal/proc"
	"github.com/kata-go/kata-runtime/oci"
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
	for role, want := range map[oci.Role]string{oci.Single: "this", oci.Infra: ""} {
		if got, err := h.ownerOf("/proc/self/ns/net", role); got != want || (err == nil) != (want != "") {
			t.Errorf("role %d: sandbox %q, %v; want %q", role, got, err, want)
		}
	}
	if _, err := h.inNamespace("/proc/self/ns/none"); err == nil {
		t.Error("a namespace that is not there is accepted")
	}
}

// What a container may be told by annotations is anybody's word: it joins only the
// sandbox whose network namespace its engine has named.
func TestAdmit(t *testing.T) {
	self := fmt.Sprintf("/proc/%d/ns/net", os.Getpid())
	handle, err := proc.Of(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	// A namespace that is neither the host's nor ours, as far as the path matters.
	const other = "/proc/self/ns/uts"
	gone := filepath.Join(t.TempDir(), "gone")
	network := func(path string) []specs.LinuxNamespace {
		return []specs.LinuxNamespace{{Type: specs.MountNamespace}, {Type: specs.NetworkNamespace, Path: path}}
	}
	for name, c := range map[string]struct {
		sandbox    State
		namespaces []specs.LinuxNamespace
		joins      bool
	}{
		"CRI-O's path":                    {State{Network: Network{Namespace: self}}, network(self), true},
		"containerd's, by a process":      {State{Network: Network{Namespace: "/proc/self/ns/net"}}, network(self), true},
		"its path is gone":                {State{Network: Network{Namespace: gone}, Proxy: handle}, network(self), true},
		"another":                         {State{Network: Network{Namespace: self}}, network(other), false},
		"another, and its path is gone":   {State{Network: Network{Namespace: gone}, Proxy: handle}, network(other), false},
		"nobody knows":                    {State{Network: Network{Namespace: gone}}, network(self), false},
		"a new one":                       {State{Network: Network{Namespace: self}}, network(""), false},
		"the host's":                      {State{Network: Network{Namespace: self}}, nil, false},
		"one that is not there":           {State{Network: Network{Namespace: self}}, network(gone), false},
		"the host's, as the sandbox":      {State{}, nil, true},
		"the host's by a process":         {State{}, network(self), true},
		"another than the host's":         {State{}, network(other), false},
		"a new one, not the host's":       {State{}, network(""), false},
		"that of a sandbox not in it":     {State{Network: Network{Named: other}}, network(other), true},
		"not that of a sandbox not in it": {State{Network: Network{Named: "/proc/self/ns/ipc"}}, network(other), false},
	} {
		c.sandbox.ID = "pod"
		err := c.sandbox.admit(&specs.Spec{Linux: &specs.Linux{Namespaces: c.namespaces}})
		if (err == nil) != c.joins || err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Nothing of a container that is refused is left, nor of its claim.
func TestJoinFromAnotherNetwork(t *testing.T) {
	h, err := NewHost(t.TempDir(), &Settings{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	self, err := proc.Of(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	dir, err := h.store.Create("victim", "victim")
	if err != nil {
		t.Fatal(err)
	}
	victim := State{ID: "victim", Network: Network{Namespace: "/proc/self/ns/net"}, Containers: map[string]*Container{"victim": {ID: "victim"}}}
	victim.VM.Process = self
	disk := new(State)
	if err := dir.Update(disk, func() error { *disk = victim; return nil }); err != nil {
		t.Fatal(err)
	}
	spec := &specs.Spec{
		Annotations: map[string]string{"io.kubernetes.cri.container-type": "container", "io.kubernetes.cri.sandbox-id": "victim"},
		Linux:       &specs.Linux{Namespaces: []specs.LinuxNamespace{{Type: specs.NetworkNamespace}}},
	}
	_, err = h.Create(t.Context(), &CreateRequest{ID: "hostile", Bundle: &oci.Bundle{Spec: spec}})
	if err == nil || !strings.Contains(err.Error(), "not in its network namespace") {
		t.Errorf("%v", err)
	}
	if _, err := h.Status("hostile"); !errors.Is(err, ErrNotExist) {
		t.Errorf("something of it is left: %v", err)
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
