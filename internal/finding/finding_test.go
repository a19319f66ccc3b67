package finding

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write REPORT.md anew")

// records are the runs that REPORT.md is about.
var records = []string{"default", "extras", "standard", "timeouts"}

func folder(name string) string { return filepath.Join("..", "..", "records", name) }

// TestReport: REPORT.md is what the prose and the records make.
func TestReport(t *testing.T) {
	var dirs []string
	for _, name := range records {
		dirs = append(dirs, folder(name))
	}
	got, err := Render(dirs...)
	require.NoError(t, err)
	path := filepath.Join("..", "..", "REPORT.md")
	if *update {
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), "`make report` writes it anew")
}

// TestLinks: what REPORT.md points to is in the repository.
func TestLinks(t *testing.T) {
	root := filepath.Join("..", "..")
	text, err := os.ReadFile(filepath.Join(root, "REPORT.md"))
	require.NoError(t, err)
	links := relative(string(text))
	require.NotEmpty(t, links)
	for _, link := range links {
		_, err := os.Stat(filepath.Join(root, filepath.FromSlash(link)))
		require.NoError(t, err, link)
	}
}

// relative lists the targets of a text's links within the repository, less
// what they name within a file.
func relative(text string) []string {
	var links []string
	for _, m := range regexp.MustCompile(`\]\(\s*([^)\s]+)[^)]*\)`).FindAllStringSubmatch(text, -1) {
		target, _, _ := strings.Cut(m[1], "#")
		if target != "" && !strings.Contains(target, "://") {
			links = append(links, target)
		}
	}
	return links
}

func TestRelative(t *testing.T) {
	require.Equal(t, []string{"a/b.svg", "c", "d.md"}, relative("![p](a/b.svg) [q\nr](c), [s](https://e.org/x) [t](d.md#u \"v\") [w](#x)"))
}

// TestProseHasNoFigures: what was measured is looked up, and what is quoted is
// marked as such.
func TestProseHasNoFigures(t *testing.T) {
	text := regexp.MustCompile(`(?s)\{\{.*?\}\}`).ReplaceAllString(prose, "")
	// Settings of the runs and of the components, which are no results.
	for _, setting := range []string{"connect timeout of 30 s", "connect timeout of 5 s", "with 5 s, and", "with 5 s instead of 30 s", "of its 30 s", "than its 30 s", "for 30 s and", "for 30 s.", "100 to 200 ms", "1 to 5 s", "for 10 s", "at 8 s", "At 8 s", "at 4 s", "95 % intervals"} {
		text = strings.ReplaceAll(text, setting, "")
	}
	require.Empty(t, regexp.MustCompile(`.{0,30}\d[\d.,]*\s?(s|ms|%|trials|times|of \d+)\b.{0,10}`).FindAllString(text, -1))
}

func TestQueries(t *testing.T) {
	const reused = `"default" "kubeadm-1.31/reused/none/solo"`
	for text, want := range map[string]string{
		`{{median ` + reused + ` "joined:none"}}`:                     "134.32 s",
		`{{late "extras" "kubeadm-1.31/fresh/*/solo" "connected"}}`:   "4 of 6",
		`{{spread "default" "kubeadm-1.31/*/*/solo" "joined:1s"}}`:    "0.016 to 29.83 s",
		`{{longest "default" "kubeadm-1.32/*/*/*" "connected"}}`:      "0.21 s",
		`{{longest "default" "kubeadm-1.31/reused/*/*" "connected"}}`: "≥134.32 s",
		`{{count ` + reused + ` "stale answers"}}`:                    "30",
		`{{plan "extras"}}`: "plan `extras`, seed 1819403502, 6 trials in 1 block",
		`{{seed "extras"}}`: "1819403502",
		`{{needs ` + reused + ` "joined:none" 127 140}}{{said "x"}}`: "x",
		`{{is (decision "default" "H1") "supported"}}`:               "",
	} {
		got, err := render(text, folder("default"), folder("extras"))
		require.NoError(t, err, text)
		require.Equal(t, want, string(got), text)
	}
	for text, want := range map[string]string{
		`{{median "other" "*/*/*/*" "connected"}}`:                                       `no run is called "other"`,
		`{{median "default" "none/*/*/*" "connected"}}`:                                  "no trial of",
		`{{median "default" "*/*/*/*" "joined:7s"}}`:                                     "no trial of",
		`{{median "default" "*/*/*/*" "joined:soon"}}`:                                   "no connect timeout",
		`{{median "default" "*/*/*/*" "done"}}`:                                          `no outcome is called "done"`,
		`{{median "default" "[" "connected"}}`:                                           "syntax error in pattern",
		`{{needs ` + reused + ` "joined:none" 1 2}}`:                                     "the prose says 1 to 2 s",
		`{{needs "default" "kubeadm-1.31/reused/service/solo" "joined:none" 1.0 100.0}}`: "1 censored",
		`{{verdict "default" "primary"}}`:                                                `states no comparison called "primary"`,
		`{{count "default" "*/*/*/*" "cats"}}`:                                           `"cats" is counted`,
		`{{decision "default" "H99"}}`:                                                   `decides no "H99"`,
		`{{is (decision "default" "H1") "refuted"}}`:                                     `the prose says "refuted", the records "supported"`,
		`{{share "default" "kubeadm-1.32/*/*/*" "stale answer"}}`:                        "no delayed trial",
	} {
		_, err := render(text, folder("default"))
		require.ErrorContains(t, err, want, text)
	}
	_, err := render("", folder("none"))
	require.Error(t, err)
}
