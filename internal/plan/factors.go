// Package plan plans: which factors are varied, which combinations
// (arms) a block holds, in which order trials run, and what that will cost.
// It is pure; the same inputs and seed give the same plan.
package plan

import (
	"cmp"
	"slices"
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
	// Cache30 is a private CoreDNS with the Corefile of kubeadm up to
	// 1.31: `cache 30` also for the cluster domain, `ttl 30`.
	Cache30 DNS = "cache-30"
	// Uncached is a private CoreDNS with the Corefile of kubeadm since
	// 1.32: no caching for the cluster domain.
	Uncached DNS = "uncached"
	// NoDenialCache is Cache30 with `disable denial` for the cluster
	// domain, NoSuccessCache the same with `disable success`: each half of
	// what 1.32 changed, as a remedy.
	NoDenialCache  DNS = "no-denial-cache"
	NoSuccessCache DNS = "no-success-cache"
	// NodeLocalCache30 and NodeLocalUncached have NodeLocal DNSCache's Corefile
	// (addresses 30 s, denials 5 s) on each node, in front of Cache30 or
	// Uncached.
	NodeLocalCache30  DNS = "nodelocal-cache-30"
	NodeLocalUncached DNS = "nodelocal-uncached"
	// KubeDNS is dnsmasq with kube-dns' arguments (addresses are cached,
	// denials are not) in front of a CoreDNS that does not cache.
	KubeDNS DNS = "kube-dns"
	// Forwarding is a CoreDNS that forwards to the cluster's own DNS and
	// caches for 30 s: it can add caching where nobody may read Services, not
	// remove it. It needs no ClusterRole.
	Forwarding DNS = "forwarding"
	// RecordWriter is a DNS whose records a controller of ours writes from
	// EndpointSlices, by the model that explains Cloud DNS (recordwriter): a set
	// of endpoints that has become empty is not written. RecordWriterPublish is
	// the same but that it is: the control. They need a Role.
	RecordWriter        DNS = "record-writer"
	RecordWriterPublish DNS = "record-writer-publish"
)

// AllDNS lists every DNS.
var AllDNS = []DNS{ClusterDNS, Cache30, Uncached, NoDenialCache, NoSuccessCache, NodeLocalCache30, NodeLocalUncached, KubeDNS, Forwarding,
	RecordWriter, RecordWriterPublish}

// Private tells whether the configuration is a DNS of ours, started for the run.
func (d DNS) Private() bool { return d != ClusterDNS }

// NeedsClusterRole tells whether the configuration reads the whole cluster's Services.
func (d DNS) NeedsClusterRole() bool { return d.Private() && d != Forwarding && !d.WritesRecords() }

// WritesRecords tells whether the configuration is a record writer.
func (d DNS) WritesRecords() bool { return d == RecordWriter || d == RecordWriterPublish }

// Previous says what had the names before; reused names only.
type Previous string

const (
	// Primed is a Job of idle pods whose names are looked up once on every DNS
	// server, so that each cache holds their addresses.
	Primed Previous = ""
	// Ran is a Job that does what the measured one does: its workers join pod 0, it
	// runs for a while and ends by itself. Its end is pod 0's last log line; the
	// Service and then the Job are deleted DeleteAfter later, and the measured
	// Job's pod 0 starts Gap after that end.
	Ran Previous = "ran"
)

// Order says whether the headless Service or the Job is created first.
type Order string

const (
	ServiceFirst Order = "" // as the original's operator did
	JobFirst     Order = "job-first"
)

// Gap is the time from the last pod of a primer gone to the first new
// question: a duration, or NoWait. Empty leaves it to the plan's settings.
type Gap string

// NoWait creates anew without waiting for the deletion, as the original
// report's script did.
const NoWait Gap = "no-wait"

// Observers lists what the pods of a trial may ask; see record.Observer.
var Observers = []record.Observer{record.Solo, record.Peers, record.PeersServer}

// Arm is one combination of factor levels. It is comparable. The zero value of
// everything below Observer is the default: the workload as reported.
type Arm struct {
	DNS      DNS             `json:"dns"`
	Names    Names           `json:"names"`
	Extra    Extra           `json:"extra"`
	Observer record.Observer `json:"observer"`

	Publish bool     `json:"publish_not_ready,omitempty"` // the Service's publishNotReadyAddresses
	Order   Order    `json:"order,omitempty"`             // of creation
	First   Duration `json:"first_query_after,omitempty"` // each probe's first question; 0: the plan's setting
	Gap     Gap      `json:"gap,omitempty"`               // reused names only
	Copy    int      `json:"copy,omitempty"`              // 2: the same combination once more in each block (A/A)

	Previous    Previous `json:"previous,omitempty"`        // reused names only
	DeleteAfter Duration `json:"delete_after,omitempty"`    // ran: from its end to its Service's deletion; 0: the plan's setting
	Outlive     Duration `json:"workers_outlive,omitempty"` // ran: its workers go on so long after pod 0 ended
	Every       int      `json:"every,omitempty"`           // 2: in every second block, from the first; 0 and 1: in each
}

// String names the arm as progress lines and reports do: the four factors that
// every arm has, then what is not the default.
func (a Arm) String() string {
	s := string(a.DNS) + "/" + string(a.Names) + "/" + string(a.Extra) + "/" + string(a.Observer)
	if a.Publish {
		s += "/publish-not-ready"
	}
	if a.Order != ServiceFirst {
		s += "/" + string(a.Order)
	}
	if a.First != 0 {
		s += "/first=" + TimeoutName(a.First)
	}
	if a.Previous != Primed {
		s += "/" + string(a.Previous)
	}
	if a.DeleteAfter != 0 {
		s += "/delete-after=" + TimeoutName(a.DeleteAfter)
	}
	if a.Outlive != 0 {
		s += "/workers-outlive=" + TimeoutName(a.Outlive)
	}
	if a.Gap != "" {
		s += "/gap=" + string(a.Gap)
	}
	if a.Copy != 0 {
		s += "/again"
	}
	return s
}

// Duration is a time.Duration that JSON shows as Go writes it ("1m30s").
type Duration time.Duration

// MarshalText writes the duration as time.Duration.String does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what time.ParseDuration accepts, and none for 0.
func (d *Duration) UnmarshalText(b []byte) error {
	if string(b) == "none" {
		*d = 0
		return nil
	}
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
	// Sample is for whom each pod asks, with the observers that ask for peers.
	Sample record.Sample `json:"sample,omitzero"`
}

// Settings are the same for every trial of a plan.
type Settings struct {
	Pods            int        `json:"pods"`
	Peers           int        `json:"peers,omitempty"`        // each pod asks for so many others, drawn from the seed; 0: for all. Not solo's
	ConnectTimeouts []Duration `json:"connect_timeouts"`       // solo: dealt out over indices 1, 2, ...; 0 = none
	QPS             int        `json:"qps"`                    // questions a second over all pods, at most
	Interval        Duration   `json:"interval,omitempty"`     // between questions of one stream: the resolution
	Gap             Duration   `json:"gap"`                    // reused names: last pod gone to first new question
	NoWait          bool       `json:"no_wait"`                // reused names: create anew without waiting for deletion
	RunLength       Duration   `json:"run_length,omitempty"`   // a previous Job that ran: from its last join to its end; 0: DefaultRunLength
	DeleteAfter     Duration   `json:"delete_after,omitempty"` // likewise: from its end to its Service's deletion; 0: DefaultDeleteAfter
	FirstQueryAfter Duration   `json:"first_query_after"`
	Deadline        Duration   `json:"deadline"`
	Follow          Duration   `json:"follow"` // deadline of the one trial that follows the worker without a connect timeout to its end
}

// Plan is the whole experiment: plan.json.
type Plan struct {
	V        int      `json:"v"`
	Run      string   `json:"run,omitempty"`   // id of this execution; labels every object
	Name     string   `json:"name"`            // cluster, quick, ...
	About    string   `json:"about,omitempty"` // one line that says what it is for
	Seed     uint64   `json:"seed,omitempty"`
	Blocks   int      `json:"blocks"`
	Arms     []Arm    `json:"arms"`
	Settings Settings `json:"settings"`
	// What is going to be tested, stated before the data are seen: one primary
	// contrast, tested alone, and others, corrected for being several.
	Primary   *Contrast  `json:"primary,omitempty"`
	Secondary []Contrast `json:"secondary,omitempty"`
	Margin    Duration   `json:"margin,omitempty"` // differences within it do not matter
	Trials    []Trial    `json:"trials,omitempty"`
}

// What the original experiment's Jobs took (operator-experiments, google/service-timing):
// the application ran for some seconds, and the old Service was deleted 1.4 s after
// the leader's exit.
const (
	DefaultRunLength   = 6 * time.Second
	DefaultDeleteAfter = 1400 * time.Millisecond
)

// RunLength is how long a previous Job runs once all have joined.
func (p Plan) RunLength() time.Duration {
	return cmp.Or(time.Duration(p.Settings.RunLength), DefaultRunLength)
}

// DeleteAfterOf is the time from the end of an arm's previous Job to the deletion
// of its Service.
func (p Plan) DeleteAfterOf(a Arm) time.Duration {
	return cmp.Or(time.Duration(a.DeleteAfter), time.Duration(p.Settings.DeleteAfter), DefaultDeleteAfter)
}

// FirstQuery is how long each probe of an arm waits before its first question.
func (p Plan) FirstQuery(a Arm) time.Duration {
	if a.First != 0 {
		return time.Duration(a.First)
	}
	return time.Duration(p.Settings.FirstQueryAfter)
}

// GapOf is the time from an arm's last primer pod gone to the first new
// question, or that nothing is waited for.
func (p Plan) GapOf(a Arm) (gap time.Duration, noWait bool) {
	switch {
	case a.Gap == NoWait || a.Gap == "" && p.Settings.NoWait:
		return 0, true
	case a.Gap == "":
		return time.Duration(p.Settings.Gap), false
	}
	// Build has checked it; a plan edited by hand gets the shortest.
	gap, _ = time.ParseDuration(string(a.Gap))
	return max(gap, 0), false
}

// LivesAtOnce is how many lives of a Job have their pods at a time, at most:
// without waiting those of a life stand beside those of the one before.
func (p Plan) LivesAtOnce() int {
	if slices.ContainsFunc(p.Arms, func(a Arm) bool {
		_, noWait := p.GapOf(a)
		return noWait && a.Names == Reused
	}) {
		return 2
	}
	return 1
}
