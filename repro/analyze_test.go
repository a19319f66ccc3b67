package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAnalyzePublished checks what is printed against what one computes by hand
// from the published JSON: medians, the mean of the 10th and 11th of 20 times,
// and shifts, the median of all 400 differences.
func TestAnalyzePublished(t *testing.T) {
	dir := filepath.Join("..", "..", "shared", "data")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("the published times stand beside the project, not in it:", err)
	}
	out := filepath.Join(t.TempDir(), "new", "folder")
	stdout, stderr, code := try(t, "analyze", "--published", dir, "-o", out)
	require.Equal(t, 0, code, stderr)
	t.Log(stdout)
	var runs [2]struct{ Times map[string][]float64 }
	for i, arm := range []string{"no", "with"} {
		text, err := os.ReadFile(filepath.Join(dir, "published-run1-"+arm+"-services.json"))
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, &runs[i]))
	}
	middle := func(x []float64) float64 {
		x = slices.Sorted(slices.Values(x))
		return (x[len(x)/2-1] + x[len(x)/2]) / 2
	}
	rows := 0
	for l := range strings.Lines(stdout) {
		cells := strings.Fields(l)
		if len(cells) == 0 || runs[0].Times[cells[0]] == nil {
			continue
		}
		rows++
		a, b := runs[0].Times[cells[0]], runs[1].Times[cells[0]]
		require.Len(t, a, 20)
		require.Len(t, b, 20)
		var differences []float64
		for _, x := range a {
			for _, y := range b {
				differences = append(differences, y-x)
			}
		}
		require.Equal(t, fmt.Sprintf("%.2f s", middle(a)), strings.Join(cells[2:4], " "), cells[0])
		require.Equal(t, fmt.Sprintf("%.2f s", middle(b)), strings.Join(cells[5:7], " "), cells[0])
		require.Equal(t, fmt.Sprintf("%+.2f s", middle(differences)), strings.Join(cells[8:10], " "), cells[0])
	}
	require.Equal(t, 11, rows)
	require.Contains(t, stdout, "order-confounded")
	require.Contains(t, stdout, "8s, which the report calls an exception, is none by the medians")

	svg, err := os.ReadFile(filepath.Join(out, "published.svg"))
	require.NoError(t, err)
	for _, want := range []string{"without the extra", "with it", "n = 20 a column", "Order-confounded", "median, 95 % interval", ">8s<", ">not set<"} {
		require.Contains(t, string(svg), want)
	}
	picture, err := os.ReadFile(filepath.Join(out, "published.png"))
	require.NoError(t, err)
	_, err = png.Decode(bytes.NewReader(picture))
	require.NoError(t, err)
	require.Contains(t, stdout, "the plot: "+filepath.Join(out, "published.svg")+"\n")
}

// made writes two files as they were published, with made-up times.
func made(t *testing.T) string {
	dir := t.TempDir()
	for i, arm := range []string{"no", "with"} {
		parts := map[string]map[string]any{"times": {}, "means": {}, "stds": {}}
		for _, name := range strings.Fields("1s 2s 3s 4s 5s 6s 7s 8s 9s 10s no-timeout-set") {
			x := float64(12 - i)
			parts["times"][name], parts["means"][name], parts["stds"][name] = []float64{x, x + 1, x + 2}, x+1, 1.0
		}
		text, err := json.Marshal(parts)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, arm+"-services.json"), text, 0o644))
	}
	return dir
}

func TestAnalyzeOutput(t *testing.T) {
	dir := made(t)
	out := filepath.Join(t.TempDir(), "plots")
	stdout, stderr, code := try(t, "analyze", "--published", dir, "-o", out)
	require.Equal(t, 0, code, stderr)
	require.Contains(t, stdout, "-1.00 s [-inf, +inf]", "3 runs an arm bound nothing")
	first, err := os.ReadFile(filepath.Join(out, "published.png"))
	require.NoError(t, err)
	_, stderr, code = try(t, "analyze", "--published", dir, "-o", out)
	require.Equal(t, 0, code, stderr)
	again, err := os.ReadFile(filepath.Join(out, "published.png"))
	require.NoError(t, err)
	require.True(t, bytes.Equal(first, again), "the same times make the same bytes")

	t.Chdir(t.TempDir())
	stdout, stderr, code = try(t, "analyze", "--published", dir, "-o", "")
	require.Equal(t, 0, code, stderr)
	require.NotContains(t, stdout, "the plot:")
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	require.Empty(t, entries)
	_, stderr, code = try(t, "analyze", "--published", dir)
	require.Equal(t, 0, code, stderr)
	require.FileExists(t, filepath.Join("results", "published", "published.svg"))
}

func TestAnalyzeBadInput(t *testing.T) {
	empty := t.TempDir()
	inTheWay := filepath.Join(empty, "file")
	require.NoError(t, os.WriteFile(inTheWay, nil, 0o644))
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"analyze"}, "analyze needs the folder"},
		{[]string{"analyze", "--published", empty}, "0 files match *no-services.json"},
		{[]string{"analyze", "--loudly"}, "unknown flag: --loudly"},
		{[]string{"analyze", "--published", made(t), "-o", inTheWay}, "--output " + inTheWay + ": mkdir " + inTheWay},
	} {
		_, stderr, code := try(t, tc.args...)
		require.Equal(t, 2, code)
		require.Contains(t, lastLine(stderr), tc.want)
	}
}
