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

// ECDF is the share of trials in which every name was resolvable by a time: as
// the clients were answered, and as the DNS servers had it (uncached view).
type ECDF struct {
	Head   string // what is the same in all plots
	Panels []ECDFPanel
}

// ECDFPanel is one regime. Times are seconds since asker and asked both exist;
// a view without times was not looked at.
type ECDFPanel struct {
	Name           string
	Client, Server []stats.Time
}

// leastECDF is where the logarithmic axis begins. Probes ask at intervals that
// are longer; what is earlier is drawn there.
const leastECDF = 0.01 // seconds

func (e *ECDF) figure() (*figure, error) {
	if e == nil {
		return nil, nil
	}
	var panels []regime
	least, most, top := 0, 0, 1.0
	anyCensored := false
	for _, p := range e.Panels {
		client, err := newCurve(p.Name+", client", p.Client)
		if err != nil {
			return nil, err
		}
		server, err := newCurve(p.Name+", server", p.Server)
		if err != nil {
			return nil, err
		}
		for _, times := range [][]stats.Time{p.Client, p.Server} {
			for _, t := range times {
				top = max(top, t.At)
			}
			if n := len(times); n > 0 && (least == 0 || n < least) {
				least = n
			}
			most = max(most, len(times))
		}
		if len(p.Client)+len(p.Server) > 0 {
			panels = append(panels, regime{p.Name, client, server})
			anyCensored = anyCensored || client.censored || server.censored
		}
	}
	if most == 0 {
		return nil, nil
	}
	left := max(0, len(panels)-mostPanels)
	panels = panels[:len(panels)-left]
	h, columns := panelled(len(panels), 200) // room for five labelled ticks
	f := &figure{
		width: width, height: h,
		title: "Time until the last name was resolvable",
		head:  sentence("0 = asker and asked both exist; a trial counts with its last pair.", strings.TrimSpace(e.Head+" "+counted(least, most, "a curve"))),
		key: []keyItem{
			{func(c *draw.Canvas, at vg.Point) {
				line(c, black, thick, nil, vg.Point{X: at.X - 9, Y: at.Y}, vg.Point{X: at.X + 9, Y: at.Y})
			}, "as clients were answered"},
		},
	}
	if slices.ContainsFunc(panels, func(r regime) bool { return len(r.server.steps) > 0 }) {
		f.key = append(f.key, keyItem{func(c *draw.Canvas, at vg.Point) {
			line(c, black, 1.1, dashed, vg.Point{X: at.X - 9, Y: at.Y}, vg.Point{X: at.X + 9, Y: at.Y})
		}, "on the DNS servers (uncached view)"})
	}
	if slices.ContainsFunc(panels, regime.early) {
		f.foot = "Earlier than 10 ms is drawn at 10 ms."
	}
	if anyCensored {
		f.key = append(f.key, glyphItem(censored(shapes[1]), "trials that ended before"))
		f.foot = sentence(f.foot, "A curve that ends below 1 was not seen to get there.")
	}
	if left > 0 {
		f.foot = sentence(f.foot, notDrawn(left, len(panels)+left, "plots"))
	}
	f.draw = func(c draw.Canvas) {
		var plots []*plot.Plot
		for i, p := range panels {
			plots = append(plots, p.plot(top, i%columns == 0, i+columns >= len(panels), (c.Max.X-c.Min.X)/vg.Length(columns)-gutter-40))
		}
		tiles(c, plots, columns)
	}
	return f, nil
}

// regime is what is drawn of an ECDFPanel.
type regime struct {
	name           string
	client, server curve
}

// early tells whether something is earlier than where the axis begins.
func (p regime) early() bool {
	return slices.ContainsFunc(slices.Concat(p.client.steps, p.server.steps), func(s stats.Step) bool { return s.At < leastECDF })
}

func (p regime) plot(top float64, first, last bool, room vg.Length) *plot.Plot {
	sc := logFrom(leastECDF)
	hi := math.Pow(10, math.Ceil(math.Log10(top)-1e-9))
	if top <= hi/2 { // half a decade suffices
		hi /= 2
	}
	out := newPlot(sc(leastECDF), sc(hi), 0, 1.04) // room for the line at 1
	out.Title.Text = fitted(out.Title.TextStyle, p.name, room+40)
	if first {
		out.Y.Label.Text = "share of trials"
	}
	if last {
		out.X.Label.Text = "time, logarithmic"
	}
	out.X.Tick.Marker = ticks(decades(leastECDF, hi), sc, leastECDF, hi, room, onlyTens)
	out.Y.Tick.Marker = ticks([]float64{0, 0.5, 1, 0.25, 0.75}, linear, 0, 1, 1e4, number)
	out.Add(gridlines(out, false), gridlines(out, true), plotter(func(c *draw.Canvas, x, y func(float64) vg.Length) {
		at := func(t float64) vg.Length { return x(sc(t)) }
		p.server.draw(c, at, y, 1.1, dashed)
		p.client.draw(c, at, y, thick, nil)
	}))
	return out
}

// onlyTens labels powers of ten.
func onlyTens(x float64) string {
	if e := math.Log10(x); math.Abs(e-math.Round(e)) > 1e-9 {
		return ""
	}
	return seconds(x)
}

// curve is one view of a regime, from Kaplan-Meier: without censored times
// the shares themselves.
type curve struct {
	steps    []stats.Step
	censored bool
}

// newCurve fails where a time is no number. Before both exist a name may be
// there already: what is negative is drawn where the axis begins.
func newCurve(what string, times []stats.Time) (curve, error) {
	var out curve
	late := slices.Clone(times)
	for i, t := range times {
		if err := checkFinite(fmt.Sprintf("%s: time %d", what, i+1), t.At); err != nil {
			return curve{}, err
		}
		late[i].At = max(t.At, 0)
		out.censored = out.censored || t.Censored
	}
	if len(times) == 0 {
		return out, nil
	}
	var err error
	// The level is of intervals that are not drawn.
	out.steps, err = stats.KaplanMeier(late, 0.95)
	return out, err
}

// draw draws the share that was there by a time; where trials ended before is
// marked on it.
func (k curve) draw(c *draw.Canvas, x, y func(float64) vg.Length, w vg.Length, dashes []vg.Length) {
	if len(k.steps) == 0 {
		return
	}
	pts := []vg.Point{{X: c.Min.X, Y: y(0)}}
	var ended []vg.Point
	for _, s := range k.steps {
		pts = append(pts, vg.Point{X: x(s.At), Y: pts[len(pts)-1].Y}, vg.Point{X: x(s.At), Y: y(1 - s.Survival)})
		if s.Censored > 0 {
			ended = append(ended, pts[len(pts)-1])
		}
	}
	if !k.censored {
		pts = append(pts, vg.Point{X: c.Max.X, Y: y(1)})
	}
	line(c, black, w, dashes, pts...)
	for _, at := range ended {
		glyph(c, censored(shapes[1]), radius, at)
	}
}
