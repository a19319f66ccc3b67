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

// What a user or a cluster's owner could change, as plans and tables name it.
const (
	RemedyNoDenials  = "no denial caching"
	RemedyNoSuccess  = "no success caching"
	RemedyPublish    = "publishNotReadyAddresses"
	RemedyFresh      = "fresh names"
	RemedyLater      = "first question later"
	RemedyTimeout1s  = "connect timeout 1 s"
	RemedyTimeout5s  = "connect timeout 5 s"
	RemedyPause      = "a pause longer than the TTL"
	RemedyKubeadm132 = "kubeadm 1.32's Corefile"
)

// Remedies lists every remedy in the order in which tables name them.
var Remedies = []string{RemedyNoDenials, RemedyNoSuccess, RemedyPublish, RemedyFresh, RemedyLater,
	RemedyTimeout1s, RemedyTimeout5s, RemedyPause, RemedyKubeadm132}
