// Package results defines and stores what an experiment leaves on disk: one
// folder with plan.json, trials.jsonl, environment.json and report.md. The
// report can always be made again from the other three.
package results

import (
	"encoding/json"
	"time"

	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
)

// Version is the schema version of a line of trials.jsonl.
const Version = 1

// Status tells whether a trial may enter the statistics.
type Status string

const (
	Complete Status = "complete" // everything that was to be seen was seen
	Censored Status = "censored" // something had not happened at the deadline; it enters as "longer than"
	Invalid  Status = "invalid"  // spoiled; it never enters as if it were whole
)

// Trial is one line of trials.jsonl.
type Trial struct {
	V int `json:"v"`
	// Plan is the trial as it was carried out. An attempt after the first has
	// names of its own, for those of the one before were asked for.
	Plan plan.Trial `json:"plan"`
	// Attempt is 2 for a trial that is run once more because it was invalid; 0
	// and 1 are the first. The last one counts.
	Attempt int `json:"attempt,omitempty"`

	Status Status        `json:"status"`
	Reason string        `json:"reason,omitempty"` // of censored and invalid
	Began  time.Time     `json:"began"`            // runner's wall clock
	Took   plan.Duration `json:"took"`             // until everything was deleted again

	Primer *Run `json:"primer,omitempty"` // reused names only
	Run    Run  `json:"run"`              // what is judged

	// DNSLog is what the DNS logged of the trial, where it logs changes and
	// questions (package recordwriter, Entry): a check, from which nothing is judged.
	DNSLog []json.RawMessage `json:"dns_log,omitempty"`

	// Earlier owners of addresses that were answered in this trial and that
	// belong neither to its own pods nor to its primer's.
	Earlier map[string]string `json:"earlier,omitempty"`
}

// Run is one life of a Job and its Service.
type Run struct {
	Namespace string `json:"namespace"`
	// Zero is the runner's wall clock just before the request that created
	// the Job was sent. Event times count from it.
	Zero time.Time `json:"zero"`
	// Boot is the runner's kernel boot id, empty where it has none. A probe
	// with the same id shares the runner's clock exactly.
	Boot   string  `json:"boot,omitempty"`
	Events []Event `json:"events"`
	Pods   []Pod   `json:"pods"` // the Job's, by index
	// Ended is when pod 0 of a previous Job that ran wrote its last line, ns after
	// Zero.
	Ended int64 `json:"ended,omitempty"`
	// Gone is when the last pod was seen deleted, ns after Zero; 0: not seen.
	Gone int64 `json:"gone,omitempty"`
}

// Pod is one pod of the Job with all that its probe wrote.
type Pod struct {
	Name  string        `json:"name"`
	UID   string        `json:"uid"`
	Index int           `json:"index"`
	Node  string        `json:"node,omitempty"`
	IPs   []string      `json:"ips,omitempty"` // as the API reported them
	Lines []record.Line `json:"lines"`
	// LogStart is when the probe's first line reached the runner, ns after
	// Zero on the runner's clock; with the pod's creation it bounds the offset
	// between the two clocks. 0: never.
	LogStart int64  `json:"log_start,omitempty"`
	Problem  string `json:"problem,omitempty"` // why Lines may be incomplete
}

// Event is a change of one object as a watch reported it.
type Event struct {
	T      int64    `json:"t"`      // ns after Run.Zero, at receipt, on the runner's monotonic clock
	Object string   `json:"object"` // job, pod, service, endpointslice
	Name   string   `json:"name"`
	UID    string   `json:"uid,omitempty"`
	What   What     `json:"what"`
	Index  *int     `json:"index,omitempty"` // of a Job's pod
	Node   string   `json:"node,omitempty"`
	IPs    []string `json:"ips,omitempty"`
	// Endpoints are the ready addresses of an EndpointSlice, by hostname
	// where there is one.
	Endpoints []Endpoint `json:"endpoints,omitempty"`
	// Trigger is an EndpointSlice's last-change-trigger-time annotation.
	Trigger string `json:"trigger,omitempty"`
}

// Endpoint is one endpoint of an EndpointSlice.
type Endpoint struct {
	Hostname string   `json:"hostname,omitempty"`
	Addrs    []string `json:"addrs"`
	Ready    bool     `json:"ready"`
}

// What says what changed. A pod passes created, scheduled, addressed,
// started, ready in this order, each reported once.
type What string

const (
	Created   What = "created"
	Scheduled What = "scheduled" // a node was assigned
	Addressed What = "addressed" // status.podIPs was reported
	Started   What = "started"   // the probe's container was reported running
	Ready     What = "ready"     // the Ready condition was reported true
	Changed   What = "changed"   // an EndpointSlice's endpoints changed
	Failed    What = "failed"
	Deleted   What = "deleted"
)
