package results

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/plan"
)

// FuzzLoad: a plan.json comes from whoever hands over a results folder.
// Whatever it holds, Load and the walk over the trials end with a result or
// with one line that names the file; what was read is what is written again.
func FuzzLoad(f *testing.F) {
	built, err := plan.Named("extras")
	require.NoError(f, err)
	built.Run, built.Seed = "r1", 7
	built, err = plan.Build(built, plan.Levels{"extra": "member-pod"})
	require.NoError(f, err)
	for _, p := range []plan.Plan{built, testPlan("t001", "t002"), {V: plan.PlanVersion}} {
		b, err := json.Marshal(p)
		require.NoError(f, err)
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	for _, s := range []string{
		"", "null", "[]", `{"v":2}`, `{"v":1e0}`, `{"V":1,"TRIALS":[{"Id":"t001"}]}`,
		`{"v":1,"seed":-1}`, `{"v":1,"seed":18446744073709551616}`, `{"v":1,"blocks":1e99}`,
		`{"v":1,"settings":{"pods":-9223372036854775808,"gap":"-1ns","deadline":"2540400h10m10.000000000s"}}`,
		`{"v":1,"settings":{"gap":"forever\n"}}`, `{"v":1,"settings":{"gap":1}}`,
		`{"v":1,"trials":[{"id":"t001","seq":-1},{"id":"t001"}]}`, "{\"v\":1,\"run\":\"\\ud800\xff\\u0000\"}", `{"v":1} {"v":1}`,
	} {
		f.Add([]byte(s))
	}
	dir := f.TempDir() // each worker is a process and has its own
	require.NoError(f, os.WriteFile(filepath.Join(dir, TrialsFile), []byte(line(f, "t001")), 0o600))
	f.Fuzz(func(t *testing.T, pl []byte) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, PlanFile), pl, 0o600))
		refused := func(err error, file string) {
			var in *plan.InputError
			if !errors.As(err, &in) || strings.ContainsAny(err.Error(), "\n\r\x1b") || !strings.Contains(err.Error(), file) {
				t.Fatalf("not one line about %s: %q", file, err)
			}
		}
		r, err := Load(dir)
		if err != nil {
			refused(err, PlanFile)
			return
		}
		for tr, err := range r.Trials() {
			if err != nil {
				refused(err, TrialsFile)
			} else if tr.Plan.ID != "t001" {
				t.Fatalf("trial %q", tr.Plan.ID)
			}
		}
		r.Plan.Expected()
		r.Plan.PrivateDNS()
		// What is to be carried on is checked first, and can be used then.
		if err := plan.Check(r.Plan); err != nil {
			if strings.ContainsAny(err.Error(), "\n\r\x1b") {
				t.Fatalf("not one line: %q", err)
			}
		} else {
			r.Plan.Describe()
			if tally, err := r.Tally(); err == nil {
				tally.Next(r.Plan)
			}
		}
		first := r.Plan
		b, err := json.Marshal(first)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, PlanFile), b, 0o600))
		r, err = Load(dir)
		require.NoError(t, err)
		require.Equal(t, first, r.Plan)
	})
}
