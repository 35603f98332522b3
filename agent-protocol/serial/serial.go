// Package serial is what both ends of a VM's serial port must agree on: many
// connections over one port, in the format of yamux. It is apart from wire
// because kata-proxy needs nothing else: no protobuf, a third of the memory.
//
// The format is the library's (github.com/hashicorp/yamux, spec.md), the code is
// not: in the guest each copy, each thread that is woken and each access of the
// device costs more than anywhere else, and the library copies all that it sends
// and receives twice and passes it between goroutines twice. Here whoever writes
// to a connection writes to the port, header and data in one piece, and whoever
// reads the port puts what comes where the connection's reader finds it.
package serial
