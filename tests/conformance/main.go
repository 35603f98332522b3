// Command conformance sets two reports of critest (JUnit) beside each other.
// It fails if the second lacks something that the first has passed.
// Usage: conformance BASELINE.xml REPORT.xml
package main

import (
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
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
	worse, err := run(os.Args[1:], os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
	}
	if err != nil || worse {
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) (worse bool, err error) {
	if len(args) != 2 {
		return false, fmt.Errorf("usage: conformance BASELINE.xml REPORT.xml")
	}
	base, err := read(args[0])
	if err != nil {
		return false, err
	}
	other, err := read(args[1])
	if err != nil {
		return false, err
	}
	return compare(base, other, out), nil
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
// a table, and answers whether one is worse than its baseline.
func compare(base, other map[string]string, out io.Writer) (worse bool) {
	var names []string
	sums := [2]map[string]int{{}, {}}
	for name := range other {
		names = append(names, name)
		sums[0][base[name]]++
		sums[1][other[name]]++
	}
	sort.Strings(names)
	fmt.Fprintf(out, "| spec | baseline | kata |\n|---|---|---|\n")
	for _, name := range names {
		if base[name] == other[name] && (other[name] == passed || other[name] == "skipped") {
			continue
		}
		fmt.Fprintf(out, "| %s | %s | %s |\n", name, base[name], other[name])
		worse = worse || base[name] == passed
	}
	fmt.Fprintf(out, "| all: passed, failed, skipped | %s | %s |\n", sum(sums[0]), sum(sums[1]))
	return worse
}

func sum(m map[string]int) string {
	return fmt.Sprintf("%d, %d, %d", m[passed], m["failed"]+m["timedout"]+m["panicked"]+m["interrupted"], m["skipped"])
}
