package task

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/containerd/containerd/api/events"
	eventsapi "github.com/containerd/containerd/api/services/ttrpc/events/v1"
	"github.com/containerd/containerd/api/types"
	"github.com/containerd/ttrpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/kata-go/kata-runtime/internal/sock"
)

const (
	// backlog is how many events wait while containerd is away; later ones are lost.
	backlog = 2048
	// sendTimeout bounds one attempt.
	sendTimeout = 5 * time.Second
	// attempts and pause: containerd's restart takes some seconds.
	attempts = 30
	pause    = time.Second
)

// Events sends events to containerd, in the order in which they happen, and
// again when containerd was away.
type Events struct {
	address, namespace string
	log                *slog.Logger
	queue              chan *types.Envelope
	closing            chan struct{}
	done               chan struct{}
}

// NewEvents starts to send to containerd's ttrpc address; with an empty one
// events are dropped. The caller closes it.
func NewEvents(address, namespace string, log *slog.Logger) *Events {
	e := &Events{
		address: strings.TrimPrefix(address, "unix://"), namespace: namespace, log: log,
		queue: make(chan *types.Envelope, backlog), closing: make(chan struct{}), done: make(chan struct{}),
	}
	go e.run()
	return e
}

// Close sends what is queued, until ctx ends.
func (e *Events) Close(ctx context.Context) error {
	close(e.closing)
	select {
	case <-e.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// topics are containerd's names of what happens to tasks (runtime/events.go).
func topic(event proto.Message) string {
	switch event.(type) {
	case *events.TaskCreate:
		return "/tasks/create"
	case *events.TaskStart:
		return "/tasks/start"
	case *events.TaskOOM:
		return "/tasks/oom"
	case *events.TaskExit:
		return "/tasks/exit"
	case *events.TaskDelete:
		return "/tasks/delete"
	case *events.TaskExecAdded:
		return "/tasks/exec-added"
	case *events.TaskExecStarted:
		return "/tasks/exec-started"
	case *events.TaskPaused:
		return "/tasks/paused"
	case *events.TaskResumed:
		return "/tasks/resumed"
	}
	return "/tasks/?"
}

// send queues an event. It does not wait.
func (e *Events) send(event proto.Message) {
	body, err := toAny(event)
	if err != nil {
		e.log.Error("event lost", "topic", topic(event), "error", err)
		return
	}
	select {
	case e.queue <- &types.Envelope{Timestamp: timestamppb.Now(), Namespace: e.namespace, Topic: topic(event), Event: body}:
	default:
		e.log.Error("event lost: containerd takes none", "topic", topic(event))
	}
}

// toAny packs a message with its bare name as its type: containerd's typeurl
// has no "type.googleapis.com/" before it.
func toAny(m proto.Message) (*anypb.Any, error) {
	data, err := proto.Marshal(m)
	if err != nil {
		return nil, err
	}
	return &anypb.Any{TypeUrl: string(m.ProtoReflect().Descriptor().FullName()), Value: data}, nil
}

func (e *Events) run() {
	defer close(e.done)
	var client *ttrpc.Client
	defer func() {
		if client != nil {
			client.Close()
		}
	}()
	for {
		select {
		case envelope := <-e.queue:
			client = e.deliver(client, envelope)
		case <-e.closing:
			for {
				select {
				case envelope := <-e.queue:
					client = e.deliver(client, envelope)
				default:
					return
				}
			}
		}
	}
}

// deliver sends one event by a connection, which may be nil or broken, and
// answers the one to use next.
func (e *Events) deliver(client *ttrpc.Client, envelope *types.Envelope) *ttrpc.Client {
	if e.address == "" {
		return nil
	}
	var err error
	for range attempts {
		ctx, cancel := context.WithTimeout(context.Background(), sendTimeout)
		if client == nil {
			client, err = e.connect(ctx)
		}
		if client != nil {
			_, err = eventsapi.NewEventsClient(client).Forward(ctx, &eventsapi.ForwardRequest{Envelope: envelope})
		}
		cancel()
		if err == nil {
			return client
		}
		if client != nil {
			client.Close()
			client = nil
		}
		select {
		case <-e.closing:
		case <-time.After(pause): // there is no event that says that containerd is back
		}
	}
	e.log.Error("event lost", "topic", envelope.Topic, "error", err)
	return nil
}

func (e *Events) connect(ctx context.Context) (*ttrpc.Client, error) {
	conn, err := sock.Dial(ctx, e.address)
	if err != nil {
		return nil, err
	}
	return ttrpc.NewClient(conn), nil
}
