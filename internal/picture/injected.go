package picture

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"headless-job-dns/internal/stats"
)

// Injected is what delays of known size were found to be.
type Injected struct {
	// Tolerance is by how much, in seconds, what is found may differ.
	Tolerance float64
	Points    []Injection
}

// Injection is one pair of one trial: what the injector's and the components'
// logs say was added to a stage, and what was attributed to it. Both are in
// seconds.
type Injection struct {
	Knob                 string // what was turned; the points of one are drawn in a row
	Injected, Attributed float64
}

// mostKnobs is how many rows have names that can be read.
const mostKnobs = 16

func (in *Injected) figure() (*figure, error) {
	if in == nil || len(in.Points) == 0 {
		return nil, nil
	}
	if err := checkTime("tolerance", in.Tolerance); err != nil {
		return nil, err
	}
	var knobs []string
	outside := 0
	for _, p := range in.Points {
		if err := checkTime(p.Knob+": injected", p.Injected); err != nil {
			return nil, err
		}
		if err := checkFinite(p.Knob+": attributed", p.Attributed); err != nil {
			return nil, err
		}
		if !slices.Contains(knobs, p.Knob) {
			knobs = append(knobs, p.Knob)
		}
		if math.Abs(p.Attributed-p.Injected) > in.Tolerance {
			outside++
		}
	}
	drawn := knobs[:min(len(knobs), mostKnobs)]
	f := &figure{
		width: width, height: max(height, 160+vg.Length(len(drawn))*22),
		title: "Injected delays, and what was attributed",
		head: "Seconds that logs say were added to a stage, and seconds that were attributed to it. " +
			fmt.Sprintf("n = %d pairs, %d of them outside the tolerance of %s ms.", len(in.Points), outside, number(in.Tolerance*1000)),
		key: []keyItem{{func(c *draw.Canvas, at vg.Point) {
			c.FillPolygon(light, corners(vg.Rectangle{Min: vg.Point{X: at.X - 8, Y: at.Y - 5}, Max: vg.Point{X: at.X + 8, Y: at.Y + 5}}))
			line(c, black, thin, nil, vg.Point{X: at.X - 8, Y: at.Y}, vg.Point{X: at.X + 8, Y: at.Y})
		}, "attributed = injected, within the tolerance"}},
	}
	if left := len(knobs) - len(drawn); left > 0 {
		f.foot = notDrawn(left, len(knobs), "kinds of delay")
	}
	f.draw = func(c draw.Canvas) {
		half := (c.Max.X - c.Min.X) * 0.45
		in.drawIdentity(draw.Crop(c, 0, half-(c.Max.X-c.Min.X), 0, 0), drawn)
		const name = 150
		in.drawErrors(draw.Crop(c, half+14+name, -4, 0, 0), drawn, name)
	}
	return f, nil
}

// drawIdentity draws attributed against injected.
func (in *Injected) drawIdentity(c draw.Canvas, knobs []string) {
	lo, hi := 0.0, 1.0
	for _, p := range in.Points {
		lo, hi = min(lo, p.Attributed), max(hi, p.Injected, p.Attributed)
	}
	sc := around(max(in.Tolerance, 0.05))
	lo, hi = min(lo*1.3, -in.Tolerance), hi*1.3
	p := newPlot(sc(lo), sc(hi), sc(lo), sc(hi))
	p.X.Label.Text = "injected, seconds, compressed away from 0"
	p.Y.Label.Text = "attributed, seconds"
	values := []float64{0, 1, 10, 100, 0.1, 30, 3, 0.3}
	p.X.Tick.Marker = ticks(values, sc, lo, hi, c.Max.X-c.Min.X-50, number)
	p.Y.Tick.Marker = ticks(values, sc, lo, hi, c.Max.Y-c.Min.Y-40, number)
	p.Add(plotter(func(c *draw.Canvas, x, y func(float64) vg.Length) {
		// The band is bent by the scale, so it is drawn in steps.
		const steps = 100
		var upper, lower, middle []vg.Point
		for i := 0; i <= steps; i++ {
			u := p.X.Min + (p.X.Max-p.X.Min)*float64(i)/steps
			v := math.Sinh(u) * max(in.Tolerance, 0.05)
			middle = append(middle, vg.Point{X: x(u), Y: y(u)})
			upper = append(upper, vg.Point{X: x(u), Y: y(sc(v + in.Tolerance))})
			lower = append(lower, vg.Point{X: x(u), Y: y(sc(v - in.Tolerance))})
		}
		slices.Reverse(lower)
		c.FillPolygon(light, c.ClipPolygonXY(slices.Concat(upper, lower)))
		line(c, black, thin, nil, middle...)
		for _, pt := range in.Points {
			if i := slices.Index(knobs, pt.Knob); i >= 0 {
				glyph(c, shapes[i%len(shapes)], radius, vg.Point{X: x(sc(pt.Injected)), Y: y(sc(pt.Attributed))})
			}
		}
	}))
	p.Draw(c)
}

// drawErrors draws by how much each was missed, a row a kind of delay.
func (in *Injected) drawErrors(c draw.Canvas, knobs []string, name vg.Length) {
	reach := 1.5 * in.Tolerance
	for _, p := range in.Points {
		reach = max(reach, 1.05*math.Abs(p.Attributed-p.Injected))
	}
	reach = max(reach, 1e-3) * 1000
	p := newPlot(-reach, reach, -0.6, float64(len(knobs))-0.4)
	p.HideY()
	p.X.Label.Text = "attributed - injected, ms"
	half, _ := even(reach)
	var values []float64
	for _, v := range half {
		values = append(values, v, -v)
	}
	p.X.Tick.Marker = ticks(values, linear, -reach, reach, c.Max.X-c.Min.X, number)
	s := style(small)
	p.Add(plotter(func(c *draw.Canvas, x, y func(float64) vg.Length) {
		tolerance := in.Tolerance * 1000
		c.FillPolygon(light, corners(vg.Rectangle{Min: vg.Point{X: x(-tolerance), Y: c.Min.Y}, Max: vg.Point{X: x(tolerance), Y: c.Max.Y}}))
		line(c, black, thin, nil, vg.Point{X: x(0), Y: c.Min.Y}, vg.Point{X: x(0), Y: c.Max.Y})
		for i, knob := range knobs {
			at := y(float64(len(knobs) - 1 - i))
			block(c, s, c.Min.X-name, at, wrap(s, knob, name-22, 2))
			glyph(c, shapes[i%len(shapes)], radius, vg.Point{X: c.Min.X - 10, Y: at})
			var errors []stats.Time
			for _, pt := range in.Points {
				if pt.Knob == knob {
					errors = append(errors, stats.Time{At: (pt.Attributed - pt.Injected) * 1000})
				}
			}
			// Points of a row that would hide each other stand above each other.
			for _, pt := range swarm(errors, x, radius, 0.3*(y(1)-y(0))) {
				glyph(c, shapes[i%len(shapes)], radius, vg.Point{X: pt.y, Y: at + pt.x})
			}
		}
	}))
	p.Draw(c)
}
