package plot

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"

	"headless-job-dns/internal/analysis"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/stats"
)

// Of a panel of joins by connect timeout, in px.
const (
	panelLeft   = 60.0
	panelRight  = 790.0
	panelHeight = 260.0
)

// marks are those of a panel's series.
var marks = []mark{circle, diamond, square, cross, disc, upward}

// Published is joins that others measured: a panel below our own.
type Published struct {
	Title, Zero string // what they are, and what their times count from
	Joins       []analysis.Join
}

// Joins draws sweeps, one below the other: each worker's join by its connect
// timeout, with the staircase over them; below them what was published.
func Joins(sweeps []analysis.Sweep, published ...Published) []byte {
	c := &canvas{}
	y := line
	title := "Joined by connect timeout, names of the previous Job"
	c.heading(y, title)
	y += line
	c.text(margin, y, start, width-2*margin, "seconds from when worker and pod 0 are there, one mark a trial")
	for _, s := range sweeps {
		y += 1.5 * line
		c.heading(y, analysis.Label(s.DNS))
		y = newPanel(s.Joins, s.Old).draw(c, y+line)
		c.line(margin, y-4, margin+24, y-4, ink)
		c.text(margin+32, y, start, width-50, fmt.Sprintf(
			"staircase: steps of T + 0.15 s up to when the old address goes, %.1f s (median)", s.Old))
		y += line
	}
	for _, p := range published {
		y += 1.5 * line
		y = c.heading(y, p.Title) + line
		c.text(margin, y, start, width-2*margin, p.Zero)
		y = newPanel(p.Joins, 0).draw(c, y+line)
	}
	return c.svg(y, title)
}

// panel is joins by connect timeout, each series with a mark of its own.
type panel struct {
	joins    []analysis.Join
	timeouts []plan.Duration // ascending, none last
	series   []string        // arms that are called the same are one
	old      float64         // 0: no staircase
	top      float64         // of the axis, seconds
	tick     float64         // seconds
}

func newPanel(joins []analysis.Join, old float64) *panel {
	p := &panel{joins: joins, old: old}
	for _, j := range joins {
		if !slices.Contains(p.timeouts, j.Timeout) {
			p.timeouts = append(p.timeouts, j.Timeout)
		}
		if name := series(j.Arm); !slices.Contains(p.series, name) && len(p.series) < len(marks) {
			p.series = append(p.series, name)
		}
		// Without a connect timeout the kernel's holds, for minutes: that is
		// written rather than drawn.
		for _, t := range j.Times {
			if j.Timeout > 0 || len(joins) == 1 {
				p.top = max(p.top, t.At)
			}
		}
	}
	slices.SortFunc(p.timeouts, func(a, b plan.Duration) int {
		if a == 0 || b == 0 {
			return cmp.Compare(b, a)
		}
		return cmp.Compare(a, b)
	})
	p.top = 1.1 * max(p.top, old, 1)
	for _, p.tick = range []float64{1, 2, 5, 10, 20, 50, 100} {
		if p.top < 8*p.tick {
			break
		}
	}
	p.top = p.tick * math.Ceil(p.top/p.tick)
	return p
}

// slot is how wide a connect timeout's place is.
func (p *panel) slot() float64 { return (panelRight - panelLeft) / float64(max(1, len(p.timeouts))) }

// draw draws the panel below y and returns where the next line goes.
func (p *panel) draw(c *canvas, y float64) float64 {
	bottom := y + panelHeight
	at := func(seconds float64) float64 { return bottom - min(1, seconds/p.top)*panelHeight }
	for s := 0.0; s <= p.top; s += p.tick {
		c.line(panelLeft, at(s), panelRight, at(s), faint)
		c.text(panelLeft-8, at(s)+4, end, panelLeft-8, strconv.FormatFloat(s, 'g', -1, 64))
	}
	c.line(panelLeft, bottom, panelRight, bottom, ink)
	p.stairs(c, at)
	for i, timeout := range p.timeouts {
		left := panelLeft + float64(i)*p.slot()
		c.text(left+p.slot()/2, bottom+line, middle, p.slot(), plan.TimeoutName(timeout))
		var beyond stats.Time
		for _, j := range p.joins {
			k := slices.Index(p.series, series(j.Arm))
			if j.Timeout != timeout || k < 0 {
				continue
			}
			place := p.slot() / float64(len(p.series))
			for n, t := range j.Times {
				// Beside each other, as the trials are sorted.
				x := left + place*(float64(k)+0.2+0.6*(float64(n)+0.5)/float64(len(j.Times)))
				switch {
				case t.At > p.top, t.Censored && timeout == 0:
					if stats.CompareTimes(t, beyond) > 0 {
						beyond = t
					}
					c.mark(upward, x, y+1.5*line)
				case t.Censored:
					c.mark(upward, x, at(t.At))
				default:
					c.mark(marks[k], x, at(t.At))
				}
			}
		}
		if beyond.At > 0 {
			text := fmt.Sprintf("%.0f s", beyond.At)
			if beyond.Censored {
				text = ">" + text
			}
			c.text(left+p.slot()/2, y+line-2, middle, p.slot(), text)
		}
	}
	y = bottom + 2*line
	c.text(panelLeft, y, start, 200, "connect timeout")
	y += line
	y = c.legend(margin, y, marks[:len(p.series)], p.series) + line
	if slices.ContainsFunc(p.joins, func(j analysis.Join) bool {
		return slices.ContainsFunc(j.Times, func(t stats.Time) bool { return t.Censored || t.At > p.top })
	}) {
		c.legend(margin, y, []mark{upward}, []string{"later: the trial ended there, or the axis does"})
		y += line
	}
	return y
}

// series names an arm within a sweep.
func series(a plan.Arm) string {
	with := analysis.ScenarioOf(a).With
	switch {
	case a.Previous == plan.Ran:
		return with // it says which extra
	case with == "":
		return "extra: " + string(a.Extra)
	}
	return "extra: " + string(a.Extra) + ", " + with
}

// stairs draws the staircase: a step a connect timeout.
func (p *panel) stairs(c *canvas, at func(float64) float64) {
	last := -1.0
	for i, t := range p.timeouts {
		if p.old == 0 || t == 0 {
			continue
		}
		left := panelLeft + float64(i)*p.slot()
		y := at(analysis.Stair(p.old, float64(t)/1e9))
		c.line(left, y, left+p.slot(), y, ink)
		if last >= 0 {
			c.line(left, last, left, y, ink)
		}
		last = y
	}
}
