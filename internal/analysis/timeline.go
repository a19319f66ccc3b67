package analysis

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

// Told is what a client was told of a peer.
type Told string

// What clients are told; Silence is a question without a usable answer.
const (
	Right   Told = "right address"
	Old     Told = "old address"
	Denied  Told = "NXDOMAIN"
	Silence Told = "no answer"
)

// Timeline is one trial's clients over time, in time since just before the
// request that created the Job.
type Timeline struct {
	Trial   Trial
	Clients []Client // each with the peer that it was connected to last, the slowest first
	Peers   []judge.PodMoments
	End     time.Duration // of the last thing in it
}

// Client is what one client was told of one peer.
type Client struct {
	Index, Peer int
	Address     string // the client's own
	Asks        string // the first server of its resolv.conf
	Started     time.Duration
	Connected   time.Duration // 0: never
	Lag         judge.Measurement
	Spans       []Span // in order, without overlap
	events      []event
}

// Span is a stretch over which the latest answer stayed the same.
type Span struct {
	From, To time.Duration
	Told     Told
}

// event is a change that a client saw, for its log.
type event struct {
	at   time.Duration
	text string
}

// NewTimeline takes from a trial and its verdict what its clients saw. It is nil
// where no client's times are known.
func NewTimeline(t *results.Trial, v *judge.Verdict) *Timeline {
	line := &Timeline{Trial: NewTrial(v), Peers: v.Moments}
	slowest := map[int]judge.Pair{}
	for _, p := range v.Pairs {
		there := p.Client < len(v.Moments) && p.Client < len(t.Run.Pods) && p.Peer < len(t.Run.Pods)
		if !there || !p.Connected.Lag.Known() {
			continue
		}
		if other, ok := slowest[p.Client]; !ok || after(p.Connected.Lag, other.Connected.Lag) {
			slowest[p.Client] = p
		}
	}
	for i, m := range v.Moments {
		p, ok := slowest[i]
		if !ok || !m.Started.Known() {
			continue
		}
		c := newClient(t.Run.Pods[i], t.Run.Pods[p.Peer], p, m.Started.Value)
		for _, s := range c.Spans {
			line.End = max(line.End, s.To)
		}
		line.End = max(line.End, c.Connected)
		line.Clients = append(line.Clients, c)
	}
	if len(line.Clients) == 0 {
		return nil
	}
	slices.SortStableFunc(line.Clients, func(a, b Client) int {
		return one(after(b.Lag, a.Lag)) - one(after(a.Lag, b.Lag))
	})
	return line
}

func newClient(client, peer results.Pod, p judge.Pair, started time.Duration) Client {
	c := Client{Index: p.Client, Peer: p.Peer, Started: started, Lag: p.Connected.Lag, Address: first(client.IPs)}
	if !p.Connected.Lag.Censored {
		c.Connected = p.Connected.Since.Value
	}
	closed := map[int]*record.Closed{}
	for _, l := range client.Lines {
		if l.Closed != nil {
			closed[l.Closed.ID] = l.Closed
		}
		if l.Start != nil {
			c.Asks = first(l.Start.Resolv.Servers)
		}
	}
	for _, l := range client.Lines {
		at := started + time.Duration(l.T)
		switch {
		case l.Answer != nil && l.Answer.Peer == p.Peer && l.Answer.View == record.Client && l.Answer.Suffix == "":
			told, text := told(*l.Answer, peer)
			s := Span{at, at, told}
			if end := closed[l.Answer.ID]; end != nil {
				s.To = max(at, started+time.Duration(end.Last))
				text += aged(l.Answer, end)
			}
			c.Spans = append(c.Spans, s)
			c.events = append(c.events, event{at, fmt.Sprintf("pod %d: %s", p.Peer, text)})
		case l.Dial != nil && l.Dial.Peer == p.Peer:
			c.events = append(c.events, event{at, dialled(*l.Dial, closed[l.Dial.ID], started)})
		}
	}
	c.Spans = settle(c.Spans, p.Connected.Since.Value)
	return c
}

// told sorts an answer about a peer.
func told(a record.Answer, peer results.Pod) (Told, string) {
	switch a.Class {
	case record.NXDomain, record.NoData:
		return Denied, string(Denied)
	case record.Address:
		if slices.Contains(peer.IPs, first(a.Addrs)) {
			return Right, first(a.Addrs)
		}
		return Old, first(a.Addrs) + " (old: not this Job's pod " + fmt.Sprint(a.Peer) + ")"
	}
	return Silence, "no answer (" + string(a.Class) + ")"
}

// aged says how often an answer came and whether its TTL fell.
func aged(a *record.Answer, end *record.Closed) string {
	if end.Count < 2 {
		return ""
	}
	from, to := a.TTL, end.TTL
	if a.Class != record.Address {
		from, to = a.SOATTL, end.SOATTL
	}
	text := fmt.Sprintf(", %d times", end.Count)
	if from != nil && to != nil && *to < *from {
		text += fmt.Sprintf(", TTL falling %d to %d: cached", *from, *to)
	}
	return text
}

func dialled(d record.Dial, end *record.Closed, started time.Duration) string {
	text := fmt.Sprintf("pod %d: %s: %s", d.Peer, d.Addr, d.Outcome)
	if end != nil && end.Count > 1 {
		text += fmt.Sprintf(", %d times until %.2f s", end.Count, time.Duration(end.Last).Seconds())
	}
	return text
}

// settle makes the latest answer count at every moment: what was told last
// stays what the client goes by until it is told something else, is connected or
// was watched no longer.
func settle(spans []Span, until time.Duration) []Span {
	slices.SortStableFunc(spans, func(a, b Span) int { return cmp.Compare(a.From, b.From) })
	var out []Span
	for _, s := range spans {
		if n := len(out); n > 0 {
			last := &out[n-1]
			if last.Told == s.Told {
				last.To = max(last.To, s.To)
				continue
			}
			again := last.To
			if last.To = s.From; again > s.To { // the earlier answer came again, after this one
				s.To = max(s.To, s.From)
				out = append(out, s, Span{s.To, again, last.Told})
				continue
			}
		}
		out = append(out, s)
	}
	if n := len(out); n > 0 {
		out[n-1].To = max(out[n-1].To, until)
	}
	return out
}

// Entry is a line of a client's log: At is since its process runs.
type Entry struct {
	At   time.Duration
	Text string
}

// Log is what the slowest client saw, with what the cluster knew in between
// marked by brackets: the first and the last lines of it, at most so many.
func (t *Timeline) Log(most int) []Entry {
	c := t.Clients[0]
	begins := event{c.Started, fmt.Sprintf("I am pod %d, %s; I ask %s", c.Index, c.Address, c.Asks)}
	events := append([]event{begins}, c.events...)
	if c.Peer < len(t.Peers) {
		m := t.Peers[c.Peer]
		for _, known := range []struct {
			at   judge.Measurement
			text string
		}{
			{m.Ready, "[pod %d is Ready]"},
			{m.InSlice, "[pod %d is in an EndpointSlice]"},
			{m.OnServer, "[all DNS servers have pod %d]"},
		} {
			if known.at.Known() && !known.at.Censored {
				events = append(events, event{known.at.Value, fmt.Sprintf(known.text, c.Peer)})
			}
		}
	}
	slices.SortStableFunc(events, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	var out []Entry
	for i, e := range events {
		switch left := len(events) - most; {
		case left > 0 && i == most/2:
			out = append(out, Entry{e.at - c.Started, fmt.Sprintf("... %d lines more ...", left+1)})
		case left > 0 && i > most/2 && i <= most/2+left:
		default:
			out = append(out, Entry{e.at - c.Started, e.text})
		}
	}
	return out
}

func first(list []string) string {
	return strings.Join(list[:min(1, len(list))], "")
}

// Tells reports whether the timeline shows more than another: a trial on the
// cluster's own DNS rather than another, a late one, one as usual, one in which the
// DNS servers were asked past their caches, one that was seen to its end, then the
// later one.
func (t *Timeline) Tells(other *Timeline) bool {
	if t == nil || t.Trial.Invalid != "" || t.Trial.Connected.Lost != "" {
		return false
	}
	if other == nil {
		return true
	}
	rank := func(t *Timeline) []int {
		late, _ := t.Trial.Late()
		return []int{
			one(t.Trial.Arm.DNS == plan.ClusterDNS), one(late), one(ScenarioOf(t.Trial.Arm).With == ""),
			one(t.Trial.OnServer.Lost == ""), one(!t.Trial.Connected.Censored),
		}
	}
	if c := slices.Compare(rank(t), rank(other)); c != 0 {
		return c > 0
	}
	return t.Trial.Connected.At > other.Trial.Connected.At
}

func one(is bool) int {
	if is {
		return 1
	}
	return 0
}
