package environment

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
)

// CachingFacts is how a DNS configuration caches, as a pod that uses it saw.
type CachingFacts struct {
	Positive    bool   `json:"positive"`     // addresses are cached
	PositiveTTL uint32 `json:"positive_ttl"` // highest TTL seen, in seconds: the lifetime of a fresh answer
	Negative    bool   `json:"negative"`     // denials are cached
	NegativeTTL uint32 `json:"negative_ttl"`
	// Uncached tells that every server that was checked answers questions of
	// unserved types as CoreDNS does, so that the uncached view is meaningful.
	Uncached bool `json:"uncached_view"`
	// Servers holds the findings one by one: the resolver's own address and,
	// where the probe was told them, each replica.
	Servers  []ServerCaching `json:"servers"`
	Warnings []string        `json:"warnings,omitempty"`
}

// ServerCaching is how one server caches.
type ServerCaching struct {
	Server string `json:"server"`
	// Resolver marks the address from the pod's resolv.conf. Behind a
	// Service's address replicas take turns, each with a cache of its own.
	Resolver bool     `json:"resolver"`
	Positive []uint32 `json:"positive_ttls"` // of equal questions, in order
	Negative []uint32 `json:"negative_ttls"`
}

// String says in one line what was found, for progress output and reports.
func (f CachingFacts) String() string {
	uncached := "the uncached view works"
	if !f.Uncached {
		uncached = "no uncached view"
	}
	return strings.Join([]string{lifetime("addresses", f.Positive, f.PositiveTTL),
		lifetime("denials", f.Negative, f.NegativeTTL), uncached}, ", ")
}

// lifetime says how one class of answers is cached; ttl in seconds.
func lifetime(what string, cached bool, ttl uint32) string {
	if cached {
		return fmt.Sprintf("%s cached for up to %d s", what, ttl)
	}
	return fmt.Sprintf("%s not seen to be cached (TTL %d s each time)", what, ttl)
}

// counts tells whether TTLs of equal questions, asked more than a second
// apart, show a cache: a cache counts down or, after expiry, starts anew. A
// server without one gives every answer the same, full TTL, and so does a cache
// that is told to (CoreDNS: keepttl): equal TTLs prove nothing.
func counts(ttls []uint32) bool { return slices.Min(ttls) != slices.Max(ttls) }

// minTTLs is how many answers a verdict needs: with one there is nothing to
// compare.
const minTTLs = 2

// ProveCaching concludes from the log of a pod with the observer
// record.CachingCheck how its DNS caches. It is an error when the log does not
// allow a conclusion.
func ProveCaching(lines []record.Line) (CachingFacts, error) {
	var f CachingFacts
	var resolvers []string
	checks, checksOK := 0, 0
	for _, l := range lines {
		switch {
		case l.Start != nil:
			resolvers = l.Start.Resolv.Servers
		case l.Check != nil:
			checks++
			if l.Check.OK {
				checksOK++
			}
		case l.Done != nil && l.Done.Err != "":
			return f, fmt.Errorf("the probe failed: %s", l.Done.Err)
		case l.Caching != nil:
			c := l.Caching
			enough := len(c.Positive) >= minTTLs && len(c.Negative) >= minTTLs
			if c.Err != "" {
				if !enough {
					return f, fmt.Errorf("server %s: %s", c.Server, c.Err)
				}
				f.Warnings = append(f.Warnings, "server "+c.Server+": "+c.Err)
			}
			if !enough {
				return f, fmt.Errorf("server %s answered %d questions for a name that exists and %d for one that does not; each "+
					"takes %d to tell", c.Server, len(c.Positive), len(c.Negative), minTTLs)
			}
			f.Servers = append(f.Servers, ServerCaching{Server: c.Server, Positive: c.Positive, Negative: c.Negative})
		}
	}
	if len(f.Servers) == 0 {
		return f, errors.New("no server was examined")
	}
	f.Uncached = checks > 0 && checks == checksOK
	for i := range f.Servers {
		f.Servers[i].Resolver = slices.Contains(resolvers, f.Servers[i].Server)
	}
	var err error
	if f.Positive, f.PositiveTTL, err = f.verdict("addresses",
		func(s ServerCaching) []uint32 { return s.Positive }); err != nil {
		return f, err
	}
	f.Negative, f.NegativeTTL, err = f.verdict("denials", func(s ServerCaching) []uint32 { return s.Negative })
	return f, err
}

// verdict tells from the TTLs of one class whether it is cached, and the
// highest TTL. Replicas that were asked directly have to agree, or what a
// client sees depends on chance. A resolver address that counts down shows a
// cache even where the replicas behind it have none (NodeLocal DNSCache); one
// that does not is no proof when replicas take turns behind it.
func (f *CachingFacts) verdict(what string, ttls func(ServerCaching) []uint32) (cached bool, ttl uint32, err error) {
	var with, without []string
	front, fewest := false, 0
	for _, s := range f.Servers {
		t := ttls(s)
		ttl = max(ttl, slices.Max(t))
		switch {
		case s.Resolver && counts(t):
			front = true
		case s.Resolver:
			if fewest == 0 || len(t) < fewest {
				fewest = len(t)
			}
		case counts(t):
			with = append(with, s.Server)
		default:
			without = append(without, s.Server)
		}
	}
	if len(with) > 0 && len(without) > 0 {
		return false, ttl, fmt.Errorf("the replicas do not agree: %s are cached by %s and not by %s", what,
			strings.Join(with, ", "), strings.Join(without, ", "))
	}
	cached = front || len(with) > 0
	if !cached && len(without) == 0 {
		f.Warnings = append(f.Warnings, fmt.Sprintf("%s: only the resolver's address was asked, %d times; that nothing is "+
			"cached is proven for fewer replicas than that", what, fewest))
	}
	return cached, ttl, nil
}

// Doubt says why what was measured of the cluster's own DNS does not tell that
// answers are not kept, as far as words of its Corefile contradict it; empty: they
// do not.
func (e *Environment) Doubt(f CachingFacts) string {
	words := strings.Fields(e.DNS.Corefile)
	switch {
	case f.Positive && f.Negative:
	case slices.Contains(words, "keepttl"):
		return "whether the cluster's DNS keeps answers is not known: its Corefile has keepttl, with which TTLs do not " +
			"fall in a cache"
	case slices.Contains(words, "cache") && !slices.Contains(words, "disable"):
		return "whether the cluster's DNS keeps answers is not known: its Corefile has cache without disable, yet TTLs " +
			"were not seen to fall"
	}
	return ""
}

// recordTTL is the `ttl 30` of every private DNS of ours, in seconds: what an
// answer has that no cache has held.
const recordTTL = 30

// Check compares what was seen of a DNS configuration with what its name
// promises. The cluster's own promises nothing.
func Check(dns plan.DNS, f CachingFacts) error {
	if !dns.Private() {
		return nil
	}
	want := dns.Facts()
	// An address may have been asked for before, so that little of its lifetime
	// is left. For the denial nobody had asked: it begins whole, or a second or
	// so later where the first answer was lost. Half is far from either.
	least := want.KeepsDenials / 2
	if want.AsksCluster {
		least = 0
	}
	if kept(f.Positive, f.PositiveTTL, 0, want.KeepsAddresses) &&
		kept(f.Negative, f.NegativeTTL, least, want.KeepsDenials) {
		return nil
	}
	full := func(ttl uint32) uint32 {
		if ttl == 0 {
			return recordTTL
		}
		return ttl
	}
	return fmt.Errorf("dns %s: expected %s, %s; saw %s", dns,
		lifetime("addresses", want.KeepsAddresses > 0, full(want.KeepsAddresses)),
		lifetime("denials", want.KeepsDenials > 0, full(want.KeepsDenials)), f)
}

// kept tells whether one class of answers is cached as promised: not at all
// where most is 0, and then with the whole TTL each time, else for more than
// least and at most most seconds.
func kept(cached bool, ttl, least, most uint32) bool {
	if most == 0 {
		return !cached && ttl == recordTTL
	}
	return cached && ttl > least && ttl <= most
}
