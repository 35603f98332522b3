// Package work is the program whose work is timed in containers and in bare
// guests: one static C program, so that all do the same.
package work

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

//go:embed src
var source embed.FS

// Compile builds the program in the folder dir, which it makes, and answers
// its path.
func Compile(ctx context.Context, dir string) (string, error) {
	if err := os.CopyFS(dir, source); err != nil {
		return "", err
	}
	files, err := filepath.Glob(filepath.Join(dir, "src", "*.c"))
	if err != nil {
		return "", err
	}
	out := filepath.Join(dir, "work")
	cmd := exec.CommandContext(ctx, "cc", append([]string{"-O2", "-static", "-s", "-Wall", "-Wextra", "-o", out}, files...)...)
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("compile the work: %w: %s", err, text)
	}
	return out, nil
}

// Measures of a folder, as the program names them.
const (
	Read   = "read"
	Again  = "again"
	Write  = "write"
	Create = "create"
	Remove = "remove"
)

// Measures in the order in which they are taken.
var Measures = []string{Read, Again, Write, Create, Remove}

// DataFile is what has to be in each folder: MiB of it.
const DataFile = "data"

// Result is how long a measure in a folder took.
type Result struct {
	Folder, Measure string
	Seconds         float64
}

// errFew is the answer about a program that ended early.
var errFew = errors.New("results are missing")

// Results reads what "work disk" printed about so many folders. Other lines
// are passed over: a guest's kernel writes to the console, too.
func Results(out string, folders int) ([]Result, error) {
	var list []Result
	for line := range strings.Lines(out) {
		words := strings.Fields(line)
		if len(words) != 4 || words[0] != "result" {
			continue
		}
		seconds, err := strconv.ParseFloat(words[3], 64)
		if err != nil || seconds <= 0 {
			return nil, fmt.Errorf("unexpected %q", strings.TrimSpace(line))
		}
		list = append(list, Result{words[1], words[2], seconds})
	}
	if len(list) != folders*len(Measures) {
		return nil, fmt.Errorf("%w: %s", errFew, tail(out))
	}
	return list, nil
}

func tail(text string) string {
	text = strings.TrimSpace(text)
	if len(text) > 600 {
		text = "…" + text[len(text)-600:]
	}
	return strings.ReplaceAll(text, "\n", "; ")
}
