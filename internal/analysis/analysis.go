// Package analysis makes of the verdicts of a plan's trials what a reader wants
// to know: the declared contrasts with intervals, what each remedy is worth
// here, when workers joined by connect timeout, and whether the plan's order
// mattered. It is pure, and forgets each trial's pairs as soon as it has seen
// them.
//
// # From a trial to a number
//
// The unit is the trial: an [plan.Outcome] takes one readiness lag from
// it, in seconds since asker and asked both existed. Where several workers have
// the connect timeout that is looked at, the last of them counts. A lag is
// never below zero; what another clock's uncertainty put there becomes zero. A
// trial that is invalid, or whose outcome is lost, is left out together with
// its block, and said to be. A trial that was tried again counts as its last
// attempt ended.
//
// # What was not seen
//
// An outcome that had not happened when its trial ended is censored: it is
// longer than what is given. A trial watches from the asker's start to its
// deadline, so it watches a lag until the deadline less the time from that
// start to when both existed. The common deadline of a contrast is the shortest
// such stretch among its trials. If any of the outcomes that are compared is
// censored, what happened after the common deadline counts as censored at it,
// also in a trial that was watched for longer: every trial has the same chance to
// show a late outcome then. If none is censored there is nothing to equalise, and
// all values stand as they are.
package analysis

import (
	"slices"
	"time"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/stats"
)

const (
	// Level is that of every interval: what a verdict at stats.Alpha, 5 %,
	// belongs to.
	Level = 0.95
	// Late is from when on a readiness lag counts as a delay. A pod start
	// takes about a second anyway; what users report is tens of them.
	Late = time.Second
)

// Finding is one declared contrast, analysed.
type Finding struct {
	plan.Contrast
	Primary bool
	// Check says that both arms are the same combination: an A/A contrast. It
	// stands alone like the primary one, and "differs" there speaks against
	// the procedure; that happens by chance in at most 5 % of plans.
	Check   bool
	Planned int       // blocks that the plan has for it
	Blocks  int       // complete ones: both trials there and valid
	LeftOut []LeftOut // why the others are not

	// Deadline is the common one of both arms' trials in seconds, or, where
	// nothing is censored, the longest outcome if that is later.
	Deadline float64
	// Stats compares the complete blocks, restricted to Deadline where any of
	// their outcomes is censored. It is nil where there are none, or too few;
	// Why says why.
	Stats    *stats.Contrast
	Adjusted float64 // p after Holm among the secondary ones; the primary and checks stand alone; 1 where Stats is nil
	Verdict  stats.Verdict
	Why      string
	// Warnings are sentences for whoever reads the numbers, those of Stats
	// included.
	Warnings []string
	// Control and Treated are the arms' own numbers; the combinations that
	// they are of are Contrast.Control and Contrast.With.
	Control, Treated Arm
}

// LeftOut is a trial that does not enter a contrast, with which its block is
// left out.
type LeftOut struct {
	Block int
	Trial string // id
	Why   string
}

// Arm is one arm's outcome over all its valid trials, those of incomplete
// blocks included.
type Arm struct {
	Times  []stats.Time // seconds, by block, each as its own trial saw it
	Blocks []int        // of each of Times
	// Median is in seconds; NaN where unknown, as half or more are censored
	// or there are none. AtLeast is the median with every censored time at
	// its bound, which the median is not below. Interval assumes no shape.
	Median, AtLeast float64
	Interval        stats.Interval
	Least, Most     stats.Time // Most is censored where any time is: it is that at least
	Censored        int
	// Restricted is the mean restricted to the common deadline, seconds; the
	// plain mean where nothing is censored. NaN where there are no times.
	Restricted float64
	Late       *stats.Proportion // share later than Late, of the trials where that is known; nil where there are none
	// Resolution is the widest interval within which one of the times is
	// known, seconds, the uncertainty of clocks included.
	Resolution float64
}

// Analysis collects the trials of a plan. The zero value is not usable; New is.
type Analysis struct {
	plan     plan.Plan
	arms     []plan.Arm        // those of its trials, in its order
	order    []int             // its blocks, ascending
	planned  map[cell][]string // ids of its trials
	trials   []trial           // in the order in which their ids first came
	byID     map[string]int    // index in trials
	findings []Finding         // of the trials so far; nil: not made yet
}

// cell is an arm in a block.
type cell struct {
	arm   plan.Arm
	block int
}

// New begins the analysis of a plan.
func New(p plan.Plan) *Analysis {
	a := &Analysis{plan: p, planned: map[cell][]string{}, byID: map[string]int{}}
	for _, t := range p.Trials {
		c := cell{t.Arm, t.Block}
		a.planned[c] = append(a.planned[c], t.ID)
		a.order = append(a.order, t.Block)
	}
	slices.Sort(a.order)
	a.order = slices.Compact(a.order)
	// A plan made by hand may have trials of arms that it does not list.
	for _, arm := range p.Arms {
		a.list(arm)
	}
	for _, t := range p.Trials {
		a.list(t.Arm)
	}
	return a
}

func (a *Analysis) list(arm plan.Arm) {
	if !slices.Contains(a.arms, arm) {
		a.arms = append(a.arms, arm)
	}
}

// Add takes in a judged trial and keeps only its numbers. A trial that comes
// again replaces its earlier attempt. It needs the verdict's pairs: they say
// until when its lags were watched.
func (a *Analysis) Add(v *judge.Verdict) {
	t := newTrial(v)
	a.findings = nil
	if i, ok := a.byID[t.id]; ok {
		a.trials[i] = t
		return
	}
	a.byID[t.id] = len(a.trials)
	a.trials = append(a.trials, t)
}
