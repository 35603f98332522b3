package oom

import (
	"io"
	"log/slog"
	"os"
	"testing"
)

func TestWatch(t *testing.T) {
	w, err := New(slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer w.file.Close()
	calls := map[string]chan struct{}{}
	dir := t.TempDir()
	for _, name := range []string{"one", "two"} {
		path := dir + "/" + name
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		called := make(chan struct{}, 100)
		calls[name] = called
		if err := w.Add(path, func() { called <- struct{}{} }); err != nil {
			t.Fatal(err)
		}
	}
	write := func(name string) {
		if err := os.WriteFile(dir+"/"+name, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	<-calls["one"]
	w.Remove(dir + "/one")
	w.Remove(dir + "/nosuch")
	write("two")
	<-calls["two"]
	if err := w.Add(dir+"/nosuch", func() {}); err == nil {
		t.Error("a missing file is watched")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(make([]byte, 40))
	f.Fuzz(func(_ *testing.T, data []byte) { parse(data) })
}
