package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/witness"
	"headless-job-dns/manifests"
)

// truth reconstructs the parts of one pair's time from the witnesses alone.
type truth struct {
	*witnesses
	namespace, job, service string
	success, denial         time.Duration // what the servers cache, 0: nothing
	zero                    time.Time     // the request for the Job
}

// lookup is one question as a server answered it, and what with.
type lookup struct {
	witness.Question
	wrong judge.Part    // empty: the answer was right
	left  time.Duration // until what was kept expired
}

// lateStamp is by how much two lines of a server's log may be stamped
// differently late: a record that expires between two questions may seem to
// have served the second one as well.
const lateStamp = 100 * time.Millisecond

func (w truth) name(pod int) string {
	return fmt.Sprintf("%s-%d.%s.%s.svc.%s.", w.job, pod, w.service, w.namespace, manifests.DefaultDomain)
}

// onServers is when the last server had a pod's name: each had it between the
// last question that it denied uncached and the first that it did not.
func (w truth) onServers(pod int) witness.Span {
	var last witness.Span
	for _, questions := range w.questions {
		var missed, had time.Time
		for _, q := range questions {
			fresh := strings.HasPrefix(q.Type, "TYPE") || w.denial == 0 && w.success == 0
			if q.Name != w.name(pod) || !fresh || q.At.Before(w.zero) {
				continue
			}
			if q.Rcode == "NXDOMAIN" {
				missed = q.At
			} else if q.Rcode == "NOERROR" && had.IsZero() {
				had = q.At
			}
		}
		at := witness.Span{From: missed, To: had}
		switch {
		case had.IsZero():
			continue // a server that answers nothing serves nobody
		case missed.IsZero() || had.Before(missed):
			at = w.Pods[pod].InSlice // nobody looked before it was there
			at.From = at.To
		}
		last = witness.Span{From: later(last.From, at.From), To: later(last.To, at.To)}
	}
	return last
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// lookups replays each server's cache over its log: what an asker was told
// about a pod since the Job was created, in order. A denial is wrong when it
// was kept from before the name was there, an address when it is.
func (w truth) lookups(asker, asked int, there time.Time) []lookup {
	var out []lookup
	for _, questions := range w.questions {
		questions = slices.SortedFunc(slices.Values(questions), func(a, b witness.Question) int { return a.At.Compare(b.At) })
		var kept, until time.Time // of the record or denial in the cache
		for _, q := range questions {
			if q.Name != w.name(asked) || q.Type != "A" {
				continue
			}
			if !q.At.Before(until) {
				kept, until = q.At, q.At
				switch q.Rcode {
				case "NOERROR":
					until = q.At.Add(w.success)
				case "NXDOMAIN":
					until = q.At.Add(w.denial)
				}
			}
			if q.Asker != w.Pods[asker].IP || q.At.Before(w.zero) {
				continue
			}
			l := lookup{Question: q, left: until.Sub(q.At)}
			switch {
			case q.Rcode == "NXDOMAIN" && q.At.After(there):
				l.wrong = judge.PartDenial
			case q.Rcode == "NXDOMAIN":
				l.wrong = judge.PartPolling
			case q.Rcode == "NOERROR" && kept.Before(w.zero):
				l.wrong = judge.PartStale
			}
			out = append(out, l)
		}
	}
	slices.SortFunc(out, func(a, b lookup) int { return a.At.Compare(b.At) })
	return out
}

// bounds are the least and the most that a pair's part can have been.
type bounds struct{ least, most time.Duration }

func (b bounds) width() time.Duration { return b.most - b.least }

// nearest is what comes nearest to d inside.
func (b bounds) nearest(d time.Duration) time.Duration { return min(max(d, b.least), b.most) }

// off is how far d is outside.
func (b bounds) off(d time.Duration) time.Duration { return (d - b.nearest(d)).Abs() }

// bounds splits a pair's time by the witnesses. The apiserver knows when a
// change was made to within the request for it, containerd when a process began
// to within what it needed to hear of it, two looks when a server had a name,
// and two packets when an asker read an answer; on a busy machine each is a
// while. A part is the least and the most over
// all ends of these.
func (w truth) bounds(asker, asked int) map[judge.Part]bounds {
	there := w.onServers(asked)
	var all []map[judge.Part]time.Duration
	for _, there := range []time.Time{there.From, there.To} {
		lookups := w.lookups(asker, asked, there)
		for _, began := range []time.Time{w.Pods[asker].Started.From, w.Pods[asker].Started.To} {
			way := w.way(asker, asked, began, there)
			for ends := range 1 << len(way) {
				for _, late := range []bool{false, true} {
					all = append(all, w.parts(asker, asked, ending(way, ends), lookups, late))
				}
			}
		}
	}
	if slices.ContainsFunc(all, func(c map[judge.Part]time.Duration) bool { return c == nil }) {
		return nil
	}
	out := map[judge.Part]bounds{}
	for _, part := range judge.Parts {
		var took []time.Duration
		for _, c := range all {
			took = append(took, c[part])
		}
		if b := (bounds{slices.Min(took), slices.Max(took)}); b.most > 0 {
			out[part] = b
		}
	}
	return out
}

// step is the end of one part.
type step struct {
	part judge.Part
	at   witness.Span
}

// way is what led to the later of the asker's process and the name that it asks
// for on the servers.
func (w truth) way(asker, asked int, began, there time.Time) []step {
	a, b := w.Pods[asker], w.Pods[asked]
	if began.After(there) {
		return []step{{judge.PartCreate, a.Created}, {judge.PartSchedule, a.Scheduled}, {judge.PartStart, witness.Span{From: began, To: began}}}
	}
	return []step{{judge.PartCreate, b.Created}, {judge.PartSchedule, b.Scheduled}, {judge.PartStart, b.Started},
		{judge.PartReady, b.Ready}, {judge.PartSlice, b.InSlice}, {judge.PartServer, witness.Span{From: there, To: there}}}
}

// ending puts each step at the end of what is known of it that its bit in ends
// gives. What a later step shows was there before it, however late the change
// was stamped as made.
func ending(way []step, ends int) []step {
	out := slices.Clone(way)
	for i := len(out) - 1; i >= 0; i-- {
		at := out[i].at.Earliest()
		if ends>>i&1 == 1 {
			at = out[i].at.Latest()
		}
		if i+1 < len(out) && out[i+1].at.To.Before(at) {
			at = out[i+1].at.To
		}
		out[i].at = witness.Span{From: at, To: at}
	}
	return out
}

// parts splits a pair's time by the witnesses, under the rules that
// judge.Part states: the steps up to the first of its lookups that counts, and
// these, the last one read as late as can be or at once.
func (w truth) parts(asker, asked int, way []step, lookups []lookup, late bool) map[judge.Part]time.Duration {
	out := map[judge.Part]time.Duration{}
	pos := w.zero
	to := func(p judge.Part, at time.Time) {
		if at.After(pos) {
			out[p] += at.Sub(pos)
			pos = at
		}
	}
	for _, s := range way {
		to(s.part, s.at.To)
	}
	a, b := w.Pods[asker], w.Pods[asked]
	held := judge.PartUnasked
	right := -1
	for i, l := range lookups {
		if l.wrong == "" && l.Rcode == "NOERROR" {
			right = i
			break
		}
		to(held, l.At)
		held = l.wrong
	}
	if n := len(lookups); right < 0 && n > 0 && lookups[n-1].wrong == judge.PartStale && lookups[n-1].left < lateStamp {
		right = n - 1 // it asked no more, so this was the new answer
	}
	if right < 0 {
		return nil
	}
	told := lookups[right]
	if told.Asked.IsZero() {
		told.Asked = told.At
	}
	// A question that no server logged was lost on the way to one that does
	// not answer; a client that asks every few ten milliseconds was waiting.
	if (held == judge.PartPolling || held == judge.PartUnasked) && told.Asked.Sub(pos) > time.Second {
		held = judge.PartNoAnswer
	}
	to(held, told.Asked)
	dialled, connected := w.connected(a.IP, b.IP, told.At)
	if connected.IsZero() {
		return nil
	}
	// The asker read its answer after that had passed, and before it dialled.
	if late {
		to(judge.PartNoAnswer, dialled)
	}
	to(judge.PartNoAnswer, told.At)
	to(judge.PartConnect, connected)
	return out
}

// connected is when an asker first dialled an address after it was told, and
// when it was first answered there; the latter is zero where it never was.
func (w truth) connected(asker, asked string, told time.Time) (dialled, answered time.Time) {
	for _, p := range w.packets {
		switch {
		case p.Answer && p.From == asked && p.To == asker && (answered.IsZero() || p.At.Before(answered)):
			// Where no packet of the answer was seen, the line of the server's log was
			// stamped a little after it had left, by which time the two may be connected.
			answered = p.At
		case !p.Answer && p.From == asker && p.To == asked && !p.At.Before(told) && (dialled.IsZero() || p.At.Before(dialled)):
			dialled = p.At
		}
	}
	return dialled, answered
}

// A busy apiserver stamps a request as answered long after the change was seen:
// here by a DNS server, and then by the client. What it knows is no more than
// that the change came before that.
func TestTruthWithLateStamps(t *testing.T) {
	zero := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	at := func(ms int) time.Time { return zero.Add(time.Duration(ms) * time.Millisecond) }
	span := func(from, to int) witness.Span { return witness.Span{From: at(from), To: at(to)} }
	pod := func(ip string) witness.Pod {
		return witness.Pod{IP: ip, Created: span(0, 10), Scheduled: span(20, 30), Started: span(500, 510), Ready: span(600, 610), InSlice: span(700, 1000)}
	}
	w := truth{witnesses: &witnesses{Account: &witness.Account{Pods: map[int]witness.Pod{0: pod("10.0.0.1"), 1: pod("10.0.0.2")}}},
		namespace: "ns", job: "lag", service: "svc", denial: 7 * time.Second, zero: zero}
	asked := func(ms int, kind, rcode string) witness.Question {
		return witness.Question{At: at(ms), Asker: "10.0.0.1", Type: kind, Name: w.name(1), Rcode: rcode}
	}
	w.questions = map[string][]witness.Question{"server": {
		asked(600, "A", "NXDOMAIN"), asked(840, "TYPE65280", "NXDOMAIN"), asked(850, "TYPE65280", "NOERROR"),
		asked(900, "A", "NXDOMAIN"), asked(7600, "A", "NOERROR"),
	}}
	w.questions["server"][4].Asked = at(7590)
	w.packets = []witness.Packet{
		{At: at(7650), From: "10.0.0.1", To: "10.0.0.2"},
		{At: at(7651), From: "10.0.0.2", To: "10.0.0.1", Answer: true},
	}
	ms := func(least, most int) bounds {
		return bounds{time.Duration(least) * time.Millisecond, time.Duration(most) * time.Millisecond}
	}
	have := w.bounds(0, 1)
	require.Equal(t, ms(6690, 6690), have[judge.PartDenial], "told from the cache from its question at 900 until it asked at 7590")
	require.Equal(t, ms(10, 60), have[judge.PartNoAnswer], "until the answer passed at 7600, or it dialled at 7650")
	require.Equal(t, ms(1, 51), have[judge.PartConnect])
	require.Equal(t, ms(90, 250), have[judge.PartSlice], "from Ready, at 600 to 610, until 700 to the server's 840 to 850")
	require.Equal(t, ms(0, 150), have[judge.PartServer])
}
