package resources

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/cgroups"

	"github.com/kata-go/kata-runtime/internal/proc"
)

// As with runc: else the one to go first would take the other's processes along.
func TestGroupInUse(t *testing.T) {
	path := place(t)
	refused := func(what string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), "container's cgroup is not empty: 1 process(es) found") {
			t.Errorf("%s answers %v", what, err)
		}
	}
	planned, err := Plan(path, false)
	if err != nil {
		t.Fatal(err)
	}
	pid := sleeper(t)
	g := create(t, path, pid)
	_, err = Plan(path, false)
	refused("plan", err)
	_, err = Plan(filepath.Dir(path), false)
	refused("plan of the parent", err)
	_, _, err = Create(path, false, sleeper(t))
	refused("create", err)
	// Planned before the other was faster, and cleaned up after.
	if err := planned.Remove(t.Context(), true); err != nil {
		t.Error(err)
	}
	if h, err := proc.Of(pid); err != nil || !h.Alive() {
		t.Fatal("the process in the group was killed")
	}
	for controller, got := range cgroupOf(t, pid) {
		if g.Paths[controller] != "" && got != path {
			t.Errorf("controller %q: moved to %s", controller, got)
		}
	}
}

// As a caller does that gives its own group (Podman's --cgroups=split is below it).
func TestGroupOfTheCaller(t *testing.T) {
	path := place(t)
	g := create(t, path)
	self := os.Getpid()
	was := cgroupOf(t, self)
	if err := g.Place(self); err != nil {
		t.Fatal(err)
	}
	defer func() {
		for controller, dir := range g.Paths {
			root := strings.TrimSuffix(dir, path)
			if err := cgroups.WriteCgroupProc(root+was[controller], self); err != nil {
				t.Error(err)
			}
		}
	}()
	for _, p := range []string{path, path + "/below"} {
		planned, err := Plan(p, false)
		if err != nil {
			t.Fatal(err)
		}
		made, _, err := Create(p, false)
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range []*Group{planned, made} {
			if err := g.Remove(t.Context(), true); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A planned group that was made before a kill -9 is removed when its processes
// have ended.
func TestPlannedGroupGoes(t *testing.T) {
	path := place(t)
	planned, err := Plan(path, false)
	if err != nil {
		t.Fatal(err)
	}
	g := create(t, path)
	if err := planned.Remove(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	for _, dir := range g.Paths {
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left (%v)", dir, err)
		}
	}
}
