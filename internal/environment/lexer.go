package environment

import (
	"fmt"
	"strings"
	"unicode"
)

// directive is one line of a Corefile's block with the block that it may open.
type directive struct {
	name string
	args []string
	body []directive
}

// block is a server block, or a snippet.
type block struct {
	keys []string
	body []directive
}

// snippet returns the name of a block that is a snippet, "(name) { ... }".
func (b block) snippet() (string, bool) {
	if len(b.keys) != 1 || !strings.HasPrefix(b.keys[0], "(") || !strings.HasSuffix(b.keys[0], ")") {
		return "", false
	}
	return strings.Trim(b.keys[0], "()"), true
}

// imported tells whether this is no block but a line outside of any that
// includes a file.
func (b block) imported() bool { return len(b.keys) > 0 && b.keys[0] == "import" }

// word is a token and the line that it is on.
type word struct {
	text string
	line int
}

// words splits a Corefile as CoreDNS' lexer does: at white space, quotes keep
// words together, a # at the start of a word begins a comment.
func words(text string) []word {
	var all []word
	line := 1
	var cur strings.Builder
	started, quoted, comment, escaped := false, false, false, false
	begin := 1 // line of the current word
	end := func() {
		if started {
			all = append(all, word{cur.String(), begin})
		}
		cur.Reset()
		started = false
	}
	for _, r := range text {
		switch {
		case comment:
			comment = r != '\n'
		case quoted && escaped:
			if r != '"' {
				cur.WriteRune('\\')
			}
			cur.WriteRune(r)
			escaped = false
		case quoted && r == '\\':
			escaped = true
		case quoted && r == '"':
			quoted = false
			end()
		case quoted:
			cur.WriteRune(r)
		case unicode.IsSpace(r):
			end()
		case !started && r == '#':
			comment = true
		case !started && r == '"':
			started, quoted, begin = true, true, line
		default:
			if !started {
				started, begin = true, line
			}
			cur.WriteRune(r)
		}
		if r == '\n' {
			line++
		}
	}
	end()
	return all
}

// parser walks over the words.
type parser struct {
	words []word
	pos   int
}

// mostDepth bounds the nesting of braces. CoreDNS' plugins use two levels; a
// text that needs more is not a Corefile, and recursion has to end.
const mostDepth = 16

// next tells whether the next word is this one.
func (p *parser) next(text string) bool { return p.pos < len(p.words) && p.words[p.pos].text == text }

// parseBlocks splits a Corefile into its blocks. A file without braces is one
// block whose keys are its first line.
func parseBlocks(text string) ([]block, error) {
	p := &parser{words: words(text)}
	var blocks []block
	for p.pos < len(p.words) {
		b := block{keys: p.keys()}
		var err error
		switch {
		case b.imported(), p.pos == len(p.words):
		case p.next("{"):
			p.pos++
			b.body, err = p.body(mostDepth, true)
		case len(blocks) == 0 && len(b.keys) > 0:
			b.body, err = p.body(mostDepth, false)
		default:
			err = fmt.Errorf("line %d: %q where { was expected", p.words[p.pos].line, p.words[p.pos].text)
		}
		if err != nil {
			return nil, err
		}
		blocks = append(blocks, b)
	}
	return blocks, nil
}

// keys reads what stands before a block: the words of a line, and of the next
// one after a comma.
func (p *parser) keys() []string {
	var keys []string
	for first, more := p.pos, false; p.pos < len(p.words) && !p.next("{") && !p.next("}"); p.pos++ {
		if p.pos > first && !more && p.words[p.pos].line != p.words[p.pos-1].line {
			break
		}
		key, comma := strings.CutSuffix(p.words[p.pos].text, ",")
		if more = comma; key != "" {
			keys = append(keys, key)
		}
	}
	return keys
}

// body reads directives up to the closing brace, or to the end where there was
// no opening one.
func (p *parser) body(depth int, braced bool) ([]directive, error) {
	if depth == 0 {
		return nil, fmt.Errorf("braces are nested more than %d deep", mostDepth)
	}
	var all []directive
	for p.pos < len(p.words) {
		w := p.words[p.pos]
		p.pos++
		if w.text == "}" {
			if !braced {
				return nil, fmt.Errorf("line %d: } without {", w.line)
			}
			return all, nil
		}
		d := directive{name: w.text}
		for p.pos < len(p.words) && p.words[p.pos].line == w.line && p.words[p.pos].text != "}" {
			if p.words[p.pos].text == "{" {
				p.pos++
				var err error
				if d.body, err = p.body(depth-1, true); err != nil {
					return nil, err
				}
				break
			}
			d.args = append(d.args, p.words[p.pos].text)
			p.pos++
		}
		all = append(all, d)
	}
	if braced {
		return nil, fmt.Errorf("a { is not closed")
	}
	return all, nil
}
