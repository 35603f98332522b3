// Command conformance sets two reports of critest (JUnit) beside each other.
// It fails if the second lacks something that the first has passed, unless the
// list of known differences has a part of the spec's name with the reason; and
// if a spec of the list is no worse.
// Usage: conformance -known FILE BASELINE.xml REPORT.xml
package main

import (
	"encoding/xml"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/kata-go/kata-runtime/tests/conformance/known"
)

// report is what is read of a JUnit file.
type report struct {
	Suites []struct {
		Cases []struct {
			Name   string `xml:"name,attr"`
			Status string `xml:"status,attr"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

func main() {
	list := flag.String("known", "", "`file` with a line \"PART OF A SPEC'S NAME: reason\" for each known difference")
	flag.Parse()
	ok, err := run(*list, flag.Args(), os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

func run(list string, args []string, out io.Writer) (ok bool, err error) {
	if len(args) != 2 {
		return false, fmt.Errorf("usage: conformance -known FILE BASELINE.xml REPORT.xml")
	}
	reasons, err := known.Read(list)
	if err != nil {
		return false, err
	}
	base, err := read(args[0])
	if err != nil {
		return false, err
	}
	other, err := read(args[1])
	if err != nil {
		return false, err
	}
	return compare(base, other, reasons, out), nil
}

// read answers each spec's status by its name.
func read(path string) (map[string]string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var r report
	if err := xml.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	specs := map[string]string{}
	for _, suite := range r.Suites {
		for _, c := range suite.Cases {
			if strings.HasPrefix(c.Name, "[BeforeSuite]") || strings.HasPrefix(c.Name, "[AfterSuite]") {
				continue // what Ginkgo does around the specs
			}
			specs[c.Name] = c.Status
		}
	}
	return specs, nil
}

const passed = "passed"

// compare prints the sums and each spec that not both have passed, as rows of
// a table, and answers whether all is as known.
func compare(base, other, reasons map[string]string, out io.Writer) (ok bool) {
	ok = true
	sums := [2]map[string]int{{}, {}}
	fmt.Fprintf(out, "| spec | baseline | kata | why |\n|---|---|---|---|\n")
	for _, name := range union(base, other) {
		before, after := base[name], other[name]
		sums[0][before]++
		sums[1][after]++
		part := partOf(reasons, name)
		why := reasons[part]
		switch worse := before == passed && after != passed; {
		case worse && part == "":
			ok, why = false, "NOT KNOWN"
		case !worse && part != "" && before == passed:
			ok, why = false, "NOT WORSE: take it out of the list"
		case before == after && (after == passed || after == "skipped"):
			continue
		}
		fmt.Fprintf(out, "| %s | %s | %s | %s |\n", name, said(before), said(after), why)
	}
	fmt.Fprintf(out, "| all: passed, failed, skipped | %s | %s | |\n", sum(sums[0]), sum(sums[1]))
	return ok
}

func union(base, other map[string]string) []string {
	names := slices.Collect(maps.Keys(base))
	for name := range other {
		if _, both := base[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// partOf answers the list's part of a spec's name; "" if there is none.
func partOf(reasons map[string]string, name string) string {
	for part := range reasons {
		if strings.Contains(name, part) {
			return part
		}
	}
	return ""
}

// said is what a report says of a spec.
func said(status string) string {
	if status == "" {
		return "not in the report"
	}
	return status
}

func sum(m map[string]int) string {
	return fmt.Sprintf("%d, %d, %d", m[passed], m["failed"]+m["timedout"]+m["panicked"]+m["interrupted"], m["skipped"])
}
