package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/results"
)

var update = flag.Bool("update", false, "make the reports of the committed records again")

// committed are the records that README and REPORT quote.
var committed = []string{"default", "extras", "seed", "standard", "timeouts", "tour"}

func copied(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join("..", "records", name))))
	return dir
}

// TestRecordsMakeTheirReport: the report follows from the records alone, to
// the byte, and so do the pictures that are kept beside it.
func TestRecordsMakeTheirReport(t *testing.T) {
	for _, name := range committed {
		kept := filepath.Join("..", "records", name)
		files, err := filepath.Glob(filepath.Join(kept, "*.svg"))
		require.NoError(t, err)
		dir := copied(t, name)
		for _, file := range append(files, filepath.Join(kept, results.ReportFile)) {
			require.NoError(t, os.RemoveAll(filepath.Join(dir, filepath.Base(file))))
		}
		_, stderr, code := try(t, "report", dir)
		require.Equal(t, 0, code, stderr)
		for _, file := range append(files, filepath.Join(kept, results.ReportFile)) {
			got, err := os.ReadFile(filepath.Join(dir, filepath.Base(file)))
			require.NoError(t, err)
			if *update {
				require.NoError(t, os.WriteFile(file, got, 0o644))
			}
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			require.True(t, string(want) == string(got), "%s is not current: `go test ./repro -run Records -update` makes it again", file)
		}
	}
}

// TestReportAsComment: the shorter form is printed, and nothing is written.
func TestReportAsComment(t *testing.T) {
	dir := copied(t, "default")
	require.NoError(t, os.Remove(filepath.Join(dir, results.ReportFile)))
	stdout, stderr, code := try(t, "report", "--format", "comment", dir)
	require.Equal(t, 0, code, stderr)
	require.Contains(t, stdout, "is affected: in 7 of 9 trials")
	require.Less(t, utf8.RuneCountInString(stdout), 3000)
	require.NoFileExists(t, filepath.Join(dir, results.ReportFile))
	_, stderr, code = try(t, "report", "--format", "pdf", dir)
	require.Equal(t, 2, code)
	require.Contains(t, stderr, `--format "pdf" is not known; accepted: form, comment`)
}

// TestReadmeQuotesTheRecords: the README's table is what the records print.
func TestReadmeQuotesTheRecords(t *testing.T) {
	stdout, _, code := try(t, "report", copied(t, "tour"))
	require.Equal(t, 0, code)
	readme, err := os.ReadFile(filepath.Join("..", "README.md"))
	require.NoError(t, err)
	quoted, _, _ := strings.Cut(stdout, "files:")
	require.True(t, strings.Contains(string(readme), quoted), "README.md lacks\n%s", quoted)
}

// TestDamagedRecords: one line that names the file and what is accepted, and
// nothing is lost.
func TestDamagedRecords(t *testing.T) {
	for name, tc := range map[string]struct {
		damage func([]byte) []byte
		want   string
	}{
		"cut in the last line": {func(b []byte) []byte { return b[:len(b)-1000] }, "line 18 of trials.jsonl is incomplete"},
		"cut in the middle":    {func(b []byte) []byte { return append(b[:5000:5000], '\n') }, "trials.jsonl:1"},
		"somebody else's":      {func([]byte) []byte { return []byte("{\"level\":\"info\"}\n") }, "trials.jsonl:1"},
		"no JSON":              {func([]byte) []byte { return []byte("hello\nworld\n") }, "trials.jsonl:1"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := copied(t, "default")
			path := filepath.Join(dir, results.TrialsFile)
			whole, err := os.ReadFile(path)
			require.NoError(t, err)
			report, err := os.ReadFile(filepath.Join(dir, results.ReportFile))
			require.NoError(t, err)
			damaged := tc.damage(whole)
			require.NoError(t, os.WriteFile(path, damaged, 0o644))
			_, stderr, code := try(t, "report", dir)
			require.Equal(t, 2, code)
			require.Contains(t, stderr, tc.want)
			require.Contains(t, stderr, "accepted:")
			require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
			after, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, damaged, after)
			kept, err := os.ReadFile(filepath.Join(dir, results.ReportFile))
			require.NoError(t, err)
			require.Equal(t, report, kept)
		})
	}
}
