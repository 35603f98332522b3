package manifest

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWrittenOnlyWhenItChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "asset")
	stat := func() os.FileInfo {
		t.Helper()
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	write := func(text string) {
		t.Helper()
		if err := Write(path, []byte(text), Manifest{Name: "kernel", Flavour: "debian"}); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	first := stat()
	write("one")
	if !os.SameFile(first, stat()) {
		t.Error("the same content was written again")
	}
	write("other")
	if os.SameFile(first, stat()) {
		t.Error("new content was written over the old file, which a VM may have open")
	}
	m, err := Read(path)
	if err != nil || m.Size != 5 || m.Name != "kernel" || len(m.SHA256) != 64 {
		t.Errorf("Read = %+v, %v", m, err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".new-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}

func TestCurrent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "asset")
	if Current(path, "in") {
		t.Error("a missing asset is current")
	}
	if err := Write(path, []byte("data"), Manifest{Inputs: "in"}); err != nil {
		t.Fatal(err)
	}
	if !Current(path, "in") || Current(path, "other") {
		t.Error("inputs are not compared")
	}
	if err := os.WriteFile(path, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	if Current(path, "in") {
		t.Error("a damaged asset is current")
	}
}
