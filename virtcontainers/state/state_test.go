package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

type sample struct {
	N int `json:"n"`
}

func open(t *testing.T, root string) *Store {
	t.Helper()
	s, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRootIsResolved(t *testing.T) {
	dir := t.TempDir()
	real := filepath.Join(dir, "real")
	if err := os.Mkdir(real, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	d, err := open(t, filepath.Join(dir, "link", "not", "yet")).Create("a", "a")
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(real, "not", "yet", "sandboxes", "a"); d.Path != want {
		t.Errorf("path %s, want %s", d.Path, want)
	}
}

func TestRemoveRefusesWhatIsMounted(t *testing.T) {
	d, err := open(t, t.TempDir()).Create("a", "a")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(d.Path, "m")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
		t.Skip("cannot mount a tmpfs here:", err)
	}
	defer unix.Unmount(dir, 0)
	precious := filepath.Join(dir, "precious")
	if err := os.WriteFile(precious, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.Remove(); err == nil || !strings.Contains(err.Error(), "still mounted") {
		t.Errorf("Remove = %v", err)
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error("removed through a mount:", err)
	}
}

func TestOneOfManyClaimsAnID(t *testing.T) {
	s := open(t, t.TempDir())
	var wg sync.WaitGroup
	won := make(chan *Dir, 20)
	for range 20 {
		wg.Go(func() {
			d, err := s.Create("a", "a")
			if err == nil {
				won <- d
			} else if !errors.Is(err, ErrExist) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(won) != 1 {
		t.Fatalf("%d claims won, want 1", len(won))
	}
	if err := (<-won).Remove(); err != nil {
		t.Fatal(err)
	}
	if ids, err := s.List(); err != nil || len(ids) != 0 {
		t.Errorf("List = %v, %v after Remove", ids, err)
	}
	if _, err := s.Find("a"); !errors.Is(err, ErrNotExist) {
		t.Errorf("Find = %v, want ErrNotExist", err)
	}
}

func TestMembersShareTheFolder(t *testing.T) {
	s := open(t, t.TempDir())
	d, err := s.Create("pod", "pod")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Claim("app"); err != nil {
		t.Fatal(err)
	}
	if err := d.Claim("app"); !errors.Is(err, ErrExist) {
		t.Errorf("second claim: %v", err)
	}
	found, err := s.Find("app")
	if err != nil || found.ID() != "pod" {
		t.Errorf("Find(app) = %v, %v", found, err)
	}
	if err := d.Remove(); err != nil {
		t.Fatal(err)
	}
	if ids, _ := s.List(); len(ids) != 0 {
		t.Errorf("links left: %v", ids)
	}
}

func TestReleaseLeavesAnothersLinkAlone(t *testing.T) {
	s := open(t, t.TempDir())
	old, err := s.Create("old", "old")
	if err != nil {
		t.Fatal(err)
	}
	pod, err := s.Create("pod", "pod")
	if err == nil {
		err = errors.Join(pod.Claim("app"), old.Release("app"))
	}
	if err != nil || !pod.Has("app") || old.Has("app") {
		t.Errorf("released by another sandbox: %v", err)
	}
	if err := errors.Join(pod.Release("app"), pod.Release("app")); err != nil || pod.Has("app") {
		t.Errorf("not released: %v", err)
	}
}

// So a removal that was killed can be repeated by the sandbox's own id.
func TestRemoveKeepsItsOwnLinkLast(t *testing.T) {
	s := open(t, t.TempDir())
	d, err := s.Create("m", "m")
	if err == nil {
		err = errors.Join(d.Claim("a"), d.Claim("z"))
	}
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if _, err := unix.InotifyAddWatch(fd, filepath.Dir(s.link("m")), unix.IN_DELETE); err != nil {
		t.Fatal(err)
	}
	if err := d.Remove(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	n, err := unix.Read(fd, buf)
	if err != nil {
		t.Fatal(err)
	}
	// The names are short: each is at the end of an event of 32 bytes (inotify(7)).
	order := ""
	for at := unix.SizeofInotifyEvent; at < n; at += 32 {
		order += string(buf[at])
	}
	if order != "azm" {
		t.Errorf("the links went in the order %q", order)
	}
}

func TestUpdatesDoNotLoseEachOther(t *testing.T) {
	d, err := open(t, t.TempDir()).Create("a", "a")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			var v sample
			if err := d.Update(&v, func() error { v.N++; return nil }); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var v sample
	if err := d.Read(&v); err != nil || v.N != 50 {
		t.Errorf("n = %d, %v, want 50", v.N, err)
	}
	if err := d.Update(&v, func() error { v.N = 0; return errors.New("no") }); err == nil {
		t.Error("the change's error is lost")
	}
	if err := d.Read(&v); err != nil || v.N != 50 {
		t.Errorf("a failed change was written: %d, %v", v.N, err)
	}
	left, _ := filepath.Glob(filepath.Join(d.Path, ".state-*"))
	if len(left) != 0 {
		t.Errorf("temporary files left: %v", left)
	}
}

// Two that have both loaded the state take something out of it: the later must
// not bring back what the earlier took.
func TestUpdateForgetsWhatTheFileHasNot(t *testing.T) {
	type members struct {
		Name string         `json:"name,omitempty"`
		IDs  map[string]int `json:"ids"`
	}
	d, err := open(t, t.TempDir()).Create("pod", "pod")
	if err != nil {
		t.Fatal(err)
	}
	v := members{Name: "x", IDs: map[string]int{"pod": 0, "a": 1, "b": 2}}
	if err := d.Update(&v, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	var one, two members
	if err := errors.Join(d.Read(&one), d.Read(&two)); err != nil {
		t.Fatal(err)
	}
	err = d.Update(&one, func() error { one.Name = ""; delete(one.IDs, "a"); return nil })
	if err == nil {
		err = d.Update(&two, func() error { delete(two.IDs, "b"); return nil })
	}
	if err != nil {
		t.Fatal(err)
	}
	v.IDs["c"] = 3
	if err := d.Read(&v); err != nil || v.Name != "" || len(v.IDs) != 1 || !reflect.DeepEqual(v, two) {
		t.Errorf("%+v and %+v, %v", v, two, err)
	}
	// What cannot be read leaves the caller's alone.
	if err := os.WriteFile(filepath.Join(d.Path, file), []byte(`{"version":1,"sandbox":{"name":"y","ids":7}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.Read(&v); err == nil || v.Name != "" {
		t.Errorf("of a damaged file: %+v, %v", v, err)
	}
}

func TestUpdateOfARemovedSandbox(t *testing.T) {
	d, err := open(t, t.TempDir()).Create("a", "a")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Remove(); err != nil {
		t.Fatal(err)
	}
	var v sample
	if err := d.Update(&v, func() error { return nil }); !errors.Is(err, ErrNotExist) {
		t.Errorf("Update = %v, want ErrNotExist", err)
	}
	if err := d.Read(&v); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Read = %v", err)
	}
}

func TestOneOfManyRemoves(t *testing.T) {
	s := open(t, t.TempDir())
	d, err := s.Create("a", "a")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	removed, late := 0, 0
	begin := make(chan struct{})
	var ready, done sync.WaitGroup
	for range 20 {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-begin
			err := d.Exclusive(func() error {
				mu.Lock()
				removed++
				mu.Unlock()
				return d.Remove()
			})
			mu.Lock()
			defer mu.Unlock()
			if errors.Is(err, ErrNotExist) {
				late++
			} else if err != nil {
				t.Error(err)
			}
		})
	}
	ready.Wait()
	close(begin)
	done.Wait()
	// Those that come when there is no folder any more are called, too.
	if removed+late != 20 || removed == 0 {
		t.Errorf("%d removed, %d came late", removed, late)
	}
	if _, err := s.Find("a"); !errors.Is(err, ErrNotExist) {
		t.Errorf("still there: %v", err)
	}
}

func TestExclusiveWaits(t *testing.T) {
	d, err := open(t, t.TempDir()).Create("a", "a")
	if err != nil {
		t.Fatal(err)
	}
	inside, second := make(chan struct{}), make(chan error)
	err = d.Exclusive(func() error {
		go func() {
			close(inside)
			second <- d.Exclusive(func() error { return errors.New("called on what is gone") })
		}()
		<-inside
		waiters(t, filepath.Join(d.Path, "lock"), 2)
		return d.Remove()
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-second; !errors.Is(err, ErrNotExist) {
		t.Errorf("the second got %v", err)
	}
}

// waiters returns when this process has a file open n times.
func waiters(t *testing.T, path string, n int) {
	t.Helper()
	for {
		open := 0
		fds, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		for _, fd := range fds {
			if target, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && target == path {
				open++
			}
		}
		if open >= n {
			return
		}
	}
}

func TestDamagedState(t *testing.T) {
	d, err := open(t, t.TempDir()).Create("a", "a")
	if err != nil {
		t.Fatal(err)
	}
	for content, want := range map[string]string{
		"":                               "damaged",
		"{":                              "damaged",
		`{"version":0}`:                  "version 0",
		`{"version":99,"sandbox":{}}`:    "version 99",
		`{"version":1,"sandbox":"text"}`: "damaged",
	} {
		if err := os.WriteFile(filepath.Join(d.Path, file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		var v sample
		if err := d.Read(&v); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q in it", content, err, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"version":1,"sandbox":{"n":1}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var v sample
		if err := decode(data, &v, "x"); err == nil {
			if _, err := encode(v); err != nil {
				t.Error(fmt.Sprint(v, err))
			}
		}
	})
}
