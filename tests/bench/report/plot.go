package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"math"
	"slices"
	"text/template"

	"github.com/kata-go/kata-runtime/tests/bench/series"
)

//go:embed plot.svg.tmpl
var plotText string

// "html" is text/template's own escape, which is right for SVG too.
var plotTemplate = template.Must(template.New("plot").Parse(plotText))

// Plot is a chart of bars: medians, with the range from the least to the
// greatest, on a logarithmic scale: between runc and a VM lie factors, not
// shares.
type Plot struct {
	// Name ends the file's name; empty for the first plot.
	Name, Title string
	// Unit of what Show shows; Scale turns a sample into it.
	Unit  string
	Scale float64
	Rows  []PlotRow
}

// PlotRow is a group of bars.
type PlotRow struct {
	Label string
	Bars  []PlotBar
}

// PlotBar is a bar: whose, and the samples.
type PlotBar struct {
	Who   string
	Stats series.Stats
}

// Add appends a row with a bar for each of keys that was measured; who of a
// bar is the key's peer.
func (p *Plot) Add(s *series.Set, label string, keys ...series.Key) {
	row := PlotRow{Label: label}
	for _, k := range keys {
		if v, there := s.Of(k.Peer, k.Measure); there && v.Min > 0 {
			row.Bars = append(row.Bars, PlotBar{Who: k.Peer, Stats: v})
		}
	}
	if len(row.Bars) > 0 {
		p.Rows = append(p.Rows, row)
	}
}

// AddAs adds one bar, if it was measured, to the row of that label.
func (p *Plot) AddAs(s *series.Set, label, who string, k series.Key) {
	v, there := s.Of(k.Peer, k.Measure)
	if !there || v.Min <= 0 {
		return
	}
	i := slices.IndexFunc(p.Rows, func(r PlotRow) bool { return r.Label == label })
	if i < 0 {
		i = len(p.Rows)
		p.Rows = append(p.Rows, PlotRow{Label: label})
	}
	p.Rows[i].Bars = append(p.Rows[i].Bars, PlotBar{Who: who, Stats: v})
}

// Measures of a plot, in pixels.
const (
	plotWidth   = 900
	labelWidth  = 220
	rightSpace  = 100
	barHeight   = 14
	groupSpace  = 12
	legendLine  = 20
	legendWidth = 215
)

// colours in the order in which the bars' owners appear.
var colours = []string{"#d08a2e", "#2a78c8", "#17508c", "#7fb2e5", "#3f9c6c", "#7a7a7a", "#b0b0b0", "#a05fb4", "#c25450", "#8c8c3c"}

type drawing struct {
	Title                                   string
	Width, Height, Left, Right, Top, Bottom int
	Ticks                                   []tick
	Groups                                  []group
	Legend                                  []legend
}

type tick struct {
	X    float64
	Text string
}

type group struct {
	Y     int
	Label string
	Bars  []bar
}

type bar struct {
	Y, Height            int
	X, Width, Low, High  float64
	Colour, Title, Value string
}

type legend struct {
	X, Y         int
	Colour, Name string
}

// SVG draws the plot.
func (p *Plot) SVG() ([]byte, error) {
	owners := p.owners()
	perLine := (plotWidth - 20) / legendWidth
	d := drawing{Title: p.Title, Width: plotWidth, Left: labelWidth, Right: plotWidth - rightSpace}
	d.Top = 12 + legendLine*((len(owners)+perLine-1)/perLine)
	low, high := p.span()
	scale := func(v float64) float64 {
		at := (math.Log10(v*p.Scale) - low) / (high - low)
		return float64(d.Left) + at*float64(d.Right-d.Left)
	}
	y := d.Top + 8
	for _, row := range p.Rows {
		g := group{Label: row.Label, Y: y + len(row.Bars)*barHeight/2 + 4}
		for _, b := range row.Bars {
			g.Bars = append(g.Bars, p.bar(b, y, d.Left, scale, colours[slices.Index(owners, b.Who)%len(colours)]))
			y += barHeight
		}
		y += groupSpace
		d.Groups = append(d.Groups, g)
	}
	d.Bottom, d.Height = y, y+30
	for power := low; power <= high; power++ {
		v := math.Pow(10, power)
		d.Ticks = append(d.Ticks, tick{X: scale(v / p.Scale), Text: fmt.Sprintf("%g %s", v, p.Unit)})
	}
	for i, name := range owners {
		d.Legend = append(d.Legend, legend{X: 20 + i%perLine*legendWidth, Y: 10 + i/perLine*legendLine, Colour: colours[i%len(colours)], Name: name})
	}
	var out bytes.Buffer
	err := plotTemplate.Execute(&out, d)
	return out.Bytes(), err
}

func (p *Plot) bar(b PlotBar, y, left int, scale func(float64) float64, colour string) bar {
	show := func(v float64) string { return three(v * p.Scale) }
	return bar{
		Y: y, Height: barHeight - 3, X: float64(left), Width: scale(b.Stats.Median) - float64(left),
		Low: scale(b.Stats.Min), High: scale(b.Stats.Max), Colour: colour,
		Title: fmt.Sprintf("%s: %s %s", b.Who, spread(b.Stats, show), p.Unit), Value: show(b.Stats.Median) + " " + p.Unit,
	}
}

// owners lists whose bars there are, in the order in which they appear.
func (p *Plot) owners() []string {
	var list []string
	for _, row := range p.Rows {
		for _, b := range row.Bars {
			if !slices.Contains(list, b.Who) {
				list = append(list, b.Who)
			}
		}
	}
	return list
}

// span answers the powers of ten around all bars.
func (p *Plot) span() (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, row := range p.Rows {
		for _, b := range row.Bars {
			low = math.Min(low, math.Floor(math.Log10(b.Stats.Min*p.Scale)))
			high = math.Max(high, math.Ceil(math.Log10(b.Stats.Max*p.Scale)))
		}
	}
	if low >= high { // no bars, or all alike at a power of ten
		low, high = 0, 1
	}
	return low, high
}
