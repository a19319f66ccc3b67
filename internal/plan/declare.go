package plan

import (
	"fmt"
	"slices"
	"time"

	"headless-job-dns/internal/record"
)

// DefaultMargin is up to what a difference does not matter unless the user says
// otherwise: a quarter of the second that a pod's start takes anyway.
const DefaultMargin = Duration(250 * time.Millisecond)

// What a user or a cluster's owner could change, as tables name it.
const (
	RemedyNoDenials  = "no denial caching"
	RemedyNoSuccess  = "no success caching"
	RemedyPublish    = "publishNotReadyAddresses"
	RemedyFresh      = "fresh names"
	RemedyLater      = "first question later"
	RemedyTimeout1s  = "connect timeout 1 s"
	RemedyTimeout5s  = "connect timeout 5 s"
	RemedyPause      = "a pause longer than the TTL"
	RemedyKubeadm132 = "kubeadm 1.32's Corefile"
)

// Remedies lists every remedy in the order in which tables name them.
var Remedies = []string{RemedyNoDenials, RemedyNoSuccess, RemedyPublish, RemedyFresh, RemedyLater, RemedyTimeout1s, RemedyTimeout5s, RemedyPause, RemedyKubeadm132}

const (
	// reportedTimeout is Flux's default, what the original report called "no
	// timeout set".
	reportedTimeout = Duration(30 * time.Second)
	// operatorsTimeout is the operator's default since: the primary outcome.
	operatorsTimeout = Duration(5 * time.Second)
	// shortTimeout is the shortest of the original sweep.
	shortTimeout = Duration(time.Second)
)

// Check says that the contrast is of an arm with its own copy: A/A. It tests
// the procedure, not the cluster.
func (c Contrast) Check() bool {
	a, b := c.Control, c.With
	a.Copy, b.Copy = 0, 0
	return c.Control != c.With && a == b
}

// reference is the workload as reported under one DNS: what other arms are
// compared to.
func reference(d DNS, n Names, o record.Observer) Arm {
	return Arm{DNS: d, Names: n, Extra: ExtraNone, Observer: o}
}

// firstReference is the control arm of a plan: reused names before fresh ones,
// for that is what was reported; cache-30 before other DNS, for there the
// delay is expected; nil where there is none.
func firstReference(arms []Arm) *Arm {
	var best *Arm
	rank := func(a Arm) int {
		r := 0
		if a.Names != Reused {
			r += 4
		}
		if a.Observer != record.Solo {
			r += 2
		}
		if a.DNS != Cache30 {
			r++
		}
		return r
	}
	for _, a := range arms {
		if a == reference(a.DNS, a.Names, a.Observer) && (best == nil || rank(a) < rank(*best)) {
			best = &a
		}
	}
	return best
}

// declare states the contrasts that the plan's arms and blocks allow: each arm
// against the reference that differs from it in one factor. The primary one is
// the original report's claim: with its "service", a pod that the headless
// Service selects, a worker with the operator's connect timeout joins earlier.
// With too few blocks for that to be shown, a plan that is not about tests
// declares nothing: its numbers are sizes.
func (p *Plan) declare() {
	_, usual := Preset(p.Name)
	if usual == 1 && p.Blocks < LeastBlocks {
		return
	}
	control := firstReference(p.Arms)
	if control == nil {
		return
	}
	add := func(c Contrast) {
		if c.Outcome.Of == Joined && !slices.Contains(p.Settings.dealt(), c.Outcome.Timeout) {
			return
		}
		p.Secondary = append(p.Secondary, c)
	}
	for _, a := range p.Arms {
		c, ok := p.against(a, *control)
		switch {
		case !ok:
		case a.Extra == ExtraMemberPod && c.Control == *control && c.Outcome == (Outcome{Of: Joined, Timeout: operatorsTimeout}) &&
			slices.Contains(p.Settings.dealt(), operatorsTimeout):
			p.Primary = &c
		default:
			add(c)
		}
	}
	if p.Name == "timeouts" {
		p.sweep(*control, add)
	}
	p.timeouts(*control, add)
}

// sweep adds the effect of the member pod for each other connect timeout.
func (p *Plan) sweep(control Arm, add func(Contrast)) {
	with := control
	with.Extra = ExtraMemberPod
	if !slices.Contains(p.Arms, with) || control.Observer != record.Solo {
		return
	}
	for _, t := range p.Settings.dealt() {
		if t != operatorsTimeout {
			add(Contrast{Name: fmt.Sprintf("%s against none, connect timeout %s", ExtraMemberPod, TimeoutName(t)),
				Control: control, With: with, Outcome: Outcome{Of: Joined, Timeout: t}})
		}
	}
}

// timeouts adds what a shorter connect timeout changes among the workers of the
// control arm, where addresses can be stale.
func (p *Plan) timeouts(control Arm, add func(Contrast)) {
	if control.Names != Reused || control.Observer != record.Solo || !slices.Contains(p.Settings.dealt(), reportedTimeout) {
		return
	}
	long := reportedTimeout
	for _, r := range []struct {
		t    Duration
		name string
	}{{shortTimeout, RemedyTimeout1s}, {operatorsTimeout, RemedyTimeout5s}} {
		add(Contrast{Name: fmt.Sprintf("connect timeout %s against %s", TimeoutName(r.t), TimeoutName(long)),
			Control: control, With: control, Outcome: Outcome{Of: Joined, Timeout: r.t, ControlTimeout: &long}, Remedy: r.name})
	}
}

// against returns the contrast of an arm with the reference that differs from
// it in one factor, or in one step of DNS or names from the control.
func (p *Plan) against(a, control Arm) (Contrast, bool) {
	ref := reference(a.DNS, a.Names, a.Observer)
	if a.Observer != control.Observer {
		twin := a
		twin.Observer = control.Observer
		switch twinned := slices.Contains(p.Arms, twin); {
		case a == ref && twinned:
			ref.Observer = control.Observer // what the observer changes
		case twinned:
			return Contrast{}, false // what else it changes, its twin shows
		}
	}
	if a == ref {
		// A reference itself: what the DNS changes, or what fresh names do.
		if a.DNS == control.DNS {
			ref.Names = control.Names
		} else if ref.DNS = upstream(a.DNS); !slices.Contains(p.Arms, ref) {
			ref.DNS = control.DNS
		}
	}
	if a == ref || !slices.Contains(p.Arms, ref) {
		return Contrast{}, false
	}
	what, remedy, one := p.difference(ref, a)
	if !one {
		return Contrast{}, false
	}
	c := Contrast{Name: fmt.Sprintf("%s (%s, %s names)", what, ref.DNS, ref.Names), Control: ref, With: a, Remedy: remedy, Outcome: Outcome{Of: Connected}}
	switch {
	case ref.Names != a.Names:
		c.Name = fmt.Sprintf("%s (%s)", what, ref.DNS)
	case ref.DNS != a.DNS:
		c.Name = fmt.Sprintf("%s (%s names)", what, ref.Names)
	}
	if ref.Observer == a.Observer && a.Observer != control.Observer {
		c.Name += ", " + string(a.Observer)
	}
	switch {
	case ref.Names == Reused:
		// Stale addresses cost each worker what its connect timeout makes of
		// them, so one worker is looked at; 5 s is today's default.
		c.Outcome = Outcome{Of: Joined, Timeout: operatorsTimeout}
		if a.Observer != record.Solo {
			c.Outcome = Outcome{Of: Connected}
		}
	case ref.Observer != a.Observer:
		// Pairs that the control does not connect would count otherwise.
		c.Outcome = Outcome{Of: Resolved}
	}
	return c, true
}

// upstream is what a configuration stands in front of; empty: the records.
func upstream(d DNS) DNS {
	switch d {
	case NodeLocalCache30:
		return Cache30
	case NodeLocalUncached:
		return Uncached
	}
	return ""
}

// difference names the one factor in which b differs from a.
func (p *Plan) difference(a, b Arm) (what, remedy string, one bool) {
	n := 0
	say := func(differs bool, r, format string, args ...any) {
		if differs {
			n++
			what, remedy = fmt.Sprintf(format, args...), r
		}
	}
	say(a.DNS != b.DNS, remedyOf(b.DNS), "%s against %s", b.DNS, a.DNS)
	say(a.Names != b.Names, RemedyFresh, "%s against %s names", b.Names, a.Names)
	say(a.Extra != b.Extra, "", "%s against %s", b.Extra, a.Extra)
	say(a.Observer != b.Observer, "", "%s against %s", b.Observer, a.Observer)
	say(a.Publish != b.Publish, RemedyPublish, "publishNotReadyAddresses against not")
	say(a.Order != b.Order, "", "Job first against Service first")
	say(a.First != b.First, RemedyLater, "first question after %s against %s", p.FirstQuery(b), p.FirstQuery(a))
	say(a.Connect != b.Connect, "", "by address against by name")
	say(a.Copy != b.Copy, "", "the control again (A/A)")
	if a.Gap != b.Gap {
		pause := ""
		if gap, noWait := p.GapOf(b); !noWait && gap > cacheTTL {
			pause = RemedyPause
		}
		say(true, pause, "gap %s against %s", p.gapName(b), p.gapName(a))
	}
	return what, remedy, n == 1
}

func (p *Plan) gapName(a Arm) Gap {
	gap, noWait := p.GapOf(a)
	if noWait {
		return NoWait
	}
	return gapLevel(gap)
}

func remedyOf(d DNS) string {
	switch d {
	case NoDenialCache:
		return RemedyNoDenials
	case NoSuccessCache:
		return RemedyNoSuccess
	case Uncached:
		return RemedyKubeadm132
	}
	return ""
}
