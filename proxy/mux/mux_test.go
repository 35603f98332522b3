package mux

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/yamux"

	"github.com/kata-go/kata-runtime/agent-protocol/serial/peer"
	"github.com/kata-go/kata-runtime/internal/sock"
)

// vm is a proxy with the guest's end of its port.
type vm struct {
	path  string // the proxy's socket
	port  *net.UnixConn
	agent *yamux.Session
	done  chan error
	stop  context.CancelFunc
}

func start(t *testing.T) *vm {
	t.Helper()
	dir := t.TempDir()
	qemu, err := sock.Listen(filepath.Join(dir, "agent.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer qemu.Close()
	port, err := sock.Dial(t.Context(), filepath.Join(dir, "agent.sock"))
	if err != nil {
		t.Fatal(err)
	}
	guest, err := qemu.AcceptUnix()
	if err != nil {
		t.Fatal(err)
	}
	v := &vm{path: filepath.Join(dir, "proxy.sock"), port: guest, done: make(chan error, 1)}
	listener, err := sock.Listen(v.path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	v.stop = stop
	go func() { v.done <- Run(ctx, port, listener, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() { stop(); guest.Close() })
	return v
}

// boot starts the agent: it gives each connection to handle.
func (v *vm) boot(t *testing.T, handle func(*yamux.Stream)) {
	t.Helper()
	session, err := peer.Server(v.port)
	if err != nil {
		t.Fatal(err)
	}
	v.agent = session
	t.Cleanup(func() { session.Close() })
	go func() {
		for {
			stream, err := session.AcceptStream()
			if err != nil {
				return
			}
			go handle(stream)
		}
	}()
}

func echo(stream *yamux.Stream) {
	io.Copy(stream, stream)
	stream.Close()
}

func (v *vm) dial(t *testing.T) *net.UnixConn {
	t.Helper()
	conn, err := sock.Dial(t.Context(), v.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func (v *vm) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-v.done:
		return err
	case <-time.After(time.Minute):
		t.Fatal("the proxy does not end")
		return nil
	}
}

func random(size int, seed int64) []byte {
	data := make([]byte, size)
	rand.New(rand.NewSource(seed)).Read(data)
	return data
}

func TestManyConnectionsAreByteExact(t *testing.T) {
	v := start(t)
	var group sync.WaitGroup
	for i := range 20 {
		conn := v.dial(t)
		data := random(2_000_000+i, int64(i))
		group.Add(2)
		go func() {
			defer group.Done()
			conn.Write(data)
			conn.CloseWrite()
		}()
		go func() {
			defer group.Done()
			// The end comes only because the half-close went through and back.
			got, err := io.ReadAll(conn)
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("connection %d: %d of %d bytes, or others, %v", i, len(got), len(data), err)
			}
		}()
	}
	// All of them were opened, and written to, before the guest was there.
	v.boot(t, echo)
	group.Wait()
}

func TestClientThatDoesNotReadBlocksNobody(t *testing.T) {
	v := start(t)
	v.boot(t, func(stream *yamux.Stream) {
		var kind [1]byte
		io.ReadFull(stream, kind[:])
		if kind[0] == 'f' {
			stream.Write(make([]byte, 64<<20)) // blocks: nobody takes it
		} else {
			stream.Write(kind[:])
		}
		stream.Close()
	})
	flood := v.dial(t)
	flood.Write([]byte("f"))
	if _, err := io.ReadFull(flood, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		conn := v.dial(t)
		conn.Write([]byte("x"))
		if got, err := io.ReadAll(conn); err != nil || string(got) != "x" {
			t.Fatalf("got %q, %v", got, err)
		}
		conn.Close()
	}
}

func TestClientThatVanishesClosesItsStreamAlone(t *testing.T) {
	v := start(t)
	ended := make(chan error, 1)
	v.boot(t, func(stream *yamux.Stream) {
		var kind [1]byte
		io.ReadFull(stream, kind[:])
		if kind[0] == 'e' {
			echo(stream)
			return
		}
		_, err := stream.Read(kind[:])
		ended <- err
		stream.Close()
	})
	other := v.dial(t)
	other.Write([]byte("e"))
	vanishing := v.dial(t)
	vanishing.Write([]byte("v"))
	vanishing.Close()
	select {
	case err := <-ended:
		if err != io.EOF {
			t.Errorf("the agent saw %v, want EOF", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("the agent does not see that the client is gone")
	}
	other.Write([]byte("still here"))
	got := make([]byte, 10)
	if _, err := io.ReadFull(other, got); err != nil || string(got) != "still here" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestDeathOfTheVM(t *testing.T) {
	v := start(t)
	v.boot(t, echo)
	conn := v.dial(t)
	conn.Write([]byte("x"))
	if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	v.port.Close()
	if err := v.wait(t); err != nil {
		t.Errorf("Run = %v", err)
	}
	if n, err := conn.Read(make([]byte, 1)); err == nil {
		t.Errorf("%d bytes from a dead VM", n)
	}
	if _, err := sock.Dial(t.Context(), v.path); err == nil {
		t.Error("it still listens")
	}
}

func TestDeathDuringBoot(t *testing.T) {
	v := start(t)
	conn := v.dial(t)
	conn.Write(random(1<<20, 1)[:1000])
	v.port.Close()
	if err := v.wait(t); err != nil {
		t.Errorf("Run = %v", err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("an answer from a dead VM")
	}
}

func TestStop(t *testing.T) {
	v := start(t)
	v.boot(t, echo)
	conn := v.dial(t)
	conn.Write([]byte("x"))
	io.ReadFull(conn, make([]byte, 1))
	v.stop()
	if err := v.wait(t); !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v", err)
	}
}

func TestGuestThatSpeaksSomethingElse(t *testing.T) {
	v := start(t)
	v.port.Write([]byte("login: welcome to the guest"))
	if err := v.wait(t); err == nil {
		t.Error("Run = nil, want an error")
	}
}

func TestGuestCannotOpenConnections(t *testing.T) {
	v := start(t)
	session, err := peer.Server(v.port)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	v.dial(t).Write([]byte("x"))
	// The proxy's refusal comes before its first connection.
	if _, err := session.AcceptStream(); err != nil {
		t.Fatal(err)
	}
	if _, err := session.OpenStream(); err != yamux.ErrRemoteGoAway {
		t.Errorf("OpenStream = %v", err)
	}
}
