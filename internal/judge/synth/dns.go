package synth

import (
	"time"

	"headless-job-dns/internal/record"
)

// cacheKey is a question in one cache: a replica's, or (from -1 down) that of a
// node.
type cacheKey struct {
	cache, peer int
	suffix      string
}

func nodeCache(node int) int { return -1 - node }

// reply is what a server answers.
type reply struct {
	class record.Class
	addrs []string
	ttl   int
}

func (r reply) isAddress() bool { return r.class == record.Address }

type cached struct {
	reply
	stored time.Duration
}

// left is how many seconds the answer shows, as CoreDNS' cache counts
// (plugin/cache/item.go): whole ones.
func (c cached) left(at time.Duration) int { return c.ttl - int((at - c.stored).Seconds()) }

// prefill puts the primer's addresses into every cache that keeps addresses.
func (s *sim) prefill() {
	put := func(cache int, k Keeps) {
		for peer := range s.Pods {
			if k.Addresses > 0 {
				s.caches[cacheKey{cache: cache, peer: peer}] = cached{reply{record.Address, []string{Old(peer)}, zoneTTL},
					s.Left - zoneTTL*time.Second}
			}
		}
	}
	for i, r := range s.Replicas {
		put(i, r.Keeps)
	}
	for _, l := range s.Pods {
		if s.Node != nil {
			put(nodeCache(l.Node), *s.Node)
		}
	}
}

// ask is the answer to a client's question, sent at a time.
func (s *sim) ask(client, peer int, suffix string, at time.Duration) reply {
	replica := s.rng.IntN(len(s.Replicas))
	if s.Node == nil {
		return s.replica(replica, peer, suffix, at)
	}
	return s.through(cacheKey{nodeCache(s.Pods[client].Node), peer, suffix}, *s.Node, at,
		func() reply { return s.replica(replica, peer, suffix, at) })
}

func (s *sim) replica(i, peer int, suffix string, at time.Duration) reply {
	r := s.Replicas[i]
	if class := r.state(at); class != "" {
		return reply{class: class}
	}
	return s.through(cacheKey{i, peer, suffix}, r.Keeps, at, func() reply {
		switch {
		case suffix != "":
		case at < r.Old:
			return reply{record.Address, []string{Old(peer)}, zoneTTL}
		case s.there(r, peer, at):
			return reply{record.Address, []string{Addr(peer)}, zoneTTL}
		}
		return reply{record.NXDomain, nil, zoneTTL}
	})
}

// state is what the replica says to whatever question, empty where it works.
func (r Replica) state(at time.Duration) record.Class {
	switch {
	case at < r.Silent:
		return record.Timeout
	case at < r.Broken:
		return record.ServFail
	}
	return ""
}

// there tells whether a replica itself has a pod's own record.
func (s *sim) there(r Replica, peer int, at time.Duration) bool {
	in := s.Pods[peer].InSlice
	return in > 0 && at >= in+r.Behind
}

// through answers from a cache, or passes the question on and keeps the answer.
func (s *sim) through(k cacheKey, keeps Keeps, at time.Duration, next func() reply) reply {
	if c, ok := s.caches[k]; ok && c.left(at) > 0 {
		c.ttl = c.left(at)
		return c.reply
	}
	r := next()
	most := keeps.Denials
	if r.isAddress() {
		most = keeps.Addresses
	}
	if most > 0 && (r.isAddress() || r.class == record.NXDomain) {
		r.ttl = max(min(r.ttl, most), minTTL)
		s.caches[k] = cached{r, at}
	}
	return r
}

// look is the answer to an uncached question.
func (s *sim) look(i, peer int, at time.Duration) record.Class {
	r := s.Replicas[i]
	if class := r.state(at); class != "" {
		return class
	}
	if at < r.Old || s.there(r, peer, at) {
		return record.NoData
	}
	return record.NXDomain
}

// connect is how a connect ends that was begun at a time, and when; limit 0
// leaves it to the kernel. A SYN is sent again after 1, 2, 4, ... s.
func (s *sim) connect(peer int, addr string, at, limit time.Duration) (record.Outcome, time.Duration) {
	if limit == 0 {
		limit = kernelGivesUp
	}
	if addr != Addr(peer) {
		return record.DialTimeout, at + limit
	}
	for syn, wait := at, time.Second; syn < at+limit; syn, wait = syn+wait, 2*wait {
		switch {
		case syn < s.Lossy:
		case syn < s.Pods[peer].Started:
			return record.ConnRefused, syn + ms
		default:
			return record.Connected, syn + ms
		}
	}
	return record.DialTimeout, at + limit
}
