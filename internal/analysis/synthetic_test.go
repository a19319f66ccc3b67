package analysis

import (
	"fmt"
	"testing"
	"time"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

const (
	sec    = time.Second
	ms     = time.Millisecond
	margin = plan.Duration(250 * ms)
)

var (
	five   = plan.Duration(5 * sec)
	thirty = plan.Duration(30 * sec)
	none   = arm(plan.ExtraNone)
	member = arm(plan.ExtraMemberPod)
	again  = func() plan.Arm { a := none; a.Copy = 2; return a }()
	join5  = plan.Outcome{Of: plan.Joined, Timeout: five}
)

func arm(e plan.Extra) plan.Arm {
	return plan.Arm{DNS: plan.Cache30, Names: plan.Reused, Extra: e, Observer: record.Solo}
}

// planOf is a plan of blocks with every arm in the order given, whose primary
// contrast is the second arm against the first.
func planOf(blocks int, arms ...plan.Arm) plan.Plan {
	p := plan.Plan{Name: "test", Run: "r1", Seed: 1, Blocks: blocks, Arms: arms, Margin: margin,
		Settings: plan.Settings{Pods: 4, Deadline: plan.Duration(40 * sec)}}
	for b := 1; b <= blocks; b++ {
		for _, a := range arms {
			n := len(p.Trials) + 1
			p.Trials = append(p.Trials, plan.Trial{ID: fmt.Sprintf("t%03d", n), Seq: n, Block: b, Arm: a, Deadline: p.Settings.Deadline})
		}
	}
	if len(arms) > 1 {
		p.Primary = &plan.Contrast{Name: "second against first", Control: arms[0], With: arms[1], Outcome: join5}
	}
	return p
}

// at is an outcome known to 10 ms.
func at(d time.Duration) judge.Measurement { return judge.Measurement{Value: d, Lo: max(0, d-10*ms)} }

// beyond is a censored outcome.
func beyond(d time.Duration) judge.Measurement {
	return judge.Measurement{Value: d, Lo: d, Censored: true}
}

func lost(why string) judge.Measurement { return judge.Measurement{Lost: why} }

// worker is one worker of a synthetic trial.
type worker struct {
	timeout plan.Duration
	joined  judge.Measurement
	zero    time.Duration // from its start to when both existed
}

// solo is the verdict on a solo trial: both resolved and connected when the last
// worker had joined, as far as anybody looks here.
func solo(t plan.Trial, workers ...worker) *judge.Verdict {
	v := &judge.Verdict{Trial: t, Status: results.Complete, Pods: len(workers) + 1}
	v.OnServer.Lag = lost(judge.NotObserved)
	for i, w := range workers {
		joined := judge.Timing{Lag: w.joined, Since: w.joined}
		v.Workers = append(v.Workers, judge.Worker{Index: i + 1, Timeout: time.Duration(w.timeout), Joined: joined})
		v.Pairs = append(v.Pairs, judge.Pair{Client: i + 1, Peer: 0, Zero: w.zero, Resolved: joined, Connected: joined, Timeout: time.Duration(w.timeout)})
		if w.joined.Censored {
			v.Status = results.Censored
		}
		if i == 0 || w.joined.Value > v.Connected.Lag.Value {
			v.Resolved, v.Connected = joined, joined
		}
	}
	return v
}

// joins is a solo trial with one worker, of 5 s.
func joins(t plan.Trial, o judge.Measurement) *judge.Verdict { return solo(t, worker{five, o, 0}) }

// filled is the analysis of a plan in which every trial's 5 s worker joined as
// the function says; nil leaves a trial out.
func filled(p plan.Plan, of func(plan.Trial) *judge.Verdict) *Analysis {
	a := New(p)
	for _, t := range p.Trials {
		if v := of(t); v != nil {
			a.Add(v)
		}
	}
	return a
}

func only(t *testing.T, a *Analysis) Finding {
	t.Helper()
	f := a.Findings()
	if len(f) != 1 {
		t.Fatalf("got %d findings; want 1", len(f))
	}
	return f[0]
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(sec)) }
