package copyfile

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent/storage"
)

func TestPartsMakeAFile(t *testing.T) {
	root := t.TempDir()
	path := root + "/a/b/file"
	part := func(offset uint64, data string) error {
		return Write(root, &agentpb.CopyFileRequest{Path: path, Mode: unix.S_IFREG | 0o4640, Uid: 7, Gid: 8, Size_: 10, Offset: offset, Data: []byte(data)})
	}
	if err := part(5, "x"); !errors.Is(err, ErrInvalid) {
		t.Errorf("a part before the first: %v", err)
	}
	if err := part(0, "01234"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("half a file has its name: %v", err)
	}
	if err := part(5, "56789"); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(data, []byte("0123456789")) {
		t.Errorf("%q, %v", data, err)
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil || st.Uid != 7 || st.Gid != 8 || st.Mode&0o7777 != 0o4640 {
		t.Errorf("%+v, %v", st, err)
	}
	if entries, _ := os.ReadDir(root + "/a/b"); len(entries) != 1 {
		t.Errorf("left %v", entries)
	}
}

func TestFoldersAndLinks(t *testing.T) {
	root := t.TempDir()
	for range 2 {
		if err := Write(root, &agentpb.CopyFileRequest{Path: root + "/d", Mode: unix.S_IFDIR | 0o710}); err != nil {
			t.Fatal(err)
		}
		if err := Write(root, &agentpb.CopyFileRequest{Path: root + "/d/l", Mode: unix.S_IFLNK | 0o777, Data: []byte("/etc")}); err != nil {
			t.Fatal(err)
		}
	}
	if target, err := os.Readlink(root + "/d/l"); err != nil || target != "/etc" {
		t.Errorf("%q, %v", target, err)
	}
	// A link on the way leads nowhere.
	err := Write(root, &agentpb.CopyFileRequest{Path: root + "/d/l/x", Mode: unix.S_IFREG | 0o600})
	if !errors.Is(err, storage.ErrInvalid) {
		t.Errorf("through a link: %v", err)
	}
}

func TestRefused(t *testing.T) {
	root := t.TempDir()
	for name, req := range map[string]*agentpb.CopyFileRequest{
		"outside":      {Path: "/etc/x"},
		"dots":         {Path: root + "/../x"},
		"device":       {Path: root + "/x", Mode: unix.S_IFBLK},
		"beyond size":  {Path: root + "/x", Size_: 1, Data: []byte("ab")},
		"offset":       {Path: root + "/x", Size_: 1, Offset: 2},
		"overflow":     {Path: root + "/x", Size_: 10, Offset: ^uint64(0), Data: []byte("a")},
		"huge":         {Path: root + "/x", Size_: 1 << 60},
		"empty link":   {Path: root + "/x", Mode: unix.S_IFLNK},
		"our own name": {Path: root + "/x" + suffix},
	} {
		if err := Write(root, req); !errors.Is(err, ErrInvalid) && !errors.Is(err, storage.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if entries, _ := os.ReadDir(root); len(entries) != 0 {
		t.Errorf("left %v", entries)
	}
}
