package picture

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/stats"
)

func at(t float64) stats.Time    { return stats.Time{At: t} }
func until(t float64) stats.Time { return stats.Time{At: t, Censored: true} }
func known(t float64) *stats.Time {
	s := at(t)
	return &s
}

// cell has the times and their median; those of which half or more are
// censored have none.
func cell(t testing.TB, times ...stats.Time) Cell {
	c := Cell{Times: times}
	values := make([]float64, len(times))
	censored := 0
	for i, v := range times {
		values[i] = v.At
		if v.Censored {
			censored++
		}
	}
	if 2*censored < len(times) {
		m, err := stats.NewQuantile(values, 0.5, 0.95)
		require.NoError(t, err)
		c.Median = &Estimate{m.Estimate, m.Interval}
	}
	return c
}

// sample is an input of the size of real ones: the values are made up after
// what was seen.
func sample(t testing.TB) Input {
	names := []string{"none", "30 s"}
	joins := &Joins{
		Title: "Join time by connect timeout, with and without the extra",
		Head:  "0 = worker and leader both exist.",
		Axis:  "seconds until the worker joined",
		Arms:  []string{"none", "member-pod"},
	}
	for s := 10; s >= 1; s-- {
		names = append(names, fmt.Sprintf("%d s", s))
	}
	joins.Names = names
	panel := JoinsPanel{Name: "dns cache-30, names reused"}
	for i := range names {
		var cells []Cell
		for arm := range 2 {
			var times []stats.Time
			for b := range 8 {
				switch {
				case (b+i+arm)%4 == 0:
					times = append(times, at(0.05+0.03*float64(b)))
				case i == 0:
					times = append(times, until(40.1+0.01*float64(b)))
				case i == 1:
					times = append(times, at(30.1+0.02*float64(b)))
				default:
					timeout := float64(12 - i)
					times = append(times, at(math.Ceil(25/timeout)*(timeout+0.15)-float64(b%3)*timeout*0.5))
				}
			}
			cells = append(cells, cell(t, times...))
		}
		panel.Cells = append(panel.Cells, cells)
	}
	joins.Panels = []JoinsPanel{panel}

	e := &ECDF{}
	for i, name := range []string{"cache-30, fresh", "uncached, fresh", "nodelocal-cache-30, fresh", "kube-dns, fresh"} {
		p := ECDFPanel{Name: name}
		for b := range 8 {
			s := 0.08 + 0.03*float64(b)
			p.Server = append(p.Server, at(s))
			switch {
			case i == 0 && b == 3:
				p.Client = append(p.Client, until(20))
			case i == 0:
				p.Client = append(p.Client, at(29.5+0.1*float64(b)))
			case i == 2:
				p.Client = append(p.Client, at(5+0.02*float64(b)))
			default:
				p.Client = append(p.Client, at(s+0.03))
			}
		}
		e.Panels = append(e.Panels, p)
	}

	w := &Waterfall{
		Trial:  "t003, cache-30/fresh/none/peers+server",
		Stages: []string{"created", "scheduled", "addressed", "process started", "ready", "in EndpointSlice", "on DNS servers", "client's answer current", "connected"},
	}
	for i := range 4 {
		d := 0.05 * float64(i)
		p := WaterfallPod{Name: fmt.Sprintf("index %d", i), At: []*stats.Time{known(0.02 + d/5), known(0.06 + d), known(0.9 + d), known(0.71 + d), known(1.2 + d), known(1.24 + d), known(1.31 + d), known(30.6 + d), known(30.61 + d)}}
		if i == 2 {
			u := until(41.2)
			p.At[7], p.At[8] = &u, nil
		}
		w.Pods = append(w.Pods, p)
	}

	half := func(k, n int) *stats.Proportion {
		p, err := stats.NewProportion(k, n, 0.95)
		require.NoError(t, err)
		return &p
	}
	shift := func(x float64) *float64 { return &x }
	between := func(lo, hi float64) *stats.Interval { return &stats.Interval{Lo: lo, Hi: hi, Level: 0.95} }
	f := &Effects{Margin: 0.25, Rows: []Effect{
		{Name: "member-pod against none", Primary: true, Blocks: 8, Shift: shift(0.6), Interval: between(-5.2, 6.1), Verdict: "inconclusive", Control: half(7, 8), With: half(7, 8)},
		{Name: "none once more (A/A)", Blocks: 8, Shift: shift(0.011), Interval: between(-0.11, 0.14), Verdict: "equivalent", Control: half(7, 8), With: half(8, 8)},
		{Name: "uncached against cache-30: no caching of the cluster domain", Blocks: 8, Shift: shift(-30.02), Interval: between(-30.2, -15.1), Verdict: "differs", Control: half(8, 8), With: half(0, 8)},
		{Name: "connect timeout 1 s against 30 s", Blocks: 7, Shift: shift(-4.1), Interval: between(math.Inf(-1), math.Inf(1)), Verdict: "inconclusive", Control: half(6, 7), With: half(6, 7)},
		{Name: "fresh names", Blocks: 8, Shift: shift(-22), Mean: true, Verdict: "differs", Control: half(7, 8), With: half(1, 8)},
		{Name: "a pause longer than the TTL", Blocks: 8, Shift: shift(-30), Interval: between(-31, -29.7), Verdict: "differs", Control: half(8, 8), With: half(0, 8)},
		{Name: "by address, without DNS", Verdict: "inconclusive"},
	}}

	in := &Injected{Tolerance: 0.1}
	for i, knob := range []string{"nothing (A/A)", "scheduling gate", "init container", "readiness gate", "batch period", "API watch held back", "denial TTL", "positive TTL", "packets dropped", "a replica stopped"} {
		for k := range 5 {
			d := []float64{0, 0.5, 1, 3, 10}[k] * min(1, float64(i))
			in.Points = append(in.Points, Injection{Knob: knob, Injected: d, Attributed: d + 0.012*float64((i*7+k*5)%9-4)})
		}
	}
	in.Points[17].Attributed += 0.2
	return Input{Joins: joins, ECDF: e, Waterfall: w, Effects: f, Injected: in}
}
