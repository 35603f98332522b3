package wire

import (
	"context"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
)

// MaxMessage is the greatest size of a gRPC message in bytes, either way: a
// CopyFile part or a large config.json fits many times.
const MaxMessage = 16 << 20

const (
	// windowSize is the HTTP/2 window of a call and of a connection. Bulk data
	// does not go this way, so the smallest that gRPC takes is enough.
	windowSize = 64 << 10
	// bufferSize is that of the buffers before and behind a connection: calls
	// are short, and each process of the host has such a pair.
	bufferSize = 8 << 10
)

// message is what protoc-gen-gogo makes of a message.
type message interface {
	Reset()
	Marshal() ([]byte, error)
	Unmarshal([]byte) error
}

// Codec encodes the protocol's messages by their own generated methods, without
// reflection. It is given to each client and server and registered nowhere.
type Codec struct{}

// Marshal implements encoding.Codec.
func (Codec) Marshal(v any) ([]byte, error) {
	m, ok := v.(message)
	if !ok {
		return nil, fmt.Errorf("cannot encode %T: not a message of the agent protocol", v)
	}
	return m.Marshal()
}

// Unmarshal implements encoding.Codec. It does not keep data.
func (Codec) Unmarshal(data []byte, v any) error {
	m, ok := v.(message)
	if !ok {
		return fmt.Errorf("cannot decode %T: not a message of the agent protocol", v)
	}
	m.Reset()
	return m.Unmarshal(data)
}

// Name implements encoding.Codec: it is the content subtype, and the bytes are
// protobuf's.
func (Codec) Name() string { return "proto" }

// Target is what to give to grpc.NewClient together with DialOptions: no
// resolver looks at it.
const Target = "passthrough:///kata-agent"

// DialOptions are a client's. The dialer makes every connection. Nothing is
// retried and no deadline is added: a call ends with its context.
func DialOptions(dialer func(context.Context) (net.Conn, error)) []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return dialer(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(
			grpc.ForceCodec(Codec{}),
			grpc.MaxCallRecvMsgSize(MaxMessage),
			grpc.MaxCallSendMsgSize(MaxMessage),
		),
		grpc.WithInitialWindowSize(windowSize),
		grpc.WithInitialConnWindowSize(windowSize),
		grpc.WithReadBufferSize(bufferSize),
		grpc.WithWriteBufferSize(bufferSize),
		grpc.WithSharedWriteBuffer(true),
		grpc.WithDisableRetry(),
		grpc.WithDisableServiceConfig(),
		grpc.WithNoProxy(),
		grpc.WithIdleTimeout(0),
		// A guest that boots beside a hundred others answers the HTTP/2
		// preface late; the caller's context says when that is too late.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, MaxDelay: time.Second},
			MinConnectTimeout: time.Hour,
		}),
	}
}

// ServerOptions are the agent's.
func ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ForceServerCodec(Codec{}),
		grpc.MaxRecvMsgSize(MaxMessage),
		grpc.MaxSendMsgSize(MaxMessage),
		grpc.InitialWindowSize(windowSize),
		grpc.InitialConnWindowSize(windowSize),
		grpc.ReadBufferSize(bufferSize),
		grpc.WriteBufferSize(bufferSize),
		grpc.SharedWriteBuffer(true),
		grpc.ConnectionTimeout(time.Hour),
	}
}
