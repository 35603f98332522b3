package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/kata-go/kata-runtime/tests/conformance/known"
)

// compare: see the package.
func compare(list, base, other string) error {
	reasons, err := known.Read(list)
	if err != nil {
		return err
	}
	before, err := read(base)
	if err != nil {
		return err
	}
	after, err := read(other)
	if err != nil {
		return err
	}
	// What the machine itself has not says nothing of a reason.
	used, better := map[string]bool{}, map[string]bool{}
	var errs []error
	worked, lost := 0, 0
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if before[name] != works {
			continue
		}
		worked++
		pattern := reasonFor(reasons, name)
		if after[name] == works {
			better[pattern] = true
			continue
		}
		lost++
		if used[pattern] = true; pattern == "" {
			errs = append(errs, fmt.Errorf("%s: works with the first, with the second: %s", name, said(after[name])))
		}
	}
	for pattern := range reasons {
		if better[pattern] && !used[pattern] && !strings.HasSuffix(pattern, "?") {
			errs = append(errs, fmt.Errorf("%s: %q is no worse: take it out", list, pattern))
		}
	}
	fmt.Printf("%d of %d things work with the first, of these %d with the second, %d are known not to\n", worked, len(before), worked-lost, lost-len(errs))
	return errors.Join(errs...)
}

func said(result string) string {
	if result == "" {
		return "nothing"
	}
	return result
}

// reasonFor answers the name in a list that stands for this one, or "". A "*" at
// its end stands for any other end; a "?" behind says that it is not always worse.
func reasonFor(reasons map[string]string, name string) string {
	for pattern := range reasons {
		exact := strings.TrimSuffix(pattern, "?")
		if start, open := strings.CutSuffix(exact, "*"); open && strings.HasPrefix(name, start) || exact == name {
			return pattern
		}
	}
	return ""
}

// read answers the results in a file by their names.
func read(path string) (map[string]string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	results := map[string]string{}
	for line := range strings.Lines(string(data)) {
		if name, result, found := strings.Cut(strings.TrimSpace(line), ": "); found {
			results[name] = result
		}
	}
	if len(results) == 0 {
		return nil, fmt.Errorf("%s: no results", path)
	}
	return results, nil
}
