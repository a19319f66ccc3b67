package hypothesis

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"headless-job-dns/internal/analysis"
	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/stats"
)

// withoutExtra is the arm that differs from one with an extra object in nothing
// else, if that is such a one.
func withoutExtra(a plan.Arm) (plan.Arm, bool) {
	if a.Extra == plan.ExtraNone || a.Names != plan.Reused {
		return a, false
	}
	a.Extra = plan.ExtraNone
	return a, true
}

// serviceFirst is the arm that differs in the order of creation alone.
func serviceFirst(a plan.Arm) (plan.Arm, bool) {
	if a.Order != plan.JobFirst {
		return a, false
	}
	a.Order = plan.ServiceFirst
	return a, true
}

// usual is the connect timeout whose worker is compared where the plan does not
// say which: what the operator of the original report has set since
// (connectTimeout in flux-operator's api/v1alpha2).
const usual = plan.Duration(5 * time.Second)

// outcome is what is compared of an arm's trials where no plan declared it: the
// worker that the primary contrast is about, or all pairs.
func (in *Input) outcome(a plan.Arm) plan.Outcome {
	if a.Observer == record.Solo {
		if p := in.plan.Primary; p != nil && p.Outcome.Of == plan.Joined {
			return plan.Outcome{Of: plan.Joined, Timeout: p.Outcome.Timeout}
		}
		dealt := in.plan.Settings.ConnectTimeouts
		if n := max(in.plan.Settings.Pods-1, 0); len(dealt) > n { // the others go unused
			dealt = dealt[:n]
		}
		if slices.Contains(dealt, usual) {
			return plan.Outcome{Of: plan.Joined, Timeout: usual}
		}
	}
	return plan.Outcome{Of: plan.Connected}
}

// comparing analyses every arm of the plan that has a control.
func (in *Input) comparing(control func(plan.Arm) (plan.Arm, bool)) *analysis.Analysis {
	p := in.plan
	p.Primary, p.Secondary = nil, nil
	for _, a := range p.Arms {
		if c, ok := control(a); ok && slices.Contains(p.Arms, c) {
			p.Secondary = append(p.Secondary, plan.Contrast{Name: a.String(), Control: c, With: a, Outcome: in.outcome(a)})
		}
	}
	return analysis.New(p)
}

// compared are the findings about arms with a control: the plan's own where it
// declared any.
func (in *Input) compared(control func(plan.Arm) (plan.Arm, bool), other *analysis.Analysis) []analysis.Finding {
	var out []analysis.Finding
	for _, f := range in.Findings {
		if c, ok := control(f.With); ok && c == f.Contrast.Control {
			out = append(out, f)
		}
	}
	if len(out) == 0 {
		out = other.Findings()
	}
	return out
}

// change is by how many seconds an outcome comes later than in the control arm.
func change(f analysis.Finding) float64 {
	switch {
	case f.Stats == nil:
		return 0
	case f.Stats.Shift != nil:
		return f.Stats.Shift.Estimate
	}
	return f.Stats.Restricted.Difference
}

// describe is a comparison in one clause.
func describe(f analysis.Finding) string {
	text := f.With.String() + ": "
	if f.Stats == nil {
		return text + f.Why
	}
	d := func(s float64) string { return seconds(time.Duration(s * float64(time.Second))) }
	switch s := f.Stats; {
	case s.Shift == nil:
		text += fmt.Sprintf("mean up to %s changed by %s", d(f.Deadline), d(s.Restricted.Difference))
	case s.Shift.Interval.Bounded():
		text += fmt.Sprintf("shift %s (%s to %s)", d(s.Shift.Estimate), d(s.Shift.Interval.Lo), d(s.Shift.Interval.Hi))
	default:
		text += fmt.Sprintf("shift %s (unbounded)", d(s.Shift.Estimate))
	}
	return text + fmt.Sprintf(", p %.2g, %s, %s", f.Adjusted, some(f.Blocks, "block"), f.Verdict)
}

// mostShown comparisons fit a table's cell.
const mostShown = 4

func describeAll(fs []analysis.Finding) string {
	var out []string
	if len(fs) > mostShown {
		count := map[stats.Verdict]int{}
		for _, f := range fs {
			count[f.Verdict]++
		}
		for _, v := range []stats.Verdict{stats.Differs, stats.Equivalent, stats.Inconclusive} {
			out = append(out, fmt.Sprintf("%s %d", v, count[v]))
		}
		return fmt.Sprintf("%d comparisons: %s", len(fs), strings.Join(out, ", "))
	}
	for _, f := range fs {
		out = append(out, describe(f))
	}
	return strings.Join(out, "; ")
}

// undecided says why comparisons do not tell.
func undecided(fs []analysis.Finding) string {
	most := 0
	for _, f := range fs {
		most = max(most, f.Blocks)
	}
	if least, err := stats.BlocksFor(stats.Alpha, 1); err == nil && most < least {
		return fmt.Sprintf("too few blocks: %d; a comparison takes %d at least", most, least)
	}
	return "the comparison is inconclusive"
}

func every(fs []analysis.Finding, is func(analysis.Finding) bool) bool {
	return !slices.ContainsFunc(fs, func(f analysis.Finding) bool { return !is(f) })
}

// sooner and notSooner are what a comparison shows; an inconclusive one is
// neither.
func sooner(f analysis.Finding) bool { return f.Verdict == stats.Differs && change(f) < 0 }
func notSooner(f analysis.Finding) bool {
	return f.Verdict == stats.Equivalent || f.Verdict == stats.Differs && change(f) > 0
}

// cloudDNS tells that the cluster's own DNS is Cloud DNS for GKE.
func cloudDNS(env environment.Environment) bool {
	return slices.ContainsFunc(env.DNS.Evidence, func(e string) bool { return strings.Contains(e, "Cloud DNS") })
}

// memberPod decides H2.
func (in *Input) memberPod() finding {
	var member, others []analysis.Finding
	for _, f := range in.compared(withoutExtra, in.extras) {
		if f.With.Extra == plan.ExtraMemberPod {
			member = append(member, f)
		} else {
			others = append(others, f)
		}
	}
	if len(member) == 0 {
		return untestable("", "no arm with reused names has a pod inside the headless Service, and one without to compare it with")
	}
	seen := "with such a pod against without, " + describeAll(member)
	if len(others) > 0 {
		seen += "; other objects against none, " + describeAll(others)
	}
	theirs := func(fs []analysis.Finding) (out []analysis.Finding) {
		for _, f := range fs {
			if f.With.DNS == plan.ClusterDNS {
				out = append(out, f)
			}
		}
		return out
	}
	if m, o := theirs(member), theirs(others); cloudDNS(in.env) && len(m) > 0 {
		switch {
		case slices.ContainsFunc(m, sooner) && slices.ContainsFunc(o, sooner):
			return refute(seen, "an object outside the Service helps as well")
		case slices.ContainsFunc(m, sooner):
			return support(seen)
		case every(m, notSooner):
			return refute(seen, "")
		}
		return untestable(seen, undecided(m))
	}
	const where = "how Cloud DNS withdraws records cannot be seen where it is not the DNS that was asked"
	switch {
	case every(member, notSooner):
		return untestable(seen, where+"; here the pod did not help")
	case slices.ContainsFunc(member, sooner):
		return untestable(seen, where+"; that the pod helped here has another reason")
	}
	return untestable(seen, where+"; whether the pod helps here is open: "+undecided(member))
}

// createdLate decides H10.
func (in *Input) createdLate() finding {
	before := sum(in.valid(func(a plan.Arm) bool { return a.Order == plan.ServiceFirst }))
	after := sum(in.valid(func(a plan.Arm) bool { return a.Order == plan.JobFirst }))
	fs := in.compared(serviceFirst, in.order)
	var list []string
	if before.trials > 0 {
		list = append(list, "with the Service first "+before.delays())
	}
	if after.trials > 0 {
		list = append(list, "with the Job first "+after.delays(), after.holds("the time until the Service was there", service))
	}
	if len(fs) > 0 {
		list = append(list, "Job first against Service first, "+describeAll(fs))
	}
	seen := strings.Join(list, "; ")
	switch {
	case after.heldIn[service] > 0,
		slices.ContainsFunc(fs, func(f analysis.Finding) bool { return f.Verdict == stats.Differs && change(f) > 0 }):
		return support(seen)
	case len(fs) == 0 && before.delayed > 0:
		return untestable(seen, noComparison+"; the delays of this run came although the Service was there first")
	case len(fs) == 0:
		return untestable(seen, noComparison)
	case every(fs, func(f analysis.Finding) bool { return f.Verdict == stats.Equivalent || sooner(f) }):
		return refute(seen, "")
	}
	return untestable(seen, undecided(fs))
}

const noComparison = "no arm with the Job created first, and the same with the Service first"
