package plan

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"headless-job-dns/internal/record"
)

// Bounds of a plan. They are far above what anybody waits for, and keep what a
// plan file or a plan.json says from filling memory or overflowing.
const (
	// MaxPods is what a probe accepts. At that size a question for every peer
	// takes 17 minutes within the default budget.
	MaxPods   = 1000
	maxBlocks = 1000
	maxTrials = 10_000
	maxQPS    = 1_000_000
	maxTime   = 24 * time.Hour // of every duration
	// maxTimeouts is one for each worker.
	maxTimeouts = MaxPods
	shortest    = Duration(time.Millisecond) // between two questions
	// maxText bounds names and texts that are only shown.
	maxText = 200
	// maxRun keeps the names that hold the run's id within what Kubernetes and
	// DNS allow: the longest is "lag-<id>-check-no-success-cache-0".
	maxRun = 20
)

// Check tells what is wrong with a plan that was read from a file, before
// anything is made of it. A plan that this program built, of this version or
// of an earlier one, passes.
func Check(p Plan) error {
	if p.V != PlanVersion {
		return fmt.Errorf("the plan has version %d; accepted: %d", p.V, PlanVersion)
	}
	if err := CheckRun(p.Run); err != nil {
		return err
	}
	if err := p.checkName(); err != nil {
		return err
	}
	if err := p.Settings.check(); err != nil {
		return err
	}
	if p.Settings.Interval == 0 {
		return errors.New("the plan's interval is 0s; accepted: 1ms or more")
	}
	if err := p.checkArms(); err != nil {
		return err
	}
	if err := p.checkContrasts(); err != nil {
		return err
	}
	// The trials follow from the rest, apart from estimates, which another
	// version may make differently, and the one trial that is followed.
	want := p
	want.lay()
	if len(p.Trials) != len(want.Trials) {
		return fmt.Errorf("the plan has %d trials; accepted: %d, for %d arms in %d blocks",
			len(p.Trials), len(want.Trials), len(p.Arms), p.Blocks)
	}
	for i, t := range p.Trials {
		w := want.Trials[i]
		if w.Deadline = p.Settings.Deadline; t.Deadline == p.Settings.Follow {
			w.Deadline = t.Deadline
		}
		if w.Expected = t.Expected; t.Expected < 0 || t.Expected > Duration(maxTime) {
			return fmt.Errorf("trial %s is expected to take %s; accepted: 0s to %s", w.ID, t.Expected, maxTime)
		}
		if t != w {
			return fmt.Errorf("trial %d of the plan does not follow from its seed, arms and settings", i+1)
		}
	}
	return nil
}

// CheckRun refuses an id that cannot be part of an object's name.
func CheckRun(id string) error {
	legal := strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
	if id == "" || len(id) > maxRun || !legal || strings.HasPrefix(id, "-") || strings.HasSuffix(id, "-") {
		return Inputf("--run-id %q cannot be part of a name; accepted: up to %d lower-case letters, digits and inner dashes",
			id, maxRun)
	}
	return nil
}

// checkName keeps a plan's name to what can be typed after --plan.
func (p Plan) checkName() error {
	legal := strings.Trim(p.Name, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
	if p.Name == "" || len(p.Name) > maxText || !legal {
		return Inputf("name %q cannot be a plan's; accepted: lower-case letters, digits and dashes", p.Name)
	}
	return nil
}

// check refuses settings that cannot be carried out.
func (s Settings) check() error {
	for _, n := range []struct {
		flag            string
		is, least, most int
	}{
		{"pods", s.Pods, 2, MaxPods}, // one asks and one is asked for
		{"peers", s.Peers, 0, s.Pods - 1},
		{"qps", s.QPS, 1, maxQPS},
	} {
		if n.is < n.least || n.is > n.most {
			return Inputf("--%s %d is not possible; accepted: %d to %d", n.flag, n.is, n.least, n.most)
		}
	}
	for _, d := range []struct {
		flag      string
		is, least Duration
	}{
		{"run-length", s.RunLength, 0}, {"delete-after", s.DeleteAfter, 0}, {"gap", s.Gap, 0},
		{"first-query-after", s.FirstQueryAfter, 0}, {"deadline", s.Deadline, shortest},
		{"follow", s.Follow, shortest}, {"interval", cmp.Or(s.Interval, shortest), shortest},
	} {
		if d.is < d.least || d.is > Duration(maxTime) {
			return Inputf("--%s %s is not possible; accepted: %s to %s", d.flag, d.is, d.least, maxTime)
		}
	}
	if n := len(s.ConnectTimeouts); n == 0 || n > maxTimeouts {
		return Inputf("--connect-timeouts holds %d; accepted: 1 to %d, one for each worker", n, maxTimeouts)
	}
	for _, t := range s.ConnectTimeouts {
		if t < 0 || t > Duration(maxTime) {
			return Inputf("--connect-timeouts holds %s; accepted: none and positive durations up to %s", t, maxTime)
		}
	}
	return nil
}

// checkArms refuses arms that do not exist, or that the settings do not allow.
func (p Plan) checkArms() error {
	s := p.Settings
	switch {
	case p.Blocks < 1 || p.Blocks > maxBlocks:
		return Inputf("--blocks %d is not possible; accepted: 1 to %d", p.Blocks, maxBlocks)
	case len(p.Arms) == 0:
		return Inputf("plan %s has no arms; accepted: at least one", p.Name)
	case p.Blocks*len(p.Arms) > maxTrials:
		return Inputf("--blocks %d of %d arms are too many trials; accepted: up to %d", p.Blocks, len(p.Arms), maxTrials)
	}
	seen := map[Arm]bool{}
	for _, a := range p.Arms {
		if err := a.check(); err != nil {
			return err
		}
		if seen[a] {
			return Inputf("arm %s is there twice; accepted: each once, or with /again for a second one in each block", a)
		}
		seen[a] = true
		_, noWait := p.GapOf(a)
		switch first := p.FirstQuery(a); {
		case first >= time.Duration(s.Deadline):
			return Inputf("--first-query-after %s is not before the deadline; accepted: less than --deadline %s",
				first, s.Deadline)
		case a.Observer != record.Solo && s.Interval >= s.Deadline:
			return Inputf("%d pods within --qps %d questions a second leave %s between two questions, which is not shorter "+
				"than --deadline %s; accepted: fewer pods or --peers, more questions or a later deadline",
				s.Pods, s.QPS, s.Interval, s.Deadline)
		case a.Previous == Ran && noWait:
			return Inputf("arm %s: a previous Job that ran is gone before the next; accepted: a --gap such as 5.3s", a)
		case a.Names == Reused && time.Duration(s.Deadline) < primeDeadline:
			return Inputf("--deadline %s is too short for reused names: their primer asks after %s; accepted: %s or more",
				s.Deadline, PrimeAt, primeDeadline)
		}
	}
	return nil
}

// check refuses an arm that does not exist.
func (a Arm) check() error {
	for _, f := range factors {
		level := f.get(a)
		if known := a; !f.set(&known, level) {
			return Inputf("arm %.*q: %w", maxText, a.String(), f.unknown(level))
		}
	}
	plainest := Arm{DNS: a.DNS, Names: Fresh, Extra: ExtraNone, Observer: a.Observer, Copy: a.Copy, Every: a.Every}
	wrong := func(what, accepted string) error {
		return Inputf("arm %s: %s; accepted: %s", a, what, accepted)
	}
	switch {
	case a.Gap != "" && a.Names != Reused:
		return wrong("a gap with fresh names", "gap with reused names")
	case a.Previous == Ran && (a.Names != Reused || a.Observer != record.Solo):
		return wrong("a previous Job that ran", "ran with reused names and observer solo")
	case a.Previous != Ran && (a.DeleteAfter != 0 || a.Outlive != 0):
		return wrong("delete-after or workers-outlive without ran", "both with ran only")
	case a.Observer == record.EmptyService && a != plainest:
		return wrong("observer empty-service with other factors", "fresh names, no extra, and the default of the rest")
	case a.Every < 0 || a.Every > maxBlocks:
		return wrong(fmt.Sprintf("every %d", a.Every), fmt.Sprintf("1 to %d", maxBlocks))
	}
	return nil
}

// checkContrasts refuses contrasts that the plan's trials cannot give.
func (p Plan) checkContrasts() error {
	if p.Margin < 0 || p.Margin > Duration(maxTime) || p.Margin == 0 && p.Declares() {
		return Inputf("--margin %s is not positive; accepted: a duration such as 250ms", p.Margin)
	}
	all := p.Secondary
	if p.Primary != nil {
		all = append([]Contrast{*p.Primary}, p.Secondary...)
	}
	names := map[string]bool{}
	for _, c := range all {
		if err := p.checkContrast(c); err != nil {
			return Inputf("contrast %.*q: %w", maxText, c.Name, err)
		}
		if names[c.Name] {
			return Inputf("contrast %q is there twice; accepted: a name of its own for each", c.Name)
		}
		names[c.Name] = true
	}
	return nil
}

// moments are what an outcome can end with.
var moments = []Moment{Resolved, OnServer, Connected, Joined, Withdrawn}

func (p Plan) checkContrast(c Contrast) error {
	o := c.Outcome
	dealt := func(t Duration) error {
		if slices.Contains(p.Settings.dealt(), t) {
			return nil
		}
		return fmt.Errorf("no worker has the connect timeout %s; accepted: %s", TimeoutName(t), p.Settings.dealt())
	}
	switch {
	case c.Name == "" || len(c.Name) > maxText || strings.ContainsFunc(c.Name, func(r rune) bool { return r < ' ' }):
		return fmt.Errorf("the name is no short text; accepted: up to %d characters on one line", maxText)
	case len(c.Remedy) > maxText || strings.ContainsFunc(c.Remedy, func(r rune) bool { return r < ' ' }):
		return fmt.Errorf("the remedy is no short text; accepted: up to %d characters on one line", maxText)
	case !slices.Contains(p.Arms, c.Control):
		return fmt.Errorf("its control %.*q is not among the plan's arms", maxText, c.Control)
	case !slices.Contains(p.Arms, c.With):
		return fmt.Errorf("its arm %.*q is not among the plan's", maxText, c.With)
	case !slices.Contains(moments, o.Of):
		return fmt.Errorf("outcome %.*q is not known; accepted: %s", maxText, o.Of, Join(moments))
	case o.Of != Joined && (o.Timeout != 0 || o.ControlTimeout != nil):
		return fmt.Errorf("outcome %q has no connect timeout; accepted: one with %q only", o.Of, Joined)
	}
	switch o.Of {
	case Withdrawn:
		if c.Control.Previous != Ran || c.With.Previous != Ran {
			return fmt.Errorf("outcome %q is that of a previous Job that ran only", o.Of)
		}
	case OnServer:
		if c.Control.Observer != record.PeersServer || c.With.Observer != record.PeersServer {
			return fmt.Errorf("outcome %q is seen by observer peers+server only", o.Of)
		}
	case Joined:
		if c.Control.Observer != record.Solo || c.With.Observer != record.Solo {
			return fmt.Errorf("outcome %q is seen by observer solo only", o.Of)
		}
		if err := dealt(o.Timeout); err != nil {
			return err
		}
		if o.ControlTimeout != nil {
			if err := dealt(*o.ControlTimeout); err != nil {
				return err
			}
		}
	}
	if c.Control == c.With && (o.ControlTimeout == nil || *o.ControlTimeout == o.Timeout) {
		return errors.New("it compares an arm with itself; accepted: two arms, or two connect timeouts of one")
	}
	return nil
}
