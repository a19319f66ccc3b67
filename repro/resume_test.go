package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/cluster"
	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/results"
)

// interrupted is a copy of recorded results without their last trials.
func interrupted(t *testing.T, keep int) string {
	t.Helper()
	dir := copied(t, "default")
	path := filepath.Join(dir, results.TrialsFile)
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	lines := strings.SplitAfter(string(b), "\n")
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines[:keep], "")), 0o644))
	return dir
}

func TestResumeRefuses(t *testing.T) {
	t.Setenv("KUBECONFIG", "/nonexistent")
	change := func(file, from, to string) func(t *testing.T) string {
		return func(t *testing.T) string {
			dir := interrupted(t, 5)
			path := filepath.Join(dir, file)
			b, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Contains(t, string(b), from)
			require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(b), from, to, 1)), 0o644))
			return dir
		}
	}
	for name, tc := range map[string]struct {
		dir  func(t *testing.T) string
		want string
	}{
		"finished":          {func(t *testing.T) string { return copied(t, "default") }, "the plan is finished, and a finished plan is never extended"},
		"no folder":         {func(t *testing.T) string { return "nowhere" }, "nowhere cannot be used: stat nowhere: no such file"},
		"no plan":           {func(t *testing.T) string { return t.TempDir() }, "plan.json: no such file"},
		"another version":   {change(results.PlanFile, `"v": 1`, `"v": 2`), "plan.json: has version 2"},
		"no interval":       {change(results.PlanFile, `"interval": "35ms"`, `"interval": "0s"`), "plan.json: the plan's interval is 0s"},
		"another seed":      {change(results.PlanFile, `"seed": 805642892`, `"seed": 5`), "plan.json: trial 1 of the plan does not follow from its seed"},
		"other names":       {change(results.PlanFile, `"job": "lag-mjwz8x-t009"`, `"job": "kube-dns"`), "plan.json: trial 9 of the plan does not follow"},
		"a foreign trial":   {change(results.TrialsFile, `"id":"t003"`, `"id":"t999"`), `trials.jsonl:3: trial "t999" is not in the plan`},
		"environment of no": {change(results.EnvironmentFile, `"v": 1`, `"v": "one"`), "environment.json: is not an environment"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := tc.dir(t)
			_, stderr, code := try(t, "--resume", dir)
			require.Equal(t, 2, code, stderr)
			require.Contains(t, stderr, tc.want)
			require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
		})
	}
	for _, flag := range []string{"--blocks=2", "--seed=1", "--dns=cluster", "--plan=quick", "--margin=1s", "--run-id=x", "--gap=no-wait", "--pods=3"} {
		_, stderr, code := try(t, "--resume", interrupted(t, 5), flag)
		require.Equal(t, 2, code)
		require.Contains(t, stderr, strings.Split(flag, "=")[0]+" does not go with --resume")
	}
}

// TestResumeTakesUpThePlan: what remains is what is not on disk; nothing is
// touched before the cluster is known to be the same.
func TestResumeTakesUpThePlan(t *testing.T) {
	t.Setenv("KUBECONFIG", "/nonexistent")
	dir := interrupted(t, 5)
	before, err := os.ReadFile(filepath.Join(dir, results.TrialsFile))
	require.NoError(t, err)
	o, err := parsed([]string{"--resume", dir})
	require.NoError(t, err)
	defer o.folder.Close()
	require.Equal(t, "mjwz8x", o.plan.Run)
	require.EqualValues(t, 805642892, o.plan.Seed)
	next, attempt, ok := o.done.Next(o.plan)
	require.True(t, ok)
	require.Equal(t, "t006", next.ID)
	require.Equal(t, 1, attempt)
	s := &session{options: o}
	names := map[string]bool{}
	for attempt := 1; attempt <= plan.MaxAttempts; attempt++ {
		r := s.withFreshNames(next, attempt)
		require.NotEqual(t, next.Job, r.Job, "the plan's names were asked for, perhaps")
		require.NotEqual(t, next.Service, r.Service)
		require.Equal(t, next.ID, r.ID)
		require.False(t, names[r.Job])
		names[r.Job] = true
	}
	after, err := os.ReadFile(filepath.Join(dir, results.TrialsFile))
	require.NoError(t, err)
	require.Equal(t, before, after)

	_, stderr, code := try(t, "--resume", dir)
	require.Equal(t, 2, code)
	require.Contains(t, stderr, "another process is adding to it")
}

func TestNewNamesOnlyWhereTheOldWereUsed(t *testing.T) {
	s := &session{options: &options{}}
	tr := plan.Trial{Job: "lag-r-t001", Service: "svc-r-t001", Extra: "extra-r-t001"}
	require.Equal(t, tr, s.withFreshNames(tr, 1))
	again := s.withFreshNames(tr, 2)
	require.Equal(t, plan.Trial{Job: "lag-r-t001-2", Service: "svc-r-t001-2", Extra: "extra-r-t001-2"}, again)
}

func TestSameCluster(t *testing.T) {
	known := func(id string) *environment.Environment {
		e := &environment.Environment{V: environment.Version, ClusterID: id, Notes: []string{"before"}}
		e.Server.GitVersion = "v1.35.0"
		return e
	}
	var done results.Tally
	done.Add(results.Trial{Plan: plan.Trial{ID: "t001"}, Status: results.Complete})
	for name, tc := range map[string]struct {
		resume string
		before *environment.Environment
		done   results.Tally
		want   string // empty: goes on
	}{
		"a new run":           {"", nil, results.Tally{}, ""},
		"the same":            {"r", known("here"), done, ""},
		"another":             {"r", known("there"), done, "--resume r: its trials are of another cluster (there) than this one (here at https://h)"},
		"unknown":             {"r", known(""), done, "do not say which cluster they are of"},
		"nothing known":       {"r", nil, done, "the folder has trials and no environment.json"},
		"ended before it was": {"r", nil, results.Tally{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := &session{options: &options{resume: tc.resume, before: tc.before, done: tc.done}, c: &cluster.Client{Host: "https://h"}, say: newProgress(io.Discard, 1)}
			s.env.ClusterID, s.env.Server.GitVersion = "here", "v1.36.0"
			err := s.checkSameCluster()
			if tc.want != "" {
				var in *plan.InputError
				require.ErrorAs(t, err, &in)
				require.ErrorContains(t, err, tc.want)
				return
			}
			require.NoError(t, err)
			switch {
			case tc.resume == "":
				require.Empty(t, s.env.Notes)
			case tc.before != nil:
				require.Len(t, s.env.Notes, 2)
				require.Equal(t, "before", s.env.Notes[0])
				require.Contains(t, s.env.Notes[1], "after 1 of 0 trials; private DNS began anew. Kubernetes was v1.35.0 before and is v1.36.0.")
			}
		})
	}
}

// TestClusterWithoutAnID: where kube-system may not be read, the API server's
// certificate authority stands for the cluster, and nothing secret is kept.
func TestClusterWithoutAnID(t *testing.T) {
	require.Regexp(t, "^api-[0-9a-f]{16}$", substituteID(&cluster.Client{Host: "https://h"}))
}
