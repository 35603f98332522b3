package floor

import (
	"bytes"
	"errors"
	"testing"

	"github.com/kata-go/kata-runtime/osbuilder/cpio"
	"github.com/kata-go/kata-runtime/osbuilder/tree"
)

// made is an archive by the project's own writer.
func made(t testing.TB) []byte {
	tr := new(tree.Tree)
	for _, e := range []tree.Entry{
		{Path: "a/odd", Perm: 0o644, Data: []byte("xyz")},
		{Path: "empty", Perm: 0o644},
		{Path: "link", Kind: tree.Link, Data: []byte("a/odd")},
	} {
		if err := tr.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if err := cpio.Write(&out, tr.Sorted(), 7); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestArchive(t *testing.T) {
	files, err := archive(made(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"a": "", "a/odd": "xyz", "empty": "", "link": "a/odd"} {
		got, there := files[name]
		if !there || string(got) != want {
			t.Errorf("%s = %q, %t; want %q", name, got, there, want)
		}
	}
}

func TestArchiveRefuses(t *testing.T) {
	whole := made(t)
	if _, err := archive([]byte("\x28\xb5\x2f\xfd")); !errors.Is(err, errCompressed) {
		t.Errorf("zstd data: %v", err)
	}
	for _, n := range []int{0, 5} {
		if _, err := archive(whole[:n]); err == nil {
			t.Errorf("%d bytes are taken for an archive", n)
		}
	}
	if _, err := archive(whole[:len(whole)-40]); err == nil {
		t.Error("an archive without its end is read")
	}
}

func FuzzArchive(f *testing.F) {
	f.Add(made(f))
	f.Fuzz(func(_ *testing.T, data []byte) {
		_, _ = archive(data)
	})
}
