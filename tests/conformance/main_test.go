package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kata-go/kata-runtime/tests/conformance/known"
)

func TestCompare(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, cases ...string) string {
		var b strings.Builder
		b.WriteString("<testsuites><testsuite>")
		for i := 0; i < len(cases); i += 2 {
			b.WriteString(`<testcase name="` + cases[i] + `" status="` + cases[i+1] + `"/>`)
		}
		b.WriteString("</testsuite></testsuites>")
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	base := file("base", "[BeforeSuite]", "passed", "a", "passed", "b", "failed", "c", "skipped", "d", "passed", "host net", "passed")
	list := filepath.Join(dir, "known")
	if err := os.WriteFile(list, []byte("# of a VM\nnet: it has its own\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		cases []string
		ok    bool
		want  []string
	}{
		"as known": {[]string{"[BeforeSuite]", "failed", "a", "passed", "b", "passed", "c", "skipped", "d", "passed", "host net", "failed"}, true,
			[]string{"| b | failed | passed |  |", "| host net | passed | failed | it has its own |", "| 3, 1, 1 | 3, 1, 1 | |"}},
		"worse":    {[]string{"a", "failed", "b", "failed", "c", "skipped", "d", "passed", "host net", "failed"}, false, []string{"| a | passed | failed | NOT KNOWN |"}},
		"missing":  {[]string{"a", "passed", "b", "failed", "c", "skipped", "host net", "failed"}, false, []string{"| d | passed | not in the report | NOT KNOWN |"}},
		"better":   {[]string{"a", "passed", "b", "failed", "c", "skipped", "d", "passed", "host net", "passed"}, false, []string{"| host net | passed | passed | NOT WORSE"}},
		"of wider": {[]string{"a", "passed", "b", "failed", "c", "skipped", "d", "passed", "host net", "skipped", "e", "failed"}, true, []string{"| e | not in the report | failed |"}},
	} {
		var out strings.Builder
		ok, err := run(list, []string{base, file(name, test.cases...)}, &out)
		if err != nil || ok != test.ok {
			t.Errorf("%s: %t, %v", name, ok, err)
		}
		for _, want := range test.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: want %q in:\n%s", name, want, out.String())
			}
		}
		if name == "as known" && strings.Contains(out.String(), "| d |") {
			t.Error("what both pass is listed")
		}
	}
	if _, err := run(list, []string{base, filepath.Join(dir, "none")}, os.Stderr); err == nil {
		t.Error("a missing report is no error")
	}
}

// The lists that are there can be read, and their reasons are not empty.
func TestLists(t *testing.T) {
	lists, err := filepath.Glob("known/*")
	if err != nil || len(lists) < 5 {
		t.Fatalf("%v, %v", lists, err)
	}
	for _, path := range lists {
		if filepath.Ext(path) == ".go" {
			continue
		}
		reasons, err := known.Read(path)
		if err != nil || len(reasons) == 0 {
			t.Errorf("%s: %d reasons, %v", path, len(reasons), err)
		}
	}
}
