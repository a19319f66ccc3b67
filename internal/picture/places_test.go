package picture

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/recorder"

	"headless-job-dns/internal/stats"
)

// slack, in points, is by how much a tick's label may stand beside its tick.
const slack = 1.5

// noted paints a figure on a canvas that takes notes, and returns the middles
// of texts (of the last of its kind), the paths that were stroked, and the
// centres of circles that were filled.
func noted(t *testing.T, f *figure, err error) (texts map[string]vg.Point, lines []vg.Path, circles []vg.Point) {
	require.NoError(t, err)
	var notes recorder.Canvas
	f.paint(draw.NewCanvas(&notes, f.width, f.height))
	texts = map[string]vg.Point{}
	for _, a := range notes.Actions {
		switch a := a.(type) {
		case *recorder.FillString:
			s := style(a.Size)
			// Digits stand on the line; their middle is above it.
			texts[a.String] = vg.Point{X: a.Point.X + s.Width(a.String)/2, Y: a.Point.Y + 0.36*a.Size}
		case *recorder.Stroke:
			lines = append(lines, a.Path)
		case *recorder.Fill:
			for _, comp := range a.Path {
				if comp.Type == vg.ArcComp {
					circles = append(circles, comp.Pos)
				}
			}
		}
	}
	return texts, lines, circles
}

// Points are where the axis says that they are, each of them, and nowhere else.
func TestPlacesOfJoins(t *testing.T) {
	values := []float64{0, 0.5, 7, 29.9, 30, 41}
	var times []stats.Time
	for _, v := range values {
		times = append(times, at(v))
	}
	in := &Joins{Names: []string{"none", "5 s"}, Arms: []string{"a"}, Panels: []JoinsPanel{{Cells: [][]Cell{{cell(t, times...)}, {cell(t, at(12))}}}}}
	f, err := in.figure()
	texts, _, circles := noted(t, f, err)
	zero, fifty := texts["0"], texts["50"]
	y := func(v float64) float64 { return float64(zero.Y) + v/50*float64(fifty.Y-zero.Y) }
	require.Len(t, circles, 1+len(values)+1, "the key's, then one for each time")
	for i, v := range append(values, 12) {
		c := circles[1+i]
		require.InDelta(t, y(v), float64(c.Y), slack, "%v s", v)
		name := "none"
		if v == 12 {
			name = "5 s"
		}
		other := map[string]string{"none": "5 s", "5 s": "none"}[name]
		require.Less(t, math.Abs(float64(c.X-texts[name].X)), math.Abs(float64(c.X-texts[other].X)), "%v s is above %s", v, name)
	}
}

func TestPlacesOfECDF(t *testing.T) {
	in := &ECDF{Panels: []ECDFPanel{{Name: "a", Client: []stats.Time{at(0.002), at(0.2), at(3), until(20)}}}}
	f, err := in.figure()
	texts, lines, _ := noted(t, f, err)
	x := func(v float64) float64 {
		lo, hi := texts["10 ms"].X, texts["10 s"].X
		return float64(lo) + (math.Log10(v)+2)/3*float64(hi-lo)
	}
	y := func(v float64) float64 {
		return float64(texts["0"].Y) + v*float64(texts["1"].Y-texts["0"].Y)
	}
	var curve vg.Path
	for _, l := range lines {
		if len(l) > len(curve) {
			curve = l
		}
	}
	var got [][2]float64
	for _, comp := range curve {
		got = append(got, [2]float64{float64(comp.Pos.X), float64(comp.Pos.Y)})
	}
	want := [][2]float64{{0.01, 0}, {0.01, 0}, {0.01, 0.25}, {0.2, 0.25}, {0.2, 0.5}, {3, 0.5}, {3, 0.75}, {20, 0.75}, {20, 0.75}}
	require.Len(t, got, len(want))
	for i, w := range want {
		require.InDelta(t, x(w[0]), got[i][0], slack, "vertex %d", i)
		require.InDelta(t, y(w[1]), got[i][1], slack, "vertex %d", i)
	}
}

// A bar ends at its stage's time, whatever the order in which stages were
// reached, and what took no time has none.
func TestPlacesOfWaterfall(t *testing.T) {
	w := &Waterfall{Stages: []string{"created", "ready", "current", "connected"}, Pods: []WaterfallPod{
		{Name: "index 0", At: []*stats.Time{known(2), known(6), known(4), known(4)}},
	}}
	r, err := newRow(w.Pods[0], w.Stages)
	require.NoError(t, err)
	require.Equal(t, []bar{{to: 2}, {from: 2, to: 4, stage: 2}, {from: 4, to: 4, stage: 3}, {from: 4, to: 6, stage: 1}}, r.bars)
	f, err := w.figure()
	texts, lines, _ := noted(t, f, err)
	x := func(v float64) float64 {
		return float64(texts["0"].X) + v/6*float64(texts["6"].X-texts["0"].X)
	}
	// Outlines have 5 corners; those of the key, above the row, come first.
	var ends []float64
	for _, l := range lines {
		if len(l) == 5 && math.Abs(float64(l[0].Pos.Y-texts["index 0"].Y)) < 12 {
			ends = append(ends, float64(l[1].Pos.X))
		}
	}
	require.Len(t, ends, 3)
	for i, want := range []float64{2, 4, 6} {
		require.InDelta(t, x(want), ends[i], slack)
	}
}

// The beginning gets a plot of its own only where one wait leaves no room.
func TestEarly(t *testing.T) {
	bars := func(ends ...float64) []row {
		r := row{}
		for _, e := range ends {
			r.bars = append(r.bars, bar{to: e})
		}
		return []row{r}
	}
	require.InDelta(t, 1.05*1.4, early(bars(0.1, 1.2, 1.4, 30), 30), 1e-12)
	require.Zero(t, early(bars(0.1, 1.2, 1.4, 1.5), 1.5))
	require.Zero(t, early(bars(30), 30))
	require.InDelta(t, 1.05*1.4, early(bars(0.001, 0.1, 1.4, 27, 31, 134), 134), 1e-12, "not the longest wait")
	require.Zero(t, early(bars(15, 25, 31), 31))
	require.Zero(t, early(bars(0, 0), 0))
}

func TestEven(t *testing.T) {
	for _, c := range []struct {
		hi, end float64
		n       int
	}{{0, 1, 6}, {0.3, 0.3, 7}, {1, 1, 6}, {41, 50, 6}, {30, 30, 7}, {134, 140, 8}, {9.99, 10, 6}, {1e-7, 1e-7, 6}} {
		values, end := even(c.hi)
		require.InDelta(t, c.end, end, c.end*1e-9, "%v", c.hi)
		require.GreaterOrEqual(t, end, c.hi*(1-1e-9))
		require.Len(t, values, c.n, "%v: %v", c.hi, values)
		require.InDelta(t, end, values[len(values)-1], end*1e-9)
	}
}

func TestWrap(t *testing.T) {
	s := style(small)
	w := s.Width("cache-30/")
	require.Equal(t, []string{"cache-30/", "reused"}, wrap(s, "cache-30/reused", w, 2))
	require.Equal(t, []string{"cache-3..."}, wrap(s, "cache-30/reused", w, 1))
	require.Equal(t, []string{"a b"}, wrap(s, "a b  ", w, 1))
	require.Empty(t, wrap(s, "", w, 3))
	for _, l := range wrap(s, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", w, 9) {
		require.LessOrEqual(t, s.Width(l), w)
	}
}

func TestSigned(t *testing.T) {
	for x, want := range map[float64]string{0: "0", 0.25: "+0.25", -30.04: "-30", -0.0001: "0", 0.0234: "+0.023", -0.698: "-0.7", 5.678: "+5.68", math.Inf(-1): "-∞", 1200: "+1200"} {
		require.Equal(t, want, signed(x))
	}
}
