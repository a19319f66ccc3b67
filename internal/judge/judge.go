// Package judge computes from the records of one trial what happened: when each
// pod could resolve and reach each other pod, which answers were wrong and how,
// and which stage the time went to. It is pure, and knows of no other trial.
//
// The lag of an ordered pair counts from the moment when the client's process
// runs and the peer is Ready (has its address, with publishNotReadyAddresses);
// what came before is pod start. Since counts from just before the request that
// created the Job. What had not happened when the observation ended is censored,
// its value what it took at least; what an incomplete log cannot tell is lost.
package judge

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

// Verdict is what happened in one trial.
type Verdict struct {
	Trial   plan.Trial
	Status  results.Status // the worse of what the runner said and what the records show
	Reasons []string       // of censored and invalid
	Notes   []string       // what a reader should know although the trial counts
	Pods    int
	Clocks  []Clock

	// FullTTL is the TTL in seconds of a denial that no cache has aged, 0
	// when none was seen and the configuration is not known.
	FullTTL uint32

	// The latest of all ordered pairs of different pods, or of those that were
	// sampled (Trial.Sample): every peer resolvable as the pods' own resolver
	// answers; every name on every DNS replica (uncached view); every peer
	// connected. A solo trial's pairs are those of each worker with index 0.
	Resolved  Timing
	OnServer  Timing
	Connected Timing

	Workers []Worker       // solo only, by index
	Pairs   []Pair         // by client, then asked
	Moments []PodMoments   // by index
	Counts  Counts         // over the pairs of different pods
	Gap     *time.Duration // reused names: last pod gone to first new question
	Kept    *Kept          // observer empty-service only; nil as well where nothing is known
	// Previous is how a previous Job that ran left its names; nil: none ran.
	Previous *Previous
}

// Worker is one worker of a solo trial.
type Worker struct {
	Index   int
	Timeout time.Duration // its connect timeout; 0: none
	Joined  Timing
	Counts  Counts
}

// Pair is one pod that asks for another.
type Pair struct {
	Client, Peer int

	// Zero is the lag's zero, on the client's axis (since its process
	// started), with the uncertainty that another clock brings.
	Zero  time.Duration
	Clock time.Duration

	Resolved   Timing    // the client's view
	Servers    []Replica // the uncached view, by server; empty: this client did not look
	Connected  Timing
	Counts     Counts
	Timeout    time.Duration // solo: connect timeout; 0: none
	StageTimes []StageTime   // add up to Connected.Since; nil where that is not known
}

// Replica is when one DNS server was first seen to have a name.
type Replica struct {
	Server string
	Seen   Timing

	missed int64 // when the last look was begun that did not find it, on the client's axis; -1: none
	gap    bool  // looks after that one could not tell
}

// Judge computes what happened in a trial.
func Judge(t *results.Trial) *Verdict {
	j := &judgement{t: t, v: &Verdict{Trial: t.Plan, Status: t.Status}}
	if t.Reason != "" {
		j.v.Reasons = append(j.v.Reasons, t.Reason)
	}
	j.readLogs()
	j.tieClocks()
	if t.Plan.Arm.Observer == record.EmptyService {
		j.kept()
		return j.v
	}
	j.owners = findOwners(t, j.logs)
	j.v.FullTTL, j.fullAddress = j.fullTTL(denials), j.fullTTL(addresses)
	j.events = readEvents(&t.Run, j.logs, t.Plan.Job)
	j.pairs()
	j.totals()
	j.attribute()
	j.v.Moments = j.moments()
	j.reused()
	j.v.Previous = j.previous()
	j.status()
	return j.v
}

// judgement is the work on one verdict.
type judgement struct {
	t      *results.Trial
	v      *Verdict
	logs   []*podLog // by index
	clocks *clocks
	owners *owners
	events []podEvents   // by index
	onName []Measurement // when each pod's name was on the last DNS server

	timelines   []timeline // by index
	fullAddress uint32     // as FullTTL, of addresses
	answering   []string   // DNS servers that may have answered a client
}

func (j *judgement) note(format string, a ...any) {
	if n := fmt.Sprintf(format, a...); !slices.Contains(j.v.Notes, n) {
		j.v.Notes = append(j.v.Notes, n)
	}
}

// solo tells whether only index 0 is asked for.
func (j *judgement) solo() bool { return j.t.Plan.Arm.Observer == record.Solo }

func (j *judgement) pairs() {
	for _, l := range j.logs {
		if l.problem != "" {
			j.note("%s: %s", l.name(), l.problem)
		}
	}
	n := 0
	for client, peers := range j.peers() {
		j.logs[client].index(peers)
		n += len(peers)
	}
	j.v.Pairs = make([]Pair, 0, n)
	for _, client := range j.logs {
		for _, peer := range client.peers {
			j.v.Pairs = append(j.v.Pairs, j.pair(client, j.logs[peer]))
		}
	}
}

// asked lists for whom each pod was to ask. A pair that was not is nowhere: it
// is not censored, and nothing of it is missing.
func (j *judgement) peers() [][]int {
	out := make([][]int, len(j.logs))
	ring := j.t.Plan.Sample.Ring(len(j.logs))
	for i := range out {
		switch {
		case j.solo() && i == 0:
		case j.solo():
			out[i] = []int{0}
		default:
			out[i] = ring.Asked(i)
		}
	}
	return out
}

// totals takes the latest pair of each kind.
func (j *judgement) totals() {
	var resolved, connected [2]lastOf // of lags, and since the Job's creation
	for i := range j.v.Pairs {
		p := &j.v.Pairs[i]
		resolved[0].add(p.Resolved.Lag)
		resolved[1].add(p.Resolved.Since)
		connected[0].add(p.Connected.Lag)
		connected[1].add(p.Connected.Since)
		j.v.Counts.Add(p.Counts)
		if j.solo() {
			j.v.Workers = append(j.v.Workers, Worker{Index: p.Client, Timeout: p.Timeout, Joined: p.Connected, Counts: p.Counts})
		}
	}
	j.v.Resolved = Timing{resolved[0].get(), resolved[1].get()}
	j.v.Connected = Timing{connected[0].get(), connected[1].get()}
	j.v.OnServer = j.onServer()
}

// status takes the worse of the runner's word and what the records show.
func (j *judgement) status() {
	v := j.v
	reason := func(text string) {
		if !slices.Contains(v.Reasons, text) {
			v.Reasons = append(v.Reasons, text)
		}
	}
	resolves, connected := "not all peers resolved", "not all peers were connected"
	if j.solo() {
		resolves, connected = "not every worker resolved index 0", "not every worker joined"
	}
	for _, total := range []struct {
		what string
		t    Timing
	}{{resolves, v.Resolved}, {"not all names were on all DNS servers", v.OnServer}, {connected, v.Connected}} {
		switch o := total.t.Lag; {
		case o.Lost == NotObserved, strings.HasPrefix(o.Lost, notLooked):
		case o.Lost != "":
			if v.Status == results.Invalid && len(v.Reasons) > 0 {
				continue // what spoiled it is known
			}
			v.Status = results.Invalid
			reason(total.what + " as far as is known: " + o.Lost)
		case o.Censored && v.Status != results.Invalid:
			v.Status = results.Censored
			reason(fmt.Sprintf("%s within %.2f s of the Job's creation", total.what, total.t.Since.Value.Seconds()))
		}
	}
	for _, w := range v.Workers {
		if o := w.Joined.Lag; o.Censored {
			reason(fmt.Sprintf("index %d, connect timeout %s, had not joined after %.2f s", w.Index,
				plan.TimeoutName(plan.Duration(w.Timeout)), w.Joined.Since.Value.Seconds()))
		}
	}
}
