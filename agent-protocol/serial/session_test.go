package serial

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/yamux"
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/serial/peer"
)

// sockets answers the two ends of a port.
func sockets(t testing.TB) (net.Conn, net.Conn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var conns [2]net.Conn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "port")
		conns[i], err = net.FileConn(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conns[i].Close() })
	}
	return conns[0], conns[1]
}

// half is a connection of either implementation.
type half interface {
	net.Conn
	CloseWrite() error
}

// library is a yamux.Stream as a half: its Close is one of a direction.
type library struct{ *yamux.Stream }

func (l library) CloseWrite() error { return l.Stream.Close() }

// each runs a test with ours on both sides, and with the library on either.
func each(t *testing.T, test func(t *testing.T, open, accept func() (half, error))) {
	ours := func(s *Session) func() (half, error) {
		return func() (half, error) { return s.Open(nil) }
	}
	oursAccept := func(s *Session) func() (half, error) {
		return func() (half, error) {
			c, err := s.Accept()
			if err != nil {
				return nil, err
			}
			return c.(*Conn), nil
		}
	}
	t.Run("ours and ours", func(t *testing.T) {
		a, b := sockets(t)
		host, guest := Client(a), Server(b)
		defer host.Close()
		defer guest.Close()
		test(t, ours(host), oursAccept(guest))
	})
	t.Run("ours and the library", func(t *testing.T) {
		a, b := sockets(t)
		host := Client(a)
		defer host.Close()
		guest, err := peer.Server(b)
		if err != nil {
			t.Fatal(err)
		}
		defer guest.Close()
		test(t, ours(host), func() (half, error) {
			s, err := guest.AcceptStream()
			return library{s}, err
		})
	})
	t.Run("the library and ours", func(t *testing.T) {
		a, b := sockets(t)
		host, err := peer.Client(a)
		if err != nil {
			t.Fatal(err)
		}
		defer host.Close()
		guest := Server(b)
		defer guest.Close()
		test(t, func() (half, error) {
			s, err := host.OpenStream()
			return library{s}, err
		}, oursAccept(guest))
	})
}

func random(size int, seed int64) []byte {
	data := make([]byte, size)
	rand.New(rand.NewSource(seed)).Read(data)
	return data
}

func TestConnectionsAreByteExact(t *testing.T) {
	each(t, func(t *testing.T, open, accept func() (half, error)) {
		const conns = 10
		go func() {
			for range conns {
				c, err := accept()
				if err != nil {
					t.Error(err)
					return
				}
				go func() {
					io.Copy(c, c)
					c.CloseWrite()
				}()
			}
		}()
		var group sync.WaitGroup
		for i := range conns {
			c, err := open()
			if err != nil {
				t.Fatal(err)
			}
			data := random(3_000_000+i, int64(i))
			group.Go(func() {
				if _, err := c.Write(data); err != nil {
					t.Error(err)
				}
				if err := c.CloseWrite(); err != nil {
					t.Error(err)
				}
			})
			group.Go(func() {
				got, err := io.ReadAll(c)
				if err != nil || !bytes.Equal(got, data) {
					t.Errorf("connection %d: %d of %d bytes, or others, %v", i, len(got), len(data), err)
				}
			})
		}
		group.Wait()
	})
}

// A connection that nobody reads holds no other back.
func TestUnreadConnection(t *testing.T) {
	each(t, func(t *testing.T, open, accept func() (half, error)) {
		flood, err := open()
		if err != nil {
			t.Fatal(err)
		}
		flooded := make(chan error, 1)
		go func() {
			_, err := flood.Write(make([]byte, 16<<20))
			flooded <- err
		}()
		if _, err := accept(); err != nil {
			t.Fatal(err)
		}
		for range 20 {
			c, err := open()
			if err != nil {
				t.Fatal(err)
			}
			c.SetDeadline(time.Now().Add(time.Minute))
			if _, err := c.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			other, err := accept()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.CopyN(other, other, 1); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			c.Close()
			other.Close()
		}
		flood.SetWriteDeadline(time.Unix(1, 0))
		if err := <-flooded; err == nil {
			t.Error("the flood went somewhere")
		}
	})
}

func TestCloseKeepsWhatWasWritten(t *testing.T) {
	each(t, func(t *testing.T, open, accept func() (half, error)) {
		c, err := open()
		if err != nil {
			t.Fatal(err)
		}
		data := random(100_000, 1)
		if _, err := c.Write(data); err != nil {
			t.Fatal(err)
		}
		c.Close()
		other, err := accept()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(other); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	})
}

func TestDeadlines(t *testing.T) {
	a, b := sockets(t)
	host, guest := Client(a), Server(b)
	defer host.Close()
	defer guest.Close()
	c, err := host.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read = %v", err)
	}
	c.SetReadDeadline(time.Time{})
	waiting := make(chan error, 1)
	go func() {
		_, err := c.Read(make([]byte, 1))
		waiting <- err
	}()
	c.SetReadDeadline(time.Unix(1, 0))
	if err := <-waiting; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read = %v", err)
	}
	if n, err := c.Write(make([]byte, baseWindow)); n != baseWindow || err != nil {
		t.Errorf("Write = %d, %v", n, err)
	}
	c.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
	if n, err := c.Write([]byte("x")); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Write = %d, %v", n, err)
	}
	c.Close()
	if _, err := c.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write = %v", err)
	}
}

// A connection that was never written to costs the guest nothing.
func TestSilentConnectionIsNotAnnounced(t *testing.T) {
	a, b := sockets(t)
	host, guest := Client(a), Server(b)
	defer host.Close()
	defer guest.Close()
	for range 2 * maxWaiting {
		c, err := host.Open(nil)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	if err := host.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(guest.accepts); n != 0 {
		t.Errorf("%d connections were announced", n)
	}
	checkNothingIsLeft(t, host)
}

// checkNothingIsLeft looks under the lock: a session that ends forgets its
// connections by itself.
func checkNothingIsLeft(t *testing.T, s *Session) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.conns) != 0 || len(s.waiting) != 0 {
		t.Errorf("%d connections and %d tokens are left", len(s.conns), len(s.waiting))
	}
}

func TestNothingIsLeftOfClosedConnections(t *testing.T) {
	a, b := sockets(t)
	host, guest := Client(a), Server(b)
	defer host.Close()
	defer guest.Close()
	for range 100 {
		c, err := host.Open(nil)
		if err != nil {
			t.Fatal(err)
		}
		c.Write([]byte("x"))
		other, err := guest.Accept()
		if err != nil {
			t.Fatal(err)
		}
		other.Close()
		c.Close()
	}
	for _, s := range []*Session{host, guest, host} {
		if err := s.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range []*Session{host, guest} {
		checkNothingIsLeft(t, s)
	}
}

// What the sink does not take waits for Drain, in order.
func TestSink(t *testing.T) {
	a, b := sockets(t)
	host, guest := Client(a), Server(b)
	defer host.Close()
	defer guest.Close()
	var mu sync.Mutex
	var got bytes.Buffer
	rnd := rand.New(rand.NewSource(3))
	c, err := host.Open(func(p []byte) int {
		mu.Lock()
		defer mu.Unlock()
		n := rnd.Intn(len(p) + 1)
		got.Write(p[:n])
		return n
	})
	if err != nil {
		t.Fatal(err)
	}
	data := random(20_000_000, 4)
	go func() {
		other, err := guest.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		other.Write(data)
		other.Close()
	}()
	c.Write([]byte("x"))
	if err := c.Drain(locked{&mu, &got}); err != nil {
		t.Error(err)
	}
	if !bytes.Equal(got.Bytes(), data) {
		t.Errorf("%d of %d bytes, or others", got.Len(), len(data))
	}
}

type locked struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func TestWriteBehindLeavesTheDataAlone(t *testing.T) {
	a, b := sockets(t)
	host, guest := Client(a), Server(b)
	defer host.Close()
	defer guest.Close()
	c, err := host.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	data := random(HeaderSize+200_000, 5)
	before := bytes.Clone(data)
	if n, err := c.WriteBehind(data); n != 200_000 || err != nil {
		t.Fatalf("WriteBehind = %d, %v", n, err)
	}
	if !bytes.Equal(data, before) {
		t.Error("the data was changed")
	}
	c.CloseWrite()
	other, err := guest.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(other); err != nil || !bytes.Equal(got, before[HeaderSize:]) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestPingOfADeadSession(t *testing.T) {
	a, b := sockets(t)
	host := Client(a)
	b.Close()
	if err := host.Ping(context.Background()); err == nil {
		t.Error("an answer from nobody")
	}
	if err := host.Close(); err != nil {
		t.Error(err)
	}
}
