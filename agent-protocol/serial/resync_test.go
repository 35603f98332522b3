package serial

import (
	"bytes"
	"io"
	"net"
	"testing"

	"github.com/hashicorp/yamux"
)

// TestResyncAfterACutFrame gives the guest the first half of a session that
// was cut in the middle of a frame, and the call of the next, in one stream.
func TestResyncAfterACutFrame(t *testing.T) {
	host, guest := net.Pipe()
	defer host.Close()
	defer guest.Close()
	port := NewPort(guest)
	old, err := port.Session(func() {})
	if err != nil {
		t.Fatal(err)
	}
	// A ping, and a data frame of which most is missing.
	cut := append([]byte{0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9}, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 'x', fill)
	sent := make(chan error, 1)
	go func() {
		if _, err := host.Write(cut); err != nil {
			sent <- err
			return
		}
		client, err := yamux.Client(Coalesce(Resync(stale{host, bytes.NewReader([]byte{marker, 1, 2, 3})})), Config())
		if err == nil {
			var conn net.Conn
			if conn, err = client.Open(); err == nil {
				_, err = conn.Write([]byte("hello"))
			}
		}
		sent <- err
	}()
	all, err := io.ReadAll(old)
	if err != nil {
		t.Fatal(err)
	}
	// The missing 65534 bytes of the body are taken from the call's filling.
	if want := len(cut) + 65536 - 2; len(all) != want || !bytes.HasPrefix(all, cut) {
		t.Errorf("the old session got %d bytes, want %d", len(all), want)
	}
	conn, err := port.Session(func() {})
	if err != nil {
		t.Fatal(err)
	}
	server, err := yamux.Server(Coalesce(conn), Config())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := server.Accept()
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(accepted, got); err != nil || string(got) != "hello" {
		t.Errorf("got %q, %v", got, err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

// stale is a port with something of the old session left to read.
type stale struct {
	net.Conn
	left *bytes.Reader
}

func (s stale) Read(p []byte) (int, error) {
	if s.left.Len() > 0 {
		return s.left.Read(p)
	}
	return s.Conn.Read(p)
}

func FuzzPortFollow(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 'a', 'b', fill, fill})
	f.Fuzz(func(t *testing.T, data []byte) {
		whole, parts := &Port{}, &Port{}
		n := whole.follow(data)
		// In pieces the same comes out.
		m := 0
		for m < len(data) && !parts.call {
			got := parts.follow(data[m:min(m+5, len(data))])
			m += got
		}
		if n != m || whole.call != parts.call || n > len(data) {
			t.Errorf("whole: %d %v, in parts: %d %v", n, whole.call, m, parts.call)
		}
	})
}
