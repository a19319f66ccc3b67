package hypothesis

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"headless-job-dns/internal/analysis"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/stats"
)

// extraDelays decides H3.
func (in *Input) extraDelays() finding {
	type key struct {
		arm   plan.Arm
		block int
	}
	trials := in.valid(names(plan.Reused))
	control := map[key]trial{}
	for _, t := range trials {
		if t.arm.Extra == plan.ExtraNone && t.gap != nil {
			control[key{t.arm, t.block}] = t
		}
	}
	// Seconds, a pair of trials of one block each. The gap has nothing to do
	// with the DNS, so that the arms are taken together.
	longer := map[plan.Extra][]float64{}
	var alive, expired, unknown, overtaken int // trials with an extra
	for _, t := range trials {
		arm, ok := withoutExtra(t.arm)
		c, there := control[key{arm, t.block}]
		if !ok || !there || t.gap == nil {
			continue
		}
		longer[t.arm.Extra] = append(longer[t.arm.Extra], (*t.gap - *c.gap).Seconds())
		is, known := t.alive()
		switch {
		case !known:
			unknown++
		case is:
			alive++
		default:
			expired++
			if was, known := c.alive(); was && known {
				overtaken++
			}
		}
	}
	if len(longer) == 0 {
		return untestable("", "no block with reused names has an extra object in one trial and none in the other")
	}
	var shifts []stats.Shift
	var outcomes []stats.Outcome
	for _, e := range plan.Extras {
		if len(longer[e]) == 0 {
			continue
		}
		s, err := stats.Paired(longer[e], analysis.Level)
		if err != nil {
			return untestable("", err.Error())
		}
		shifts = append(shifts, s)
		outcomes = append(outcomes, stats.Outcome{Name: string(e), P: s.P})
	}
	// The names differ and the p are some.
	outcomes, _ = stats.Holm(outcomes)
	seen, few := "", 0
	equivalent, delayed := true, false
	for i, s := range shifts {
		verdict := stats.Inconclusive
		if in.plan.Margin > 0 {
			verdict, _ = stats.Decide(outcomes[i].Adjusted, s.Interval, time.Duration(in.plan.Margin).Seconds(), false)
		}
		equivalent = equivalent && verdict == stats.Equivalent
		delayed = delayed || verdict == stats.Differs && s.Estimate > 0
		few = max(few, s.N)
		interval := "unbounded"
		if s.Interval.Bounded() {
			interval = inSeconds(s.Interval.Lo) + " to " + inSeconds(s.Interval.Hi)
		}
		seen += fmt.Sprintf("first question with %s against none: shift %s (%s), %s of trials, %s; ", outcomes[i].Name, inSeconds(s.Estimate), interval, some(s.N, "pair"), verdict)
	}
	seen += fmt.Sprintf("with an object the old record was then alive in %d, expired in %d, unknown in %d", alive, expired, unknown)
	switch {
	case overtaken > 0 && delayed:
		return support(seen + fmt.Sprintf("; in %s it had expired while alive without the object", some(overtaken, "pair")))
	case equivalent:
		return refute(seen, "")
	case overtaken == 0 && alive > 0 && expired+unknown == 0:
		return refute(seen, "no object delayed the question until the record had expired")
	}
	why := "whether the object delays the question is open"
	if least, err := stats.BlocksFor(stats.Alpha, len(shifts)); err == nil && few < least {
		why += fmt.Sprintf(": too few pairs of trials: %d, %d are needed", few, least)
	}
	return untestable(seen, why)
}

func inSeconds(s float64) string { return seconds(time.Duration(s * float64(time.Second))) }

// following analyses the plan's control arm in the order in which its trials
// ran.
func (in *Input) following() *analysis.Analysis {
	p := in.plan
	p.Secondary = nil
	if p.Primary == nil {
		for _, a := range p.Arms {
			if a.Extra == plan.ExtraNone {
				p.Primary = &plan.Contrast{Control: a, Outcome: in.outcome(a)}
				break
			}
		}
	}
	return analysis.New(p)
}

// TrialsForDrift is how many trials of one arm, halved, can differ at 5 %: the
// smallest p of a Mann-Whitney test of 4 and 4 is 2/70, of 3 and 4 it is 2/35.
const TrialsForDrift = 8

// warmUp decides H9.
func (in *Input) warmUp() finding {
	order := fmt.Sprintf("the order was drawn at random within each of %s (seed %d), so that a drift favours no arm", some(in.plan.Blocks, "block"), in.plan.Seed)
	d := in.drift.Drift()
	if d == nil {
		return untestable("", "no arm without an extra object whose trials could be followed through the run; "+order)
	}
	n := len(d.First.Times) + len(d.Second.Times)
	seen := fmt.Sprintf("%s: %s", d.Arm, some(n, "trial"))
	if n > 1 {
		seen += fmt.Sprintf("; medians of the earlier and the later half %s and %s", median(d.First), median(d.Second))
	}
	if s := d.Shift; s != nil && s.Interval.Bounded() {
		seen += fmt.Sprintf(", shift %s (%s to %s), p %.2g, %s", inSeconds(s.Estimate), inSeconds(s.Interval.Lo), inSeconds(s.Interval.Hi), s.P, d.Verdict)
	}
	switch {
	case n < TrialsForDrift:
		return untestable(seen, fmt.Sprintf("too few trials of one arm: %d, %d are needed; %s", n, TrialsForDrift, order))
	case d.Verdict == stats.Differs:
		return finding{status: Supported, seen: seen, why: "a drift, but " + order}
	case d.Verdict == stats.Equivalent:
		return refute(seen, order)
	case d.Why != "":
		return untestable(seen, d.Why+"; "+order)
	}
	return untestable(seen, "the comparison is inconclusive; "+order)
}

// median shows an arm's, or what it is at least.
func median(a analysis.Arm) string {
	switch {
	case !math.IsNaN(a.Median):
		return inSeconds(a.Median)
	case math.IsNaN(a.AtLeast):
		return "unknown"
	}
	return ">" + inSeconds(a.AtLeast)
}

// FirstUses is how many DNS servers used for the first time a comparison takes:
// the smallest p of so many signs is 2/2^6, of one fewer 2/2^5.
const FirstUses = 6

// firstUse decides H11.
func (in *Input) firstUse() finding {
	var seen string
	var d []float64
	uses, censored := 0, false
	for _, dns := range in.dns() {
		if !dns.Private() {
			continue // it was in use before the run
		}
		first, rest := in.firstOf(dns)
		if first == nil || len(rest) == 0 {
			continue
		}
		uses++
		if seen == "" {
			seen = "first trial, and median of the later ones: "
		} else {
			seen += ", "
		}
		m, more := middle(rest), ""
		if first.lag.Censored {
			censored, more = true, ">"
		} else {
			d = append(d, (first.lag.Value - m).Seconds())
		}
		seen += fmt.Sprintf("%s %s%s and %s", dns, more, seconds(first.lag.Value), seconds(m))
	}
	switch {
	case uses == 0:
		return untestable("", "no DNS started for this run was first asked by a trial with fresh names that was repeated")
	case uses < FirstUses:
		return untestable(seen, fmt.Sprintf("%s of a DNS, %d are needed", some(uses, "first use"), FirstUses))
	case censored:
		return untestable(seen, "a first use was cut at its deadline: by how much it differs is not known")
	}
	s, err := stats.Paired(d, analysis.Level)
	if err != nil {
		return untestable(seen, err.Error())
	}
	verdict := stats.Inconclusive
	if in.plan.Margin > 0 {
		verdict, _ = stats.Decide(s.P, s.Interval, time.Duration(in.plan.Margin).Seconds(), false)
	}
	seen += fmt.Sprintf("; shift %s (%s to %s), p %.2g, %s", inSeconds(s.Estimate), inSeconds(s.Interval.Lo), inSeconds(s.Interval.Hi), s.P, verdict)
	switch {
	case verdict == stats.Differs && s.Estimate > 0:
		return support(seen)
	case verdict == stats.Equivalent || verdict == stats.Differs:
		return refute(seen, "")
	}
	return untestable(seen, "the comparison is inconclusive")
}

// firstOf is the first trial that asked a DNS, if it can be used, and the lags
// of the later ones of its arm. Where names are reused the previous run asked
// first.
func (in *Input) firstOf(dns plan.DNS) (first *trial, rest []time.Duration) {
	var planned *plan.Trial
	for i := range in.plan.Trials {
		if t := &in.plan.Trials[i]; t.Arm.DNS == dns && (planned == nil || t.Seq < planned.Seq) {
			planned = t
		}
	}
	if planned == nil || planned.Arm.Names != plan.Fresh || !throughDNS(planned.Arm) {
		return nil, nil
	}
	trials := in.valid(func(a plan.Arm) bool { return a == planned.Arm })
	slices.SortFunc(trials, func(a, b trial) int { return cmp.Compare(a.seq, b.seq) })
	for i, t := range trials {
		switch {
		case !t.lag.Known():
		case t.seq == planned.Seq:
			first = &trials[i]
		default:
			rest = append(rest, t.lag.Value) // of a censored one: at least
		}
	}
	return first, rest
}
