// Command programs sets what the OCI validation programs passed with one
// runtime beside what they passed with another. It fails if the second is worse
// in a program that the list of known differences does not name, and if the
// list names one that is not worse.
//
// Usage: programs -known FILE BASELINE FOLDER (of tally's files, PROGRAM.json)
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kata-go/kata-runtime/tests/conformance/known"
)

// count is what tally keeps of a program's results.
type count struct {
	Passed, Failed int
	Skipped        []string
}

func (c count) String() string {
	return fmt.Sprintf("%d / %d / %d", c.Passed, c.Failed, len(c.Skipped))
}

// ok says that a program passed as a whole.
func (c count) ok() bool { return c.Failed == 0 && c.Passed > 0 }

// worseThan: a program that fails with both is compared by what it passed; it
// may stop at its first failure, or test less with one runtime.
func (c count) worseThan(base count) bool {
	return c.Passed < base.Passed || base.ok() && !c.ok()
}

func main() {
	list := flag.String("known", "", "`file` with a line \"PROGRAM: reason\" for each known difference")
	flag.Parse()
	ok, err := run(*list, flag.Args(), os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "programs:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

func run(list string, args []string, out io.Writer) (bool, error) {
	if len(args) != 2 {
		return false, fmt.Errorf("usage: programs -known FILE BASELINE FOLDER")
	}
	reasons, err := known.Read(list)
	if err != nil {
		return false, err
	}
	base, err := readCounts(args[0])
	if err != nil {
		return false, err
	}
	other, err := readCounts(args[1])
	if err != nil {
		return false, err
	}
	return compare(base, other, reasons, out), nil
}

func readCounts(dir string) (map[string]count, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	counts := map[string]count{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var c count
		if err := json.Unmarshal(data, &c); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		counts[strings.TrimSuffix(filepath.Base(file), ".json")] = c
	}
	if len(counts) == 0 {
		return nil, fmt.Errorf("no counts in %s", dir)
	}
	return counts, nil
}

// compare prints the table and answers whether all is as known.
func compare(base, other map[string]count, reasons map[string]string, out io.Writer) bool {
	ok := true
	var names []string
	for name := range base {
		names = append(names, name)
	}
	slices.Sort(names)
	fmt.Fprintf(out, "| program | runc: passed / failed / skipped | kata | |\n|---|---|---|---|\n")
	var whole [2]int
	for _, name := range names {
		b, o := base[name], other[name]
		reason, sure := reasons[name], true
		if reason == "" {
			reason, sure = reasons[name+"?"], false
		}
		for i, c := range []count{b, o} {
			if c.ok() {
				whole[i]++
			}
		}
		note := ""
		switch worse := o.worseThan(b); {
		case worse && reason != "":
			note = reason
		case worse:
			note, ok = "WORSE", false
		case reason != "" && sure:
			note, ok = "not worse any more: remove it from the list", false
		case o.ok() && !b.ok():
			note = "better"
		}
		fmt.Fprintf(out, "| %s | %s | %s | %s |\n", name, b, o, note)
	}
	fmt.Fprintf(out, "\n%d of %d programs pass with runc, %d with kata\n", whole[0], len(names), whole[1])
	return ok
}
