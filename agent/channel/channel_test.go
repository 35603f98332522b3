package channel

import (
	"errors"
	"net"
	"testing"

	"github.com/kata-go/kata-runtime/agent-protocol/serial"
)

// Connections outlive the listener that they came from.
func TestLasting(t *testing.T) {
	a, b := net.Pipe()
	server, client := serial.Server(a), serial.Client(b)
	defer client.Close()
	l := Lasting(server)
	theirs, err := client.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := theirs.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	ours, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept = %v", err)
	}
	go ours.Write([]byte("answer"))
	got := make([]byte, 6)
	if n, err := theirs.Read(got); err != nil || string(got[:n]) != "answer" {
		t.Errorf("%q, %v", got, err)
	}
	again := Lasting(server)
	server.Close()
	if _, err := again.Accept(); err == nil {
		t.Error("Accept of a session that has ended")
	}
}

func TestLookPortWithoutPorts(t *testing.T) {
	if dev, err := lookPort("no such port"); dev != "" || err != nil {
		t.Errorf("%q, %v", dev, err)
	}
}
