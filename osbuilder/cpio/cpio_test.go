package cpio

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/kata-go/kata-runtime/osbuilder/tree"
)

func entries(t *testing.T) []tree.Entry {
	t.Helper()
	var all tree.Tree
	for _, e := range []tree.Entry{
		{Path: "init", Perm: 0o755, Data: []byte("binary")},
		{Path: "etc/empty", Perm: 0o644},
		{Path: "sbin/init", Kind: tree.Link, Data: []byte("../init")},
		{Path: "tmp", Kind: tree.Dir, Perm: 0o1777},
	} {
		if err := all.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	return all.Sorted()
}

// member as it is read back by the rules of the format, on its own.
type member struct {
	name, data string
	fields     []uint64
}

func parse(t *testing.T, archive []byte) []member {
	t.Helper()
	var found []member
	for at := 0; at < len(archive); {
		if string(archive[at:at+6]) != "070701" {
			t.Fatalf("no magic at %d: %q", at, archive[at:at+6])
		}
		var fields []uint64
		for i := range 13 {
			n, err := strconv.ParseUint(string(archive[at+6+8*i:at+14+8*i]), 16, 32)
			if err != nil {
				t.Fatal(err)
			}
			fields = append(fields, n)
		}
		at += 110
		name := string(archive[at : at+int(fields[11])-1])
		at = (at + int(fields[11]) + 3) &^ 3
		data := string(archive[at : at+int(fields[6])])
		at = (at + int(fields[6]) + 3) &^ 3
		found = append(found, member{name, data, fields})
	}
	return found
}

func TestArchiveReadsBack(t *testing.T) {
	var out bytes.Buffer
	if err := Write(&out, entries(t), 1234567890); err != nil {
		t.Fatal(err)
	}
	got := parse(t, out.Bytes())
	want := []struct {
		name, data string
		mode       uint64
	}{
		{"etc", "", 0o040755}, {"etc/empty", "", 0o100644}, {"init", "binary", 0o100755},
		{"sbin", "", 0o040755}, {"sbin/init", "../init", 0o120777}, {"tmp", "", 0o041777},
		{"TRAILER!!!", "", 0},
	}
	if len(got) != len(want) {
		t.Fatalf("%d members, want %d", len(got), len(want))
	}
	for i, w := range want {
		g := got[i]
		if g.name != w.name || g.data != w.data || g.fields[1] != w.mode {
			t.Errorf("member %d: %q %q mode %o, want %q %q %o", i, g.name, g.data, g.fields[1], w.name, w.data, w.mode)
		}
		if g.fields[2] != 0 || g.fields[3] != 0 {
			t.Errorf("%s belongs to %d:%d", g.name, g.fields[2], g.fields[3])
		}
		if last := i == len(want)-1; !last && (g.fields[5] != 1234567890 || g.fields[0] != uint64(i+1)) {
			t.Errorf("%s: time %d, inode %d", g.name, g.fields[5], g.fields[0])
		}
	}
}

func TestSameInputSameBytes(t *testing.T) {
	var a, b bytes.Buffer
	if err := errors.Join(Write(&a, entries(t), 0), Write(&b, entries(t), 0)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Errorf("two archives differ:\n%s\n%s", hex.Dump(a.Bytes()), hex.Dump(b.Bytes()))
	}
}

func TestTimeBeyond32Bits(t *testing.T) {
	for _, mtime := range []int64{-1, 1 << 32} {
		if err := Write(new(bytes.Buffer), nil, mtime); err == nil || !strings.Contains(err.Error(), "32 bits") {
			t.Errorf("time %d: %v", mtime, err)
		}
	}
}

type full struct{}

var errFull = errors.New("disk full")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestWriteErrorIsReported(t *testing.T) {
	big := []tree.Entry{{Path: "a", Data: make([]byte, 2<<20)}, {Path: "b"}}
	if err := Write(full{}, big, 0); !errors.Is(err, errFull) {
		t.Errorf("Write = %v", err)
	}
}
