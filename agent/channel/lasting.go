package channel

import (
	"net"
	"sync"
)

// Lasting wraps a listener so that Close only ends Accept: with a session
// would go the connections that answers are still written to. It ends
// with l.
func Lasting(l net.Listener) net.Listener {
	w := &lasting{Listener: l, conns: make(chan net.Conn), ended: make(chan struct{}), closed: make(chan struct{})}
	go w.run()
	return w
}

type lasting struct {
	net.Listener
	conns  chan net.Conn
	ended  chan struct{}
	err    error // why l ended; after ended
	closed chan struct{}
	once   sync.Once
}

func (l *lasting) run() {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			l.err = err
			close(l.ended)
			return
		}
		select {
		case l.conns <- conn:
		case <-l.closed:
			conn.Close()
		}
	}
}

func (l *lasting) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.ended:
		return nil, l.err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *lasting) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}
