package sandbox

import (
	"errors"
	"testing"

	"github.com/kata-go/kata-runtime/virtcontainers/container"
)

// In the guest both of two succeed: one of them has done it.
func TestOneOfTwoNotesAFlag(t *testing.T) {
	_, dir := podOf(t)
	st := new(State)
	err := dir.Update(st, func() error { st.Containers["pod"].Shim = sleeper(t); return nil })
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		op   container.Operation
		flag func(*Container) *bool
		to   bool
		then container.Status
	}{
		{container.Start, startedFlag, true, container.Running},
		{container.Pause, pausedFlag, true, container.Paused},
		{container.Resume, pausedFlag, false, container.Running},
	} {
		for again := range 2 {
			err := noteFlag(dir, "pod", step.op, step.flag, step.to)
			if again == 0 && err != nil || again == 1 && !errors.Is(err, container.ErrState) {
				t.Errorf("%s, repeated %d: %v", step.op, again, err)
			}
		}
		if err := dir.Read(st); err != nil || st.Containers["pod"].status() != step.then {
			t.Errorf("%s: %s, %v", step.op, st.Containers["pod"].status(), err)
		}
	}
	if err := noteFlag(dir, "nobody", container.Start, startedFlag, true); !errors.Is(err, ErrNotExist) {
		t.Errorf("a container that is not there: %v", err)
	}
}
