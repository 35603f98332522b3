// Package clock keeps the wall clock of a guest by the host's. The guest got it
// when it began, and counts on by itself: it misses that the host sleeps, that
// somebody sets the host's clock, and what that is corrected by.
package clock

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kata-go/kata-runtime/agent-protocol/agentpb"
	"github.com/kata-go/kata-runtime/agent-protocol/call"
	"github.com/kata-go/kata-runtime/agent-protocol/dial"
)

const (
	// Interval is between two looks.
	Interval = 5 * time.Minute
	// tolerance is what the guest may be off: a smaller step would disturb its
	// programs more than it helps them.
	tolerance = 100 * time.Millisecond
	// checkTimeout is for a guest that hangs, or stands still.
	checkTimeout = 30 * time.Second
)

// errOld is the answer of an agent that cannot tell the guest's time.
var errOld = errors.New("the agent does not tell its time")

// Keep looks at the clock of an agent's guest at each interval, and when the
// host's clock was set or the host has slept, until ctx ends.
func Keep(ctx context.Context, agent string, interval time.Duration, log *slog.Logger) {
	t, err := newTimer(interval)
	if err != nil {
		log.Warn("the guest's clock is not kept", "error", err)
		return
	}
	defer t.file.Close()
	defer context.AfterFunc(ctx, func() { t.file.Close() })()
	for {
		if err := t.wait(); err != nil {
			if ctx.Err() == nil {
				log.Warn("the guest's clock is not kept any more", "error", err)
			}
			return
		}
		err := look(ctx, agent, log)
		if errors.Is(err, errOld) {
			log.Debug("the guest's clock is not kept", "cause", err)
			return
		}
		if err != nil && ctx.Err() == nil {
			log.Debug("the guest's clock was not looked at", "cause", err)
		}
	}
}

func look(ctx context.Context, addr string, log *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	agent, err := dial.Client(ctx, addr)
	if err != nil {
		return err
	}
	defer agent.Close()
	off, err := correct(ctx, agent, time.Now)
	if off != 0 && err == nil {
		log.Info("the guest's clock was set", "off", off)
	}
	return err
}

// setter is a part of the agent's calls.
type setter interface {
	SetClock(context.Context, *agentpb.SetClockRequest) (*agentpb.SetClockReply, error)
}

// correct sets the guest's clock if it is off by more than is tolerated and than
// the answer's way can explain. It answers how far it was off, 0 if it was left.
func correct(ctx context.Context, agent setter, now func() time.Time) (time.Duration, error) {
	before := now()
	reply, err := agent.SetClock(ctx, &agentpb.SetClockRequest{})
	way := now().Sub(before) / 2
	if call.CodeOf(err) == call.InvalidArgument {
		return 0, errOld
	}
	if err != nil {
		return 0, err
	}
	off := time.Duration(reply.ClockNs - before.Add(way).UnixNano())
	if off.Abs() <= tolerance+way {
		return 0, nil
	}
	_, err = agent.SetClock(ctx, &agentpb.SetClockRequest{ClockNs: now().Add(way).UnixNano()})
	return off, err
}

// timer ends a wait after an interval, and at once when the host's clock is set:
// for the kernel the end of a sleep is that, too (timerfd_create(2)).
type timer struct {
	file     *os.File
	interval time.Duration
}

func newTimer(interval time.Duration) (*timer, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_REALTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("make a timer: %w", err)
	}
	return &timer{os.NewFile(uintptr(fd), "timer"), interval}, nil
}

func (t *timer) wait() error {
	raw, err := t.file.SyscallConn()
	if err != nil {
		return err
	}
	end := unix.ItimerSpec{Value: unix.NsecToTimespec(time.Now().Add(t.interval).UnixNano())}
	var serr error
	if err := raw.Control(func(fd uintptr) {
		serr = unix.TimerfdSettime(int(fd), unix.TFD_TIMER_ABSTIME|unix.TFD_TIMER_CANCEL_ON_SET, &end, nil)
	}); err != nil {
		return err
	}
	// ECANCELED: the clock was set since the last wait; the timer runs all the same.
	if serr == nil {
		_, serr = t.file.Read(make([]byte, 8))
	}
	if errors.Is(serr, unix.ECANCELED) {
		return nil
	}
	return serr
}
