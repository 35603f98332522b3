// Package copyfile writes files that the host sends, part by part.
package copyfile

import (
	"errors"
	"fmt"

	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent/storage"
)

// ErrInvalid is wrapped when a request cannot be meant.
var ErrInvalid = errors.New("invalid file")

// suffix marks a file of which parts are missing. A name with it is refused.
const suffix = ".kata-part"

// maxSize bounds a file in bytes; what it copies lies in the guest's memory.
const maxSize = 1 << 40

// Write writes one part of a file below root, or makes a folder or link. The
// folders on the way are made. A file gets its name with its last part, whole.
func Write(root string, req *agentpb.CopyFileRequest) error {
	if err := check(root, req); err != nil {
		return err
	}
	dir, err := storage.OpenFolder(root, filepath.Dir(req.Path))
	if err != nil {
		return err
	}
	defer dir.Close()
	name := filepath.Base(req.Path)
	switch req.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		err = makeFolder(dir, name, req)
	case unix.S_IFLNK:
		err = makeLink(dir, name, req)
	default:
		err = writePart(dir, name, req)
	}
	if err != nil {
		return fmt.Errorf("copy to %s: %w", req.Path, err)
	}
	return nil
}

func check(root string, req *agentpb.CopyFileRequest) error {
	if err := storage.CheckPath(root, req.Path); err != nil {
		return err
	}
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s: %s", ErrInvalid, req.Path, fmt.Sprintf(format, args...))
	}
	switch kind := req.Mode & unix.S_IFMT; {
	case strings.HasSuffix(req.Path, suffix):
		return bad("the name is the agent's")
	case req.Mode>>16 != 0 || kind != 0 && kind != unix.S_IFREG && kind != unix.S_IFDIR && kind != unix.S_IFLNK:
		return bad("mode %o is no file, folder or link", req.Mode)
	case kind == unix.S_IFLNK && (len(req.Data) == 0 || len(req.Data) >= unix.PathMax || strings.ContainsRune(string(req.Data), 0)):
		return bad("a link needs a target of 1 to %d bytes", unix.PathMax-1)
	case kind == unix.S_IFDIR && len(req.Data) > 0:
		return bad("a folder has no data")
	case req.Size_ > maxSize:
		return bad("%d bytes, at most %d can be", req.Size_, uint64(maxSize))
	case kind != unix.S_IFLNK && (req.Offset > req.Size_ || uint64(len(req.Data)) > req.Size_-req.Offset):
		return bad("%d bytes at %d do not lie within %d", len(req.Data), req.Offset, req.Size_)
	}
	return nil
}

func at(dir *os.File) int { return int(dir.Fd()) }

func makeFolder(dir *os.File, name string, req *agentpb.CopyFileRequest) error {
	if err := unix.Mkdirat(at(dir), name, 0o700); err != nil && !errors.Is(err, unix.EEXIST) {
		return err
	}
	fd, err := unix.Openat(at(dir), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return finish(fd, req)
}

// makeLink puts a link in the place of what has the name.
func makeLink(dir *os.File, name string, req *agentpb.CopyFileRequest) error {
	part := name + suffix
	_ = unix.Unlinkat(at(dir), part, 0)
	if err := unix.Symlinkat(string(req.Data), at(dir), part); err != nil {
		return err
	}
	if err := unix.Fchownat(at(dir), part, int(req.Uid), int(req.Gid), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	return unix.Renameat(at(dir), part, at(dir), name)
}

func writePart(dir *os.File, name string, req *agentpb.CopyFileRequest) error {
	part := name + suffix
	flags := unix.O_WRONLY | unix.O_CREAT | unix.O_NOFOLLOW | unix.O_CLOEXEC
	if req.Offset == 0 {
		flags |= unix.O_TRUNC
	}
	fd, err := unix.Openat(at(dir), part, flags, 0o600)
	if err != nil {
		return err
	}
	file := os.NewFile(uintptr(fd), part)
	defer file.Close()
	if info, err := file.Stat(); err != nil {
		return err
	} else if uint64(info.Size()) < req.Offset {
		// Parts come in order, so that a whole file has no holes.
		return fmt.Errorf("%w: the part at %d comes before the one at %d", ErrInvalid, req.Offset, info.Size())
	}
	if _, err := file.WriteAt(req.Data, int64(req.Offset)); err != nil {
		return err
	}
	if req.Offset+uint64(len(req.Data)) < req.Size_ {
		return nil
	}
	if err := file.Truncate(int64(req.Size_)); err != nil {
		return err
	}
	if err := finish(int(file.Fd()), req); err != nil {
		return err
	}
	return unix.Renameat(at(dir), part, at(dir), name)
}

// finish sets owner and permissions: in this order, because a change of the
// owner clears set-user-id bits.
func finish(fd int, req *agentpb.CopyFileRequest) error {
	if err := unix.Fchown(fd, int(req.Uid), int(req.Gid)); err != nil {
		return err
	}
	return unix.Fchmod(fd, req.Mode&0o7777)
}
