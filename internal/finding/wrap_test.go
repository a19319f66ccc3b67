package finding

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWrap(t *testing.T) {
	long := strings.TrimSpace(strings.Repeat("word ", 30))
	lines := strings.Split(wrap(long), "\n")
	require.Len(t, lines, 2)
	require.Equal(t, long, strings.Join(lines, " "))
	require.LessOrEqual(t, len(lines[0]), width)

	for text, want := range map[string]string{
		"short\nlines\njoin\n":                    "short lines join\n",
		"1. one\n   more\n2. two\n\nthen\n":       "1. one more\n2. two\n\nthen\n",
		"- " + long + "\n":                        "- " + strings.TrimSpace(strings.Repeat("word ", 19)) + "\n  " + strings.TrimSpace(strings.Repeat("word ", 11)) + "\n",
		"| a | " + long + " |\n":                  "| a | " + long + " |\n",
		"# a\ntext\n    code  here\n":             "# a\ntext\n    code  here\n",
		"```\n" + long + " x  y\nz\n```\nafter\n": "```\n" + long + " x  y\nz\n```\nafter\n",
		"": "",
	} {
		require.Equal(t, want, wrap(text))
		require.Equal(t, want, wrap(want), "wrapping twice changes nothing")
	}
}
