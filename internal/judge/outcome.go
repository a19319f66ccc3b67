package judge

import "time"

// NotAsked is why an outcome is lost that the trial's observer never looks
// for. It spoils nothing.
const NotAsked = "not asked by this observer"

// Outcome is when something happened, counted from a zero that its holder
// names. It happened after Lo and at Value at the latest: what is asked for at
// intervals is known to an interval.
type Outcome struct {
	Value    time.Duration
	Lo       time.Duration
	Clock    time.Duration // Value and Lo may both be off by this much either way
	Censored bool          // it had not happened at Value, when the observation ended
	Lost     string        // why it cannot be known; nothing else is meaningful then
}

// Known tells whether the outcome may be used, as a value or as a bound.
func (o Outcome) Known() bool { return o.Lost == "" }

// Timing is one event counted from both zeros.
type Timing struct {
	Lag   Outcome // since asker and asked both existed
	Since Outcome // since just before the request that created the Job
}

func lost(why string) Outcome           { return Outcome{Lost: why} }
func lostTiming(why string) Timing      { return Timing{lost(why), lost(why)} }
func (t Timing) known() bool            { return t.Lag.Known() || t.Since.Known() }
func abs(d time.Duration) time.Duration { return max(d, -d) }

// latest is when the last of several things had happened. One that is lost
// could have been the last, and one that is censored surely was: the others'
// values are lower bounds then.
func latest(all []Outcome) Outcome {
	if len(all) == 0 {
		return lost("no pair was observed")
	}
	out := all[0]
	for _, o := range all {
		if !o.Known() {
			return o
		}
		out.Value = max(out.Value, o.Value)
		out.Lo = max(out.Lo, o.Lo)
		out.Censored = out.Censored || o.Censored
	}
	out.Clock = 0
	low, high := all[0].Value-all[0].Clock, out.Value
	for _, o := range all {
		low = max(low, o.Value-o.Clock)
		high = max(high, o.Value+o.Clock)
	}
	out.Clock = max(out.Value-low, high-out.Value)
	if out.Censored {
		out.Lo = out.Value
	}
	return out
}

// earliest is when the first of several things had happened. One that is lost
// may have been earlier, so it counts only when there is no other.
func earliest(all []Outcome) Outcome {
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

func latestTiming(all []Timing) Timing {
	lags, sinces := split(all)
	return Timing{latest(lags), latest(sinces)}
}

func split(all []Timing) (lags, sinces []Outcome) {
	for _, t := range all {
		lags = append(lags, t.Lag)
		sinces = append(sinces, t.Since)
	}
	return lags, sinces
}
