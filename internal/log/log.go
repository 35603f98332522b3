// Package log makes the loggers of our programs. Their lines have the form
// that engines expect of a runtime: Docker and containerd read the last line
// with level "error" of the file that --log names and show its message to the
// user as the cause.
package log

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The formats, as --log-format names them.
const (
	// Text is key=value pairs, quoted where needed.
	Text = "text"
	// JSON is one object per line, with the keys level, msg and time.
	JSON = "json"
)

// New makes a logger that writes each record to w as one line, in one Write.
// Debug records are dropped unless debug is set. It fails if the format is
// neither Text nor JSON.
func New(w io.Writer, format string, debug bool) (*slog.Logger, error) {
	if format != Text && format != JSON {
		return nil, fmt.Errorf("unknown log format %q: use \"text\" or \"json\"", format)
	}
	level := slog.LevelInfo
	if debug {
		level = slog.LevelDebug
	}
	return slog.New(&handler{out: &output{w: w}, json: format == JSON, level: level}), nil
}

// Open opens a log file to append to. Engines name the file before the command
// runs and read it afterwards, as root; nobody else may read it.
func Open(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("log file: %w", err)
	}
	return f, nil
}

// output serializes the lines of handlers that were derived from one.
type output struct {
	mu sync.Mutex
	w  io.Writer
}

type field struct {
	key   string
	value slog.Value
}

type handler struct {
	out   *output
	json  bool
	level slog.Level
	// fields are those of With; prefix is the open groups, each with a dot.
	fields []field
	prefix string
}

func (h *handler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level }

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	with.fields = slices.Clone(h.fields)
	for _, a := range attrs {
		with.fields = add(with.fields, h.prefix, a)
	}
	return &with
}

func (h *handler) WithGroup(name string) slog.Handler {
	with := *h
	if name != "" {
		with.prefix += name + "."
	}
	return &with
}

// add flattens an attribute: groups become prefixes.
func add(fields []field, prefix string, a slog.Attr) []field {
	v := a.Value.Resolve()
	switch {
	case v.Kind() == slog.KindGroup:
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, sub := range v.Group() {
			fields = add(fields, prefix, sub)
		}
		return fields
	case a.Equal(slog.Attr{}):
		return fields
	}
	key := prefix + a.Key
	if key == "time" || key == "level" || key == "msg" {
		// The line's own; logrus, whose form this is, renames them alike.
		key = "fields." + key
	}
	return append(fields, field{key, v})
}

func (h *handler) Handle(_ context.Context, r slog.Record) error {
	fields := slices.Clone(h.fields)
	r.Attrs(func(a slog.Attr) bool {
		fields = add(fields, h.prefix, a)
		return true
	})
	var line []byte
	if h.json {
		line = jsonLine(r, fields)
	} else {
		line = textLine(r, fields)
	}
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	_, err := h.out.w.Write(line)
	return err
}

// levelName is the name as engines compare it.
func levelName(l slog.Level) string {
	switch {
	case l >= slog.LevelError:
		return "error"
	case l >= slog.LevelWarn:
		return "warning"
	case l >= slog.LevelInfo:
		return "info"
	}
	return "debug"
}

func jsonLine(r slog.Record, fields []field) []byte {
	var b bytes.Buffer
	b.WriteString(`{"level":`)
	b.Write(encode(levelName(r.Level)))
	b.WriteString(`,"msg":`)
	b.Write(encode(r.Message))
	if !r.Time.IsZero() {
		b.WriteString(`,"time":`)
		b.Write(encode(r.Time.Format(time.RFC3339Nano)))
	}
	for _, f := range fields {
		b.WriteByte(',')
		b.Write(encode(f.key))
		b.WriteByte(':')
		b.Write(jsonValue(f.value))
	}
	b.WriteString("}\n")
	return b.Bytes()
}

func jsonValue(v slog.Value) []byte {
	switch v.Kind() {
	case slog.KindBool, slog.KindInt64, slog.KindUint64:
		return encode(v.Any())
	case slog.KindTime:
		return encode(v.Time().Format(time.RFC3339Nano))
	case slog.KindAny:
		switch v.Any().(type) {
		case error, fmt.Stringer:
			return encode(textValue(v))
		}
		if data, err := marshal(v.Any()); err == nil {
			return data
		}
	}
	return encode(textValue(v))
}

// encode is for values that always have a JSON form.
func encode(v any) []byte {
	data, err := marshal(v)
	if err != nil {
		return []byte(strconv.Quote(err.Error()))
	}
	return data
}

// marshal is json.Marshal with <, > and & as they are: people read this.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func textLine(r slog.Record, fields []field) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "time=%q level=%s msg=%s", r.Time.Format(time.RFC3339Nano), levelName(r.Level), strconv.Quote(r.Message))
	for _, f := range fields {
		fmt.Fprintf(&b, " %s=%s", quoteIfNeeded(f.key), quoteIfNeeded(textValue(f.value)))
	}
	b.WriteByte('\n')
	return b.Bytes()
}

func textValue(v slog.Value) string {
	if v.Kind() == slog.KindTime {
		return v.Time().Format(time.RFC3339Nano)
	}
	return v.String()
}

// plain are the characters that need no quotes in text.
const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._/@^+"

func quoteIfNeeded(s string) string {
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	return strconv.Quote(s)
}
