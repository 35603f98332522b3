package wire

import (
	"io"

	"github.com/hashicorp/yamux"

	"github.com/kata-go/kata-runtime/agent-protocol/serial"
)

// Yamux is serial.Config, for programs that have wire anyway.
func Yamux() *yamux.Config { return serial.Config() }

// Coalesce is serial.Coalesce, for programs that have wire anyway.
func Coalesce(conn io.ReadWriteCloser) io.ReadWriteCloser { return serial.Coalesce(conn) }
