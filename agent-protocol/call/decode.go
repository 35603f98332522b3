package call

import (
	"encoding/binary"
	"fmt"
)

// decode reads a message that an agent has sent, unless it has more than
// MaxFields.
func decode(data []byte, m Message) error {
	if n := fields(data, MaxFields); n > MaxFields {
		return fmt.Errorf("%w: a message of more than %d fields", errFrame, MaxFields)
	}
	return m.Unmarshal(data)
}

// fields counts the fields of a message on its outermost level until there are
// more than limit, or until something that is no field: what that is, decoding
// will say.
func fields(data []byte, limit int) int {
	n := 0
	for ; len(data) > 0 && n <= limit; n++ {
		tag, size := binary.Uvarint(data)
		if size <= 0 {
			break
		}
		data = data[size:]
		var skip uint64
		switch tag & 7 {
		case 0: // a number
			_, size := binary.Uvarint(data)
			skip = uint64(max(size, 0))
		case 1: // eight bytes
			skip = 8
		case 2: // a length, and so many bytes
			length, size := binary.Uvarint(data)
			if size <= 0 {
				return n + 1
			}
			data, skip = data[size:], length
		case 5: // four bytes
			skip = 4
		}
		if skip > uint64(len(data)) {
			return n + 1
		}
		data = data[skip:]
	}
	return n
}
