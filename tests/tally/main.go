// Command tally reads the results of a test run on standard input, shows what
// a person needs of them, and ends with a line "N passed, N failed". It fails
// if a test did, or if there was no result at all.
//
//	go test -json ./... | tally [--save FILE] go
//	bats --tap DIR      | tally [--save FILE] tap
//	tally sum FILE...   (adds up what --save kept)
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

// Count of tests. A Go test counts once, with all its subtests.
type Count struct {
	Passed, Failed int
	// Skipped names the tests and subtests that did not run, with the reason.
	Skipped []string
}

func main() {
	ok, err := run(os.Args[1:], os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "tally:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

func run(args []string, in io.Reader, out io.Writer) (bool, error) {
	flags := flag.NewFlagSet("tally", flag.ContinueOnError)
	save := flags.String("save", "", "`file` to keep the count in")
	if err := flags.Parse(args); err != nil {
		return false, err
	}
	var count Count
	var err error
	switch flags.Arg(0) {
	case "go":
		count, err = readGo(in, out)
	case "tap":
		count, err = readTAP(in, out)
	case "sum":
		count, err = sum(flags.Args()[1:])
	default:
		return false, fmt.Errorf("unknown input %q: go, tap or sum", flags.Arg(0))
	}
	if err == nil && count.Passed+count.Failed == 0 {
		err = errors.New("no test ran")
	}
	if *save != "" {
		data, jerr := json.Marshal(count)
		err = errors.Join(err, jerr, os.WriteFile(*save, data, 0o600))
	}
	for _, name := range count.Skipped {
		fmt.Fprintln(out, "skipped:", name)
	}
	fmt.Fprintf(out, "%d passed, %d failed\n", count.Passed, count.Failed)
	return count.Failed == 0, err
}

func sum(files []string) (Count, error) {
	var total Count
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			return total, err
		}
		var c Count
		if err := json.Unmarshal(data, &c); err != nil {
			return total, fmt.Errorf("%s: %w", name, err)
		}
		total.Passed += c.Passed
		total.Failed += c.Failed
		total.Skipped = append(total.Skipped, c.Skipped...)
	}
	return total, nil
}
