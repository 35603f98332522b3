package task

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"testing"

	"github.com/containerd/containerd/api/events"
	eventsapi "github.com/containerd/containerd/api/services/ttrpc/events/v1"
	"github.com/containerd/containerd/api/types"
	"github.com/containerd/ttrpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
)

// sink is containerd's side.
type sink chan *types.Envelope

func (s sink) Forward(_ context.Context, r *eventsapi.ForwardRequest) (*emptypb.Empty, error) {
	s <- r.Envelope
	return &emptypb.Empty{}, nil
}

func listen(t *testing.T, path string, s sink) *ttrpc.Server {
	t.Helper()
	server, err := ttrpc.NewServer()
	if err != nil {
		t.Fatal(err)
	}
	eventsapi.RegisterEventsService(server, s)
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(context.Background(), l)
	t.Cleanup(func() { server.Close() })
	return server
}

func TestEventsArriveInOrderAndSurviveARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.ttrpc")
	got := make(sink, 10)
	server := listen(t, path, got)
	e := NewEvents("unix://"+path, "ns", slog.New(slog.DiscardHandler))
	e.send(&events.TaskCreate{ContainerID: "a"})
	e.send(&events.TaskStart{ContainerID: "a", Pid: 7})
	for _, want := range []string{"/tasks/create", "/tasks/start"} {
		if envelope := <-got; envelope.Topic != want || envelope.Namespace != "ns" {
			t.Errorf("topic %s in %s, want %s in ns", envelope.Topic, envelope.Namespace, want)
		}
	}
	server.Close()
	listen(t, path, got)
	e.send(&events.TaskExit{ContainerID: "a", ExitStatus: 3})
	envelope := <-got
	for envelope.Topic == "/tasks/start" {
		envelope = <-got // its answer was cut off with the server: it came again
	}
	exit := new(events.TaskExit)
	if err := proto.Unmarshal(envelope.Event.Value, exit); err != nil || exit.ExitStatus != 3 {
		t.Errorf("event %v, %v", exit, err)
	}
	if want := "containerd.events.TaskExit"; envelope.Event.TypeUrl != want {
		t.Errorf("type %s, want %s", envelope.Event.TypeUrl, want)
	}
	if err := e.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
