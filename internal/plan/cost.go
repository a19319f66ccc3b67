package plan

import (
	"time"

	"headless-job-dns/internal/record"
	"headless-job-dns/internal/stats"
)

const (
	// cacheTTL is CoreDNS' `ttl 30` and `cache 30` in kubeadm's Corefile up to 1.31.
	cacheTTL = 30 * time.Second
	// kernelGivesUp is when Linux ends a connect that nobody answers:
	// 127 s with tcp_syn_retries=6, up to 134 s with tcp_syn_linear_timeouts.
	kernelGivesUp = 134 * time.Second
	// redial is the mean pause of libzmq between two attempts.
	redial = 150 * time.Millisecond
)

// What the estimate of a trial's duration is made of, from the trials in
// records/default: 2.2 s for a prompt trial of 5 pods, 9.3 s with a primer and
// its gap of 2 s. Only printed estimates and budgets depend on it; a slower
// cluster takes longer.
const (
	// lifeCost and podCost are the start and the deletion of a Job and of each
	// of its pods.
	lifeCost = 1400 * time.Millisecond
	podCost  = 170 * time.Millisecond
	// primeAnswer is how long after PrimeAt a primer ends.
	primeAnswer = 200 * time.Millisecond
	// deletion is how long a primer's pods take to be gone, while their
	// records grow older.
	deletion = 1200 * time.Millisecond
	// recordsThere is when, after a pod's start, the DNS servers have the
	// records: 0.1 to 0.5 s. Asked later, nothing is denied.
	recordsThere = time.Second
	// earlyShare is the share of solo trials in which a worker asks before the
	// record is there and is denied: 5 of 9 in records/default and extras, 4 of
	// 5 on the same cluster when its machine was busy. Where every pod asks for
	// every pod it happens always.
	earlyShare = 0.65
	// dnsStart is the start and the proof of a private DNS; several start side
	// by side, and each more delays the others by dnsMore.
	dnsStart = 10 * time.Second
	dnsMore  = 3 * time.Second
)

// What is known of how far apart the starts of a Job's pods lie. Deadlines
// count from each probe's own start: one that ends before the last pod starts
// censors what would have happened.
const (
	// together is how many pods start within a second or two of one another.
	together = 20
	// apartEach is what each further pod adds at most: a kubelet that has two
	// cores to itself starts some five pods a second, a busy one half of that.
	apartEach = 500 * time.Millisecond
)

// StartsApart returns how far apart the starts of so many pods may lie, beyond
// what every deadline allows for.
func StartsApart(pods int) time.Duration {
	return time.Duration(max(0, pods-together)) * apartEach
}

// Enough returns the deadline that leaves even the last of so many pods the
// time that the settings' deadline leaves each of a few.
func (s Settings) Enough(pods int) Duration {
	return s.Deadline + Duration(StartsApart(pods))
}

// caches returns for how long a configuration keeps addresses and denials. Of
// the cluster's own nothing is known beforehand; it is taken for the worst.
func (d DNS) caches() (addresses, denials time.Duration) {
	if d.Private() {
		return d.Facts().Kept()
	}
	return cacheTTL, cacheTTL
}

// stale returns for how long after an arm's first question the DNS still gives
// the addresses of its primer's pods; 0: it never does.
func (p Plan) stale(a Arm) time.Duration {
	if a.Names != Reused {
		return 0
	}
	addresses, _ := a.DNS.caches()
	return max(0, addresses-p.pause(a))
}

// pause is the time from the end of an arm's primer to the first new question.
// The gap ends with that question, also where it is asked late.
func (p Plan) pause(a Arm) time.Duration {
	gap, noWait := p.GapOf(a)
	if noWait {
		return p.FirstQuery(a)
	}
	return deletion + max(gap, p.FirstQuery(a))
}

// expected estimates a trial's duration.
func (p Plan) expected(t Trial) time.Duration {
	a := t.Arm
	if a.Previous == Ran {
		return p.expectedAfterRan(a)
	}
	if a.Observer == record.EmptyService {
		return p.expectedEmptyService(a)
	}
	wait := p.FirstQuery(a)
	_, denials := a.DNS.caches()
	switch stale := p.stale(a); {
	case stale > 0 && a.Observer == record.Solo:
		wait += p.joins(stale)
	case stale > 0:
		wait += stale
	case wait >= recordsThere:
	case a.Observer == record.Solo:
		wait += time.Duration(earlyShare * float64(denials))
	default:
		wait += denials
	}
	life := lifeCost + time.Duration(p.Settings.Pods)*podCost
	d := life + min(wait, time.Duration(t.Deadline))
	if a.Names == Reused {
		d += PrimeAt + primeAnswer + life - lifeCost + p.pause(a) - p.FirstQuery(a)
	}
	return d
}

// expectedAfterRan estimates the duration of a trial whose previous Job ran: both
// Jobs' starts, the run, the gap, and the longest connect to an old address.
func (p Plan) expectedAfterRan(a Arm) time.Duration {
	gap, _ := p.GapOf(a)
	wait := redial
	for _, t := range p.Settings.dealt() {
		wait = max(wait, time.Duration(t)+redial)
	}
	return 2*lifeCost + time.Duration(p.Settings.Pods)*podCost + p.RunLength() +
		max(gap, p.DeleteAfterOf(a)+deletion) + recordsThere + wait
}

// expectedEmptyService estimates the duration of a trial in which a pod goes and
// its Service stays: 20 s where its record goes at once, for 10 of which nothing
// more is answered; longer by what a cache keeps it.
func (p Plan) expectedEmptyService(a Arm) time.Duration {
	const atOnce = 20 * time.Second
	if a.DNS.Facts().KeepsLast {
		return atOnce/2 + 2*time.Duration(p.Settings.Deadline)
	}
	addresses, _ := a.DNS.caches()
	return atOnce + min(addresses, time.Duration(p.Settings.Deadline))
}

// joins is when the last solo worker joins where an address stays stale for so
// long: each dials it until its connect timeout ends, and again.
func (p Plan) joins(stale time.Duration) time.Duration {
	var last time.Duration
	for _, t := range p.Settings.dealt() {
		each := kernelGivesUp
		if t > 0 {
			each = time.Duration(t) + redial
		}
		last = max(last, (stale+each-1)/each*each)
	}
	return last
}

// dealt returns the connect timeouts that the workers use.
func (s Settings) dealt() Timeouts {
	return s.ConnectTimeouts[:min(len(s.ConnectTimeouts), max(0, s.Pods-1))]
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
		every := max(1, int(p.Settings.Interval))
		budget = (record.PerTick(p.Settings.Pods, p.Settings.Peers)*int(time.Second) + every - 1) / every
	}
	return budget, solo
}

// Expected returns how long the plan is going to take.
func (p Plan) Expected() time.Duration {
	d := p.setup()
	for _, t := range p.Trials {
		d += time.Duration(t.Expected)
	}
	return d
}

func (p Plan) setup() time.Duration {
	n := len(p.PrivateDNS())
	if n == 0 {
		return 0
	}
	return dnsStart + time.Duration(n-1)*dnsMore
}

// Declares tells whether the plan states beforehand what it tests.
func (p Plan) Declares() bool { return p.Primary != nil || len(p.Secondary) > 0 }

// tests counts the secondary contrasts that are corrected for being several.
// One of an arm with itself checks the procedure and stands alone.
func (p Plan) tests() int {
	n := 0
	for _, c := range p.Secondary {
		if !c.Check() {
			n++
		}
	}
	return n
}

// SmallestP returns the smallest two-sided p that the plan's blocks can give
// its primary contrast, and its secondary ones after Holm. 1: there is none.
func (p Plan) SmallestP() (primary, secondary float64) {
	primary, secondary = 1, 1
	if p.Primary != nil {
		primary = stats.SmallestP(p.Blocks, 1)
	}
	if n := p.tests(); n > 0 {
		secondary = stats.SmallestP(p.Blocks, n)
	}
	return primary, secondary
}

// MinBlocks is how many blocks a plan needs to show anything at p < 0.05: all
// six differences of one sign have 2 chances in 64.
const MinBlocks = 6

// reaches refuses a plan that cannot reach p < 0.05 on its primary contrast.
func (p Plan) reaches() error {
	if least, _ := p.SmallestP(); p.Primary != nil && least >= stats.Alpha {
		return Inputf("--blocks %d cannot show anything: the smallest p of the primary contrast would be %.2g; "+
			"accepted: %d or more for plan %s, or a plan that declares none, such as quick",
			p.Blocks, least, MinBlocks, p.Name)
	}
	return nil
}
