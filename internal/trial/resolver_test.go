package trial

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
)

// TestCachesInFront: a primer fills every cache on the way, the uncached view
// passes by those in front, and what clients reach is what is examined.
func TestCachesInFront(t *testing.T) {
	for name, tc := range map[string]struct {
		resolver                   Resolver
		primer, uncached, examined string
	}{
		"replicas":           {Resolver{Replicas: []string{"10.0.0.1:1053", "10.0.0.2:1053"}}, "10.0.0.1:1053,10.0.0.2:1053", "10.0.0.1:1053,10.0.0.2:1053", "10.0.0.1:1053,10.0.0.2:1053"},
		"caches before them": {Resolver{Replicas: []string{"10.0.0.1:1053"}, Caches: []string{"10.1.0.1:1053"}}, "10.1.0.1:1053,10.0.0.1:1053", "10.0.0.1:1053", "10.1.0.1:1053"},
		"before unknown":     {Resolver{Caches: []string{"10.1.0.1:1053"}}, "10.1.0.1:1053", "", "10.1.0.1:1053"},
		"nothing known":      {Resolver{}, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r, pt := runner(record.PeersServer)
			r.Resolvers[plan.Cache30] = tc.resolver
			require.Equal(t, tc.primer, r.args(pt, true)["dns-replicas"])
			require.Equal(t, tc.uncached, r.args(pt, false)["dns-replicas"])
			require.Equal(t, tc.examined, strings.Join(tc.resolver.reached(), ","))
			pt.Arm.Observer = record.Solo
			require.NotContains(t, r.args(pt, false), "dns-replicas", "solo asks as the client did")
		})
	}
}

// The probes are told the sample of a trial that has one; a primer asks for its
// own name only.
func TestProbesAreToldTheSample(t *testing.T) {
	r := &Runner{}
	pt := plan.Trial{Arm: plan.Arm{Observer: record.Peers}, Sample: record.Sample{Peers: 8, Seed: 1<<64 - 1}}
	args := r.args(pt, false)
	require.Equal(t, "8", args["peers"])
	require.Equal(t, "18446744073709551615", args["seed"])
	pt.Sample = record.Sample{}
	require.NotContains(t, r.args(pt, false), "peers")
	pt.Sample.Peers = 8
	require.NotContains(t, r.args(pt, true), "peers")
}
