package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"

	"headless-job-dns/internal/experiment"
	"headless-job-dns/internal/result"
)

// progress tells the person at the terminal what is going on: one line that is
// rewritten while a trial runs, and a lasting line per trial. Where the output
// is no terminal there are only lasting lines.
type progress struct {
	w    io.Writer
	tty  *os.File // nil: no terminal
	plan experiment.Plan

	mu    sync.Mutex
	cur   experiment.Trial
	since time.Time
	doing string
	// ticking ends the redrawing of the current line; nil while there is none.
	ticking chan struct{}
}

// refresh is how often the rewritten line is: often enough to look alive.
const refresh = time.Second

// clearLine moves to the line's start and erases it (ECMA-48).
const clearLine = "\r\x1b[K"

func newProgress(w io.Writer, p experiment.Plan) *progress {
	pr := &progress{w: w, plan: p}
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
	fmt.Fprintf(p.w, format+"\n", a...)
}

// begin starts a trial's line.
func (p *progress) begin(t experiment.Trial) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cur, p.since, p.doing = t, time.Now(), "creating"
	if p.tty == nil {
		p.print("%s %d/%d %s: up to %s, about %s to go", t.ID, t.Seq, len(p.plan.Trials), t.Arm, round(time.Duration(t.Expected)), round(p.left()))
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
	s := fmt.Sprintf("%s %d/%d %s: %s, %s, about %s to go", p.cur.ID, p.cur.Seq, len(p.plan.Trials), p.cur.Arm, p.doing, round(time.Since(p.since)), round(p.left()))
	// A line that wraps cannot be rewritten.
	if width, _, err := term.GetSize(int(p.tty.Fd())); err == nil && width > 1 && len(s) > width-1 {
		s = s[:width-1]
	}
	fmt.Fprint(p.w, clearLine, s)
}

// left estimates what remains: the plan's expectation less what has passed of
// the current trial.
func (p *progress) left() time.Duration {
	var d time.Duration
	for _, t := range p.plan.Trials[p.cur.Seq-1:] {
		d += time.Duration(t.Expected)
	}
	return max(0, d-min(time.Since(p.since), time.Duration(p.cur.Expected)))
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
func (p *progress) end(t result.Trial) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.halt()
	s := fmt.Sprintf("%s %d/%d %s: %s after %s", t.Plan.ID, t.Plan.Seq, len(p.plan.Trials), t.Plan.Arm, t.Status, round(time.Duration(t.Took)))
	if t.Reason != "" {
		s += " (" + t.Reason + ")"
	}
	p.print("%s", s)
}

func round(d time.Duration) time.Duration { return d.Round(time.Second) }
