package forward

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/kata-go/kata-runtime/agent-protocol/call"
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent/forward"
	"github.com/kata-go/kata-runtime/internal/thread"
)

// guest is an agent whose guest is this process's network namespace.
type guest struct {
	agentpb.UnimplementedAgentServer
}

func (*guest) ForwardPort(port agentpb.Agent_ForwardPortServer) error {
	first, err := port.Recv()
	if err != nil {
		return err
	}
	conn, err := forward.Dial(port.Context(), first)
	if err != nil {
		return call.Errorf(call.FailedPrecondition, "%s", err.Error())
	}
	defer conn.Close()
	if err := port.Send(&agentpb.PortData{}); err != nil {
		return err
	}
	return forward.Carry(conn, port)
}

func serveGuest(t *testing.T) (address string) {
	path := filepath.Join(t.TempDir(), "agent.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	go call.NewServer(agentpb.AgentHandler(&guest{})).Serve(l)
	t.Cleanup(func() { l.Close() })
	return "unix://" + path
}

// newNamespace answers a network namespace with lo up, as a pod's.
func newNamespace(t *testing.T) *os.File {
	var ns *os.File
	err := thread.Run(func() (bool, error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return false, err
		}
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return false, err
		}
		defer unix.Close(fd)
		lo, err := unix.NewIfreq("lo")
		if err != nil {
			return false, err
		}
		lo.SetUint16(unix.IFF_UP)
		if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
			return false, err
		}
		ns, err = os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()))
		return false, err
	})
	if errors.Is(err, unix.EPERM) {
		t.Skip("network namespaces need root")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ns.Close() })
	return ns
}

// dialIn connects from inside a network namespace.
func dialIn(t *testing.T, ns *os.File, address string) (*net.TCPConn, error) {
	t.Helper()
	var conn net.Conn
	err := thread.Run(func() (bool, error) {
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			return false, err
		}
		var err error
		conn, err = net.Dial("tcp", address)
		return false, err
	})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { conn.Close() })
	return conn.(*net.TCPConn), nil
}

func TestForward(t *testing.T) {
	agent, ns := serveGuest(t), newNamespace(t)
	f, err := Listen(fmt.Sprintf("/proc/self/fd/%d", ns.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx, agent, slog.New(slog.DiscardHandler)) }()

	for _, host := range []string{"127.0.0.1", "127.1.2.3", "::1"} {
		t.Run(host, func(t *testing.T) {
			server, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
			if err != nil {
				t.Skip(err) // a machine without IPv6
			}
			defer server.Close()
			go func() { // says all that it has heard, after its end
				conn, err := server.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				heard, _ := io.ReadAll(conn)
				conn.Write(heard)
			}()
			conn, err := dialIn(t, ns, server.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			want := make([]byte, 1<<20)
			rand.Read(want)
			go func() {
				conn.Write(want)
				conn.CloseWrite()
			}()
			if got, err := io.ReadAll(conn); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%d bytes came back (%v), want the %d that were sent", len(got), err, len(want))
			}
		})
	}

	t.Run("nobody listens", func(t *testing.T) {
		server, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := server.Addr().String()
		server.Close()
		conn, err := dialIn(t, ns, address)
		if err == nil {
			_, err = conn.Read(make([]byte, 1))
		}
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Fatalf("got %v, want a reset", err)
		}
	})

	t.Run("closed", func(t *testing.T) {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if _, err := dialIn(t, ns, "127.0.0.1:80"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("got %v, want a refusal", err)
		}
	})
}

func TestOnlyLoopback(t *testing.T) {
	for _, first := range []*agentpb.PortData{
		{Address: "192.0.2.1", Port: 80}, {Address: "localhost", Port: 80}, {Port: 80}, {Address: "::1%lo", Port: 80},
		{Address: "127.0.0.1"}, {Address: "127.0.0.1", Port: 65536},
	} {
		if conn, err := forward.Dial(t.Context(), first); err == nil {
			conn.Close()
			t.Errorf("%v: connected", first)
		}
	}
}
