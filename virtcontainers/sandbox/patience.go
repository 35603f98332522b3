package sandbox

import (
	"context"
	"errors"
	"time"
)

// errSilent is the cause when a guest has had its time to answer.
var errSilent = errors.New("the guest does not answer")

// mostPatience is how many times a limit a wait may last at most.
const mostPatience = 10

// patient answers a context that ends when the guest has had boot_timeout to
// answer (the cause is errSilent then), or when a helper that it needs is lost.
func (b *boot) patient(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := b.mindful(ctx)
	ctx, stop := patience(ctx, b.deadline(), b.vm.Starved)
	return ctx, func() { stop(); cancel() }
}

// patience is a limit for a VM on a host that is busy: the time for which it
// wanted a CPU and got none does not count, up to mostPatience times the limit.
// Many that start at once would be given up for hung otherwise, and each that
// is tried again makes it worse.
func patience(ctx context.Context, limit time.Duration, starved func() time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	began, before := time.Now(), starved()
	go func() {
		// It looks again when the time would be up if no more was lost.
		left := limit
		for left > 0 {
			select {
			case <-time.After(max(left, limit/100)):
			case <-ctx.Done():
				return
			}
			passed := time.Since(began)
			left = min(limit+starved()-before, mostPatience*limit) - passed
		}
		cancel(errSilent)
	}()
	return ctx, func() { cancel(context.Canceled) }
}
