package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

func TestWarnNotify(t *testing.T) {
	for _, c := range []struct {
		ours  string
		env   []string
		warns bool
	}{
		{"", []string{"A=NOTIFY_SOCKET=", "NOTIFY_SOCKETS=x"}, false},
		{"/run/systemd/notify", nil, true},
		{"", []string{"PATH=/bin", "NOTIFY_SOCKET=/run/notify/notify.sock"}, true},
	} {
		t.Setenv("NOTIFY_SOCKET", c.ours)
		var log bytes.Buffer
		warnNotify(slog.New(slog.NewTextHandler(&log, nil)), c.env)
		if warns := strings.Contains(log.String(), "sdnotify=conmon"); warns != c.warns {
			t.Errorf("NOTIFY_SOCKET=%s, %v: logged %q", c.ours, c.env, &log)
		}
	}
}
