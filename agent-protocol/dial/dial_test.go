package dial

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kata-go/kata-runtime/agent-protocol/call"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent-protocol/wire"
	"github.com/kata-go/kata-runtime/internal/sock"
)

func TestParse(t *testing.T) {
	for addr, want := range map[string]address{
		"unix:///run/a.sock": {path: "/run/a.sock"},
		"vsock://3:1024":     {cid: 3, port: 1024},
		"vsock://1:1024":     {cid: 1, port: 1024},
	} {
		if got, err := parse(addr); err != nil || got != want {
			t.Errorf("parse(%q) = %v, %v, want %v", addr, got, err, want)
		}
	}
	for _, addr := range []string{
		"", "unix://", "unix://a.sock", "unix:///run/", "/run/a.sock", "tcp://1.2.3.4:5", "unix:///a\x00b",
		"vsock://", "vsock://3", "vsock://3:", "vsock://:1024", "vsock://2:1024", "vsock://0:1", "vsock://-1:1",
		"vsock://4294967295:1", "vsock://4294967296:1", "vsock://3:0", "vsock://3:4294967295",
	} {
		if err := Check(addr); err == nil || !strings.Contains(err.Error(), "unix:///PATH") {
			t.Errorf("Check(%q) = %v", addr, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("unix:///run/a.sock")
	f.Add("vsock://3:1024")
	f.Fuzz(func(t *testing.T, addr string) {
		a, err := parse(addr)
		if err == nil && a.path == "" && (a.cid == 0 || a.port == 0) {
			t.Errorf("%q became %v", addr, a)
		}
	})
}

func context10s(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

type agent struct {
	agentpb.UnimplementedAgentServer
	version uint32
	client  chan string
}

func (a *agent) Hello(_ context.Context, r *agentpb.HelloRequest) (*agentpb.HelloReply, error) {
	a.client <- r.Client
	if err := wire.CheckVersion(r.Version, a.version); err != nil {
		return nil, call.Errorf(call.FailedPrecondition, "%s", err.Error())
	}
	return &agentpb.HelloReply{Version: a.version, Release: "9.9", Features: []string{wire.FeatureEvents}}, nil
}

// serve starts an agent behind a path that is too long for sun_path.
func serve(t *testing.T, a *agent) (addr string, l net.Listener) {
	t.Helper()
	path := filepath.Join(t.TempDir(), strings.Repeat("d", 60), strings.Repeat("e", 60), "a.sock")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := sock.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	go call.NewServer(agentpb.AgentHandler(a)).Serve(l)
	t.Cleanup(func() { l.Close() })
	return "unix://" + path, l
}

func TestConnect(t *testing.T) {
	served := &agent{version: wire.ProtocolVersion, client: make(chan string, 1)}
	addr, _ := serve(t, served)
	a, err := Connect(context10s(t), addr, "test 1.2")
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if got := <-served.client; got != "test 1.2" {
		t.Errorf("the agent met %q", got)
	}
	if a.Release != "9.9" || !a.Has(wire.FeatureEvents) || a.Has(wire.FeatureHotplug) {
		t.Errorf("release %q, features %q", a.Release, a.Features())
	}
	if _, err := a.GuestDetails(context10s(t), &agentpb.Empty{}); call.CodeOf(err) != call.Unimplemented {
		t.Errorf("GuestDetails = %v", err)
	}
}

func TestConnectToAnotherMajorVersion(t *testing.T) {
	addr, _ := serve(t, &agent{version: 99 << 16, client: make(chan string, 1)})
	_, err := Connect(context10s(t), addr, "test")
	if err == nil || !strings.Contains(err.Error(), "99.0") || !strings.Contains(err.Error(), addr) {
		t.Errorf("Connect = %v", err)
	}
}

func TestErrorsNameTheAddress(t *testing.T) {
	addr := "unix://" + filepath.Join(t.TempDir(), "missing.sock")
	_, err := Connect(context10s(t), addr, "test")
	if err == nil || !strings.Contains(err.Error(), addr) {
		t.Errorf("Connect = %v", err)
	}
}

func TestAgentThatNeverAnswers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.sock")
	l, err := sock.Listen(path) // its backlog takes the connection
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err = Connect(ctx, "unix://"+path, "test")
	if err == nil || !strings.Contains(err.Error(), path) || !errorsIsDeadline(err) {
		t.Errorf("Connect = %v", err)
	}
}

func errorsIsDeadline(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || call.CodeOf(errors.Unwrap(err)) == call.DeadlineExceeded
}
