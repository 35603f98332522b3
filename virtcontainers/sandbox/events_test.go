package sandbox

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

func TestAgain(t *testing.T) {
	calls := 0
	err := again(t.Context(), func() error {
		if calls++; calls < 3 {
			return errors.New("the connection broke")
		}
		return fmt.Errorf("connect: %w", errDying)
	})
	if calls != 3 || !errors.Is(err, errDying) {
		t.Errorf("after %d calls: %v", calls, err)
	}
}

func TestAgainUntilTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	broke := errors.New("the connection broke")
	done := make(chan error, 1)
	begun := make(chan struct{}, 10)
	go func() { done <- again(ctx, func() error { begun <- struct{}{}; return broke }) }()
	<-begun
	cancel()
	if err := <-done; !errors.Is(err, broke) {
		t.Errorf("%v", err)
	}
	if len(begun) != 0 {
		t.Error("it went on")
	}
}
