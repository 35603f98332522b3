package report

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kata-go/kata-runtime/tests/bench/peer"
)

// sample is a result with figures that are easily recognized.
func sample() *Result {
	r := &Result{Rounds: 3, Peers: []string{Kata, Runc}, LeftOut: []LeftOut{{Crun, "not <installed>"}}}
	for _, v := range []float64{1.5, 1.2, 1.8} {
		r.Samples.Add(Kata, peer.Run, v)
		r.Samples.Add(Runc, peer.Run, v/50)
		r.Samples.Add(Floor, FloorExit, 1)
		r.Samples.Add(Kata, peer.Exec, 0.2)
	}
	return r
}

func TestTextTellsTargets(t *testing.T) {
	var b strings.Builder
	if err := Text(&b, sample()); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	for _, want := range [][]string{
		{"for the first release", "1.60 times", "1.50 times", "yes"},
		{"tuned", "1.30 times", "1.50 times", "no"},
		{"exec true", "120 ms", "200 ms", "no"},
		{"delete --force", "100 ms", none, "not measured"},
		{"run /bin/true", "1500 (1200–1800)", "30.0 (24.0–36.0)", "50.00"},
		{"Left out: crun: not <installed>."},
	} {
		if !hasLine(text, want) {
			t.Errorf("no line with %q in:\n%s", want, text)
		}
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
	document := "before\n" + begin + "\nold figures\n" + end + "\nafter\n"
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
		if !strings.HasPrefix(text, "before\n"+begin+"\n") || !strings.HasSuffix(text, end+"\nafter\n") ||
			strings.Contains(text, "old figures") || !strings.Contains(text, "| `run /bin/true` | 1500 (1200–1800) |") {
			t.Fatalf("document is:\n%s", text)
		}
		if first != "" && text != first {
			t.Error("writing twice makes another document")
		}
		first = text
	}
	if _, err := os.Stat(strings.TrimSuffix(path, "md") + "svg"); err != nil {
		t.Error(err)
	}
}

func TestReplaceNeedsMarkers(t *testing.T) {
	for _, document := range []string{"", begin + "\n", end + "\n" + begin + "\n"} {
		if _, err := replace(document, "x"); !errors.Is(err, errNoMarkers) {
			t.Errorf("replace in %q: %v", document, err)
		}
	}
}

func TestPlotIsXML(t *testing.T) {
	for name, r := range map[string]*Result{"full": sample(), "empty": {}} {
		svg, err := Plot(r)
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
				t.Fatalf("%s: %v in:\n%s", name, err, svg)
			}
			if e, ok := token.(xml.StartElement); ok && e.Name.Local == "g" {
				bars++
			}
			if strings.Contains(string(svg), "NaN") || strings.Contains(string(svg), "Inf") {
				t.Fatalf("%s: not a number in:\n%s", name, svg)
			}
		}
		if want := map[string]int{"full": 4, "empty": 0}[name]; bars != want {
			t.Errorf("%s: %d bars, want %d", name, bars, want)
		}
	}
}
