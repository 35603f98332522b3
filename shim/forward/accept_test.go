package forward

import (
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// starved is a listener that has no descriptors for some accepts.
type starved int

func (s *starved) AcceptTCP() (*net.TCPConn, error) {
	if *s--; *s < 0 {
		return nil, net.ErrClosed
	}
	return nil, unix.EMFILE
}

func (s *starved) Close() error { return nil }

func TestWithoutDescriptorsTheForwarderWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const failures = 5
		l := starved(failures)
		begin := time.Now()
		if err := (&Forwarder{listener: &l}).Run(t.Context(), "", slog.New(slog.DiscardHandler)); err != nil {
			t.Error(err)
		}
		if waited := time.Since(begin); waited != failures*acceptPause {
			t.Errorf("it waited for %s, want %s", waited, failures*acceptPause)
		}
	})
}
