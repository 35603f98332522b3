package names

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/internal/dns"
)

func TestResolve(t *testing.T) {
	packets, err := net.ListenPacket("udp", "127.77.1.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer packets.Close()
	addr := packets.LocalAddr().(*net.UDPAddr)
	conns, err := net.Listen("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conns.Close()
	go func() {
		buf := make([]byte, 512)
		for {
			n, from, err := packets.ReadFrom(buf)
			if err != nil {
				return
			}
			packets.WriteTo([]byte("udp "+string(buf[:n])), from)
		}
	}()
	go func() {
		for {
			conn, err := conns.Accept()
			if err != nil {
				return
			}
			if m, err := dns.ReadMessage(conn); err == nil {
				dns.WriteMessage(conn, append([]byte("tcp "), m...))
			}
			conn.Close()
		}
	}()
	r := &Resolver{Servers: []string{"127.77.1.1"}, Port: uint16(addr.Port), Log: slog.New(slog.DiscardHandler)}
	for tcp, want := range map[bool]string{false: "udp question", true: "tcp question"} {
		got, err := r.resolve(context.Background(), &agentpb.NameQuery{Server: "127.77.1.1", Tcp: tcp, Message: []byte("question")})
		if err != nil || string(got) != want {
			t.Errorf("tcp %v: %q, %v", tcp, got, err)
		}
	}
	// A hostile guest names others.
	for _, server := range []string{"", "127.0.0.1", "8.8.8.8", "localhost"} {
		_, err := r.resolve(context.Background(), &agentpb.NameQuery{Server: server, Message: []byte("question")})
		if err == nil || !strings.Contains(err.Error(), "was not lent") {
			t.Errorf("server %q: %v", server, err)
		}
	}
}
