package experiment

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"headless-job-dns/internal/record"
)

// PlanVersion is the schema version of plan.json.
const PlanVersion = 1

const (
	// minInterval bounds the resolution for small jobs: below it a busy node
	// delays the probe's own timers by more than the interval.
	minInterval = 20 * time.Millisecond
	// cacheTTL is CoreDNS' `ttl 30` and `cache 30` in kubeadm's Corefile; what
	// is cached costs a trial at most this much.
	cacheTTL = 30 * time.Second
	// kernelGivesUp is when Linux ends a connect that nobody answers:
	// 127 s with tcp_syn_retries=6, up to 134 s with tcp_syn_linear_timeouts.
	kernelGivesUp = 134 * time.Second
	// overhead is what a trial costs beside its lag: two deletions' worth of
	// kubelet and a pod start. Only the printed estimate depends on it.
	overhead = 4 * time.Second
	// primerCost is a primer run: pod start, PrimeAt, deletion.
	primerCost = 7 * time.Second
	// DNSCost is the start and the proof of one private CoreDNS.
	DNSCost = 10 * time.Second
)

// PrimeAt is when, after its process start, a primer asks: late enough for
// every record to be there (the records of slow pods would otherwise be cached
// as denials), early enough to leave most of the TTL for the measured run.
const PrimeAt = 3 * time.Second

// primeDeadline leaves a primer a second for its answers.
const primeDeadline = PrimeAt + time.Second

// MaxPods is what a probe accepts. At that size a question for every peer
// takes 17 minutes within the default budget.
const MaxPods = 1000

// InputError is a mistake in what the user asked for. Nothing was created.
type InputError struct{ Err error }

func (e *InputError) Error() string { return e.Err.Error() }
func (e *InputError) Unwrap() error { return e.Err }

// Inputf makes an InputError.
func Inputf(format string, a ...any) error { return &InputError{fmt.Errorf(format, a...)} }

// Options are what a user may ask for. Empty lists take the named plan's.
type Options struct {
	Name      string // quick, default, extras
	Run       string // run id
	Seed      uint64
	Blocks    int
	DNS       []DNS
	Names     []Names
	Extras    []Extra
	Observers []record.Observer
	Settings  Settings // Interval is computed
}

// Defaults returns the settings that need no thought.
func Defaults() Settings {
	return Settings{
		// One leader and four workers: none, 30 s (what the original called
		// "no timeout set"), 5 s (the operator's default since) and 1 s.
		Pods:            5,
		ConnectTimeouts: []Duration{0, Duration(30 * time.Second), Duration(5 * time.Second), Duration(time.Second)},
		QPS:             1000,
		Gap:             Duration(2 * time.Second),
		// Above cacheTTL plus a dial and its pause, so that what a cache did
		// is over by then.
		Deadline: Duration(40 * time.Second),
		// Above kernelGivesUp.
		Follow: Duration(150 * time.Second),
	}
}

// Summaries are the named plans, as --help lists them.
var Summaries = []struct{ Name, Text string }{
	{"quick", "none, service; fresh names; both private DNS (under 3 minutes)"},
	{"default", "none, service, member-pod; fresh and reused names; both private DNS (10 minutes)"},
	{"extras", "all six extras; fresh names; kubeadm-1.31; solo (4 minutes)"},
}

// named returns the arms of a named plan in their canonical order.
func named(o Options) ([]Arm, error) {
	or := func(have, def []Extra) []Extra {
		if len(have) > 0 {
			return have
		}
		return def
	}
	both := []DNS{Kubeadm131, Kubeadm132}
	var dns []DNS
	var names []Names
	var extras []Extra
	observers := o.Observers
	switch o.Name {
	case "quick":
		dns, names, extras = both, []Names{Fresh}, []Extra{ExtraNone, ExtraService}
	case "default":
		dns, names, extras = both, AllNames, []Extra{ExtraNone, ExtraService, ExtraMemberPod}
	case "extras":
		dns, names, extras = []DNS{Kubeadm131}, []Names{Fresh}, Extras
		if len(observers) == 0 {
			observers = []record.Observer{record.Solo}
		}
	default:
		return nil, Inputf("--plan %q is not known; accepted: quick, default, extras", o.Name)
	}
	if len(o.DNS) > 0 {
		dns = o.DNS
	}
	if len(o.Names) > 0 {
		names = o.Names
	}
	extras = or(o.Extras, extras)
	var arms []Arm
	for _, d := range dns {
		for _, n := range names {
			for _, e := range extras {
				for _, ob := range observersOf(observers, n) {
					arms = append(arms, Arm{DNS: d, Names: n, Extra: e, Observer: ob})
				}
			}
		}
	}
	return arms, nil
}

// observersOf gives each arm its headline (solo) and, for fresh names, the
// time at which the DNS servers had the records. Reused names are about what
// solo's client did with a stale record: a second observer would double the
// longest trials to learn little. Asking for observers overrides this.
func observersOf(asked []record.Observer, n Names) []record.Observer {
	switch {
	case len(asked) > 0:
		return asked
	case n == Reused:
		return []record.Observer{record.Solo}
	}
	return []record.Observer{record.PeersServer, record.Solo}
}

// Build makes the plan: it validates the options, computes the interval and
// draws the order of trials from the seed, block by block.
func Build(o Options) (Plan, error) {
	s := o.Settings
	switch {
	case s.Pods < 2:
		return Plan{}, Inputf("--pods %d is too few: a job needs at least 2 pods, one that asks and one that is asked for", s.Pods)
	case s.Pods > MaxPods:
		return Plan{}, Inputf("--pods %d is too many: accepted: 2 to %d, for every pod asks for every pod", s.Pods, MaxPods)
	case o.Blocks < 1:
		return Plan{}, Inputf("--blocks %d is not positive: a plan needs at least 1", o.Blocks)
	case s.QPS < 1:
		return Plan{}, Inputf("--qps %d is not positive: the budget is in questions per second over all pods, e.g. 1000", s.QPS)
	case s.Gap <= 0:
		return Plan{}, Inputf("--gap %s is not positive; accepted: a duration such as 2s (or --no-wait)", time.Duration(s.Gap))
	case s.Interval != 0 && s.Interval < Duration(time.Millisecond):
		return Plan{}, Inputf("--interval %s is too short; accepted: 1ms or more, e.g. 50ms", time.Duration(s.Interval))
	case s.Deadline <= 0:
		return Plan{}, Inputf("--deadline %s is not positive; accepted: a duration such as 40s", time.Duration(s.Deadline))
	case s.Follow <= 0:
		return Plan{}, Inputf("--follow %s is not positive; accepted: a duration such as 150s", time.Duration(s.Follow))
	case s.FirstQueryAfter < 0:
		return Plan{}, Inputf("--first-query-after %s is negative; accepted: 0s or a duration such as 5s", time.Duration(s.FirstQueryAfter))
	case s.FirstQueryAfter >= s.Deadline:
		return Plan{}, Inputf("--first-query-after %s is not before the deadline; accepted: less than --deadline %s", time.Duration(s.FirstQueryAfter), time.Duration(s.Deadline))
	case len(s.ConnectTimeouts) == 0:
		return Plan{}, Inputf("--connect-timeouts is empty; accepted: a list such as none,30s,5s,1s")
	}
	for _, t := range s.ConnectTimeouts {
		if t < 0 {
			return Plan{}, Inputf("--connect-timeouts holds %s; accepted: none and positive durations", time.Duration(t))
		}
	}
	arms, err := named(o)
	if err != nil {
		return Plan{}, err
	}
	if s.Interval == 0 {
		s.Interval = Interval(s.Pods, s.QPS)
	}
	asks := func(a Arm) bool { return a.Observer != record.Solo }
	reused := func(a Arm) bool { return a.Names == Reused }
	switch {
	case slices.ContainsFunc(arms, asks) && s.Interval >= s.Deadline:
		return Plan{}, Inputf("%d pods within --qps %d questions a second leave %s between two questions, which is not shorter than --deadline %s; accepted: fewer pods, more questions or a later deadline", s.Pods, s.QPS, time.Duration(s.Interval), time.Duration(s.Deadline))
	case slices.ContainsFunc(arms, reused) && time.Duration(s.Deadline) < primeDeadline:
		return Plan{}, Inputf("--deadline %s is too short for reused names: their primer asks after %s; accepted: %s or more", time.Duration(s.Deadline), PrimeAt, primeDeadline)
	}
	p := Plan{V: PlanVersion, Run: o.Run, Name: o.Name, Seed: o.Seed, Blocks: o.Blocks, Arms: arms, Settings: s}
	rng := rand.New(rand.NewPCG(o.Seed, 0))
	follow := followed(arms)
	for b := 1; b <= o.Blocks; b++ {
		order := slices.Clone(arms)
		rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, a := range order {
			p.Trials = append(p.Trials, p.trial(len(p.Trials)+1, b, a, b == 1 && follow != nil && a == *follow))
		}
	}
	return p, nil
}

// followed picks the arm whose worker without a connect timeout is followed to
// the end: the one where the original report's 140 s are expected, or failing
// that the first in which a stale address can be dialled at all.
func followed(arms []Arm) *Arm {
	var first *Arm
	for i, a := range arms {
		if a.Names != Reused || a.Observer != record.Solo || a.DNS == Kubeadm132 {
			continue
		}
		if a.DNS == Kubeadm131 && a.Extra == ExtraNone {
			return &arms[i]
		}
		if first == nil {
			first = &arms[i]
		}
	}
	return first
}

func (p Plan) trial(seq, block int, a Arm, follow bool) Trial {
	id := fmt.Sprintf("t%03d", seq)
	t := Trial{
		ID: id, Seq: seq, Block: block, Arm: a,
		// Names carry the run's id: names of an earlier run in the same
		// namespace would not be fresh.
		Job:      "lag-" + p.Run + "-" + id,
		Service:  "svc-" + p.Run + "-" + id,
		Deadline: p.Settings.Deadline,
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

// expected estimates a trial's duration for the printed plan and the ETA.
func (p Plan) expected(t Trial) time.Duration {
	d := overhead
	cut := func(x time.Duration) time.Duration { return min(x, time.Duration(t.Deadline)) }
	switch {
	case t.Arm.DNS == Kubeadm132:
	case t.Arm.Names == Fresh:
		d += cut(cacheTTL)
	case t.Arm.Observer == record.Solo && slices.Contains(p.Settings.ConnectTimeouts, 0):
		d += cut(kernelGivesUp)
	default:
		d += cut(cacheTTL)
	}
	if t.Arm.Names == Reused {
		d += primerCost + time.Duration(p.Settings.Gap)
	}
	return d + time.Duration(p.Settings.FirstQueryAfter)
}

// perTick counts the questions that one replica gets per interval at most:
// every pod asks for every pod, all through one replica in the worst case, and
// two lookers a name ask each replica directly.
func perTick(pods int) int { return pods*pods + 2*pods }

// Interval returns the time between two questions of one stream that keeps
// every replica within qps questions a second, rounded up to milliseconds.
func Interval(pods, qps int) Duration {
	d := time.Duration(perTick(pods)) * time.Second / time.Duration(qps)
	d = (d + time.Millisecond - 1).Truncate(time.Millisecond)
	return Duration(max(d, minInterval))
}

// soloBurst is what a solo worker asks at most: libzmq tries again after 100 ms
// at the earliest, and a name that is denied is asked for as it is and in each
// of the three search domains that the kubelet writes.
const soloBurst = 4 * int(time.Second/(100*time.Millisecond))

// Load returns the questions a second that one DNS replica gets at most, each
// pod's first ones aside: from the arms that keep to the budget, and from solo
// workers, which ask as often as the original's did. 0: there is no such arm.
func (p Plan) Load() (budget, solo int) {
	for _, a := range p.Arms {
		if a.Observer == record.Solo {
			solo = (p.Settings.Pods - 1) * soloBurst
			continue
		}
		// Rounded up: a question every ten seconds is not none.
		every := int(p.Settings.Interval)
		budget = (perTick(p.Settings.Pods)*int(time.Second) + every - 1) / every
	}
	return budget, solo
}

// Expected returns how long the plan is going to take.
func (p Plan) Expected() time.Duration {
	var d time.Duration
	for _, t := range p.Trials {
		d += time.Duration(t.Expected)
	}
	return d + time.Duration(len(p.PrivateDNS()))*DNSCost
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

// Describe says what is going to happen, before anything is created.
func (p Plan) Describe() string {
	var b strings.Builder
	s := p.Settings
	fmt.Fprintf(&b, "plan %s: %d trials in %d block(s), about %s; seed %d\n",
		p.Name, len(p.Trials), p.Blocks, p.Expected().Round(time.Second), p.Seed)
	fmt.Fprintf(&b, "  %d pods a trial", s.Pods)
	budget, solo := p.Load()
	if budget > 0 {
		fmt.Fprintf(&b, "; resolution (interval between questions) %s; at most %d questions a second per DNS replica, twice that where pods have IPv6", time.Duration(s.Interval), budget)
	}
	if solo > 0 {
		fmt.Fprintf(&b, "; solo: as the original's workers, at most %d", solo)
	}
	b.WriteString("\n")
	if unused := len(s.ConnectTimeouts) - (s.Pods - 1); solo > 0 && unused > 0 {
		fmt.Fprintf(&b, "  connect timeouts %s go unused: %d workers take one each\n", FormatTimeouts(s.ConnectTimeouts[s.Pods-1:]), s.Pods-1)
	}
	if budget > 0 && s.Interval > Duration(time.Second) {
		fmt.Fprintf(&b, "  warning: the resolution is coarser than 1 s; fewer --pods or more --qps make it finer\n")
	}
	fmt.Fprintf(&b, "  arms (dns/names/extra/observer):\n")
	for _, a := range p.Arms {
		fmt.Fprintf(&b, "    %s\n", a)
	}
	return b.String()
}
