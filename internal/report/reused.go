package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/record"
)

// mostServers is how many servers' remaining TTLs are listed: a cluster's DNS
// may have many replicas.
const mostServers = 8

func gaps(trials []trial) string {
	var s series
	for _, t := range trials {
		if t.v.Gap != nil {
			s = append(s, judge.Measurement{Value: *t.v.Gap})
		}
	}
	if len(s) == 0 {
		return "none was kept"
	}
	return s.medianText() + " (" + s.rangeText() + ")"
}

// left says what the primer's records had left to live at the first question,
// by server and way to it.
func left(trials []trial) string {
	type key struct {
		server string
		view   record.View
		class  record.Class
	}
	type span struct {
		low, high float64
		n         int
	}
	by := map[key]*span{}
	var keys []key
	for _, t := range trials {
		for _, l := range t.v.Left {
			k := key{l.Server, l.View, l.Class}
			s := by[k]
			if s == nil {
				s = &span{low: l.Shortest, high: l.Longest}
				by[k] = s
				keys = append(keys, k)
			}
			s.low, s.high = min(s.low, l.Shortest), max(s.high, l.Longest)
			s.n++
		}
	}
	if len(keys) == 0 {
		return "What the primer left in the caches was not recorded."
	}
	slices.SortFunc(keys, func(a, b key) int {
		return cmp.Or(cmp.Compare(b.view, a.view), cmp.Compare(a.class, b.class), cmp.Compare(a.server, b.server))
	})
	var parts []string
	for i, k := range keys {
		if i == mostServers {
			parts = append(parts, fmt.Sprintf("%d more", len(keys)-i))
			break
		}
		s := by[k]
		way := ""
		if k.view == record.Client {
			way = " (the pods' resolver)"
		}
		text := fmt.Sprintf("%s%s %s %.1f s", code(k.server), way, code(string(k.class)), s.low)
		if s.n > 1 || s.low != s.high {
			text += fmt.Sprintf(" to %.1f s (%s)", s.high, some(s.n, "trial"))
		}
		parts = append(parts, text)
	}
	return "TTL left then at most, had the server cached it (negative: expired): " + strings.Join(parts, ", ") + "."
}
