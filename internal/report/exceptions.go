package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

// exceptions names what is not whole: trials and records.
func (r *Report) exceptions() []string {
	var out []string
	for _, t := range r.trials {
		if t.status != results.Complete {
			out = append(out, fmt.Sprintf("%s, %s, %s: %s.", code(t.id), code(t.arm.String()), word(t.status), reasons(t.reasons)))
		}
	}
	if n := r.tally(everything); n.done() < n.planned {
		out = append(out, fmt.Sprintf("%s of the plan not carried out.", some(n.planned-n.done(), "trial")))
	}
	if r.again > 0 {
		out = append(out, fmt.Sprintf("%s carried out again after an invalid attempt; the last attempt counts.", some(r.again, "trial")))
	}
	for _, w := range r.warnings {
		out = append(out, fmt.Sprintf("Records: %s.", code(w)))
	}
	for _, t := range r.trials {
		for _, n := range t.notes {
			out = append(out, fmt.Sprintf("%s: remark: %s.", code(t.id), code(n)))
		}
	}
	return out
}

func word(s results.Status) string {
	if s == results.Censored {
		return "censored"
	}
	return "invalid"
}

func reasons(list []string) string {
	if len(list) == 0 {
		return "no reason was recorded"
	}
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = code(s)
	}
	return strings.Join(out, "; ")
}

// reading says what the numbers are and how exact.
func (r *Report) reading() []string {
	s := r.plan.Settings
	out := []string{
		"A trial is one Job; it is the unit of every number. Its value is that of its slowest ordered pair of different pods (solo: of its slowest worker, each asking for index 0).",
		"lag: from the moment when the asker's process runs and the asked pod's address exists (its process started, or the API reported the address, whichever came first). since creation: from just before the request that created the Job, pod start included.",
		"client's view: what the pod's own resolver answered, right when every address is the asked pod's. uncached view: DNS servers asked directly with a question that no cache can answer.",
		"\">40.00 s\": it had not happened by then (censored). \"≥\": at least that, because censored trials may lie above. Nothing that did not happen is left out or set to zero.",
		"undecided (>1 s): it happened between a question that found it missing and one that found it there, and 1 s lies between them. solo asks once before each connect, so that a name may have been right long before it was asked for again.",
		"denial: NXDOMAIN, or NOERROR without an address. proven cached: its SOA's TTL was below the full one. undecided: full TTL, so fresh or cached for less than a second.",
		"stale answer: it held an address that is not the asked pod's, judged by the API's pod addresses and by who answered there. timed out: a connect that ended in silence.",
	}
	if r.sampled() {
		out = append(out, fmt.Sprintf("Sample: each of the %d pods asks for %d others and is asked for by as many, the same pairs in every trial, drawn from the seed. A pair that was not sampled is in no number; the slowest of all %s pairs may be slower.",
			s.Pods, s.Peers, count(s.Pods*(s.Pods-1))))
	}
	text := fmt.Sprintf("Resolution: peers ask every %s", seconds(time.Duration(s.Interval)))
	if widths := r.intervals(); len(widths) > 0 {
		text += fmt.Sprintf(". From the last wrong answer's question to the first right answer of a trial's slowest pair it took %s (%s)", widths.medianText(), widths.spread())
	}
	out = append(out, text+". solo asks once before each connect, as its workload did.", "Clocks: "+r.clocks())
	if s.FirstQueryAfter > 0 {
		out = append(out, fmt.Sprintf("The first question was delayed by %s in every pod.", seconds(time.Duration(s.FirstQueryAfter))))
	}
	return out
}

// sampled tells whether pods asked for some of their peers only.
func (r *Report) sampled() bool {
	return slices.ContainsFunc(r.plan.Trials, func(t plan.Trial) bool { return !t.Sample.All() })
}

// intervals are how exactly each trial's client's view is known.
func (r *Report) intervals() series {
	var s series
	for _, t := range r.of(func(a plan.Arm) bool { return a.Observer != record.Solo }) {
		if o := t.v.Resolved.Lag; o.Known() && !o.Censored {
			s = append(s, judge.Measurement{Value: o.Value - o.Lo})
		}
	}
	return s
}

// clocks says how the pods' clocks were tied to the runner's, and how well.
func (r *Report) clocks() string {
	var lag, since time.Duration
	same, all := 0, 0
	for _, t := range r.of(everything) {
		all++
		one := len(t.v.Clocks) > 0
		for _, c := range t.v.Clocks {
			one = one && c.Same
		}
		if one {
			same++
		}
		for _, o := range []judge.Timing{t.v.Resolved, t.v.OnServer, t.v.Connected} {
			lag, since = max(lag, o.Lag.Clock), max(since, o.Since.Clock)
		}
	}
	switch {
	case all == 0:
		return "no usable trial."
	case same == all:
		return "all pods ran on the runner's kernel (equal boot ids): one clock, no uncertainty."
	}
	return fmt.Sprintf("pods ran on other kernels than the runner in %d of %s. Offsets are bounded by causality (a pod starts after its Job was asked for, and its first line arrives after it was written) and by peers' clock readings in their exchanges; values are midpoints. Largest uncertainty: lag ±%s, since creation ±%s.",
		all-same, some(all, "trial"), seconds(lag), seconds(since))
}
