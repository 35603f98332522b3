// Package names answers a guest's name lookups out of a network namespace on
// the host whose name server has a loopback address, as Docker's has in each
// user-defined network.
package names

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent-protocol/dial"
	"github.com/kata-go/kata-runtime/internal/dns"
)

const (
	// maxPending bounds the questions on their way: the guest is hostile.
	maxPending = 64
	// patience is how long a name server may take: Docker's asks others itself,
	// with 4 seconds for each.
	patience = 15 * time.Second
	// beginTimeout bounds the beginning.
	beginTimeout = 60 * time.Second
)

// Resolver asks name servers in this process's network namespace for a guest.
type Resolver struct {
	// Agent is the agent's address.
	Agent string
	// Servers are the name servers' addresses. The guest can have no others asked.
	Servers []string
	// Port is the name servers'; 0 means 53.
	Port uint16
	Log  *slog.Logger
}

// Run serves until the guest or ctx ends, and answers why. It calls ready when
// the guest listens.
func (r *Resolver) Run(ctx context.Context, ready func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	agent, err := dial.Client(ctx, r.Agent)
	if err != nil {
		return err
	}
	defer agent.Close()
	late := time.AfterFunc(beginTimeout, cancel)
	calls, err := agent.ResolveNames(ctx)
	if err == nil {
		err = calls.Send(&agentpb.NameAnswer{Servers: r.Servers})
	}
	if err == nil {
		_, err = calls.Recv()
	}
	if !late.Stop() {
		err = errors.New("the guest does not answer in time")
	}
	if err != nil {
		return fmt.Errorf("lend the name servers %q: %w", r.Servers, err)
	}
	ready()
	var mu sync.Mutex // Send is for one at a time
	pending := make(chan struct{}, maxPending)
	for {
		query, err := calls.Recv()
		if err != nil {
			return err
		}
		select {
		case pending <- struct{}{}:
		default:
			continue // resolvers ask again
		}
		go func() {
			defer func() { <-pending }()
			answer, err := r.resolve(ctx, query)
			if err != nil {
				r.Log.Debug("name lookup failed", "err", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			calls.Send(&agentpb.NameAnswer{Id: query.Id, Message: answer}) // its failure ends Recv, too
		}()
	}
}

func (r *Resolver) resolve(ctx context.Context, q *agentpb.NameQuery) ([]byte, error) {
	if !slices.Contains(r.Servers, q.Server) {
		return nil, fmt.Errorf("the guest asks %q, which it was not lent", q.Server)
	}
	if len(q.Message) > dns.MaxMessage {
		return nil, fmt.Errorf("a question of %d bytes", len(q.Message))
	}
	port := r.Port
	if port == 0 {
		port = 53
	}
	kind := "udp"
	if q.Tcp {
		kind = "tcp"
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, kind, net.JoinHostPort(q.Server, fmt.Sprint(port)))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	if q.Tcp {
		if err := dns.WriteMessage(conn, q.Message); err != nil {
			return nil, err
		}
		return dns.ReadMessage(conn)
	}
	if _, err := conn.Write(q.Message); err != nil {
		return nil, err
	}
	buf := make([]byte, dns.MaxMessage)
	n, err := conn.Read(buf)
	return buf[:n], err
}
