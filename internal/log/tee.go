package log

import (
	"context"
	"errors"
	"log/slog"
)

// Tee sends each record to every handler that wants its level. A handler that
// fails does not keep the others from getting the record.
func Tee(handlers ...slog.Handler) slog.Handler { return tee(handlers) }

type tee []slog.Handler

func (t tee) Enabled(ctx context.Context, level slog.Level) bool {
	for _, h := range t {
		if h.Enabled(ctx, level) {
			return true
		}
	}
	return false
}

func (t tee) Handle(ctx context.Context, r slog.Record) error {
	var errs []error
	for _, h := range t {
		if h.Enabled(ctx, r.Level) {
			errs = append(errs, h.Handle(ctx, r.Clone()))
		}
	}
	return errors.Join(errs...)
}

func (t tee) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := make(tee, len(t))
	for i, h := range t {
		with[i] = h.WithAttrs(attrs)
	}
	return with
}

func (t tee) WithGroup(name string) slog.Handler {
	with := make(tee, len(t))
	for i, h := range t {
		with[i] = h.WithGroup(name)
	}
	return with
}

// AtLeast keeps records below a level from a handler, for instance to show
// only errors on stderr while a file gets everything.
func AtLeast(level slog.Level, h slog.Handler) slog.Handler { return atLeast{h, level} }

type atLeast struct {
	slog.Handler
	level slog.Level
}

func (a atLeast) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= a.level && a.Handler.Enabled(ctx, level)
}

func (a atLeast) WithAttrs(attrs []slog.Attr) slog.Handler {
	return atLeast{a.Handler.WithAttrs(attrs), a.level}
}

func (a atLeast) WithGroup(name string) slog.Handler {
	return atLeast{a.Handler.WithGroup(name), a.level}
}
