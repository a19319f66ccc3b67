package environment

import "fmt"

// Condition is one finding of the preflight: of what the plan needs, what this
// cluster offers.
type Condition struct {
	Of    string `json:"of"` // a few words: "rights", "capacity"
	State State  `json:"state"`
	Text  string `json:"text"`
}

// State is what a condition means for the plan.
type State string

const (
	Met      State = "ok"       // nothing in the way
	Untold   State = "unknown"  // could not be told beforehand; the plan is tried
	Warning  State = "warning"  // the plan is tried, and what is said may spoil it
	Degraded State = "degraded" // the plan was changed
	Refused  State = "refused"  // the plan cannot be carried out
)

// String is the condition as a line of the list that is printed.
func (c Condition) String() string { return fmt.Sprintf("%-8s  %s: %s", c.State, c.Of, c.Text) }
