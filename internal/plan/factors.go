// Package plan plans: which factors are varied, which combinations
// (arms) a block holds, in which order trials run, and what that will cost.
// It is pure; the same inputs and seed give the same plan.
package plan

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"headless-job-dns/internal/record"
	"headless-job-dns/manifests/kinds"
)

// Extra is the object created before the headless Service: the "unrelated
// service" of the original report, in every reading that it allows. All but none
// are files of manifests/kinds/extras.
type Extra string

// Extras that code and tests speak of.
const (
	ExtraNone       Extra = "none"
	ExtraService    Extra = "service"
	ExtraServicePod Extra = "service-pod"
	ExtraPod        Extra = "pod"
	ExtraMemberPod  Extra = "member-pod" // what the operator's "service" was
	ExtraOneshotPod Extra = "oneshot-pod"
)

// Extras lists every Extra, in the order in which help and reports name them.
var Extras = extras()

func extras() []Extra {
	out := []Extra{ExtraNone}
	for _, e := range kinds.Extras {
		out = append(out, Extra(e.Name))
	}
	return out
}

// Facts are those of its file; those of none have a title alone.
func (e Extra) Facts() kinds.Extra {
	for _, f := range kinds.Extras {
		if f.Name == string(e) {
			return f
		}
	}
	return kinds.Extra{Name: string(e), Title: "nothing else"}
}

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

// DNS is the resolver configuration that the pods of a trial use: what pods get by
// default, or a file of manifests/kinds/dns.
type DNS string

// DNS that code and tests speak of.
const (
	ClusterDNS          DNS = "cluster"
	Cache30             DNS = "cache-30"
	Uncached            DNS = "uncached"
	NoDenialCache       DNS = "no-denial-cache"
	NoSuccessCache      DNS = "no-success-cache"
	NodeLocalCache30    DNS = "nodelocal-cache-30"
	NodeLocalUncached   DNS = "nodelocal-uncached"
	KubeDNS             DNS = "kube-dns"
	Forwarding          DNS = "forwarding"
	RecordWriter        DNS = "record-writer"
	RecordWriterPublish DNS = "record-writer-publish"
)

// AllDNS lists every DNS, in the order in which help and reports name them.
var AllDNS = allDNS()

func allDNS() []DNS {
	out := []DNS{ClusterDNS}
	for _, d := range kinds.AllDNS {
		out = append(out, DNS(d.Name))
	}
	return out
}

// Private tells whether the configuration is a DNS of ours, started for the run.
func (d DNS) Private() bool { return d != ClusterDNS }

// Facts are those of its file; the cluster's own has none.
func (d DNS) Facts() kinds.DNS {
	if f, known := kinds.Find(string(d)); known {
		return f
	}
	return kinds.DNS{Name: string(d)}
}

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
var Observers = []record.Observer{record.Solo, record.Peers, record.PeersServer, record.EmptyService}

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
	DeleteAfter Duration `json:"delete_after,omitempty"`    // ran: from its end to its Service's deletion; 0: the plan's
	Outlive     Duration `json:"workers_outlive,omitempty"` // ran: its workers go on so long after pod 0 ended
	Every       int      `json:"every,omitempty"`           // 2: in every second block, from the first; 0 and 1: in each
}

// Duration is a time.Duration that JSON shows as Go writes it ("1m30s").
type Duration time.Duration

// String is that of time.Duration.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText writes what String returns.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

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
	Pods int `json:"pods"`
	// Peers is for how many others each pod asks, drawn from the seed; 0: for all. Not solo's.
	Peers           int      `json:"peers,omitempty"`
	ConnectTimeouts Timeouts `json:"connect_timeouts"`   // solo: dealt out over indices 1, 2, ...; 0 = none
	QPS             int      `json:"qps"`                // questions a second over all pods, at most
	Interval        Duration `json:"interval,omitempty"` // between questions of one stream: the resolution
	Gap             Duration `json:"gap"`                // reused names: last pod gone to first new question
	NoWait          bool     `json:"no_wait"`            // reused names: create anew without waiting for deletion
	// A previous Job that ran: from its last join to its end; 0: DefaultRunLength.
	RunLength Duration `json:"run_length,omitempty"`
	// Likewise, from its end to its Service's deletion; 0: DefaultDeleteAfter.
	DeleteAfter     Duration `json:"delete_after,omitempty"`
	FirstQueryAfter Duration `json:"first_query_after"`
	Deadline        Duration `json:"deadline"`
	Follow          Duration `json:"follow"` // deadline where the worker without a connect timeout is followed to its end
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
	// PodPatch is applied to every pod that is created, see manifests.ParsePodPatch.
	PodPatch json.RawMessage `json:"pod_patch,omitempty"`
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
