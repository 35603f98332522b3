// Package dns frames DNS messages on a stream.
package dns

import (
	"encoding/binary"
	"fmt"
	"io"
)

// MaxMessage is the longest DNS message: its length on a stream has 16 bits.
const MaxMessage = 1<<16 - 1

// ReadMessage reads a message with its length before it (RFC 1035, section 4.2.2).
func ReadMessage(r io.Reader) ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(r, message)
	return message, err
}

// WriteMessage is the reverse of ReadMessage.
func WriteMessage(w io.Writer, message []byte) error {
	if len(message) > MaxMessage {
		return fmt.Errorf("a DNS message of %d bytes is too long", len(message))
	}
	_, err := w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(message))), message...))
	return err
}
