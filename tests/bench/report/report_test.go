package report

import (
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kata-go/kata-runtime/tests/bench/series"
)

// sample is a result with figures that are easily recognized.
func sample() *Result {
	r := &Result{Part: "commands", What: "all of them", Rounds: 3, Date: time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC), LeftOut: []LeftOut{{Crun, "not <installed>"}}}
	for _, v := range []float64{1.5, 1.2, 1.8} {
		r.Samples.Add(Kata, "run", v)
		r.Samples.Add(Runc, "run", v/50)
		r.Samples.Add("floor", "exit", 1)
		r.Samples.Add(Kata, "exec", 0.2)
	}
	run, floor := series.Key{Peer: Kata, Measure: "run"}, series.Key{Peer: "floor", Measure: "exit"}
	r.Targets = []Target{
		OfRatio(&r.Samples, "over the floor, easy", run, floor, 1.6, Times),
		OfRatio(&r.Samples, "over the floor, tuned", run, floor, 1.3, Times),
		OfMedian(&r.Samples, "`exec true`", series.Key{Peer: Kata, Measure: "exec"}, 0.12, MSUnit),
		OfMedian(&r.Samples, "`delete`", series.Key{Peer: Kata, Measure: "delete"}, 0.1, MSUnit),
		{What: "speed", Limit: 0.9, AtLeast: true, Value: 0.8, Measured: true, Show: Share},
		{What: "more speed", Limit: 0.9, AtLeast: true, Value: 0.9, Measured: true, Show: Share},
	}
	t := Table{Title: "Commands", Head: []string{"what", Kata, Runc, "ratio"}, Note: "A note."}
	t.Add("`run /bin/true`", Cell(&r.Samples, Kata, "run", MS), Cell(&r.Samples, Runc, "run", MS),
		Ratio(&r.Samples, run, series.Key{Peer: Runc, Measure: "run"}))
	r.Tables = []Table{t, {Title: "Empty", Head: []string{"nothing"}}}
	p := Plot{Title: "Wall <time>", Unit: "ms", Scale: 1000}
	p.Add(&r.Samples, "run", floor, run, series.Key{Peer: Runc, Measure: "run"})
	p.Add(&r.Samples, "exec", series.Key{Peer: Kata, Measure: "exec"})
	p.Add(&r.Samples, "none", series.Key{Peer: Kata, Measure: "none"})
	r.Plots = []Plot{p, {Name: "io", Title: "Nothing", Unit: "MiB/s", Scale: 1}}
	return r
}

func TestTextTellsTargets(t *testing.T) {
	var b strings.Builder
	if err := Text(&b, sample()); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, want := range [][]string{
		{"easy", "at most 1.60 times", "1.50 times", "yes"},
		{"tuned", "1.30 times", "1.50 times", "no"},
		{"exec true", "120 ms", "200 ms", "no"},
		{"delete", "100 ms", None, "not measured"},
		{"  speed", "at least 0.90 of it", "0.80 of it", "no"},
		{"more speed", "at least 0.90 of it", "0.90 of it", "yes"},
		{"run /bin/true", "1500 (1200–1800)", "30.0 (24.0–36.0)", "50.00"},
		{"A note."},
		{"Left out: crun: not <installed>."},
	} {
		if !hasLine(text, want) {
			t.Errorf("no line with %q in:\n%s", want, text)
		}
	}
	if strings.Contains(text, "Empty") {
		t.Error("a table without rows is shown")
	}
}

func hasLine(text string, parts []string) bool {
	for line := range strings.Lines(text) {
		all := true
		for _, part := range parts {
			all = all && strings.Contains(line, part)
		}
		if all {
			return true
		}
	}
	return false
}

func TestWriteReplacesItsPartOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "performance.md")
	begin, end := markers("commands")
	otherBegin, otherEnd := markers("io")
	others := otherBegin + "\n### Part `io`: files\n\n- Begun 2026-11-27 21:14 UTC, 9 rounds\n\n#### Targets\n\n| figure | target | measured | reached |\n" +
		"| --- | --- | --- | --- |\n| reads | at least 0.90 of it | 0.88 of it | no |\n\n#### Files\n\n| what | ms |\n| --- | --- |\n| no target | 1 |\n" + otherEnd + "\n"
	before := "before\n" + summaryBegin + "\nold targets\n" + summaryEnd + "\n"
	document := before + begin + "\nold figures\n" + end + "\n" + others + "after\n"
	if err := os.WriteFile(path, []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	var first string
	for range 2 {
		if err := Write(path, sample()); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text := string(data)
		if !strings.HasPrefix(text, "before\n"+summaryBegin+"\n") || !strings.HasSuffix(text, end+"\n"+others+"after\n") ||
			strings.Contains(text, "old figures") || strings.Contains(text, "old targets") || !strings.Contains(text, "| `run /bin/true` | 1500 (1200–1800) |") ||
			!strings.Contains(text, "(performance-io.svg)") ||
			!strings.Contains(text, "| over the floor, tuned | at most 1.30 times | 1.50 times | no | `commands`, 2026-11-28 |\n") ||
			!strings.Contains(text, "| reads | at least 0.90 of it | 0.88 of it | no | `io`, 2026-11-27 |\n") ||
			strings.Contains(text, "| no target | 1 | `") {
			t.Fatalf("document is:\n%s", text)
		}
		if first != "" && text != first {
			t.Error("writing twice makes another document")
		}
		first = text
	}
	for _, end := range []string{".svg", "-io.svg"} {
		if _, err := os.Stat(strings.TrimSuffix(path, ".md") + end); err != nil {
			t.Error(err)
		}
	}
}

func TestReplaceNeedsMarkers(t *testing.T) {
	begin, end := markers("io")
	otherBegin, otherEnd := markers("commands")
	for _, document := range []string{"", begin + "\n", end + "\n" + begin + "\n", otherBegin + "\n" + otherEnd + "\n"} {
		if _, err := replace(document, "io", "x"); err == nil || !strings.Contains(err.Error(), begin) {
			t.Errorf("replace in %q: %v", document, err)
		}
	}
}

func TestPlotIsXML(t *testing.T) {
	for i, p := range sample().Plots {
		svg, err := p.SVG()
		if err != nil {
			t.Fatal(err)
		}
		bars := 0
		for d := xml.NewDecoder(strings.NewReader(string(svg))); ; {
			token, err := d.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v in:\n%s", p.Title, err, svg)
			}
			if e, ok := token.(xml.StartElement); ok && e.Name.Local == "g" {
				bars++
			}
		}
		if strings.Contains(string(svg), "NaN") || strings.Contains(string(svg), "Inf") {
			t.Fatalf("%s: not a number in:\n%s", p.Title, svg)
		}
		if want := []int{4, 0}[i]; bars != want {
			t.Errorf("%s: %d bars, want %d", p.Title, bars, want)
		}
	}
}
