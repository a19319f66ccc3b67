package main

import (
	"io"
	"strings"
	"unicode"
)

// printable writes text in which a pod, a cluster or a file of somebody's has a
// word, so that it cannot steer the terminal: nothing but what is printed, and
// the ends of lines.
type printable struct{ io.Writer }

func (p printable) Write(b []byte) (int, error) {
	if _, err := p.Writer.Write([]byte(visible(string(b)))); err != nil {
		return 0, err
	}
	return len(b), nil
}

// visible replaces control characters, and those that reorder or hide others.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}
