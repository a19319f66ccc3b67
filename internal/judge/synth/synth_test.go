package synth_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/judge/synth"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
)

const s = time.Second

// Each regime's records make the judge see what the regime is about.
func TestRegimes(t *testing.T) {
	flux := []time.Duration{0, 30 * s, 5 * s, s}
	for _, tc := range []struct {
		name   string
		w      synth.World
		lo, hi time.Duration // the last pair's lag until connected
		check  func(c judge.Counts) bool
	}{
		{"denied, solo", synth.Denied("t001", record.Solo, 5), 29900 * time.Millisecond, 30300 * time.Millisecond,
			func(c judge.Counts) bool { return c.ProvenCached > 100 }},
		{"denied, peers", synth.Denied("t001", record.PeersServer, 4), 29900 * time.Millisecond, 30100 * time.Millisecond,
			func(c judge.Counts) bool { return c.ProvenCached > 1000 && c.StaleAnswers() == 0 }},
		{"prompt", synth.Prompt("t001", record.Solo, 5), 0, 400 * time.Millisecond,
			func(c judge.Counts) bool { return c.ProvenCached == 0 && c.Undecided > 0 }},
		{"nodelocal", synth.NodeLocal("t001", record.Solo, 5), 4900 * time.Millisecond, 5300 * time.Millisecond,
			func(c judge.Counts) bool { return c.ProvenCached > 10 }},
		{"stale", synth.Stale("t001", plan.Cache30, flux...), 39 * s, 40 * s,
			func(c judge.Counts) bool { return c.StaleAnswers() > 20 && c.DialCut == 10 && c.Denials() == 0 }},
		{"stale, limited", synth.Stale("t001", plan.Cache30, 5*s, s), 19 * s, 26 * s,
			func(c judge.Counts) bool { return c.DialTimeouts > 20 && c.SilentRight == 0 }},
		{"divided", synth.Divided("t001", s, s), s, 40 * s,
			func(c judge.Counts) bool { return c.StaleAnswers() > 0 && c.Denials() > 0 }},
		{"stale, no success caching", synth.Stale("t001", plan.NoSuccessCache, s), 0, 31 * s,
			func(c judge.Counts) bool { return c.StaleAnswers() == 0 }},
		{"published", synth.Published("t001", plan.Cache30, record.Solo, 5), 0, 100 * time.Millisecond,
			func(c judge.Counts) bool { return c.Denials() == 0 }},
		{"published, peers", synth.Published("t001", plan.Uncached, record.PeersServer, 5), 0, 300 * time.Millisecond,
			func(c judge.Counts) bool { return c.DialRefused > 0 }},
		{"divided, peers", synth.Of("t001", plan.Arm{DNS: plan.NoSuccessCache, Names: plan.Reused, Observer: record.Peers}, 4), 0, 31 * s,
			func(c judge.Counts) bool { return c.StaleAnswers() == 0 }},
		{"failing", synth.Failing("t001", record.PeersServer, 3, 4*s), 3500 * time.Millisecond, 3700 * time.Millisecond,
			func(c judge.Counts) bool { return c.Failed > 100 }},
		{"dropped", synth.Dropped("t001", record.PeersServer, 3, 4*s), 3500 * time.Millisecond, 5 * s,
			func(c judge.Counts) bool { return c.SilentRight > 10 && c.DialTimeouts == c.SilentRight }},
		{"slice late", synth.SliceLate("t001", record.PeersServer, 3, 4*s), 4 * s, 4300 * time.Millisecond,
			func(c judge.Counts) bool { return c.ProvenCached == 0 }},
		{"ready late", synth.ReadyLate("t001", record.PeersServer, 3, 4*s), 0, 300 * time.Millisecond, // it is pod start
			func(c judge.Counts) bool { return c.ProvenCached == 0 }},
		{"service late", synth.ServiceLate("t001", plan.Uncached, record.Peers, 3, 4*s), 3500 * time.Millisecond, 3700 * time.Millisecond,
			func(c judge.Counts) bool { return c.ProvenCached == 0 }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var counts judge.Counts
			for seed := range uint64(10) {
				w := tc.w
				w.Seed = seed
				tr := w.Trial().End()
				for _, p := range tr.Run.Pods {
					require.NotNil(t, p.Lines[len(p.Lines)-1].Done, "every probe writes its last line")
				}
				v := judge.Judge(tr)
				got := v.Connected.Lag
				require.Empty(t, got.Lost)
				require.GreaterOrEqual(t, got.Value, tc.lo)
				require.LessOrEqual(t, got.Value, tc.hi)
				counts.Add(v.Counts)
			}
			require.True(t, tc.check(counts), "%+v", counts)
		})
	}
}

// The second replica is behind: the uncached view sees which and by how much.
func TestApart(t *testing.T) {
	w := synth.Apart("t001", record.PeersServer, 3, s)
	v := judge.Judge(w.Trial().End())
	for _, p := range v.Pairs {
		require.Len(t, p.Servers, 2)
		require.InDelta(t, 1, (p.Servers[1].Seen.Lag.Value - p.Servers[0].Seen.Lag.Value).Seconds(), 0.06)
	}
}

// The same world gives the same records.
func TestSeed(t *testing.T) {
	w := synth.Divided("t001", s, 5*s)
	require.Equal(t, w.Trial().End(), w.Trial().End())
	other := w
	other.Seed = 1
	require.NotEqual(t, w.Trial().End(), other.Trial().End())
}
