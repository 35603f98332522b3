// Package forward connects the host to servers on the guest's loopback
// addresses.
package forward

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
)

// chunk is how much is sent at once.
const chunk = 32 << 10

// Stream is the call that carries a connection.
type Stream interface {
	Context() context.Context
	Send(*agentpb.PortData) error
	Recv() (*agentpb.PortData, error)
}

// Dial connects to the server that a call's first message names. It must be on
// a loopback address: others are reached through the network.
func Dial(ctx context.Context, first *agentpb.PortData) (*net.TCPConn, error) {
	addr, err := netip.ParseAddr(first.Address)
	if err != nil || !addr.IsLoopback() || addr.Zone() != "" {
		return nil, fmt.Errorf("%q is not a loopback address", first.Address)
	}
	if first.Port == 0 || first.Port > 65535 {
		return nil, fmt.Errorf("there is no port %d", first.Port)
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", netip.AddrPortFrom(addr, uint16(first.Port)).String())
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

// Carry passes on what both sides say, until both have ended or one is gone.
// The caller closes the connection, which ends what is left of Carry.
func Carry(conn *net.TCPConn, host Stream) error {
	heard := make(chan error, 1)
	go func() { heard <- receive(conn, host) }()
	buf := make([]byte, chunk)
	for {
		n, err := conn.Read(buf)
		if n > 0 {
			if err := host.Send(&agentpb.PortData{Data: buf[:n]}); err != nil {
				return err
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if err := host.Send(&agentpb.PortData{End: true}); err != nil {
		return err
	}
	return <-heard
}

// receive ends with the host's last word, which is passed on as such.
func receive(conn *net.TCPConn, host Stream) error {
	for {
		data, err := host.Recv()
		if err == io.EOF {
			return conn.CloseWrite()
		}
		if err != nil {
			conn.Close() // who called is gone
			return err
		}
		if _, err := conn.Write(data.Data); err != nil {
			return err
		}
	}
}
