package sandbox

import (
	"io"
	"log/slog"
	"testing"

	"github.com/kata-go/kata-runtime/virtcontainers/emptydir"
)

func TestEmptyDirsKeepTheirPlace(t *testing.T) {
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	user := func(id string, filled bool) *Container {
		return &Container{ID: id, EmptyDirs: []EmptyDir{
			{Volume: emptydir.Volume{Path: "/pod/cache"}, Mount: 2, filled: filled},
			{Volume: emptydir.Volume{Path: "/pod/cache", Sub: "a"}, Mount: 3, filled: filled},
		}}
	}
	guest, host := new(State), new(State)
	for _, first := range []bool{true, false} {
		// The host's content changes after the first.
		a, b := user("one", !first), user("two", first)
		guest.placeEmptyDirs(log, a)
		host.placeEmptyDirs(log, b)
		if len(a.EmptyDirs) != 2 || len(b.EmptyDirs) != 0 {
			t.Errorf("first %v: %d in the guest, %d beside", first, len(a.EmptyDirs), len(b.EmptyDirs))
		}
		if first && (a.emptyDirAt(2) == "" || a.emptyDirAt(3) == a.emptyDirAt(2) || a.emptyDirAt(4) != "") {
			t.Errorf("paths %q and %q", a.emptyDirAt(2), a.emptyDirAt(3))
		}
	}
	one, two := user("one", false), user("two", false)
	guest.placeEmptyDirs(log, one)
	guest.placeEmptyDirs(log, two)
	if one.emptyDirAt(2) != two.emptyDirAt(2) || one.emptyDirAt(3) == two.emptyDirAt(3) {
		t.Error("two containers have the volume in common, and each its own mount of a folder in it")
	}
}
