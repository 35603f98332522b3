package report

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The generated part of the document stands between these lines.
const (
	begin = "<!-- figures: made by make bench -->"
	end   = "<!-- end of figures -->"
)

// errNoMarkers is the answer about a document that has no place for figures.
var errNoMarkers = errors.New("needs the lines " + begin + " and " + end + ", in this order")

// Write replaces the generated part of the Markdown document at path, and
// writes the plot beside it: FILE.svg for FILE.md.
func Write(path string, r *Result) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	plot := strings.TrimSuffix(path, filepath.Ext(path)) + ".svg"
	text, err := replace(string(old), markdown(r, filepath.Base(plot)))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	svg, err := Plot(r)
	if err != nil {
		return err
	}
	if err := os.WriteFile(plot, svg, 0o644); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// replace puts text between the markers of a document.
func replace(document, text string) (string, error) {
	head, rest, found := strings.Cut(document, begin+"\n")
	_, tail, found2 := strings.Cut(rest, end)
	if !found || !found2 {
		return "", errNoMarkers
	}
	return head + begin + "\n\n" + text + "\n" + end + tail, nil
}

func markdown(r *Result, plot string) string {
	var b strings.Builder
	for _, line := range conditions(r) {
		fmt.Fprintf(&b, "- %s\n", line)
	}
	fmt.Fprintf(&b, "\n![Wall time of each command](%s)\n", plot)
	for _, t := range tables(r) {
		fmt.Fprintf(&b, "\n### %s\n\n", t.title)
		fmt.Fprintf(&b, "| %s |\n|%s\n", strings.Join(t.head, " | "), strings.Repeat(" --- |", len(t.head)))
		for _, row := range t.rows {
			fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
		}
		if t.note != "" {
			fmt.Fprintf(&b, "\n%s\n", t.note)
		}
	}
	return b.String()
}
