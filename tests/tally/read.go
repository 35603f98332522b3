package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// event is one line of "go test -json" (go doc test2json).
type event struct {
	Action, Package, Test, Output, ImportPath, FailedBuild string
	Elapsed                                                float64
}

// maxLine is the longest line that is read: a test may print much in one.
const maxLine = 16 << 20

// readGo shows a line per package and the whole output of what failed.
func readGo(in io.Reader, out io.Writer) (Count, error) {
	var count Count
	output := map[string][]string{} // of a test that still runs, or of a package
	said := map[string][]string{}   // the same of a subtest alone
	failed := map[string]bool{}     // packages with a failed test
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return count, fmt.Errorf("go test said %q", lines.Text())
		}
		top, _, _ := strings.Cut(e.Test, "/")
		key := e.Package + e.ImportPath + "." + top
		switch e.Action {
		case "output", "build-output":
			output[key] = append(output[key], e.Output)
			if e.Test != top {
				said[e.Package+"."+e.Test] = append(said[e.Package+"."+e.Test], e.Output)
			}
		case "pass", "fail", "skip":
			if e.Test != top { // a subtest: its test counts, but what it skips is told
				if e.Action == "skip" {
					count.Skipped = append(count.Skipped, skipped(e, said[e.Package+"."+e.Test]))
				}
				delete(said, e.Package+"."+e.Test)
				continue
			}
			if e.Test == "" {
				count = endPackage(count, e, failed[e.Package], output, out)
				continue
			}
			switch e.Action {
			case "pass":
				count.Passed++
			case "fail":
				count.Failed++
				failed[e.Package] = true
				fmt.Fprint(out, strings.Join(output[key], ""))
			default:
				count.Skipped = append(count.Skipped, skipped(e, output[key]))
			}
			delete(output, key)
		}
	}
	return count, lines.Err()
}

// endPackage prints a package's line. A package that failed without a failed
// test (it does not compile, it panicked, it ran out of time) counts as one.
func endPackage(count Count, e event, counted bool, output map[string][]string, out io.Writer) Count {
	switch e.Action {
	case "skip":
		return count // no test files
	case "fail":
		if !counted {
			count.Failed++
			for key, text := range output {
				if strings.HasPrefix(key, e.Package+".") || e.FailedBuild != "" && key == e.FailedBuild+"." {
					fmt.Fprint(out, strings.Join(text, ""))
				}
			}
		}
		fmt.Fprintf(out, "FAIL  %-70s %6.1f s\n", e.Package, e.Elapsed)
	default:
		fmt.Fprintf(out, "ok    %-70s %6.1f s\n", e.Package, e.Elapsed)
	}
	return count
}

// skipped names a test that was skipped, with the text of t.Skip in its output.
func skipped(e event, output []string) string {
	reason := "no reason given"
	for _, line := range output {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "===") && !strings.HasPrefix(line, "---") {
			reason = line
			break
		}
	}
	return fmt.Sprintf("%s %s: %s", e.Package, e.Test, reason)
}

// readTAP passes the lines on, so that one sees the tests go by. Several runs may
// follow one another. Plans that the results fall short of (a run that was cut
// off) count as a failure.
func readTAP(in io.Reader, out io.Writer) (Count, error) {
	var count Count
	plan, seen := -1, 0 // -1: none
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		line := lines.Text()
		fmt.Fprintln(out, line)
		var tests int
		if _, err := fmt.Sscanf(line, "1..%d", &tests); err == nil && strings.HasPrefix(line, "1..") {
			plan = max(plan, 0) + tests
			continue
		}
		switch {
		case strings.HasPrefix(line, "not ok "):
			count.Failed++
			seen++
		case strings.HasPrefix(line, "ok "):
			seen++
			if name, why, skipped := strings.Cut(line, " # skip"); skipped {
				count.Skipped = append(count.Skipped, strings.TrimPrefix(name, "ok ")+":"+why)
			} else {
				count.Passed++
			}
		}
	}
	if plan >= 0 && plan != seen {
		count.Failed++
		fmt.Fprintf(out, "the run ended after %d of %d tests\n", seen, plan)
	}
	return count, lines.Err()
}
