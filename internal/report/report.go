// Package report renders what an experiment found, for people: report.md and
// a short form for the terminal. It is pure; the same records give the same
// bytes. Sentences are made by fixed rules from the numbers and say no more
// than they do: this report describes, it does not test.
//
// A Report is filled trial by trial and keeps of each only what it prints.
package report

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/experiment"
	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/result"
)

// late is from when on a readiness lag counts as a delay. A pod start takes
// about a second anyway; what users report is tens of them.
const late = time.Second

// Report is a report in the making.
type Report struct {
	plan     experiment.Plan
	env      *environment.Environment // nil: none was written
	warnings []string                 // about the records
	trials   []trial
}

// trial is what is kept of one trial.
type trial struct {
	id      string
	arm     experiment.Arm
	status  result.Status
	reasons []string
	notes   []string
	v       *judge.Verdict // without its pairs
}

// counts tells whether the trial enters the numbers.
func (t trial) counts() bool { return t.status != result.Invalid }

// New begins a report on a plan. The environment is environment.json as it is
// on disk, or nil.
func New(plan experiment.Plan, env json.RawMessage) *Report {
	r := &Report{plan: plan}
	if len(env) > 0 {
		r.env = &environment.Environment{}
		// A newer or damaged file still tells what it can.
		if err := json.Unmarshal(env, r.env); err != nil {
			r.Warn("environment.json was read in part: " + err.Error())
		}
	}
	return r
}

// Load makes the report of a results folder from its records alone. An error
// is a *result.InputError when it is about the folder.
func Load(dir string) (*Report, error) {
	records, err := result.Load(dir)
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

// Add judges a trial and takes it in.
func (r *Report) Add(t *result.Trial) { r.AddVerdict(judge.Judge(t)) }

// AddVerdict takes in a trial that was judged already.
func (r *Report) AddVerdict(v *judge.Verdict) {
	kept := *v
	kept.Pairs = nil // most of a verdict; nothing here is by pair
	r.trials = append(r.trials, trial{id: v.Trial.ID, arm: v.Trial.Arm, status: v.Status, reasons: v.Reasons, notes: v.Notes, v: &kept})
}

// Warn adds a sentence about the records themselves.
func (r *Report) Warn(text string) { r.warnings = append(r.warnings, text) }

// Warnings returns what is known to be missing from the records.
func (r *Report) Warnings() []string { return r.warnings }

// Invalid is the number of trials that are judged invalid and do not enter the
// numbers.
func (r *Report) Invalid() int { return r.tally(everything).invalid }

// Markdown renders report.md.
func (r *Report) Markdown() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# Name readiness of an Indexed Job behind a headless Service\n\n")
	r.opening(&b)
	r.overview(&b)
	r.combinations(&b)
	r.exceptions(&b)
	r.reading(&b)
	r.environment(&b)
	r.reproduce(&b)
	return []byte(b.String())
}

// of returns the trials for which is holds and that enter the numbers.
func (r *Report) of(is func(experiment.Arm) bool) []trial {
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
func (r *Report) arms() []experiment.Arm {
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

func (r *Report) tally(is func(experiment.Arm) bool) tally {
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
		case result.Complete:
			n.complete++
		case result.Censored:
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

func everything(experiment.Arm) bool { return true }

func only(a experiment.Arm) func(experiment.Arm) bool {
	return func(b experiment.Arm) bool { return a == b }
}
