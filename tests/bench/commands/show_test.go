package commands

import (
	"slices"
	"strings"
	"testing"

	"github.com/kata-go/kata-runtime/tests/bench/footprint"
	"github.com/kata-go/kata-runtime/tests/bench/peer"
	"github.com/kata-go/kata-runtime/tests/bench/report"
	"github.com/kata-go/kata-runtime/tests/bench/series"
)

// samples have figures that are easily recognized.
func samples() *series.Set {
	s := new(series.Set)
	s.Add(report.Tuned, peer.Run, 1.2)
	s.Add(report.Debian, peer.Run, 3)
	s.Add(report.Template, peer.Run, 0.3)
	s.Add(report.Runsc, peer.Run, 0.1)
	s.Add(floorName("tuned kernel"), floorExit, 1)
	s.Add(floorName("Debian's kernel"), floorExit, 1.5)
	s.Add(restoredName, answered, 0.1)
	s.Add(report.Tuned, peer.Exec, 0.1)
	s.Add(report.Debian, peer.Exec, 0.9)
	s.Add(report.Runc, peer.Exec, 0.02)
	s.Add(report.Template, added, 30e6)
	s.Add(restoredName, added, 10e6)
	s.Add(footprint.Memory(report.Tuned), footprint.HelpersPSS, 20e6)
	s.Add(phasesOf(report.Debian), "00 netns", 0.001)
	s.Add(phasesOf(report.Debian), "01 agent up", 1)
	s.Add(phasesOf(report.Template), "00 netns", 0.002)
	s.Add(phasesOf(report.Template), "01 restore", 0.1)
	s.Add(phasesOf(report.Template), "02 agent up", 0.3)
	return s
}

func TestTargets(t *testing.T) {
	for what, want := range map[string]float64{
		"over the floor, Debian's kernel":       2,
		"over the floor, tuned kernel":          1.2,
		"over the restored floor":               3,
		"template `run /bin/true` over runsc's": 3,
		"3 times runc's":                        0.1,
		"shim and proxy":                        20e6,
		"that a clone adds":                     20e6,
	} {
		i := slices.IndexFunc(targets(samples()), func(x report.Target) bool { return strings.Contains(x.What, what) })
		if i < 0 {
			t.Errorf("no target %q", what)
			continue
		}
		x := targets(samples())[i]
		if !x.Measured || x.Value < want*0.999 || x.Value > want*1.001 {
			t.Errorf("%s: %v, measured %t, want %v", x.What, x.Value, x.Measured, want)
		}
	}
	exec := targets(samples())[slices.IndexFunc(targets(samples()), func(x report.Target) bool { return strings.Contains(x.What, "3 times runc's") })]
	if exec.Limit < 0.119 || exec.Limit > 0.121 {
		t.Errorf("the limit of exec beside runc is %v", exec.Limit)
	}
}

func TestPhasesOfDifferentStartsKeepTheirOrder(t *testing.T) {
	var names []string
	for _, row := range phaseTable(samples()).Rows {
		names = append(names, row[0])
	}
	if got := strings.Join(names, ", "); got != "netns, restore, agent up" {
		t.Errorf("phases are %s", got)
	}
}
