// Package state keeps what is known of a sandbox on disk: one JSON file per
// sandbox, and a link per container that claims its id.
package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"sort"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

var (
	// ErrNotExist is the answer about an id that nobody has. The text is what
	// engines look for.
	ErrNotExist = errors.New("container does not exist")
	// ErrExist is the answer to claiming an id that is taken.
	ErrExist = errors.New("container with given ID already exists")
)

// Store is a runtime's root folder. Its methods may be called by any number
// of processes at a time.
type Store struct {
	root string
}

// Open answers the store below root; the folder is made when the first id is
// claimed. Paths are resolved here, so that they compare with those that the
// kernel shows: engines pass "/var/run/..." as a root.
func Open(root string) (*Store, error) {
	abs, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("root %s: %w", root, err)
	}
	missing := ""
	for dir := abs; ; {
		real, err := filepath.EvalSymlinks(dir)
		if err == nil {
			return &Store{root: filepath.Join(real, missing)}, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("root %s: %w", root, err)
		}
		missing = filepath.Join(filepath.Base(dir), missing)
		dir = filepath.Dir(dir)
	}
}

func (s *Store) link(container string) string {
	return filepath.Join(s.root, "containers", container)
}

func (s *Store) dir(sandbox string) string {
	return filepath.Join(s.root, "sandboxes", sandbox)
}

// Create claims a sandbox's id and its first container's, and makes the
// sandbox's folder. ErrExist if one of them is taken.
func (s *Store) Create(sandbox, container string) (*Dir, error) {
	for _, sub := range []string{"containers", "sandboxes"} {
		if err := os.MkdirAll(filepath.Join(s.root, sub), 0o700); err != nil {
			return nil, fmt.Errorf("root %s: %w", s.root, err)
		}
	}
	if err := s.claim(sandbox, container); err != nil {
		return nil, err
	}
	d := &Dir{Path: s.dir(sandbox), store: s}
	if err := os.Mkdir(d.Path, 0o700); err != nil {
		os.Remove(s.link(container))
		if errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("sandbox %s: %w", sandbox, ErrExist)
		}
		return nil, fmt.Errorf("sandbox %s: %w", sandbox, err)
	}
	return d, nil
}

// claim makes the link: symlink(2) is atomic and fails on an existing name.
func (s *Store) claim(sandbox, container string) error {
	err := os.Symlink(filepath.Join("..", "sandboxes", sandbox), s.link(container))
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s: %w", container, ErrExist)
	}
	if err != nil {
		return fmt.Errorf("container %s: %w", container, err)
	}
	return nil
}

// Find answers the folder of the sandbox that a container belongs to;
// ErrNotExist if there is no such container.
func (s *Store) Find(container string) (*Dir, error) {
	target, err := os.Readlink(s.link(container))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotExist
	}
	if err != nil {
		return nil, fmt.Errorf("container %s: %w", container, err)
	}
	return &Dir{Path: s.dir(filepath.Base(target)), store: s}, nil
}

// Sandbox answers the folder of a sandbox; ErrNotExist if there is none.
func (s *Store) Sandbox(id string) (*Dir, error) {
	d := &Dir{Path: s.dir(id), store: s}
	if _, err := os.Stat(d.Path); err != nil {
		return nil, fmt.Errorf("sandbox %s: %w", id, ErrNotExist)
	}
	return d, nil
}

// List answers the ids of all containers, sorted; none if there is no root yet.
func (s *Store) List() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(s.root, "containers"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("root %s: %w", s.root, err)
	}
	var ids []string
	for _, e := range entries {
		ids = append(ids, e.Name())
	}
	sort.Strings(ids)
	return ids, nil
}

// Dir is a sandbox's folder.
type Dir struct {
	Path  string
	store *Store
}

// Root is the root folder that the sandbox is below.
func (d *Dir) Root() string { return d.store.root }

// ID is the sandbox's id.
func (d *Dir) ID() string { return filepath.Base(d.Path) }

// Claim claims the id of a further container of the sandbox; ErrExist if it is taken.
func (d *Dir) Claim(container string) error { return d.store.claim(d.ID(), container) }

// Has tells whether a container's id is claimed for this sandbox.
func (d *Dir) Has(container string) bool {
	target, err := os.Readlink(d.store.link(container))
	return err == nil && filepath.Base(target) == d.ID()
}

// Release gives a container's id back. One that the sandbox has not, or not any
// more, is no error: it may be another's by now.
func (d *Dir) Release(container string) error {
	if !d.Has(container) {
		return nil
	}
	err := os.Remove(d.store.link(container))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Remove deletes the folder with all that is in it, then the links of all its
// containers: whoever sees an id free can claim it. The sandbox's own goes last,
// so that a Remove that was killed can be repeated by that id. Nothing may be
// mounted in the folder.
func (d *Dir) Remove() error {
	// Deleting through a mount would delete what is not ours.
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(d.Path))
	if err != nil {
		return fmt.Errorf("sandbox %s: %w", d.ID(), err)
	}
	if len(mounts) > 0 {
		return fmt.Errorf("sandbox %s: %s is still mounted: unmount it and delete again", d.ID(), mounts[0].Mountpoint)
	}
	// One who waits for the lock may make its file anew between the removal of
	// what is in the folder and of the folder; each does so once.
	for try := 0; ; try++ {
		err := os.RemoveAll(d.Path)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.ENOTEMPTY) || try == mostWaiting {
			return fmt.Errorf("sandbox %s: %w", d.ID(), err)
		}
	}
	ids, err := d.store.List()
	if err != nil {
		return err
	}
	own := func(id string) bool { return id == d.ID() }
	for _, id := range append(slices.DeleteFunc(ids, own), d.ID()) {
		if err := d.Release(id); err != nil {
			return err
		}
	}
	return nil
}

const file = "state.json"

// Read makes what v points to the state on disk, without a lock: the file is
// only ever replaced as a whole. Nothing of what v was before remains, but after
// an error all of it. fs.ErrNotExist if none was written yet.
func (d *Dir) Read(v any) error {
	data, err := os.ReadFile(filepath.Join(d.Path, file))
	if err != nil {
		return fmt.Errorf("sandbox %s: state: %w", d.ID(), err)
	}
	return decode(data, v, d.ID())
}

// Update reads the state into v as Read does (v is left alone if there is none
// yet), calls change, and writes v back, all under the sandbox's lock. Nothing is
// written if change fails. change must not wait for anything.
func (d *Dir) Update(v any, change func() error) error {
	unlock, err := d.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if err := d.Read(v); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := change(); err != nil {
		return err
	}
	data, err := encode(v)
	if err != nil {
		return fmt.Errorf("sandbox %s: state: %w", d.ID(), err)
	}
	if err := write(filepath.Join(d.Path, file), data); err != nil {
		return fmt.Errorf("sandbox %s: state: %w", d.ID(), err)
	}
	return nil
}

// Exclusive calls f under the sandbox's lock, which f must not take itself. Of
// several that want to remove a sandbox one does; when it has, the others get
// ErrNotExist, and f is not called. Where there is no folder to lock in, or no
// space for the lock, f is called without.
func (d *Dir) Exclusive(f func() error) error {
	unlock, err := d.lock()
	if errors.Is(err, errRemoved) {
		return err
	}
	if err == nil {
		defer unlock()
	}
	return f()
}

// mostWaiting is more than ever wait for one sandbox's lock.
const mostWaiting = 1000

// errRemoved: the sandbox was there when the lock was asked for, and is not now.
var errRemoved = fmt.Errorf("%w any more", ErrNotExist)

// Hold takes a further lock of the sandbox, by its file's name: of what takes
// long, so that the sandbox's own lock stays free for those who end it.
func (d *Dir) Hold(name string) (release func(), err error) { return d.lockFile(name) }

// lock takes the sandbox's lock, or ErrNotExist if the sandbox was removed meanwhile.
func (d *Dir) lock() (unlock func(), err error) { return d.lockFile("lock") }

func (d *Dir) lockFile(name string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(d.Path, name), os.O_CREATE|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotExist
	}
	if err != nil {
		return nil, fmt.Errorf("sandbox %s: lock: %w", d.ID(), err)
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	var st unix.Stat_t
	if err == nil {
		err = unix.Fstat(int(f.Fd()), &st)
	}
	if err == nil && st.Nlink == 0 {
		err = errRemoved
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

// write replaces the file at path: a reader sees the old content or the new.
func write(path string, data []byte) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".state-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(tmp.Name())
		}
	}()
	if _, err = tmp.Write(data); err == nil {
		err = tmp.Sync()
	}
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// Version is the schema's. A change of what is written raises it and adds an
// entry to migrations.
const Version = 1

// migrations turn the state of a version into the next one's.
var migrations = map[int]func(json.RawMessage) (json.RawMessage, error){}

// document is the file's outer form.
type document struct {
	Version int             `json:"version"`
	Sandbox json.RawMessage `json:"sandbox"`
}

func encode(v any) ([]byte, error) {
	inner, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return json.Marshal(document{Version: Version, Sandbox: inner})
}

func decode(data []byte, v any, id string) error {
	var doc document
	if err := json.Unmarshal(data, &doc); err != nil {
		return fmt.Errorf("sandbox %s: state is damaged: %w", id, err)
	}
	if doc.Version > Version || doc.Version < 1 {
		return fmt.Errorf("sandbox %s: state has version %d, this runtime knows 1 to %d: use the runtime that made it", id, doc.Version, Version)
	}
	for ; doc.Version < Version; doc.Version++ {
		var err error
		if doc.Sandbox, err = migrations[doc.Version](doc.Sandbox); err != nil {
			return fmt.Errorf("sandbox %s: state of version %d: %w", id, doc.Version, err)
		}
	}
	// Into a value of its own: what v has and the file has not would stay, such
	// as the entries of a map.
	fresh := reflect.New(reflect.TypeOf(v).Elem())
	if err := json.Unmarshal(doc.Sandbox, fresh.Interface()); err != nil {
		return fmt.Errorf("sandbox %s: state is damaged: %w", id, err)
	}
	reflect.ValueOf(v).Elem().Set(fresh.Elem())
	return nil
}
