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
// writes the plots beside it: FILE.svg and FILE-NAME.svg for FILE.md.
func Write(path string, r *Result) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	base := strings.TrimSuffix(path, filepath.Ext(path))
	text, err := replace(string(old), markdown(r, filepath.Base(base)))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for i := range r.Plots {
		svg, err := r.Plots[i].SVG()
		if err != nil {
			return err
		}
		if err := os.WriteFile(r.Plots[i].file(base), svg, 0o644); err != nil {
			return err
		}
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

// file answers the name of a plot's file; base is the document's without its end.
func (p *Plot) file(base string) string {
	if p.Name == "" {
		return base + ".svg"
	}
	return base + "-" + p.Name + ".svg"
}

func markdown(r *Result, base string) string {
	var b strings.Builder
	for _, line := range conditions(r) {
		fmt.Fprintf(&b, "- %s\n", line)
	}
	for i := range r.Plots {
		fmt.Fprintf(&b, "\n![%s](%s)\n", r.Plots[i].Title, r.Plots[i].file(base))
	}
	for _, t := range tables(r) {
		fmt.Fprintf(&b, "\n### %s\n\n", t.Title)
		fmt.Fprintf(&b, "| %s |\n|%s\n", strings.Join(t.Head, " | "), strings.Repeat(" --- |", len(t.Head)))
		for _, row := range t.Rows {
			fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
		}
		if t.Note != "" {
			fmt.Fprintf(&b, "\n%s\n", t.Note)
		}
	}
	return b.String()
}
