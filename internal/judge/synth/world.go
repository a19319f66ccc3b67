package synth

import (
	"cmp"
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

// World is how a trial really went: when each pod was where, what the DNS
// servers held and kept, which connects were answered. Trial plays it, question
// by question, and returns what would have been recorded. All times without
// another zero count from just before the request that created the Job.
type World struct {
	ID       string
	Arm      plan.Arm
	Seed     uint64        // of the clients' pauses and of which replica is asked
	Pods     []Life        // by index
	Sample   record.Sample // for whom the pods ask, where they ask for peers
	Replicas []Replica
	Node     *Keeps        // of a cache on each node, in front of the replicas; nil: there is none
	Service  time.Duration // when the watch reported the headless Service; set it with ServiceAt
	// Left is how long caches that keep addresses go on to give the primer's;
	// 0: they hold none. Only with reused names.
	Left time.Duration
	// Lossy is until when nobody answers a SYN to a pod that lives.
	Lossy time.Duration
	// EachAnswer leaves out the run-length encoding.
	EachAnswer bool

	// What every probe is told, from its process' start on.
	FirstQuery, Interval, Deadline time.Duration
	Timeouts                       []time.Duration // connect timeouts of solo workers 1, 2, ... in turn; 0: none
}

// Life is when one pod passed each stage: the watch's receipts, and Started,
// the first instruction of its process.
type Life struct {
	Created, Scheduled, Addressed, Started, Ready time.Duration
	InSlice                                       time.Duration // 0: never
	Node                                          int
}

// Replica is one DNS server.
type Replica struct {
	Behind time.Duration // its records come this long after the EndpointSlice's
	Broken time.Duration // it answers SERVFAIL until then
	Silent time.Duration // it answers nothing until then
	Old    time.Duration // it goes on to hold the primer's records until then
	Keeps  Keeps
}

// Keeps is for how many seconds a cache keeps answers; 0: it keeps none.
type Keeps struct{ Addresses, Denials int }

const (
	// zoneTTL is `ttl 30` in kubeadm's Corefile, of addresses and denials.
	zoneTTL = 30
	// minTTL is the shortest for which CoreDNS' cache keeps anything.
	minTTL = 5
	// kernelGivesUp is when Linux 6.18 ended a connect that nobody answered.
	kernelGivesUp = 133400 * ms
	// way is a record's from the EndpointSlice to a DNS server, when nothing is
	// wrong.
	way = 5 * ms
)

// caching is what each configuration keeps at its replicas.
var caching = map[plan.DNS]Keeps{
	plan.Cache30: {30, 30}, plan.NodeLocalCache30: {30, 30}, plan.Forwarding: {30, 30},
	plan.NoDenialCache: {Addresses: 30}, plan.NoSuccessCache: {Denials: 30}, plan.KubeDNS: {Addresses: 30},
}

// Of is the world that follows from an arm: pods that start within 100 ms and
// are Ready and in the EndpointSlice soon after, two DNS replicas that have it
// at once and keep what the configuration says, addresses of the primer with
// 20 s to live where names are reused, the Service 2 s late where the Job is
// created first. A worker's first question comes before the records.
func Of(id string, arm plan.Arm, pods int) World {
	w := World{
		ID: id, Arm: arm, Replicas: make([]Replica, len(replicas)), Service: -ms,
		FirstQuery: time.Duration(arm.First), Interval: 50 * ms, Deadline: 40 * time.Second,
		Timeouts: []time.Duration{0, 30 * time.Second, 5 * time.Second, time.Second},
	}
	for i := range w.Replicas {
		w.Replicas[i] = Replica{Behind: way, Keeps: caching[arm.DNS]}
	}
	if arm.DNS == plan.NodeLocalCache30 || arm.DNS == plan.NodeLocalUncached {
		w.Node = &Keeps{30, 5}
	}
	if arm.Names == plan.Reused {
		w.Left = 20 * time.Second
	}
	for i := range pods {
		d := time.Duration(i) * 100 * ms / time.Duration(pods)
		l := Life{Created: 20*ms + d/10, Scheduled: 50*ms + d/10, Started: 400*ms + d, Addressed: 520*ms + d,
			Ready: 520*ms + d, Node: i % 2}
		if arm.Publish {
			// The sandbox's address is reported before the process runs only
			// where something else, such as a pull, takes its time.
			l.Addressed = 300*ms + d
		}
		l.InSlice = l.entry(arm.Publish)
		w.Pods = append(w.Pods, l)
	}
	if arm.Order == plan.JobFirst {
		w.ServiceAt(2 * time.Second)
	}
	return w
}

// entry is when the EndpointSlice has the pod, when nothing is wrong.
func (l Life) entry(publish bool) time.Duration {
	if publish {
		return l.Addressed + 20*ms
	}
	return l.Ready + 20*ms
}

// Delay has the pod pass one stage, and all that follow from it, so much later:
// created, scheduled, started (an init container), ready, changed (its
// EndpointSlice).
func (l *Life) Delay(what results.What, by time.Duration) {
	later := false
	for _, s := range []struct {
		what results.What
		at   *time.Duration
	}{{results.Created, &l.Created}, {results.Scheduled, &l.Scheduled}, {results.Started, &l.Started},
		{results.Ready, &l.Ready}, {results.Changed, &l.InSlice}} {
		if later = later || s.what == what; later {
			*s.at += by
		}
	}
	if what == results.Created || what == results.Scheduled {
		l.Addressed += by
	}
}

// ServiceAt has the headless Service created then, and no pod in an
// EndpointSlice before.
func (w *World) ServiceAt(at time.Duration) {
	w.Service = at
	for i := range w.Pods {
		w.Pods[i].InSlice = max(w.Pods[i].InSlice, at+20*ms)
	}
}

// Trial plays the world.
func (w World) Trial() *Trial {
	t := New(w.ID, w.Arm, len(w.Pods))
	t.Plan.Deadline, t.Plan.Sample = plan.Duration(w.Deadline), w.Sample
	s := &sim{World: &w, t: t, ring: w.Sample.Ring(len(w.Pods)), rng: rand.New(rand.NewPCG(w.Seed, 117819)),
		caches: map[cacheKey]cached{}}
	if w.Left > 0 {
		t.Prime(2*time.Second, w.Left.Seconds())
		s.prefill()
	}
	t.Run.Events = []results.Event{{T: int64(w.Service), Object: "service", Name: t.Plan.Service,
		UID: "uid-" + t.Plan.Service, What: results.Created}}
	for i, l := range w.Pods {
		t.Live(i, l)
		start := t.Start(i)
		start.Interval, start.FirstQueryAfter = int64(w.Interval), int64(w.FirstQuery)
		start.Replicas, start.Sample = nil, w.Sample
		if w.Arm.Observer == record.PeersServer {
			start.Replicas = replicas[:len(w.Replicas)]
		}
		if w.Arm.Observer == record.Solo && i > 0 && len(w.Timeouts) > 0 {
			start.ConnectTimeout = int64(w.Timeouts[(i-1)%len(w.Timeouts)])
		}
		s.probes = append(s.probes, &probe{sim: s, index: i, log: newJournal(t, i, w.EachAnswer)})
	}
	for _, p := range s.probes {
		p.begin()
	}
	s.play()
	return t
}

// Live replaces what the watch reported of a pod, and when its process started.
func (t *Trial) Live(index int, l Life) {
	p := t.Pod(index)
	t.Run.Events = slices.DeleteFunc(t.Run.Events, func(e results.Event) bool {
		return e.UID == p.UID || slices.ContainsFunc(e.Endpoints,
			func(ep results.Endpoint) bool { return ep.Hostname == t.hostname(index) })
	})
	for _, s := range []struct {
		what results.What
		at   time.Duration
	}{{results.Created, l.Created}, {results.Scheduled, l.Scheduled}, {results.Addressed, l.Addressed},
		{results.Started, max(l.Started, l.Addressed)}, {results.Ready, l.Ready}} {
		e := results.Event{T: int64(s.at), Object: "pod", Name: p.Name, UID: p.UID, What: s.what, Index: &p.Index}
		if s.at >= l.Addressed {
			e.IPs = p.IPs
		}
		t.Run.Events = append(t.Run.Events, e)
	}
	if l.InSlice > 0 {
		t.Run.Events = append(t.Run.Events, results.Event{
			T: int64(l.InSlice), Object: "endpointslice", Name: t.Plan.Service + "-x", What: results.Changed,
			Endpoints: []results.Endpoint{{Hostname: t.hostname(index), Addrs: p.IPs, Ready: true}},
			Trigger:   Zero.Add(l.Ready).Truncate(time.Second).Format(time.RFC3339),
		})
	}
	t.Starts(index, l.Started, Boot, 0)
	p.Node = fmt.Sprintf("node-%d", l.Node)
}

func (t *Trial) hostname(index int) string { return fmt.Sprintf("%s-%d", t.Plan.Job, index) }

// sim plays a world: what is going to happen, by its time.
type sim struct {
	*World
	t      *Trial
	ring   *record.Ring
	rng    *rand.Rand
	queue  queue
	seq    int
	caches map[cacheKey]cached
	probes []*probe
}

type event struct {
	at  time.Duration
	seq int // of equal times the one that was added first
	do  func()
}

// queue is a heap of events, the next one first.
type queue []event

func (q queue) Len() int      { return len(q) }
func (q queue) Swap(a, b int) { q[a], q[b] = q[b], q[a] }
func (q queue) Less(a, b int) bool {
	return cmp.Or(cmp.Compare(q[a].at, q[b].at), cmp.Compare(q[a].seq, q[b].seq)) < 0
}
func (q *queue) Push(e any) { *q = append(*q, e.(event)) }
func (q *queue) Pop() any {
	e := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return e
}

// after has something happen at a time that has not come yet.
func (s *sim) after(at time.Duration, do func()) {
	s.seq++
	heap.Push(&s.queue, event{at, s.seq, do})
}

func (s *sim) play() {
	for len(s.queue) > 0 {
		heap.Pop(&s.queue).(event).do()
	}
}
