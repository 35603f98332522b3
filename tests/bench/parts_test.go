package main

import (
	"strings"
	"testing"

	"github.com/kata-go/kata-runtime/tests/bench/report"
	"github.com/kata-go/kata-runtime/tests/bench/series"
)

func TestPartsWithoutSamples(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range parts() {
		if p.Name() == "" || strings.ContainsAny(p.Name(), ", ") || seen[p.Name()] {
			t.Errorf("the name %q cannot be chosen by -only", p.Name())
		}
		seen[p.Name()] = true
		targets, tables, plots := p.Show(new(series.Set))
		for _, x := range targets {
			if x.Measured || x.What == "" || x.Show == nil {
				t.Errorf("%s: target %+v", p.Name(), x)
			}
		}
		for _, table := range tables {
			if len(table.Rows) > 0 {
				t.Errorf("%s: the table %q has rows", p.Name(), table.Title)
			}
		}
		for _, plot := range plots {
			if len(plot.Rows) > 0 {
				t.Errorf("%s: the plot %q has rows", p.Name(), plot.Title)
			}
		}
	}
}

func TestShowNamesAllTargets(t *testing.T) {
	var targets []report.Target
	for _, p := range parts() {
		var r report.Result
		collect(&r, p)
		targets = append(targets, r.Targets...)
	}
	for _, want := range []string{
		"over the floor, Debian's kernel", "over the floor, tuned kernel", "over the restored floor", "over runsc's", "`exec true`",
		"`delete --force`", "512 MiB guest", "that a clone adds", "creations", "TCP stream into", "start of sandbox 100", "standard streams, in",
	} {
		found := false
		for _, x := range targets {
			found = found || strings.Contains(x.What, want)
		}
		if !found {
			t.Errorf("no target speaks of %q", want)
		}
	}
}

func TestChoose(t *testing.T) {
	all := parts()
	if got, err := choose(all, nil); err != nil || len(got) != len(all) {
		t.Errorf("choose nothing: %v, %v", got, err)
	}
	got, err := choose(all, []string{"io", "commands"})
	if err != nil || len(got) != 2 || got[0].Name() != "io" {
		t.Errorf("choose two: %v, %v", got, err)
	}
	if _, err := choose(all, []string{"oi"}); err == nil || !strings.Contains(err.Error(), "commands") {
		t.Errorf("choose what is not there: %v", err)
	}
}

func TestFlags(t *testing.T) {
	for _, test := range []struct {
		args  []string
		fails bool
	}{
		{nil, false},
		{[]string{"-n", "3"}, true},
		{[]string{"-n", "3", "-few"}, false},
		{[]string{"-few", "-out", "x"}, true},
		{[]string{"-only", "io", "-out", "x"}, false},
		{[]string{"-only", "io,net"}, false},
		{[]string{"left"}, true},
	} {
		if _, err := flags(test.args); (err != nil) != test.fails {
			t.Errorf("flags %q: %v", test.args, err)
		}
	}
}
