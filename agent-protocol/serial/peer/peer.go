// Package peer is the yamux library as the other side of a session over the
// serial port, for tests: whatever it understands is yamux.
package peer

import (
	"io"
	"math"
	"time"

	"github.com/hashicorp/yamux"
)

// Client makes the host's end.
func Client(port io.ReadWriteCloser) (*yamux.Session, error) { return yamux.Client(port, config()) }

// Server makes the guest's end.
func Server(port io.ReadWriteCloser) (*yamux.Session, error) { return yamux.Server(port, config()) }

// never is a time-out that does not fire: about 146 years.
const never = time.Duration(math.MaxInt64 / 2)

// config makes it wait as serial.Session does.
func config() *yamux.Config {
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
