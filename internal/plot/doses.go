package plot

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"headless-job-dns/internal/analysis"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/stats"
)

// Doses draws, for each DNS and extra object, the share of trials whose old record was
// withdrawn by when the Service was deleted: with the exact interval, above the number
// of trials, and beside it what a model predicts.
func Doses(trends []analysis.Trend, model map[time.Duration]float64) []byte {
	c := &canvas{}
	y := line
	title := "The old record was withdrawn, by when the Service was deleted"
	c.heading(y, title)
	y += line
	c.text(margin, y, start, width-2*margin, "share of trials, with its exact 95 % interval; seconds since pod 0's last log line")
	longest := 0.0
	for _, t := range trends {
		for _, d := range t.Doses {
			longest = max(longest, float64(d.Score)/1000)
		}
	}
	for at := range model {
		longest = max(longest, at.Seconds())
	}
	across := func(seconds float64) float64 {
		return panelLeft + 20 + seconds/max(longest, 1)*(panelRight-panelLeft-60)
	}
	for _, t := range trends {
		y += 1.5 * line
		y = c.heading(y, analysis.Label(t.DNS)+", extra: "+string(t.Extra)) + line
		top, bottom := y, y+panelHeight/2
		up := func(share float64) float64 { return bottom - share*(bottom-top) }
		for _, share := range []float64{0, 0.25, 0.5, 0.75, 1} {
			c.line(panelLeft, up(share), panelRight, up(share), faint)
			c.text(panelLeft-8, up(share)+4, end, panelLeft-8, fmt.Sprintf("%.0f %%", 100*share))
		}
		for s := 0.0; s <= longest; s++ {
			c.text(across(s), bottom+line, middle, 40, strconv.FormatFloat(s, 'g', -1, 64)+" s")
		}
		times := slices.Sorted(maps.Keys(model))
		if t.Extra != plan.ExtraMemberPod { // the model's doses are of that
			times = nil
		}
		for i, at := range times {
			x, h := across(at.Seconds()), up(model[at])
			if i > 0 {
				c.line(across(times[i-1].Seconds()), up(model[times[i-1]]), x, h, grey)
			}
			c.mark(diamond, x, h)
		}
		for _, d := range t.Doses {
			x := across(float64(d.Score) / 1000)
			if p, err := stats.NewProportion(d.K, d.N, analysis.Level); err == nil {
				c.line(x, up(p.Interval.Lo), x, up(p.Interval.Hi), ink)
			}
			c.mark(circle, x, up(float64(d.K)/float64(max(d.N, 1))))
		}
		y = bottom + 2.2*line
		y = c.legend(margin, y, []mark{circle, diamond}, []string{
			"here", "the model of a record writer that skips the empty set, simulated"}) + line
	}
	return c.svg(y, title)
}
