package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/kata-go/kata-runtime/agent-protocol/wire"
)

// encodeGuests writes a document whose strings a guest may have chosen, and a
// newline. JSON leaves what is above 0x7e as it is, and some of that steers
// terminals: it is escaped, which is the same document.
func encodeGuests(w io.Writer, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		if wire.Steers(r) {
			fmt.Fprintf(&out, `\u%04x`, r)
		} else {
			out.Write(data[:size])
		}
		data = data[size:]
	}
	out.WriteByte('\n')
	_, err = w.Write(out.Bytes())
	return err
}
