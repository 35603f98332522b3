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
