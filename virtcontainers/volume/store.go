package volume

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/sys/userns"
	"golang.org/x/sys/unix"
)

// Root is where storage drivers made for Kata Containers look, too.
const Root = "/run/kata-containers/shared/direct-volumes"

// infoFile is in a volume's folder; every other file there is named after a
// sandbox that uses the volume and holds the root of its state.
const infoFile = "mountInfo.json"

// maxInfo bounds what is read of a file, in bytes.
const maxInfo = 64 << 10

// Store is a folder with one folder per volume, named after the volume's path in
// base64 (RFC 4648, section 5). Only root may have written in it: whoever can
// assign a volume gives a device of the host to a VM.
type Store struct {
	root string
}

// Open answers the store in the folder root, which is made by the first Add.
func Open(root string) Store { return Store{root} }

func (s Store) dir(path string) (string, error) {
	if !filepath.IsAbs(path) {
		return "", fmt.Errorf("%w: volume path %q is not absolute", ErrInvalid, path)
	}
	name := base64.URLEncoding.EncodeToString([]byte(filepath.Clean(path)))
	if len(name) > unix.NAME_MAX {
		return "", fmt.Errorf("%w: volume path %q is too long", ErrInvalid, path)
	}
	return filepath.Join(s.root, name), nil
}

// Add assigns the volume at path. One that is assigned is assigned anew.
func (s Store) Add(path string, info *Info) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("assign volume %s: %w", path, err)
		}
	}()
	if err := errors.Join(info.check(), info.CheckDevice()); err != nil {
		return err
	}
	dir, err := s.dir(path)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := s.trusted(dir); err != nil {
		return err
	}
	data, err := json.Marshal(info)
	if err != nil {
		return err
	}
	return replace(filepath.Join(dir, infoFile), data)
}

// Remove forgets an assignment. Who uses the volume keeps it. One that is not
// there is no error.
func (s Store) Remove(path string) error {
	dir, err := s.dir(path)
	if err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("forget volume %s: %w", path, err)
	}
	return nil
}

// Find answers the assignment of the volume at path; nil if there is none.
func (s Store) Find(path string) (_ *Info, err error) {
	dir, err := s.dir(path)
	if errors.Is(err, ErrInvalid) {
		return nil, nil // nobody can have assigned it
	}
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("direct volume %s: %w", path, err)
		}
	}()
	data, err := s.read(dir, infoFile)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) && userns.RunningInUserNS() {
		return nil, nil // of a rootless engine's containers none is assigned a device
	}
	if err != nil {
		return nil, err
	}
	return Parse(data)
}

// Use notes that a sandbox, whose state is below root, uses the volume.
func (s Store) Use(path, sandbox, root string) error {
	dir, err := s.dir(path)
	if err != nil {
		return err
	}
	return replace(filepath.Join(dir, sandbox), []byte(root))
}

// Release takes Use back. What is not there is no error.
func (s Store) Release(path, sandbox string) error {
	dir, err := s.dir(path)
	if err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(dir, sandbox)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Users answers the sandboxes that use a volume, and the root of each one's state.
func (s Store) Users(path string) (map[string]string, error) {
	dir, err := s.dir(path)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	users := map[string]string{}
	for _, e := range entries {
		if e.Name() == infoFile || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		var root []byte
		if root, err = s.read(dir, e.Name()); err != nil {
			break
		}
		users[e.Name()] = string(root)
	}
	if err != nil {
		return nil, fmt.Errorf("direct volume %s: %w", path, err)
	}
	return users, nil
}

// read reads a file of a folder in the store, if nobody but root can have
// written it.
func (s Store) read(dir, name string) ([]byte, error) {
	fd, err := unix.Open(filepath.Join(dir, name), unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: filepath.Join(dir, name), Err: err}
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	if err := s.trusted(dir); err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || !rootsAlone(&st) {
		return nil, fmt.Errorf("%s is not a file that only root can write: it is not believed", filepath.Join(dir, name))
	}
	data, err := io.ReadAll(io.LimitReader(f, maxInfo+1))
	if err == nil && len(data) > maxInfo {
		err = fmt.Errorf("%s is longer than %d bytes", filepath.Join(dir, name), maxInfo)
	}
	return data, err
}

// trusted tells whether only root can have written in a volume's folder.
func (s Store) trusted(dir string) error {
	for _, path := range []string{s.root, dir} {
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return &fs.PathError{Op: "stat", Path: path, Err: err}
		}
		if st.Mode&unix.S_IFMT != unix.S_IFDIR || !rootsAlone(&st) {
			return fmt.Errorf("%s is not a folder of root's alone (mode 0700): nothing in it is believed", path)
		}
	}
	return nil
}

func rootsAlone(st *unix.Stat_t) bool {
	return st.Uid == uint32(os.Geteuid()) && st.Mode&0o022 == 0 && (st.Mode&unix.S_IFMT != unix.S_IFDIR || st.Mode&0o077 == 0)
}

// replace writes a file as a whole: a reader sees the old one or the new.
func replace(path string, data []byte) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(tmp.Name())
		}
	}()
	_, err = tmp.Write(data)
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
