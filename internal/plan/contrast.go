package plan

// Contrast is a comparison of two arms, block by block: With minus Control.
type Contrast struct {
	Name    string  `json:"name"` // what it answers, e.g. "member-pod against none"
	Control Arm     `json:"control"`
	With    Arm     `json:"with"`
	Outcome Outcome `json:"outcome"`
	// Remedy says, for tables, that With is Control with something changed
	// that a user or a cluster's owner could change.
	Remedy string `json:"remedy,omitempty"`
}

// Outcome is the one number that a trial gives to a contrast. All are readiness
// lags: seconds since asker and asked both exist.
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
	OnServer  Moment = "on-server" // the last name on the last DNS server (uncached view)
	Connected Moment = "connected" // the last pair
	Joined    Moment = "joined"    // solo: the worker with Timeout
)
