package picture

import (
	"image/color"
	"math"
	"sort"
	"strconv"
	"strings"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Sizes are in points of 1/72 inch. PNG has 96 dots per inch, so that 675 x 405
// are 900 x 540 pixels: what an issue shows without scaling.
const (
	width  vg.Length = 675
	height vg.Length = 405
	margin vg.Length = 9
	// At half the size 10 points are 7 pixels, about the least that is read.
	small  vg.Length = 10
	normal vg.Length = 10.5
	big    vg.Length = 13.5
	// radius is that of a point's glyph.
	radius vg.Length = 2.9
	thin   vg.Length = 0.75
	thick  vg.Length = 2.2
)

// There are no colours: greys that a copier keeps apart.
var (
	black = color.Gray{0}
	dark  = color.Gray{90}
	light = color.Gray{215}
	faint = color.Gray{235}
	white = color.Gray{255}
)

// dashed is the second kind of line.
var dashed = []vg.Length{4, 2.5}

// style is text of a size, by default to the left of a point and centred
// vertically.
func style(size vg.Length) text.Style {
	return text.Style{
		Color:   black,
		Font:    font.Font{Typeface: "Liberation", Variant: "Sans", Size: size},
		XAlign:  draw.XLeft,
		YAlign:  draw.YCenter,
		Handler: plot.DefaultTextHandler,
	}
}

func bold(size vg.Length) text.Style {
	s := style(size)
	s.Font.Weight = xfont.WeightBold
	return s
}

func aligned(s text.Style, x draw.XAlignment, y draw.YAlignment) text.Style {
	s.XAlign, s.YAlign = x, y
	return s
}

// wrap breaks a text at spaces and slashes so that no line is wider than most,
// and cuts the last of lines that there is no room for.
func wrap(s text.Style, txt string, most vg.Length, lines int) []string {
	var out []string
	line := ""
	for _, word := range words(txt) {
		if line != "" && s.Width(strings.TrimRight(line+word, " ")) > most {
			out = append(out, strings.TrimRight(line, " "))
			line = ""
		}
		line += word
		for s.Width(strings.TrimRight(line, " ")) > most { // one word
			head := longest(s, line, "", most)
			if head == "" {
				return out
			}
			out = append(out, head)
			line = line[len(head):]
		}
	}
	if line = strings.TrimRight(line, " "); line != "" {
		out = append(out, line)
	}
	if len(out) > lines {
		out = out[:lines]
		out[lines-1] = cut(s, out[lines-1], most)
	}
	return out
}

// fitted is a text on one line of a width, cut if need be.
func fitted(s text.Style, txt string, most vg.Length) string {
	txt = strings.Join(words(txt), "")
	if s.Width(txt) <= most {
		return txt
	}
	return cut(s, txt, most)
}

// cut takes away what leaves no room for the dots that say so.
func cut(s text.Style, txt string, most vg.Length) string {
	return longest(s, txt, "...", most) + "..."
}

// longest is as much of a text's beginning as fits with an end into a width.
func longest(s text.Style, txt, end string, most vg.Length) string {
	runes := []rune(txt)
	n := sort.Search(len(runes), func(i int) bool { return s.Width(string(runes[:i+1])+end) > most })
	return string(runes[:n])
}

// words splits a text after each space and slash. Control characters and runes
// that the fonts lack would be drawn as boxes or break the file: names come
// from a cluster.
func words(txt string) []string {
	txt = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(txt, "?"))
	var out []string
	from := 0
	for i, r := range txt {
		if r == ' ' || r == '/' {
			out = append(out, txt[from:i+1])
			from = i + 1
		}
	}
	return append(out, txt[from:])
}

// shape is a glyph: a polygon, or a circle where it has no corners, filled or
// open.
type shape struct {
	corners int
	turn    float64 // of the first corner, in radians from the right
	open    bool
}

// DrawGlyph implements draw.GlyphDrawer.
func (s shape) DrawGlyph(c *draw.Canvas, g draw.GlyphStyle, at vg.Point) {
	var p vg.Path
	if s.corners == 0 {
		p.Move(vg.Point{X: at.X + g.Radius, Y: at.Y})
		p.Arc(at, g.Radius, 0, 2*math.Pi)
	}
	for i := range s.corners {
		sin, cos := math.Sincos(s.turn + 2*math.Pi*float64(i)/float64(s.corners))
		// Corners reach further, so that all shapes look as large.
		r := g.Radius * 1.2
		corner := vg.Point{X: at.X + r*vg.Length(cos), Y: at.Y + r*vg.Length(sin)}
		if i == 0 {
			p.Move(corner)
		} else {
			p.Line(corner)
		}
	}
	p.Close()
	if !s.open {
		c.SetColor(g.Color)
		c.Fill(p)
		return
	}
	c.SetColor(white)
	c.Fill(p)
	c.SetLineStyle(draw.LineStyle{Color: g.Color, Width: 0.9})
	c.Stroke(p)
}

// Shapes of points, the easiest told apart first.
var shapes = []shape{
	{},
	{open: true},
	{corners: 4, turn: math.Pi / 4},
	{corners: 4, turn: 0, open: true},
	{corners: 4, turn: 0},
	{corners: 4, turn: math.Pi / 4, open: true},
}

// censored is the triangle of what had not happened, filled as the shape that
// it stands for.
func censored(s shape) shape { return shape{corners: 3, turn: math.Pi / 2, open: s.open} }

func glyph(c *draw.Canvas, s shape, r vg.Length, at vg.Point) {
	c.DrawGlyphNoClip(draw.GlyphStyle{Color: black, Radius: r, Shape: s}, at)
}

// line strokes from one point to another.
func line(c *draw.Canvas, col color.Color, w vg.Length, dashes []vg.Length, pts ...vg.Point) {
	c.StrokeLines(draw.LineStyle{Color: col, Width: w, Dashes: dashes}, pts)
}

// whiskers draws an interval along one axis with caps, horizontally or
// vertically. A side beyond the range, or without a bound, ends in an arrow.
type whiskers struct {
	lo, hi         vg.Length // ends, along the axis
	openLo, openHi bool
	across         vg.Length // place on the other axis
	cap            vg.Length // half a cap's length
	vertical       bool
}

func (w whiskers) draw(c *draw.Canvas) {
	at := func(along, across vg.Length) vg.Point {
		if w.vertical {
			return vg.Point{X: across, Y: along}
		}
		return vg.Point{X: along, Y: across}
	}
	line(c, black, 1, nil, at(w.lo, w.across), at(w.hi, w.across))
	for _, end := range []struct {
		at   vg.Length
		open bool
		in   vg.Length // towards the middle
	}{{w.lo, w.openLo, w.cap}, {w.hi, w.openHi, -w.cap}} {
		if end.open {
			line(c, black, 1, nil, at(end.at+end.in*1.3, w.across+w.cap), at(end.at, w.across), at(end.at+end.in*1.3, w.across-w.cap))
		} else {
			line(c, black, 1, nil, at(end.at, w.across-w.cap), at(end.at, w.across+w.cap))
		}
	}
}

// scale puts numbers on an axis. It is monotonous and finite.
type scale func(float64) float64

func linear(x float64) float64 { return x }

// logFrom is logarithmic from a smallest number on; smaller ones are put there.
func logFrom(least float64) scale {
	return func(x float64) float64 { return math.Log10(max(x, least)) }
}

// around is nearly linear between -size and size and logarithmic beyond.
func around(size float64) scale {
	return func(x float64) float64 { return math.Asinh(x / size) }
}

// ticks are marks at the values, those first in the list labelled as far as
// labels fit on an axis of a length between two numbers.
func ticks(values []float64, sc scale, lo, hi float64, length vg.Length, label func(float64) string) plot.ConstantTicks {
	const gap = 7 // points between labels
	type place struct{ at, half float64 }
	var out plot.ConstantTicks
	var taken []place
	s := style(small)
	perUnit := float64(length) / (sc(hi) - sc(lo))
	for _, v := range values {
		at := sc(v)
		if at < sc(lo) || at > sc(hi) {
			continue
		}
		t := plot.Tick{Value: at, Label: label(v)}
		here := place{at * perUnit, float64(s.Width(t.Label)) / 2}
		for _, other := range taken {
			if math.Abs(here.at-other.at) < here.half+other.half+gap {
				t.Label = ""
			}
		}
		if t.Label != "" {
			taken = append(taken, here)
		}
		out = append(out, t)
	}
	return out
}

// even are round numbers from 0 on that divide what is below hi into 4 to 8
// parts, and the next one, where an axis should end.
func even(hi float64) (values []float64, end float64) {
	if hi <= 0 {
		hi = 1
	}
	size := math.Pow(10, math.Floor(math.Log10(hi)))
	step := size
	for _, s := range []float64{2 * size, size, size / 2, size / 5} {
		if step = s; hi/step > 4 {
			break
		}
	}
	n := int(math.Ceil(hi/step - 1e-9))
	for i := 0; i <= n; i++ {
		values = append(values, float64(i)*step)
	}
	return values, float64(n) * step
}

// number writes a tick's value without zeros that say nothing.
func number(x float64) string { return strconv.FormatFloat(x, 'g', 4, 64) }

// seconds writes a time on a logarithmic axis.
func seconds(x float64) string {
	if x < 1 {
		return number(x*1000) + " ms"
	}
	return number(x) + " s"
}

// decades are the powers of ten from lo to hi, then what lies between them.
func decades(lo, hi float64) []float64 {
	var tens, rest []float64
	for e := math.Floor(math.Log10(lo) + 1e-9); math.Pow(10, e) <= hi*(1+1e-9); e++ {
		tens = append(tens, math.Pow(10, e))
		for m := 2.0; m < 10; m++ {
			rest = append(rest, m*math.Pow(10, e))
		}
	}
	return append(tens, rest...)
}

// newPlot is a plot in our style with fixed ranges, on scales that plotters
// apply themselves.
func newPlot(xLo, xHi, yLo, yHi float64) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil // the figure has one
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = xLo, xHi, yLo, yHi
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		x, y := a.Tick.Label.XAlign, a.Tick.Label.YAlign
		a.Tick.Label = aligned(style(small), x, y)
		a.Label.TextStyle = aligned(style(normal), draw.XCenter, draw.YBottom)
		a.Label.Padding = 3
		a.Tick.Length = 4
		a.Padding = 0
		a.Tick.Marker = plot.ConstantTicks{}
	}
	p.Title.TextStyle = aligned(bold(small), draw.XCenter, draw.YTop)
	p.Title.Padding = 5
	return p
}

// plotter draws into a plot's data area with its transforms.
type plotter func(c *draw.Canvas, x, y func(float64) vg.Length)

// Plot implements plot.Plotter.
func (f plotter) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	f(&c, x, y)
}

// gridlines are faint lines at an axis' labelled ticks.
func gridlines(p *plot.Plot, vertical bool) plotter {
	return func(c *draw.Canvas, x, y func(float64) vg.Length) {
		axis := p.Y
		if vertical {
			axis = p.X
		}
		for _, t := range axis.Tick.Marker.Ticks(axis.Min, axis.Max) {
			switch {
			case t.Label == "" || t.Value < axis.Min || t.Value > axis.Max:
			case vertical:
				line(c, light, 0.5, nil, vg.Point{X: x(t.Value), Y: c.Min.Y}, vg.Point{X: x(t.Value), Y: c.Max.Y})
			default:
				line(c, light, 0.5, nil, vg.Point{X: c.Min.X, Y: y(t.Value)}, vg.Point{X: c.Max.X, Y: y(t.Value)})
			}
		}
	}
}
