package floor

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// headerSize is a "newc" header: a magic of 6 bytes and 13 fields of 8 hex
// digits (Documentation/driver-api/early-userspace/buffer-format.rst).
const (
	headerSize = 6 + 13*8
	magic      = "070701"
	trailer    = "TRAILER!!!"
)

// errCompressed is the answer about an initrd that is no plain archive.
var errCompressed = errors.New("not an uncompressed cpio archive")

// archive reads a "newc" archive: files by their path.
func archive(data []byte) (map[string][]byte, error) {
	if !strings.HasPrefix(string(data[:min(len(data), len(magic))]), magic) {
		return nil, errCompressed
	}
	files := map[string][]byte{}
	for at := 0; ; {
		if len(data)-at < headerSize || string(data[at:at+len(magic)]) != magic {
			return nil, fmt.Errorf("cpio archive is damaged at byte %d", at)
		}
		field := func(i int) (int, error) {
			n, err := strconv.ParseUint(string(data[at+6+8*i:at+14+8*i]), 16, 32)
			return int(n), err
		}
		size, err := field(6)
		nameSize, err2 := field(11)
		if err = errors.Join(err, err2); err != nil {
			return nil, fmt.Errorf("cpio archive is damaged at byte %d: %w", at, err)
		}
		start := align(at + headerSize + nameSize)
		if nameSize < 1 || start > len(data) || size > len(data)-start {
			return nil, fmt.Errorf("cpio archive is damaged at byte %d: an entry is longer than the file", at)
		}
		name := string(data[at+headerSize : at+headerSize+nameSize-1])
		if name == trailer {
			return files, nil
		}
		files[name] = data[start : start+size]
		at = align(start + size)
	}
}

// align rounds up to a multiple of four bytes.
func align(n int) int { return (n + 3) &^ 3 }
