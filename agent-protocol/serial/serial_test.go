package serial

import (
	"bytes"
	"io"
	"net"
	"testing"

	"github.com/hashicorp/yamux"
)

// counter counts the writes that reach the connection.
type counter struct {
	net.Conn
	writes int
}

func (c *counter) Write(p []byte) (int, error) {
	c.writes++
	return c.Conn.Write(p)
}

func TestCoalescedSession(t *testing.T) {
	a, b := net.Pipe()
	count := &counter{Conn: a}
	client, err := yamux.Client(Coalesce(count), Config())
	if err != nil {
		t.Fatal(err)
	}
	server, err := yamux.Server(Coalesce(b), Config())
	if err != nil {
		t.Fatal(err)
	}
	want := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	go func() {
		stream, err := server.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := io.Copy(stream, io.LimitReader(stream, int64(len(want)))); err != nil {
			t.Error(err)
		}
		stream.Close()
	}()
	stream, err := client.Open()
	if err != nil {
		t.Fatal(err)
	}
	go stream.Write(want)
	got, err := io.ReadAll(stream)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d of %d bytes, %v", len(got), len(want), err)
	}
	client.Close()
	server.Close()
	if count.writes == 0 {
		t.Error("nothing went through the counter")
	}
}

func TestCoalesceJoinsHeaderAndBody(t *testing.T) {
	a, b := net.Pipe()
	defer b.Close()
	count := &counter{Conn: a}
	c := Coalesce(count)
	defer c.Close()
	data := []byte{0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 3}
	update := []byte{0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0}
	done := make(chan []byte)
	go func() {
		got := make([]byte, 27)
		io.ReadFull(b, got)
		done <- got
	}()
	for _, p := range [][]byte{data, []byte("abc"), update} {
		if n, err := c.Write(p); n != len(p) || err != nil {
			t.Fatalf("Write = %d, %v", n, err)
		}
	}
	if got := <-done; !bytes.Equal(got, append(append(data, "abc"...), update...)) {
		t.Errorf("got %v", got)
	}
	if count.writes != 2 {
		t.Errorf("%d writes, want 2", count.writes)
	}
}
