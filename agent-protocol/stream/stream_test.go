package stream

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"math/rand"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent-protocol/serial"
)

// deadline bounds a test that would hang otherwise.
func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// transport makes connections: the client's end and the agent's.
type transport func(t *testing.T) (client, agent net.Conn)

func pipes(*testing.T) (net.Conn, net.Conn) { return net.Pipe() }

func unixSockets(t *testing.T) (net.Conn, net.Conn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var conns [2]net.Conn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "socket")
		conns[i], err = net.FileConn(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
	}
	return conns[0], conns[1]
}

// muxed answers a transport over one session over a port.
func muxed(t *testing.T) transport {
	a, b := unixSockets(t)
	client, agent := serial.Client(a), serial.Server(b)
	t.Cleanup(func() { client.Close(); agent.Close() })
	return func(t *testing.T) (net.Conn, net.Conn) {
		t.Helper()
		conn, err := client.Open(nil)
		if err != nil {
			t.Fatal(err)
		}
		return conn, &later{accept: agent.Accept}
	}
}

// later is a connection that is accepted when it is used: the other side learns
// of it by its first byte.
type later struct {
	accept func() (net.Conn, error)
	net.Conn
}

func (l *later) Read(p []byte) (int, error) {
	if l.Conn == nil {
		conn, err := l.accept()
		if err != nil {
			return 0, err
		}
		l.Conn = conn
	}
	return l.Conn.Read(p)
}

func (l *later) WriteBehind(p []byte) (int, error) { return l.Conn.(*serial.Conn).WriteBehind(p) }

// each runs a test over every transport.
func each(t *testing.T, test func(*testing.T, transport)) {
	t.Run("pipe", func(t *testing.T) { test(t, pipes) })
	t.Run("unix", func(t *testing.T) { test(t, unixSockets) })
	t.Run("serial", func(t *testing.T) { test(t, muxed(t)) })
}

func hello(stream agentpb.Stream, offset uint64) *agentpb.StreamHello {
	return &agentpb.StreamHello{ContainerId: "c1", Stream: stream, Offset: offset}
}

// open attaches a client to what serve serves, as the agent does. What serve
// answers comes on the channel.
func open(t *testing.T, tr transport, h *agentpb.StreamHello, serve func(net.Conn, *agentpb.StreamHello) error) (*Client, chan error) {
	t.Helper()
	client, served, err := tryOpen(t, tr, h, serve)
	if err != nil {
		t.Fatal(err)
	}
	return client, served
}

func tryOpen(t *testing.T, tr transport, h *agentpb.StreamHello, serve func(net.Conn, *agentpb.StreamHello) error) (*Client, chan error, error) {
	t.Helper()
	conn, agent := tr(t)
	served := make(chan error, 1)
	go func() {
		var magic [4]byte
		if _, err := io.ReadFull(agent, magic[:]); err != nil || string(magic[:]) != Magic {
			agent.Close()
			served <- errors.Join(err, errors.New("no magic"))
			return
		}
		got, err := ReadHello(agent)
		if err != nil {
			agent.Close()
			served <- err
			return
		}
		served <- serve(agent, got)
	}()
	client, err := Attach(deadline(t), conn, h)
	return client, served, err
}

func serveOutput(ctx context.Context, o *Output) func(net.Conn, *agentpb.StreamHello) error {
	return func(conn net.Conn, h *agentpb.StreamHello) error { return o.Serve(ctx, conn, h.Offset) }
}

func serveInput(ctx context.Context, i *Input) func(net.Conn, *agentpb.StreamHello) error {
	return func(conn net.Conn, _ *agentpb.StreamHello) error { return i.Serve(ctx, conn) }
}

// wait answers what comes on a channel.
func wait[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-deadline(t).Done():
		t.Fatal("it hangs")
		panic("not reached")
	}
}

// sink is a process's standard input: it counts, hashes, and knows its close.
type sink struct {
	mu     sync.Mutex
	hash   hash.Hash
	size   int
	closed bool
}

func newSink() *sink { return &sink{hash: sha256.New()} }

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, os.ErrClosed
	}
	s.size += len(p)
	return s.hash.Write(p)
}

func (s *sink) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// same tells whether the sink has got just data.
func (s *sink) same(t *testing.T, data []byte) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	want := sha256.Sum256(data)
	if !bytes.Equal(s.hash.Sum(nil), want[:]) {
		t.Errorf("got %d bytes, want %d, or others", s.size, len(data))
	}
}

func random(size int) []byte {
	data := make([]byte, size)
	rand.New(rand.NewSource(int64(size))).Read(data)
	return data
}
