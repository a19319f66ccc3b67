package picture

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"headless-job-dns/internal/stats"
)

// Joins is how long workers took, by connect timeout: the plot of the original
// report.
type Joins struct {
	Title string
	Head  string   // what zero is; n is added
	Axis  string   // of the times, with the unit
	Foot  string   // how to read it; how marks are to be read is added
	Names []string // of the connect timeouts, in the order of the axis
	Arms  []string // what is compared, at most 6
	// Panels are drawn beside each other, with one scale.
	Panels []JoinsPanel
}

// JoinsPanel is one plot.
type JoinsPanel struct {
	Name  string
	Cells [][]Cell // by timeout, then arm
}

// Cell is one arm's times with one connect timeout.
type Cell struct {
	Times []stats.Time // seconds, by trial; none: not measured
	// Median is nil where it is not known. Sides of its interval without a
	// bound end in an arrow.
	Median *Estimate
}

// Estimate is a number with its interval, both in seconds.
type Estimate struct {
	At       float64
	Interval stats.Interval
}

// boundsFrom is how many values bound a median on both sides at 95 %.
const boundsFrom = 6

// median is nil also where it would only repeat the one point.
func (c Cell) median() *Estimate {
	if len(c.Times) < 2 {
		return nil
	}
	return c.Median
}

// bounded tells which sides of the median's interval are known.
func (c Cell) bounded() (lo, hi bool) {
	m := c.median()
	return m != nil && !math.IsInf(m.Interval.Lo, 0), m != nil && !math.IsInf(m.Interval.Hi, 0)
}

// present are the arms that the plot has: the others take no room in it.
func (p JoinsPanel) present() []int {
	var out []int
	for _, cells := range p.Cells {
		for k, cell := range cells {
			if len(cell.Times) > 0 && !slices.Contains(out, k) {
				out = append(out, k)
			}
		}
	}
	slices.Sort(out)
	return out
}

func (j *Joins) figure() (*figure, error) {
	if j == nil {
		return nil, nil
	}
	least, most, top, err := j.check()
	if err != nil || most == 0 {
		return nil, err
	}
	panels := j.Panels[:min(len(j.Panels), mostPanels)]
	anyCensored, anyMedian, anyOpen := false, false, false
	arms := 0
	for _, p := range panels {
		arms = max(arms, len(p.present()))
		for _, cell := range slices.Concat(p.Cells...) {
			anyCensored = anyCensored || slices.ContainsFunc(cell.Times, func(t stats.Time) bool { return t.Censored })
			anyMedian = anyMedian || cell.median() != nil
			lo, hi := cell.bounded()
			anyOpen = anyOpen || lo != hi
		}
	}
	// Columns narrower than this do not keep points and intervals apart.
	const column = 16
	h, columns := panelled(len(panels), 50+column*vg.Length(len(j.Names)*arms))
	f := &figure{width: width, height: h, title: j.Title, head: sentence(j.Head, counted(least, most, "a column")), foot: j.Foot}
	for i, arm := range j.Arms {
		f.key = append(f.key, glyphItem(shapes[i], arm))
	}
	if anyCensored {
		f.key = append(f.key, glyphItem(censored(shapes[0]), "not within this time"))
	}
	if anyMedian {
		f.key = append(f.key, keyItem{func(c *draw.Canvas, at vg.Point) {
			whiskers{lo: at.Y - 6, hi: at.Y + 6, across: at.X, cap: 2.5, vertical: true}.draw(c)
			line(c, black, thick, nil, vg.Point{X: at.X - 4, Y: at.Y}, vg.Point{X: at.X + 4, Y: at.Y})
		}, "median, 95 % interval"})
		if least < boundsFrom {
			f.foot = sentence(f.foot, fmt.Sprintf("Fewer than %d trials give no interval.", boundsFrom))
		}
	}
	if anyOpen {
		f.foot = sentence(f.foot, "An interval that ends in an arrow has no bound there: too many trials ended first.")
	}
	if left := len(j.Panels) - len(panels); left > 0 {
		f.foot = sentence(f.foot, notDrawn(left, len(j.Panels), "plots"))
	}
	f.draw = func(c draw.Canvas) {
		var plots []*plot.Plot
		for i, p := range panels {
			plots = append(plots, j.panel(p, top, i%columns == 0, i+columns >= len(panels), c, columns))
		}
		tiles(c, plots, columns)
	}
	return f, nil
}

// check returns the smallest and largest n of the cells that have any, and the
// highest time.
func (j *Joins) check() (least, most int, top float64, err error) {
	if len(j.Arms) > len(shapes) {
		return 0, 0, 0, fmt.Errorf("%d arms; accepted: at most %d", len(j.Arms), len(shapes))
	}
	for _, p := range j.Panels {
		if len(p.Cells) != len(j.Names) {
			return 0, 0, 0, fmt.Errorf("%s: %d columns for %d connect timeouts", p.Name, len(p.Cells), len(j.Names))
		}
		for i, cells := range p.Cells {
			if len(cells) != len(j.Arms) {
				return 0, 0, 0, fmt.Errorf("%s, %s: %d columns for %d arms", p.Name, j.Names[i], len(cells), len(j.Arms))
			}
			for k, cell := range cells {
				what := fmt.Sprintf("%s, %s, %s", p.Name, j.Names[i], j.Arms[k])
				if err := checkTimes(what, cell.Times); err != nil {
					return 0, 0, 0, err
				}
				if m := cell.Median; m != nil {
					if err := checkTime(what+": median", m.At); err != nil {
						return 0, 0, 0, err
					}
					if err := checkInterval(what+": interval", m.Interval); err != nil {
						return 0, 0, 0, err
					}
					if math.IsInf(m.Interval.Hi, 0) {
						top = max(top, m.At)
					} else {
						top = max(top, m.At, m.Interval.Hi)
					}
				}
				n := len(cell.Times)
				if n > 0 && (least == 0 || n < least) {
					least = n
				}
				most = max(most, n)
				for _, t := range cell.Times {
					top = max(top, t.At)
				}
			}
		}
	}
	return least, most, top, nil
}

// panel is one plot: a slot for each timeout, in it a column for each arm,
// points on its left and the median with its interval on its right.
func (j *Joins) panel(p JoinsPanel, top float64, first, last bool, c draw.Canvas, columns int) *plot.Plot {
	values, end := even(top * 1.02)
	out := newPlot(-0.5, float64(len(j.Names))-0.5, -end/50, end) // points at 0 stand clear of the axis
	out.Title.Text = fitted(out.Title.TextStyle, p.Name, (c.Max.X-c.Min.X)/vg.Length(columns)-gutter)
	if first {
		out.Y.Label.Text = j.Axis
	}
	if last {
		out.X.Label.Text = "connect timeout"
	}
	out.Y.Tick.Marker = ticks(values, linear, 0, end, 1e4, number)
	var names plot.ConstantTicks
	slot := ((c.Max.X-c.Min.X)/vg.Length(columns) - 50) / vg.Length(len(j.Names))
	for i, name := range j.Names {
		names = append(names, plot.Tick{Value: float64(i), Label: strings.Join(wrap(style(small), name, slot-2, 2), "\n")})
	}
	out.X.Tick.Marker = names
	out.Add(gridlines(out, false), plotter(func(c *draw.Canvas, x, y func(float64) vg.Length) {
		slot := x(1) - x(0)
		for i := 1; i < len(j.Names); i++ {
			line(c, faint, 0.5, nil, vg.Point{X: x(float64(i)) - slot/2, Y: c.Min.Y}, vg.Point{X: x(float64(i)) - slot/2, Y: c.Max.Y})
		}
		present := p.present()
		column := min(slot*0.94/vg.Length(max(1, len(present))), 70)
		for i, cells := range p.Cells {
			left := x(float64(i)) - column*vg.Length(len(present))/2
			for place, k := range present {
				drawCell(c, cells[k], shapes[k], left+vg.Length(place)*column, column, y)
			}
		}
	}))
	return out
}

// drawCell draws points into the left 60 % of a column, the median and its
// interval beside them.
func drawCell(c *draw.Canvas, cell Cell, s shape, left, room vg.Length, y func(float64) vg.Length) {
	r := min(radius, room/8)
	centre := left + room*0.34
	reach := room*0.30 - r
	for _, p := range swarm(cell.Times, y, r, reach) {
		g := s
		if p.censored {
			g = censored(s)
		}
		glyph(c, g, r, vg.Point{X: centre + p.x, Y: p.y})
	}
	m := cell.median()
	if m == nil {
		return
	}
	at := left + room*0.80
	half := min(room*0.16, 7)
	w := whiskers{lo: c.Min.Y, hi: c.Max.Y, openLo: true, openHi: true, across: at, cap: half * 0.6, vertical: true}
	lo, hi := cell.bounded()
	if lo {
		w.lo, w.openLo = y(m.Interval.Lo), false
	}
	if hi {
		w.hi, w.openHi = y(m.Interval.Hi), false
	}
	// With neither side known there is nothing to show but the median.
	if lo || hi {
		w.draw(c)
	}
	line(c, black, thick, nil, vg.Point{X: at - half, Y: y(m.At)}, vg.Point{X: at + half, Y: y(m.At)})
}

// point is where a time is drawn, x from the middle of its column.
type point struct {
	x, y     vg.Length
	censored bool
}

// swarm puts points beside each other where they would hide each other, as far
// as the room to either side of the middle reaches.
func swarm(times []stats.Time, y func(float64) vg.Length, r, reach vg.Length) []point {
	sorted := slices.Clone(times)
	slices.SortFunc(sorted, func(a, b stats.Time) int {
		switch {
		case a.At < b.At || a.At == b.At && !a.Censored && b.Censored:
			return -1
		case a == b:
			return 0
		}
		return 1
	})
	var out []point
	for _, t := range sorted {
		p := point{y: y(t.At), censored: t.Censored}
		best := vg.Length(math.Inf(-1))
		for step := 0; ; step++ {
			// 0, right, left, further right, ...
			x := vg.Length((step+1)/2) * r
			if step%2 == 0 {
				x = -x
			}
			if max(x, -x) > max(reach, 0) {
				break
			}
			near := vg.Length(math.Inf(1))
			for _, o := range out {
				near = min(near, vg.Length(math.Hypot(float64(o.x-x), float64(o.y-p.y))))
			}
			if near > best {
				best, p.x = near, x
			}
			if near >= 2*r {
				break
			}
		}
		out = append(out, p)
	}
	return out
}

// counted is a sentence about n, of columns or the like, which may be empty.
func counted(least, most int, of string) string {
	n := fmt.Sprintf("n = %d", most)
	if least != most {
		n = fmt.Sprintf("n = %d to %d", least, most)
	}
	return strings.TrimSpace(n+" "+of) + "."
}

func notDrawn(left, of int, what string) string {
	return fmt.Sprintf("Not drawn: %d of %d %s.", left, of, what)
}

// sentence adds one to a text.
func sentence(text, add string) string {
	if text == "" {
		return add
	}
	return text + " " + add
}
