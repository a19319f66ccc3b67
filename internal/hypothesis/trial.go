package hypothesis

import (
	"slices"
	"time"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

// part is what can hold a wait.
type part int

const (
	stale   part = iota // the previous run's address, and the connects to it
	denial              // told that the name does not exist
	ready               // until the kubelet's word that the pod is Ready
	service             // until the headless Service exists
	slice               // from there until in an EndpointSlice
	connect             // from a current answer until connected
	parts
)

var partOf = map[judge.Stage]part{
	judge.StageStale:   stale,
	judge.StageDenial:  denial,
	judge.StageDenied:  denial,
	judge.StageReady:   ready,
	judge.StageService: service,
	judge.StageSlice:   slice,
	judge.StageConnect: connect,
}

// trial is what is kept of one trial.
type trial struct {
	id     string
	arm    plan.Arm
	seq    int
	block  int
	status results.Status

	lag judge.Measurement // until the last pair was connected

	pairs     int // of different pods, whose wait is known
	delayed   int
	unsplit   int // delayed ones of which it is not known where their time went
	connected int // pairs that were connected in the end

	held    [parts]int           // delayed pairs that the part holds
	open    [parts]int           // unsplit ones that it may hold
	longest [parts]time.Duration // the part's longest share of any pair

	stale       int // answers with an address of the previous run
	denials     int
	proven      int // of these, provably from a cache
	both        int // delayed pairs that were told both
	timedOut    int // connects that ended in silence
	silent      int // of these, to the asked pod's own address
	onServer    judge.Measurement
	servers     []string      // replicas that were asked one by one
	apart       time.Duration // between the first and the last of them to have a name, at least
	left        []judge.Left  // addresses only
	leftDiffers bool          // one replica itself held an address and another a denial
	gap         *time.Duration
	toReady     judge.Measurement // from a process' start to its pod's Ready, the slowest
	toSlice     judge.Measurement // from a pod's Ready to its entry in an EndpointSlice, the slowest
}

func newTrial(v *judge.Verdict) trial {
	t := trial{
		id: v.Trial.ID, arm: v.Trial.Arm, seq: v.Trial.Seq, block: v.Trial.Block, status: v.Status,
		lag: v.Connected.Lag, onServer: v.OnServer.Lag, gap: v.Gap,
		denials: v.Counts.Denials(), proven: v.Counts.ProvenCached, timedOut: v.Counts.DialTimeouts, silent: v.Counts.SilentRight,
		stale:   fromPrimer(v.Counts),
		toReady: slowest(v.Moments, func(m *judge.PodMoments) (from, to judge.Measurement) { return m.Started, m.Ready }),
		toSlice: slowest(v.Moments, func(m *judge.PodMoments) (from, to judge.Measurement) { return m.Ready, m.InSlice }),
	}
	for i := range v.Pairs {
		if p := &v.Pairs[i]; !p.Self {
			t.pair(p)
		}
	}
	t.remains(v.Left)
	return t
}

func fromPrimer(c judge.Counts) int {
	n := 0
	for _, s := range c.Stale {
		if s.Owner.Kind == judge.Primer {
			n += s.Count
		}
	}
	return n
}

// pair takes in one ordered pair.
func (t *trial) pair(p *judge.Pair) {
	var took [parts]time.Duration
	wait := p.Connected.Lag
	for _, s := range p.StageTimes {
		if s.Stage == judge.StageUnasked {
			// The plan's own waiting, not the cluster's.
			wait.Value, wait.Lo = wait.Value-s.Took, wait.Lo-s.Took
		}
		if k, ok := partOf[s.Stage]; ok {
			took[k] += s.Took
		}
	}
	for k := range took {
		t.longest[k] = max(t.longest[k], took[k])
	}
	if wait.Known() {
		t.pairs++
		if !wait.Censored {
			t.connected++
		}
	}
	if yes, _ := later(wait, Late); yes {
		t.delayed++
		can := [parts]bool{ready: true, service: true, slice: true, connect: true}
		// An address that nobody of the previous run had is another story.
		can[stale], can[denial] = fromPrimer(p.Counts) > 0, p.Counts.Denials() > 0
		if can[stale] && can[denial] {
			t.both++
		}
		if p.StageTimes == nil {
			t.unsplit++
		}
		for k := range took {
			switch {
			case !can[k]:
			case p.StageTimes == nil:
				t.open[k]++
			case float64(took[k]) >= Half*float64(wait.Value):
				t.held[k]++
			}
		}
	}
	t.replicas(p.Servers)
}

// replicas takes in when each DNS replica was seen to have a name. What is
// known to an interval is apart by what lies between the intervals.
func (t *trial) replicas(seen []judge.Replica) {
	for i, r := range seen {
		t.server(r.Server)
		for _, o := range seen[:i] {
			a, b := r.Seen.Since, o.Seen.Since
			if !a.Known() || !b.Known() {
				continue
			}
			if a.Value < b.Value {
				a, b = b, a
			}
			// Both are on the asker's clock; b censored had not come either.
			if !b.Censored {
				t.apart = max(t.apart, a.Lo-b.Value)
			}
		}
	}
}

func (t *trial) server(name string) {
	if !slices.Contains(t.servers, name) {
		t.servers = append(t.servers, name)
	}
}

// remains takes in what the previous run had left in the caches. Replicas
// differ for certain where one holds addresses only and another denials only:
// they were asked for the same names.
func (t *trial) remains(left []judge.Left) {
	type has struct{ address, denial bool }
	holds := map[string]has{}
	for _, l := range left {
		if l.Class == record.Address {
			t.left = append(t.left, l)
		}
		if l.View != record.Direct {
			continue
		}
		t.server(l.Server)
		if l.Longest <= 0 {
			continue
		}
		h := holds[l.Server]
		h.address = h.address || l.Class == record.Address
		h.denial = h.denial || l.Class == record.NXDomain || l.Class == record.NoData
		holds[l.Server] = h
	}
	var addresses, denials bool
	for _, h := range holds {
		addresses = addresses || h.address && !h.denial
		denials = denials || h.denial && !h.address
	}
	t.leftDiffers = addresses && denials
}

// alive tells whether an address of the previous run still had time to live in
// some cache when the first question was asked, and whether that is known.
func (t *trial) alive() (alive, known bool) {
	for _, l := range t.left {
		if l.Longest > 0 {
			return true, true
		}
	}
	return false, len(t.left) > 0
}

// slowest is the longest that a step took of the pods of which it was seen, and
// no time where the step's end was reported first. It is lost where no pod's
// was seen.
func slowest(pods []judge.PodMoments, step func(*judge.PodMoments) (from, to judge.Measurement)) judge.Measurement {
	out := judge.Measurement{Lost: "not seen"}
	for i := range pods {
		from, to := step(&pods[i])
		if !from.Known() || !to.Known() || from.Censored {
			continue
		}
		took := max(to.Value-from.Value, 0)
		if !out.Known() || took > out.Value {
			out = judge.Measurement{Value: took, Lo: took, Clock: from.Clock + to.Clock, Censored: to.Censored}
		}
	}
	return out
}
