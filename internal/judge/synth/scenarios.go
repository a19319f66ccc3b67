package synth

import (
	"time"

	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

const ms = time.Millisecond

// replicas are the DNS servers that are asked directly.
var replicas = []string{"10.244.0.20:53", "10.244.0.21:53"}

// Peers makes a peers+server trial with fresh names: the DNS servers have
// every name serverAt after the client's start, the client's view is right at
// clientAt and was denied before, all but the first of the denials from a
// cache when cached is set. Each name has two lookers.
func Peers(id string, dns plan.DNS, extra plan.Extra, pods int, serverAt, clientAt time.Duration, cached bool) *Trial {
	t := New(id, plan.Arm{DNS: dns, Names: plan.Fresh, Extra: extra, Observer: record.PeersServer}, pods)
	const every = 50 * ms
	for a := range pods {
		for b := range pods {
			d := Answer{Class: record.NXDomain, First: 2 * ms, Last: clientAt - every, Count: int((clientAt - every) / every),
				SOATTL: 30, Top: 30}
			d.AtTop = d.Count
			if cached {
				d.AtTop = 1
			}
			t.Ask(a, b, d)
			t.Ask(a, b, Answer{Class: record.Address, Addrs: []string{Addr(b)}, First: clientAt, Prev: clientAt - every})
			if a != b {
				t.Dial(a, b, Addr(b), clientAt+ms, ms, record.Connected, 1, t.Who(b, a, clientAt+ms))
			}
			if a != b && (b == (a+1)%pods || b == (a+2)%pods) {
				for i, r := range replicas {
					at := serverAt + time.Duration(i)*10*ms
					t.Ask(a, b, Answer{View: record.Uncached, Server: r, Class: record.NXDomain, First: 2 * ms, SOATTL: 30})
					t.Ask(a, b, Answer{View: record.Uncached, Server: r, Class: record.NoData, First: at, Prev: at - every,
						SOATTL: 30})
				}
			}
		}
		t.Done(a, clientAt+10*ms, "complete")
	}
	return t
}

// Worker is what one worker of a solo trial meets: stale answers whose dials
// each run to the timeout, then the right address.
type Worker struct {
	Timeout time.Duration // 0: none
	Stale   int           // dials to the primer's address
	Silence time.Duration // how long each of them took
	Joined  time.Duration // 0: it never did
}

// Solo makes a solo trial with reused names.
func Solo(id string, dns plan.DNS, extra plan.Extra, workers ...Worker) *Trial {
	t := New(id, plan.Arm{DNS: dns, Names: plan.Reused, Extra: extra, Observer: record.Solo}, len(workers)+1)
	t.Prime(2*time.Second, 22.4)
	t.Done(0, ms, "complete")
	for k, w := range workers {
		i := k + 1
		t.Start(i).ConnectTimeout = int64(w.Timeout)
		asked := 2 * ms
		if w.Stale > 0 {
			t.Ask(i, 0, Answer{Class: record.Address, Addrs: []string{Old(0)}, First: asked,
				Last: asked + time.Duration(w.Stale-1)*(w.Silence+150*ms), Count: w.Stale})
			outcome, n := record.DialTimeout, w.Stale
			if w.Joined == 0 { // the last one was under way at the deadline
				if n > 1 {
					t.Dial(i, 0, Old(0), asked, w.Silence, outcome, n-1, nil)
				}
				outcome, n = record.DialCut, 1
			}
			t.Dial(i, 0, Old(0), asked, w.Silence, outcome, n, nil)
		}
		if w.Joined == 0 {
			t.Done(i, time.Duration(t.Plan.Deadline), "deadline")
			t.Status, t.Reason = results.Censored, "deadline reached in pod index "+string(rune('0'+i))
			continue
		}
		prev := time.Duration(0)
		if w.Stale > 0 {
			prev = asked
		}
		t.Ask(i, 0, Answer{Class: record.Address, Addrs: []string{Addr(0)}, First: w.Joined - 2*ms, Prev: prev})
		t.Dial(i, 0, Addr(0), w.Joined-ms, ms, record.Connected, 1, t.Who(0, i, w.Joined-ms))
		t.Done(i, w.Joined+ms, "complete")
	}
	return t
}
