package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
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
	base := file("base", "[BeforeSuite]", "passed", "a", "passed", "b", "failed", "c", "skipped", "d", "passed")
	var out strings.Builder
	worse, err := run([]string{base, file("same", "[BeforeSuite]", "passed", "a", "passed", "b", "failed", "c", "skipped", "d", "passed")}, &out)
	if err != nil || worse {
		t.Errorf("equal reports: worse %t, %v", worse, err)
	}
	out.Reset()
	worse, err = run([]string{base, file("worse", "[BeforeSuite]", "failed", "a", "failed", "b", "passed", "c", "skipped", "d", "passed")}, &out)
	if err != nil || !worse {
		t.Errorf("a report that is worse: %t, %v", worse, err)
	}
	for _, want := range []string{"| a | passed | failed |", "| b | failed | passed |", "| 2, 1, 1 | 2, 1, 1 |"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("want %q in:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "| d |") {
		t.Error("what both pass is listed")
	}
	if _, err := run([]string{base, filepath.Join(dir, "none")}, &out); err == nil {
		t.Error("a missing report is no error")
	}
}
