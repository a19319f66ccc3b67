package plot

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"

	"headless-job-dns/internal/analysis"
)

// Of the picture of one dot a trial, in px.
const (
	dotsLeft  = 190.0
	dotsRight = 690.0
	// maxStack is how high a stack of equal dots may become.
	maxStack = 60.0
)

// Trials draws one dot a trial: its lag, by what was done and the DNS that was
// asked, on a logarithmic axis.
func Trials(s analysis.Summary) []byte {
	c := &canvas{}
	y := line
	title := "One dot a trial: how long its slowest pod waited for a peer that was there"
	c.heading(y, title)
	y += line
	c.text(margin, y, start, width-2*margin, "seconds, logarithmic, from when client and peer are there until connected")
	axis := newLogAxis(s)
	top := y + 6
	body := &canvas{}
	y = body.cells(s, axis, top)
	axis.draw(c, top, y, s.LateS)
	c.b.WriteString(body.b.String())
	y += line
	for _, t := range axis.ticks() {
		c.text(axis.x(t), y, middle, 60, strconv.FormatFloat(t, 'g', -1, 64))
	}
	y += 1.5 * line
	c.legend(margin, y, []mark{circle, disc, arrow}, []string{
		fmt.Sprintf("within %g s", s.LateS), "late", "late, and not yet connected when the trial ended"})
	return c.svg(y+line/2, title)
}

// cells draws the rows and returns where they end.
func (c *canvas) cells(s analysis.Summary, axis logAxis, y float64) float64 {
	scenario := ""
	for _, cell := range s.Cells {
		if cell.Scenario != scenario {
			scenario = cell.Scenario
			y = c.heading(y+line, scenario) + 4
		}
		dots := newDots(s, cell, axis)
		height := max(line, dots.height+2*radius+4)
		c.text(dotsLeft-15, y+height/2+4, end, dotsLeft-15-margin, analysis.Label(cell.DNS))
		c.text(dotsRight+15, y+height/2+4, start, width-dotsRight-15, fmt.Sprintf("%d/%d late", cell.Late, cell.Trials))
		for _, d := range dots.list {
			c.mark(d.mark, d.x, y+height/2+d.y)
		}
		y += height
	}
	return y
}

// dots are a cell's, their y from the row's middle.
type dots struct {
	list   []dot
	height float64 // of the largest stack
}

type dot struct {
	mark
	x, y float64
}

func newDots(s analysis.Summary, cell *analysis.Cell, axis logAxis) dots {
	var out dots
	for _, t := range s.Trials {
		if t.DNS != cell.DNS || t.Scenario != cell.Scenario || t.Lag == nil {
			continue
		}
		d := dot{x: axis.x(t.Lag.At)}
		switch {
		case t.Late && t.Lag.Censored:
			d.mark = arrow
		case t.Late:
			d.mark = disc
		}
		out.list = append(out.list, d)
	}
	slices.SortFunc(out.list, func(a, b dot) int { return cmp.Or(cmp.Compare(a.x, b.x), cmp.Compare(a.mark, b.mark)) })
	for from := 0; from < len(out.list); {
		to := from + 1
		for to < len(out.list) && out.list[to].x < out.list[from].x+2*radius {
			to++
		}
		n := float64(to - from)
		step := min(1.5*radius, maxStack/max(n-1, 1))
		for i := from; i < to; i++ {
			out.list[i].y = (float64(i-from) - (n-1)/2) * step
		}
		out.height = max(out.height, (n-1)*step)
		from = to
	}
	return out
}

// logAxis is of seconds, from the decade below the shortest lag to the one above
// the longest.
type logAxis struct{ from, to float64 } // exponents of ten

func newLogAxis(s analysis.Summary) logAxis {
	a := logAxis{-2, 2}
	for _, t := range s.Trials {
		if t.Lag != nil && t.Lag.At > 0 {
			a.to = max(a.to, math.Ceil(math.Log10(t.Lag.At)*2)/2)
		}
	}
	return a
}

func (a logAxis) x(seconds float64) float64 {
	at := a.from
	if seconds > 0 {
		at = max(at, math.Log10(seconds))
	}
	return dotsLeft + (at-a.from)/(a.to-a.from)*(dotsRight-dotsLeft)
}

// ticks are a one and a three in each decade.
func (a logAxis) ticks() []float64 {
	var out []float64
	for e := a.from; e <= a.to; e++ {
		for _, t := range []float64{1, 3} {
			// Through text: 3 * 0.1 is not 0.3.
			v, _ := strconv.ParseFloat(fmt.Sprintf("%ge%g", t, e), 64)
			if math.Log10(v) <= a.to+1e-9 {
				out = append(out, v)
			}
		}
	}
	return out
}

// draw draws the axis' lines, and that from which on a trial is late.
func (a logAxis) draw(c *canvas, top, bottom, late float64) {
	for _, t := range a.ticks() {
		c.line(a.x(t), top, a.x(t), bottom+4, faint)
	}
	c.line(a.x(late), top, a.x(late), bottom+4, ink)
	c.line(dotsLeft, bottom, dotsRight, bottom, ink)
}
