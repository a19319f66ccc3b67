package judge

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

// reused works out, from the primer's own records, how long before the judged
// run it was gone and what it had left in the caches.
func (j *judgement) reused() {
	v, t := j.v, j.t
	j.judgePrimer()
	first, known := j.firstQuestion()
	if t.Primer == nil || !known {
		return
	}
	if t.Primer.Gone > 0 {
		// Both runs' zeros are readings of the runner's clock.
		gap := time.Duration(first + t.Run.Zero.UnixNano() - t.Primer.Zero.UnixNano() - t.Primer.Gone)
		v.Gap = &gap
	}
	for _, p := range j.primed(first + t.Run.Zero.UnixNano()) {
		left := p.until.Seconds()
		i := slices.IndexFunc(v.Left, func(l Left) bool { return l.Server == p.server && l.View == p.view && l.Class == p.class })
		if i < 0 {
			v.Left = append(v.Left, Left{Server: p.server, View: p.view, Class: p.class, Shortest: left, Longest: left})
			continue
		}
		v.Left[i].Shortest = min(v.Left[i].Shortest, left)
		v.Left[i].Longest = max(v.Left[i].Longest, left)
	}
	slices.SortStableFunc(v.Left, func(a, b Left) int {
		return cmp.Or(cmp.Compare(a.Server, b.Server), cmp.Compare(a.View, b.View), cmp.Compare(a.Class, b.Class))
	})
}

// judgePrimer makes a trial invalid whose primer did not do all that it was
// there for: what the caches held at the judged run's start is not what the
// arm says.
func (j *judgement) judgePrimer() {
	if j.t.Primer == nil {
		return
	}
	var undone []string
	for i := range j.t.Primer.Pods {
		l := readLog(&j.t.Primer.Pods[i])
		switch {
		case l.done != nil && l.done.Reason == "complete":
			if l.problem != "" {
				j.note("primer, %s: %s", l.name(), l.problem)
			}
		case l.done != nil && l.done.Reason != "error":
			undone = append(undone, fmt.Sprintf("%s ended with %q", l.name(), l.done.Reason))
		default:
			undone = append(undone, l.name()+": "+l.problem)
		}
	}
	if len(undone) > 0 {
		j.v.Status = results.Invalid
		j.v.Reasons = append(j.v.Reasons, "primer not complete: "+strings.Join(undone, "; "))
	}
}

// firstQuestion is when the first question of the judged run was sent, on the
// runner's axis.
func (j *judgement) firstQuestion() (int64, bool) {
	first, known := int64(0), false
	for _, l := range j.logs {
		for _, a := range l.answers {
			if m := j.own(l, a.Asked); m.ok && (!known || m.mid < first) {
				first, known = m.mid, true
			}
		}
	}
	return first, known
}

// primed is what a primer's question left in a server's cache.
type primed struct {
	server string
	view   record.View
	peer   int
	class  record.Class
	at     int64         // when it was seen
	until  time.Duration // when it expires; both count from the same reading
}

// refetched is by how much an answer must outlive the one before to be a new
// one. TTLs are displayed in whole seconds, those of a cache rounded up: the
// same record seems to expire up to a second later the later it is asked for.
const refetched = time.Second

// primed reads from the primer's answers what is left of their TTLs at a wall
// reading of the runner's clock.
func (j *judgement) primed(at int64) []primed {
	var seen []primed
	for i := range j.t.Primer.Pods {
		l := readLog(&j.t.Primer.Pods[i])
		if l.start == nil {
			continue
		}
		clock := slices.Index(j.clocks.ids, l.start.Boot)
		if clock < 0 || l.start.Boot == "" {
			continue
		}
		add := func(a answer, t int64, ttl *uint32) {
			if m := j.clocks.on(clock, l.start.Wall+t, 0, at); ttl != nil && m.ok {
				seen = append(seen, primed{a.Server, a.View, a.Peer, a.Class, m.mid, time.Duration(m.mid) + time.Duration(*ttl)*time.Second})
			}
		}
		for _, a := range l.answers {
			if a.View == record.Uncached || a.Suffix != "" {
				continue
			}
			if a.Class == record.Address {
				add(a, a.at, a.TTL)
			} else {
				add(a, a.at, a.SOATTL)
			}
			switch {
			case a.closed == nil || a.closed.Last <= a.at || a.closed.Last > longest:
			case a.Class == record.Address:
				add(a, a.closed.Last, a.closed.TTL)
			default:
				add(a, a.closed.Last, a.closed.SOATTL)
			}
		}
	}
	slices.SortStableFunc(seen, func(a, b primed) int { return cmp.Compare(a.at, b.at) })
	var out []primed
	for _, p := range seen {
		i := slices.IndexFunc(out, func(o primed) bool { return o.server == p.server && o.view == p.view && o.peer == p.peer })
		switch {
		case i < 0:
			out = append(out, p)
		case p.class != out[i].class || p.until > out[i].until+refetched:
			out[i] = p
		case p.until < out[i].until:
			out[i].until = p.until
		}
	}
	return out
}
