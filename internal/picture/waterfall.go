package picture

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"headless-job-dns/internal/stats"
)

// Waterfall is one trial, pod by pod: when each reached each stage.
type Waterfall struct {
	Trial string // e.g. its id and arm
	// Stages are named by the moment that ends each, in the order of a pod's
	// life; at most 9.
	Stages []string
	Pods   []WaterfallPod
}

// WaterfallPod is when one pod reached the stages, in seconds since just
// before the request that created the Job; nil where that is not known.
type WaterfallPod struct {
	Name string
	At   []*stats.Time
}

// mostPods is how many pods have room, with names that can be read.
const mostPods = 16

// fill is a way to fill a bar: a grey, and lines every so many points in two
// directions.
type fill struct {
	grey           uint8
	rising, raking bool // lines that rise to the right, to the left
	upright        bool
}

// fills of the stages. The last two are what is looked for, so that they are
// the darkest and the most striking.
var fills = []fill{
	{grey: 255},
	{grey: 205},
	{grey: 255, upright: true},
	{grey: 150},
	{grey: 255, raking: true},
	{grey: 225},
	{grey: 255, rising: true, raking: true},
	{grey: 0},
	{grey: 255, rising: true},
}

func (w *Waterfall) figure() (*figure, error) {
	if w == nil || len(w.Pods) == 0 {
		return nil, nil
	}
	if len(w.Stages) > len(fills) {
		return nil, fmt.Errorf("%d stages; accepted: at most %d", len(w.Stages), len(fills))
	}
	rows := make([]row, 0, len(w.Pods))
	used := make([]bool, len(w.Stages))
	anyCensored := false
	for _, p := range w.Pods {
		r, err := newRow(p, w.Stages)
		if err != nil {
			return nil, err
		}
		for _, b := range r.bars {
			used[b.stage] = true
			anyCensored = anyCensored || b.censored
		}
		rows = append(rows, r)
	}
	if !slices.Contains(used, true) {
		return nil, nil
	}
	head := w.Trial + ". 0 = just before the request that created the Job."
	if len(rows) > mostPods {
		head += fmt.Sprintf(" The slowest %d of %d pods.", mostPods, len(rows))
		rows = slowest(rows, mostPods)
	}
	f := &figure{
		width: width, height: max(height, 150+vg.Length(len(rows))*20),
		title: "One trial, stage by stage", head: head,
		foot: "A bar changes where a stage is reached, and is filled for the stage that it leads to. What a watch reports can be seen later than what follows from it.",
	}
	for i, name := range w.Stages {
		if used[i] {
			f.key = append(f.key, keyItem{func(c *draw.Canvas, at vg.Point) {
				fills[i].draw(c, vg.Rectangle{Min: vg.Point{X: at.X - 8, Y: at.Y - 5}, Max: vg.Point{X: at.X + 8, Y: at.Y + 5}})
			}, name})
		}
	}
	if anyCensored {
		f.key = append(f.key, glyphItem(censored(shapes[1]), "not reached when the trial ended"))
	}
	f.draw = func(c draw.Canvas) {
		top := 0.0
		for _, r := range rows {
			top = max(top, r.end())
		}
		// Room for the names on the left and for the times on the right.
		s := style(small)
		names := vg.Length(0)
		for _, r := range rows {
			names = max(names, s.Width(r.name))
		}
		c = draw.Crop(c, min(names, 90)+6, 0, 0, 0)
		if until := early(rows, top); until > 0 {
			whole := (c.Max.X - c.Min.X) / 2
			drawRows(draw.Crop(c, 0, -whole-6, 0, 0), rows, until, true, false, "the beginning")
			drawRows(draw.Crop(c, whole+6, 0, 0, 0), rows, top, false, true, "the whole")
			return
		}
		drawRows(c, rows, top, true, true, "")
	}
	return f, nil
}

// slowest are the n rows that end last, in the order of rows.
func slowest(rows []row, n int) []row {
	order := make([]int, len(rows))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(rows[b].end(), rows[a].end()) })
	var out []row
	for _, i := range slices.Sorted(slices.Values(order[:n])) {
		out = append(out, rows[i])
	}
	return out
}

// early is until when a plot of its own shows the beginning, where most of the
// time is one long wait that leaves no room for it; 0 where it is not needed.
func early(rows []row, top float64) float64 {
	var ends []float64
	for _, r := range rows {
		for _, b := range r.bars {
			ends = append(ends, b.to)
		}
	}
	slices.Sort(ends)
	// Waits are compared on a scale that is logarithmic beyond the second that
	// a pod's start takes: the first wait that leaves no room is looked for,
	// which need not be the longest.
	before, after, gap := 0.0, 0.0, 0.0
	sc := around(1)
	for i := 1; i < len(ends); i++ {
		if g := sc(ends[i]) - sc(ends[i-1]); g > gap {
			before, after, gap = ends[i-1], ends[i], g
		}
	}
	// Half the width for the beginning pays where it has little of the whole,
	// and the wait is longer than a pod's start.
	const little, long = 0.4, 3
	if before == 0 || before > little*top || after-before < long {
		return 0
	}
	return before * 1.05
}

// row is one pod's bars in the order of time.
type row struct {
	name string
	bars []bar
}

type bar struct {
	from, to float64
	stage    int
	censored bool
}

func (r row) end() float64 {
	if len(r.bars) == 0 {
		return 0
	}
	return r.bars[len(r.bars)-1].to
}

func newRow(p WaterfallPod, stages []string) (row, error) {
	if len(p.At) != len(stages) {
		return row{}, fmt.Errorf("%s: %d times for %d stages", p.Name, len(p.At), len(stages))
	}
	out := row{name: fitted(style(small), p.Name, 90)}
	for i, t := range p.At {
		if t == nil {
			continue
		}
		if err := checkFinite(p.Name+": "+stages[i], t.At); err != nil {
			return row{}, err
		}
		// Clocks of pods are tied to the runner's with an uncertainty.
		out.bars = append(out.bars, bar{to: max(t.At, 0), stage: i, censored: t.Censored})
	}
	slices.SortStableFunc(out.bars, func(a, b bar) int { return cmp.Compare(a.to, b.to) })
	for i := range out.bars {
		if i > 0 {
			out.bars[i].from = out.bars[i-1].to
		}
	}
	return out, nil
}

// drawRows draws the bars up to a time; what is later is cut.
func drawRows(c draw.Canvas, rows []row, until float64, named, whole bool, title string) {
	s := style(small)
	values, _ := even(until * 1.25)
	hi := until
	if whole {
		hi *= 1.17 // room for the times at the ends
	}
	p := newPlot(0, hi, -0.6, float64(len(rows))-0.4)
	p.HideY()
	p.Title.Text = title
	p.X.Label.Text = "seconds"
	p.X.Tick.Marker = ticks(values, linear, 0, hi, c.Max.X-c.Min.X, number)
	p.Add(gridlines(p, true), plotter(func(c *draw.Canvas, x, y func(float64) vg.Length) {
		thickness := min(0.62*(y(1)-y(0)), 22)
		for i, r := range rows {
			at := y(float64(len(rows) - 1 - i))
			if named {
				right := aligned(s, draw.XRight, draw.YCenter)
				c.FillText(right, vg.Point{X: c.Min.X - 5, Y: at}, r.name)
			}
			for _, b := range r.bars {
				if b.from >= hi || b.to <= b.from {
					continue
				}
				to := min(b.to, hi)
				fills[b.stage].draw(c, vg.Rectangle{Min: vg.Point{X: x(b.from), Y: at - thickness/2}, Max: vg.Point{X: x(to), Y: at + thickness/2}})
			}
			if !whole || len(r.bars) == 0 {
				continue
			}
			last := r.bars[len(r.bars)-1]
			txt := strconv.FormatFloat(r.end(), 'f', 2, 64)
			edge := x(r.end())
			if last.censored {
				txt = ">" + txt
				glyph(c, censored(shapes[1]), radius, vg.Point{X: edge, Y: at})
				edge += radius
			}
			c.FillText(s, vg.Point{X: edge + 4, Y: at}, txt)
		}
	}))
	p.Draw(c)
}

func corners(r vg.Rectangle) []vg.Point {
	return []vg.Point{r.Min, {X: r.Max.X, Y: r.Min.Y}, r.Max, {X: r.Min.X, Y: r.Max.Y}}
}
