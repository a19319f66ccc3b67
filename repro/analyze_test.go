package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAnalyzePublished checks the medians against those that one computes by
// hand from the published JSON: the mean of the 10th and 11th of 20 times.
func TestAnalyzePublished(t *testing.T) {
	dir := filepath.Join("..", "..", "shared", "data")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the published times stand beside the project, not in it:", err)
	}
	stdout, stderr, code := try(t, "analyze", "--published", dir)
	require.Equal(t, 0, code, stderr)
	t.Log(stdout)
	for _, want := range []string{"order-confounded", "13.58 s", "12.73 s", "19.39 s", "13.37 s"} {
		require.Contains(t, stdout, want)
	}
}

func TestAnalyzeBadInput(t *testing.T) {
	empty := t.TempDir()
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"analyze"}, "analyze needs the folder"},
		{[]string{"analyze", "--published", empty}, "0 files match *no-services.json"},
		{[]string{"analyze", "--loudly"}, "unknown flag: --loudly"},
	} {
		_, stderr, code := try(t, tc.args...)
		require.Equal(t, 2, code)
		require.Contains(t, lastLine(stderr), tc.want)
	}
}
