package plan

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/stats"
)

var update = flag.Bool("update", false, "write the printed plans in testdata anew")

// TestPrintedPlans: trials, durations and what can be shown, as they are
// printed before anything is created.
func TestPrintedPlans(t *testing.T) {
	for name, change := range map[string]func(*Plan){
		"cluster": nil, "quick": nil, "standard": nil, "timeouts": nil,
		"cluster-again": func(p *Plan) { p.Blocks = 2 },
	} {
		plan, _, _ := strings.Cut(name, "-")
		p, err := build(t, plan, nil, change)
		require.NoError(t, err, name)
		path := filepath.Join("testdata", name+".golden")
		if *update {
			require.NoError(t, os.WriteFile(path, []byte(p.Describe()), 0o644))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, string(want), p.Describe(), "%s; `go test ./internal/plan -update` writes it anew", path)
	}
}

// TestPlansFitTheirTime: what the named plans promise in --help.
func TestPlansFitTheirTime(t *testing.T) {
	for name, limit := range map[string]time.Duration{
		"cluster": 9 * time.Minute, "quick": 5 * time.Minute, "private": 10 * time.Minute, "extras": 4 * time.Minute,
		"timeouts": 25 * time.Minute, "standard": 50 * time.Minute,
	} {
		p, err := build(t, name, nil, nil)
		require.NoError(t, err)
		require.Less(t, p.Expected(), limit, name)
	}
}

// TestEstimatesFollowTheRecords: within a tenth or a second of what the trials
// in records/default took, where it does not depend on luck.
func TestEstimatesFollowTheRecords(t *testing.T) {
	p, err := build(t, "private", nil, nil)
	require.NoError(t, err)
	for arm, took := range map[string]time.Duration{
		"uncached/fresh/none/peers+server": 1884 * time.Millisecond,
		"uncached/fresh/none/solo":         1902 * time.Millisecond,
		"uncached/reused/none/solo":        8802 * time.Millisecond,
		"cache-30/fresh/none/peers+server": 31858 * time.Millisecond,
		"cache-30/reused/none/solo":        143956 * time.Millisecond, // the one that is followed
		"cache-30/reused/member-pod/solo":  48848 * time.Millisecond,
	} {
		i := slices.IndexFunc(p.Trials, func(t Trial) bool { return t.Arm.String() == arm })
		require.InDelta(t, took.Seconds(), time.Duration(p.Trials[i].Expected).Seconds(), max(1.1, took.Seconds()/10), arm)
	}
}

func TestExpected(t *testing.T) {
	p, err := build(t, "standard", nil, nil)
	require.NoError(t, err)
	for arm, want := range map[string]time.Duration{
		"cache-30/fresh/none/solo":                   22 * time.Second, // two thirds of 30 s
		"cache-30/fresh/none/peers":                  32 * time.Second,
		"cache-30/fresh/none/solo/first=5s":          7 * time.Second,
		"cache-30/fresh/none/solo/publish-not-ready": 22 * time.Second,
		"cache-30/reused/none/solo":                  41 * time.Second, // the worker of 5 s dials six times
		"cache-30/reused/none/solo/gap=10s":          48 * time.Second,
		"cache-30/reused/none/solo/gap=35s":          62 * time.Second, // and then two thirds of 30 s
		"cache-30/reused/none/solo/first=35s":        43 * time.Second,
		"cache-30/reused/none/peers":                 36 * time.Second,
		"no-denial-cache/fresh/none/solo":            2 * time.Second,
		"no-success-cache/reused/none/solo":          29 * time.Second,
		"nodelocal-cache-30/fresh/none/solo":         22 * time.Second,
		"nodelocal-uncached/fresh/none/solo":         6 * time.Second,
		"nodelocal-uncached/reused/none/solo":        41 * time.Second,
		"kube-dns/fresh/none/solo":                   2 * time.Second,
		"kube-dns/reused/none/solo":                  41 * time.Second,
		"forwarding/fresh/none/solo":                 22 * time.Second,
		"cluster/fresh/none/peers+server":            32 * time.Second,
	} {
		a, err := ParseArm(arm)
		require.NoError(t, err)
		got := p.expected(Trial{Arm: a, Deadline: p.Settings.Deadline})
		require.InDelta(t, want.Seconds(), got.Seconds(), 1, arm)
	}
	// What is censored ends at the deadline.
	a, _ := ParseArm("cache-30/reused/none/solo")
	require.InDelta(t, 20, p.expected(Trial{Arm: a, Deadline: Duration(10 * time.Second)}).Seconds(), 1)
}

// TestOnlyTheWorkerWithoutATimeoutIsCensored: in the plans that say so every
// other worker joins before the deadline, however much of the TTL is left and
// however long libzmq pauses.
func TestOnlyTheWorkerWithoutATimeoutIsCensored(t *testing.T) {
	for _, name := range []string{"timeouts", "standard"} {
		p, err := build(t, name, nil, nil)
		require.NoError(t, err)
		for left := 20 * time.Second; left <= 28*time.Second; left += 10 * time.Millisecond {
			for _, timeout := range p.Settings.dealt() {
				for _, pause := range []time.Duration{100 * time.Millisecond, 200 * time.Millisecond} {
					each := time.Duration(timeout) + pause
					if joins := (left + each - 1) / each * each; timeout > 0 {
						require.Less(t, joins+2*time.Second, time.Duration(p.Settings.Deadline), "%s left, %s", left, TimeoutName(timeout))
					}
				}
			}
		}
	}
	p, err := build(t, "timeouts", nil, nil)
	require.NoError(t, err)
	followed := 0
	for _, tr := range p.Trials {
		if tr.Deadline != p.Settings.Deadline {
			followed++
		}
	}
	require.Equal(t, 1, followed)
	require.Len(t, p.Settings.dealt(), 12)
}

func TestDeclared(t *testing.T) {
	primary := Contrast{Name: "member-pod against none (cache-30, reused names)",
		Control: Arm{DNS: Cache30, Names: Reused, Extra: ExtraNone, Observer: "solo"},
		With:    Arm{DNS: Cache30, Names: Reused, Extra: ExtraMemberPod, Observer: "solo"},
		Outcome: Outcome{Of: Joined, Timeout: Duration(5 * time.Second)}}
	for _, name := range []string{"standard", "timeouts"} {
		p, err := build(t, name, nil, nil)
		require.NoError(t, err)
		require.Equal(t, &primary, p.Primary, name)
		require.Equal(t, DefaultMargin, p.Margin)
	}
	standard, err := build(t, "standard", nil, nil)
	require.NoError(t, err)
	require.Equal(t, 1, len(slices.DeleteFunc(slices.Clone(standard.Secondary), func(c Contrast) bool { return !c.Check() })))
	a, b := standard.SmallestP()
	require.Less(t, a, stats.Alpha)
	require.Less(t, b, stats.Alpha, "every secondary contrast can be shown, too")
	lost := standard
	lost.Blocks--
	_, b = lost.SmallestP()
	require.Less(t, b, 2*stats.Alpha)

	p, err := build(t, "timeouts", Levels{"extra": "pod"}, nil)
	require.NoError(t, err)
	require.Nil(t, p.Primary, "its arms are gone")
	p, err = build(t, "timeouts", nil, func(p *Plan) { p.Settings.ConnectTimeouts = Timeouts{0} })
	require.NoError(t, err)
	require.Nil(t, p.Primary, "its connect timeouts are gone")
	p, err = build(t, "cluster", nil, func(p *Plan) { p.Blocks = 10 })
	require.NoError(t, err)
	require.False(t, p.Declares(), "a plan that names no comparison tests none")
	require.Zero(t, p.Margin)
}

func TestLeastBlocks(t *testing.T) {
	n, err := stats.BlocksFor(stats.Alpha, 1)
	require.NoError(t, err)
	require.Equal(t, n, MinBlocks)
	for _, name := range []string{"standard", "timeouts"} {
		_, err := build(t, name, nil, func(p *Plan) { p.Blocks = MinBlocks - 1 })
		require.ErrorContains(t, err, "--blocks 5 cannot show anything: the smallest p of the primary contrast would be 0.062; accepted: 6 or more for plan "+name)
		_, err = build(t, name, nil, func(p *Plan) { p.Blocks = MinBlocks })
		require.NoError(t, err)
	}
}
