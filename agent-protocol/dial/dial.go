// Package dial makes connections to an agent. An address is one of
//
//	unix:///path/of/a.sock   kata-proxy's socket, or an agent's own
//	vsock://CID:PORT         a guest with a vsock device
//
// A connection carries calls (agent-protocol/call) or one stream (agent-protocol/stream).
package dial

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/mdlayher/vsock"
	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/internal/sock"
)

// Dial connects to the agent at addr. Behind a serial port that succeeds at
// once, and what is written waits for the guest; on vsock it waits until the
// agent listens. ctx bounds that, and nothing afterwards.
func Dial(ctx context.Context, addr string) (net.Conn, error) {
	a, err := parse(addr)
	if err != nil {
		return nil, err
	}
	conn, err := a.dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("agent at %s: %w", addr, err)
	}
	return conn, nil
}

// Check answers an error if addr is no address.
func Check(addr string) error {
	_, err := parse(addr)
	return err
}

// address is a parsed address: a path, or else vsock.
type address struct {
	path      string
	cid, port uint32
}

func parse(addr string) (address, error) {
	fail := func(why string) (address, error) {
		return address{}, fmt.Errorf("agent address %q: %s; want unix:///PATH or vsock://CID:PORT", addr, why)
	}
	scheme, rest, _ := strings.Cut(addr, "://")
	switch scheme {
	case "unix":
		if !filepath.IsAbs(rest) || strings.ContainsRune(rest, 0) || strings.HasSuffix(rest, "/") {
			return fail("not the absolute path of a socket")
		}
		return address{path: rest}, nil
	case "vsock":
		cid, port, _ := strings.Cut(rest, ":")
		c, err := strconv.ParseUint(cid, 10, 32)
		// 0 to 2 are the hypervisor, this machine and the host (vsock(7)); the
		// last number means any.
		if err != nil || c <= 2 && c != unix.VMADDR_CID_LOCAL || c == unix.VMADDR_CID_ANY {
			return fail("not the CID of a guest")
		}
		p, err := strconv.ParseUint(port, 10, 32)
		if err != nil || p == 0 || p == unix.VMADDR_PORT_ANY {
			return fail("not a port")
		}
		return address{cid: uint32(c), port: uint32(p)}, nil
	}
	return fail("unknown form")
}

func (a address) dial(ctx context.Context) (net.Conn, error) {
	if a.path != "" {
		return sock.Dial(ctx, a.path)
	}
	return dialVsock(ctx, a.cid, a.port)
}

// dialVsock tries until the guest has booted as far as to listen: a guest
// without a listener refuses, one without a driver does not answer within the
// kernel's two seconds, and nothing announces the change.
func dialVsock(ctx context.Context, cid, port uint32) (net.Conn, error) {
	for pause := 5 * time.Millisecond; ; pause = min(pause*2, 100*time.Millisecond) {
		conn, err := vsock.Dial(cid, port, nil)
		if err == nil {
			return conn, nil
		}
		if !errors.Is(err, unix.ECONNRESET) && !errors.Is(err, unix.ECONNREFUSED) && !errors.Is(err, unix.ETIMEDOUT) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w; last: %w", ctx.Err(), err)
		case <-time.After(pause):
		}
	}
}
