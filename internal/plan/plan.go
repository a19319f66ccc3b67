package plan

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"headless-job-dns/internal/record"
)

// PlanVersion is the schema version of plan.json.
const PlanVersion = 1

// PrimeAt is when, after its process start, a primer asks: late enough for
// every record to be there (the records of slow pods would otherwise be cached
// as denials), early enough to leave most of the TTL for the measured run.
const PrimeAt = 3 * time.Second

// primeDeadline leaves a primer a second for its answers.
const primeDeadline = PrimeAt + time.Second

// MaxAttempts is how often a trial is run: once more after an invalid attempt.
// What fails twice is no accident, and further attempts would let the cluster
// choose which trials count.
const MaxAttempts = 2

// MaxRepeats is how many trials of the plan may be run once more: a tenth, for
// beyond that invalid trials are a finding, and at least 2, for short plans.
func (p Plan) MaxRepeats() int { return max(2, len(p.Trials)/10) }

// InputError is a mistake in what the user asked for. Nothing was created.
type InputError struct{ Err error }

func (e *InputError) Error() string { return e.Err.Error() }
func (e *InputError) Unwrap() error { return e.Err }

// Inputf makes an InputError.
func Inputf(format string, a ...any) error { return &InputError{fmt.Errorf(format, a...)} }

// Build makes a plan of a named one or of a plan file, which has its run and its seed
// by now: it puts levels in the place of the arms' own, validates it, computes the
// interval unless it is given and draws the order of trials from the seed, block by
// block. A comparison of arms or connect timeouts that are gone goes with them. Its
// errors are InputErrors.
func Build(p Plan, levels Levels) (Plan, error) {
	if err := p.Settings.check(); err != nil {
		return Plan{}, err
	}
	p.V = PlanVersion
	if err := p.override(levels); err != nil {
		return Plan{}, err
	}
	s := &p.Settings
	if s.Interval == 0 {
		s.Interval = Duration(record.Interval(s.Pods, s.Peers, s.QPS))
	}
	dealt := s.dealt()
	p.keepContrasts(func(c *Contrast) bool {
		o := c.Outcome
		return o.Of != Joined || slices.Contains(dealt, o.Timeout) &&
			(o.ControlTimeout == nil || slices.Contains(dealt, *o.ControlTimeout))
	})
	if err := p.checkArms(); err != nil {
		return Plan{}, err
	}
	if err := p.checkContrasts(); err != nil {
		return Plan{}, err
	}
	if err := p.reaches(); err != nil {
		return Plan{}, err
	}
	p.lay()
	return p, nil
}

// keepContrasts keeps the contrasts for which keep, which may change them, says so.
func (p *Plan) keepContrasts(keep func(*Contrast) bool) {
	if p.Primary != nil {
		if c := *p.Primary; keep(&c) {
			p.Primary = &c
		} else {
			p.Primary = nil
		}
	}
	var kept []Contrast
	for _, c := range p.Secondary {
		if keep(&c) {
			kept = append(kept, c)
		}
	}
	p.Secondary = kept
	switch {
	case !p.Declares():
		p.Margin = 0
	case p.Margin == 0:
		p.Margin = DefaultMargin
	}
}

// lay makes the trials of the plan's arms and blocks: each block holds every
// arm that is due in it once, in an order drawn from the seed.
func (p *Plan) lay() {
	p.Trials = nil
	rng := rand.New(rand.NewPCG(p.Seed, 0))
	follow := p.followed()
	for b := 1; b <= p.Blocks; b++ {
		order := slices.DeleteFunc(slices.Clone(p.Arms), func(a Arm) bool { return a.Every > 1 && (b-1)%a.Every != 0 })
		rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, a := range order {
			p.Trials = append(p.Trials, p.trial(len(p.Trials)+1, b, a, b == 1 && follow != nil && a == *follow))
		}
	}
}

// followed picks the arm whose worker without a connect timeout is followed to
// the end: the one where the original report's 140 s are expected, or failing
// that the first in which a stale address can be dialled at all.
func (p *Plan) followed() *Arm {
	var first *Arm
	for i, a := range p.Arms {
		if a.Names != Reused || a.Observer != record.Solo || a.Previous == Ran || p.stale(a) == 0 {
			continue
		}
		if a == (Arm{DNS: Cache30, Names: Reused, Extra: ExtraNone, Observer: record.Solo}) {
			return &p.Arms[i]
		}
		if first == nil {
			first = &p.Arms[i]
		}
	}
	return first
}

func (p *Plan) trial(seq, block int, a Arm, follow bool) Trial {
	id := fmt.Sprintf("t%03d", seq)
	t := Trial{
		ID: id, Seq: seq, Block: block, Arm: a,
		// Names carry the run's id: names of an earlier run in the same
		// namespace would not be fresh.
		Job:      "lag-" + p.Run + "-" + id,
		Service:  "svc-" + p.Run + "-" + id,
		Deadline: p.Settings.Deadline,
		Sample:   p.sample(a),
	}
	if a.Extra != ExtraNone {
		t.Extra = "extra-" + p.Run + "-" + id
	}
	if follow && p.Settings.Follow > t.Deadline && slices.Contains(p.Settings.ConnectTimeouts, 0) {
		t.Deadline = p.Settings.Follow
	}
	t.Expected = Duration(p.expected(t))
	return t
}

// sample is for whom the pods of an arm ask. It is the same in all trials of a
// plan, so that arms are compared on the same pairs.
func (p *Plan) sample(a Arm) record.Sample {
	if a.Observer == record.Solo || p.Settings.Peers == 0 {
		return record.Sample{}
	}
	return record.Sample{Peers: p.Settings.Peers, Seed: p.Seed}
}

// Renamed returns the trial with a suffix to the names of its objects.
func (t Trial) Renamed(suffix string) Trial {
	t.Job, t.Service = t.Job+suffix, t.Service+suffix
	if t.Extra != "" {
		t.Extra += suffix
	}
	return t
}

// PrivateDNS returns the private configurations that the plan needs.
func (p Plan) PrivateDNS() []DNS {
	var out []DNS
	for _, d := range AllDNS {
		if d.Private() && slices.ContainsFunc(p.Arms, func(a Arm) bool { return a.DNS == d }) {
			out = append(out, d)
		}
	}
	return out
}

// Without returns the plan without the arms of some DNS, for a cluster on which
// those cannot be had. Contrasts go with their arms. It fails, with an InputError,
// where nothing is left.
func (p Plan) Without(gone func(DNS) bool) (Plan, error) {
	p.Arms = slices.DeleteFunc(slices.Clone(p.Arms), func(a Arm) bool { return gone(a.DNS) })
	if len(p.Arms) == 0 {
		return Plan{}, Inputf("plan %s: none of its arms can be had here", p.Name)
	}
	p.keepContrasts(func(c *Contrast) bool { return !gone(c.Control.DNS) && !gone(c.With.DNS) })
	if err := p.checkArms(); err != nil {
		return Plan{}, err
	}
	p.lay()
	return p, nil
}
