package judge

import (
	"cmp"
	"slices"
	"time"

	"headless-job-dns/internal/record"
	"headless-job-dns/internal/result"
)

// reused passes on what the runner recorded about the primer, and works it out
// from the primer's own records where the runner did not.
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
	switch {
	case t.Gap != nil:
		gap := time.Duration(*t.Gap)
		v.Gap = &gap
	case t.Primer != nil && t.Primer.Gone > 0 && known:
		// Both runs' zeros are readings of the runner's clock.
		gap := time.Duration(first + t.Run.Zero.UnixNano() - t.Primer.Zero.UnixNano() - t.Primer.Gone)
		v.Gap = &gap
	}
	primed := t.Primed
	if primed == nil && t.Primer != nil && known {
		primed = j.primed(first + t.Run.Zero.UnixNano())
	}
	for _, p := range primed {
		i := slices.IndexFunc(v.Left, func(l Left) bool { return l.Replica == p.Replica && l.Class == p.Class })
		if i < 0 {
			v.Left = append(v.Left, Left{Replica: p.Replica, Class: p.Class, Shortest: p.Left, Longest: p.Left})
			continue
		}
		v.Left[i].Shortest = min(v.Left[i].Shortest, p.Left)
		v.Left[i].Longest = max(v.Left[i].Longest, p.Left)
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

// primed reads from the primer's answers what is left of their TTLs at a wall
// reading of the runner's clock.
func (j *judgement) primed(at int64) []result.Primed {
	type key struct {
		replica string
		peer    int
	}
	last := map[key]result.Primed{}
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
			if !seen || left > old.Left {
				last[k] = result.Primed{Replica: a.Server, Peer: a.Peer, Class: a.Class, Addrs: a.Addrs, Left: left}
			}
		}
	}
	out := make([]result.Primed, len(order))
	for i, k := range order {
		out[i] = last[k]
	}
	return out
}
