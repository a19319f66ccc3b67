package plan

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// build makes a named plan, changed.
func build(t *testing.T, name string, levels Levels, change func(*Plan)) (Plan, error) {
	t.Helper()
	p, err := Named(name)
	require.NoError(t, err)
	p.Run, p.Seed = "r", 1
	if change != nil {
		change(&p)
	}
	p, err = Build(p, levels)
	if err == nil {
		require.NoError(t, Check(p), "what is built is whole")
	}
	return p, err
}

func names(arms []Arm) (out []string) {
	for _, a := range arms {
		out = append(out, a.String())
	}
	return out
}

func TestFactorsAreCrossedWhereTheyApply(t *testing.T) {
	for name, tc := range map[string]struct {
		levels Levels
		want   []string
	}{
		"defaults leave no trace": {Levels{"publish-not-ready": "false", "order": "service-first", "first-query-after": "0s", "gap": "2s",
			"previous": "primed", "workers-outlive": "0s"}, []string{"cache-30/reused/none/solo"}},
		"gaps, in one spelling each": {Levels{"gap": "0, 2s,2000ms,35s,no-wait,90s,1.5s"}, []string{
			"cache-30/reused/none/solo/gap=0s", "cache-30/reused/none/solo",
			"cache-30/reused/none/solo/gap=35s", "cache-30/reused/none/solo/gap=no-wait",
			"cache-30/reused/none/solo/gap=90s", "cache-30/reused/none/solo/gap=1.5s"}},
		"a gap is of reused names": {Levels{"names": "fresh,reused", "gap": "2s,10s"}, []string{
			"cache-30/fresh/none/solo", "cache-30/reused/none/solo", "cache-30/reused/none/solo/gap=10s"}},
		"what makes no difference is there once": {Levels{"dns": "uncached, cluster,uncached"}, []string{
			"uncached/reused/none/solo", "cluster/reused/none/solo"}},
		"all that is left": {Levels{"publish-not-ready": "false,true", "order": "job-first", "first-query-after": "0s,5s"}, []string{
			"cache-30/reused/none/solo/job-first", "cache-30/reused/none/solo/job-first/first=5s",
			"cache-30/reused/none/solo/publish-not-ready/job-first", "cache-30/reused/none/solo/publish-not-ready/job-first/first=5s"}},
		"of a previous Job that ran": {Levels{"previous": "primed,ran", "workers-outlive": "0s,3s"}, []string{
			"cache-30/reused/none/solo", "cache-30/reused/none/solo/ran", "cache-30/reused/none/solo/ran/workers-outlive=3s"}},
		"one gap and one delay are settings": {Levels{"gap": "10s", "first-query-after": "5s"}, []string{"cache-30/reused/none/solo"}},
	} {
		t.Run(name, func(t *testing.T) {
			levels := Levels{"dns": "cache-30", "names": "reused", "extra": "none", "observer": "solo"}
			maps.Copy(levels, tc.levels)
			p, err := build(t, "private", levels, nil)
			require.NoError(t, err)
			require.Equal(t, tc.want, names(p.Arms))
			for _, a := range p.Arms {
				back, err := ParseArm(a.String())
				require.NoError(t, err)
				require.Equal(t, a, back)
			}
		})
	}
}

func TestOneLevelIsASetting(t *testing.T) {
	p, err := build(t, "private", Levels{"gap": "10s", "first-query-after": "1s"}, nil)
	require.NoError(t, err)
	gap, noWait := p.GapOf(p.Arms[0])
	require.Equal(t, 10*time.Second, gap)
	require.False(t, noWait)
	require.Equal(t, time.Second, p.FirstQuery(p.Arms[0]))
	p, err = build(t, "private", Levels{"gap": "no-wait"}, nil)
	require.NoError(t, err)
	_, noWait = p.GapOf(p.Arms[0])
	require.True(t, noWait)
}

// TestLevels: of each factor what help and errors list is accepted, and nothing else.
func TestLevels(t *testing.T) {
	p, err := build(t, "private", Levels{"extra": "all"}, nil)
	require.NoError(t, err)
	for _, e := range Extras {
		require.True(t, slices.ContainsFunc(p.Arms, func(a Arm) bool { return a.Extra == e }), "%s", e)
	}
	for _, f := range factors {
		for _, level := range strings.Split(f.accepted, ", ") {
			if strings.Contains(level, " ") { // prose
				continue
			}
			var a Arm
			require.True(t, f.set(&a, level), "%s %s", f.name, level)
			require.Equal(t, level, f.get(a))
		}
		for _, bad := range []string{",", "x", "-1s", "48h"} {
			_, err := build(t, "private", Levels{f.name: bad}, nil)
			require.ErrorContains(t, err, "--"+f.name+" ")
			require.ErrorContains(t, err, " is not known; accepted: "+f.accepted)
		}
	}
}

func TestTimeouts(t *testing.T) {
	var ts Timeouts
	require.NoError(t, ts.Set("none,30s, 1500ms"))
	require.Equal(t, Timeouts{0, Duration(30 * time.Second), Duration(1500 * time.Millisecond)}, ts)
	require.Equal(t, "none,30s,1.5s", ts.String())
	for _, bad := range []string{"", "0s", "-1s", "fast", "none,"} {
		require.Error(t, ts.Set(bad), "%q", bad)
	}
}

func TestParseArmRefuses(t *testing.T) {
	for arm, want := range map[string]string{
		"":                                      "is too short",
		"cache-30/reused/none":                  "is too short",
		"bind/reused/none/solo":                 `dns "bind" is not known`,
		"cluster/old/none/solo":                 `names "old" is not known`,
		"cluster/fresh/nginx/solo":              `extra "nginx" is not known`,
		"cluster/fresh/none/all":                `observer "all" is not known`,
		"cluster/fresh/none/solo/first=0s":      `"first=0s" is not known`,
		"cluster/fresh/none/solo/first=5s,6s":   `"first=5s,6s" is not known`,
		"cluster/fresh/none/solo/gap=2s":        "a gap with fresh names; accepted: gap with reused names",
		"cluster/reused/none/solo/gap=-2s":      `"gap=-2s" is not known`,
		"cluster/reused/none/solo/again/again":  `"again" is not known, or is there twice`,
		"cluster/reused/none/solo/late\n":       `"late\n" is not known, or is there twice; accepted: publish-not-ready`,
		"cluster/reused/none/solo/by-telephone": `"by-telephone" is not known`,
	} {
		_, err := ParseArm(arm)
		require.ErrorContains(t, err, want, "%q", arm)
		require.NotContains(t, err.Error(), "\n")
	}
}
