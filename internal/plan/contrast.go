package plan

import "time"

// Contrast is a comparison of two arms, block by block: With minus Control.
type Contrast struct {
	Name    string // what it answers, e.g. "member-pod against none"
	Control Arm
	With    Arm
	Outcome Outcome
	// Remedy says, for tables, that With is Control with something changed
	// that a user or a cluster's owner could change.
	Remedy string
}

// Check says that the contrast is of an arm with its own copy: A/A. It tests
// the procedure, not the cluster.
func (c Contrast) Check() bool {
	a, b := c.Control, c.With
	a.Copy, b.Copy = 0, 0
	return c.Control != c.With && a == b
}

// Outcome is the one number that a trial gives to a contrast: a lag in seconds since
// client and peer both exist, unless its moment says otherwise.
type Outcome struct {
	Of Moment `json:"of"`
	// Timeout is the connect timeout of the worker that is looked at; 0: none.
	// Only for Joined.
	Timeout Duration `json:"timeout,omitempty"`
	// ControlTimeout, where not nil, is the worker of the control arm instead:
	// what another connect timeout changes is seen within a trial's workers.
	ControlTimeout *Duration `json:"control_timeout,omitempty"`
}

// Moment is what a lag ends with.
type Moment string

const (
	Resolved  Moment = "resolved"  // the last pair: client's answer current
	OnServer  Moment = "on-server" // the last name on the last DNS server, asked past its cache
	Connected Moment = "connected" // the last pair
	Joined    Moment = "joined"    // solo: the worker with Timeout
	// Withdrawn is no lag: whether the old record was gone before the new one came,
	// after a previous Job that ran.
	Withdrawn Moment = "withdrawn"
)

// DefaultMargin is up to what a difference does not matter unless the plan says
// otherwise: a quarter of the second that a pod's start takes anyway.
const DefaultMargin = Duration(250 * time.Millisecond)
