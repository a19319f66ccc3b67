package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/plan"
	"headless-job-dns/manifests"
)

// TestFlagsMakeThePlan: each factor flag reaches the plan's arms or settings.
func TestFlagsMakeThePlan(t *testing.T) {
	base := "--dns cache-30 --names reused --extra none --observer solo "
	for args, want := range map[string]string{
		"":                                 "cache-30/reused/none/solo",
		"--publish-not-ready true":         "cache-30/reused/none/solo/publish-not-ready",
		"--order job-first":                "cache-30/reused/none/solo/job-first",
		"--gap 2s,35s":                     "cache-30/reused/none/solo cache-30/reused/none/solo/gap=35s",
		"--gap 2s,0s,no-wait":              "cache-30/reused/none/solo cache-30/reused/none/solo/gap=0s cache-30/reused/none/solo/gap=no-wait",
		"--first-query-after 0s,1s":        "cache-30/reused/none/solo cache-30/reused/none/solo/first=1s",
		"--gap 10s --first-query-after 5s": "cache-30/reused/none/solo",
	} {
		o, err := parsed(strings.Fields(base + args))
		require.NoError(t, err, args)
		var arms []string
		for _, a := range o.plan.Arms {
			arms = append(arms, a.String())
		}
		require.Equal(t, want, strings.Join(arms, " "), args)
	}
	o, err := parsed(strings.Fields(base + "--gap 10s --first-query-after 5s --blocks 6"))
	require.NoError(t, err)
	gap, noWait := o.plan.GapOf(o.plan.Arms[0])
	require.Equal(t, 10*time.Second, gap)
	require.False(t, noWait)
	require.Equal(t, 5*time.Second, o.plan.FirstQuery(o.plan.Arms[0]))
	o, err = parsed(strings.Fields(base + "--gap no-wait"))
	require.NoError(t, err)
	_, noWait = o.plan.GapOf(o.plan.Arms[0])
	require.True(t, noWait)
}

// TestNamedPlansKeepTheirSettings unless a flag changes them.
func TestNamedPlansKeepTheirSettings(t *testing.T) {
	for _, s := range plan.Summaries {
		named, err := plan.Named(s.Name)
		require.NoError(t, err)
		settings, blocks := named.Settings, named.Blocks
		o, err := parsed([]string{"--plan", s.Name})
		require.NoError(t, err)
		settings.Interval = o.plan.Settings.Interval
		require.Equal(t, settings, o.plan.Settings, s.Name)
		require.Equal(t, blocks, o.plan.Blocks, s.Name)
	}
	o, err := parsed([]string{"--plan", "timeouts", "--pods", "5", "--deadline", "1m", "--connect-timeouts", "none,5s", "--blocks", "6", "--seed", "9"})
	require.NoError(t, err)
	require.Equal(t, 5, o.plan.Settings.Pods)
	require.Equal(t, plan.Duration(time.Minute), o.plan.Settings.Deadline)
	require.Equal(t, plan.Timeouts{0, plan.Duration(5 * time.Second)}, o.plan.Settings.ConnectTimeouts)
	require.Equal(t, 6, o.plan.Blocks)
	require.EqualValues(t, 9, o.plan.Seed)

	// Deadlines leave time for the last of many pods, unless one is given.
	for args, want := range map[string]time.Duration{
		"--plan quick --pods 20": 40 * time.Second, "--plan quick --pods 150 --peers 8": 105 * time.Second, "--plan standard --pods 30": 41 * time.Second,
		"--plan quick --pods 150 --peers 8 --deadline 40s": 40 * time.Second,
	} {
		o, err = parsed(strings.Fields(args))
		require.NoError(t, err, args)
		require.Equal(t, want, time.Duration(o.plan.Settings.Deadline), args)
	}

	o, err = parsed([]string{"--plan", "../records/providers.yaml", "--blocks", "9", "--seed", "4"})
	require.NoError(t, err)
	require.Equal(t, "providers", o.plan.Name)
	require.Equal(t, 9, o.plan.Blocks)
	require.Equal(t, o.plan.PrivateDNS(), o.asked)
}

// TestPodPatch: the patch is in the plan, and a plan.json repeats it.
func TestPodPatch(t *testing.T) {
	file := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	o, err := parsed([]string{"--pod-patch", file("patch.yaml", "spec: { nodeSelector: { pool: ci } } # ours")})
	require.NoError(t, err)
	require.JSONEq(t, `{"spec":{"nodeSelector":{"pool":"ci"}}}`, string(o.plan.PodPatch))
	text, err := json.MarshalIndent(o.plan, "", " ")
	require.NoError(t, err)
	o, err = parsed([]string{"--plan", file("plan.json", string(text))})
	require.NoError(t, err)
	require.JSONEq(t, `{"spec":{"nodeSelector":{"pool":"ci"}}}`, string(o.plan.PodPatch))
	pod, err := manifests.ProbePod(o.patch)
	require.NoError(t, err)
	require.Equal(t, "ci", pod.NodeSelector["pool"])

	for text, want := range map[string]string{
		"spec: { hostname: x }": "--pod-patch: spec.hostname cannot be patched",
		"spec: [":               "patch.yaml: yaml: line 1",
		" ":                     "patch.yaml: is empty",
	} {
		_, err := parsed([]string{"--pod-patch", file("patch.yaml", text)})
		require.ErrorContains(t, err, want)
		require.ErrorAs(t, err, new(*plan.InputError))
	}
}
