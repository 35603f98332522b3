package serial

import (
	"bytes"
	"io"
	"net"
	"testing"

	"github.com/kata-go/kata-runtime/agent-protocol/serial/peer"
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
		client, err := peer.Client(Resync(stale{host, bytes.NewReader([]byte{marker, 1, 2, 3})}))
		if err == nil {
			var conn net.Conn
			if conn, err = client.Open(); err == nil {
				_, err = conn.Write([]byte("hello"))
			}
		}
		sent <- err
	}()
	cutConn, err := old.Accept()
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(cutConn)
	if err != io.ErrUnexpectedEOF {
		t.Errorf("the old session's connection ended with %v", err)
	}
	// The missing 65534 bytes of the body are taken from the call's filling.
	if len(all) != 65536 || all[0] != 'x' || all[1] != fill || all[65535] != fill {
		t.Errorf("the old session's connection got %d bytes, want 65536", len(all))
	}
	<-old.Done()
	if err := old.Err(); err != io.EOF {
		t.Errorf("the old session ended with %v", err)
	}
	old.Close()
	server, err := port.Session(func() {})
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
