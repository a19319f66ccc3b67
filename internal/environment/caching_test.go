package environment

import (
	"cmp"
	"testing"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
)

func start(servers ...string) record.Line {
	return record.Line{V: record.Version, Start: &record.Start{Observer: record.CachingCheck, Resolv: record.Resolv{Servers: servers}}}
}

func check(server string, ok bool) record.Line {
	return record.Line{V: record.Version, Check: &record.Check{Server: server, OK: ok}}
}

func caching(server string, positive, negative []uint32) record.Line {
	return record.Line{V: record.Version, Caching: &record.Caching{Server: server, Positive: positive, Negative: negative}}
}

// Servers of the tests: the DNS Service and two replicas behind it.
const vip, r1, r2 = "10.96.0.10:53", "10.244.0.2:1053", "10.244.1.2:1053"

var (
	down = []uint32{30, 29, 28}
	full = []uint32{30, 30, 30}

	uncached = map[plan.DNS]bool{plan.Uncached: true, plan.RecordWriter: true, plan.RecordWriterPublish: true}
)

func TestProveCaching(t *testing.T) {
	for name, tc := range map[string]struct {
		lines     []record.Line
		positive  bool
		negative  bool
		ttls      [2]uint32
		uncached  bool
		warnings  int
		satisfies map[plan.DNS]bool
	}{
		"cache-30": {
			lines:    []record.Line{start(vip), check(r1, true), check(r2, true), caching(vip, []uint32{30, 30, 28}, []uint32{30, 30, 28}), caching(r1, down, down), caching(r2, down, down), {Done: &record.Done{Reason: "complete"}}},
			positive: true, negative: true, ttls: [2]uint32{30, 30}, uncached: true,
			satisfies: map[plan.DNS]bool{plan.Cache30: true, plan.Forwarding: true},
		},
		"uncached": {
			lines: []record.Line{start(vip), check(r1, true), check(r2, true), caching(vip, full, full), caching(r1, full, full), caching(r2, full, full)},
			ttls:  [2]uint32{30, 30}, uncached: true,
			satisfies: uncached,
		},
		"replicas take turns behind the Service": {
			lines:    []record.Line{start(vip), check(r1, true), caching(vip, full, full), caching(r1, down, down), caching(r2, []uint32{3, 2, 1}, []uint32{1, 30, 29})},
			positive: true, negative: true, ttls: [2]uint32{30, 30}, uncached: true,
			satisfies: map[plan.DNS]bool{plan.Cache30: true, plan.Forwarding: true},
		},
		"a kube-dns of other lifetimes": {
			lines:    []record.Line{start(vip), check(r1, false), caching(r1, down, []uint32{60, 60, 60})},
			positive: true, ttls: [2]uint32{30, 60},
		},
		"addresses only": { // which of the two it is, the answers do not tell
			lines:    []record.Line{start(vip), check(r1, true), check(r2, true), caching(vip, full, full), caching(r1, []uint32{30, 28, 27}, full), caching(r2, []uint32{9, 8, 7}, full)},
			positive: true, ttls: [2]uint32{30, 30}, uncached: true,
			satisfies: map[plan.DNS]bool{plan.KubeDNS: true, plan.NoDenialCache: true},
		},
		"denials only": {
			lines:    []record.Line{start(vip), check(r1, true), check(r2, true), caching(vip, full, full), caching(r1, full, down), caching(r2, full, down)},
			negative: true, ttls: [2]uint32{30, 30}, uncached: true,
			satisfies: map[plan.DNS]bool{plan.NoSuccessCache: true},
		},
		// In a chain a cache has what the next one had left; its denials begin
		// anew, for 5 s is also the least that it keeps them.
		"NodeLocal before a cache": {
			lines:    []record.Line{start(vip), check(r1, true), check(r2, true), caching(vip, []uint32{14, 12, 11}, []uint32{5, 3, 2}), caching(r1, []uint32{14, 13, 12}, []uint32{5, 4, 3}), caching(r2, []uint32{5, 30, 28}, []uint32{5, 3, 2})},
			positive: true, negative: true, ttls: [2]uint32{30, 5}, uncached: true,
			satisfies: map[plan.DNS]bool{plan.NodeLocalCache30: true, plan.NodeLocalUncached: true, plan.Forwarding: true},
		},
		"the first denial was lost": {
			lines:    []record.Line{start(vip), caching(r1, down, []uint32{29, 28, 27})},
			positive: true, negative: true, ttls: [2]uint32{30, 29},
			satisfies: map[plan.DNS]bool{plan.Cache30: true, plan.Forwarding: true},
		},
		"a cache in front of replicas without one": {
			lines:    []record.Line{start("169.254.20.10:53"), check(r1, true), caching("169.254.20.10:53", down, []uint32{5, 4, 3}), caching(r1, full, full)},
			positive: true, negative: true, ttls: [2]uint32{30, 30}, uncached: true,
			satisfies: map[plan.DNS]bool{plan.Cache30: true, plan.Forwarding: true},
		},
		"resolver only": {
			lines: []record.Line{start(vip), caching(vip, full, full)},
			ttls:  [2]uint32{30, 30}, warnings: 2,
			satisfies: uncached,
		},
		"other TTL, not cached": {
			lines: []record.Line{start(vip), caching(r1, []uint32{5, 5}, []uint32{5, 5})},
			ttls:  [2]uint32{5, 5},
		},
		"other TTL, cached": {
			lines:    []record.Line{start(vip), caching(r1, []uint32{60, 59}, []uint32{60, 58})},
			positive: true, negative: true, ttls: [2]uint32{60, 60},
		},
		"one check of two failed": {
			lines:     []record.Line{start(vip), check(r1, true), check(r2, false), caching(r1, full, full)},
			ttls:      [2]uint32{30, 30},
			satisfies: uncached,
		},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := ProveCaching(tc.lines)
			require.NoError(t, err)
			require.Equal(t, tc.positive, f.Positive)
			require.Equal(t, tc.negative, f.Negative)
			require.Equal(t, tc.ttls, [2]uint32{f.PositiveTTL, f.NegativeTTL})
			require.Equal(t, tc.uncached, f.Uncached)
			require.Len(t, f.Warnings, tc.warnings)
			for _, dns := range plan.AllDNS {
				err := Check(dns, f)
				if dns == plan.ClusterDNS || tc.satisfies[dns] {
					require.NoError(t, err)
					continue
				}
				require.ErrorContains(t, err, string(dns))
				require.ErrorContains(t, err, "expected")
				require.ErrorContains(t, err, f.String())
			}
		})
	}
}

func TestProveCachingRefuses(t *testing.T) {
	failed := caching(r2, nil, nil)
	failed.Caching.Err = "no answer"
	for name, tc := range map[string]struct {
		lines []record.Line
		want  string
	}{
		"empty log":             {nil, "no server"},
		"start only":            {[]record.Line{start(vip)}, "no server"},
		"server failed":         {[]record.Line{start(vip), caching(r1, down, down), failed}, r2 + ": no answer"},
		"too few answers":       {[]record.Line{start(vip), caching(r1, down, []uint32{30})}, "answered 3 questions"},
		"no answers":            {[]record.Line{start(vip), caching(r1, nil, nil)}, "answered 0 questions"},
		"probe failed":          {[]record.Line{start(vip), {Done: &record.Done{Reason: "error", Err: "no resolver"}}}, "no resolver"},
		"replicas do not agree": {[]record.Line{start(vip), caching(r1, down, full), caching(r2, full, full)}, "addresses are cached by " + r1},
		"nor about denials":     {[]record.Line{start(vip), caching(r1, full, down), caching(r2, full, full)}, "denials are cached by " + r1},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ProveCaching(tc.lines)
			require.ErrorContains(t, err, tc.want)
		})
	}
}

// What a DNS does is compared with its facts, the longest times among them.
func TestCheckAgainstFacts(t *testing.T) {
	for _, dns := range plan.AllDNS {
		f := dns.Facts()
		require.NoError(t, Check(dns, CachingFacts{Positive: f.KeepsAddresses > 0, PositiveTTL: cmp.Or(f.KeepsAddresses, 30),
			Negative: f.KeepsDenials > 0, NegativeTTL: cmp.Or(f.KeepsDenials, 30), Uncached: true}), dns)
	}
	require.EqualError(t, Check(plan.NodeLocalCache30, CachingFacts{Positive: true, PositiveTTL: 30, NegativeTTL: 30, Uncached: true}),
		"dns nodelocal-cache-30: expected addresses cached for up to 30 s, denials cached for up to 5 s; saw addresses cached for up to 30 s, denials not seen to be cached (TTL 30 s each time), the uncached view works")
}

func TestProveCachingInSpiteOfALostAnswer(t *testing.T) {
	lost := caching(r1, down, []uint32{30, 28})
	lost.Caching.Err = "timeout"
	f, err := ProveCaching([]record.Line{start(vip), lost})
	require.NoError(t, err)
	require.True(t, f.Positive && f.Negative)
	require.Equal(t, []string{"server " + r1 + ": timeout"}, f.Warnings)
}

func TestCachingFactsString(t *testing.T) {
	require.Equal(t, "addresses cached for up to 30 s, denials not seen to be cached (TTL 5 s each time), no uncached view",
		CachingFacts{Positive: true, PositiveTTL: 30, NegativeTTL: 5}.String())
}
