package plan

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/record"
)

// sampled builds a plan of both kinds of observers with a sample of peers.
func sampled(t *testing.T, pods, peers int) Plan {
	t.Helper()
	p, err := build(t, "quick", Levels{"observer": "solo,peers+server"}, func(p *Plan) {
		p.Seed, p.Settings.Pods, p.Settings.Peers = 117819, pods, peers
		p.Settings.Deadline = p.Settings.Enough(pods)
	})
	require.NoError(t, err)
	return p
}

// The sample follows from the plan's seed, is the same in all trials that ask
// for peers, and is written down with them; solo has none.
func TestSampleIsPlanned(t *testing.T) {
	p := sampled(t, 500, 16)
	solo := 0
	for _, tr := range p.Trials {
		if tr.Arm.Observer == record.Solo {
			solo++
			require.Zero(t, tr.Sample)
			continue
		}
		require.Equal(t, record.Sample{Peers: 16, Seed: 117819}, tr.Sample)
	}
	require.NotZero(t, solo)
	require.Less(t, solo, len(p.Trials))
	b, err := json.Marshal(p)
	require.NoError(t, err)
	require.Contains(t, string(b), `"sample":{"peers":16,"seed":117819}`)
	var q Plan
	require.NoError(t, json.Unmarshal(b, &q))
	require.Equal(t, p, q)
	require.NoError(t, Check(q))
	q.Trials[0].Sample.Seed++
	q.Trials[1].Sample.Seed++
	require.ErrorContains(t, Check(q), "does not follow from its seed, arms and settings")

	b, err = json.Marshal(sampled(t, 5, 0))
	require.NoError(t, err)
	require.NotContains(t, string(b), "peers\":0")
	require.NotContains(t, string(b), "sample")
}

func TestSampleIsDescribed(t *testing.T) {
	text := sampled(t, 150, 8).Describe()
	require.Contains(t, text, "  150 pods a trial, each asks for 8 others, drawn from the seed and asked for by as many; resolution (interval between questions) 1.5s; at most 1000 questions a second per DNS replica")
	require.Contains(t, text, "  warning: the resolution is coarser than 1 s; fewer --pods or --peers, or more --qps, make it finer\n")
	require.NotContains(t, text, "apart")
	require.NotContains(t, sampled(t, 5, 0).Describe(), "others")

	// A deadline that ends before the last pod starts.
	p, err := build(t, "quick", nil, func(p *Plan) { p.Settings.Pods, p.Settings.Peers = 150, 8 })
	require.NoError(t, err)
	require.Contains(t, p.Describe(), "  warning: 150 pods may start up to 1m5s apart, and --deadline 40s counts from each one's own start; 1m45s leaves time for the last\n")
}

func TestStartsApart(t *testing.T) {
	for pods, want := range map[int]time.Duration{2: 0, 20: 0, 21: 500 * time.Millisecond, 150: 65 * time.Second, 500: 4 * time.Minute} {
		require.Equal(t, want, StartsApart(pods), "%d pods", pods)
	}
}

func TestSampleIsRefused(t *testing.T) {
	for _, tc := range []struct {
		pods, peers int
		want        string
	}{
		{5, 5, "--peers 5 is not possible; accepted: 0 to 4"},
		{5, -1, "--peers -1 is not possible; accepted: 0 to 4"},
		{5, 1 << 40, "is not possible; accepted: 0 to 4"},
	} {
		_, err := build(t, "quick", nil, func(p *Plan) { p.Settings.Pods, p.Settings.Peers = tc.pods, tc.peers })
		var in *InputError
		require.ErrorAs(t, err, &in)
		require.ErrorContains(t, err, tc.want)
	}
	sampled(t, 5, 4) // all the others
}

func TestSampleInAPlanFile(t *testing.T) {
	p, err := Parse("p.yaml", []byte("name: large\nsettings: {pods: 500, peers: 16, qps: 10000, deadline: 5m}\n"+
		"arms: [{dns: uncached, names: fresh, extra: none, observer: peers}]\n"))
	require.NoError(t, err)
	p.Run, p.Seed = "r", 3
	p, err = Build(p, nil)
	require.NoError(t, err)
	require.Equal(t, record.Sample{Peers: 16, Seed: 3}, p.Trials[0].Sample)
	require.Equal(t, Duration(900*time.Millisecond), p.Settings.Interval)
}
