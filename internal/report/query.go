package report

import (
	"fmt"
	"path"
	"strings"
	"time"

	"headless-job-dns/internal/analysis"
	"headless-job-dns/internal/hypothesis"
	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
)

// Lags are readiness lags of valid trials, one of each.
type Lags struct{ series series }

// Lags returns an outcome of the valid trials of all combinations whose name
// (plan.Arm.String) matches a path.Match pattern, as
// "cache-30/reused/*/solo". Outcomes are resolved, on-server, connected and
// joined:TIMEOUT, as joined:5s or joined:none. It is an error if no trial has
// the outcome.
func (r *Report) Lags(pattern, outcome string) (Lags, error) {
	var of func([]trial) series
	moment := func(t func(*judge.Verdict) judge.Timing) func([]trial) series {
		return func(trials []trial) series {
			return collect(trials, func(v *judge.Verdict) judge.Measurement { return t(v).Lag })
		}
	}
	name, timeout, _ := strings.Cut(outcome, ":")
	switch plan.Moment(name) {
	case plan.Resolved:
		of = moment(func(v *judge.Verdict) judge.Timing { return v.Resolved })
	case plan.OnServer:
		of = moment(func(v *judge.Verdict) judge.Timing { return v.OnServer })
	case plan.Connected:
		of = moment(func(v *judge.Verdict) judge.Timing { return v.Connected })
	case plan.Joined:
		t, err := plan.ParseTimeouts(timeout)
		if err != nil || len(t) != 1 {
			return Lags{}, fmt.Errorf("outcome %q: %q is no connect timeout", outcome, timeout)
		}
		of = func(trials []trial) series { return joined(trials, time.Duration(t[0]), lagOf) }
	default:
		return Lags{}, fmt.Errorf("no outcome is called %q", outcome)
	}
	matches, err := r.matching(pattern)
	if err != nil {
		return Lags{}, err
	}
	l := Lags{of(r.of(matches))}
	if len(l.series) == 0 {
		return Lags{}, fmt.Errorf("no trial of %q has the outcome %q", pattern, outcome)
	}
	return l, nil
}

// matching tells which arms a pattern is of.
func (r *Report) matching(pattern string) (func(plan.Arm) bool, error) {
	if _, err := path.Match(pattern, ""); err != nil {
		return nil, fmt.Errorf("pattern %q: %w", pattern, err)
	}
	return func(a plan.Arm) bool {
		ok, _ := path.Match(pattern, a.String())
		return ok
	}, nil
}

// Median is the median as reports show it: censored values count as longer.
func (l Lags) Median() string { return l.series.medianText() }

// Range is the shortest and the longest lag.
func (l Lags) Range() string {
	least, most := l.series.width()
	if least == most {
		return least.String()
	}
	return strings.TrimSuffix(least.String(), " s") + " to " + most.String()
}

// Longest is the longest lag.
func (l Lags) Longest() string {
	_, most := l.series.width()
	return most.String()
}

// Bounds are the shortest and the longest lag in seconds; what is censored is
// longer than it says.
func (l Lags) Bounds() (least, most float64, censored int) {
	low, high := l.series.width()
	return low.d.Seconds(), high.d.Seconds(), l.series.censored()
}

// Late says in how many of the trials it was later than 1 s, as "3 of 4".
func (l Lags) Late() string {
	k, u := l.series.delayed(late)
	return fmt.Sprintf("%d of %d", k, len(l.series)) + undecided(u)
}

// Counts are the answers and connects of the valid trials of all combinations
// that match a pattern.
func (r *Report) Counts(pattern string) (judge.Counts, error) {
	matches, err := r.matching(pattern)
	if err != nil {
		return judge.Counts{}, err
	}
	trials := r.of(matches)
	if len(trials) == 0 {
		return judge.Counts{}, fmt.Errorf("no trial of %q is valid", pattern)
	}
	return total(trials), nil
}

// Went is how much of the time from the Job's creation until the last pair was
// connected went to a part, in the mean of the delayed trials of all
// combinations that match a pattern, and how much there was.
func (r *Report) Went(pattern string, part judge.Stage) (took, of time.Duration, err error) {
	matches, err := r.matching(pattern)
	if err != nil {
		return 0, 0, err
	}
	s := where(seen{trials: r.of(matches)}.delayed())
	if s.n == 0 {
		return 0, 0, fmt.Errorf("no delayed trial of %q has shares of time", pattern)
	}
	return s.took[part], s.total, nil
}

// Joins is the table of joins by connect timeout.
func (r *Report) Joins() string {
	if rows := r.joinsByArm(everything); rows != nil {
		return table(rows)
	}
	return ""
}

// Findings are the plan's contrasts, analysed; the primary one first.
func (r *Report) Findings() []analysis.Finding { return r.results().findings }

// Decisions are the explanations, decided.
func (r *Report) Decisions() []hypothesis.Decision { return r.results().decisions }

// Plan is what was run.
func (r *Report) Plan() plan.Plan { return r.plan }
