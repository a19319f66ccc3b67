package report

import (
	"fmt"
	"strings"
	"time"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
)

// quoter shows a text that is not ours: code in Markdown, plain in a terminal.
type quoter func(string) string

// scope says what ran.
func (r *Report) scope(q quoter) string {
	n := r.tally(everything)
	s := r.plan.Settings
	text := fmt.Sprintf("Plan %s, seed %d: %d of %s carried out (%d complete, %d censored, %d invalid), %d pods each, a question every %s. Times are readiness lags: from when asker and asked both exist.",
		q(r.plan.Name), r.plan.Seed, n.done(), some(n.planned, "trial"), n.complete, n.censored, n.invalid, s.Pods, seconds(time.Duration(s.Interval)))
	if r.env != nil && r.env.Server.GitVersion != "" {
		text += " Kubernetes " + q(r.env.Server.GitVersion) + "."
	}
	return text
}

// sentences are the findings, by fixed rules.
func (r *Report) sentences(q quoter) []string {
	var out, fast, near []string
	all := r.seen()
	for _, f := range slowest(all) {
		out = append(out, r.slow(f, q))
	}
	for _, f := range all {
		_, most := f.connected.width()
		switch {
		case f.late > 0 || len(f.connected) == 0:
		case f.undecided > 0:
			near = append(near, fmt.Sprintf("%s %s (%d of %s undecided)", q(f.String()), most, f.undecided, some(len(f.connected), "trial")))
		default:
			fast = append(fast, fmt.Sprintf("%s %s", q(f.String()), most))
		}
	}
	if len(near) > 0 {
		out = append(out, fmt.Sprintf("Slow or not: whether it was later than 1 s until all were connected cannot be told of every trial; longest: %s.", strings.Join(near, ", ")))
	}
	if len(fast) > 0 {
		out = append(out, fmt.Sprintf("Not slow: never later than 1 s until all were connected; longest trial: %s.", strings.Join(fast, ", ")))
	}
	if len(out) == 0 {
		out = append(out, "No trial can be used: nothing can be said.")
	}
	out = append(out, contrasts(all, q)...)
	if s := r.extras(func(a plan.Arm) string { return q(a.String()) }); s != "" {
		out = append(out, s)
	}
	out = append(out, r.caveats()...)
	return out
}

// described are the sentences about the cases of the opening.
func (r *Report) described() []string {
	var out []string
	for _, f := range r.cases().slow {
		out = append(out, r.slow(f, code))
	}
	return out
}

// slow describes a regime in which there was a delay.
func (r *Report) slow(f seen, q quoter) string {
	var b strings.Builder
	m, _ := f.connected.median()
	fmt.Fprintf(&b, "Slow: %s: %s until %s (%s), later than 1 s in %d of %s%s%s.",
		q(f.String()), m, allConnected(f.Observer), f.connected.spread(), f.late, some(len(f.connected), "trial"), undecided(f.undecided), r.lateExtras(f, q))
	b.WriteString(f.decider())
	b.WriteString(f.lost())
	if server := collect(f.trials, func(v *judge.Verdict) judge.Measurement { return v.OnServer.Lag }); len(server) > 0 {
		fmt.Fprintf(&b, " Every DNS server itself had every name after %s (%s).", server.medianText(), server.spread())
	}
	c := total(f.trials)
	if n := c.Denials(); n > 0 {
		fmt.Fprintf(&b, " Clients were told %s that a name does not exist, %s provably from a cache.", times(n), partOf(c.ProvenCached, n))
	}
	if n := c.StaleAnswers(); n > 0 {
		fmt.Fprintf(&b, " %s held an address that is not the asked pod's (%s).", some(n, "answer"), whose(c.Stale, q))
	}
	if n := c.DialTimeouts; n > 0 {
		fmt.Fprintf(&b, " %s timed out, %s to an address that is not the asked pod's.", some(n, "connect"), partOf(n-c.SilentRight, n))
	}
	if f.Observer == record.Solo {
		var by []string
		for _, t := range r.timeouts(f.trials) {
			s := joined(f.trials, t, func(t judge.Timing) judge.Measurement { return t.Lag })
			text := fmt.Sprintf("%s %s", plan.TimeoutName(plan.Duration(t)), s.medianText())
			if m, _ := s.median(); m.atLeast {
				// The plan follows some trials longer than others.
				if seen := s.seen(); len(seen) > 0 {
					_, most := seen.width()
					text += fmt.Sprintf(" (seen: up to %s)", most)
				}
			}
			by = append(by, text)
		}
		fmt.Fprintf(&b, " Median until the worker joined, by its connect timeout: %s.", strings.Join(by, ", "))
	}
	return b.String()
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return count(n) + " times"
}

// partOf is how many of n a sentence goes on about.
func partOf(k, n int) string {
	switch {
	case k == n && n > 1:
		return "all of them"
	case k == n:
		return "it"
	case k == 0:
		return "none of them"
	}
	return count(k) + " of them"
}

func allConnected(o record.Observer) string {
	if o == record.Solo {
		return "every worker had joined index 0"
	}
	return "all peers were connected"
}

func undecided(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d undecided)", n)
}

// lateExtras says with which extras there were delays. With a few trials each
// chance decides that, and nothing is said.
func (r *Report) lateExtras(f seen, q quoter) string {
	var with, without []string
	for _, a := range r.arms() {
		if !f.holds(a) {
			continue
		}
		s := collect(r.of(only(a)), func(v *judge.Verdict) judge.Measurement { return v.Connected.Lag })
		if len(s) < smallestTest {
			return ""
		}
		switch k, u := s.delayed(late); {
		case k > 0:
			with = append(with, q(string(a.Extra)))
		case u == 0:
			without = append(without, q(string(a.Extra)))
		}
	}
	text := " (extra: " + strings.Join(with, ", ")
	if len(without) > 0 {
		text += "; not with " + strings.Join(without, ", ")
	}
	return text + ")"
}

// contrasts names regimes that differ in the DNS configuration alone, where
// one was slow and the other was not.
func contrasts(all []seen, q quoter) []string {
	var out []string
	for _, f := range all {
		for _, g := range all {
			same := g.regime
			same.DNS = f.DNS
			if same != f.regime || f.late == 0 || g.late > 0 || len(g.connected) == 0 {
				continue
			}
			slow, _ := f.connected.median()
			quick, _ := g.connected.median()
			if quick.atLeast || slow.d-quick.d <= late {
				continue
			}
			out = append(out, fmt.Sprintf("The DNS configuration alone changed (%s names, %s): %s with %s, %s with %s until all were connected (medians).",
				q(string(f.Names)), q(string(f.Observer)), slow, q(string(f.DNS)), quick, q(string(g.DNS))))
		}
	}
	return out
}

// extras compares each extra with none, all else equal, where there are enough
// trials of both. Arms are named as name has it.
func (r *Report) extras(name func(plan.Arm) string) string {
	compared, unknown := 0, 0
	var differ []string
	for _, a := range r.arms() {
		control := a
		control.Extra = plan.ExtraNone
		if a == control {
			continue
		}
		lag := func(v *judge.Verdict) judge.Measurement { return v.Connected.Lag }
		one, other := collect(r.of(only(a)), lag), collect(r.of(only(control)), lag)
		if len(one) < smallestTest || len(other) < smallestTest {
			continue
		}
		with, _ := one.median()
		without, _ := other.median()
		if with.atLeast || without.atLeast {
			unknown++
			continue
		}
		compared++
		if d := with.d - without.d; d > late || d < -late {
			differ = append(differ, fmt.Sprintf("%s %s against %s", name(a), with, without))
		}
	}
	var parts []string
	if compared > 0 {
		text := fmt.Sprintf("the median until all were connected differs by more than 1 s in %d of %s with none", len(differ), some(compared, "comparison"))
		if len(differ) > 0 {
			text += " (" + strings.Join(differ, "; ") + ")"
		}
		parts = append(parts, text)
	}
	if unknown > 0 {
		parts = append(parts, some(unknown, "comparison")+" not possible, a median being censored")
	}
	if len(parts) == 0 {
		return ""
	}
	return "Extra objects: " + strings.Join(parts, "; ") + "."
}

// smallestTest is the number of blocks from which on an exact test of paired
// differences can reach p = 0.05 at all: 2/2^n.
const smallestTest = 6

func (r *Report) caveats() []string {
	var out []string
	if n := r.tally(everything); n.censored+n.invalid > 0 {
		out = append(out, fmt.Sprintf("%d censored and %d invalid of %s: named below. Censored ones enter as \"longer than\", invalid ones not at all.", n.censored, n.invalid, some(n.done(), "trial")))
	}
	if r.plan.Blocks < smallestTest {
		out = append(out, fmt.Sprintf("%s a combination: these are sizes, not tests, and extra objects are not compared. Repeat with %d blocks or more before concluding from a difference.", some(r.plan.Blocks, "trial"), smallestTest))
	}
	return out
}
