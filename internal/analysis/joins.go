package analysis

import (
	"cmp"
	"slices"

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
