package container

import (
	"log/slog"
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

func TestEveryContainerSeesItsOwnCgroup(t *testing.T) {
	for name, listed := range map[string][]specs.LinuxNamespace{
		"cgroup v1's engines": {{Type: specs.PIDNamespace}},
		"cgroup v2's engines": {{Type: specs.PIDNamespace}, {Type: specs.CgroupNamespace}},
	} {
		spec := &specs.Spec{
			Process: &specs.Process{Args: []string{"true"}}, Root: &specs.Root{Path: "/r"},
			Linux: &specs.Linux{Namespaces: listed},
		}
		if _, err := (Guest{CgroupParent: "/kata"}).rewrite(slog.New(slog.DiscardHandler), "c", spec); err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, ns := range spec.Linux.Namespaces {
			if ns.Type == specs.CgroupNamespace && ns.Path == "" {
				n++
			}
		}
		if n != 1 || !slices.ContainsFunc(spec.Linux.Namespaces, func(ns specs.LinuxNamespace) bool { return ns.Type == specs.MountNamespace }) {
			t.Errorf("%s: %+v", name, spec.Linux.Namespaces)
		}
	}
}
