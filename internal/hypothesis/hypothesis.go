// Package hypothesis decides, from the records of one run, which of the
// explanations that were offered for the slow start survives on this cluster.
// Each decision follows from the records by a rule that is written beside it.
package hypothesis

// Status is what a run says about an explanation.
type Status string

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
	Seen        string // what was seen, with numbers
	Status      Status
	Why         string // of NotTestable, or what limits the decision
}
