package kind

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"sigs.k8s.io/kind/pkg/log"
)

// step is something that kind does.
type step struct {
	prefix string // of kind's own words
	says   string
	// takes is what it takes on two cores with an engine that has the image:
	// measured, and for a sense of time only.
	takes time.Duration
}

// steps in kind's order.
var steps = []step{
	{"Ensuring node image", "looking for the node image (the first time it is pulled, 400 MB)", 0},
	{"Preparing nodes", "starting the nodes' containers", 5 * time.Second},
	{"Writing configuration", "configuring the nodes", time.Second},
	{"Starting control-plane", "starting the control plane", 15 * time.Second},
	{"Installing CNI", "installing the pod network", time.Second},
	{"Installing StorageClass", "installing the storage class", time.Second},
	{"Joining worker nodes", "joining the workers", 10 * time.Second},
}

// settle is what loading the probe takes, and what nodes and DNS need to be
// ready after kind's last step.
const settle = 10 * time.Second

// Progress passes on what kind says, in a line for each step, and how long the
// rest takes. It is kind's logger.
type Progress struct {
	// Say prints a line.
	Say func(format string, a ...any)

	mu  sync.Mutex
	now int // in steps
}

var _ log.Logger = (*Progress)(nil)

func (p *Progress) say(format string, a ...any) { p.Say(format, a...) }

// pulling tells whether there is no container yet.
func (p *Progress) pulling() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now == 0
}

// starting tells whether containers are being made.
func (p *Progress) starting() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now == 1
}

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
	words, begins := strings.CutPrefix(strings.TrimSpace(message), "• ")
	if !begins {
		return
	}
	for i, s := range steps {
		if !strings.HasPrefix(words, s.prefix) {
			continue
		}
		l.mu.Lock()
		l.now = i
		l.mu.Unlock()
		left := settle
		for _, s := range steps[i:] {
			left += s.takes
		}
		l.say("kind: %s, about %s to go", s.says, left)
		return
	}
}
