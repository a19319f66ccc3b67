package analysis

import (
	"fmt"
	"strings"
	"time"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/results"
	"headless-job-dns/internal/stats"
)

// lag is one readiness lag of a trial and until when it was watched.
type lag struct {
	judge.Measurement
	watched time.Duration
}

// trial is what is kept of one trial.
type trial struct {
	id         string
	arm        plan.Arm
	seq, block int
	invalid    string // why; empty: it counts

	resolved, onServer, connected lag
	joined                        []joined // solo: by worker
}

// joined is when one worker had joined.
type joined struct {
	timeout plan.Duration
	lag     lag
}

func newTrial(v *judge.Verdict) trial {
	t := trial{id: v.Trial.ID, arm: v.Trial.Arm, seq: v.Trial.Seq, block: v.Trial.Block}
	if v.Status == results.Invalid {
		t.invalid = "invalid: " + strings.Join(v.Reasons, "; ")
	}
	deadline := time.Duration(v.Trial.Deadline)
	all, looked := deadline, deadline
	of := map[int]time.Duration{} // by solo worker
	for _, p := range v.Pairs {
		if p.Self {
			continue
		}
		until := deadline - p.Zero
		all = min(all, until)
		if len(p.Servers) > 0 {
			looked = min(looked, until)
		}
		of[p.Client] = until
	}
	watch := func(o judge.Measurement, until time.Duration) lag {
		switch {
		case !o.Known():
		case o.Censored: // by then the last question was over
			until = min(until, o.Value)
		default: // what was seen was watched
			until = max(until, o.Value)
		}
		return lag{o, until}
	}
	t.resolved = watch(v.Resolved.Lag, all)
	t.onServer = watch(v.OnServer.Lag, looked)
	t.connected = watch(v.Connected.Lag, all)
	for _, w := range v.Workers {
		until, ok := of[w.Index]
		if !ok {
			until = deadline
		}
		t.joined = append(t.joined, joined{plan.Duration(w.Timeout), watch(w.Joined.Lag, until)})
	}
	return t
}

// value is one trial's outcome as a number.
type value struct {
	stats.Time         // seconds
	watched    float64 // until when it would have been seen, seconds
	width      float64 // of the interval within which it is known, seconds
}

// number takes the outcome that a contrast asks for from a trial that is valid,
// or says why there is none.
func (t *trial) number(of plan.Moment, timeout plan.Duration) (value, string) {
	var l lag
	switch of {
	case plan.Resolved:
		l = t.resolved
	case plan.OnServer:
		l = t.onServer
	case plan.Connected:
		l = t.connected
	case plan.Joined:
		l = t.last(timeout)
	default:
		return value{}, fmt.Sprintf("no outcome is called %q", of)
	}
	switch {
	case !l.Known():
		return value{}, l.Lost
	case l.Censored && l.watched <= 0:
		return value{}, "the asker had stopped asking before both existed"
	}
	v := value{
		Time:    stats.Time{At: max(0, l.Value.Seconds()), Censored: l.Censored},
		watched: l.watched.Seconds(),
		width:   2 * l.Clock.Seconds(), // off either way
	}
	if !l.Censored {
		v.width += (l.Value - l.Lo).Seconds()
	}
	return v, ""
}

// last is when the last of the workers with a connect timeout had joined. One
// that is lost could have been the last, one that is censored surely came
// after the others' values.
func (t *trial) last(timeout plan.Duration) lag {
	var out lag
	none := true
	for _, w := range t.joined {
		switch {
		case w.timeout != timeout:
			continue
		case !w.lag.Known():
			return w.lag
		case none:
			out, none = w.lag, false
			continue
		}
		out.Censored = out.Censored || w.lag.Censored
		out.Value = max(out.Value, w.lag.Value)
		out.Lo = max(out.Lo, w.lag.Lo)
		out.Clock = max(out.Clock, w.lag.Clock)
		out.watched = min(out.watched, w.lag.watched)
	}
	if none {
		return lag{Measurement: judge.Measurement{Lost: "no worker had the connect timeout " + plan.TimeoutName(timeout)}}
	}
	return out
}
