package sandbox

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"testing"

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
