package hypothesis

import (
	"fmt"
	"time"

	"headless-job-dns/internal/analysis"
	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

const (
	ms = time.Millisecond
	s  = time.Second
)

// world is a run in the making.
type world struct {
	plan     plan.Plan
	env      environment.Environment
	verdicts []*judge.Verdict
	findings []analysis.Finding
}

func newWorld() *world {
	w := &world{plan: plan.Plan{
		Seed: 7, Blocks: 1, Margin: plan.Duration(250 * ms),
		Settings: plan.Settings{Pods: 3, Gap: plan.Duration(2 * s), Deadline: plan.Duration(40 * s), ConnectTimeouts: []plan.Duration{0, plan.Duration(5 * s)}},
	}}
	w.env.Caching = map[plan.DNS]environment.CachingFacts{}
	two := []environment.ServerCaching{{Server: "10.96.0.10:53", Resolver: true}, {Server: "10.244.0.20:53"}, {Server: "10.244.0.21:53"}}
	for d, keeps := range map[plan.DNS][2]bool{
		plan.Cache30: {true, true}, plan.Uncached: {}, plan.NoDenialCache: {true, false},
		plan.NoSuccessCache: {false, true}, plan.NodeLocalUncached: {true, true}, plan.KubeDNS: {true, false},
	} {
		w.env.Caching[d] = environment.CachingFacts{Positive: keeps[0], Negative: keeps[1], Servers: two}
	}
	return w
}

// solo is an arm with what everybody has.
func solo(d plan.DNS, n plan.Names, e plan.Extra) plan.Arm {
	return plan.Arm{DNS: d, Names: n, Extra: e, Observer: record.Solo}
}

var (
	reused131 = solo(plan.Cache30, plan.Reused, plan.ExtraNone)
	fresh131  = solo(plan.Cache30, plan.Fresh, plan.ExtraNone)
	reused132 = solo(plan.Uncached, plan.Reused, plan.ExtraNone)
	fresh132  = solo(plan.Uncached, plan.Fresh, plan.ExtraNone)
)

func with(a plan.Arm, e plan.Extra) plan.Arm { a.Extra = e; return a }

// pair is what one worker met.
type pair struct {
	wait     time.Duration // after its first question was due
	censored bool
	unsplit  bool
	parts    map[judge.Stage]time.Duration // of the wait
	unasked  time.Duration                 // before it
	primer   int                           // answers with the previous run's address
	earlier  int                           // answers with that of some other trial
	denied   int
	proven   int
	silent   int // time-outs of connects to the right address
	timedOut int // of others
	servers  []judge.Replica
	timeout  time.Duration
}

// prompt is a worker that nothing delayed.
var prompt = pair{wait: 50 * ms, parts: map[judge.Stage]time.Duration{judge.StagePolling: 40 * ms, judge.StageConnect: 10 * ms}}

func at(d time.Duration, censored bool) judge.Measurement {
	return judge.Measurement{Value: d, Lo: d, Censored: censored}
}

// add makes the next trial of the plan and its verdict.
func (w *world) add(block int, a plan.Arm, pairs ...pair) *judge.Verdict {
	seq := len(w.plan.Trials) + 1
	t := plan.Trial{ID: fmt.Sprintf("t%03d", seq), Seq: seq, Block: block, Arm: a, Deadline: w.plan.Settings.Deadline}
	w.plan.Trials = append(w.plan.Trials, t)
	w.plan.Blocks = max(w.plan.Blocks, block)
	planned := false
	for _, b := range w.plan.Arms {
		planned = planned || a == b
	}
	if !planned {
		w.plan.Arms = append(w.plan.Arms, a)
	}
	v := &judge.Verdict{Trial: t, Status: results.Complete, Pods: len(pairs) + 1}
	var last judge.Measurement
	for i, p := range pairs {
		lag := at(p.wait+p.unasked, p.censored)
		o := judge.Pair{Client: i + 1, Connected: judge.Timing{Lag: lag, Since: at(lag.Value+s, p.censored)}, Servers: p.servers, Timeout: p.timeout}
		if !p.unsplit {
			rest := p.wait
			o.StageTimes = append(o.StageTimes, judge.StageTime{Stage: judge.StageCreate, Took: s}, judge.StageTime{Stage: judge.StageUnasked, Took: p.unasked})
			for part, took := range p.parts {
				o.StageTimes = append(o.StageTimes, judge.StageTime{Stage: part, Took: took})
				rest -= took
			}
			o.StageTimes = append(o.StageTimes, judge.StageTime{Stage: judge.StagePolling, Took: rest})
		}
		o.Counts = judge.Counts{ProvenCached: p.proven, Undecided: p.denied - p.proven, DialTimeouts: p.timedOut + p.silent, SilentRight: p.silent}
		if p.primer > 0 {
			o.Counts.Stale = append(o.Counts.Stale, judge.Stale{Owner: judge.Owner{Kind: judge.Primer}, Count: p.primer})
		}
		if p.earlier > 0 {
			o.Counts.Stale = append(o.Counts.Stale, judge.Stale{Owner: judge.Owner{Kind: judge.Earlier, Index: -1}, Count: p.earlier})
		}
		v.Counts.Add(o.Counts)
		v.Pairs = append(v.Pairs, o)
		if a.Observer == record.Solo {
			v.Workers = append(v.Workers, judge.Worker{Index: i + 1, Timeout: p.timeout, Joined: o.Connected, Counts: o.Counts})
		}
		last = at(max(last.Value, lag.Value), last.Censored || p.censored)
		if p.censored {
			v.Status = results.Censored
		}
	}
	v.Connected.Lag, v.Resolved.Lag = last, last
	v.OnServer.Lag = judge.Measurement{Lost: judge.NotObserved}
	for i := range v.Pods {
		v.Moments = append(v.Moments, judge.PodMoments{Index: i, Started: at(300*ms, false), Ready: at(700*ms, false), InSlice: at(750*ms, false)})
	}
	w.verdicts = append(w.verdicts, v)
	return v
}

// decisions runs the decisions, decide by id.
func (w *world) decisions() []Decision {
	in := New(w.plan, &w.env)
	in.Findings = w.findings
	for _, v := range w.verdicts {
		in.Add(v)
	}
	return in.Decisions()
}

func (w *world) decide() map[string]Decision {
	out := map[string]Decision{}
	for _, d := range w.decisions() {
		out[d.ID] = d
	}
	return out
}

// remaining is what the previous run left.
func remaining(v *judge.Verdict, seconds float64) {
	v.Left = append(v.Left, judge.Left{Server: "10.244.0.20:53", View: record.Direct, Class: record.Address, Shortest: seconds, Longest: seconds})
}

func gap(v *judge.Verdict, d time.Duration) { v.Gap = &d }

// entered sets how long after its Ready index 0 was in an EndpointSlice, and
// reported how long after its process' start it was Ready.
func entered(v *judge.Verdict, d time.Duration) {
	v.Moments[0].InSlice = at(v.Moments[0].Ready.Value+d, false)
}

func reported(v *judge.Verdict, d time.Duration) {
	v.Moments[0].Ready = at(v.Moments[0].Started.Value+d, false)
	v.Moments[0].InSlice = at(v.Moments[0].Ready.Value+50*ms, false)
}

// waited is a worker whose wait went to one part.
func waited(d time.Duration, part judge.Stage) pair {
	return pair{wait: d, parts: map[judge.Stage]time.Duration{part: d - 20*ms}}
}

// dialled is one that was given the previous pod's address.
func dialled(d time.Duration, answers int) pair {
	p := waited(d, judge.StageStale)
	p.primer, p.timedOut = answers, answers
	return p
}

// denied is one that was told that the name does not exist.
func denied(d time.Duration, proven int) pair {
	p := waited(d, judge.StageDenial)
	p.denied, p.proven = proven+1, proven
	return p
}
