package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/term"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/report"
	"headless-job-dns/internal/results"
)

// progress tells the person at the terminal what is going on: a lasting line per
// trial, below it a bar that is drawn again while a trial runs. Where the output
// is no terminal a line says when a trial begins instead.
type progress struct {
	w   io.Writer
	tty *os.File // nil: no terminal

	mu     sync.Mutex
	trials int // of the plan
	cur    plan.Trial
	began  time.Time     // of the first trial
	what   string        // which trial it is, in words
	left   time.Duration // expected when it began, this one included
	since  time.Time
	doing  string
	// ticking ends the redrawing of the bar; nil while there is none.
	ticking chan struct{}
}

const (
	// refresh is how often the bar is drawn: often enough to look alive.
	refresh = time.Second
	// clearLine moves to the line's start and erases it (ECMA-48).
	clearLine = "\r\x1b[K"
	// barWidth leaves the words of a line of 80 columns their room.
	barWidth = 20
)

func newProgress(w io.Writer, trials int) *progress {
	p := &progress{w: w, trials: trials}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.tty = f
	}
	return p
}

// line prints a lasting line.
func (p *progress) line(format string, a ...any) { p.text(fmt.Sprintf(format+"\n", a...)) }

// text prints lasting lines.
func (p *progress) text(s string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.print(s)
}

func (p *progress) print(s string) {
	if p.tty != nil {
		fmt.Fprint(p.w, clearLine)
	}
	fmt.Fprint(printable{p.w}, s)
}

// of says how many trials the plan has, where that changed.
func (p *progress) of(trials int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trials = trials
}

// begin starts a trial's bar. left is how long it and what follows is expected to
// take.
func (p *progress) begin(t plan.Trial, attempt int, left time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cur, p.since, p.doing, p.left = t, time.Now(), "creating", left
	if p.began.IsZero() {
		p.began = p.since
	}
	p.what = fmt.Sprintf("%s %d/%d %s", t.ID, t.Seq, p.trials, t.Arm)
	if attempt > 1 {
		p.what = fmt.Sprintf("%s attempt %d %s", t.ID, attempt, t.Arm)
		p.left += time.Duration(t.Expected)
	}
	if p.tty == nil {
		p.print(fmt.Sprintf("%s: about %s, about %s to go\n", p.what, round(time.Duration(t.Expected)), round(p.remaining())))
		return
	}
	stop := make(chan struct{})
	p.ticking = stop
	go func() {
		tick := time.NewTicker(refresh)
		defer tick.Stop()
		for {
			p.draw(stop)
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	}()
}

func (p *progress) draw(stop chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ticking != stop {
		return
	}
	elapsed, remaining := time.Since(p.began), p.remaining()
	full := int(barWidth * elapsed / max(1, elapsed+remaining))
	s := visible(fmt.Sprintf("[%s%s] %s passed, about %s to go: %s, %s", strings.Repeat("#", full),
		strings.Repeat(".", barWidth-full),
		round(elapsed), round(remaining), p.what, p.doing))
	// A line that wraps cannot be drawn again.
	if width, _, err := term.GetSize(int(p.tty.Fd())); err == nil && width > 1 && len(s) > width-1 {
		s = s[:width-1]
	}
	fmt.Fprint(p.w, clearLine, s)
}

// remaining is what was expected less what has passed of the current trial.
func (p *progress) remaining() time.Duration {
	return max(0, p.left-min(time.Since(p.since), time.Duration(p.cur.Expected)))
}

// step says what the current trial is doing.
func (p *progress) step(s string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.doing = s
}

// stop takes the bar away, whatever became of the trial.
func (p *progress) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ticking != nil {
		close(p.ticking)
		p.ticking = nil
		fmt.Fprint(p.w, clearLine)
	}
}

// end says what came of a trial.
func (p *progress) end(t results.Trial, v *judge.Verdict) {
	p.stop()
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
