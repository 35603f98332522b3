package report

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// markers answers the lines between which the figures of a part stand.
func markers(part string) (begin, end string) {
	return "<!-- figures of " + part + ": made by make bench -->", "<!-- end of the figures of " + part + " -->"
}

// Write replaces the figures of the part in the Markdown document at path, gathers
// the targets of all parts, and writes the plots beside it: FILE.svg and
// FILE-NAME.svg for FILE.md. The figures of other parts stay.
func Write(path string, r *Result) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	base := strings.TrimSuffix(path, filepath.Ext(path))
	text, err := replace(string(old), r.Part, markdown(r, filepath.Base(base)))
	if err == nil {
		text, err = summarize(text)
	}
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

// replace puts text between the markers of a part.
func replace(document, part, text string) (string, error) {
	begin, end := markers(part)
	head, rest, found := strings.Cut(document, begin+"\n")
	_, tail, found2 := strings.Cut(rest, end)
	if !found || !found2 {
		return "", fmt.Errorf("no place for the figures of %s: needs the lines %s and %s, in this order", part, begin, end)
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
	fmt.Fprintf(&b, "### Part `%s`: %s\n\n", r.Part, r.What)
	for _, line := range conditions(r) {
		fmt.Fprintf(&b, "- %s\n", line)
	}
	for i := range r.Plots {
		fmt.Fprintf(&b, "\n![%s](%s)\n", r.Plots[i].Title, r.Plots[i].file(base))
	}
	for _, t := range tables(r) {
		fmt.Fprintf(&b, "\n#### %s\n\n", t.Title)
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
