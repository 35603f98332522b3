package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"math"
	"text/template"

	"github.com/kata-go/kata-runtime/tests/bench/peer"
)

//go:embed plot.svg.tmpl
var plotText string

// "html" is text/template's own escape, which is right for SVG too.
var plotTemplate = template.Must(template.New("plot").Parse(plotText))

// Measures of the plot, in pixels.
const (
	plotWidth  = 860
	labelWidth = 200
	rightSpace = 90
	barHeight  = 14
	groupSpace = 12
	topSpace   = 40
)

var colours = map[string]string{Kata: "#2a78c8", Runc: "#7a7a7a", Crun: "#b0b0b0", Floor: "#d08a2e"}

type plot struct {
	Width, Height, Left, Right, Bottom int
	Ticks                              []tick
	Groups                             []group
	Legend                             []legend
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
	X            int
	Colour, Name string
}

// Plot draws the commands as bars of their medians, with the range from the
// least to the greatest, on a logarithmic scale: between runc and a VM lie
// factors, not shares.
func Plot(r *Result) ([]byte, error) {
	rows := plotRows(r)
	low, high := plotRange(r, rows)
	p := plot{Width: plotWidth, Left: labelWidth, Right: plotWidth - rightSpace}
	scale := func(seconds float64) float64 {
		at := (math.Log10(seconds) - low) / (high - low)
		return float64(p.Left) + at*float64(p.Right-p.Left)
	}
	y := topSpace
	for _, row := range rows {
		g := group{Label: row.label, Y: y + len(row.bars)*barHeight/2 + 4}
		for _, key := range row.bars {
			s, _ := r.Samples.Of(key.peer, key.measure)
			g.Bars = append(g.Bars, bar{
				Y: y, Height: barHeight - 3, X: float64(p.Left), Width: scale(s.Median) - float64(p.Left),
				Low: scale(s.Min), High: scale(s.Max), Colour: colours[key.peer],
				Title: fmt.Sprintf("%s: %s ms", key.peer, spread(s, ms)), Value: ms(s.Median) + " ms",
			})
			y += barHeight
		}
		y += groupSpace
		p.Groups = append(p.Groups, g)
	}
	p.Bottom, p.Height = y, y+30
	for power := low; power <= high; power++ {
		seconds := math.Pow(10, power)
		p.Ticks = append(p.Ticks, tick{X: scale(seconds), Text: fmt.Sprintf("%g ms", seconds*1000)})
	}
	for i, name := range append([]string{Floor}, r.Peers...) {
		p.Legend = append(p.Legend, legend{X: labelWidth + i*140, Colour: colours[name], Name: name})
	}
	var out bytes.Buffer
	err := plotTemplate.Execute(&out, p)
	return out.Bytes(), err
}

type plotKey struct{ peer, measure string }

type plotRow struct {
	label string
	bars  []plotKey
}

// plotRows answers what has samples.
func plotRows(r *Result) []plotRow {
	var rows []plotRow
	add := func(label string, keys ...plotKey) {
		row := plotRow{label: label}
		for _, k := range keys {
			if s, there := r.Samples.Of(k.peer, k.measure); there && s.Min > 0 {
				row.bars = append(row.bars, k)
			}
		}
		if len(row.bars) > 0 {
			rows = append(rows, row)
		}
	}
	for _, m := range peer.Measures {
		var keys []plotKey
		if m.Name == peer.Run {
			keys = append(keys, plotKey{Floor, FloorExit})
		}
		for _, p := range r.Peers {
			keys = append(keys, plotKey{p, m.Name})
		}
		add(m.What, keys...)
	}
	return rows
}

// plotRange answers the powers of ten (seconds) around all samples.
func plotRange(r *Result, rows []plotRow) (low, high float64) {
	low, high = -3, 0
	for _, row := range rows {
		for _, k := range row.bars {
			s, _ := r.Samples.Of(k.peer, k.measure)
			low = math.Min(low, math.Floor(math.Log10(s.Min)))
			high = math.Max(high, math.Ceil(math.Log10(s.Max)))
		}
	}
	return low, high
}
