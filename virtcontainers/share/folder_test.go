package share

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// folder makes a shared folder for a test, of which nothing may be left.
func folder(t *testing.T) *Folder {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounts need root")
	}
	f, err := New(filepath.Join(t.TempDir(), "shared, and\\ odd"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Remove(); err != nil {
			t.Error(err)
		}
		gone(t, f)
	})
	return f
}

func gone(t *testing.T, f *Folder) {
	t.Helper()
	if left, err := mountsBelow(f.dir); err != nil || len(left) > 0 {
		t.Errorf("mounts left: %v, %v", left, err)
	}
	if _, err := os.Lstat(f.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is left: %v", f.dir, err)
	}
}

// tree makes a folder with a file "a", and a tmpfs on "sub" with a file "b".
func tree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	sub := filepath.Join(dir, "sub")
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("test", sub, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(sub, 0); err != nil {
			t.Error(err)
		}
	})
	write(t, filepath.Join(dir, "a"), "a")
	write(t, filepath.Join(sub, "b"), "b")
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// host turns a path in the guest into the host's.
func host(f *Folder, guestPath string) string {
	return f.dir + strings.TrimPrefix(guestPath, GuestDir)
}

func TestRootfs(t *testing.T) {
	f, source := folder(t), tree(t)
	guest, err := f.AddRootfs("@c1", source, false)
	if err != nil {
		t.Fatal(err)
	}
	if want := "/run/kata-containers/shared/@c1/rootfs"; guest != want {
		t.Errorf("guest path %s, want %s", guest, want)
	}
	at := host(f, guest)
	write(t, filepath.Join(at, "sub", "new"), "x")
	if data, err := os.ReadFile(filepath.Join(source, "sub", "new")); err != nil || string(data) != "x" {
		t.Errorf("written through the share: %q, %v", data, err)
	}
	if _, err := f.AddRootfs("@c1", source, false); !errors.Is(err, ErrExist) {
		t.Errorf("added twice: %v", err)
	}
	if _, err := os.Stat(filepath.Join(at, "a")); err != nil {
		t.Errorf("the first is damaged: %v", err)
	}
	for range 2 {
		if err := f.RemovePlace("@c1"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(source, "sub", "b")); err != nil {
		t.Errorf("the source is damaged: %v", err)
	}
	if entries, err := os.ReadDir(f.dir); err != nil || len(entries) > 0 {
		t.Errorf("left %v, %v", entries, err)
	}
}

func TestReadOnly(t *testing.T) {
	f, source := folder(t), tree(t)
	guest, err := f.AddRootfs("@c1", source, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"x", "sub/x"} {
		if err := os.WriteFile(filepath.Join(host(f, guest), name), nil, 0o600); !errors.Is(err, unix.EROFS) {
			t.Errorf("writing %s: %v", name, err)
		}
	}
	write(t, filepath.Join(source, "sub", "x"), "the source stays writable")
}

func TestReadOnlyWithWhatIsBelow(t *testing.T) {
	f, source := folder(t), tree(t)
	guest, err := f.AddMount("@c1", 0, source, MountOptions{ReadOnly: true, Slave: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(host(f, guest), "sub", "b")); err != nil {
		t.Errorf("the mount below did not come along: %v", err)
	}
	for _, name := range []string{"x", "sub/x"} {
		if err := os.WriteFile(filepath.Join(host(f, guest), name), nil, 0o600); !errors.Is(err, unix.EROFS) {
			t.Errorf("writing %s: %v", name, err)
		}
	}
}

// The guest sees the folder's own level too; it must not be able to write there.
func TestFolderItselfIsReadOnly(t *testing.T) {
	f, source := folder(t), tree(t)
	if _, err := f.AddMount("@c1", 0, source, MountOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"x", "@c1/x", "@c1/mounts/x", "@c1/mounts/0/x"} {
		if err := os.WriteFile(filepath.Join(f.dir, name), nil, 0o600); !errors.Is(err, unix.EROFS) {
			t.Errorf("writing %s: %v", name, err)
		}
	}
}

func TestMounts(t *testing.T) {
	f, source := folder(t), tree(t)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(filepath.Join(source, "a"), link); err != nil {
		t.Fatal(err)
	}
	for n, path := range []string{source, filepath.Join(source, "a"), link} {
		guest, err := f.AddMount("@c1", n, path, MountOptions{ReadOnly: n == 1})
		if err != nil {
			t.Fatal(err)
		}
		var want, got unix.Stat_t
		if err := errors.Join(unix.Stat(path, &want), unix.Stat(host(f, guest), &got)); err != nil || want.Ino != got.Ino {
			t.Errorf("%s is not what %s is: %v", guest, path, err)
		}
	}
	if err := os.WriteFile(filepath.Join(f.dir, "@c1/mounts/1/a"), nil, 0); !errors.Is(err, unix.EROFS) {
		t.Errorf("writing a read-only file: %v", err)
	}
	guest, err := f.AddMount("@c1", 7, source, MountOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(host(f, guest), "sub", "b")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the mount below came along: %v", err)
	}
}

// The last element of a mount's source is in the guest what it is on the host,
// whatever name that is, and never leads out of the mount's own place.
func TestMountKeepsItsName(t *testing.T) {
	f, source := folder(t), t.TempDir()
	names := []string{"data", "..x", "...", "a b", "two\nlines", "tab\t\\040", "-rf", "ü", "x//deleted", strings.Repeat("l", 255)}
	for n, name := range names {
		path := source + "/" + name
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
		// A slash at the end names nothing of its own.
		guest, err := f.AddMount("@c1", n, path+strings.Repeat("/", n%3), MountOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("%s/@c1/mounts/%d/%s", GuestDir, n, filepath.Base(path)); guest != want {
			t.Errorf("%q became %q, want %q", path, guest, want)
		}
	}
	for n, path := range []string{"/", source + "/data/..", source + "/data/."} {
		guest, err := f.AddMount("@c2", n, path, MountOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("%s/@c2/mounts/%d/%s", GuestDir, n, []string{"root", filepath.Base(source), "data"}[n]); guest != want {
			t.Errorf("%q became %q, want %q", path, guest, want)
		}
	}
	if err := errors.Join(f.RemovePlace("@c1"), f.RemovePlace("@c2")); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(f.dir); err != nil || len(entries) > 0 {
		t.Errorf("left %v, %v", entries, err)
	}
}

func TestPropagation(t *testing.T) {
	f := folder(t)
	source := t.TempDir()
	steps := []error{unix.Mount("test", source, "tmpfs", 0, ""), unix.Mount("", source, "", unix.MS_SHARED, ""), os.Mkdir(filepath.Join(source, "@late"), 0o755)}
	t.Cleanup(func() {
		if err := unix.Unmount(source, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	if err := errors.Join(steps...); err != nil {
		t.Fatal(err)
	}
	var at [2]string
	for n, slave := range []bool{false, true} {
		guest, err := f.AddMount("@c1", n, source, MountOptions{Slave: slave})
		if err != nil {
			t.Fatal(err)
		}
		at[n] = filepath.Join(host(f, guest), "@late")
	}
	late := filepath.Join(source, "@late")
	if err := unix.Mount("test", late, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(late, "x"), "x")
	for n, want := range []bool{false, true} {
		if _, err := os.Stat(filepath.Join(at[n], "x")); (err == nil) != want {
			t.Errorf("slave %v: the later mount: %v", want, err)
		}
	}
	// Taking ours away leaves the source's.
	if err := f.RemovePlace("@c1"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(late, "x")); err != nil {
		t.Errorf("the source lost its mount: %v", err)
	}
}

func TestUnsupportedFiles(t *testing.T) {
	f := folder(t)
	dir := t.TempDir()
	fifo, socket := filepath.Join(dir, "fifo"), filepath.Join(dir, "s")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for path, kind := range map[string]string{fifo: "FIFO", socket: "socket", "/dev/null": "device"} {
		if _, err := f.AddMount("@c1", 0, path, MountOptions{}); !errors.Is(err, ErrUnsupportedFile) || !strings.Contains(err.Error(), kind) {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, path := range []string{filepath.Join(dir, "missing"), ""} {
		if _, err := f.AddMount("@c1", 0, path, MountOptions{}); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%q: %v", path, err)
		}
	}
	if _, err := f.AddRootfs("@c1", "/etc/passwd", false); !errors.Is(err, unix.ENOTDIR) {
		t.Errorf("a file as rootfs: %v", err)
	}
	if entries, err := os.ReadDir(f.dir); err != nil || len(entries) > 0 {
		t.Errorf("left %v, %v", entries, err)
	}
}

// What a kill -9 leaves: mounts of another process. A new one removes them.
func TestRemoveByAnother(t *testing.T) {
	f, source := folder(t), tree(t)
	for _, id := range []string{"@c1", "@c2"} {
		if _, err := f.AddRootfs(id, source, false); err != nil {
			t.Fatal(err)
		}
	}
	other, err := Open(f.dir)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := other.Remove(); err != nil {
			t.Fatal(err)
		}
	}
	gone(t, f)
	if _, err := os.Stat(filepath.Join(source, "sub", "b")); err != nil {
		t.Errorf("the source is damaged: %v", err)
	}
}

func TestRemoveWhileBusy(t *testing.T) {
	f, source := folder(t), tree(t)
	guest, err := f.AddRootfs("@c1", source, false)
	if err != nil {
		t.Fatal(err)
	}
	user, err := os.Open(filepath.Join(host(f, guest), "sub", "b"))
	if err != nil {
		t.Fatal(err)
	}
	defer user.Close()
	if err := f.RemovePlace("@c1"); err != nil {
		t.Errorf("while a file is open: %v", err)
	}
	if left, err := mountsBelow(filepath.Join(f.dir, "@c1")); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

// A guest that puts a link where a folder was must not make the host unmount
// what the link points to.
func TestRemoveFollowsNoLink(t *testing.T) {
	f := folder(t)
	rootfs, victim := t.TempDir(), t.TempDir()
	parent := filepath.Join(rootfs, "p")
	if err := os.MkdirAll(filepath.Join(parent, "m"), 0o755); err != nil {
		t.Fatal(err)
	}
	guest, err := f.AddRootfs("@c1", rootfs, false)
	if err != nil {
		t.Fatal(err)
	}
	inner := filepath.Join(host(f, guest), "p", "m")
	bystander := filepath.Join(victim, "m")
	if err := os.Mkdir(bystander, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{inner, bystander} {
		if err := unix.Mount("test", at, "tmpfs", 0, ""); err != nil {
			t.Fatal(err)
		}
	}
	defer unix.Unmount(bystander, unix.MNT_DETACH)
	// The list was read before the swap: hand it the old path.
	if err := errors.Join(os.Rename(parent, filepath.Join(rootfs, "q")), os.Symlink(victim, parent)); err != nil {
		t.Fatal(err)
	}
	if err := f.unmount(inner, 0); err == nil || !moved(err) {
		t.Errorf("unmount through a link: %v", err)
	}
	if mounts, err := mountsBelow(bystander); err != nil || len(mounts) != 1 {
		t.Errorf("the bystander's mount is gone (%v, %v)", mounts, err)
	}
	if err := f.RemovePlace("@c1"); err != nil {
		t.Fatal(err)
	}
}

func TestNewRefusesAnExistingFolder(t *testing.T) {
	dir := t.TempDir()
	if _, err := New(dir); !errors.Is(err, os.ErrExist) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Error("the folder is gone")
	}
}

// A creation that was killed between making the folder and mounting it, or
// between making a place and mounting on it.
func TestRemoveHalfMade(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounts need root")
	}
	dir := filepath.Join(t.TempDir(), "shared")
	if err := os.MkdirAll(filepath.Join(dir, "@c1", "rootfs"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "@c1", "file"), "")
	f, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Remove(); err != nil {
		t.Fatal(err)
	}
	gone(t, f)
}
