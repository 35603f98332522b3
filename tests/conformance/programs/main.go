// Command programs sets what the OCI validation programs passed with one
// runtime beside what they passed with others. It fails if it is worse than any
// of them in a program that the list of known differences does not name, and if
// the list names one in which it is not worse.
//
// Usage: programs -known FILE BASELINE... FOLDER (of tally's files, PROGRAM.json;
// the runtime's name is the folder's)
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
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
	list := flag.String("known", "", "`file` with a line \"PROGRAM PASSED: reason\" for each known difference")
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
	if len(args) < 2 {
		return false, fmt.Errorf("usage: programs -known FILE BASELINE... FOLDER")
	}
	differences, err := readKnown(list)
	if err != nil {
		return false, err
	}
	var peers []peer
	for _, dir := range args {
		counts, err := readCounts(dir)
		if err != nil {
			return false, err
		}
		peers = append(peers, peer{filepath.Base(dir), counts})
	}
	last := len(peers) - 1
	return compare(peers[:last], peers[last], differences, out), nil
}

// difference is a program in which kata is known to be worse.
type difference struct {
	why string
	// passed is how many of its results pass all the same. One less is worse.
	passed int
	// unsure: it depends on the machine's speed, and so does passed.
	unsure bool
}

// readKnown reads a list whose lines are "PROGRAM PASSED: reason", or
// "PROGRAM?: reason" of what is not always worse.
func readKnown(path string) (map[string]difference, error) {
	reasons, err := known.Read(path)
	if err != nil {
		return nil, err
	}
	list := map[string]difference{}
	for key, why := range reasons {
		if name, unsure := strings.CutSuffix(key, "?"); unsure {
			list[name] = difference{why: why, unsure: true}
			continue
		}
		name, passed, _ := strings.Cut(key, " ")
		n, err := strconv.Atoi(passed)
		if err != nil {
			return nil, fmt.Errorf("%s: %q is neither \"PROGRAM PASSED\" nor \"PROGRAM?\"", path, key)
		}
		list[name] = difference{why: why, passed: n}
	}
	return list, nil
}

// peer is a runtime and what each program found with it.
type peer struct {
	name   string
	counts map[string]count
}

// whole is how many programs passed as a whole.
func (p peer) whole() (n int) {
	for _, c := range p.counts {
		if c.ok() {
			n++
		}
	}
	return n
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
func compare(bases []peer, it peer, differences map[string]difference, out io.Writer) bool {
	ok, seen := true, map[string]bool{}
	columns := append(slices.Clone(bases), it)
	var titles, counted []string
	for i, p := range columns {
		title := p.name
		if i == 0 {
			title += ": passed / failed / skipped"
		}
		titles = append(titles, title)
		counted = append(counted, fmt.Sprintf("%d with %s", p.whole(), p.name))
		for name := range p.counts {
			seen[name] = true
		}
	}
	names := slices.Sorted(maps.Keys(seen))
	fmt.Fprintf(out, "| program | %s | |\n|---|%s---|\n", strings.Join(titles, " | "), strings.Repeat("---|", len(columns)))
	for _, name := range names {
		o := it.counts[name]
		var cells []string
		worse, better := false, o.ok()
		for _, base := range bases {
			b := base.counts[name]
			cells = append(cells, b.String())
			worse = worse || o.worseThan(b)
			better = better && !b.ok()
		}
		d, known := differences[name]
		note := ""
		switch {
		case worse && known && o.Passed < d.passed:
			note, ok = fmt.Sprintf("WORSE than known, of which %d pass: %s", d.passed, d.why), false
		case worse && known:
			note = d.why
		case worse:
			note, ok = "WORSE", false
		case known && !d.unsure:
			note, ok = "not worse any more: remove it from the list", false
		case better:
			note = "better"
		}
		fmt.Fprintf(out, "| %s | %s | %s | %s |\n", name, strings.Join(cells, " | "), o, note)
	}
	fmt.Fprintf(out, "\nOf %d programs pass: %s\n", len(names), strings.Join(counted, ", "))
	return ok
}
