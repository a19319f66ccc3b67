// Package hypothesis decides, from the records of one run, which of the
// explanations that were offered for the slow start survives on this cluster.
// Each decision follows from the records by a rule that is written beside it.
// It is pure; the same records give the same decisions.
//
// # Words
//
// A pair is an asker and the pod that it asks for. Its wait is the time from
// when both exist, and the asker's first question is due, until the asker is
// connected. A pair is delayed if its wait is known to be longer than Late, a
// trial if one of its pairs is. Something holds a wait if at least half of it
// went there, by the pair's shares of time.
//
// # What a decision is about
//
// Supported means that the records show the explanation at work in at least
// one trial; what was seen says in how many. Refuted means that the run made
// the observation that would have shown it, and it was not there: about this
// cluster and these configurations, not about others. Everything else is not
// testable here, an inconclusive comparison among them: that a difference was
// not found does not say that there is none.
//
// What depends on a DNS configuration is decided for each by itself. The run's
// decision is supported if it is with any configuration, and refuted only if it
// is with all in which there was something to explain; what was seen names them
// one by one.
package hypothesis

import (
	"cmp"
	"slices"
	"time"

	"headless-job-dns/internal/analysis"
	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/results"
)

const (
	// Late is from when on a wait counts as a delay, as everywhere in the
	// analysis.
	Late = analysis.Late
	// Half is the share of a wait from which on a part holds it: no two parts
	// can hold more than half each, so that a delayed pair has one holder at
	// most, ties aside.
	Half = 0.5
)

// Status is what a run says about an explanation.
type Status string

// The statuses; there are no others.
const (
	Supported   Status = "supported"
	Refuted     Status = "refuted"
	NotTestable Status = "not testable here"
)

// Decision is one explanation, decided.
type Decision struct {
	ID          string // "H1"
	Claim       string // one sentence
	Observation string // what would tell: the discriminating measurement
	Rule        string // how the records decide, in words and numbers
	Seen        string // what was seen, with numbers; empty: nothing that bears on it
	Status      Status
	Why         string // of NotTestable, or what limits the decision
	// With are the DNS configurations for which Status holds, where it was
	// decided for each by itself and is not NotTestable.
	With []plan.DNS
}

// Input is what the decisions are made from. New is its only constructor.
type Input struct {
	// Findings are those of the plan's declared contrasts. A comparison that
	// is among them is taken from there, so that a report has one number for
	// it; others are made here, corrected for being several within their
	// hypothesis.
	Findings []analysis.Finding

	plan   plan.Plan
	env    environment.Environment
	trials []trial        // valid and invalid ones, in the order in which their ids first came
	byID   map[string]int // index in trials

	extras, order *analysis.Analysis // comparisons that no plan declared
	drift         *analysis.Analysis
}

// New begins the decisions on a plan's run. env may be nil: nothing is known of
// the cluster then.
func New(p plan.Plan, env *environment.Environment) *Input {
	in := &Input{plan: p, byID: map[string]int{}}
	if env != nil {
		in.env = *env
	}
	in.extras = in.comparing(withoutExtra)
	in.order = in.comparing(serviceFirst)
	in.drift = in.following()
	return in
}

// Add takes in a judged trial and keeps only what the rules need. A trial that comes
// again replaces the earlier attempt. It needs the verdict's pairs.
func (in *Input) Add(v *judge.Verdict) {
	for _, a := range []*analysis.Analysis{in.extras, in.order, in.drift} {
		a.Add(v)
	}
	t := newTrial(v)
	if i, ok := in.byID[t.id]; ok {
		in.trials[i] = t
		return
	}
	in.byID[t.id] = len(in.trials)
	in.trials = append(in.trials, t)
}

// Decisions are H1 to H11, in this order.
func (in *Input) Decisions() []Decision {
	out := make([]Decision, len(rules))
	for i, r := range rules {
		f := r.decide(in)
		out[i] = Decision{r.id, r.claim, r.observation, r.rule, f.seen, f.status, f.why, f.with}
	}
	return out
}

// rule is an explanation and how it is decided.
type rule struct {
	id, claim, observation, rule string
	decide                       func(*Input) finding
}

// finding is what a rule found, for the run or for one DNS configuration.
type finding struct {
	status Status
	seen   string
	why    string
	with   []plan.DNS
	idle   bool // not testable as there was nothing to explain
}

// valid are the trials for which is holds and that count.
func (in *Input) valid(is func(plan.Arm) bool) []trial {
	var out []trial
	for _, t := range in.trials {
		if t.status != results.Invalid && is(t.arm) {
			out = append(out, t)
		}
	}
	return out
}

// dns are the configurations that the plan or the records have, in the order
// in which reports name them.
func (in *Input) dns() []plan.DNS {
	var has []plan.DNS
	for _, a := range in.plan.Arms {
		has = append(has, a.DNS)
	}
	for _, t := range in.trials {
		has = append(has, t.arm.DNS)
	}
	slices.SortStableFunc(has, func(a, b plan.DNS) int {
		return cmp.Or(cmp.Compare(slices.Index(plan.AllDNS, a), slices.Index(plan.AllDNS, b)), cmp.Compare(a, b))
	})
	return slices.Compact(has)
}

func names(n plan.Names) func(plan.Arm) bool {
	return func(a plan.Arm) bool { return a.Names == n }
}

// throughDNS tells that the pods of an arm ask the DNS for addresses.
func throughDNS(a plan.Arm) bool { return a.Connect == plan.ByName }

func all(conditions ...func(plan.Arm) bool) func(plan.Arm) bool {
	return func(a plan.Arm) bool {
		for _, is := range conditions {
			if !is(a) {
				return false
			}
		}
		return true
	}
}

// later tells whether an outcome is known to be later than limit, and whether
// that is known at all: what is asked for at intervals is known to an interval.
func later(o judge.Measurement, limit time.Duration) (yes, known bool) {
	switch {
	case !o.Known():
		return false, false
	case o.Lo-o.Clock > limit:
		return true, true
	case o.Value+o.Clock <= limit && !o.Censored:
		return false, true
	}
	return false, false
}
