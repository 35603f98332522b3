package sandbox

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/kata-go/kata-runtime/virtcontainers/factory/cache"
	"github.com/kata-go/kata-runtime/virtcontainers/state"
)

// placed makes a sandbox's folder with a state, below a root.
func placed(t *testing.T, h *Host, id string, st State) *state.Dir {
	t.Helper()
	dir, err := h.store.Create(id, id)
	if err != nil {
		t.Fatal(err)
	}
	st.ID = id
	if err := write(dir, &st); err != nil {
		t.Fatal(err)
	}
	return dir
}

func left(t *testing.T, p cache.Place) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(p.Dir(), "sandboxes"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// cacheTestHost is a host with a cache beside its sandboxes, and the host of
// the cache's VMs.
func cacheTestHost(t *testing.T) (h, vms *Host, p cache.Place) {
	t.Helper()
	h = templateTestHost(t, &bytes.Buffer{})
	h.settings.Factory.VMCacheNumber = 1
	h.settings.Factory.VMCacheEndpoint = filepath.Join(t.TempDir(), "cache.sock")
	p, ok := h.place()
	if !ok {
		t.Fatal("no cache")
	}
	vms, err := NewHost(p.Dir(), nil, h.log)
	if err != nil {
		t.Fatal(err)
	}
	return h, vms, p
}

// A sandbox that was killed before it could note which VM it got takes that
// along, and no other.
func TestTeardownFindsTheOriginByItsOwner(t *testing.T) {
	for _, origin := range []string{"", "vm-1"} {
		h, vms, p := cacheTestHost(t)
		dir := placed(t, h, "mine", State{Cache: p.Dir(), Origin: origin})
		placed(t, vms, "vm-1", State{Owner: dir.Path})
		placed(t, vms, "vm-2", State{Owner: dir.Path + "2"})
		placed(t, vms, "vm-3", State{})
		if err := h.Delete(context.Background(), "mine", true); err != nil {
			t.Fatal(err)
		}
		if got := left(t, p); !slices.Equal(got, []string{"vm-2", "vm-3"}) {
			t.Errorf("origin %q: left are %v", origin, got)
		}
	}
}

// What says that it has a VM which another one owns, or nobody any more, takes
// nothing along.
func TestTeardownTakesNothingOfOthers(t *testing.T) {
	h, vms, p := cacheTestHost(t)
	placed(t, h, "mine", State{Cache: p.Dir(), Origin: "vm-2"})
	placed(t, h, "other", State{Cache: p.Dir(), Origin: "vm-9"})
	placed(t, vms, "vm-2", State{Owner: "/elsewhere/sandboxes/x"})
	for _, id := range []string{"mine", "other"} {
		if err := h.Delete(context.Background(), id, true); err != nil {
			t.Error(err)
		}
	}
	if got := left(t, p); !slices.Equal(got, []string{"vm-2"}) {
		t.Errorf("left are %v", got)
	}
}

func TestClearCacheKeepsWhatSandboxesHave(t *testing.T) {
	h, vms, p := cacheTestHost(t)
	has := placed(t, h, "has", State{Cache: p.Dir(), Origin: "vm-has"})
	taking := placed(t, h, "taking", State{Cache: p.Dir()})
	again := placed(t, h, "again", State{Cache: p.Dir(), Origin: "vm-new"})
	booted := placed(t, h, "booted", State{})
	placed(t, vms, "vm-has", State{Owner: has.Path})
	placed(t, vms, "vm-taking", State{Owner: taking.Path})
	placed(t, vms, "vm-again", State{Owner: again.Path})
	placed(t, vms, "vm-booted", State{Owner: booted.Path})
	placed(t, vms, "vm-orphan", State{Owner: filepath.Join(filepath.Dir(has.Path), "gone")})
	placed(t, vms, "vm-ready", State{})
	// One that was killed before it wrote anything.
	if _, err := vms.store.Create("vm-begun", "vm-begun"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(p.Dir(), "sandboxes/vm-ready/state.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := h.clearCache(context.Background(), p); err != nil {
		t.Fatal(err)
	}
	if got := left(t, p); !slices.Equal(got, []string{"vm-has", "vm-taking"}) {
		t.Errorf("left are %v", got)
	}
	// With the last one the folder goes, and what lies beside it.
	for _, id := range []string{"has", "taking", "again", "booted"} {
		if err := h.Delete(context.Background(), id, true); err != nil {
			t.Fatal(err)
		}
	}
	if entries, err := os.ReadDir(filepath.Dir(p.Dir())); err != nil || len(entries) > 0 {
		t.Errorf("left beside the socket: %v, %v", entries, err)
	}
}

func TestStopCacheOfNothing(t *testing.T) {
	h, _, p := cacheTestHost(t)
	if err := h.StopCache(context.Background()); err != nil {
		t.Error(err)
	}
	if status, err := h.CacheStatus(context.Background(), false); status != nil || err != nil {
		t.Errorf("CacheStatus = %v, %v", status, err)
	}
	if _, err := os.Lstat(p.Dir()); err == nil {
		t.Error("something was made")
	}
	h.settings.Factory.VMCacheNumber = 0
	if err := h.ServeCache(context.Background(), nil); err != errNoCache {
		t.Errorf("ServeCache = %v", err)
	}
}

// The damaged answer of a server makes a sandbox boot, not fail.
func TestHandoutThatIsDamaged(t *testing.T) {
	h, _, _ := cacheTestHost(t)
	dir := placed(t, h, "mine", State{})
	b := &boot{dir: dir, config: h.settings, log: h.log}
	for _, told := range []string{"", "{", `{"name":"../x"}`, `{"name":"vm-1"}`} {
		err := b.adopt(context.Background(), &State{}, &cache.Handed{Told: []byte(told)})
		if err == nil {
			t.Errorf("%q is adopted", told)
		}
	}
}
