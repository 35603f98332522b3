package resources

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"testing"
)

func TestEnter(t *testing.T) {
	path, self := place(t), os.Getpid()
	before := cgroupOf(t, self)
	g, err := Plan(path, false)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := g.Remove(t.Context(), true); err != nil {
			t.Error(err)
		}
	}()
	older := sleeper(t)
	leave, warnings, err := g.Enter()
	if err != nil {
		t.Fatal(err)
	}
	if leave == nil {
		t.Skipf("no way into a cgroup and back here: %v", warnings)
	}
	child := sleeper(t)
	if err := g.Charge(older); err != nil {
		t.Error(err)
	}
	for _, pid := range []int{self, child, older} {
		for controller, got := range cgroupOf(t, pid) {
			want := before[controller]
			if controller == accountant() {
				want = path
			}
			if got != want {
				t.Errorf("process %d, controller %q: %s, want %s", pid, controller, got, want)
			}
		}
	}
	if again, _, err := g.Enter(); again != nil || err != nil {
		t.Errorf("entered the group that it is in: %v", err)
	}
	if err := leave(); err != nil {
		t.Fatal(err)
	}
	if now := cgroupOf(t, self); now[accountant()] != before[accountant()] {
		t.Errorf("came back to %s, was in %s", now[accountant()], before[accountant()])
	}
	if err := g.Place(child, older); err != nil {
		t.Error(err)
	}
}

// Two creations with one cgroup to go: one came between the other's look at it
// and its entry.
func TestEnterOneInUse(t *testing.T) {
	path, self := place(t), os.Getpid()
	before := cgroupOf(t, self)
	g, err := Plan(path, false)
	if err != nil {
		t.Fatal(err)
	}
	other := sleeper(t)
	made := create(t, path, other)
	if leave, _, err := g.Enter(); err == nil {
		t.Error("entered a group that is in use")
		if leave != nil {
			leave()
		}
	}
	if now := cgroupOf(t, self); now[accountant()] != before[accountant()] {
		t.Errorf("the process is in %s", now[accountant()])
	}
	if err := made.alone(other); err != nil {
		t.Errorf("its own process: %v", err)
	}
	if err := made.alone(self); err != nil {
		t.Errorf("its own child: %v", err)
	}
	if err := made.alone(os.Getppid() + 1<<22); err == nil {
		t.Error("another's process was not seen")
	}
	if err := g.Remove(t.Context(), true); err != nil {
		t.Error(err)
	}
	for _, dir := range made.Paths {
		if _, err := os.Stat(dir); err != nil {
			t.Errorf("another's group was removed: %v", err)
		}
	}
}

// What is relative to this process's cgroup stays where it was planned, though the
// process has entered another in between.
func TestRelativePathIsPlannedOnce(t *testing.T) {
	payer, err := Plan(place(t), false)
	if err != nil {
		t.Fatal(err)
	}
	path := fmt.Sprintf("kata-test-%d-relative", os.Getpid())
	g, err := Plan(path, false)
	if err != nil {
		t.Fatal(err)
	}
	want := maps.Clone(g.Paths)
	leave, warnings, err := payer.Enter()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := payer.Remove(t.Context(), true); err != nil {
			t.Error(err)
		}
	}()
	if leave == nil {
		t.Skipf("no way into a cgroup and back here: %v", warnings)
	}
	_, err = g.Make(sleeper(t))
	if err := leave(); err != nil {
		t.Fatal(err)
	}
	if err != nil || !maps.Equal(g.Paths, want) {
		t.Errorf("made %v (%v), planned %v", g.Paths, err, want)
	}
	if err := g.Remove(t.Context(), true); err != nil {
		t.Error(err)
	}
	for _, dir := range want {
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left: %v", dir, err)
		}
	}
}
