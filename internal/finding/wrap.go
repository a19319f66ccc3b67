package finding

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// width is where the project's prose is wrapped.
const width = 100

// item is how a list item begins.
var item = regexp.MustCompile(`^(- |\d+\. )`)

// wrap breaks paragraphs and list items anew, for figures are not of the length
// of what looks them up. Tables, headings and code blocks stay as they are.
func wrap(text string) string {
	var out []string
	var words []string
	first, rest := "", "" // before the first and the other lines
	flush := func() {
		line := first
		for i, w := range words {
			if i > 0 && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(w) > width {
				out = append(out, line)
				line = rest + w
				continue
			}
			if i > 0 {
				line += " "
			}
			line += w
		}
		if len(words) > 0 {
			out = append(out, line)
		}
		words, first, rest = nil, "", ""
	}
	code := false
	for _, line := range strings.Split(text, "\n") {
		fence := strings.HasPrefix(line, "```")
		switch {
		case code || fence:
			flush()
			out = append(out, line)
			code = code != fence
		case line == "", strings.HasPrefix(line, "|"), strings.HasPrefix(line, "#"), strings.HasPrefix(line, "    "):
			flush()
			out = append(out, line)
		default:
			if mark := item.FindString(line); mark != "" {
				flush()
				first, rest = mark, strings.Repeat(" ", len(mark))
				line = line[len(mark):]
			}
			words = append(words, strings.Fields(line)...)
		}
	}
	flush()
	return strings.Join(out, "\n")
}
