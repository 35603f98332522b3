// Package serial is what both ends of a VM's serial port must agree on, over
// which yamux carries many connections. It is apart from wire because
// kata-proxy needs nothing else: no protobuf, a third of the memory.
package serial

import (
	"encoding/binary"
	"io"
	"math"
	"time"

	"github.com/hashicorp/yamux"
)

// never is a time-out that does not fire: about 146 years.
const never = time.Duration(math.MaxInt64 / 2)

// Config answers the settings of a session over the serial port, the same for
// both ends: the agent is yamux's server, kata-proxy its client.
//
// No time-out may end a session because the guest is slow or paused: the host
// learns from QEMU's end of the socket that the VM has died. So there is no
// keep-alive, a connection may wait for the guest's boot as long as its user
// wants, and so may a write.
func Config() *yamux.Config {
	return &yamux.Config{
		// Connections that may wait to be accepted, and window: yamux's defaults.
		AcceptBacklog:       256,
		MaxStreamWindowSize: 256 << 10,

		EnableKeepAlive:        false,
		KeepAliveInterval:      never,
		ConnectionWriteTimeout: never,
		StreamOpenTimeout:      0,
		// A connection that one end has closed and the other has not is reset
		// after this time. Nothing in the protocol lives half closed.
		StreamCloseTimeout: 5 * time.Minute,
		LogOutput:          io.Discard,
	}
}

// yamuxHeader is the size of a frame's header in bytes: version, type, flags
// (2), stream (4), length (4); yamux's spec.md, "Framing".
const yamuxHeader = 12

// coalescer joins a frame's header and its body, which yamux writes one after
// the other, into one write.
type coalescer struct {
	io.ReadWriteCloser
	header [yamuxHeader]byte
	held   bool
	frame  []byte
}

// Coalesce wraps the connection that a yamux session is made on. In the guest
// each write to a virtio-serial port is a buffer for the device and an exit
// from the VM, so that the header alone costs as much as kilobytes. Only yamux
// may write to it: from one goroutine, whole headers, each body behind its own.
func Coalesce(conn io.ReadWriteCloser) io.ReadWriteCloser {
	return &coalescer{ReadWriteCloser: conn}
}

func (c *coalescer) Write(p []byte) (int, error) {
	if !c.held {
		const typeData = 0
		if len(p) == yamuxHeader && p[1] == typeData && binary.BigEndian.Uint32(p[8:]) > 0 {
			copy(c.header[:], p)
			c.held = true
			return len(p), nil
		}
		return c.ReadWriteCloser.Write(p)
	}
	c.held = false
	c.frame = append(append(c.frame[:0], c.header[:]...), p...)
	if n, err := c.ReadWriteCloser.Write(c.frame); err != nil {
		return max(0, n-yamuxHeader), err
	}
	return len(p), nil
}
