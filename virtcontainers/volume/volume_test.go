package volume

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// blockDevice makes a device node; that nothing answers it does not matter.
func blockDevice(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk")
	if err := unix.Mknod(path, unix.S_IFBLK|0o600, int(unix.Mkdev(7, 250))); err != nil {
		t.Skipf("needs root for a device node: %v", err)
	}
	return path
}

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		`{"volume-type": "block", "device": "/dev/sdf", "fstype": "ext4", "metadata": {"fsGroup": "7"}, "options": ["ro", "data=ordered,noatime"]}`: "",
		`{"Device": "/dev/sdf", "fstype": "ext4"}`:                                   "",
		`{"device": "/dev/sdf"}`:                                                     "fstype",
		`{"device": "sdf", "fstype": "ext4"}`:                                        "absolute",
		`{"device": "/dev/../x", "fstype": "ext4"}`:                                  "absolute",
		`{"device": "/d", "fstype": "ext4/../x"}`:                                    "fstype",
		`{"device": "/d", "fstype": "ext4", "volume-type": "vfio"}`:                  "only block devices",
		`{"device": "/d", "fstype": "ext4", "options": ["noatime,bind"]}`:            "bind",
		`{"device": "/d", "fstype": "ext4", "options": ["a b"]}`:                     "options",
		`{"device": "/d", "fstype": "ext4", "options": [""]}`:                        "options",
		`{"device": "/d", "fstype": "ext4", "metadata": {"encryptionKey": "x"}}`:     "encryptionKey",
		`{"device": "/d", "fstype": "ext4", "metadata": {"fsGroup": "root"}}`:        "fsGroup",
		`{"device": "/d", "fstype": "ext4", "metadata": {"fsGroup": "99999999999"}}`: "fsGroup",
		`{"device": "/d", "fstype": "ext4", "mountpoint": "/"}`:                      "mountpoint",
		`[]`: "mount info", ``: "mount info",
	} {
		_, err := Parse([]byte(text))
		if want == "" && err != nil || want != "" && (!errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"volume-type": "block", "device": "/dev/sdf", "fstype": "ext4", "metadata": {"fsGroup": "7"}, "options": ["ro"]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		i, err := Parse(data)
		if err != nil {
			return
		}
		if !filepath.IsAbs(i.Device) || strings.ContainsAny(strings.Join(i.Options, ""), "\x00\n ") {
			t.Errorf("%+v", i)
		}
		text, err := json.Marshal(i)
		if err == nil {
			_, err = Parse(text)
		}
		if err != nil {
			t.Errorf("%+v: %v", i, err)
		}
	})
}

func TestStore(t *testing.T) {
	s := Open(filepath.Join(t.TempDir(), "a", "volumes"))
	const path = "/var/lib/kubelet/pods/x/volumes/v/mount"
	if i, err := s.Find(path); i != nil || err != nil {
		t.Errorf("before: %v, %v", i, err)
	}
	info := &Info{Type: "block", Device: blockDevice(t), FSType: "ext4", Options: []string{"noatime", "ro"}}
	if err := s.Add(path, info); err != nil {
		t.Fatal(err)
	}
	// The name that other programs look for.
	if _, err := os.Stat(filepath.Join(s.root, "L3Zhci9saWIva3ViZWxldC9wb2RzL3gvdm9sdW1lcy92L21vdW50", "mountInfo.json")); err != nil {
		t.Error(err)
	}
	i, err := s.Find(path + "/")
	if err != nil || i == nil || i.Device != info.Device || !i.ReadOnly() {
		t.Errorf("%+v, %v", i, err)
	}
	if i, err := s.Find(path + "/sub"); i != nil || err != nil {
		t.Errorf("below: %v, %v", i, err)
	}
	if err := errors.Join(s.Use(path, "one", "/run/a"), s.Use(path, "two", "/run/b"), s.Release(path, "two"), s.Release(path, "two")); err != nil {
		t.Error(err)
	}
	if users, err := s.Users(path); err != nil || !maps.Equal(users, map[string]string{"one": "/run/a"}) {
		t.Errorf("users: %v, %v", users, err)
	}
	if err := errors.Join(s.Remove(path), s.Remove(path)); err != nil {
		t.Error(err)
	}
	if i, err := s.Find(path); i != nil || err != nil {
		t.Errorf("after: %v, %v", i, err)
	}
	if users, err := s.Users(path); len(users) != 0 || err != nil {
		t.Errorf("users after: %v, %v", users, err)
	}
}

func TestAddRefuses(t *testing.T) {
	s := Open(t.TempDir())
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	device := blockDevice(t)
	for name, test := range map[string]struct {
		path string
		info Info
	}{
		"no device":     {"/v", Info{Device: "/nowhere", FSType: "ext4"}},
		"a file":        {"/v", Info{Device: file, FSType: "ext4"}},
		"relative":      {"v", Info{Device: device, FSType: "ext4"}},
		"too long":      {"/" + strings.Repeat("v", 255), Info{Device: device, FSType: "ext4"}},
		"no filesystem": {"/v", Info{Device: device}},
	} {
		if err := s.Add(test.path, &test.info); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if entries, _ := os.ReadDir(s.root); len(entries) != 0 {
		t.Errorf("left: %v", entries)
	}
}

func TestOnlyRootIsBelieved(t *testing.T) {
	device := blockDevice(t)
	const path = "/volume"
	for name, spoil := range map[string]func(root, dir, file string) error{
		"open store":   func(root, _, _ string) error { return os.Chmod(root, 0o755) },
		"open folder":  func(_, dir, _ string) error { return os.Chmod(dir, 0o770) },
		"open file":    func(_, _, file string) error { return os.Chmod(file, 0o666) },
		"foreign":      func(_, dir, _ string) error { return os.Chown(dir, 1000, 0) },
		"foreign file": func(_, _, file string) error { return os.Chown(file, 1000, 0) },
		"a link": func(_, _, file string) error {
			return errors.Join(os.Rename(file, file+".real"), os.Symlink(file+".real", file))
		},
		"a linked folder": func(_, dir, _ string) error {
			return errors.Join(os.Rename(dir, dir+"real"), os.Symlink(dir+"real", dir))
		},
		"a FIFO": func(_, _, file string) error { return errors.Join(os.Remove(file), unix.Mkfifo(file, 0o600)) },
		"huge":   func(_, _, file string) error { return os.WriteFile(file, make([]byte, maxInfo+1), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			s := Open(filepath.Join(t.TempDir(), "volumes"))
			if err := s.Add(path, &Info{Device: device, FSType: "ext4"}); err != nil {
				t.Fatal(err)
			}
			dir, err := s.dir(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := spoil(s.root, dir, filepath.Join(dir, infoFile)); err != nil {
				t.Fatal(err)
			}
			if i, err := s.Find(path); err == nil {
				t.Errorf("believed: %+v", i)
			}
		})
	}
}
