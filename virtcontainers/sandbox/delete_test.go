package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/internal/proc"
	"github.com/kata-go/kata-runtime/oci"
	"github.com/kata-go/kata-runtime/virtcontainers/state"
)

// podOf makes a pod's folder, with members, that has no VM any more.
func podOf(t *testing.T, members ...string) (*Host, *state.Dir) {
	t.Helper()
	h, err := NewHost(t.TempDir(), nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	st := State{Containers: map[string]*Container{"pod": {ID: "pod"}}}
	for _, id := range members {
		st.Containers[id] = &Container{ID: id, Place: "@" + id}
	}
	dir := placed(t, h, "pod", st)
	for _, id := range members {
		if err := dir.Claim(id); err != nil {
			t.Fatal(err)
		}
	}
	return h, dir
}

// Two deletes in one pod at the same time: both have loaded all of it.
func TestDeletesOfTwoMembers(t *testing.T) {
	h, dir := podOf(t, "a", "b")
	var loaded []*State
	for range 2 {
		st := new(State)
		if err := dir.Read(st); err != nil {
			t.Fatal(err)
		}
		loaded = append(loaded, st)
	}
	for i, id := range []string{"a", "b"} {
		if err := h.removeMember(context.Background(), dir, loaded[i], loaded[i].Containers[id]); err != nil {
			t.Fatal(err)
		}
	}
	st := new(State)
	if err := dir.Read(st); err != nil || len(st.Containers) != 1 {
		t.Errorf("left are %v, %v", st.Containers, err)
	}
}

// The delete of the pod was killed when the folder had gone.
func TestDeleteAfterHalfARemoval(t *testing.T) {
	for _, force := range []bool{false, true} {
		h, dir := podOf(t, "a", "b")
		if err := os.RemoveAll(dir.Path); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"a", "pod"} {
			if err := h.Delete(context.Background(), id, force); err != nil {
				t.Errorf("%s, force %v: %v", id, force, err)
			}
		}
		if ids, err := h.store.List(); err != nil || len(ids) != 0 {
			t.Errorf("force %v: left are %v, %v", force, ids, err)
		}
	}
}

// The pod was deleted while a member's delete was on its way, and the member's
// id is another's by now.
func TestDeleteLeavesANewOwnerAlone(t *testing.T) {
	h, dir := podOf(t, "a")
	st := new(State)
	if err := errors.Join(dir.Read(st), dir.Remove()); err != nil {
		t.Fatal(err)
	}
	placed(t, h, "a", State{})
	if err := h.removeMember(context.Background(), dir, st, st.Containers["a"]); !errors.Is(err, ErrNotExist) {
		t.Errorf("removeMember = %v", err)
	}
	if _, err := h.store.Find("a"); err != nil {
		t.Error("the new one has lost its id:", err)
	}
}

// containerd gives up the creation of one container of a pod, whose shim is the
// creator and stands for the pod's others.
func TestDeleteSparesAServiceOfOthers(t *testing.T) {
	h, _ := podOf(t)
	service := sleeper(t)
	placed(t, h, "shared", State{Containers: map[string]*Container{
		"shared": {ID: "shared", Service: service}, "new": {ID: "new", Creator: service},
	}})
	dir, err := h.store.Find("shared")
	if err != nil {
		t.Fatal(err)
	}
	if err := dir.Claim("new"); err != nil {
		t.Fatal(err)
	}
	err = h.Delete(context.Background(), "new", true)
	if err == nil || !strings.Contains(err.Error(), "which serves container shared") {
		t.Errorf("Delete = %v", err)
	}
	if !service.Alive() {
		t.Error("the service was ended")
	}
}

// The guard of a creation that was killed comes late: the id is another's by now.
func TestDeleteAbandonedSparesANewOwner(t *testing.T) {
	h, dir := podOf(t)
	killed, other := proc.Handle{PID: 4194304, StartTime: 7}, proc.Handle{PID: 4194304, StartTime: 9}
	disk := new(State)
	if err := dir.Update(disk, func() error { disk.Containers["pod"].Creator = killed; return nil }); err != nil {
		t.Fatal(err)
	}
	for _, creator := range []proc.Handle{other, killed} {
		parsed, err := proc.ParseHandle(creator.String())
		if err == nil {
			err = h.DeleteAbandoned(context.Background(), "pod", parsed)
		}
		if _, there := h.Status("pod"); err != nil || (there == nil) != (creator == other) {
			t.Errorf("abandoned by %v: %v, then %v", creator, err, there)
		}
	}
	if _, err := proc.ParseHandle("12"); err == nil {
		t.Error("a handle without a start time")
	}
}

// sleeper is a process that lives until it is killed.
func sleeper(t *testing.T) proc.Handle {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	handle, err := proc.Of(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	return handle
}

// A creation that fails by itself, while a delete is about to end it, takes all
// back: that is what was to be done.
func TestDeleteOfACreationThatTakesItselfBack(t *testing.T) {
	h, dir := podOf(t)
	st := &State{ID: "pod", Containers: map[string]*Container{"pod": {ID: "pod", Creator: sleeper(t)}}}
	data, err := json.Marshal(map[string]any{"version": state.Version, "sandbox": st})
	if err != nil {
		t.Fatal(err)
	}
	// Who reads the state gets it when the id has gone.
	fifo := filepath.Join(dir.Path, "state.json")
	if err := errors.Join(os.Remove(fifo), unix.Mkfifo(fifo, 0o600)); err != nil {
		t.Fatal(err)
	}
	taken := make(chan error, 1)
	go func() {
		f, err := os.OpenFile(fifo, os.O_WRONLY, 0)
		if err == nil {
			_, werr := f.Write(data)
			err = errors.Join(werr, dir.Release("pod"), f.Close())
		}
		taken <- err
	}()
	if err := h.Delete(context.Background(), "pod", true); err != nil {
		t.Error(err)
	}
	if err := <-taken; err != nil {
		t.Error(err)
	}
}

// What has got the id since the state was read is not what is to be deleted.
func TestDestroyOfAnotherSandbox(t *testing.T) {
	h, dir := podOf(t)
	old := new(State)
	if err := errors.Join(dir.Read(old), dir.Remove()); err != nil {
		t.Fatal(err)
	}
	dir = placed(t, h, "pod", State{Containers: map[string]*Container{"pod": {ID: "pod", Created: time.Now()}}})
	for _, st := range []*State{old, {ID: "pod"}} {
		if err := h.destroy(context.Background(), dir, st); !errors.Is(err, ErrNotExist) {
			t.Errorf("destroy = %v", err)
		}
	}
	if _, err := h.Status("pod"); err != nil {
		t.Error("the new one has gone:", err)
	}
	// Its creation had not come so far as to write its state when that was read.
	disk := new(State)
	err := dir.Update(disk, func() error { disk.Containers["pod"].Creator = sleeper(t); return nil })
	if err := errors.Join(err, h.destroy(context.Background(), dir, &State{ID: "pod"})); !errors.Is(err, errBegun) {
		t.Errorf("destroy of what is being made = %v", err)
	}
	now := new(State)
	if err := errors.Join(dir.Read(now), h.destroy(context.Background(), dir, now)); err != nil {
		t.Error(err)
	}
}

func TestDestroyEndsWhoHasJoinedMeanwhile(t *testing.T) {
	h, dir := podOf(t)
	st, shim := new(State), sleeper(t)
	if err := dir.Read(st); err != nil {
		t.Fatal(err)
	}
	disk := new(State)
	err := dir.Update(disk, func() error { disk.Containers["late"] = &Container{ID: "late", Shim: shim}; return nil })
	if err := errors.Join(err, h.destroy(context.Background(), dir, st)); err != nil {
		t.Fatal(err)
	}
	if shim.Alive() {
		t.Error("the member's shim lives on")
	}
}

func TestNobodyJoinsWhatIsHalfMade(t *testing.T) {
	self, err := proc.Of(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for word, first := range map[string]*Container{
		"":                      {ID: "pod"},
		"still being created":   {ID: "pod", Creator: self},
		"creation was cut off":  {ID: "pod", Creator: proc.Handle{PID: self.PID, StartTime: 1}},
		"creation was cut off:": nil,
	} {
		st := &State{ID: "pod", Containers: map[string]*Container{}}
		if first != nil {
			st.Containers["pod"] = first
		}
		if err := st.complete(); (err == nil) != (word == "") || err != nil && !strings.Contains(err.Error(), word) {
			t.Errorf("%+v: %v", first, err)
		}
	}
	// By the state when it joins, not by the one before.
	h, dir := podOf(t)
	h.settings = &Settings{}
	disk := new(State)
	err = dir.Update(disk, func() error {
		disk.VM.Process, disk.Containers["pod"].Creator = self, self
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	req := &CreateRequest{ID: "app", Bundle: &oci.Bundle{Spec: &specs.Spec{Process: &specs.Process{}, Linux: &specs.Linux{}}}}
	if _, err := h.join(context.Background(), req, "pod"); err == nil || !strings.Contains(err.Error(), "still being created") {
		t.Errorf("join = %v", err)
	}
	if dir.Has("app") {
		t.Error("the id is still claimed")
	}
}

// The limit of a teardown is not one of the user's hooks.
func TestDeleteWaitsForHooks(t *testing.T) {
	defer func(limit time.Duration) { teardownTimeout = limit }(teardownTimeout)
	teardownTimeout = time.Second
	h, dir := podOf(t)
	done := filepath.Join(t.TempDir(), "done")
	st := new(State)
	err := dir.Update(st, func() error {
		st.Containers["pod"].Spec.Hooks = &specs.Hooks{Poststop: []specs.Hook{{
			Path: "/bin/sh", Args: []string{"sh", "-c", "/bin/sleep 1.5; echo >" + done},
		}}}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Delete(context.Background(), "pod", false); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(done); err != nil {
		t.Error("the hook was cut off:", err)
	}
}
