package results

import (
	"time"

	"headless-job-dns/internal/plan"
)

// Tally is how far a plan has come. The zero value is before the first trial.
type Tally struct {
	attempts map[string]int
	valid    map[string]bool
	repeats  int
}

// Add counts a trial that is on disk.
func (t *Tally) Add(tr Trial) {
	if t.attempts == nil {
		t.attempts, t.valid = map[string]int{}, map[string]bool{}
	}
	if t.attempts[tr.Plan.ID]++; t.attempts[tr.Plan.ID] > 1 {
		t.repeats++
	}
	t.valid[tr.Plan.ID] = tr.Status != Invalid
}

// Trials counts the trials of which there is an attempt.
func (t *Tally) Trials() int { return len(t.attempts) }

// Left estimates how long the trials take of which there is no attempt yet.
func (t *Tally) Left(p plan.Plan) time.Duration {
	var d time.Duration
	for _, tr := range p.Trials {
		if t.attempts[tr.ID] == 0 {
			d += time.Duration(tr.Expected)
		}
	}
	return d
}

// Next returns the trial of a plan that is to be run next and which attempt it
// is: the block's trials in their order, then, at the end of the block, those
// of them that were invalid. It returns false once the plan is finished.
func (t *Tally) Next(p plan.Plan) (next plan.Trial, attempt int, ok bool) {
	for begin := 0; begin < len(p.Trials); {
		end := begin
		for end < len(p.Trials) && p.Trials[end].Block == p.Trials[begin].Block {
			end++
		}
		block := p.Trials[begin:end]
		begin = end
		for _, tr := range block {
			if t.attempts[tr.ID] == 0 {
				return tr, 1, true
			}
		}
		if t.repeats >= p.MaxRepeats() {
			continue
		}
		for _, tr := range block {
			if n := t.attempts[tr.ID]; !t.valid[tr.ID] && n < plan.MaxAttempts {
				return tr, n + 1, true
			}
		}
	}
	return plan.Trial{}, 0, false
}
