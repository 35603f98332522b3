package guest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/kata-go/kata-runtime/osbuilder/tree"
)

// imageUUID is fixed, as is everything else that could differ between builds.
const imageUUID = "6b617461-0000-4000-8000-000000000001"

// ErofsImage answers an erofs file system of the tree, uncompressed so that a
// guest can map it from pmem. It runs mkfs.erofs (package erofs-utils).
func ErofsImage(ctx context.Context, t *tree.Tree, mtime int64) (_ []byte, err error) {
	work, err := os.MkdirTemp("", "kata-image-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	root := filepath.Join(work, "root")
	if err := unpack(t, root, time.Unix(mtime, 0)); err != nil {
		return nil, fmt.Errorf("image: %w", err)
	}
	out := filepath.Join(work, "image")
	cmd := exec.CommandContext(ctx, "mkfs.erofs", "--all-root", "-U", imageUUID, "-T", strconv.FormatInt(mtime, 10), out, root)
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("image: mkfs.erofs: %w: %s", err, bytes.TrimSpace(text))
	}
	return os.ReadFile(out)
}

// unpack writes the tree below root. Folders get their permissions last and
// in reverse, so that a read-only one can be filled as any user.
func unpack(t *tree.Tree, root string, mtime time.Time) error {
	if err := os.Mkdir(root, 0o755); err != nil {
		return err
	}
	entries := t.Sorted()
	for _, e := range entries {
		path := filepath.Join(root, e.Path)
		var err error
		switch e.Kind {
		case tree.Dir:
			err = os.Mkdir(path, 0o755)
		case tree.Link:
			err = os.Symlink(string(e.Data), path)
		default:
			err = os.WriteFile(path, e.Data, 0o600)
		}
		if err != nil {
			return err
		}
	}
	for i := len(entries) - 1; i >= 0; i-- {
		e := entries[i]
		path := filepath.Join(root, e.Path)
		if e.Kind == tree.Link {
			continue
		}
		mode := os.FileMode(e.Perm & 0o777)
		if e.Perm&0o1000 != 0 {
			mode |= os.ModeSticky
		}
		if err := os.Chmod(path, mode); err != nil {
			return err
		}
		if err := os.Chtimes(path, mtime, mtime); err != nil {
			return err
		}
	}
	return os.Chtimes(root, mtime, mtime)
}
