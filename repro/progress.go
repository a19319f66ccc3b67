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
	tty  bool
	plan experiment.Plan

	mu    sync.Mutex
	cur   experiment.Trial
	since time.Time
	doing string
	stop  chan struct{}
}

// refresh is how often the rewritten line is: often enough to look alive.
const refresh = time.Second

// clearLine moves to the line's start and erases it (ECMA-48).
const clearLine = "\r\x1b[K"

func newProgress(w io.Writer, p experiment.Plan) *progress {
	f, ok := w.(*os.File)
	return &progress{w: w, plan: p, tty: ok && term.IsTerminal(int(f.Fd()))}
}

// line prints a lasting line.
func (p *progress) line(format string, a ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.print(format, a...)
}

func (p *progress) print(format string, a ...any) {
	if p.tty {
		fmt.Fprint(p.w, clearLine)
	}
	fmt.Fprintf(p.w, format+"\n", a...)
}

// begin starts a trial's line.
func (p *progress) begin(t experiment.Trial) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cur, p.since, p.doing = t, time.Now(), "creating"
	if !p.tty {
		p.print("%s %d/%d %s: up to %s, about %s to go", t.ID, t.Seq, len(p.plan.Trials), t.Arm, round(time.Duration(t.Expected)), round(p.left()))
		return
	}
	stop := make(chan struct{})
	p.stop = stop
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
	if p.stop != stop {
		return
	}
	fmt.Fprintf(p.w, "%s%s %d/%d %s: %s, %s, about %s to go", clearLine, p.cur.ID, p.cur.Seq, len(p.plan.Trials), p.cur.Arm, p.doing, round(time.Since(p.since)), round(p.left()))
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

// end closes a trial's line.
func (p *progress) end(t result.Trial) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stop != nil {
		close(p.stop)
		p.stop = nil
	}
	s := fmt.Sprintf("%s %d/%d %s: %s after %s", t.Plan.ID, t.Plan.Seq, len(p.plan.Trials), t.Plan.Arm, t.Status, round(time.Duration(t.Took)))
	if t.Reason != "" {
		s += " (" + t.Reason + ")"
	}
	p.print("%s", s)
}

func round(d time.Duration) time.Duration { return d.Round(time.Second) }
