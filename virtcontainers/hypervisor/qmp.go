package hypervisor

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// qmpLineMax bounds one message of QEMU's, in bytes. The longest answer to
// what we ask (query-hotpluggable-cpus with 288 CPUs) stays below 100 KiB.
const qmpLineMax = 1 << 20

// Event is what QEMU reports unasked (QEMU QMP Reference Manual).
type Event struct {
	// Name is the event's ("SHUTDOWN", "DEVICE_DELETED", "GUEST_PANICKED").
	Name string
	// Data is a JSON object or nil.
	Data json.RawMessage
}

// QMPError is QEMU's refusal of a command.
type QMPError struct {
	// Class is "GenericError", "DeviceNotFound", "CommandNotFound", ...
	Class string `json:"class"`
	// Desc is QEMU's own message.
	Desc string `json:"desc"`
}

func (e *QMPError) Error() string { return e.Desc }

// message is any line that QEMU sends: greeting, answer or event.
type message struct {
	Greeting json.RawMessage `json:"QMP"`
	ID       *uint64         `json:"id"`
	Return   json.RawMessage `json:"return"`
	Error    *QMPError       `json:"error"`
	Event    string          `json:"event"`
	Data     json.RawMessage `json:"data"`
}

// messages reads line by line; each is one JSON object (QEMU's docs/interop/
// qmp-spec.txt, 2.1: CRLF ends a message).
type messages struct{ scanner *bufio.Scanner }

func newMessages(r io.Reader) *messages {
	s := bufio.NewScanner(r)
	s.Buffer(nil, qmpLineMax)
	return &messages{s}
}

// next answers the next message; io.EOF at the end.
func (m *messages) next() (*message, error) {
	for m.scanner.Scan() {
		line := m.scanner.Bytes()
		if len(line) == 0 {
			continue
		}
		msg := new(message)
		if err := json.Unmarshal(line, msg); err != nil {
			return nil, fmt.Errorf("unexpected message from QEMU %.80q: %w", line, err)
		}
		return msg, nil
	}
	if err := m.scanner.Err(); err != nil {
		return nil, err
	}
	return nil, io.EOF
}

// qmpConn is one client's connection; its methods may be called concurrently.
type qmpConn struct {
	conn *net.UnixConn

	// writing serializes commands on the wire.
	writing sync.Mutex

	mu      sync.Mutex
	lastID  uint64
	pending map[uint64]chan *message
	// watchers get the events that come while they are registered.
	watchers map[chan Event]struct{}
	// err is why the connection ended, set before done is closed.
	err  error
	done chan struct{}
}

// newQMP reads the greeting, leaves negotiation mode and starts to read. It
// owns conn, also after an error.
func newQMP(ctx context.Context, conn *net.UnixConn) (*qmpConn, error) {
	q := &qmpConn{
		conn: conn, pending: make(map[uint64]chan *message),
		watchers: make(map[chan Event]struct{}), done: make(chan struct{}),
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	in := newMessages(conn)
	msg, err := in.next()
	if err == nil && msg.Greeting == nil {
		err = errors.New("QEMU sends no greeting")
	}
	if !stop() {
		// QEMU serves one client at a time: the rest waits for its greeting.
		err = fmt.Errorf("no greeting from QEMU, it hangs or another client holds its monitor: %w", ctx.Err())
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	go q.read(in)
	if err := q.execute(ctx, "qmp_capabilities", nil, nil); err != nil {
		q.close()
		return nil, fmt.Errorf("qmp_capabilities: %w", err)
	}
	return q, nil
}

// close ends the connection and waits for its reader.
func (q *qmpConn) close() error {
	err := q.conn.Close()
	<-q.done
	return err
}

// read delivers what comes until the connection ends.
func (q *qmpConn) read(in *messages) {
	for {
		msg, err := in.next()
		if err != nil {
			q.end(err)
			return
		}
		q.mu.Lock()
		switch {
		case msg.Event != "":
			for w := range q.watchers {
				select {
				case w <- Event{msg.Event, msg.Data}:
				default:
					// A watcher that does not read misses events, it blocks nobody.
				}
			}
		case msg.ID != nil && q.pending[*msg.ID] != nil:
			q.pending[*msg.ID] <- msg
			delete(q.pending, *msg.ID)
		}
		q.mu.Unlock()
	}
}

func (q *qmpConn) end(err error) {
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, unix.ECONNRESET) {
		err = ErrStopped
	}
	q.conn.Close()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.err = err
	for w := range q.watchers {
		close(w)
	}
	q.watchers = nil
	close(q.done)
}

// watch registers for events, up to size of them unread. The channel is closed
// when the connection ends.
func (q *qmpConn) watch(size int) (<-chan Event, func()) {
	w := make(chan Event, size)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.watchers == nil {
		close(w)
		return w, func() {}
	}
	q.watchers[w] = struct{}{}
	return w, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		delete(q.watchers, w)
	}
}

// execute runs a command, hands over files with it, and decodes its answer
// into out, if that is not nil.
func (q *qmpConn) execute(ctx context.Context, name string, args, out any, files ...*os.File) error {
	answer := make(chan *message, 1)
	q.mu.Lock()
	q.lastID++
	id := q.lastID
	q.pending[id] = answer
	q.mu.Unlock()
	defer func() {
		q.mu.Lock()
		delete(q.pending, id)
		q.mu.Unlock()
	}()
	cmd := map[string]any{"execute": name, "id": id}
	if args != nil {
		cmd["arguments"] = args
	}
	if err := q.send(ctx, append([]byte(jsonText(cmd)), '\n'), files); err != nil {
		return err
	}
	select {
	case msg := <-answer:
		return msg.result(out)
	case <-ctx.Done():
		return ctx.Err()
	case <-q.done:
	}
	// The answer may have come just before the end ("quit").
	select {
	case msg := <-answer:
		return msg.result(out)
	default:
		return q.err
	}
}

func (m *message) result(out any) error {
	if m.Error != nil {
		return m.Error
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(m.Return, out)
}

// send writes one command; QEMU takes the files from the first byte's message.
func (q *qmpConn) send(ctx context.Context, data []byte, files []*os.File) error {
	var rights []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			fds[i] = int(f.Fd())
		}
		rights = unix.UnixRights(fds...)
	}
	q.writing.Lock()
	defer q.writing.Unlock()
	// A command that was written by half would spoil the next one.
	stop := context.AfterFunc(ctx, func() { q.conn.Close() })
	n, _, err := q.conn.WriteMsgUnix(data, rights, nil)
	if err == nil && n < len(data) {
		_, err = q.conn.Write(data[n:])
	}
	if !stop() && err != nil {
		return ctx.Err()
	}
	if errors.Is(err, net.ErrClosed) || errors.Is(err, unix.EPIPE) {
		return ErrStopped
	}
	return err
}

// jsonText is for values of our own making, which can always be encoded.
func jsonText(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}
