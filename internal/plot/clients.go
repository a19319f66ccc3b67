package plot

import (
	"fmt"
	"strconv"
	"time"

	"headless-job-dns/internal/analysis"
	"headless-job-dns/internal/judge"
)

// Of the picture of one trial's clients, in px.
const (
	barsLeft  = 215.0
	barsRight = 770.0
	barHeight = 14.0
	// maxBars is how many clients and how many peers are drawn.
	maxBars = 16
)

// hatch is how what a client was told is filled.
var hatch = map[analysis.Told]string{
	analysis.Denied: "url(#denied)", analysis.Old: "url(#old)", analysis.Right: green, analysis.Silence: "url(#silence)",
}

// patterns are told apart without their colours: strokes, a lattice, dots.
const patterns = `<defs>
<pattern id="denied" width="6" height="6" patternUnits="userSpaceOnUse">` +
	`<rect width="6" height="6" fill="` + orange + `"/>` +
	`<path d="M-1,1 l2,-2 M0,6 l6,-6 M5,7 l2,-2" stroke="` + ink + `"/></pattern>
<pattern id="old" width="5" height="5" patternUnits="userSpaceOnUse"><rect width="5" height="5" fill="` + red + `"/>` +
	`<path d="M0,0 h5 M0,0 v5" stroke="#fff" stroke-width="1.5"/></pattern>
<pattern id="silence" width="5" height="5" patternUnits="userSpaceOnUse"><rect width="5" height="5" fill="#fff"/>` +
	`<circle cx="2" cy="2" r="1" fill="` + ink + `"/></pattern>
</defs>`

// Clients draws one trial's clients over time by what they were told of their
// slowest peer, above what the DNS servers knew.
func Clients(t *analysis.Timeline) []byte {
	c := &canvas{}
	c.add("%s", patterns)
	y := line
	title := "One trial: what each pod was told of the peer that it reached last"
	c.heading(y, title)
	y += line
	c.text(margin, y, start, width-2*margin, fmt.Sprintf("trial %s: %s, %s",
		t.Trial.ID, analysis.Label(t.Trial.Arm.DNS), analysis.ScenarioOf(t.Trial.Arm)))
	axis := timeAxis{max(t.End, time.Millisecond)}
	top := y + line/2
	body := &canvas{}
	y = body.clients(t, axis, top)
	y = body.known(t, axis, y)
	axis.draw(c, top, y)
	c.b.WriteString(body.b.String())
	y += line
	c.text(barsLeft-15, y, end, barsLeft-15-margin, "s since the Job")
	y += 1.5 * line
	x := margin
	for _, told := range []analysis.Told{analysis.Denied, analysis.Old, analysis.Silence, analysis.Right} {
		c.rect(x, y-barHeight+3, 24, barHeight, hatch[told], ink)
		c.text(x+30, y, start, 130, string(told))
		x += 44 + float64(len(told))*letter
	}
	c.legend(x, y, []mark{disc, arrow}, []string{"connected", "not by then"})
	return c.svg(y+line/2, title)
}

// clients draws a bar for each client and returns where they end.
func (c *canvas) clients(t *analysis.Timeline, axis timeAxis, y float64) float64 {
	for i, client := range t.Clients {
		y += line
		if i == maxBars {
			c.text(margin, y, start, width, fmt.Sprintf("%d pods more were quicker", len(t.Clients)-i))
			break
		}
		c.text(barsLeft-15, y, end, barsLeft-15-margin, fmt.Sprintf("pod %d asks for pod %d", client.Index, client.Peer))
		for _, s := range client.Spans {
			c.bar(axis, s.From, s.To, y, hatch[s.Told])
		}
		if client.Connected > 0 {
			c.bar(axis, client.Connected, t.End, y, hatch[analysis.Right])
			c.mark(disc, axis.x(client.Connected), y-radius)
		} else if n := len(client.Spans); n > 0 {
			c.mark(arrow, axis.x(client.Spans[n-1].To), y-radius)
		}
	}
	return y + line/2
}

// known draws from when on the DNS servers had the peers that clients asked for;
// where nobody asked them, from when on these were in an EndpointSlice.
func (c *canvas) known(t *analysis.Timeline, axis timeAxis, y float64) float64 {
	title := "What all DNS servers had, asked past their caches"
	of := func(m judge.PodMoments) judge.Measurement { return m.OnServer }
	var peers []judge.PodMoments
	seen := map[int]bool{}
	looked := false
	for _, client := range t.Clients {
		if p := client.Peer; !seen[p] && p < len(t.Peers) && len(peers) < maxBars {
			seen[p] = true
			peers = append(peers, t.Peers[p])
			looked = looked || of(t.Peers[p]).Known()
		}
	}
	if !looked {
		title = "What was in EndpointSlices (nobody asked the DNS servers past their caches)"
		of = func(m judge.PodMoments) judge.Measurement { return m.InSlice }
	}
	y += line
	c.heading(y, title)
	for _, p := range peers {
		y += line
		c.text(barsLeft-15, y, end, barsLeft-15-margin, fmt.Sprintf("pod %d", p.Index))
		if at := of(p); at.Known() && !at.Censored {
			c.bar(axis, at.Value, t.End, y, hatch[analysis.Right])
		}
	}
	return y + line/2
}

// bar fills a stretch of time of a row; what is short is still seen.
func (c *canvas) bar(axis timeAxis, from, to time.Duration, y float64, fill string) {
	x := axis.x(from)
	c.rect(x, y-barHeight+3, max(axis.x(to)-x, 2), barHeight, fill, "none")
}

// timeAxis is linear, from the request that created the Job to an end.
type timeAxis struct{ end time.Duration }

func (a timeAxis) x(at time.Duration) float64 {
	return barsLeft + (barsRight-barsLeft)*min(1, max(0, float64(at)/float64(a.end)))
}

// step is between two ticks, in seconds.
func (a timeAxis) step() float64 {
	for _, s := range []float64{0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500} {
		if a.end.Seconds()/s < 9 {
			return s
		}
	}
	return a.end.Seconds()
}

// draw draws the ticks and their numbers.
func (a timeAxis) draw(c *canvas, top, bottom float64) {
	c.line(barsLeft, bottom, barsRight, bottom, ink)
	for i := 0; ; i++ {
		s := float64(i) * a.step()
		if s > a.end.Seconds() {
			return
		}
		x := a.x(time.Duration(s * float64(time.Second)))
		c.line(x, top, x, bottom+4, faint)
		c.text(min(x, width-25), bottom+line, middle, 50, strconv.FormatFloat(s, 'g', 4, 64))
	}
}
