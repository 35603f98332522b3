package consolelog

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestTheLastIsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "console.log")
	l, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for i := range 5000 {
		line := bytes.Repeat([]byte{byte('a' + i%26)}, i%97)
		all = append(all, line...)
		if n, err := l.Write(line); err != nil || n != len(line) {
			t.Fatalf("Write = %d, %v", n, err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path + ".1")
	if err != nil {
		t.Fatal(err)
	}
	now, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(before) != MaxFile || len(now) > MaxFile || len(now) == 0 {
		t.Errorf("%d and %d bytes", len(before), len(now))
	}
	if !bytes.HasSuffix(all, append(before, now...)) {
		t.Error("it is not the last that was written")
	}
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(files) != 2 {
		t.Errorf("%d files, %v", len(files), err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestOneLargeWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "console.log")
	l, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	data := bytes.Repeat([]byte("0123456789"), MaxFile/2)
	if n, err := l.Write(data); err != nil || n != len(data) {
		t.Fatalf("Write = %d, %v", n, err)
	}
	before, _ := os.ReadFile(path + ".1")
	now, _ := os.ReadFile(path)
	if got := append(before, now...); len(got) != 2*MaxFile || !bytes.HasSuffix(data, got) {
		t.Errorf("%d bytes kept", len(got))
	}
}

func TestErrorsAreNotForever(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full here")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "console.log")
	l, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	own := l.file
	l.file = full
	if _, err := l.Write([]byte("x")); err == nil {
		t.Error("a full disk is no error")
	}
	full.Close()
	l.file = own
	if _, err := l.Write([]byte("y")); err != nil {
		t.Error(err)
	}
}
