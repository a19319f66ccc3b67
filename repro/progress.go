package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/results"
)

// progress tells the person at the terminal what is going on: one line that is
// rewritten while a trial runs, and a lasting line per trial. Where the output
// is no terminal there are only lasting lines.
type progress struct {
	w   io.Writer
	tty *os.File // nil: no terminal

	mu     sync.Mutex
	trials int // of the plan
	cur    plan.Trial
	what   string        // which trial it is, in words
	left   time.Duration // expected when it began, this one included
	since  time.Time
	doing  string
	// ticking ends the redrawing of the current line; nil while there is none.
	ticking chan struct{}
}

// refresh is how often the rewritten line is: often enough to look alive.
const refresh = time.Second

// clearLine moves to the line's start and erases it (ECMA-48).
const clearLine = "\r\x1b[K"

func newProgress(w io.Writer, trials int) *progress {
	pr := &progress{w: w, trials: trials}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		pr.tty = f
	}
	return pr
}

// line prints a lasting line.
func (p *progress) line(format string, a ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.print(format, a...)
}

func (p *progress) print(format string, a ...any) {
	if p.tty != nil {
		fmt.Fprint(p.w, clearLine)
	}
	fmt.Fprintf(printable{p.w}, format+"\n", a...)
}

// of says how many trials the plan has, where that changed.
func (p *progress) of(trials int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trials = trials
}

// begin starts a trial's line. left is how long it and what follows is expected
// to take.
func (p *progress) begin(t plan.Trial, attempt int, left time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cur, p.since, p.doing, p.left = t, time.Now(), "creating", left
	p.what = fmt.Sprintf("%s %d/%d %s", t.ID, t.Seq, p.trials, t.Arm)
	if attempt > 1 {
		p.what = fmt.Sprintf("%s attempt %d %s", t.ID, attempt, t.Arm)
		p.left += time.Duration(t.Expected)
	}
	if p.tty == nil {
		p.print("%s: about %s, about %s to go", p.what, round(time.Duration(t.Expected)), round(p.remains()))
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
	s := visible(fmt.Sprintf("%s: %s, %s, about %s to go", p.what, p.doing, round(time.Since(p.since)), round(p.remains())))
	// A line that wraps cannot be rewritten.
	if width, _, err := term.GetSize(int(p.tty.Fd())); err == nil && width > 1 && len(s) > width-1 {
		s = s[:width-1]
	}
	fmt.Fprint(p.w, clearLine, s)
}

// remains is what was expected less what has passed of the current trial.
func (p *progress) remains() time.Duration {
	return max(0, p.left-min(time.Since(p.since), time.Duration(p.cur.Expected)))
}

// step says what the current trial is doing.
func (p *progress) step(s string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.doing = s
}

// stop ends the current trial's line, whatever became of the trial.
func (p *progress) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.halt()
}

func (p *progress) halt() {
	if p.ticking != nil {
		close(p.ticking)
		p.ticking = nil
		fmt.Fprint(p.w, clearLine)
	}
}

// end closes a trial's line.
func (p *progress) end(t results.Trial) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.halt()
	s := fmt.Sprintf("%s: %s after %s", p.what, t.Status, round(time.Duration(t.Took)))
	if t.Reason != "" {
		s += " (" + t.Reason + ")"
	}
	p.print("%s", s)
}

func round(d time.Duration) time.Duration { return d.Round(time.Second) }
