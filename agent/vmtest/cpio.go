// Package vmtest boots the agent as a guest's init in QEMU and drives it. Its
// tests run only with KATA_TEST_KERNEL and KATA_TEST_INITRD set.
package vmtest

import (
	"bytes"
	"fmt"
)

// archive is a cpio archive in the kernel's format (initramfs, "newc"). The
// kernel unpacks several that follow each other, so that a test can add its
// files to a finished initrd.
type archive struct {
	buf   bytes.Buffer
	inode int
}

func (a *archive) add(name string, mode uint32, data []byte) {
	a.inode++
	fmt.Fprintf(&a.buf, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		a.inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name)+1, 0)
	a.buf.WriteString(name + "\x00")
	a.pad(4)
	a.buf.Write(data)
	a.pad(4)
}

func (a *archive) pad(to int) {
	for a.buf.Len()%to != 0 {
		a.buf.WriteByte(0)
	}
}

func (a *archive) folder(name string)            { a.add(name, 0o40755, nil) }
func (a *archive) file(name string, data []byte) { a.add(name, 0o100755, data) }
func (a *archive) link(name, target string)      { a.add(name, 0o120777, []byte(target)) }

func (a *archive) bytes() []byte {
	a.add("TRAILER!!!", 0, nil)
	a.pad(512)
	return a.buf.Bytes()
}
