package call

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
)

// pieces is a reader that notes how much its caller has room for.
type pieces struct {
	io.Reader
	most int
}

func (p *pieces) Read(b []byte) (int, error) {
	p.most = max(p.most, len(b))
	return p.Reader.Read(b)
}

func header(k kind, n int) []byte {
	return binary.BigEndian.AppendUint32([]byte{byte(k)}, uint32(n))
}

func TestAFramesMemoryGrowsWithWhatComes(t *testing.T) {
	r := &pieces{Reader: bytes.NewReader(append(header(kindReply, MaxReply), make([]byte, 100)...))}
	if _, err := readFrame(r, MaxReply); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v", err)
	}
	if r.most > firstPiece {
		t.Errorf("%d bytes of memory for 100 that came", r.most)
	}
	for _, n := range []int{1, firstPiece - 1, firstPiece, firstPiece + 1, 4 * firstPiece, 1<<20 + 7} {
		want := make([]byte, n)
		for i := range want {
			want[i] = byte(i * 7 >> 3)
		}
		f, err := readFrame(bytes.NewReader(append(header(kindReply, n), want...)), MaxReply)
		if err != nil || !bytes.Equal(f.data, want) {
			t.Errorf("%d bytes: %d came, %v", n, len(f.data), err)
		}
	}
}

func TestFields(t *testing.T) {
	for _, c := range []struct {
		data string
		want int
	}{
		{"", 0},
		{"\x08\x05", 1},                         // a number
		{"\x09........\x0d....", 2},             // eight bytes, four
		{"\x0a\x03abc\x0a\x00\x12\x01x", 3},     // of a length
		{"\x0a\x09abc", 1},                      // cut off
		{"\x0a\xff\xff\xff\xff\xff\xff", 1},     // its length cut off
		{"\xff", 0},                             // its tag
		{"\x08\x01\x0b\x08\x01\x0c\x08\x01", 5}, // a group: its begin, its end and what is in it
	} {
		if n := fields([]byte(c.data), 100); n != c.want {
			t.Errorf("%q has %d fields, want %d", c.data, n, c.want)
		}
	}
	if n := fields(bytes.Repeat([]byte{0x0a, 0}, 1000), 10); n != 11 {
		t.Errorf("counted to %d with a limit of 10", n)
	}
}

// FuzzFields: an agent's message has any form.
func FuzzFields(f *testing.F) {
	f.Add([]byte("\x0a\x03abc\x09........"))
	f.Add([]byte("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if n := fields(data, 50); n > 51 || n > len(data) {
			t.Errorf("%d fields", n)
		}
	})
}
