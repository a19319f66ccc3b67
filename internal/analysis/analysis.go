// Package analysis reduces the verdicts of a plan's trials to the numbers that
// are shown: how late pods reached each other and what held them, cell by cell
// of DNS and scenario; the plan's contrasts with exact tests; the offered
// explanations, each with its deciding number; and one trial's clients over
// time. What shows them (terminal, report.md, pictures) computes nothing.
//
// The unit is the trial: its number is the lag of its slowest pair of client
// and peer, from when both were there until they were connected. What had not
// happened when a trial ended is censored, never dropped and never zero. A
// trial that is invalid does not count; the last attempt at a trial does.
package analysis

import (
	"slices"
	"time"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
)

const (
	// Late is the lag from which on a trial counts as late. A pod start takes
	// about a second anyway; what users report is tens of them.
	Late = time.Second
	// Level is that of every interval: what a verdict at stats.Alpha belongs to.
	Level = 0.95
)

// Analysis collects the trials of a plan. New makes one.
type Analysis struct {
	plan    plan.Plan
	planned map[armBlock][]string // ids of the plan's trials
	trials  []Trial               // in the order in which their ids first came
	byID    map[string]int        // index in trials
	emptied []Emptied             // observer empty-service; the others are in trials
	Retried int                   // attempts that a later one replaced
}

// armBlock is an arm's place in a block.
type armBlock struct {
	arm   plan.Arm
	block int
}

// New begins the analysis of a plan.
func New(p plan.Plan) *Analysis {
	a := &Analysis{plan: p, planned: map[armBlock][]string{}, byID: map[string]int{}}
	for _, t := range p.Trials {
		at := armBlock{t.Arm, t.Block}
		a.planned[at] = append(a.planned[at], t.ID)
	}
	return a
}

// Add takes in a judged trial and keeps only its numbers. A trial that comes
// again replaces its earlier attempt.
func (a *Analysis) Add(v *judge.Verdict) {
	if v.Trial.Arm.Observer == record.EmptyService {
		a.addEmptied(NewEmptied(v))
		return
	}
	t := NewTrial(v)
	if i, ok := a.byID[t.ID]; ok {
		a.trials[i] = t
		a.Retried++
		return
	}
	a.byID[t.ID] = len(a.trials)
	a.trials = append(a.trials, t)
}

// Trials are those taken in so far, invalid ones included, in their order.
func (a *Analysis) Trials() []Trial { return a.trials }

// Arms are the plan's, then those that only trials have, without those of observer
// empty-service: no pod of theirs waits for another.
func (a *Analysis) Arms() []plan.Arm {
	empty := func(arm plan.Arm) bool { return arm.Observer == record.EmptyService }
	arms := slices.DeleteFunc(slices.Clone(a.plan.Arms), empty)
	for _, t := range a.trials {
		if !slices.Contains(arms, t.Arm) {
			arms = append(arms, t.Arm)
		}
	}
	return arms
}

// valid are the trials that count and for which is holds.
func (a *Analysis) valid(is func(plan.Arm) bool) []Trial {
	var out []Trial
	for _, t := range a.trials {
		if t.Invalid == "" && is(t.Arm) {
			out = append(out, t)
		}
	}
	return out
}
