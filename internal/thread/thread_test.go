package thread

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRunNeverUsesTheMainThread(t *testing.T) {
	for range 200 {
		err := Run(func() (bool, error) {
			if unix.Gettid() == unix.Getpid() {
				return true, errors.New("on the main thread")
			}
			return true, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestRunAnswersTheError(t *testing.T) {
	want := errors.New("x")
	if err := Run(func() (bool, error) { return false, want }); err != want {
		t.Fatalf("got %v", err)
	}
}

func TestRunThrowsAwayAChangedThread(t *testing.T) {
	changed := 0
	if err := Run(func() (bool, error) { changed = unix.Gettid(); return false, nil }); err != nil {
		t.Fatal(err)
	}
	for range 200 {
		if err := Run(func() (bool, error) {
			if unix.Gettid() == changed {
				return true, errors.New("the thread is used again")
			}
			return true, nil
		}); err != nil {
			t.Fatal(err)
		}
	}
}
