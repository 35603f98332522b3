package main

import (
	"os"
	"os/signal"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

type sent chan os.Signal

func (s sent) Signal(sig os.Signal) error {
	s <- sig
	return nil
}

func (s sent) expect(t *testing.T, want os.Signal) {
	t.Helper()
	select {
	case sig := <-s:
		if sig != want {
			t.Errorf("%v was passed on, not %v", sig, want)
		}
	case <-time.After(time.Minute):
		t.Fatalf("%v was not passed on", want)
	}
}

func raise(t *testing.T, sig unix.Signal) {
	t.Helper()
	if err := unix.Kill(os.Getpid(), sig); err != nil {
		t.Fatal(err)
	}
}

func TestSignals(t *testing.T) {
	ctx, s := hearSignals()
	defer s.stop()
	raise(t, unix.SIGTERM)
	select {
	case <-ctx.Done():
	case <-time.After(time.Minute):
		t.Fatal("the context has not ended")
	}
	// What it was to keep from running runs by now.
	shim := make(sent, 2)
	s.forward(shim)
	shim.expect(t, unix.SIGTERM)
	raise(t, unix.SIGUSR1)
	shim.expect(t, unix.SIGUSR1)
}

func TestIgnoredSignals(t *testing.T) {
	signal.Ignore(unix.SIGHUP)
	defer signal.Reset(unix.SIGHUP)
	ctx, s := hearSignals()
	defer s.stop()
	shim := make(sent, 2)
	raise(t, unix.SIGHUP)
	raise(t, unix.SIGTERM)
	<-ctx.Done()
	s.forward(shim)
	shim.expect(t, unix.SIGTERM)
	raise(t, unix.SIGHUP)
	raise(t, unix.SIGUSR1)
	shim.expect(t, unix.SIGUSR1)
}
