package sandbox

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestPatience(t *testing.T) {
	const limit = 100 * time.Millisecond
	began := time.Now()
	for name, c := range map[string]struct {
		starved        func() time.Duration
		least, mustEnd time.Duration
	}{
		"a host at rest": {func() time.Duration { return 0 }, limit, 5 * limit},
		// What a clone's QEMU waited for before does not count.
		"waits before":           {func() time.Duration { return time.Hour }, limit, 5 * limit},
		"waits half of the time": {func() time.Duration { return time.Since(began) / 2 }, 2 * limit, 8 * limit},
		"waits for ever":         {func() time.Duration { return time.Since(began) }, mostPatience * limit, 3 * mostPatience * limit},
	} {
		t.Run(name, func(t *testing.T) {
			began = time.Now()
			ctx, cancel := patience(t.Context(), limit, c.starved)
			defer cancel()
			<-ctx.Done()
			if took := time.Since(began); took < c.least-limit/10 || took > c.mustEnd {
				t.Errorf("it took %s, want %s to %s", took, c.least, c.mustEnd)
			}
			if !errors.Is(context.Cause(ctx), errSilent) {
				t.Errorf("its cause is %v", context.Cause(ctx))
			}
		})
	}
	ctx, cancel := patience(t.Context(), time.Hour, func() time.Duration { return 0 })
	cancel()
	if !errors.Is(context.Cause(ctx), context.Canceled) {
		t.Errorf("cancelled: %v", context.Cause(ctx))
	}
}
