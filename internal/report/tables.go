package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"headless-job-dns/internal/experiment"
	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/record"
)

// overview is one line a combination.
func (r *Report) overview(b *strings.Builder) {
	fmt.Fprintf(b, "## Overview\n\nMedian readiness lag: time from the moment when asker and asked both existed until the last pair was there.\n\n")
	rows := [][]string{{"dns/names/extra/observer", "trials", "client resolves", "on DNS servers", "connected", ">1 s", "denials", "stale", "timed out"}}
	for _, a := range r.arms() {
		trials := r.of(only(a))
		c := total(trials)
		connected := collect(trials, func(v *judge.Verdict) judge.Outcome { return v.Connected.Lag })
		rows = append(rows, []string{
			code(a.String()), r.tally(only(a)).String(),
			collect(trials, func(v *judge.Verdict) judge.Outcome { return v.Resolved.Lag }).medianText(),
			collect(trials, func(v *judge.Verdict) judge.Outcome { return v.OnServer.Lag }).medianText(),
			connected.medianText(), connected.delayedText(),
			count(c.Denials()), count(c.StaleAnswers()), count(c.DialTimeouts),
		})
	}
	b.WriteString(table(rows))
	b.WriteString("\ntrials: complete/censored/invalid. >1 s: trials whose last pair was connected later than 1 s; undecided: 1 s lies within what is known of it. Counts are sums over the trials.\n\n")
	if rows := r.joinsByArm(); rows != nil {
		b.WriteString("Median readiness lag of the worker with each connect timeout (none: the kernel decides), `solo`:\n\n")
		b.WriteString(table(rows))
		b.WriteString("\n")
	}
}

// joinsByArm is one line a solo combination, a column a connect timeout.
func (r *Report) joinsByArm() [][]string {
	solo := func(a experiment.Arm) bool { return a.Observer == record.Solo }
	timeouts := r.timeouts(r.of(solo))
	if len(timeouts) == 0 {
		return nil
	}
	head := []string{"dns/names/extra"}
	for _, t := range timeouts {
		head = append(head, experiment.TimeoutName(experiment.Duration(t)))
	}
	rows := [][]string{head}
	for _, a := range r.arms() {
		if !solo(a) {
			continue
		}
		row := []string{code(string(a.DNS) + "/" + string(a.Names) + "/" + string(a.Extra))}
		for _, t := range timeouts {
			row = append(row, joined(r.of(only(a)), t, lagOf).medianText())
		}
		rows = append(rows, row)
	}
	return rows
}

func lagOf(t judge.Timing) judge.Outcome   { return t.Lag }
func sinceOf(t judge.Timing) judge.Outcome { return t.Since }

// combinations is a table for each combination.
func (r *Report) combinations(b *strings.Builder) {
	b.WriteString("## Each combination\n\n")
	b.WriteString("lag counts from the moment when asker and asked both existed; since creation from just before the request that created the Job. Stages are the slowest pod's times, in seconds since creation and since the stage before in time; the API's are times of receipt.\n\n")
	for _, a := range r.arms() {
		fmt.Fprintf(b, "### %s\n\n", code(a.String()))
		trials := r.of(only(a))
		n := r.tally(only(a))
		fmt.Fprintf(b, "%d of %s: %d complete, %d censored, %d invalid.\n\n", n.done(), some(n.planned, "trial"), n.complete, n.censored, n.invalid)
		if len(trials) == 0 {
			continue
		}
		rows := [][]string{{"until", "trials", "censored", "lag, median", "lag, range", ">1 s", "since creation", "range"}}
		for _, m := range r.measures(a, trials) {
			if len(m.lag) == 0 && len(m.since) == 0 {
				continue
			}
			rows = append(rows, []string{
				m.name, strconv.Itoa(len(m.lag)), strconv.Itoa(m.lag.censored()), m.lag.medianText(), m.lag.rangeText(), m.lag.delayedText(), m.since.medianText(), m.since.rangeText(),
			})
		}
		b.WriteString(table(rows))
		b.WriteString("\n")
		stages(b, trials)
		r.details(b, a, trials)
	}
}

// measure is one line of a combination's table.
type measure struct {
	name       string
	lag, since series
}

func (r *Report) measures(a experiment.Arm, trials []trial) []measure {
	timing := func(name string, of func(*judge.Verdict) judge.Timing) measure {
		return measure{name,
			collect(trials, func(v *judge.Verdict) judge.Outcome { return of(v).Lag }),
			collect(trials, func(v *judge.Verdict) judge.Outcome { return of(v).Since })}
	}
	resolves, connected := "all peers resolve (client's view)", "all peers connected"
	if a.Observer == record.Solo {
		resolves, connected = "every worker resolves index 0 (client's view)", "every worker joined"
	}
	out := []measure{
		timing(resolves, func(v *judge.Verdict) judge.Timing { return v.Resolved }),
		timing("all names on all DNS servers (uncached view)", func(v *judge.Verdict) judge.Timing { return v.OnServer }),
		timing(connected, func(v *judge.Verdict) judge.Timing { return v.Connected }),
	}
	for _, t := range r.timeouts(trials) {
		out = append(out, measure{
			"worker joined, connect timeout " + experiment.TimeoutName(experiment.Duration(t)),
			joined(trials, t, lagOf),
			joined(trials, t, sinceOf),
		})
	}
	return out
}

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
func joined(trials []trial, timeout time.Duration, of func(judge.Timing) judge.Outcome) series {
	var s series
	for _, t := range trials {
		var last *judge.Outcome
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

// details are the counts below a combination's table.
func (r *Report) details(b *strings.Builder, a experiment.Arm, trials []trial) {
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
	fmt.Fprintf(b, "- Client's view: %s.\n", strings.Join(answers, "; "))
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
	fmt.Fprintf(b, "- Connects: %s.\n", strings.Join(dials, "; "))
	b.WriteString(firstAsked(a, trials))
	if a.Names == experiment.Reused {
		fmt.Fprintf(b, "- Gap from the primer's last pod gone to the first question: %s. %s\n", gaps(trials), left(trials))
	}
	b.WriteString("\n")
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
