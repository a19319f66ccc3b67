package judge

import "time"

// NotObserved is why a measurement is lost that the trial's observer never looks
// for. It spoils nothing.
const NotObserved = "not asked by this observer"

// Measurement is when something happened, counted from a zero that its holder
// names. It happened after Lo and at Value at the latest: what is asked for at
// intervals is known to an interval.
type Measurement struct {
	Value    time.Duration
	Lo       time.Duration
	Clock    time.Duration // Value and Lo may both be off by this much either way
	Censored bool          // it had not happened at Value, when the observation ended
	Lost     string        // why it cannot be known; nothing else is meaningful then
}

// Known tells whether the outcome may be used, as a value or as a bound.
func (o Measurement) Known() bool { return o.Lost == "" }

// Timing is one event counted from both zeros.
type Timing struct {
	Lag   Measurement // since the client ran and the peer was Ready, see Pair.Zero
	Since Measurement // since just before the request that created the Job
}

func lost(why string) Measurement       { return Measurement{Lost: why} }
func lostTiming(why string) Timing      { return Timing{lost(why), lost(why)} }
func (t Timing) known() bool            { return t.Lag.Known() || t.Since.Known() }
func abs(d time.Duration) time.Duration { return max(d, -d) }

// lastOf finds when the last of several things had happened, one by one. One
// that is lost could have been the last, and one that is censored surely was:
// the others' values are lower bounds then.
type lastOf struct {
	n         int
	out       Measurement
	low, high time.Duration // of the last, by the clocks
}

func (l *lastOf) add(o Measurement) {
	l.n++
	switch {
	case !l.out.Known():
		return
	case !o.Known():
		l.out = o
		return
	case l.n == 1:
		l.out, l.low, l.high = o, o.Value-o.Clock, o.Value+o.Clock
		return
	}
	l.out.Value = max(l.out.Value, o.Value)
	l.out.Lo = max(l.out.Lo, o.Lo)
	l.out.Censored = l.out.Censored || o.Censored
	l.low = max(l.low, o.Value-o.Clock)
	l.high = max(l.high, o.Value+o.Clock)
}

// get returns the last, or that nothing was there.
func (l *lastOf) get() Measurement {
	out := l.out
	switch {
	case l.n == 0:
		return lost("no pair was observed")
	case !out.Known():
		return out
	}
	out.Clock = max(out.Value-l.low, l.high-out.Value)
	if out.Censored {
		out.Lo = out.Value
	}
	return out
}

// latest is the last of them all.
func latest(all []Measurement) Measurement {
	var l lastOf
	for _, o := range all {
		l.add(o)
	}
	return l.get()
}

// earliest is when the first of several things had happened. One that is lost
// may have been earlier, so it counts only when there is no other.
func earliest(all []Measurement) Measurement {
	out := lost("no pair was observed")
	for _, o := range all {
		switch {
		case !o.Known():
			if !out.Known() {
				out = o
			}
		case !out.Known(),
			out.Censored && !o.Censored,
			out.Censored == o.Censored && o.Value < out.Value:
			out = o
		}
	}
	return out
}
