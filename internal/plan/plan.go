package plan

import (
	"encoding/json"
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

// MostAttempts is how often a trial is run: once more after an invalid attempt.
// What fails twice is no accident, and further attempts would let the cluster
// choose which trials count.
const MostAttempts = 2

// MostRepeats is how many trials of the plan may be run once more: a tenth, for
// beyond that invalid trials are a finding, and at least 2, for short plans.
func (p Plan) MostRepeats() int { return max(2, len(p.Trials)/10) }

// InputError is a mistake in what the user asked for. Nothing was created.
type InputError struct{ Err error }

func (e *InputError) Error() string { return e.Err.Error() }
func (e *InputError) Unwrap() error { return e.Err }

// Inputf makes an InputError.
func Inputf(format string, a ...any) error { return &InputError{fmt.Errorf(format, a...)} }

// Options are a plan to make, with what a user changes of it.
type Options struct {
	Name   string // one of Summaries, or any with Arms
	About  string // one line that says what it is for
	Run    string // run id
	Seed   uint64
	Blocks int

	// Arms, where there are any, and what is compared are a plan file's; else
	// they are those of the plan that is called Name.
	Arms      []Arm
	Primary   *Contrast
	Secondary []Contrast
	Margin    Duration // 0: the plan's, or DefaultMargin
	Settings  Settings // Interval is computed unless it is given
	PodPatch  json.RawMessage

	// Levels that take the place of the arms' own; empty: the arms keep
	// theirs. A list of one level for First or Gaps changes the setting, so
	// that arms keep their names.
	DNS       []DNS
	Names     []Names
	Extras    []Extra
	Observers []record.Observer
	Publish   []bool
	Orders    []Order
	First     []Duration
	Gaps      []Gap
	Previous  []Previous
	Outlive   []Duration
}

// Build makes the plan: it validates the options, computes the interval and
// draws the order of trials from the seed, block by block. A comparison of arms
// or connect timeouts that an override has removed goes with them. Its errors
// are InputErrors.
func Build(o Options) (Plan, error) {
	if len(o.Arms) == 0 {
		named, err := Named(o.Name)
		if err != nil {
			return Plan{}, err
		}
		o.About, o.Arms, o.Primary, o.Secondary = named.About, named.Arms, named.Primary, named.Secondary
		if o.Margin == 0 {
			o.Margin = named.Margin
		}
	}
	if err := o.settle(); err != nil {
		return Plan{}, err
	}
	s := o.Settings
	if err := s.check(); err != nil {
		return Plan{}, err
	}
	if s.Interval == 0 {
		s.Interval = Duration(record.Interval(s.Pods, s.Peers, s.QPS))
	}
	p := Plan{V: PlanVersion, Run: o.Run, Name: o.Name, About: o.About, Seed: o.Seed, Blocks: o.Blocks, Arms: o.Arms, Settings: s,
		PodPatch: o.PodPatch, Primary: o.Primary, Secondary: o.Secondary}
	if err := p.change(o); err != nil {
		return Plan{}, err
	}
	if err := p.checkArms(); err != nil {
		return Plan{}, err
	}
	if p.Declares() {
		p.Margin = o.Margin
		if p.Margin == 0 {
			p.Margin = DefaultMargin
		}
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

// change applies the overrides to the arms. Contrasts whose arms or connect
// timeouts are gone go with them.
func (p *Plan) change(o Options) error {
	dealt := p.Settings.dealt()
	gone := func(c Contrast) bool {
		t := c.Outcome
		return o.overrides() && (!slices.Contains(p.Arms, c.Control) || !slices.Contains(p.Arms, c.With)) ||
			t.Of == Joined && (!slices.Contains(dealt, t.Timeout) || t.ControlTimeout != nil && !slices.Contains(dealt, *t.ControlTimeout))
	}
	var err error
	if o.overrides() {
		if p.Arms, err = o.override(p.Arms); err != nil {
			return err
		}
	}
	if p.Primary != nil && gone(*p.Primary) {
		p.Primary = nil
	}
	p.Secondary = slices.DeleteFunc(slices.Clone(p.Secondary), gone)
	if len(p.Secondary) == 0 {
		p.Secondary = nil
	}
	return nil
}

// settle turns lists of one level into settings.
func (o *Options) settle() error {
	if len(o.First) == 1 {
		o.Settings.FirstQueryAfter, o.First = o.First[0], nil
	}
	if len(o.Gaps) == 1 {
		if o.Settings.NoWait = o.Gaps[0] == NoWait; !o.Settings.NoWait {
			d, err := time.ParseDuration(string(o.Gaps[0]))
			if err != nil {
				return Inputf("--gap %q is not known; accepted: %s", string(o.Gaps[0]), gapsAccepted)
			}
			o.Settings.Gap = Duration(d)
		}
		o.Gaps = nil
	}
	return nil
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

// Replace returns the plan with each arm replaced by what with returns, or left
// out where it returns false: for a cluster on which not every arm can be had.
// Contrasts follow their arms, and go with them. It fails, with an InputError,
// where nothing is left, or not enough for the plan's primary contrast.
func (p Plan) Replace(with func(Arm) (Arm, bool)) (Plan, error) {
	old := p
	p.Arms, p.Primary, p.Secondary = nil, nil, nil
	for _, a := range old.Arms {
		if b, ok := with(a); ok && !slices.Contains(p.Arms, b) {
			p.Arms = append(p.Arms, b)
		}
	}
	if len(p.Arms) == 0 {
		return Plan{}, Inputf("plan %s: none of its arms can be had here", old.Name)
	}
	follow := func(c Contrast) (Contrast, bool) {
		same := c.Control == c.With
		a, haveA := with(c.Control)
		b, haveB := with(c.With)
		c.Control, c.With = a, b
		return c, haveA && haveB && (same || a != b)
	}
	if old.Primary != nil {
		if c, ok := follow(*old.Primary); ok {
			p.Primary = &c
		}
	}
	for _, c := range old.Secondary {
		if c, ok := follow(c); ok {
			p.Secondary = append(p.Secondary, c)
		}
	}
	if !p.Declares() {
		p.Margin = 0
	}
	if err := p.checkArms(); err != nil {
		return Plan{}, err
	}
	p.lay()
	return p, nil
}
