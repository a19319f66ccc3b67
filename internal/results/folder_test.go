package results

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
)

var now = time.Date(2026, 11, 22, 16, 4, 5, 0, time.FixedZone("", 3600))

func testPlan(ids ...string) plan.Plan {
	p := plan.Plan{V: plan.PlanVersion, Run: "r1", Name: "quick", Seed: 7, Blocks: 1}
	for i, id := range ids {
		p.Trials = append(p.Trials, plan.Trial{ID: id, Seq: i + 1, Arm: testArm})
	}
	return p
}

var testArm = plan.Arm{DNS: plan.Cache30, Names: plan.Fresh, Extra: plan.ExtraNone, Observer: record.Peers}

func testTrial(id string) Trial {
	return Trial{
		Plan: plan.Trial{ID: id, Seq: 1, Arm: testArm}, Status: Complete,
		Run: Run{Pods: []Pod{{Name: "p-0", Lines: []record.Line{{V: record.Version, Start: &record.Start{Pod: "p-0"}}}}}},
	}
}

func collect(t *testing.T, dir string) ([]Trial, []string, error) {
	t.Helper()
	r, err := Load(dir)
	require.NoError(t, err)
	var all []Trial
	for trial, err := range r.Trials() {
		if err != nil {
			return all, r.Warnings, err
		}
		all = append(all, trial)
	}
	return all, r.Warnings, nil
}

func TestCreate(t *testing.T) {
	root := filepath.Join(t.TempDir(), "deep", "results")
	first, err := Create(root, now)
	require.NoError(t, err)
	require.Equal(t, filepath.Join(root, "2026-11-22T15-04-05Z"), first.Dir())
	second, err := Create(root, now)
	require.NoError(t, err)
	require.Equal(t, filepath.Join(root, "2026-11-22T15-04-05Z-2"), second.Dir())
	target, err := os.Readlink(filepath.Join(root, Latest))
	require.NoError(t, err)
	require.Equal(t, "2026-11-22T15-04-05Z-2", target, "relative, so that results can be moved")

	entries, err := os.ReadDir(root)
	require.NoError(t, err)
	require.Len(t, entries, 3)
}

func TestCreateRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	occupied := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(occupied, Latest), 0o755))
	for _, tc := range []struct{ name, root, want string }{
		{"below a file", filepath.Join(file, "results"), "not a directory"},
		{"a file", file, "not a directory"},
		{"latest is a folder", occupied, "is in the way of the link"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Create(tc.root, now)
			var input *plan.InputError
			require.ErrorAs(t, err, &input)
			require.ErrorContains(t, err, tc.want)
			require.ErrorContains(t, err, tc.root)
			require.NotContains(t, err.Error(), "\n")
		})
	}
	entries, err := os.ReadDir(occupied)
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing is left behind")
}

func TestRoundTrip(t *testing.T) {
	f, err := Create(t.TempDir(), now)
	require.NoError(t, err)
	p := testPlan("t001", "t002")
	require.NoError(t, f.WritePlan(p))
	require.NoError(t, f.WriteEnvironment(map[string]string{"kernel": "6.18"}))
	require.NoError(t, f.Write(ReportFile, []byte("old")))
	require.NoError(t, f.Write(ReportFile, []byte("report")))
	require.NoError(t, f.Append(testTrial("t001")))
	require.NoError(t, f.Append(testTrial("t002")))
	require.NoError(t, f.Close())

	r, err := Load(f.Dir())
	require.NoError(t, err)
	require.Equal(t, p, r.Plan)
	require.JSONEq(t, `{"kernel":"6.18"}`, string(r.Environment))
	trials, warnings, err := collect(t, f.Dir())
	require.NoError(t, err)
	require.Empty(t, warnings)
	require.Len(t, trials, 2)
	require.Equal(t, Version, trials[0].V)
	for range r.Trials() {
		break // a consumer may stop early
	}

	entries, err := os.ReadDir(f.Dir())
	require.NoError(t, err)
	require.Len(t, entries, 4, "no temporary files are left")
	for _, e := range entries {
		info, err := e.Info()
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o644), info.Mode().Perm(), e.Name())
	}
	report, err := os.ReadFile(filepath.Join(f.Dir(), ReportFile))
	require.NoError(t, err)
	require.Equal(t, "report", string(report))
}

func TestAppendRefusesWhatJSONCannotHold(t *testing.T) {
	f, err := Create(t.TempDir(), now)
	require.NoError(t, err)
	bad := testTrial("t001")
	bad.Began = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) // RFC 3339 has four digits for a year
	require.ErrorContains(t, f.Append(bad), "t001")
	require.NoError(t, f.WritePlan(testPlan("t001")))
	require.NoError(t, f.Append(testTrial("t001")))
	trials, _, err := collect(t, f.Dir())
	require.NoError(t, err)
	require.Len(t, trials, 1)
}

// A crash while a trial was appended must cost that trial only.
func TestAppendAfterCrash(t *testing.T) {
	whole, err := json.Marshal(func() Trial { tr := testTrial("t002"); tr.V = Version; return tr }())
	require.NoError(t, err)
	for _, tc := range []struct {
		name   string
		tail   string
		trials int
	}{
		{"nothing cut", "", 2},
		{"cut in the middle", string(whole[:len(whole)/2]), 2},
		{"only the newline is missing", string(whole), 2},
		{"zero bytes after power failure", "\x00\x00\x00", 2},
		{"longer than a buffer", `{"v":1,"reason":"` + strings.Repeat("x", 200<<10), 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, err := Create(t.TempDir(), now)
			require.NoError(t, err)
			require.NoError(t, f.WritePlan(testPlan("t001", "t002", "t003")))
			require.NoError(t, f.Append(testTrial("t001")))
			require.NoError(t, f.Close())
			appendTo(t, filepath.Join(f.Dir(), TrialsFile), tc.tail)

			again, err := Open(f.Dir())
			require.NoError(t, err)
			require.NoError(t, again.Append(testTrial("t003")))
			require.NoError(t, again.Close())
			trials, warnings, err := collect(t, f.Dir())
			require.NoError(t, err)
			require.Empty(t, warnings)
			require.Len(t, trials, tc.trials)
		})
	}
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o644)
	require.NoError(t, err)
	_, err = fmt.Fprint(file, text)
	require.NoError(t, err)
	require.NoError(t, file.Close())
}
