package judge

import (
	"fmt"
	"slices"
	"time"

	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

// longest is more than any trial takes. A log with later times is broken.
const longest = int64(30 * 24 * time.Hour)

// podLog is one pod's log, indexed.
type podLog struct {
	pod     *results.Pod
	clock   int // in clocks; meaningless without start
	start   *record.Start
	done    *record.Done
	doneAt  int64
	answers []answer
	dials   []dial
	checks  []*record.Check
	failed  map[string]bool // servers whose uncached view means nothing
	problem string          // why lines may be missing; empty: the log is whole

	peers  []int // that it was to ask for, in ascending order
	byPeer []peerLog
}

// answer is a run of equal answers.
type answer struct {
	*record.Answer
	at     int64          // when the first came
	closed *record.Closed // nil: the log ended before the run did
	right  bool           // the client could have connected to the peer with it
	costs  int64          // see attribution.costs; 0: not known yet
}

// dial is a run of equal outcomes of connects.
type dial struct {
	*record.Dial
	at     int64
	closed *record.Closed
}

// peerLog is what a log says about one peer.
type peerLog struct {
	answers []answer
	dials   []dial
}

func count(c *record.Closed) int {
	if c == nil || c.Count < 1 {
		return 1
	}
	return c.Count
}

// meanRTT is how long the questions or connects of a run took, given how long
// the first one did.
func meanRTT(c *record.Closed, first int64) int64 {
	if c == nil || c.MaxRTT <= 0 {
		return first
	}
	return (c.MinRTT + c.MaxRTT) / 2
}

// lastAsked is when the run's last question was sent.
func (a answer) lastAsked() int64 {
	if a.closed == nil {
		return a.Asked
	}
	return max(a.Asked, a.closed.Until)
}

// lastAsked is when the run's last connect was begun.
func (d dial) lastAsked() int64 {
	if d.closed == nil {
		return d.Asked
	}
	return max(d.Asked, d.closed.Until)
}

// readLogs indexes the log of every pod that there should have been: as the
// runner saw them, for a log may claim anything.
func (j *judgement) readLogs() {
	n := 0
	for i := range j.t.Run.Pods {
		n = max(n, j.t.Run.Pods[i].Index+1)
	}
	for _, e := range j.t.Run.Events {
		if e.Object == "pod" && e.Index != nil {
			n = max(n, *e.Index+1)
		}
	}
	n = min(n, plan.MaxPods) // no plan has more
	j.v.Pods = n
	j.logs = make([]*podLog, n)
	for i := range j.t.Run.Pods {
		p := &j.t.Run.Pods[i]
		switch {
		case p.Index < 0 || p.Index >= n:
			j.note("pod %q has index %d and is left out", p.Name, p.Index)
		case j.logs[p.Index] != nil:
			j.v.Status = results.Invalid
			j.v.Reasons = append(j.v.Reasons, fmt.Sprintf("index %d had more than one pod", p.Index))
		default:
			j.logs[p.Index] = readLog(p)
		}
	}
	for i := range j.logs {
		if j.logs[i] == nil {
			j.logs[i] = readLog(&results.Pod{Index: i, Problem: "there is no such pod in the records"})
		}
		// Its probe asked for others than there were, or one that there was is
		// not in the records.
		if problem := j.another(j.logs[i].start, n); problem != "" {
			j.logs[i].problem = problem
			j.v.Status = results.Invalid
			j.v.Reasons = append(j.v.Reasons, j.logs[i].name()+": "+problem)
		}
	}
}

// another tells why a log is of another trial than this one, of n pods; empty:
// it is not.
func (j *judgement) another(s *record.Start, n int) string {
	switch {
	case s == nil:
	case s.Pods != 0 && s.Pods != n:
		return fmt.Sprintf("its log is of a job of %d pods, not %d", s.Pods, n)
	case s.Sample != j.t.Plan.Sample:
		return fmt.Sprintf("its log is of a sample of %d peers from seed %d, not of %d from %d", s.Sample.Peers,
			s.Sample.Seed, j.t.Plan.Sample.Peers, j.t.Plan.Sample.Seed)
	}
	return ""
}

// possible tells whether a line's times are those of a trial.
func possible(l *record.Line) bool {
	in := func(least int64, times ...int64) bool {
		return !slices.ContainsFunc(times, func(t int64) bool { return t < least || t > longest })
	}
	switch {
	case !in(0, l.T):
	case l.Answer != nil:
		return in(0, l.Answer.Asked) && in(-1, l.Answer.Prev)
	case l.Dial != nil:
		return in(0, l.Dial.Asked, l.Dial.WhoAt)
	case l.Closed != nil:
		return in(0, l.Closed.Last, l.Closed.Until, l.Closed.MinRTT, l.Closed.MaxRTT)
	default:
		return true
	}
	return false
}

func readLog(p *results.Pod) *podLog {
	l := &podLog{pod: p, failed: map[string]bool{}, problem: p.Problem}
	broken := func(why string) {
		if l.problem == "" {
			l.problem = why
		}
	}
	if len(p.Lines) == 0 {
		broken("no line of its log was read")
		return l
	}
	s := p.Lines[0].Start
	if s == nil || s.Wall < 0 || s.Wall > latestWall {
		broken("its log does not begin with a usable start line")
		return l
	}
	l.start = s
	closed := make(map[int]*record.Closed, len(p.Lines)/2)
	answers, dials := 0, 0
	for i := range p.Lines {
		switch line := &p.Lines[i]; {
		case !possible(line):
		case line.Closed != nil:
			closed[line.Closed.ID] = line.Closed
		case line.Answer != nil:
			answers++
		case line.Dial != nil:
			dials++
		}
	}
	l.answers, l.dials = make([]answer, 0, answers), make([]dial, 0, dials)
	for i := range p.Lines {
		line := &p.Lines[i]
		switch {
		case line.V != record.Version:
			broken(fmt.Sprintf("its log has a line of version %d", line.V))
		case !possible(line):
			broken("its log has an impossible time")
			continue
		}
		switch {
		case line.Start != nil && i > 0:
			broken("its probe was started again")
			return l
		case line.Check != nil:
			l.checks = append(l.checks, line.Check)
			l.failed[line.Check.Server] = !line.Check.OK
		case line.Answer != nil:
			l.answers = append(l.answers, answer{Answer: line.Answer, at: line.T, closed: closed[line.Answer.ID]})
		case line.Dial != nil:
			l.dials = append(l.dials, dial{line.Dial, line.T, closed[line.Dial.ID]})
		case line.Done != nil:
			l.done, l.doneAt = line.Done, line.T
		}
	}
	switch {
	case l.done == nil:
		broken("its log ends without a last line")
	case l.done.Reason == "error":
		broken("its probe failed: " + l.done.Err)
	case l.done.Err != "": // it had no room for all that it saw
		broken(l.done.Err)
	}
	return l
}

// index sorts the log by peer, once, given those that it was to ask for in
// ascending order.
func (l *podLog) index(peers []int) {
	l.peers = peers
	answers := byPeer(l.answers, peers, func(a *answer) int { return a.Peer })
	dials := byPeer(l.dials, peers, func(d *dial) int { return d.Peer })
	l.byPeer = make([]peerLog, len(peers))
	for i := range l.byPeer {
		l.byPeer[i] = peerLog{answers[i], dials[i]}
	}
}

// about is what the log says about one of its peers.
func (l *podLog) about(peer int) *peerLog {
	if i, ok := slices.BinarySearch(l.peers, peer); ok {
		return &l.byPeer[i]
	}
	return &peerLog{}
}

// byPeer sorts a log's lines by the peer that they are about, in a single
// array. Lines about others than those peers are left out.
func byPeer[T any](lines []T, peers []int, peer func(*T) int) [][]T {
	ends := make([]int, len(peers)+1) // of each peer's lines, shifted by one
	known := func(i int) (place int, ok bool) { return slices.BinarySearch(peers, peer(&lines[i])) }
	for i := range lines {
		if p, ok := known(i); ok {
			ends[p+1]++
		}
	}
	out := make([][]T, len(peers))
	all := make([]T, len(lines))
	for p := range out {
		ends[p+1] += ends[p]
		out[p] = all[ends[p]:ends[p]:ends[p+1]]
	}
	for i := range lines {
		if p, ok := known(i); ok {
			out[p] = append(out[p], lines[i])
		}
	}
	return out
}

// name says which pod's log this is.
func (l *podLog) name() string { return fmt.Sprintf("index %d", l.pod.Index) }
