package report

import (
	"fmt"
	"strings"
)

// The lines between which the targets of all parts stand.
const (
	summaryBegin = "<!-- targets of all parts: made by make bench -->"
	summaryEnd   = "<!-- end of the targets of all parts -->"
	// begun stands before a part's date.
	begun = "Begun "
)

// summarize gathers the targets of all parts in a document in one table: each part
// may have been measured in a run of its own.
func summarize(document string) (string, error) {
	head, rest, found := strings.Cut(document, summaryBegin+"\n")
	_, tail, found2 := strings.Cut(rest, summaryEnd)
	if !found || !found2 {
		return "", fmt.Errorf("no place for the targets: needs the lines %s and %s, in this order", summaryBegin, summaryEnd)
	}
	var b strings.Builder
	b.WriteString("| figure | target | measured | reached | part, day |\n| --- | --- | --- | --- | --- |\n")
	var part, day string
	inside := false
	for line := range strings.Lines(tail) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "### Part `"):
			part, _, _ = strings.Cut(strings.TrimPrefix(line, "### Part `"), "`")
			day = ""
		case strings.HasPrefix(line, "- "+begun):
			day, _, _ = strings.Cut(strings.TrimPrefix(line, "- "+begun), " ")
		case strings.HasPrefix(line, "#"):
			inside = line == "#### "+targetsTitle
		case inside && strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| figure |") && !strings.HasPrefix(line, "| --- |"):
			fmt.Fprintf(&b, "%s `%s`, %s |\n", line, part, day)
		}
	}
	return head + summaryBegin + "\n\n" + b.String() + "\n" + summaryEnd + tail, nil
}
