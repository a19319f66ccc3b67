// Package synth makes synthetic trials for tests: what the runner would have
// recorded, had things happened as the test says. Times of a pod are on its
// own axis (since its process started); times of events on the runner's.
package synth

import (
	"fmt"
	"math"
	"slices"
	"time"

	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

// Boot is the kernel that the runner and, unless told otherwise, all pods
// share.
const Boot = "boot-runner"

// Zero is when every synthetic Job was created, on the runner's wall clock.
var Zero = time.Date(2026, 11, 22, 15, 0, 0, 0, time.UTC)

// Trial is a trial in the making.
type Trial struct {
	results.Trial
	id   map[int]int // last run id by client
	gap  time.Duration
	left float64 // of the primer's records at the first question, in seconds
}

// New makes a trial whose pods are created, scheduled, addressed, started and
// Ready within half a second, on the runner's kernel, and say nothing yet.
func New(id string, arm plan.Arm, pods int) *Trial {
	t := &Trial{Trial: results.Trial{
		V: results.Version, Status: results.Complete, Began: Zero, Took: plan.Duration(35 * time.Second),
		Plan: plan.Trial{ID: id, Seq: 1, Block: 1, Arm: arm, Job: "lag-" + id, Service: "svc-" + id,
			Deadline: plan.Duration(40 * time.Second)},
	}, id: map[int]int{}}
	t.Run = results.Run{Namespace: "ns", Zero: Zero, Boot: Boot}
	for i := range pods {
		t.Run.Pods = append(t.Run.Pods, results.Pod{
			Name: fmt.Sprintf("lag-%s-%d-abcde", id, i), UID: fmt.Sprintf("uid-%s-%d", id, i), Index: i, Node: "node-a",
			IPs: []string{Addr(i)},
		})
		t.Starts(i, 300*time.Millisecond, Boot, 0)
		t.Start(i).Pods = pods
		for k, what := range []results.What{results.Created, results.Scheduled, results.Addressed, results.Started,
			results.Ready} {
			at := []int64{20, 50, 300, 300, 300}[k]
			e := results.Event{T: at * int64(time.Millisecond), Object: "pod", Name: t.Run.Pods[i].Name, UID: t.Run.Pods[i].UID,
				What: what, Index: &t.Run.Pods[i].Index}
			if k >= 2 {
				e.IPs = t.Run.Pods[i].IPs
			}
			t.Run.Events = append(t.Run.Events, e)
		}
		t.Run.Events = append(t.Run.Events, results.Event{
			T: int64(600 * time.Millisecond), Object: "endpointslice", Name: t.Plan.Service + "-x", What: results.Changed,
			Endpoints: []results.Endpoint{{Hostname: fmt.Sprintf("%s-%d", t.Plan.Job, i), Addrs: []string{Addr(i)},
				Ready: true}},
		})
	}
	return t
}

// Addr is the address of the pod with the index.
func Addr(index int) string { return address(244, 1, index) }

// Old is the address that the primer's pod with the index had.
func Old(index int) string { return address(244, 0, index) }

// address is the pod's in a network of 254, and in others where there are more
// pods.
func address(second, third, index int) string {
	return fmt.Sprintf("10.%d.%d.%d", second-index/254, third, 1+index%254)
}

// Pod returns the pod with the index.
func (t *Trial) Pod(index int) *results.Pod { return &t.Run.Pods[index] }

// Start returns the pod's start line.
func (t *Trial) Start(index int) *record.Start { return t.Run.Pods[index].Lines[0].Start }

// Starts sets when a pod's process started, on the runner's axis, and by how
// much its kernel's clock is ahead of the runner's. Its first line reaches the
// runner 20 ms later.
func (t *Trial) Starts(index int, at time.Duration, boot string, ahead time.Duration) {
	p := t.Pod(index)
	if len(p.Lines) == 0 {
		p.Lines = []record.Line{{V: record.Version, Start: &record.Start{
			Trial: t.Plan.ID, Observer: t.Plan.Arm.Observer, Job: t.Plan.Job, Service: t.Plan.Service, Pod: p.Name, UID: p.UID,
			Index: index, Addresses: p.IPs, Domain: "cluster.local",
			Interval: int64(50 * time.Millisecond), Deadline: int64(t.Plan.Deadline),
		}}}
	}
	s := p.Lines[0].Start
	s.Boot, s.Wall = boot, Zero.Add(at+ahead).UnixNano()
	if boot != Boot {
		p.Node = boot
	}
	p.LogStart = int64(at + 20*time.Millisecond)
}

// Answer is a run of equal answers.
type Answer struct {
	View    record.View // Client when empty
	Server  string      // the DNS Service's when empty
	Class   record.Class
	Addrs   []string
	Suffix  string
	First   time.Duration // the first answer came
	Prev    time.Duration // the question before it was sent; 0: there was none
	Last    time.Duration // the last answer came; 0: there is one answer
	Count   int           // 1 when 0
	SOATTL  int           // of the first denial; 0: none
	Top     int           // highest TTL of the run
	AtTop   int
	NoClose bool
}

// rtt is the round trip of every synthetic question.
const rtt = time.Millisecond

// service is the address behind which the DNS replicas are.
const service = "10.96.0.10:53"

// Ask adds a run of answers to a pod's log.
func (t *Trial) Ask(client, peer int, a Answer) {
	t.id[client]++
	rec := &record.Answer{
		ID: t.id[client], Peer: peer, View: a.View, Type: "A", Suffix: a.Suffix, Server: a.Server, Class: a.Class,
		Addrs: a.Addrs,
		Asked: int64(a.First - rtt), Prev: int64(a.Prev), SOATTL: ttl(a.SOATTL),
	}
	if rec.View == "" {
		rec.View = record.Client
	}
	if rec.Server == "" {
		rec.Server = service
	}
	if rec.View == record.Uncached {
		rec.Type = "TYPE65280"
	}
	if a.Prev == 0 {
		rec.Prev = -1
	}
	t.line(client, a.First, record.Line{Answer: rec})
	if a.NoClose {
		return
	}
	last := max(a.Last, a.First)
	t.line(client, last, record.Line{Closed: &record.Closed{
		ID: rec.ID, Count: max(a.Count, 1), Last: int64(last), Until: int64(last - rtt), TopTTL: ttl(a.Top), AtTop: a.AtTop,
		MinRTT: int64(rtt), MaxRTT: int64(rtt),
	}})
}

func ttl(n int) *uint32 {
	if n == 0 {
		return nil
	}
	v := uint32(n)
	return &v
}

// Dial adds a connect to a pod's log, or several equal ones. A connected one
// was answered by who.
func (t *Trial) Dial(client, peer int, addr string, asked, took time.Duration, outcome record.Outcome, count int,
	who *record.Who) {
	t.id[client]++
	d := &record.Dial{ID: t.id[client], Peer: peer, Addr: addr, Asked: int64(asked), Outcome: outcome, Who: who,
		Limit: t.Start(client).ConnectTimeout}
	if who != nil {
		d.WhoAt = int64(asked + took)
	}
	t.line(client, asked+took, record.Line{Dial: d})
	if count > 1 {
		last := int64(asked) + int64(count-1)*int64(took)
		t.line(client, asked+time.Duration(count)*took,
			record.Line{Closed: &record.Closed{ID: d.ID, Count: count, Until: last, Last: last + int64(took),
				MinRTT: int64(took), MaxRTT: int64(took)}})
	}
}

// Who is how a pod of this trial identifies itself at a moment of the client's
// axis: its own wall clock is read.
func (t *Trial) Who(index, client int, at time.Duration) *record.Who {
	p := t.Pod(index)
	return &record.Who{
		Trial: t.Plan.ID, Job: t.Plan.Job, Pod: p.Name, UID: p.UID, Index: index,
		Wall: t.Start(client).Wall + int64(at) + int64(t.ahead(index)-t.ahead(client)),
	}
}

// ahead is what Starts was told.
func (t *Trial) ahead(index int) time.Duration {
	p := t.Pod(index)
	return time.Duration(t.Start(index).Wall-Zero.UnixNano()) - (time.Duration(p.LogStart) - 20*time.Millisecond)
}

// Done adds a pod's last line.
func (t *Trial) Done(client int, at time.Duration, reason string) {
	t.line(client, at, record.Line{Done: &record.Done{Reason: reason}})
}

// Prime gives the trial a primer run with addresses of its own that ended
// before, and a gap.
func (t *Trial) Prime(gap time.Duration, left float64) {
	run := &results.Run{Namespace: "ns", Zero: Zero.Add(-20 * time.Second), Boot: Boot, Gone: int64(15 * time.Second)}
	for i := range t.Run.Pods {
		p := results.Pod{Name: fmt.Sprintf("lag-%s-%d-fghij", t.Plan.ID, i), UID: fmt.Sprintf("uid-%s-old-%d", t.Plan.ID, i),
			Index: i, IPs: []string{Old(i)}}
		p.Lines = []record.Line{
			{V: record.Version, Start: &record.Start{Job: t.Plan.Job, Pod: p.Name, UID: p.UID, Index: i, Boot: Boot,
				Wall: run.Zero.UnixNano()}},
			{V: record.Version, T: 1, Done: &record.Done{Reason: "complete"}},
		}
		run.Pods = append(run.Pods, p)
	}
	t.Primer, t.gap, t.left = run, gap, left
}

// settlePrimer makes the primer's end and the answers that its first pod got
// fit the gap and the TTL left that were asked for, once the time of the
// judged run's first question is known.
func (t *Trial) settlePrimer() {
	if t.Primer == nil {
		return
	}
	first := time.Duration(math.MaxInt64)
	for _, p := range t.Run.Pods {
		for _, l := range p.Lines {
			if l.Answer != nil {
				first = min(first, time.Duration(p.LogStart)-20*time.Millisecond+time.Duration(l.Answer.Asked))
			}
		}
	}
	first += t.Run.Zero.Sub(t.Primer.Zero)
	t.Primer.Gone = int64(first - t.gap)
	ttl := uint32(30)
	at := int64(first + time.Duration(t.left*float64(time.Second)) - time.Duration(ttl)*time.Second)
	p := &t.Primer.Pods[0]
	var lines []record.Line
	for _, r := range []string{"10.244.0.20:53", "10.244.0.21:53"} {
		lines = append(lines, record.Line{V: record.Version, T: at,
			Answer: &record.Answer{ID: len(lines) + 1, View: record.Direct, Type: "A",
				Server: r, Class: record.Address, Addrs: []string{Old(0)}, TTL: &ttl, Asked: at - 1, Prev: -1}})
	}
	p.Lines = slices.Insert(p.Lines, 1, lines...)
}

func (t *Trial) line(pod int, at time.Duration, l record.Line) {
	l.V, l.T = record.Version, int64(at)
	p := t.Pod(pod)
	p.Lines = append(p.Lines, l)
}

// End sorts the logs and returns the trial.
func (t *Trial) End() *results.Trial {
	for i := range t.Run.Pods {
		slices.SortStableFunc(t.Run.Pods[i].Lines, func(a, b record.Line) int { return int(a.T - b.T) })
	}
	t.settlePrimer()
	slices.SortStableFunc(t.Run.Events, func(a, b results.Event) int { return int(a.T - b.T) })
	return &t.Trial
}
