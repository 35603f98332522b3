package names

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/kata-go/kata-runtime/internal/dns"
)

// echo answers each question by itself in capitals, until the test ends.
func echo(t *testing.T, s *Server) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			q, err := s.Query(ctx)
			if err != nil {
				return
			}
			s.Answer(q.Id+1000, []byte("nobody asked"))
			s.Answer(q.Id, []byte(strings.ToUpper(string(q.Message)+" "+q.Server)))
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
}

func TestServer(t *testing.T) {
	const at = 15353 // of addresses of our own in 127.0.0.0/8
	s, err := listen([]string{"127.77.0.11", "127.77.0.12"}, at)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	echo(t, s)
	deadline := time.Now().Add(30 * time.Second)
	for _, server := range []string{"127.77.0.11", "127.77.0.12"} {
		for _, kind := range []string{"udp", "tcp"} {
			conn, err := net.Dial(kind, net.JoinHostPort(server, "15353"))
			if err != nil {
				t.Fatal(err)
			}
			conn.SetDeadline(deadline)
			for _, word := range []string{"one", "two"} {
				var answer []byte
				if kind == "udp" {
					conn.Write([]byte(word))
					buf := make([]byte, 100)
					var n int
					n, err = conn.Read(buf)
					answer = buf[:n]
				} else {
					dns.WriteMessage(conn, []byte(word))
					answer, err = dns.ReadMessage(conn)
				}
				if want := strings.ToUpper(word) + " " + server; err != nil || string(answer) != want {
					t.Errorf("%s %s: %q, %v", kind, server, answer, err)
				}
			}
			conn.Close()
		}
	}
	if _, err := listen([]string{"127.77.0.11"}, at); err == nil {
		t.Error("an address is listened on twice")
	}
	s.Close()
	again, err := listen([]string{"127.77.0.11"}, at)
	if err != nil {
		t.Fatalf("after Close: %v", err)
	}
	again.Close()
}

func TestListenTakesLoopbackOnly(t *testing.T) {
	for _, server := range []string{"", "0.0.0.0", "10.0.0.1", "localhost", "fe80::1%lo", "127.0.0.1:53"} {
		if s, err := listen([]string{server}, 15354); err == nil {
			s.Close()
			t.Errorf("%q is listened on", server)
		}
	}
}
