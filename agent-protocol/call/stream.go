package call

import "context"

// Stream is one end of a call with streams: it sends S and receives R.
type Stream[S, R any] interface {
	Send(*S) error
	// Recv answers io.EOF when the other end sends no more.
	Recv() (*R, error)
	Context() context.Context
}

// ClientSide is the caller's end.
type ClientSide[S, R any] interface {
	Stream[S, R]
	CloseSend() error
}

// messages is what both ends have in common.
type messages interface {
	SendMsg(Message) error
	RecvMsg(Message) error
	Context() context.Context
}

// Typed gives an end its types, those of messages.
func Typed[S, R any](s messages) Stream[S, R] { return &typed[S, R]{s} }

// TypedClient is Typed for a client's end.
func TypedClient[S, R any](s *ClientStream) ClientSide[S, R] {
	return &typedClient[S, R]{typed[S, R]{s}, s}
}

type typed[S, R any] struct{ messages }

// The generator gives every message the methods of Message; S and R are such.
func (t *typed[S, R]) Send(m *S) error { return t.SendMsg(any(m).(Message)) }

func (t *typed[S, R]) Recv() (*R, error) {
	m := new(R)
	if err := t.RecvMsg(any(m).(Message)); err != nil {
		return nil, err
	}
	return m, nil
}

type typedClient[S, R any] struct {
	typed[S, R]
	end *ClientStream
}

func (t *typedClient[S, R]) CloseSend() error { return t.end.CloseSend() }
