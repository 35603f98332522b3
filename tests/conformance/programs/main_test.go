package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCompare(t *testing.T) {
	good, bad := count{Passed: 3}, count{Passed: 2, Failed: 1}
	for _, test := range []struct {
		name        string
		base, other count
		known       bool
		ok          bool
		note        string
	}{
		{"same", good, good, false, true, "|  |"},
		{"fails with both", bad, bad, false, true, "|  |"},
		{"worse", good, bad, false, false, "WORSE"},
		{"tests less", good, count{Passed: 2}, false, false, "WORSE"},
		{"known", good, bad, true, true, "| why |"},
		{"known, and worse than that", good, count{Passed: 1, Failed: 2}, true, false, "WORSE than known"},
		{"known, but fixed", good, good, true, false, "remove it"},
		{"unsure", good, bad, false, true, "| why |"},
		{"better", bad, good, false, true, "better"},
		{"fails in more ways, passes more", count{Failed: 1}, bad, false, true, "|  |"},
		{"did not run", good, count{}, false, false, "WORSE"},
	} {
		differences := map[string]difference{}
		if test.known {
			differences["p"] = difference{why: "why", passed: 2}
		}
		if test.name == "unsure" {
			differences["p"] = difference{why: "why", unsure: true}
		}
		var out strings.Builder
		base, it := peer{"runc", map[string]count{"p": test.base}}, peer{"kata", map[string]count{"p": test.other}}
		if ok := compare([]peer{base}, it, differences, &out); ok != test.ok || !strings.Contains(out.String(), test.note) {
			t.Errorf("%s: %v\n%s", test.name, ok, out.String())
		}
	}
}

func TestCompareWithSeveral(t *testing.T) {
	good, bad := map[string]count{"p": {Passed: 3}}, map[string]count{"p": {Passed: 2, Failed: 1}}
	var out strings.Builder
	if compare([]peer{{"runc", bad}, {"crun", good}}, peer{"kata", bad}, nil, &out) {
		t.Errorf("worse than one of two was let pass:\n%s", out.String())
	}
	out.Reset()
	want := "| p | 2 / 1 / 0 | 3 / 0 / 0 | 3 / 0 / 0 |  |\n\nOf 1 programs pass: 0 with runc, 1 with crun, 1 with kata\n"
	if !compare([]peer{{"runc", bad}, {"crun", good}}, peer{"kata", good}, nil, &out) || !strings.HasSuffix(out.String(), want) {
		t.Errorf("as good as the better of two:\n%s", out.String())
	}
	// One that the runtime never ran, and a baseline without results.
	if compare([]peer{{"runc", good}}, peer{"kata", map[string]count{"q": {Passed: 1}}}, nil, &out) {
		t.Error("a program that did not run was let pass")
	}
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if _, err := readCounts(dir); err == nil {
		t.Error("an empty folder was taken for results")
	}
	write("a.json", `{"Passed":2,"Failed":1,"Skipped":["x"]}`)
	known, err := readKnown(write("known", "a 2: one\nb?: two\n"))
	if err != nil || known["a"] != (difference{why: "one", passed: 2}) || known["b"] != (difference{why: "two", unsure: true}) {
		t.Errorf("%v, %v", known, err)
	}
	if _, err := readKnown(write("known", "a: one\n")); err == nil {
		t.Error("a known difference without a count was taken")
	}
	counts, err := readCounts(dir)
	if err != nil || counts["a"].String() != "2 / 1 / 1" {
		t.Errorf("%v, %v", counts, err)
	}
}
