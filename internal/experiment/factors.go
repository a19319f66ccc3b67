// Package experiment plans: which factors are varied, which combinations
// (arms) a block holds, in which order trials run, and what that will cost.
// It is pure; the same inputs and seed give the same plan.
package experiment

import (
	"time"

	"headless-job-dns/internal/record"
)

// Extra is the object created before the headless Service: the "unrelated
// service" of the original report, in every reading that it allows.
type Extra string

const (
	ExtraNone       Extra = "none"
	ExtraService    Extra = "service"     // an unrelated ClusterIP Service, its selector matches nothing
	ExtraServicePod Extra = "service-pod" // the same with a pod behind it
	ExtraPod        Extra = "pod"         // an unrelated pod alone
	ExtraMemberPod  Extra = "member-pod"  // a pod that the headless Service selects: what the operator's "service" was
	ExtraOneshotPod Extra = "oneshot-pod" // a pod that completes within 3 s: the operator's certificate generator
)

// Extras lists every Extra, in the order in which help and reports name them.
var Extras = []Extra{ExtraNone, ExtraService, ExtraServicePod, ExtraPod, ExtraMemberPod, ExtraOneshotPod}

// Names says whether a trial's object names were ever used before.
type Names string

const (
	// Fresh names were never asked for before the trial.
	Fresh Names = "fresh"
	// Reused names are those of a primer run that ended just before.
	Reused Names = "reused"
)

// AllNames lists every Names.
var AllNames = []Names{Fresh, Reused}

// DNS is the resolver configuration that the pods of a trial use.
type DNS string

const (
	// ClusterDNS is what pods get by default.
	ClusterDNS DNS = "cluster"
	// Kubeadm131 is a private CoreDNS with the Corefile of kubeadm up to
	// 1.31: `cache 30` also for the cluster domain, `ttl 30`.
	Kubeadm131 DNS = "kubeadm-1.31"
	// Kubeadm132 is a private CoreDNS with the Corefile of kubeadm since
	// 1.32: no caching for the cluster domain.
	Kubeadm132 DNS = "kubeadm-1.32"
)

// AllDNS lists every DNS.
var AllDNS = []DNS{ClusterDNS, Kubeadm131, Kubeadm132}

// Private tells whether the configuration is a CoreDNS of ours, which needs a
// ClusterRole.
func (d DNS) Private() bool { return d == Kubeadm131 || d == Kubeadm132 }

// Observers lists what the pods of a trial may ask; see record.Observer.
var Observers = []record.Observer{record.Solo, record.Peers, record.PeersServer}

// Arm is one combination of factor levels.
type Arm struct {
	DNS      DNS             `json:"dns"`
	Names    Names           `json:"names"`
	Extra    Extra           `json:"extra"`
	Observer record.Observer `json:"observer"`
}

// String names the arm as progress lines and reports do.
func (a Arm) String() string {
	return string(a.DNS) + "/" + string(a.Names) + "/" + string(a.Extra) + "/" + string(a.Observer)
}

// Duration is a time.Duration that JSON shows as Go writes it ("1m30s").
type Duration time.Duration

// MarshalText writes the duration as time.Duration.String does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what time.ParseDuration accepts.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = Duration(v)
	return err
}

// Trial is one planned trial: an arm, its place in the order, its names.
type Trial struct {
	ID       string   `json:"id"`    // unique in the plan, e.g. "t007"
	Seq      int      `json:"seq"`   // 1-based place in the order
	Block    int      `json:"block"` // 1-based
	Arm      Arm      `json:"arm"`
	Job      string   `json:"job"`
	Service  string   `json:"service"`
	Extra    string   `json:"extra_name,omitempty"` // base name of the extra's objects
	Deadline Duration `json:"deadline"`             // after each probe's start; what has not happened by then is censored
	Expected Duration `json:"expected"`             // for progress and the budget, not a limit
}

// Settings are the same for every trial of a plan.
type Settings struct {
	Pods            int        `json:"pods"`
	ConnectTimeouts []Duration `json:"connect_timeouts"` // solo: dealt out over indices 1, 2, ...; 0 = none
	QPS             int        `json:"qps"`              // questions a second over all pods, at most
	Interval        Duration   `json:"interval"`         // between questions of one stream: the resolution
	Gap             Duration   `json:"gap"`              // reused names: last pod gone to first new question
	NoWait          bool       `json:"no_wait"`          // reused names: create anew without waiting for deletion
	FirstQueryAfter Duration   `json:"first_query_after"`
	Deadline        Duration   `json:"deadline"`
	Follow          Duration   `json:"follow"` // deadline of the one trial that follows the worker without a connect timeout to its end
}

// Plan is the whole experiment: plan.json.
type Plan struct {
	V        int      `json:"v"`
	Run      string   `json:"run"`  // id of this execution; labels every object
	Name     string   `json:"name"` // quick, default, ...
	Seed     uint64   `json:"seed"`
	Blocks   int      `json:"blocks"`
	Arms     []Arm    `json:"arms"`
	Settings Settings `json:"settings"`
	Trials   []Trial  `json:"trials"`
}
