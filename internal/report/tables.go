package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
)

// overviewRows are a table with a line for each combination.
func (r *Report) overviewRows() [][]string {
	rows := [][]string{{"dns/names/extra/observer", "trials", "client resolves", "on DNS servers", "connected", "range", "since creation", ">1 s", "denials", "stale", "timed out"}}
	for _, a := range r.arms() {
		trials := r.of(only(a))
		c := total(trials)
		connected := collect(trials, func(v *judge.Verdict) judge.Measurement { return v.Connected.Lag })
		rows = append(rows, []string{
			code(a.String()), r.tally(only(a)).String(),
			collect(trials, func(v *judge.Verdict) judge.Measurement { return v.Resolved.Lag }).medianText(),
			collect(trials, func(v *judge.Verdict) judge.Measurement { return v.OnServer.Lag }).medianText(),
			connected.medianText(), connected.rangeText(),
			collect(trials, func(v *judge.Verdict) judge.Measurement { return v.Connected.Since }).medianText(),
			connected.delayedText(),
			count(c.Denials()), count(c.StaleAnswers()), count(c.DialTimeouts),
		})
	}
	return rows
}

const overviewWords = "Medians of readiness lags: time from the moment when asker and asked both existed until the last pair was there. since creation: until the last pair was connected, from just before the request that created the Job. " +
	"trials: complete/censored/invalid. >1 s: trials whose last pair was connected later than 1 s; undecided: 1 s lies within what is known of it. denials, stale answers and connects that timed out: sums over the trials."

// joinsByArm is one line a solo combination, a column a connect timeout.
func (r *Report) joinsByArm(is func(plan.Arm) bool) [][]string {
	solo := func(a plan.Arm) bool { return a.Observer == record.Solo && is(a) }
	timeouts := r.timeouts(r.of(solo))
	if len(timeouts) == 0 {
		return nil
	}
	head := []string{"dns/names/extra/observer"}
	for _, t := range timeouts {
		head = append(head, plan.TimeoutName(plan.Duration(t)))
	}
	rows := [][]string{head}
	for _, a := range r.arms() {
		if !solo(a) {
			continue
		}
		row := []string{code(a.String())}
		for _, t := range timeouts {
			row = append(row, joined(r.of(only(a)), t, lagOf).medianText())
		}
		rows = append(rows, row)
	}
	return rows
}

func lagOf(t judge.Timing) judge.Measurement { return t.Lag }

// timeouts lists the connect timeouts of the trials' workers: none first, then
// from the longest on.
func (r *Report) timeouts(trials []trial) []time.Duration {
	var out []time.Duration
	for _, t := range trials {
		for _, w := range t.v.Workers {
			if !slices.Contains(out, w.Timeout) {
				out = append(out, w.Timeout)
			}
		}
	}
	slices.SortFunc(out, func(a, b time.Duration) int {
		none := func(d time.Duration) time.Duration {
			if d == 0 {
				return math.MaxInt64
			}
			return d
		}
		return cmp.Compare(none(b), none(a))
	})
	return out
}

// joined is when the worker with a connect timeout joined, trial by trial: the
// last of them where a trial has several. The trial is the unit.
func joined(trials []trial, timeout time.Duration, of func(judge.Timing) judge.Measurement) series {
	var s series
	for _, t := range trials {
		var last *judge.Measurement
		for _, w := range t.v.Workers {
			o := of(w.Joined)
			switch {
			case w.Timeout != timeout:
			case last == nil:
				last = &o
			case !last.Known():
			case !o.Known():
				last = &o
			default:
				last.Censored = last.Censored || o.Censored
				last.Value, last.Lo, last.Clock = max(last.Value, o.Value), max(last.Lo, o.Lo), max(last.Clock, o.Clock)
			}
		}
		if last != nil && last.Known() {
			s = append(s, *last)
		}
	}
	return s
}

// remarks are what a combination's trials say beside their times.
func (r *Report) remarks() []string {
	var out []string
	for _, a := range r.arms() {
		if trials := r.of(only(a)); len(trials) > 0 {
			out = append(out, code(a.String())+": "+details(a, trials))
		}
	}
	return out
}

func details(a plan.Arm, trials []trial) string {
	c := total(trials)
	answers := []string{some(c.Questions, "answer")}
	if n := c.Denials(); n > 0 {
		answers = append(answers, fmt.Sprintf("%s (%s proven cached, %s undecided)", some(n, "denial"), count(c.ProvenCached), count(c.Undecided)))
	}
	if n := c.StaleAnswers(); n > 0 {
		answers = append(answers, fmt.Sprintf("%s (%s)", some(n, "stale answer"), whose(c.Stale, code)))
	}
	if c.Failed > 0 {
		answers = append(answers, some(c.Failed, "question")+" without a usable answer")
	}
	if len(answers) == 1 {
		answers = append(answers, "no denial, none stale")
	}
	var dials []string
	for _, d := range []struct {
		n    int
		what string
	}{
		{c.DialTimeouts - c.SilentRight, "timed out at an address that is not the asked pod's"},
		{c.SilentRight, "timed out at the asked pod's own address"},
		{c.DialRefused, "refused or unreachable"},
		{c.DialCut, "cut off at the deadline"},
		{c.WrongPeer, "answered by another pod than the asked one"},
		{c.Unidentified, "answered by something that did not say who it is"},
	} {
		if d.n > 0 {
			dials = append(dials, count(d.n)+" "+d.what)
		}
	}
	if len(dials) == 0 {
		dials = []string{"none timed out, was refused or led elsewhere"}
	}
	text := fmt.Sprintf("%s. Connects: %s.", strings.Join(answers, "; "), strings.Join(dials, "; "))
	if s := firstAsked(a, trials); s != "" {
		text += " " + s
	}
	if a.Names == plan.Reused {
		text += fmt.Sprintf(" Gap from the primer's last pod gone to the first question: %s. %s", gaps(trials), left(trials))
	}
	return text
}

// total adds the counts of trials.
func total(trials []trial) judge.Counts {
	var c judge.Counts
	for _, t := range trials {
		c.Add(t.v.Counts)
	}
	return c
}

// mostOwners is how many owners of stale addresses are named.
const mostOwners = 6

// whose says whose the stale addresses were, the pods of the two runs together.
func whose(stale []judge.Stale, q quoter) string {
	type group struct {
		indices []int
		count   int
	}
	groups := map[judge.Kind]*group{}
	var named []string
	for _, s := range stale {
		switch s.Owner.Kind {
		case judge.Primer, judge.Sibling:
			g := groups[s.Owner.Kind]
			if g == nil {
				g = &group{}
				groups[s.Owner.Kind] = g
			}
			g.count += s.Count
			if !slices.Contains(g.indices, s.Owner.Index) {
				g.indices = append(g.indices, s.Owner.Index)
			}
		default:
			named = append(named, fmt.Sprintf("%s: %s", q(s.Owner.String()), count(s.Count)))
		}
	}
	var out []string
	for _, k := range []judge.Kind{judge.Primer, judge.Sibling} {
		if g := groups[k]; g != nil {
			slices.Sort(g.indices)
			run := map[judge.Kind]string{judge.Primer: "the primer's", judge.Sibling: "another pod's of this run:"}[k]
			out = append(out, fmt.Sprintf("%s index %s: %s", run, numbers(g.indices), count(g.count)))
		}
	}
	slices.Sort(named)
	if len(named) > mostOwners {
		named = append(named[:mostOwners], "others")
	}
	return strings.Join(append(out, named...), "; ")
}

// numbers is a short list of indices.
func numbers(list []int) string {
	const most = 8
	var out []string
	for i, n := range list {
		if i == most {
			out = append(out, "…")
			break
		}
		out = append(out, strconv.Itoa(n))
	}
	return strings.Join(out, ", ")
}
