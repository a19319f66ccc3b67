package kind

import (
	"fmt"
	"strings"
	"sync"

	"sigs.k8s.io/kind/pkg/log"
)

// Progress passes on what kind says, in a line for each step. It is kind's logger.
type Progress struct {
	// Say prints a line.
	Say func(format string, a ...any)

	mu  sync.Mutex
	now string // the step, in kind's words
}

var _ log.Logger = (*Progress)(nil)

func (p *Progress) say(format string, a ...any) { p.Say(format, a...) }

// step returns what kind is doing, in its words; empty before it began.
func (p *Progress) step() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

// pulling tells whether there is no container yet.
func (p *Progress) pulling() bool {
	return p.step() == "" || strings.HasPrefix(p.step(), "Ensuring node image")
}

// starting tells whether containers are being made.
func (p *Progress) starting() bool { return strings.HasPrefix(p.step(), "Preparing nodes") }

// V returns what takes the lines for every user, and drops those for kind's
// developers.
func (p *Progress) V(level log.Level) log.InfoLogger {
	if level > 0 {
		return log.NoopInfoLogger{}
	}
	return lines{p}
}

// Warn passes on a warning.
func (p *Progress) Warn(message string) { p.say("kind: %s", strings.TrimSpace(message)) }

// Warnf passes on a warning.
func (p *Progress) Warnf(format string, a ...any) { p.Warn(fmt.Sprintf(format, a...)) }

// Error passes on what kind could not do.
func (p *Progress) Error(message string) { p.Warn(message) }

// Errorf passes on what kind could not do.
func (p *Progress) Errorf(format string, a ...any) { p.Warn(fmt.Sprintf(format, a...)) }

// lines are kind's, as it would print them.
type lines struct{ *Progress }

// Enabled is true of what every user sees.
func (lines) Enabled() bool { return true }

// Infof takes a line.
func (l lines) Infof(format string, a ...any) { l.Info(fmt.Sprintf(format, a...)) }

// Info takes a line: " • Step  ..." where one begins. That it has ended, the
// next one says.
func (l lines) Info(message string) {
	step, begins := strings.CutPrefix(strings.TrimSpace(message), "• ")
	if !begins {
		return
	}
	l.mu.Lock()
	l.now = step
	l.mu.Unlock()
	l.say("kind: %s", step)
}
