package judge

import (
	"cmp"
	"slices"
	"time"

	"headless-job-dns/internal/record"
)

// reused works out, from the primer's own records, how long before the judged
// run it was gone and what it had left in the caches.
func (j *judgement) reused() {
	v, t := j.v, j.t
	if t.Primer != nil {
		for i := range t.Primer.Pods {
			if l := readLog(&t.Primer.Pods[i]); l.problem != "" {
				j.note("primer, %s: %s", l.name(), l.problem)
			}
		}
	}
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
		i := slices.IndexFunc(v.Left, func(l Left) bool { return l.Replica == p.replica && l.Class == p.class })
		if i < 0 {
			v.Left = append(v.Left, Left{Replica: p.replica, Class: p.class, Shortest: p.left, Longest: p.left})
			continue
		}
		v.Left[i].Shortest = min(v.Left[i].Shortest, p.left)
		v.Left[i].Longest = max(v.Left[i].Longest, p.left)
	}
	slices.SortStableFunc(v.Left, func(a, b Left) int {
		return cmp.Or(cmp.Compare(a.Replica, b.Replica), cmp.Compare(a.Class, b.Class))
	})
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

// primed is an answer that a primer's question left in a replica's cache.
type primed struct {
	replica string
	class   record.Class
	left    float64 // of its TTL, in seconds; negative: expired
}

// primed reads from the primer's answers what is left of their TTLs at a wall
// reading of the runner's clock.
func (j *judgement) primed(at int64) []primed {
	type key struct {
		replica string
		peer    int
	}
	last := map[key]primed{}
	var order []key
	for i := range j.t.Primer.Pods {
		l := readLog(&j.t.Primer.Pods[i])
		if l.start == nil {
			continue
		}
		clock := slices.Index(j.clocks.ids, l.start.Boot)
		if clock < 0 || l.start.Boot == "" {
			continue
		}
		for _, a := range l.answers {
			ttl := a.TTL
			if a.Class != record.Address {
				ttl = a.SOATTL
			}
			m := j.clocks.on(clock, l.start.Wall+a.at, 0, at)
			if a.View != record.Direct || ttl == nil || !m.ok {
				continue
			}
			k := key{a.Server, a.Peer}
			left := float64(*ttl) + time.Duration(m.mid).Seconds()
			old, seen := last[k]
			if !seen {
				order = append(order, k)
			}
			// The latest to expire is what the replica still has: a later
			// answer from its cache carries the same end.
			if !seen || left > old.left {
				last[k] = primed{replica: a.Server, class: a.Class, left: left}
			}
		}
	}
	out := make([]primed, len(order))
	for i, k := range order {
		out[i] = last[k]
	}
	return out
}
