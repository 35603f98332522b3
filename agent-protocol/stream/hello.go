package stream

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/kata-go/kata-runtime/agent-protocol/call"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent-protocol/wire"
)

// ReadHello reads what follows the magic, which the caller has read to tell
// the connection from one of calls, and checks it. It sets no deadline.
func ReadHello(r io.Reader) (*agentpb.StreamHello, error) {
	data, err := readMessage(r)
	if err != nil {
		return nil, fmt.Errorf("read stream hello: %w", err)
	}
	hello := &agentpb.StreamHello{}
	if err := hello.Unmarshal(data); err != nil {
		return nil, fmt.Errorf("read stream hello: %w", err)
	}
	if err := checkHello(hello); err != nil {
		return nil, fmt.Errorf("stream hello: %w", err)
	}
	return hello, nil
}

func checkHello(hello *agentpb.StreamHello) error {
	if err := wire.ValidID(hello.ContainerId); err != nil {
		return err
	}
	if hello.ExecId != "" {
		if err := wire.ValidID(hello.ExecId); err != nil {
			return err
		}
	}
	switch hello.Stream {
	case agentpb.Stream_STDIN, agentpb.Stream_STDOUT, agentpb.Stream_STDERR:
		return nil
	default:
		return protocolError("there is no stream %d", hello.Stream)
	}
}

// Refuse answers a hello with an error, whose code and text go to the client. The caller closes the connection.
func Refuse(w io.Writer, err error) error {
	text := strings.ToValidUTF8(err.Error(), "?")
	if len(text) > maxHello/2 {
		text = strings.ToValidUTF8(text[:maxHello/2], "")
	}
	code := call.CodeOf(err)
	if code == call.OK {
		code = call.Unknown
	}
	return writeWelcome(w, &agentpb.StreamWelcome{Code: uint32(code), Error: text})
}

// writeWelcome answers a hello. Output.Serve and Input.Serve do it themselves.
func writeWelcome(w io.Writer, welcome *agentpb.StreamWelcome) error {
	data, err := welcome.Marshal()
	if err != nil {
		return fmt.Errorf("write stream welcome: %w", err)
	}
	return writeMessage(w, nil, data)
}

func writeHello(w io.Writer, hello *agentpb.StreamHello) error {
	data, err := hello.Marshal()
	if err != nil {
		return fmt.Errorf("write stream hello: %w", err)
	}
	return writeMessage(w, []byte(Magic), data)
}

// readWelcome reads the agent's answer, which is not to be trusted.
func readWelcome(r io.Reader, hello *agentpb.StreamHello) (*agentpb.StreamWelcome, error) {
	data, err := readMessage(r)
	if err != nil {
		return nil, err
	}
	welcome := &agentpb.StreamWelcome{}
	if err := welcome.Unmarshal(data); err != nil {
		return nil, err
	}
	if welcome.Code != uint32(call.OK) {
		return nil, &call.Error{Code: call.Code(welcome.Code), Text: wire.Printable(welcome.Error)}
	}
	if welcome.Window == 0 || welcome.Window > MaxWindow {
		return nil, protocolError("window of %d bytes", welcome.Window)
	}
	// Positions beyond half the range are no stream of this world, and adding
	// a window to one must not overflow.
	if welcome.Offset > refused/2 {
		return nil, protocolError("offset %d", welcome.Offset)
	}
	if hello.Stream != agentpb.Stream_STDIN && welcome.Offset < hello.Offset {
		return nil, protocolError("offset %d, asked for %d", welcome.Offset, hello.Offset)
	}
	return welcome, nil
}

func readMessage(r io.Reader) ([]byte, error) {
	var header [4]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, broken(err)
	}
	n := binary.BigEndian.Uint32(header[:])
	if n > maxHello {
		return nil, protocolError("message of %d bytes, at most %d are allowed", n, maxHello)
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, broken(err)
	}
	return data, nil
}

func writeMessage(w io.Writer, prefix, data []byte) error {
	if len(data) > maxHello {
		return protocolError("message of %d bytes, at most %d are allowed", len(data), maxHello)
	}
	out := make([]byte, 0, len(prefix)+4+len(data))
	out = append(out, prefix...)
	out = binary.BigEndian.AppendUint32(out, uint32(len(data)))
	_, err := w.Write(append(out, data...))
	return err
}
