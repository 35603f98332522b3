package log

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"log/syslog"
	"strings"
)

// Syslog connects to the system log (/dev/log). A host may have none, in
// containers for one: callers go on without it.
func Syslog(program string, debug bool) (slog.Handler, io.Closer, error) {
	w, err := syslog.New(syslog.LOG_DAEMON|syslog.LOG_INFO, program)
	if err != nil {
		return nil, nil, fmt.Errorf("system log: %w", err)
	}
	h, err := NewHandler(syslogWriter{w}, Text, debug)
	if err != nil {
		return nil, nil, errors.Join(err, w.Close())
	}
	return h, w, nil
}

// syslogWriter gives each line the priority that its level names.
type syslogWriter struct{ w *syslog.Writer }

func (s syslogWriter) Write(line []byte) (int, error) {
	text := string(line)
	// The time is in quotes before it and has no such text in it (textLine).
	_, rest, _ := strings.Cut(text, " level=")
	level, _, _ := strings.Cut(rest, " ")
	var err error
	switch level {
	case "error":
		err = s.w.Err(text)
	case "warning":
		err = s.w.Warning(text)
	case "debug":
		err = s.w.Debug(text)
	default:
		err = s.w.Info(text)
	}
	if err != nil {
		return 0, err
	}
	return len(line), nil
}
