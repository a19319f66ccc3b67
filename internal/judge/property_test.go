package judge_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/judge/synth"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

// Whatever a trial holds, a verdict is consistent: intervals are intervals, no
// pair is later than the total, a connect comes after its name resolved, and
// the same records give the same verdict.
func TestInvariants(t *testing.T) {
	for seed := range uint64(300) {
		trial := random(rand.New(rand.NewPCG(seed, 1)))
		v := judge.Judge(trial)
		outcome := func(what string, o judge.Measurement) {
			if o.Known() && (o.Lo > o.Value || o.Clock < 0) {
				t.Fatalf("seed %d: %s: %+v", seed, what, o)
			}
			if !o.Known() && (o.Value != 0 || o.Censored) {
				t.Fatalf("seed %d: %s is lost and has a value: %+v", seed, what, o)
			}
		}
		for _, p := range v.Pairs {
			for _, o := range []judge.Timing{p.Resolved, p.Connected} {
				outcome("pair", o.Lag)
				outcome("pair", o.Since)
			}
			r, c := p.Resolved.Lag, p.Connected.Lag
			if r.Known() && c.Known() && !r.Censored && !c.Censored && c.Value < r.Value {
				t.Fatalf("seed %d: %d->%d reached %v before resolved %v", seed, p.Client, p.Peer, c.Value, r.Value)
			}
			if v.Resolved.Lag.Known() && r.Value > v.Resolved.Lag.Value {
				t.Fatalf("seed %d: pair later than the total", seed)
			}
			if p.Zero < 0 {
				t.Fatalf("seed %d: zero before the asker's start", seed)
			}
			addUp(t, fmt.Sprintf("seed %d", seed), p)
			if split := p.StageTimes != nil; split != (p.Connected.Since.Known() && p.Connected.Since.Value > 0) {
				t.Fatalf("seed %d: %d->%d reached %+v, shares %+v", seed, p.Client, p.Peer, p.Connected.Since, p.StageTimes)
			}
		}
		if len(v.Moments) != v.Pods {
			t.Fatalf("seed %d: moments of %d pods of %d", seed, len(v.Moments), v.Pods)
		}
		for _, m := range v.Moments {
			for _, o := range []judge.Measurement{m.Started, m.Ready, m.InSlice, m.OnServer} {
				outcome("moment", o)
			}
		}
		for _, o := range []judge.Timing{v.Resolved, v.Connected, v.OnServer} {
			outcome("total", o.Lag)
			outcome("total", o.Since)
		}
		if v.Resolved.Lag.Lost == "" && v.Resolved.Lag.Censored && v.Status == results.Complete {
			t.Fatalf("seed %d: censored and complete", seed)
		}
	}
}

// random makes a trial out of a few pods that say anything in any order.
func random(r *rand.Rand) *results.Trial {
	observers := []record.Observer{record.Solo, record.Peers, record.PeersServer}
	pods := 2 + r.IntN(3)
	b := synth.New("t001", plan.Arm{DNS: plan.ClusterDNS, Observer: observers[r.IntN(3)]}, pods)
	b.Prime(2*time.Second, 3)
	boots := []string{synth.Boot, "boot-b", "boot-c"}
	at := func(most int) time.Duration { return time.Duration(1+r.IntN(most)) * ms }
	for i := range pods {
		b.Starts(i, at(1000), boots[r.IntN(3)], at(10000)-5*time.Second)
	}
	for a := range pods {
		for range r.IntN(20) {
			peer := r.IntN(pods)
			first := at(30000)
			addr := [][]string{{synth.Addr(peer)}, {synth.Old(peer)}, {synth.Addr(0)}, nil}[r.IntN(4)]
			class := []record.Class{record.Address, record.NXDomain, record.NoData, record.Timeout}[r.IntN(4)]
			view := []record.View{record.Client, record.Uncached}[r.IntN(2)]
			b.Ask(a, peer, synth.Answer{View: view, Class: class, Addrs: addr, First: first, Prev: first - min(first, at(500)), Last: first + at(5000), Count: r.IntN(50), SOATTL: r.IntN(31), Top: r.IntN(31), AtTop: r.IntN(60), NoClose: r.IntN(9) == 0})
			if class == record.Address && len(addr) > 0 && addr[0] == synth.Addr(peer) && view == record.Client {
				b.Dial(a, peer, addr[0], first, at(3), record.Connected, 1, b.Who(peer, a, first))
			}
			if r.IntN(4) == 0 {
				b.Dial(a, peer, synth.Old(peer), first, at(2000), record.DialTimeout, r.IntN(3), nil)
			}
		}
		if r.IntN(5) > 0 {
			b.Done(a, 40*time.Second, []string{"complete", "deadline", "released", "error"}[r.IntN(4)])
		}
	}
	return b.End()
}
