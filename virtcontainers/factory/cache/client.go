package cache

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/internal/sock"
)

// ErrNotServed is the answer where no server is.
var ErrNotServed = errors.New("nobody serves the cache of virtual machines")

// takeTimeout bounds the asking for a virtual machine, which is there or not.
const takeTimeout = 10 * time.Second

// Handed is a virtual machine that the caller's sandbox has from now on.
type Handed struct {
	// Told is what the maker told of it.
	Told json.RawMessage
	// Files are those that came with it.
	Files []*os.File

	conn *net.UnixConn
}

// CloseFiles closes its files.
func (h *Handed) CloseFiles() {
	for _, f := range h.Files {
		f.Close()
	}
	h.Files = nil
}

// Close closes its files and tells the server that the taker is through: until
// then, for a while, the server makes no other in its place, which would compete
// with the taker for the processors.
func (h *Handed) Close() {
	h.CloseFiles()
	h.conn.Close()
}

// Take asks for a virtual machine that fits key, for the sandbox whose folder
// is owner. ErrNotServed, ErrNone and ErrUnfit mean that there is none to be
// had.
func (p Place) Take(ctx context.Context, key, owner string) (*Handed, error) {
	ctx, cancel := context.WithTimeout(ctx, takeTimeout)
	defer cancel()
	conn, r, files, err := p.ask(ctx, request{Do: doTake, Key: key, Owner: owner})
	if err != nil {
		return nil, err
	}
	return &Handed{Told: r.VM, Files: files, conn: conn}, nil
}

// Status asks how far the server's pool is.
func (p Place) Status(ctx context.Context) (*Status, error) { return p.askStatus(ctx, doStatus) }

// Settle waits until the server's pool is full or cannot be filled.
func (p Place) Settle(ctx context.Context) (*Status, error) { return p.askStatus(ctx, doSettle) }

// Stop has the server drain its pool and end, and waits for the former.
func (p Place) Stop(ctx context.Context) error {
	_, err := p.askStatus(ctx, doStop)
	return err
}

func (p Place) askStatus(ctx context.Context, do string) (*Status, error) {
	conn, r, _, err := p.ask(ctx, request{Do: do})
	if err == nil {
		defer conn.Close()
	}
	if err == nil && r.Status == nil {
		err = fmt.Errorf("cache at %s: an answer without a status", p.Endpoint)
	}
	if err != nil {
		return nil, err
	}
	return r.Status, nil
}

// ask answers the connection, too, which is the caller's.
func (p Place) ask(ctx context.Context, r request) (*net.UnixConn, *reply, []*os.File, error) {
	conn, err := sock.Dial(ctx, p.Endpoint)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ECONNREFUSED) {
		return nil, nil, nil, fmt.Errorf("%w at %s", ErrNotServed, p.Endpoint)
	}
	if err != nil {
		return nil, nil, nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	var answer *reply
	var files []*os.File
	if err = json.NewEncoder(conn).Encode(r); err == nil {
		answer, files, err = receive(conn)
	}
	if err == nil && answer.Error != "" {
		err = answer.err()
	}
	if err != nil {
		conn.Close()
		for _, f := range files {
			f.Close()
		}
		switch {
		case ctx.Err() != nil:
			err = ctx.Err()
		case errors.Is(err, unix.ECONNRESET), errors.Is(err, unix.EPIPE), errors.Is(err, io.ErrUnexpectedEOF):
			err = fmt.Errorf("%w any more: it has ended meanwhile", ErrNotServed)
		}
		return nil, nil, nil, fmt.Errorf("cache at %s: %w", p.Endpoint, err)
	}
	return conn, answer, files, nil
}

func (r *reply) err() error {
	switch r.Error {
	case wordNone:
		return &refused{r.Text, ErrNone}
	case wordUnfit:
		return &refused{r.Text, ErrUnfit}
	}
	return errors.New(r.Text)
}

// refused is a server's text that still is one of the sentinels.
type refused struct {
	text string
	kind error
}

func (e *refused) Error() string { return e.text }
func (e *refused) Unwrap() error { return e.kind }

// maxFiles is more than any virtual machine comes with.
const maxFiles = 16

// receive reads one message, whose files come with its first bytes.
func receive(conn *net.UnixConn) (*reply, []*os.File, error) {
	var data bytes.Buffer
	var files []*os.File
	buffer, oob := make([]byte, maxMessage), make([]byte, unix.CmsgSpace(maxFiles*4))
	for {
		n, oobn, flags, _, err := conn.ReadMsgUnix(buffer, oob)
		data.Write(buffer[:max(n, 0)]) // -1 with an error
		if oobn > 0 {
			more, perr := rights(oob[:oobn])
			files = append(files, more...)
			err = errors.Join(err, perr)
		}
		if flags&unix.MSG_CTRUNC != 0 {
			err = errors.Join(err, errors.New("files are missing"))
		}
		if n == 0 && err == nil {
			err = io.ErrUnexpectedEOF
		}
		if data.Len() > maxMessage {
			err = errors.Join(err, errors.New("the message is too long"))
		}
		if err != nil {
			return nil, files, err
		}
		if bytes.HasSuffix(data.Bytes(), []byte("\n")) {
			break
		}
	}
	r := new(reply)
	err := json.Unmarshal(data.Bytes(), r)
	return r, files, err
}

func rights(oob []byte) ([]*os.File, error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	var files []*os.File
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			return files, err
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "handed over"))
		}
	}
	return files, nil
}
