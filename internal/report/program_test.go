package report

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/results"
)

// TestProgramIsNamed: which build measured and how its probe got there, in one
// line, and none in records of before that was kept.
func TestProgramIsNamed(t *testing.T) {
	r := &Report{env: &environment.Environment{
		Program:  &environment.Program{Version: "(devel)", Commit: "0123456789abcdef", Modified: true, Go: "go1.26.0"},
		Delivery: &environment.Delivery{Way: "configmap", Image: "shell:1"},
	}}
	const want = "Measured by: `headless-job-dns (devel), commit 0123456789ab with changes, go1.26.0`; its probe: `in ConfigMaps, on image shell:1`"
	require.Contains(t, r.facts(), want)
	r.trials = []trial{
		{status: results.Complete, v: &judge.Verdict{FirstQueryDelay: 70 * time.Millisecond}},
		{status: results.Complete, v: &judge.Verdict{FirstQueryDelay: 90 * time.Millisecond}},
		{status: results.Invalid, v: &judge.Verdict{FirstQueryDelay: time.Minute}},
	}
	require.Contains(t, r.facts(), want+", first questions at most 0.090 s after the creation of their container's process")
	r.env.Delivery = nil
	require.Contains(t, r.facts(), "Measured by: `headless-job-dns (devel), commit 0123456789ab with changes, go1.26.0`")
	r.env.Program = nil
	require.False(t, slices.ContainsFunc(r.facts(), func(s string) bool { return strings.HasPrefix(s, "Measured by") }))
}
