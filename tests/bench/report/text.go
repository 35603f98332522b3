package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Text writes the report for a terminal.
func Text(w io.Writer, r *Result) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s: %s\n", r.Part, r.What)
	for _, line := range conditions(r) {
		fmt.Fprintln(&b, line)
	}
	for _, t := range tables(r) {
		fmt.Fprintf(&b, "\n%s\n", plain(t.Title))
		widths := make([]int, len(t.Head))
		for _, row := range append([][]string{t.Head}, t.Rows...) {
			for i, cell := range row {
				widths[i] = max(widths[i], utf8.RuneCountInString(plain(cell)))
			}
		}
		for _, row := range append([][]string{t.Head}, t.Rows...) {
			line := ""
			for i, cell := range row {
				cell = plain(cell)
				line += "  " + cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			}
			fmt.Fprintln(&b, strings.TrimRight(line, " "))
		}
		if t.Note != "" {
			fmt.Fprintln(&b, "  "+plain(t.Note))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// plain takes Markdown's marks off.
func plain(s string) string { return strings.ReplaceAll(s, "`", "") }
