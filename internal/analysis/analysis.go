// Package analysis makes of the verdicts of a plan's trials what a reader wants
// to know: the declared contrasts with intervals, what each remedy is worth
// here, and which explanation survives. It is pure, and forgets each trial's
// pairs as soon as it has seen them.
package analysis

import (
	"headless-job-dns/internal/experiment"
	"headless-job-dns/internal/stats"
)

// Finding is one declared contrast, analysed.
type Finding struct {
	experiment.Contrast
	Primary bool
	Blocks  int // complete ones: both trials there and valid
	// Stats is nil where there are no blocks; Why says why.
	Stats            *stats.Contrast
	Adjusted         float64 // p after Holm among the secondary ones; the primary stands alone
	Verdict          stats.Verdict
	Why              string
	Control, Treated Arm // each arm's own numbers
}

// Arm is one arm's outcome over all its valid trials.
type Arm struct {
	Times      []stats.Time      // seconds, by block
	Median     float64           // seconds; NaN where unknown (half or more censored)
	Restricted float64           // mean restricted to the common deadline, seconds
	Late       *stats.Proportion // share later than 1 s
}
