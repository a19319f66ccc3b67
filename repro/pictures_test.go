package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/picture"
)

// TestReportDraws: the pictures follow from the records alone, to the byte.
func TestReportDraws(t *testing.T) {
	draw := func() map[string]string {
		dir := copied(t, "default")
		_, stderr, code := try(t, "report", dir)
		require.Equal(t, 0, code, stderr)
		files := map[string]string{}
		entries, err := os.ReadDir(filepath.Join(dir, picture.Folder))
		require.NoError(t, err)
		for _, e := range entries {
			data, err := os.ReadFile(filepath.Join(dir, picture.Folder, e.Name()))
			require.NoError(t, err)
			files[e.Name()] = string(data)
		}
		return files
	}
	files, again := draw(), draw()
	require.ElementsMatch(t, []string{"joins.svg", "joins.png", "ecdf.svg", "ecdf.png", "waterfall.svg", "waterfall.png"},
		slices.Collect(maps.Keys(files)), "one block declares no contrast, and nothing was injected")
	for name, data := range files {
		require.True(t, data == again[name], name)
	}
}
