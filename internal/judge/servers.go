package judge

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"headless-job-dns/internal/record"
)

// notLooked begins why the uncached view of a trial is lost that nobody, or
// not everybody, could look at. What the clients saw is not spoilt by it.
const notLooked = "not looked at: "

// servers finds when each replica first had the name, for the replicas that
// this client looked at. NODATA to a question of an unserved type says that the
// name is there, NXDOMAIN that it is not; anything else says nothing.
func (j *judgement) servers(client *podLog, log *peerLog, r *ruler) []Replica {
	type seen struct {
		hit    int64
		prev   int64 // the question before the hit
		absent int64 // when the last question was asked that missed it; -1: none did
		last   int64 // when the last question was asked
	}
	found := map[string]*seen{}
	for _, a := range log.answers {
		if a.View != record.Uncached || client.failed[a.Server] {
			continue
		}
		s := found[a.Server]
		if s == nil {
			s = &seen{hit: -1, absent: -1}
			found[a.Server] = s
		}
		s.last = max(s.last, a.lastAsked())
		switch a.Class {
		case record.NXDomain:
			s.absent = max(s.absent, a.lastAsked())
		case record.NoData, record.Address:
			if s.hit < 0 || a.at < s.hit {
				s.hit, s.prev = a.at, a.Prev
			}
		}
	}
	var out []Replica
	for server, s := range found {
		var t Timing
		switch {
		case s.hit < 0:
			// A probe may be satisfied before every replica has the name, and
			// it looks at a name a limited number of times: what it can say
			// ends with its last look.
			if t = missing(client, r, false); t.known() {
				t = r.at(s.last, s.last, true)
			}
		default:
			t = r.at(min(max(s.absent, 0), s.hit), s.hit, false)
			if s.absent < 0 && t.Since.Known() {
				t.Since.Lo = min(t.Since.Value, 0) // it may have been there since the Job was asked for
			}
		}
		out = append(out, Replica{Server: server, Seen: t, missed: s.absent,
			gap: s.absent < s.prev || s.hit < 0 && s.absent < s.last})
	}
	slices.SortFunc(out, func(a, b Replica) int { return cmp.Compare(a.Server, b.Server) })
	return out
}

// onServer is when every name was on every replica that was asked. Seen from
// the Job's creation the first looker to see a name settles it. The lag takes
// the last: a looker that starts late finds the name at once, which must not
// hide what an earlier one waited. A name that nobody looked at on a replica
// may have been the last there.
func (j *judgement) onServer() Timing {
	type key struct {
		peer   int
		server string
	}
	looked := map[key][]Measurement{}
	var servers []string
	var lags lastOf
	for i := range j.v.Pairs {
		p := &j.v.Pairs[i]
		for _, r := range p.Servers {
			if !slices.Contains(servers, r.Server) {
				servers = append(servers, r.Server)
			}
			k := key{p.Peer, r.Server}
			looked[k] = append(looked[k], r.Seen.Since)
			lags.add(r.Seen.Lag)
		}
	}
	j.onName = make([]Measurement, len(j.logs))
	nobody := func(why string) Timing {
		for i := range j.onName {
			j.onName[i] = lost(why)
		}
		return lostTiming(why)
	}
	if j.t.Plan.Arm.Observer != record.PeersServer && len(servers) == 0 {
		return nobody(NotObserved)
	}
	j.noteChecks()
	if len(servers) == 0 {
		why := notLooked + "no DNS server by anybody"
		if !j.knowsServers() {
			why = notLooked + "no DNS server's own address was known"
		}
		j.note("uncached view %s", why)
		return nobody(why)
	}
	slices.Sort(servers)
	for i := range j.logs {
		var all []Measurement
		for _, server := range servers {
			first := lost(fmt.Sprintf("%sindex %d on %s by anybody", notLooked, i, server))
			if seen := looked[key{i, server}]; len(seen) > 0 {
				first = earliest(seen)
			}
			all = append(all, first)
		}
		j.onName[i] = latest(all)
	}
	for _, server := range servers {
		var missed []string
		for i := range j.logs {
			if len(looked[key{i, server}]) == 0 {
				missed = append(missed, fmt.Sprint(i))
			}
		}
		if len(missed) > 0 {
			why := fmt.Sprintf("%sindex %s on %s by anybody", notLooked, strings.Join(missed, ", "), server)
			j.note("uncached view %s", why)
			return lostTiming(why)
		}
	}
	return Timing{Lag: lags.get(), Since: latest(j.onName)}
}

// knowsServers tells whether any pod was told of a replica.
func (j *judgement) knowsServers() bool {
	return slices.ContainsFunc(j.logs, func(l *podLog) bool {
		return len(l.failed) > 0 || l.start != nil && len(l.start.Replicas) > 0
	})
}

// noteChecks names the servers whose uncached view means nothing, with the
// pods that found so and what they were told.
func (j *judgement) noteChecks() {
	by := map[string][]string{}
	var order []string
	for _, l := range j.logs {
		for _, c := range l.checks {
			if c.OK {
				continue
			}
			text := fmt.Sprintf("the uncached view of %s cannot be used: a name that exists gave %s, one that does not %s",
				c.Server, answered(c.Present), answered(c.Absent))
			if by[text] == nil {
				order = append(order, text)
			}
			by[text] = append(by[text], fmt.Sprint(l.pod.Index))
		}
	}
	slices.Sort(order)
	for _, text := range order {
		j.note("%s (found by index %s)", text, strings.Join(by[text], ", "))
	}
}

func answered(class string) string {
	if class == "" {
		return "no answer"
	}
	return class
}
