package container

import (
	"errors"
	"strings"
	"testing"
)

func TestEachStateForbidsWhatItMust(t *testing.T) {
	all := []Status{Creating, Created, Running, Paused, Stopped}
	for op, want := range map[Operation]string{
		Start:  "created",
		Exec:   "created running paused",
		Kill:   "created running paused",
		Pause:  "created running",
		Resume: "paused",
		Delete: "stopped",
		Update: "created running paused",
		Stats:  "created running paused",
		List:   "created running paused stopped",
	} {
		var may []string
		for _, s := range all {
			err := s.Check(op)
			if err == nil {
				may = append(may, string(s))
				continue
			}
			if !errors.Is(err, ErrState) || !strings.Contains(err.Error(), string(s)) || !strings.Contains(err.Error(), string(op)) {
				t.Errorf("%s in %s: %v", op, s, err)
			}
		}
		if got := strings.Join(may, " "); got != want {
			t.Errorf("%s is allowed in %q, want %q", op, got, want)
		}
	}
}
