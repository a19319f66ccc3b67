// Package report renders what an experiment found, for people: report.md in the
// form of Kubernetes' bug reports, a shorter one as a comment on an issue that
// exists, and a short form for the terminal. It is pure; the same records give
// the same bytes. Sentences are made by fixed rules from the numbers and say no
// more than they do.
//
// A Report is filled trial by trial and keeps of each only what it prints.
package report

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"headless-job-dns/internal/analysis"
	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/hypothesis"
	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/picture"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/results"
)

// late is from when on a readiness lag counts as a delay. A pod start takes
// about a second anyway; what users report is tens of them.
const late = time.Second

// Report is a report in the making.
type Report struct {
	plan     plan.Plan
	env      *environment.Environment // nil: none was written
	warnings []string                 // about the records
	trials   []trial
	again    int // trials that were carried out again after an invalid attempt

	analysis   *analysis.Analysis
	hypotheses *hypothesis.Input
	cached     *reduced       // of the trials so far; nil: not made yet
	slowest    *judge.Verdict // to be drawn; nil: none yet
}

// reduced is what the analyses make of all trials.
type reduced struct {
	findings  []analysis.Finding
	remedies  []analysis.Remedy
	decisions []hypothesis.Decision
}

func (r *Report) results() *reduced {
	if r.cached == nil {
		findings := r.analysis.Findings()
		r.hypotheses.Findings = findings
		r.cached = &reduced{findings, r.analysis.Remedies(), r.hypotheses.Decisions()}
	}
	return r.cached
}

// trial is what is kept of one trial.
type trial struct {
	id      string
	arm     plan.Arm
	status  results.Status
	reasons []string
	notes   []string
	v       *judge.Verdict    // without its pairs
	held    []judge.StageTime // of the slowest pair's lag
}

// counts tells whether the trial enters the numbers.
func (t trial) counts() bool { return t.status != results.Invalid }

// New begins a report on a plan. The environment is environment.json as it is
// on disk, or nil.
func New(p plan.Plan, env json.RawMessage) *Report {
	r := &Report{plan: p, analysis: analysis.New(p)}
	if len(env) > 0 {
		r.env = &environment.Environment{}
		// A newer or damaged file still tells what it can.
		if err := json.Unmarshal(env, r.env); err != nil {
			r.Warn("environment.json was read in part: " + err.Error())
		}
	}
	r.hypotheses = hypothesis.New(p, r.env)
	return r
}

// Load makes the report of a results folder from its records alone. An error
// is a *plan.InputError when it is about the folder.
func Load(dir string) (*Report, error) {
	records, err := results.Load(dir)
	if err != nil {
		return nil, err
	}
	r := New(records.Plan, records.Environment)
	for t, err := range records.Trials() {
		if err != nil {
			return nil, err
		}
		r.Add(&t)
	}
	for _, w := range records.Warnings {
		r.Warn(w)
	}
	return r, nil
}

// Add judges a trial and takes it in. A trial that comes again replaces the
// attempt before.
func (r *Report) Add(t *results.Trial) {
	v := judge.Judge(t)
	r.cached = nil
	r.analysis.Add(v)
	r.hypotheses.Add(v)
	r.slowest = picture.Slowest(r.slowest, v)
	kept := *v
	kept.Pairs, kept.Moments = nil, nil // most of a verdict; nothing here is by pair or pod
	k := trial{id: v.Trial.ID, arm: v.Trial.Arm, status: v.Status, reasons: v.Reasons, notes: v.Notes, v: &kept, held: lagShares(v)}
	if i := slices.IndexFunc(r.trials, func(o trial) bool { return o.id == k.id }); i >= 0 {
		r.trials[i] = k
		r.again++
		return
	}
	r.trials = append(r.trials, k)
}

// Warn adds a sentence about the records themselves.
func (r *Report) Warn(text string) { r.warnings = append(r.warnings, text) }

// Warnings returns what is known to be missing from the records.
func (r *Report) Warnings() []string { return r.warnings }

// Invalid is the number of trials that are judged invalid and do not enter the
// numbers.
func (r *Report) Invalid() int { return r.tally(everything).invalid }

// of returns the trials for which is holds and that enter the numbers.
func (r *Report) of(is func(plan.Arm) bool) []trial {
	var out []trial
	for _, t := range r.trials {
		if t.counts() && is(t.arm) {
			out = append(out, t)
		}
	}
	return out
}

// arms returns the combinations in the plan's order. Records of a plan that
// was edited by hand may hold others; they come last.
func (r *Report) arms() []plan.Arm {
	arms := slices.Clone(r.plan.Arms)
	for _, t := range r.trials {
		if !slices.Contains(arms, t.arm) {
			arms = append(arms, t.arm)
		}
	}
	return arms
}

// tally counts the trials of one combination.
type tally struct{ planned, complete, censored, invalid int }

func (r *Report) tally(is func(plan.Arm) bool) tally {
	var n tally
	for _, t := range r.plan.Trials {
		if is(t.Arm) {
			n.planned++
		}
	}
	for _, t := range r.trials {
		if !is(t.arm) {
			continue
		}
		switch t.status {
		case results.Complete:
			n.complete++
		case results.Censored:
			n.censored++
		default:
			n.invalid++
		}
	}
	return n
}

// String is how tables show it: complete, censored, invalid.
func (n tally) String() string { return fmt.Sprintf("%d/%d/%d", n.complete, n.censored, n.invalid) }

func (n tally) done() int { return n.complete + n.censored + n.invalid }

func everything(plan.Arm) bool { return true }

func only(a plan.Arm) func(plan.Arm) bool {
	return func(b plan.Arm) bool { return a == b }
}
