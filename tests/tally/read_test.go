package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func TestReadGo(t *testing.T) {
	const in = `{"Action":"run","Package":"p/a","Test":"TestGood"}
{"Action":"output","Package":"p/a","Test":"TestGood","Output":"quiet\n"}
{"Action":"pass","Package":"p/a","Test":"TestGood/sub"}
{"Action":"output","Package":"p/a","Test":"TestGood/rest","Output":"    a_test.go:9: only as root\n"}
{"Action":"skip","Package":"p/a","Test":"TestGood/rest"}
{"Action":"pass","Package":"p/a","Test":"TestGood"}
{"Action":"output","Package":"p/a","Test":"TestBad/sub","Output":"why it failed\n"}
{"Action":"fail","Package":"p/a","Test":"TestBad/sub"}
{"Action":"fail","Package":"p/a","Test":"TestBad"}
{"Action":"output","Package":"p/a","Test":"TestNot","Output":"    a_test.go:1: no such device\n"}
{"Action":"skip","Package":"p/a","Test":"TestNot"}
{"Action":"fail","Package":"p/a"}
{"ImportPath":"p/b [p/b.test]","Action":"build-output","Output":"b.go:1: syntax error\n"}
{"ImportPath":"p/b [p/b.test]","Action":"build-fail"}
{"Action":"fail","Package":"p/b","FailedBuild":"p/b [p/b.test]"}
{"Action":"skip","Package":"p/none"}
`
	var out bytes.Buffer
	count, err := readGo(strings.NewReader(in), &out)
	if err != nil {
		t.Fatal(err)
	}
	// TestBad, and p/b that does not compile.
	want := []string{"p/a TestGood/rest: a_test.go:9: only as root", "p/a TestNot: a_test.go:1: no such device"}
	if count.Passed != 1 || count.Failed != 2 || !slices.Equal(count.Skipped, want) {
		t.Errorf("count %+v", count)
	}
	for _, want := range []string{"why it failed", "b.go:1: syntax error", "FAIL  p/a", "FAIL  p/b"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "quiet") || strings.Contains(out.String(), "none") {
		t.Errorf("too much:\n%s", &out)
	}
}

func TestReadGoRefusesOtherText(t *testing.T) {
	if _, err := readGo(strings.NewReader("panic: x\n"), new(bytes.Buffer)); err == nil {
		t.Error("taken")
	}
}

func TestReadTAP(t *testing.T) {
	for _, test := range []struct {
		name, in                string
		passed, failed, skipped int
	}{
		{"all kinds", "1..3\nok 1 a\nnot ok 2 b\n# why\nok 3 c # skip no vsock\n", 1, 1, 1},
		{"cut off", "1..3\nok 1 a\n", 1, 1, 0},
		{"two runs", "1..1\nok 1 a\n1..2\nok 1 b\nok 2 c\n", 3, 0, 0},
		{"two runs, the first cut off", "1..2\nok 1 a\n1..2\nok 1 b\nok 2 c\n", 3, 1, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			c, err := readTAP(strings.NewReader(test.in), &out)
			if err != nil || c.Passed != test.passed || c.Failed != test.failed || len(c.Skipped) != test.skipped {
				t.Errorf("count %+v, %v", c, err)
			}
			if !strings.HasPrefix(out.String(), test.in) {
				t.Errorf("lines were not passed on: %q", &out)
			}
		})
	}
}

func TestRunEndsWithTheTotal(t *testing.T) {
	dir := t.TempDir()
	var out bytes.Buffer
	if ok, err := run([]string{"--save", dir + "/a", "tap"}, strings.NewReader("1..1\nok 1 a\n"), &out); !ok || err != nil {
		t.Fatalf("%v, %v", ok, err)
	}
	if ok, err := run([]string{"--save", dir + "/b", "tap"}, strings.NewReader("1..1\nnot ok 1 a\n"), &out); ok || err != nil {
		t.Fatalf("%v, %v", ok, err)
	}
	out.Reset()
	ok, err := run([]string{"sum", dir + "/a", dir + "/b"}, nil, &out)
	if ok || err != nil || out.String() != "1 passed, 1 failed\n" {
		t.Errorf("%v, %v, %q", ok, err, &out)
	}
	if ok, err := run([]string{"sum", dir + "/a", dir + "/missing"}, nil, &out); ok && err == nil {
		t.Error("a missing count was taken for nothing failed")
	}
	for _, kind := range []string{"go", "tap"} {
		if _, err := run([]string{kind}, strings.NewReader(""), &out); err == nil {
			t.Errorf("%s: no test at all was taken for success", kind)
		}
	}
}
