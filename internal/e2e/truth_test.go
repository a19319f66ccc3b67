package e2e

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"headless-job-dns/internal/judge"
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
	dnsQuestion
	wrong judge.Stage   // what it cost; empty: the answer was right
	left  time.Duration // until what was kept expired
}

// lateStamp is by how much two answers may be stamped differently late, as a
// server looks into its cache a little before its answer passes: a record that
// expires between two questions may seem to have served the second one as well.
const lateStamp = 100 * time.Millisecond

func (w truth) name(pod int) string {
	return fmt.Sprintf("%s-%d.%s.%s.svc.%s.", w.job, pod, w.service, w.namespace, manifests.DefaultDomain)
}

// onServers is when the last server had a pod's name: each had it between the
// last question that it denied uncached and the first that it did not, and none
// before it was in an EndpointSlice. It is not known where no server showed it.
func (w truth) onServers(pod int) window {
	slice := w.Pods[pod].InSlice
	var last window
	for _, questions := range w.questions {
		var missed, had time.Time
		for _, q := range questions {
			fresh := strings.HasPrefix(q.Type, "TYPE") || w.denial == 0 && w.success == 0
			if q.Name != w.name(pod) || !fresh || q.Asked.Before(w.zero) {
				continue
			}
			if q.Rcode == "NXDOMAIN" {
				missed = later(missed, q.Asked)
			} else if q.Rcode == "NOERROR" && had.IsZero() && !q.At.Before(slice.From) { // or it was an earlier Job's
				had = q.At
			}
		}
		at := window{From: later(slice.From, missed), To: had}
		switch {
		case had.IsZero():
			continue // a server that answers nothing serves nobody
		case missed.IsZero() || had.Before(missed):
			at = window{From: slice.From, To: earlier(slice.To, had)} // nobody looked before it was there
		}
		last = window{From: later(last.From, at.From), To: later(last.To, at.To)}
	}
	return last
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// lookups replays each server's cache over its log: what an asker was told
// about a pod since the Job was created, in order, up to the first right answer;
// nil where it got none. An address is wrong when it was kept from before.
func (w truth) lookups(asker, asked int) []lookup {
	var out []lookup
	for _, questions := range w.questions {
		questions = slices.SortedFunc(slices.Values(questions), func(a, b dnsQuestion) int { return a.At.Compare(b.At) })
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
			l := lookup{dnsQuestion: q, left: until.Sub(q.At)}
			switch {
			case q.Rcode == "NXDOMAIN":
				l.wrong = judge.StageDenial
			case q.Rcode != "NOERROR":
				l.wrong = judge.StageNoAnswer
			case kept.Before(w.zero):
				l.wrong = judge.StageStale
			}
			out = append(out, l)
		}
	}
	slices.SortFunc(out, func(a, b lookup) int { return a.At.Compare(b.At) })
	if right := slices.IndexFunc(out, func(l lookup) bool { return l.wrong == "" }); right >= 0 {
		return out[:right+1]
	}
	if n := len(out); n > 0 && out[n-1].wrong == judge.StageStale && out[n-1].left < lateStamp {
		out[n-1].wrong = "" // it asked no more, so this was the new answer
		return out
	}
	return nil
}

// dial is what the packets show of an asker's first connection to a pod. A time
// is zero where its packet was not seen.
type dial struct{ begun, answered, closed time.Time }

func (w truth) dial(asker, asked podAccount) dial {
	first := func(from, to string, after time.Time, is func(packet) bool) (at time.Time) {
		for _, p := range w.packets {
			if p.From == from && p.To == to && !p.At.Before(after) && is(p) && (at.IsZero() || p.At.Before(at)) {
				at = p.At
			}
		}
		return at
	}
	var d dial
	d.begun = first(asker.IP, asked.IP, w.zero, func(p packet) bool { return !p.Answer && !p.Close })
	d.answered = first(asked.IP, asker.IP, later(w.zero, d.begun), func(p packet) bool { return p.Answer })
	d.closed = first(asker.IP, asked.IP, d.answered, func(p packet) bool { return p.Close })
	return d
}

// bounds are the least and the most that a pair's part can have been.
type bounds struct{ least, most time.Duration }

func (b bounds) width() time.Duration { return b.most - b.least }

// nearest is what comes nearest to d inside.
func (b bounds) nearest(d time.Duration) time.Duration { return min(max(d, b.least), b.most) }

// off is how far d is outside.
func (b bounds) off(d time.Duration) time.Duration { return (d - b.nearest(d)).Abs() }

// bounds splits a pair's time by the witnesses; nil where they do not know all
// that it takes. The apiserver knows when a change was made to within the request
// for it, containerd when a process began to within what it needed to hear of it,
// two looks when a server had a name, and two packets when an asker read an
// answer or learnt that it was connected; on a busy machine each is a while. A
// part is the least and the most over all ends of these.
func (w truth) bounds(asker, asked int) map[judge.Stage]bounds {
	a, b := w.Pods[asker], w.Pods[asked]
	there, lookups, d := w.onServers(asked), w.lookups(asker, asked), w.dial(a, b)
	for _, s := range []window{a.Created, a.Scheduled, a.Started, b.Created, b.Scheduled, b.Started, b.Ready, b.InSlice, there} {
		if !s.Known() {
			return nil
		}
	}
	if lookups == nil || d.answered.IsZero() {
		return nil
	}
	if d.begun.IsZero() {
		d.begun = d.answered
	}
	// Where no packet of the answer was seen, the line of the server's log was
	// stamped a little after it had left, by which time the asker may have dialled.
	told := &lookups[len(lookups)-1]
	told.At = earlier(told.At, d.begun)
	told.Asked = earlier(told.Asked, told.At)
	var all []map[judge.Stage]time.Duration
	there.From, there.To = earlier(there.From, told.Asked), earlier(there.To, told.Asked) // a server that came later did not matter
	// Which answers were wrong changes with each question between the ends.
	thereAt := []time.Time{there.From, there.To}
	for _, l := range lookups {
		if l.Asked.After(there.From) && l.Asked.Before(there.To) {
			thereAt = append(thereAt, l.Asked, l.Asked.Add(-1))
		}
	}
	for _, there := range thereAt {
		beganAt := []time.Time{a.Started.From, a.Started.To}
		if there.After(a.Started.From) && there.Before(a.Started.To) {
			beganAt = append(beganAt, there.Add(1)) // the asker was the later one, just so
		}
		for _, began := range beganAt {
			way := way(a, b, began, there)
			for late := range 1 << (len(way) - 1) { // the last is an instant
				for _, read := range []time.Time{told.At, d.begun} {
					for _, connected := range []time.Time{d.answered, later(d.answered, d.closed)} {
						all = append(all, w.parts(moments(way, late), lookups, there, read, connected))
					}
				}
			}
		}
	}
	out := map[judge.Stage]bounds{}
	for _, part := range judge.Stages {
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
	part judge.Stage
	at   window
}

// way is what led to the later of the asker's process and the asked pod's name
// on the servers.
func way(asker, asked podAccount, began, there time.Time) []step {
	if began.After(there) {
		return []step{{judge.StageCreate, asker.Created}, {judge.StageSchedule, asker.Scheduled}, {judge.StageStart, window{From: began, To: began}}}
	}
	return []step{{judge.StageCreate, asked.Created}, {judge.StageSchedule, asked.Scheduled}, {judge.StageStart, asked.Started},
		{judge.StageReady, asked.Ready}, {judge.StageSlice, asked.InSlice}, {judge.StageServer, window{From: there, To: there}}}
}

// moments puts each step at the later end of what is known of it where its bit
// in late is set, at the earlier one elsewhere. What a later step shows was there
// before it, however late the change was stamped as made.
func moments(way []step, late int) []step {
	out := slices.Clone(way)
	for i := len(out) - 1; i >= 0; i-- {
		at := out[i].at.From
		if late>>i&1 == 1 {
			at = out[i].at.To
		}
		if i+1 < len(out) {
			at = earlier(at, out[i+1].at.To)
		}
		out[i].at = window{From: at, To: at}
	}
	return out
}

// parts splits a pair's time by the witnesses, under the rules that
// judge.Stage states: the steps up to the first of its lookups that counts, and
// these, the last of which was read at a moment. Each answer was held from when
// it was asked for until the asker asked again.
func (w truth) parts(way []step, lookups []lookup, there, read, connected time.Time) map[judge.Stage]time.Duration {
	out := map[judge.Stage]time.Duration{}
	pos := w.zero
	to := func(p judge.Stage, at time.Time) {
		if at.After(pos) {
			out[p] += at.Sub(pos)
			pos = at
		}
	}
	for _, s := range way {
		to(s.part, s.at.To)
	}
	held := judge.StageUnasked
	last := len(lookups) - 1
	for _, l := range lookups[:last] {
		to(held, l.Asked)
		held = l.wrong
		if held == judge.StageDenial && !l.Asked.After(there) {
			held = judge.StagePolling // it was right
		}
	}
	asked := lookups[last].Asked
	// A question that no server logged was lost on the way to one that does
	// not answer; a client that asks every few ten milliseconds was waiting.
	if (held == judge.StagePolling || held == judge.StageUnasked) && asked.Sub(pos) > time.Second {
		held = judge.StageNoAnswer
	}
	to(held, asked)
	to(judge.StageAnswer, read)
	to(judge.StageConnect, connected)
	return out
}
