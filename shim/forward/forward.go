// Package forward lets programs on the host reach the loopback addresses of a
// pod in its VM. Engines forward a pod's port by a connection to localhost in
// the pod's network namespace on the host; the servers are the guest's.
package forward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent-protocol/dial"
	"github.com/kata-go/kata-runtime/internal/thread"
)

const (
	// maxConns bounds the connections of a pod at one time; more wait.
	maxConns = 128
	// chunk is how much is sent at once.
	chunk = 32 << 10
	// openTimeout bounds the guest's answer to a new connection.
	openTimeout = 60 * time.Second
	// acceptPause is how long nothing is accepted after an error: it may be the
	// want of descriptors or memory, which only time can help (accept(2)).
	acceptPause = 100 * time.Millisecond
)

// Forwarder takes the connections to loopback addresses in a network
// namespace. Make it with Listen.
type Forwarder struct {
	listener listener
	link     *os.File
}

// listener is a net.TCPListener, or a test's.
type listener interface {
	AcceptTCP() (*net.TCPConn, error)
	Close() error
}

// Listen takes all TCP connections to loopback addresses in the network
// namespace at a path, whatever the port (Linux 5.9). The caller closes it.
func Listen(netns string) (*Forwarder, error) {
	ns, err := os.Open(netns)
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	var tcp *net.TCPListener
	err = thread.Run(func() (bool, error) {
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			return false, fmt.Errorf("enter %s: %w", netns, err)
		}
		// For both families where there is IPv6. Nobody can reach its own port
		// from elsewhere: each frame of the namespace's interfaces is the guest's.
		// A map of sockets takes plain TCP only.
		var plain net.ListenConfig
		plain.SetMultipathTCP(false)
		listener, err := plain.Listen(context.Background(), "tcp", ":0")
		if err != nil {
			return false, err
		}
		tcp = listener.(*net.TCPListener)
		return false, nil
	})
	if err != nil {
		return nil, fmt.Errorf("forward ports: %w", err)
	}
	f := &Forwarder{listener: tcp}
	raw, err := tcp.SyscallConn()
	if err == nil {
		var steered error
		err = raw.Control(func(fd uintptr) { f.link, steered = steer(int(ns.Fd()), int(fd)) })
		err = errors.Join(err, steered)
	}
	if err != nil {
		tcp.Close()
		return nil, fmt.Errorf("forward ports: %w", err)
	}
	return f, nil
}

// Close ends it; connections that exist go on.
func (f *Forwarder) Close() error { return errors.Join(f.link.Close(), f.listener.Close()) }

// Run carries the connections to the agent at an address, until ctx ends or
// Close, which it does itself.
func (f *Forwarder) Run(ctx context.Context, address string, log *slog.Logger) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { f.Close() })
	defer stop()
	free := make(chan struct{}, maxConns)
	for {
		free <- struct{}{}
		conn, err := f.listener.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return ctx.Err()
		}
		if err != nil {
			<-free
			log.Warn("cannot accept a connection to forward now: " + err.Error())
			select {
			case <-ctx.Done():
			case <-time.After(acceptPause):
			}
			continue
		}
		go func() {
			defer func() { <-free }()
			defer conn.Close()
			if err := carry(ctx, conn, address); err != nil {
				// As if the port had refused: there is no listener to say it.
				conn.SetLinger(0)
				log.Debug("a forwarded connection ended", "to", conn.LocalAddr(), "error", err)
			}
		}()
	}
}

// carry brings one connection to the same address and port in the guest.
func carry(ctx context.Context, conn *net.TCPConn, address string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	late := time.AfterFunc(openTimeout, cancel)
	defer late.Stop()
	agent, err := dial.Client(ctx, address)
	if err != nil {
		return err
	}
	defer agent.Close()
	guest, err := agent.ForwardPort(ctx)
	if err != nil {
		return err
	}
	to := conn.LocalAddr().(*net.TCPAddr)
	if err := guest.Send(&agentpb.PortData{Address: to.IP.String(), Port: uint32(to.Port)}); err != nil {
		return err
	}
	if _, err := guest.Recv(); err != nil {
		return err
	}
	late.Stop()
	go send(conn, guest, cancel)
	for {
		data, err := guest.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := conn.Write(data.Data); err != nil {
			return err
		}
		if data.End {
			if err := conn.CloseWrite(); err != nil {
				return err
			}
		}
	}
}

// send brings what comes from a connection to the guest; after its end the
// guest may still say something.
func send(conn net.Conn, guest agentpb.Agent_ForwardPortClient, cancel func()) {
	buf := make([]byte, chunk)
	for {
		n, err := conn.Read(buf)
		if n > 0 && guest.Send(&agentpb.PortData{Data: buf[:n]}) != nil {
			return // the receiver knows why
		}
		if err == io.EOF {
			guest.CloseSend()
			return
		}
		if err != nil {
			cancel()
			return
		}
	}
}
