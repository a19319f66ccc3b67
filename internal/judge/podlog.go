package judge

import (
	"fmt"
	"time"

	"headless-job-dns/internal/experiment"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/result"
)

// longest is more than any trial takes. A log with later times is broken.
const longest = int64(30 * 24 * time.Hour)

// podLog is one pod's log, indexed.
type podLog struct {
	pod     *result.Pod
	clock   int // in clocks; meaningless without start
	start   *record.Start
	done    *record.Done
	doneAt  int64
	answers []answer
	dials   []dial
	checks  []*record.Check
	failed  map[string]bool // servers whose uncached view means nothing
	problem string          // why lines may be missing; empty: the log is whole

	byPeer map[int]*peerLog
}

// answer is a run of equal answers.
type answer struct {
	*record.Answer
	at     int64          // when the first came
	closed *record.Closed // nil: the log ended before the run did
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

// readLogs indexes the log of every pod that there should have been.
func (j *judgement) readLogs() {
	n := 0
	for i := range j.t.Run.Pods {
		p := &j.t.Run.Pods[i]
		n = max(n, p.Index+1)
		if len(p.Lines) > 0 && p.Lines[0].Start != nil {
			n = max(n, p.Lines[0].Start.Pods)
		}
	}
	// A log that lies about its number of pods would cost memory; no plan has
	// more.
	n = min(n, experiment.MaxPods)
	j.v.Pods = n
	j.logs = make([]*podLog, n)
	for i := range j.t.Run.Pods {
		p := &j.t.Run.Pods[i]
		switch {
		case p.Index < 0 || p.Index >= n:
			j.note("pod %q has index %d and is left out", p.Name, p.Index)
		case j.logs[p.Index] != nil:
			j.v.Status = result.Invalid
			j.v.Reasons = append(j.v.Reasons, fmt.Sprintf("index %d had more than one pod", p.Index))
		default:
			j.logs[p.Index] = readLog(p)
		}
	}
	for i := range j.logs {
		if j.logs[i] == nil {
			j.logs[i] = readLog(&result.Pod{Index: i, Problem: "there is no such pod in the records"})
		}
	}
}

func readLog(p *result.Pod) *podLog {
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
	closed := map[int]*record.Closed{}
	for i := range p.Lines {
		if c := p.Lines[i].Closed; c != nil {
			closed[c.ID] = c
		}
	}
	for i := range p.Lines {
		line := &p.Lines[i]
		switch {
		case line.V != record.Version:
			broken(fmt.Sprintf("its log has a line of version %d", line.V))
		case line.T < 0 || line.T > longest:
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
			l.answers = append(l.answers, answer{line.Answer, line.T, closed[line.Answer.ID]})
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

// index sorts the log by peer, once.
func (l *podLog) index() {
	if l.byPeer != nil {
		return
	}
	l.byPeer = map[int]*peerLog{}
	at := func(peer int) *peerLog {
		p := l.byPeer[peer]
		if p == nil {
			p = &peerLog{}
			l.byPeer[peer] = p
		}
		return p
	}
	for _, a := range l.answers {
		p := at(a.Peer)
		p.answers = append(p.answers, a)
	}
	for _, d := range l.dials {
		p := at(d.Peer)
		p.dials = append(p.dials, d)
	}
}

// name says which pod's log this is.
func (l *podLog) name() string { return fmt.Sprintf("index %d", l.pod.Index) }
