package picture

import (
	"fmt"
	"math"
	"strconv"

	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"headless-job-dns/internal/stats"
)

// Effects are declared contrasts with their intervals and verdicts, the
// proportions of late trials beside them.
type Effects struct {
	// Margin is within what a difference does not matter, in seconds.
	Margin float64
	Rows   []Effect
}

// Effect is one contrast: with minus control.
type Effect struct {
	Name    string
	Primary bool
	Blocks  int
	// Shift is the estimate in seconds, nil where there is none. A Mean is a
	// difference of means restricted to a deadline, which has no interval.
	Shift    *float64
	Interval *stats.Interval
	Mean     bool
	Verdict  string
	// Control and With are the shares of an arm's trials that were late by
	// over 1 s; nil where they are not known.
	Control, With *stats.Proportion
}

// mostEffects is how many rows are drawn; a picture with more is no picture.
const mostEffects = 30

func (e *Effects) figure() (*figure, error) {
	if e == nil || len(e.Rows) == 0 {
		return nil, nil
	}
	if err := checkTime("margin", e.Margin); err != nil {
		return nil, err
	}
	reach := max(1, 2*e.Margin)
	least, most := 0, 0
	anyMean, anyPrimary := false, false
	for _, r := range e.Rows {
		if r.Shift != nil {
			if err := checkFinite(r.Name+": shift", *r.Shift); err != nil {
				return nil, err
			}
			reach = max(reach, math.Abs(*r.Shift))
			anyMean = anyMean || r.Mean
		}
		if i := r.Interval; i != nil {
			if err := checkInterval(r.Name+": interval", *i); err != nil {
				return nil, err
			}
			for _, side := range []float64{i.Lo, i.Hi} {
				if !math.IsInf(side, 0) {
					reach = max(reach, math.Abs(side))
				}
			}
		}
		for _, late := range []*stats.Proportion{r.Control, r.With} {
			if late == nil {
				continue
			}
			if err := checkInterval(r.Name+": share", late.Interval); err != nil {
				return nil, err
			}
			if !(late.Share >= 0 && late.Share <= 1) {
				return nil, fmt.Errorf("%s: share is %v", r.Name, late.Share)
			}
		}
		if r.Blocks > 0 && (least == 0 || r.Blocks < least) {
			least = r.Blocks
		}
		most = max(most, r.Blocks)
		anyPrimary = anyPrimary || r.Primary
	}
	rows := e.Rows[:min(len(e.Rows), mostEffects)]
	f := &figure{
		width: width, height: max(300, 165+vg.Length(len(rows))*27),
		title: "What changes the lag, and by how much",
		head:  "Differences of readiness lags (since asker and asked both exist), block by block: negative is faster. " + counted(least, most, ""),
		key: []keyItem{{func(c *draw.Canvas, at vg.Point) {
			whiskers{lo: at.X - 9, hi: at.X + 9, across: at.Y, cap: 3}.draw(c)
			glyph(c, shapes[2], radius*1.15, at)
		}, "shift, 95 % interval"}},
	}
	if anyMean {
		f.key = append(f.key, glyphItem(shapes[3], "difference of restricted means (some trials censored; no interval)"))
	}
	if e.Margin > 0 {
		f.key = append(f.key, keyItem{func(c *draw.Canvas, at vg.Point) {
			c.FillPolygon(light, corners(vg.Rectangle{Min: vg.Point{X: at.X - 8, Y: at.Y - 5}, Max: vg.Point{X: at.X + 8, Y: at.Y + 5}}))
		}, fmt.Sprintf("within %s s, which does not matter", number(e.Margin))})
	}
	f.key = append(f.key, glyphItem(shapes[1], "share late: control"), glyphItem(shapes[0], "share late: changed"))
	if anyPrimary {
		f.foot = "Bold: the primary contrast. Those that are neither primary nor A/A are corrected for being several."
	}
	if left := len(e.Rows) - len(rows); left > 0 {
		f.foot = sentence(f.foot, notDrawn(left, len(e.Rows), "contrasts"))
	}
	f.draw = func(c draw.Canvas) { e.draw(c, rows, reach) }
	return f, nil
}

func (e *Effects) draw(c draw.Canvas, rows []Effect, reach float64) {
	const name, numbers, late = 178, 132, 118 // widths of the columns but one
	sc := around(max(e.Margin, 0.1))
	compressed := reach >= 4*e.Margin // or there is nothing to compress
	if !compressed {
		sc = linear
	}
	forest := draw.Crop(c, name, -numbers-late-12, 0, 0)
	hi := reach * 1.15
	p := newPlot(sc(-hi), sc(hi), -0.6, float64(len(rows))-0.4)
	p.HideY()
	p.Title.Text = "shift and verdict"
	p.X.Label.Text = "seconds, compressed away from 0"
	values := []float64{0, 1, -1, 10, -10, 100, -100, e.Margin, -e.Margin, 30, -30, 3, -3, 0.1, -0.1}
	if !compressed {
		p.X.Label.Text = "seconds"
		half, _ := even(hi)
		values = values[:0]
		for _, v := range half {
			values = append(values, v, -v)
		}
	}
	p.X.Tick.Marker = ticks(values, sc, -hi, hi, forest.Max.X-forest.Min.X, signed)
	plain := style(small)
	p.Add(plotter(func(c *draw.Canvas, x, y func(float64) vg.Length) {
		if e.Margin > 0 {
			c.FillPolygon(light, corners(vg.Rectangle{Min: vg.Point{X: x(sc(-min(e.Margin, hi))), Y: c.Min.Y}, Max: vg.Point{X: x(sc(min(e.Margin, hi))), Y: c.Max.Y}}))
		}
		line(c, dark, thin, nil, vg.Point{X: x(0), Y: c.Min.Y}, vg.Point{X: x(0), Y: c.Max.Y})
		for i, r := range rows {
			at := y(float64(len(rows) - 1 - i))
			s := plain
			if r.Primary {
				s = bold(small)
			}
			block(c, s, c.Min.X-name, at, wrap(s, r.Name, name-8, 2))
			block(c, s, c.Max.X+8, at, r.numbers())
			if i > 0 {
				between := y(float64(len(rows)-i) - 0.5)
				line(c, light, 0.5, nil, vg.Point{X: c.Min.X - name, Y: between}, vg.Point{X: c.Max.X + numbers, Y: between})
			}
			r.drawShift(c, at, func(v float64) vg.Length { return x(sc(v)) })
		}
	}))
	p.Draw(forest)

	share := draw.Crop(c, c.Max.X-c.Min.X-late, -4, 0, 0)
	q := newPlot(0, 1, -0.6, float64(len(rows))-0.4)
	q.HideY()
	q.Title.Text = "late by over 1 s"
	q.X.Label.Text = "share of trials"
	q.X.Tick.Marker = ticks([]float64{0, 1, 0.5, 0.25, 0.75}, linear, 0, 1, late, number)
	q.Add(gridlines(q, true), plotter(func(c *draw.Canvas, x, y func(float64) vg.Length) {
		for i, r := range rows {
			at := y(float64(len(rows) - 1 - i))
			for k, one := range []*stats.Proportion{r.Control, r.With} {
				if one == nil {
					continue
				}
				across := at + 4.5 - vg.Length(k)*9
				whiskers{lo: x(max(one.Interval.Lo, 0)), hi: x(min(one.Interval.Hi, 1)), across: across, cap: 2}.draw(c)
				glyph(c, shapes[1-k], radius, vg.Point{X: x(one.Share), Y: across})
			}
		}
	}))
	q.Draw(share)
}

// drawShift draws the estimate and its interval on the axis.
func (r Effect) drawShift(c *draw.Canvas, at vg.Length, x func(float64) vg.Length) {
	if r.Interval != nil {
		w := whiskers{lo: c.Min.X, hi: c.Max.X, openLo: true, openHi: true, across: at, cap: 3.5}
		if !math.IsInf(r.Interval.Lo, 0) {
			w.lo, w.openLo = x(r.Interval.Lo), false
		}
		if !math.IsInf(r.Interval.Hi, 0) {
			w.hi, w.openHi = x(r.Interval.Hi), false
		}
		w.draw(c)
	}
	if r.Shift != nil {
		s := shapes[2]
		if r.Mean {
			s = shapes[3]
		}
		glyph(c, s, radius*1.2, vg.Point{X: x(*r.Shift), Y: at})
	}
}

// numbers are the verdict, and the estimate in figures.
func (r Effect) numbers() []string {
	out := []string{fmt.Sprintf("%s, n = %d", r.Verdict, r.Blocks)}
	switch {
	case r.Shift == nil:
		return append(out, "no estimate")
	case r.Interval == nil:
		return append(out, signed(*r.Shift)+" s")
	case math.IsInf(r.Interval.Lo, 0) && math.IsInf(r.Interval.Hi, 0):
		return append(out, signed(*r.Shift)+" s, no bounds")
	}
	return append(out, fmt.Sprintf("%s s [%s, %s]", signed(*r.Shift), signed(r.Interval.Lo), signed(r.Interval.Hi)))
}

// signed writes a difference with its sign, to about three figures.
func signed(x float64) string {
	switch {
	case math.IsInf(x, 1):
		return "∞"
	case math.IsInf(x, -1):
		return "-∞"
	case x == 0:
		return "0"
	case math.Abs(x) < 0.1:
		x = math.Round(x*1000) / 1000
	case math.Abs(x) < 10:
		x = math.Round(x*100) / 100
	default:
		x = math.Round(x*10) / 10
	}
	if x == 0 {
		return "0"
	}
	if s := strconv.FormatFloat(x, 'f', -1, 64); x > 0 {
		return "+" + s
	} else {
		return s
	}
}

// block draws lines of text around a height.
func block(c *draw.Canvas, s text.Style, left, at vg.Length, lines []string) {
	for i, l := range lines {
		c.FillText(s, vg.Point{X: left, Y: at + (vg.Length(len(lines)-1)/2-vg.Length(i))*small*1.15}, l)
	}
}
