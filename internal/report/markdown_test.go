package report

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// hostile are texts that a log or a cluster may hold.
var hostile = []string{
	"", "`", "```\n# broken out", "a|b|c", "@octocat see #1", "<script>alert(1)</script>", "</details>", "[x](http://example.org)", "**bold**",
	"line\nbreak\r\nand \x1b[31mred\x1b[0m", "rtl \u202e override", "zero\u200bwidth", "\x00nul", "bad \xff utf8", strings.Repeat("`", 50), strings.Repeat("x", 1000), "\ufeff", " `` ", "/close\n/lgtm", "&commat;octocat &#64;octocat", "GH-1", "www.example.org", "$x$",
}

func TestCodeCannotBeLeft(t *testing.T) {
	for _, s := range hostile {
		got := code(s)
		inner := got[1 : len(got)-1]
		require.Equal(t, byte('`'), got[0], "%q", s)
		require.Equal(t, byte('`'), got[len(got)-1], "%q", s)
		require.NotContains(t, inner, "`", "%q ends the span", s)
		require.NotContains(t, inner, "|", "%q ends the cell", s)
		require.NotEmpty(t, strings.TrimSpace(inner), "%q: an empty span is none", s)
		oneLine(t, inner)
	}
}

func TestPlain(t *testing.T) {
	for _, s := range hostile {
		oneLine(t, plain(s))
		require.LessOrEqual(t, utf8.RuneCountInString(plain(s)), longestText+1)
	}
}

func oneLine(t *testing.T, s string) {
	t.Helper()
	require.True(t, utf8.ValidString(s), "%q", s)
	for _, r := range s {
		require.True(t, r == utf8.RuneError || unicode.IsPrint(r), "%q holds %U", s, r)
	}
}

func TestFencedCannotBeLeft(t *testing.T) {
	for _, s := range append(hostile, "text\n````\nmore", "~~~") {
		lines := strings.Split(strings.TrimSuffix(fenced(s), "\n"), "\n")
		fence := lines[0]
		require.Equal(t, fence, lines[len(lines)-1], "%q", s)
		require.GreaterOrEqual(t, len(fence), 3)
		for _, l := range lines[1 : len(lines)-1] {
			require.NotContains(t, l, fence, "%q ends the block", s)
			for _, r := range l {
				require.True(t, r == utf8.RuneError || r == '\t' || unicode.IsPrint(r), "%q holds %U", s, r)
			}
		}
	}
	require.Less(t, len(fenced(strings.Repeat("x\n", longestBlock))), longestBlock+200)
}

func TestTable(t *testing.T) {
	got := table([][]string{{"a", "number"}, {"longer", "1"}, {"ümlaut ≥", "22"}})
	require.Equal(t, `| a        | number |
|:---------|-------:|
| longer   |      1 |
| ümlaut ≥ |     22 |
`, got)
}

func TestShell(t *testing.T) {
	for s, want := range map[string]string{"quick": "quick", "": "''", "$(reboot)": "'$(reboot)'", "it's": `'it'\''s'`, "a\nb": "'a b'"} {
		require.Equal(t, want, shell(s))
	}
}
