package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/report"
	"headless-job-dns/internal/results"
)

// progress tells a person what is going on, in lines: when a trial begins and
// what came of it, and what happens in between.
type progress struct {
	mu sync.Mutex
	w  io.Writer
}

func newProgress(w io.Writer) *progress { return &progress{w: printable{w}} }

// line prints a line.
func (p *progress) line(format string, a ...any) { p.text(fmt.Sprintf(format+"\n", a...)) }

// text prints lines.
func (p *progress) text(s string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprint(p.w, s)
}

// begin says that one of so many trials begins. left is how long it and what
// follows is expected to take.
func (p *progress) begin(t plan.Trial, of, attempt int, left time.Duration) {
	which := fmt.Sprintf("%d/%d", t.Seq, of)
	if attempt > 1 {
		which = fmt.Sprintf("attempt %d", attempt)
		left += time.Duration(t.Expected)
	}
	p.line("%s %s %s: about %s, about %s to go", t.ID, which, t.Arm, round(time.Duration(t.Expected)), round(left))
}

// end says what came of a trial.
func (p *progress) end(t results.Trial, v *judge.Verdict) {
	line := report.Line(v)
	if t.Status == results.Censored {
		line += " (" + t.Reason + ")"
	}
	p.line("%s", line)
}

func round(d time.Duration) time.Duration { return d.Round(time.Second) }

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
