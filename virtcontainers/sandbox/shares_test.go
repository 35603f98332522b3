package sandbox

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/oci"
	"github.com/kata-go/kata-runtime/virtcontainers/share"
	"github.com/kata-go/kata-runtime/virtcontainers/state"
)

// newShared makes a sandbox's folders, which go with the test.
func newShared(t *testing.T) (*state.Dir, *share.Folder) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("mounts need root")
	}
	store, err := state.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	dir, err := store.Create("pod", "pod")
	if err != nil {
		t.Fatal(err)
	}
	folder, err := share.New(sharedPath(dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { folder.Remove() })
	return dir, folder
}

func TestSharesGoWithTheLastUser(t *testing.T) {
	dir, folder := newShared(t)
	source := t.TempDir()
	// add gives a container the source twice, with or without the right to write.
	add := func(id string, readOnly bool) string {
		t.Helper()
		c := &Container{ID: id}
		st := new(State)
		err := dir.Update(st, func() error {
			if st.Containers == nil {
				st.Containers = map[string]*Container{}
			}
			st.Containers[id] = c
			return nil
		})
		var list sharings
		defer func() { list.close() }()
		for n := range 2 {
			s, serr := share.OpenSource(source)
			if serr != nil {
				t.Fatal(serr)
			}
			err = errors.Join(err, list.add(sharing{mount: n, source: s, o: share.MountOptions{ReadOnly: readOnly}}))
		}
		plan := oci.GuestPlan{Sources: map[int]string{}, Flags: map[int][]string{}}
		if err := errors.Join(err, shareOnce(slog.New(slog.DiscardHandler), dir, folder, c, list, plan)); err != nil {
			t.Fatal(err)
		}
		if len(c.Shares) != 1 || plan.Sources[0] != plan.Sources[1] || len(c.storages()) != 1 {
			t.Errorf("%s: %+v at %v", id, c.Shares, plan.Sources)
		}
		return filepath.Join(folder.Dir(), strings.TrimPrefix(plan.Sources[0], share.GuestDir))
	}
	one, two, three := add("one", false), add("two", false), add("three", true)
	if one != two || three == one {
		t.Errorf("places %s, %s, %s", one, two, three)
	}
	for _, step := range []struct {
		id         string
		one, three bool
	}{{"one", true, true}, {"one", true, true}, {"three", true, false}, {"nobody", true, false}, {"two", false, false}} {
		if err := dropShares(dir, folder, step.id); err != nil {
			t.Fatal(err)
		}
		for place, want := range map[string]bool{one: step.one, three: step.three} {
			if _, err := os.Stat(place); (err == nil) != want {
				t.Errorf("without %s: %s: %v", step.id, place, err)
			}
		}
	}
	if again := add("one", false); again == one {
		t.Error("a place is used again")
	}
}

// A mount below a volume that goes between the look at it and its sharing.
func TestShareOnceWithoutWhatHasGone(t *testing.T) {
	dir, folder := newShared(t)
	c := &Container{ID: "one"}
	st := new(State)
	err := dir.Update(st, func() error {
		st.Containers = map[string]*Container{"one": c}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	source := t.TempDir()
	if err := unix.Mount("none", source, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	list := sharings{}
	defer func() { list.close() }()
	for n, below := range []string{"sub", "sub"} {
		s, err := share.OpenSource(source)
		if err == nil {
			err = list.add(sharing{mount: n, below: below, source: s})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Unmount(source, unix.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
	plan := oci.GuestPlan{Sources: map[int]string{}, Flags: map[int][]string{}, Below: map[int][]oci.Below{}}
	if err := shareOnce(slog.New(slog.DiscardHandler), dir, folder, c, list, plan); err != nil {
		t.Fatal(err)
	}
	if len(c.storages()) != 0 || len(plan.Below) != 0 {
		t.Errorf("%+v, below %v", c.Shares, plan.Below)
	}
	// A volume itself is not left out.
	list[0].below = ""
	if err := shareOnce(slog.New(slog.DiscardHandler), dir, folder, c, list, plan); !errors.Is(err, share.ErrUnbindable) {
		t.Error(err)
	}
	// The same folder as a volume that is there: by its key they are one.
	alive, err := share.OpenSource(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	list[0].below = "sub"
	list = append(list, sharing{mount: 2, source: alive, key: list[0].key}, sharing{mount: 3, below: "again", source: alive, key: list[0].key})
	if err := shareOnce(slog.New(slog.DiscardHandler), dir, folder, c, list, plan); err != nil {
		t.Error(err)
	}
	if len(c.storages()) != 1 || plan.Sources[2] == "" || len(plan.Below[3]) != 1 || len(plan.Below[0]) != 0 {
		t.Errorf("%+v, sources %v, below %v", c.Shares, plan.Sources, plan.Below)
	}
	if err := dropShares(dir, folder, "one"); err != nil {
		t.Error(err)
	}
}
