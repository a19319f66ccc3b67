package analysis

import (
	"cmp"
	"math"
	"slices"
	"time"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/stats"
)

// Join is when the workers of one arm with one connect timeout had joined, a
// time a trial: its last worker with that timeout.
type Join struct {
	Arm     plan.Arm // its observer is solo
	Timeout plan.Duration
	Times   []stats.Time // seconds, sorted
	Median  stats.Time
}

// Joins are the solo arms' joins by connect timeout, arms in the plan's order,
// then timeouts: none first, then the longest to the shortest.
func (a *Analysis) Joins() []Join {
	var out []Join
	for _, arm := range a.Arms() {
		if arm.Observer != record.Solo {
			continue
		}
		trials := a.valid(func(other plan.Arm) bool { return other == arm })
		for _, timeout := range timeouts(trials) {
			j := Join{Arm: arm, Timeout: timeout}
			for _, t := range trials {
				if l := t.worker(timeout); l.Lost == "" {
					j.Times = append(j.Times, l.Time)
				}
			}
			if len(j.Times) == 0 {
				continue
			}
			slices.SortFunc(j.Times, stats.CompareTimes)
			j.Median = stats.Quantile(j.Times, 0.5)
			out = append(out, j)
		}
	}
	return out
}

// timeouts are those that the trials' workers had, none before the longest.
func timeouts(trials []Trial) []plan.Duration {
	var out []plan.Duration
	for _, t := range trials {
		for _, w := range t.Joined {
			if !slices.Contains(out, w.Timeout) {
				out = append(out, w.Timeout)
			}
		}
	}
	slices.SortFunc(out, func(x, y plan.Duration) int {
		if x == 0 || y == 0 {
			return cmp.Compare(x, y)
		}
		return cmp.Compare(y, x)
	})
	return out
}

// Sweep is the joins under one DNS with names of the previous Job, where clients
// were given old addresses.
type Sweep struct {
	DNS   plan.DNS
	Joins []Join
	// Old is for how long after a client's start an old address was still
	// answered, in seconds: the median over the workers that were given one.
	Old float64
}

// Sweeps are those of the DNS, in the table's order, whose clients were given old
// addresses and joined.
func (a *Analysis) Sweeps() []Sweep {
	var out []Sweep
	for _, d := range a.Table().DNS {
		used := func(arm plan.Arm) bool {
			return arm.DNS == d && arm.Names == plan.Reused && arm.Observer == record.Solo
		}
		var old []stats.Time
		for _, t := range a.valid(used) {
			for _, w := range t.Joined {
				if w.Old > 0 {
					old = append(old, stats.Time{At: w.Old})
				}
			}
		}
		if len(old) > 0 {
			joins := slices.DeleteFunc(a.Joins(), func(j Join) bool { return !used(j.Arm) })
			out = append(out, Sweep{d, joins, stats.Quantile(old, 0.5).At})
		}
	}
	return out
}

// meanPause is the mean of libzmq's pause after a failed attempt, which is
// uniform in [100, 200) ms, in seconds.
const meanPause = 0.15

// Stair is how long after its start a client has joined that was given an old
// address, at which nobody answers, for so long; with a connect timeout, both in
// seconds. It looks up the name anew only after a connect has timed out.
func Stair(old, timeout float64) float64 {
	step := timeout + meanPause
	return math.Ceil(old/step) * step
}

// answeredOld is until when an old address was answered, in time since the
// request that created the Job: between the last question of any client that got
// it and the first that got the right one. It is 0 where no client got both.
func answeredOld(v *judge.Verdict) time.Duration {
	var last, first time.Duration
	for _, p := range v.Pairs {
		r := p.Resolved.Since
		if p.Counts.StaleAnswers() == 0 || !r.Known() || r.Censored {
			continue
		}
		if last = max(last, r.Lo); first == 0 || r.Value < first {
			first = r.Value
		}
	}
	return max(last, (last+first)/2) // replicas may end it at different times
}
