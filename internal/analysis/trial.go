package analysis

import (
	"strings"
	"time"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/results"
	"headless-job-dns/internal/stats"
)

// Trial is what is kept of one judged trial.
type Trial struct {
	ID         string
	Seq, Block int
	Arm        plan.Arm
	Invalid    string // why it does not count; empty: it does
	Notes      []string

	// Of the slowest pair each: connected, resolved, on the last DNS server.
	Connected, Resolved, OnServer Lag
	Joined                        []Joined // solo: by worker
	Pairs                         []stats.Time
	// PodStart is when the last pair was there, in seconds since the request
	// that created the Job: what came before the lag.
	PodStart float64
	// Cause is what held the slowest pair of a late trial for longest.
	Cause  Cause
	Counts judge.Counts
	// Previous is how a previous Job that ran left its names; nil: none ran.
	Previous *judge.Previous
	facts    facts
}

// Lag is one lag as a number.
type Lag struct {
	stats.Time         // seconds
	Watched    float64 // until when it would have been seen, seconds
	Width      float64 // of the interval within which it is known, seconds
	Lost       string  // why it is not known; empty: it is
}

// Joined is when one worker had joined.
type Joined struct {
	Timeout plan.Duration // its connect timeout; 0: none
	// Old is for how long after its start an old address was still answered, in
	// seconds; 0: it was given none, or that is not known.
	Old float64
	Lag
}

// Late tells whether the trial counts as late, and whether that is known.
func (t Trial) Late() (late, known bool) {
	if t.Invalid != "" || t.Connected.Lost != "" {
		return false, false
	}
	return t.Connected.Later(Late.Seconds())
}

// NewTrial reduces a verdict. It needs its pairs.
func NewTrial(v *judge.Verdict) Trial {
	t := Trial{
		ID: v.Trial.ID, Seq: v.Trial.Seq, Block: v.Trial.Block, Arm: v.Trial.Arm,
		Notes: v.Notes, Counts: v.Counts, Previous: v.Previous,
	}
	if v.Status == results.Invalid {
		t.Invalid = "invalid: " + strings.Join(v.Reasons, "; ")
	}
	deadline := time.Duration(v.Trial.Deadline)
	all, looked := deadline, deadline
	of := map[int]time.Duration{} // by client: until when its lag was watched
	var slowest *judge.Pair
	for i := range v.Pairs {
		p := &v.Pairs[i]
		until := deadline - p.Zero
		all = min(all, until)
		if len(p.Servers) > 0 {
			looked = min(looked, until)
		}
		of[p.Client] = until
		if lag := number(p.Connected.Lag, until); lag.Lost == "" {
			t.Pairs = append(t.Pairs, lag.Time)
			t.PodStart = max(t.PodStart, (p.Connected.Since.Value - p.Connected.Lag.Value).Seconds())
			if slowest == nil || after(p.Connected.Lag, slowest.Connected.Lag) {
				slowest = p
			}
		}
	}
	t.Connected = number(v.Connected.Lag, all)
	t.Resolved = number(v.Resolved.Lag, all)
	t.OnServer = number(v.OnServer.Lag, looked)
	oldUntil := answeredOld(v)
	for _, w := range v.Workers {
		until, ok := of[w.Index]
		if !ok {
			until = deadline
		}
		j := Joined{Timeout: plan.Duration(w.Timeout), Lag: number(w.Joined.Lag, until)}
		if m := v.Moments[w.Index].Started; w.Counts.StaleAnswers() > 0 && m.Known() {
			j.Old = max(0, oldUntil-m.Value).Seconds()
		}
		t.Joined = append(t.Joined, j)
	}
	if late, known := t.Late(); late && known && slowest != nil {
		gone := 0.0
		if v.Gap != nil {
			gone = v.Gap.Seconds()
		}
		t.Cause = cause(*slowest, gone)
	}
	t.facts = newFacts(v)
	return t
}

// after tells whether a lag ended after another. What never happened was later
// than all that did.
func after(a, b judge.Measurement) bool {
	if a.Censored != b.Censored {
		return a.Censored
	}
	return a.Value > b.Value
}

// number makes a lag of a measurement that was watched until a time. What
// another clock's uncertainty put below zero is zero.
func number(m judge.Measurement, until time.Duration) Lag {
	switch {
	case !m.Known():
		return Lag{Lost: m.Lost}
	case m.Censored:
		until = min(until, m.Value) // by then the last question was over
		if until <= 0 {
			return Lag{Lost: "the client had stopped asking before both were there"}
		}
	default:
		until = max(until, m.Value) // what was seen was watched
	}
	l := Lag{
		Time:    stats.Time{At: max(0, m.Value.Seconds()), Censored: m.Censored},
		Watched: until.Seconds(),
		Width:   2 * m.Clock.Seconds(), // off either way
	}
	if !m.Censored {
		l.Width += (m.Value - m.Lo).Seconds()
	}
	return l
}

// worker is when the last of the workers with a connect timeout had joined. One
// that is lost could have been the last, one that is censored surely came after
// the others' values.
func (t Trial) worker(timeout plan.Duration) Lag {
	var out Lag
	none := true
	for _, w := range t.Joined {
		switch {
		case w.Timeout != timeout:
			continue
		case w.Lost != "":
			return w.Lag
		case none:
			out, none = w.Lag, false
			continue
		}
		out.Censored = out.Censored || w.Censored
		out.At = max(out.At, w.At)
		out.Width = max(out.Width, w.Width)
		out.Watched = min(out.Watched, w.Watched)
	}
	if none {
		return Lag{Lost: "no worker had the connect timeout " + plan.TimeoutName(timeout)}
	}
	return out
}
