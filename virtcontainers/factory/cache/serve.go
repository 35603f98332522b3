package cache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/internal/sock"
)

// request is what a client sends, as one line of JSON.
type request struct {
	// Do is one of the do* words.
	Do string `json:"do"`
	// Key and Owner are for take: what the virtual machine has to fit, and the
	// folder of the sandbox that gets it.
	Key   string `json:"key,omitempty"`
	Owner string `json:"owner,omitempty"`
}

const (
	doTake   = "take"
	doStatus = "status"
	doSettle = "settle"
	doStop   = "stop"
)

// reply is what comes back, as one message, with the files of a virtual
// machine beside it.
type reply struct {
	// Error is ErrNone's word, ErrUnfit's, or any other text; Text is for a person.
	Error  string          `json:"error,omitempty"`
	Text   string          `json:"text,omitempty"`
	VM     json.RawMessage `json:"vm,omitempty"`
	Status *Status         `json:"status,omitempty"`
}

const (
	wordNone  = "none"
	wordUnfit = "unfit"
	wordOther = "other"
)

// maxMessage bounds a message in bytes; one is about a kilobyte.
const maxMessage = 64 << 10

const (
	// requestTimeout is for a client that connects and says nothing.
	requestTimeout = 10 * time.Second
	// startTimeout is for one that has got a virtual machine: longer than a start
	// takes, and short enough that a client that hangs keeps nobody from theirs.
	startTimeout = 10 * time.Second
)

// Serve serves a pool until ctx ends or a client says stop, and drains it then.
// The caller holds the place's lock. listening, if not nil, is called once
// clients can connect.
func Serve(ctx context.Context, place Place, maker Maker, want int, log *slog.Logger, listening func()) error {
	// Whoever held the lock before has left it.
	if err := ignore(os.Remove(place.Endpoint), os.ErrNotExist); err != nil {
		return fmt.Errorf("cache of virtual machines: %w", err)
	}
	listener, err := sock.Listen(place.Endpoint)
	if err != nil {
		return fmt.Errorf("cache of virtual machines: %w", err)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	s := &server{pool: newPool(maker, want, log), stop: stop, log: log}
	if listening != nil {
		listening()
	}
	log.Info("the cache of virtual machines is served", "endpoint", place.Endpoint, "wanted", want)
	closed := context.AfterFunc(ctx, func() { listener.Close() })
	defer closed()
	err = s.accept(ctx, listener)
	stop()
	// Nobody finds it any more; those who wait in the queue are refused.
	err = errors.Join(err, ignore(os.Remove(place.Endpoint), os.ErrNotExist))
	s.pool.Drain()
	s.farewell()
	s.clients.Wait()
	return err
}

type server struct {
	pool    *Pool
	stop    func()
	log     *slog.Logger
	clients sync.WaitGroup

	mu sync.Mutex
	// stopping are those who said stop: they hear when it is done.
	stopping []*net.UnixConn
	// drained is set when they have heard: who says stop later hears at once.
	drained bool
}

func (s *server) accept(ctx context.Context, listener *net.UnixListener) error {
	for {
		conn, err := listener.AcceptUnix()
		if ctx.Err() != nil {
			if conn != nil {
				conn.Close()
			}
			return nil
		}
		if err != nil {
			listener.Close()
			return fmt.Errorf("cache of virtual machines: %w", err)
		}
		s.clients.Go(func() {
			if s.serve(ctx, conn) {
				conn.Close()
			}
		})
	}
}

// serve answers a client's one request. It tells whether it is through with
// the connection.
func (s *server) serve(ctx context.Context, conn *net.UnixConn) (done bool) {
	conn.SetDeadline(time.Now().Add(requestTimeout))
	var r request
	if err := json.NewDecoder(conn).Decode(&r); err != nil {
		s.log.Warn("a client of the cache said nothing that it knows", "error", err)
		return true
	}
	var err error
	switch r.Do {
	case doTake:
		err = s.pool.take(r.Key, r.Owner, func(vm *VM) error {
			return send(conn, reply{VM: vm.Told}, vm.Files)
		})
		s.log.Debug("a virtual machine was asked for", "for", r.Owner, "error", err)
		if err == nil {
			s.untilThrough(ctx, conn)
			s.pool.started()
		} else {
			err = send(conn, refusal(err), nil)
		}
	case doStatus:
		status := s.pool.Status()
		err = send(conn, reply{Status: &status}, nil)
	case doSettle:
		conn.SetDeadline(time.Time{})
		status := s.pool.Settled(ctx)
		err = send(conn, reply{Status: &status}, nil)
	case doStop:
		conn.SetDeadline(time.Time{})
		s.stop()
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.drained {
			s.stopped(conn)
		} else {
			s.stopping = append(s.stopping, conn)
		}
		return false
	default:
		err = send(conn, reply{Error: wordOther, Text: fmt.Sprintf("unknown request %q", r.Do)}, nil)
	}
	if err != nil {
		s.log.Warn("a client of the cache got no answer", "request", r.Do, "error", err)
	}
	return true
}

// untilThrough returns when the taker of a virtual machine closes its
// connection, or startTimeout has passed, or ctx ends.
func (s *server) untilThrough(ctx context.Context, conn *net.UnixConn) {
	conn.SetDeadline(time.Now().Add(startTimeout))
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	if _, err := conn.Read(make([]byte, 1)); err != nil && !errors.Is(err, io.EOF) {
		s.log.Debug("not waited for the taker of a virtual machine any longer", "error", err)
	}
}

func (s *server) farewell() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drained = true
	for _, conn := range s.stopping {
		s.stopped(conn)
	}
}

// stopped tells one who said stop.
func (s *server) stopped(conn *net.UnixConn) {
	status := s.pool.Status()
	if err := send(conn, reply{Status: &status}, nil); err != nil {
		s.log.Debug("a client does not hear that the cache has stopped", "error", err)
	}
	conn.Close()
}

func refusal(err error) reply {
	r := reply{Error: wordOther, Text: err.Error()}
	switch {
	case errors.Is(err, ErrNone):
		r.Error = wordNone
	case errors.Is(err, ErrUnfit):
		r.Error = wordUnfit
	}
	return r
}

// send sends a message with files.
func send(conn *net.UnixConn, r reply, files []*os.File) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	data = append(data, '\n')
	if len(data) > maxMessage {
		return fmt.Errorf("a message of %d bytes is too long", len(data))
	}
	var rights []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			fds[i] = int(f.Fd())
		}
		rights = unix.UnixRights(fds...)
	}
	n, oob, err := conn.WriteMsgUnix(data, rights, nil)
	if err == nil && (n != len(data) || oob != len(rights)) {
		err = fmt.Errorf("only %d of %d bytes could be sent", n, len(data))
	}
	return err
}
