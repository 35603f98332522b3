// Package names answers name lookups in the guest by asking the host: a name
// server on a loopback address of the host's namespace cannot be reached
// otherwise.
package names

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/internal/dns"
)

const (
	// port is the domain's (RFC 1035, section 4.2).
	port = 53
	// maxPending bounds the questions on their way; further ones are dropped,
	// and resolvers ask again.
	maxPending = 256
	// maxConns bounds the connections over TCP.
	maxConns = 64
	// idle is how long a connection may say nothing, and a question stay unanswered.
	idle = 30 * time.Second
)

// Server listens on name servers' addresses. Make it with Listen.
type Server struct {
	queries chan *agentpb.NameQuery
	conns   chan struct{}

	mu      sync.Mutex
	next    uint64
	pending map[uint64]func([]byte)
	closers map[io.Closer]struct{}
	closed  bool
}

// Listen listens on each address, by UDP and TCP. They must be loopback ones.
// After an error it listens on none.
func Listen(servers []string) (_ *Server, err error) {
	return listen(servers, port)
}

func listen(servers []string, port uint16) (_ *Server, err error) {
	s := &Server{
		queries: make(chan *agentpb.NameQuery, maxPending), conns: make(chan struct{}, maxConns),
		pending: map[uint64]func([]byte){}, closers: map[io.Closer]struct{}{},
	}
	defer func() {
		if err != nil {
			s.Close()
		}
	}()
	for _, server := range servers {
		addr, err := netip.ParseAddr(server)
		if err != nil || !addr.IsLoopback() || addr.Zone() != "" {
			return nil, fmt.Errorf("name server %q is not a loopback address", server)
		}
		at := netip.AddrPortFrom(addr, port)
		packets, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		if err != nil {
			return nil, fmt.Errorf("name server %s: %w", server, err)
		}
		s.track(packets)
		conns, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
		if err != nil {
			return nil, fmt.Errorf("name server %s: %w", server, err)
		}
		s.track(conns)
		go s.serveUDP(server, packets)
		go s.serveTCP(server, conns)
	}
	return s, nil
}

// track has c closed with the server; false if that has happened.
func (s *Server) track(c io.Closer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		c.Close()
		return false
	}
	s.closers[c] = struct{}{}
	return true
}

func (s *Server) release(c io.Closer) {
	s.mu.Lock()
	delete(s.closers, c)
	s.mu.Unlock()
	c.Close()
}

// Close ends all listening.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for c := range s.closers {
		c.Close()
	}
	clear(s.closers)
}

// Query answers the next question; ctx's error if that ends first.
func (s *Server) Query(ctx context.Context) (*agentpb.NameQuery, error) {
	select {
	case q := <-s.queries:
		return q, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Answer passes an answer to who asked. One that nobody waits for is dropped.
func (s *Server) Answer(id uint64, message []byte) {
	if reply := s.take(id); reply != nil && len(message) <= dns.MaxMessage {
		reply(message)
	}
}

func (s *Server) take(id uint64) func([]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	reply := s.pending[id]
	delete(s.pending, id)
	return reply
}

// ask hands a question over; reply is called once or, without an answer, never.
func (s *Server) ask(server string, tcp bool, message []byte, reply func([]byte)) {
	s.mu.Lock()
	if len(s.pending) >= maxPending {
		s.mu.Unlock()
		return
	}
	s.next++
	id := s.next
	s.pending[id] = reply
	s.mu.Unlock()
	time.AfterFunc(idle, func() { s.take(id) })
	select {
	case s.queries <- &agentpb.NameQuery{Id: id, Server: server, Tcp: tcp, Message: message}:
	default:
		s.take(id)
	}
}

func (s *Server) serveUDP(server string, conn *net.UDPConn) {
	buf := make([]byte, dns.MaxMessage)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // of one packet
		}
		s.ask(server, false, append([]byte(nil), buf[:n]...), func(answer []byte) {
			conn.WriteToUDPAddrPort(answer, from) // who asked may have gone
		})
	}
}

func (s *Server) serveTCP(server string, l *net.TCPListener) {
	for {
		s.conns <- struct{}{}
		conn, err := l.Accept()
		if err != nil || !s.track(conn) {
			return
		}
		go func() {
			defer func() { <-s.conns }()
			defer s.release(conn)
			s.serveConn(server, conn)
		}()
	}
}

// serveConn serves one connection: messages, each behind its length.
func (s *Server) serveConn(server string, conn net.Conn) {
	for {
		conn.SetDeadline(time.Now().Add(idle))
		message, err := dns.ReadMessage(conn)
		if err != nil {
			return
		}
		answers := make(chan []byte, 1)
		s.ask(server, true, message, func(answer []byte) { answers <- answer })
		select {
		case answer := <-answers:
			if dns.WriteMessage(conn, answer) != nil {
				return
			}
		case <-time.After(idle):
			return
		}
	}
}
