// Package cpio writes "newc" archives, the form in which the Linux kernel
// takes an initial file system (Documentation/driver-api/early-userspace/buffer-format.rst).
package cpio

import (
	"bufio"
	"fmt"
	"io"
	"math"

	"github.com/kata-go/kata-runtime/osbuilder/tree"
)

// File type bits of st_mode (inode(7)).
const (
	typeFile = 0o100000
	typeDir  = 0o040000
	typeLink = 0o120000
)

// trailer is the name that ends an archive.
const trailer = "TRAILER!!!"

// Write writes the entries in the given order. Everything that could differ
// between two builds is fixed: owner 0:0, inodes counted from 1, one time
// stamp (seconds since 1970) for all.
func Write(w io.Writer, entries []tree.Entry, mtime int64) error {
	if mtime < 0 || mtime > math.MaxUint32 {
		return fmt.Errorf("cpio: time stamp %d does not fit into 32 bits", mtime)
	}
	out := &writer{w: bufio.NewWriterSize(w, 1<<20)}
	for i, e := range entries {
		h := header{inode: uint32(i + 1), links: 1, mtime: uint32(mtime), mode: e.Perm & 0o7777}
		switch e.Kind {
		case tree.Dir:
			h.mode |= typeDir
			h.links = 2
		case tree.Link:
			h.mode = typeLink | 0o777
		default:
			h.mode |= typeFile
		}
		if len(e.Data) > math.MaxUint32 {
			return fmt.Errorf("cpio: %s is larger than 4 GiB", e.Path)
		}
		out.entry(h, e.Path, e.Data)
	}
	out.entry(header{links: 1}, trailer, nil)
	if out.err != nil {
		return out.err
	}
	return out.w.Flush()
}

type header struct {
	inode, mode, links, mtime uint32
}

// writer counts bytes for the padding and keeps the first error.
type writer struct {
	w   *bufio.Writer
	n   int
	err error
}

func (w *writer) write(data []byte) {
	if w.err == nil {
		var n int
		n, w.err = w.w.Write(data)
		w.n += n
	}
}

// pad fills up to a multiple of four bytes.
func (w *writer) pad() { w.write(make([]byte, -w.n&3)) }

func (w *writer) entry(h header, name string, data []byte) {
	// inode, mode, uid, gid, nlink, mtime, size, device (2), rdev (2), name's size with its NUL, checksum.
	w.write(fmt.Appendf(nil, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		h.inode, h.mode, 0, 0, h.links, h.mtime, len(data), 0, 0, 0, 0, len(name)+1, 0))
	w.write(append([]byte(name), 0))
	w.pad()
	w.write(data)
	w.pad()
}
