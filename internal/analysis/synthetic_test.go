package analysis

import (
	"fmt"
	"testing"
	"time"

	"headless-job-dns/internal/experiment"
	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/result"
)

const (
	sec    = time.Second
	ms     = time.Millisecond
	margin = experiment.Duration(250 * ms)
)

var (
	five   = experiment.Duration(5 * sec)
	thirty = experiment.Duration(30 * sec)
	none   = arm(experiment.ExtraNone)
	member = arm(experiment.ExtraMemberPod)
	again  = func() experiment.Arm { a := none; a.Copy = 2; return a }()
	join5  = experiment.Outcome{Of: experiment.Joined, Timeout: five}
)

func arm(e experiment.Extra) experiment.Arm {
	return experiment.Arm{DNS: experiment.Kubeadm131, Names: experiment.Reused, Extra: e, Observer: record.Solo}
}

// planOf is a plan of blocks with every arm in the order given, whose primary
// contrast is the second arm against the first.
func planOf(blocks int, arms ...experiment.Arm) experiment.Plan {
	p := experiment.Plan{Name: "test", Run: "r1", Seed: 1, Blocks: blocks, Arms: arms, Margin: margin,
		Settings: experiment.Settings{Pods: 4, Deadline: experiment.Duration(40 * sec)}}
	for b := 1; b <= blocks; b++ {
		for _, a := range arms {
			n := len(p.Trials) + 1
			p.Trials = append(p.Trials, experiment.Trial{ID: fmt.Sprintf("t%03d", n), Seq: n, Block: b, Arm: a, Deadline: p.Settings.Deadline})
		}
	}
	if len(arms) > 1 {
		p.Primary = &experiment.Contrast{Name: "second against first", Control: arms[0], With: arms[1], Outcome: join5}
	}
	return p
}

// at is an outcome known to 10 ms.
func at(d time.Duration) judge.Outcome { return judge.Outcome{Value: d, Lo: max(0, d-10*ms)} }

// beyond is a censored outcome.
func beyond(d time.Duration) judge.Outcome { return judge.Outcome{Value: d, Lo: d, Censored: true} }

func lost(why string) judge.Outcome { return judge.Outcome{Lost: why} }

// worker is one worker of a synthetic trial.
type worker struct {
	timeout experiment.Duration
	joined  judge.Outcome
	zero    time.Duration // from its start to when both existed
}

// solo is the verdict on a solo trial: both resolved and connected when the last
// worker had joined, as far as anybody looks here.
func solo(t experiment.Trial, workers ...worker) *judge.Verdict {
	v := &judge.Verdict{Trial: t, Status: result.Complete, Pods: len(workers) + 1}
	v.OnServer.Lag = lost(judge.NotAsked)
	for i, w := range workers {
		joined := judge.Timing{Lag: w.joined, Since: w.joined}
		v.Workers = append(v.Workers, judge.Worker{Index: i + 1, Timeout: time.Duration(w.timeout), Joined: joined})
		v.Pairs = append(v.Pairs, judge.Pair{Asker: i + 1, Asked: 0, Zero: w.zero, Resolved: joined, Reached: joined, Timeout: time.Duration(w.timeout)})
		if w.joined.Censored {
			v.Status = result.Censored
		}
		if i == 0 || w.joined.Value > v.Connected.Lag.Value {
			v.Resolved, v.Connected = joined, joined
		}
	}
	return v
}

// joins is a solo trial with one worker, of 5 s.
func joins(t experiment.Trial, o judge.Outcome) *judge.Verdict { return solo(t, worker{five, o, 0}) }

// filled is the analysis of a plan in which every trial's 5 s worker joined as
// the function says; nil leaves a trial out.
func filled(p experiment.Plan, of func(experiment.Trial) *judge.Verdict) *Analysis {
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
