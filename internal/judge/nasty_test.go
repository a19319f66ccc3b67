package judge_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/judge/synth"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

func TestNasty(t *testing.T) {
	peers := func(n int) *synth.Trial {
		return synth.Peers("t001", plan.Cache30, plan.ExtraNone, n, 100*ms, 2*time.Second, true)
	}
	for _, tc := range []struct {
		name  string
		make  func() *results.Trial
		check func(t *testing.T, v *judge.Verdict)
	}{
		{"no pods at all", func() *results.Trial {
			b := peers(2)
			b.Run.Pods, b.Run.Events = nil, nil
			return b.End()
		}, func(t *testing.T, v *judge.Verdict) {
			require.Equal(t, results.Invalid, v.Status)
			require.Empty(t, v.Pairs)
		}},
		{"pod without a log", func() *results.Trial {
			b := peers(3)
			b.Pod(1).Lines, b.Pod(1).Problem = nil, "never ran: not scheduled"
			return b.End()
		}, func(t *testing.T, v *judge.Verdict) {
			require.Equal(t, results.Invalid, v.Status)
			require.Contains(t, v.Reasons[0], "index 1: never ran")
			require.Equal(t, "index 1: never ran: not scheduled", pair(v, 1, 0).Resolved.Lag.Lost)
			require.True(t, pair(v, 0, 1).Resolved.Lag.Known(), "it was resolvable; only its own view is lost")
			near(t, 0, pair(v, 0, 1).Zero, "the API's word for it is left")
			require.NotEmpty(t, v.Moments[1].Started.Lost)
		}},
		{"a pod is missing from the records", func() *results.Trial {
			b := peers(3)
			b.Run.Pods = b.Run.Pods[:2]
			return b.End()
		}, func(t *testing.T, v *judge.Verdict) {
			require.Equal(t, 3, v.Pods)
			require.Equal(t, results.Invalid, v.Status)
		}},
		{"log cut off before the name resolved", func() *results.Trial {
			b := peers(2)
			b.End()
			b.Pod(0).Lines = b.Pod(0).Lines[:3]
			return b.End()
		}, func(t *testing.T, v *judge.Verdict) {
			require.Equal(t, results.Invalid, v.Status)
			require.Contains(t, pair(v, 0, 1).Resolved.Lag.Lost, "ends without a last line")
			require.Zero(t, pair(v, 0, 1).Resolved.Lag.Value)
		}},
		{"log cut off after the name resolved", func() *results.Trial {
			b := peers(2)
			p := b.End().Run.Pods
			p[0].Lines = p[0].Lines[:len(p[0].Lines)-1]
			return b.End()
		}, func(t *testing.T, v *judge.Verdict) {
			require.Equal(t, results.Complete, v.Status, "what is in the log happened")
		}},
		{"probe failed", func() *results.Trial {
			b := synth.New("t001", plan.Arm{Observer: record.Peers}, 2)
			b.Done(0, time.Second, "error")
			b.Done(1, time.Second, "error")
			return b.End()
		}, func(t *testing.T, v *judge.Verdict) {
			require.Equal(t, results.Invalid, v.Status)
			require.Contains(t, v.Resolved.Lag.Lost, "its probe failed")
		}},
		{"released before anything happened", func() *results.Trial {
			b := synth.New("t001", plan.Arm{Observer: record.Peers}, 2)
			b.Done(0, time.Second, "released")
			b.Done(1, time.Second, "released")
			return b.End()
		}, func(t *testing.T, v *judge.Verdict) {
			require.Equal(t, results.Censored, v.Status)
			require.True(t, v.Resolved.Lag.Censored)
			near(t, time.Second, v.Resolved.Lag.Value, "at least")
		}},
		{"satisfied without a reason", func() *results.Trial {
			b := synth.New("t001", plan.Arm{Observer: record.Peers}, 2)
			b.Done(0, time.Second, "complete")
			b.Done(1, time.Second, "complete")
			return b.End()
		}, func(t *testing.T, v *judge.Verdict) {
			require.Equal(t, results.Invalid, v.Status)
			require.Contains(t, v.Resolved.Lag.Lost, "satisfied")
		}},
		{"container restarted", func() *results.Trial {
			b := peers(2)
			tr := b.End()
			l := tr.Run.Pods[0].Lines
			tr.Run.Pods[0].Lines = append(l[:2:2], l...)
			return tr
		}, func(t *testing.T, v *judge.Verdict) {
			require.Contains(t, pair(v, 0, 1).Resolved.Lag.Lost, "started again")
		}},
		{"pod replaced", func() *results.Trial {
			b := peers(2)
			b.Run.Pods = append(b.Run.Pods, results.Pod{Name: "second", UID: "other", Index: 1})
			return b.End()
		}, func(t *testing.T, v *judge.Verdict) {
			require.Equal(t, results.Invalid, v.Status)
			require.Contains(t, v.Reasons[0], "index 1 had more than one pod")
		}},
		{"index out of range", func() *results.Trial {
			b := peers(2)
			b.Run.Pods = append(b.Run.Pods, results.Pod{Index: -3})
			return b.End()
		}, func(t *testing.T, v *judge.Verdict) {
			require.Equal(t, results.Complete, v.Status)
			require.Len(t, v.Notes, 1)
		}},
		{"another pod answers at the right address", func() *results.Trial {
			b := peers(3)
			for i := range b.Pod(0).Lines {
				if d := b.Pod(0).Lines[i].Dial; d != nil && d.Peer == 1 {
					d.Who = b.Who(2, 0, 2*time.Second)
				}
			}
			b.Done(0, 40*time.Second, "deadline")
			return b.End()
		}, func(t *testing.T, v *judge.Verdict) {
			p := pair(v, 0, 1)
			require.Equal(t, 1, p.Counts.WrongPeer)
			require.True(t, p.Connected.Lag.Censored, "a connect to another pod is not it")
			require.False(t, p.Resolved.Lag.Censored)
		}},
		{"nobody says who answers", func() *results.Trial {
			b := synth.Solo("t001", plan.Cache30, plan.ExtraNone, synth.Worker{Joined: time.Second})
			b.Dial(1, 0, synth.Addr(0), 500*ms, ms, record.Connected, 3, nil)
			return b.End()
		}, func(t *testing.T, v *judge.Verdict) {
			require.Equal(t, 3, v.Counts.Unidentified)
			near(t, time.Second, v.Workers[0].Joined.Lag.Value, "only then was it known")
		}},
		{"the right address is silent", func() *results.Trial {
			b := synth.Solo("t001", plan.Cache30, plan.ExtraNone, synth.Worker{Timeout: time.Second, Stale: 2, Silence: time.Second, Joined: 5 * time.Second})
			b.Dial(1, 0, synth.Addr(0), 3*time.Second, time.Second, record.DialTimeout, 1, nil)
			return b.End()
		}, func(t *testing.T, v *judge.Verdict) {
			require.Equal(t, 3, v.Counts.DialTimeouts)
			require.Equal(t, 1, v.Counts.SilentRight)
		}},
		{"a name is looked at for a while only", func() *results.Trial {
			b := synth.New("t001", plan.Arm{Observer: record.PeersServer}, 2)
			for a := range 2 {
				o := 1 - a
				b.Ask(a, o, synth.Answer{Class: record.Address, Addrs: []string{synth.Addr(o)}, First: 100 * ms})
				b.Dial(a, o, synth.Addr(o), 101*ms, ms, record.Connected, 1, b.Who(o, a, 101*ms))
				b.Ask(a, o, synth.Answer{View: record.Uncached, Server: "10.244.0.20:53", Class: record.NXDomain, First: 2 * ms, Last: time.Second, Count: 20})
				b.Done(a, 3*time.Second, "complete")
			}
			return b.End()
		}, func(t *testing.T, v *judge.Verdict) {
			require.Equal(t, results.Censored, v.Status)
			require.True(t, v.OnServer.Lag.Censored)
			near(t, time.Second-ms, v.OnServer.Lag.Value, "until the last look, not until the probe was done")
			require.False(t, v.Resolved.Lag.Censored)
		}},
		{"its predecessor answers", func() *results.Trial {
			b := synth.Solo("t001", plan.Cache30, plan.ExtraNone, synth.Worker{Joined: time.Second})
			w := b.Who(0, 1, 500*ms)
			w.UID, w.Trial = "uid-t001-old-0", "t001-primer"
			b.Dial(1, 0, synth.Old(0), 500*ms, ms, record.Connected, 1, w)
			return b.End()
		}, func(t *testing.T, v *judge.Verdict) {
			require.Equal(t, 1, v.Counts.WrongPeer)
			near(t, time.Second, v.Workers[0].Joined.Lag.Value, "joined its successor later")
		}},
		{"who answered proves an address that the API did not report", func() *results.Trial {
			b := peers(2)
			b.Pod(1).IPs = nil
			b.Start(1).Addresses = nil
			for i := range b.Run.Events {
				b.Run.Events[i].IPs = nil
			}
			return b.End()
		}, func(t *testing.T, v *judge.Verdict) {
			require.Equal(t, results.Complete, v.Status, v.Reasons)
			near(t, 2*time.Second, pair(v, 0, 1).Resolved.Lag.Value, "resolved")
		}},
		{"replicas disagree: right, then stale again", func() *results.Trial {
			b := synth.New("t001", plan.Arm{Observer: record.Peers, Names: plan.Reused}, 2)
			b.Prime(2*time.Second, 20)
			for a := range 2 {
				o := 1 - a
				b.Ask(a, o, synth.Answer{Class: record.Address, Addrs: []string{synth.Addr(o)}, First: 100 * ms, Last: 21 * time.Second, Count: 200})
				b.Ask(a, o, synth.Answer{Class: record.Address, Addrs: []string{synth.Old(o)}, First: 150 * ms, Prev: 99 * ms, Last: 20 * time.Second, Count: 180})
				b.Dial(a, o, synth.Addr(o), 101*ms, ms, record.Connected, 1, b.Who(o, a, 101*ms))
				b.Done(a, 21*time.Second, "complete")
			}
			return b.End()
		}, func(t *testing.T, v *judge.Verdict) {
			p := pair(v, 0, 1)
			near(t, 100*ms, p.Resolved.Lag.Value, "the first right answer")
			require.Equal(t, 180, p.Counts.StaleAnswers())
		}},
		{"two addresses, one of them stale", func() *results.Trial {
			b := synth.New("t001", plan.Arm{Observer: record.Peers}, 2)
			b.Prime(2*time.Second, 20)
			for a := range 2 {
				o := 1 - a
				b.Ask(a, o, synth.Answer{Class: record.Address, Addrs: []string{synth.Old(o), synth.Addr(o)}, First: 100 * ms})
				b.Ask(a, o, synth.Answer{Class: record.Address, Addrs: []string{synth.Addr(o)}, First: 200 * ms, Prev: 100 * ms})
				b.Done(a, time.Second, "deadline")
			}
			return b.End()
		}, func(t *testing.T, v *judge.Verdict) {
			require.Equal(t, 2, v.Counts.StaleAnswers())
			near(t, 200*ms, v.Resolved.Lag.Value, "a client may take either")
		}},
		{"satisfied by one of two addresses", func() *results.Trial {
			b := synth.New("t001", plan.Arm{Observer: record.Peers}, 2)
			b.Prime(2*time.Second, 20)
			for a := range 2 {
				o := 1 - a
				b.Ask(a, o, synth.Answer{Class: record.Address, Addrs: []string{synth.Old(o), synth.Addr(o)}, First: 100 * ms})
				b.Dial(a, o, synth.Addr(o), 101*ms, ms, record.Connected, 1, b.Who(o, a, 101*ms))
				b.Done(a, time.Second, "complete")
			}
			return b.End()
		}, func(t *testing.T, v *judge.Verdict) {
			require.Equal(t, results.Complete, v.Status)
			near(t, 100*ms, v.Resolved.Lag.Value, "as the probe saw it")
			require.Equal(t, 2, v.Counts.StaleAnswers())
			require.Len(t, v.Notes, 2)
		}},
		{"log full", func() *results.Trial {
			b := peers(2)
			tr := b.End()
			for i := range tr.Run.Pods {
				l := tr.Run.Pods[i].Lines
				l[len(l)-1].Done.Err = "log full: 7 answers and connects left out"
			}
			return tr
		}, func(t *testing.T, v *judge.Verdict) {
			require.Equal(t, results.Complete, v.Status, "what it holds happened")
			require.Contains(t, v.Notes[0], "log full")
		}},
		{"whose addresses", func() *results.Trial {
			b := synth.New("t001", plan.Arm{Observer: record.Peers}, 2)
			b.Prime(2*time.Second, 20)
			b.Earlier = map[string]string{"10.244.7.7": "index 4 of trial t000"}
			b.Run.Events = append(b.Run.Events, results.Event{Object: "pod", Name: "extra-x", IPs: []string{"10.244.8.8"}})
			for i, a := range []string{synth.Old(1), synth.Old(0), synth.Addr(0), "10.244.8.8", "10.244.7.7", "192.0.2.1"} {
				b.Ask(0, 1, synth.Answer{Class: record.Address, Addrs: []string{a}, First: time.Duration(i+1) * 10 * ms})
			}
			b.Done(0, time.Second, "deadline")
			b.Done(1, time.Second, "deadline")
			return b.End()
		}, func(t *testing.T, v *judge.Verdict) {
			var got []string
			for _, s := range v.Counts.Stale {
				got = append(got, s.Owner.String())
			}
			require.Equal(t, []string{"the primer's index 1", "the primer's index 0", "this run's index 0", "another pod of this trial (extra-x)",
				"earlier: index 4 of trial t000", "unknown address 192.0.2.1"}, got)
		}},
		{"address used again by the asked pod", func() *results.Trial {
			b := synth.New("t001", plan.Arm{Observer: record.Peers}, 2)
			b.Prime(2*time.Second, 20)
			for i := range b.Primer.Pods {
				b.Primer.Pods[i].IPs = b.Run.Pods[1-i].IPs
			}
			b.Ask(0, 1, synth.Answer{Class: record.Address, Addrs: []string{synth.Addr(1)}, First: 10 * ms})
			b.Done(0, time.Second, "deadline")
			return b.End()
		}, func(t *testing.T, v *judge.Verdict) {
			require.Zero(t, v.Counts.StaleAnswers())
			near(t, 10*ms, pair(v, 0, 1).Resolved.Lag.Value+pair(v, 0, 1).Zero, "right, whoever held it before")
		}},
		{"IPv6 spelt differently", func() *results.Trial {
			b := synth.New("t001", plan.Arm{Observer: record.Peers}, 2)
			b.Pod(1).IPs = []string{"fd00:0:0::2"}
			b.Ask(0, 1, synth.Answer{Class: record.Address, Addrs: []string{"fd00::2"}, First: 10 * ms})
			b.Done(0, time.Second, "deadline")
			return b.End()
		}, func(t *testing.T, v *judge.Verdict) {
			require.False(t, pair(v, 0, 1).Resolved.Lag.Censored)
		}},
		{"a server whose uncached view means nothing", func() *results.Trial {
			b := peers(2)
			for i := range 2 {
				b.Pod(i).Lines = append(b.Pod(i).Lines, record.Line{V: record.Version, T: 1, Check: &record.Check{Server: "10.244.0.21:53", OK: false}})
			}
			return b.End()
		}, func(t *testing.T, v *judge.Verdict) {
			require.Len(t, pair(v, 0, 1).Servers, 1)
			near(t, 100*ms, v.OnServer.Lag.Value, "the other one's")
			require.Equal(t, []string{"the uncached view of 10.244.0.21:53 cannot be used: a name that exists gave no answer, one that does not no answer (found by index 0, 1)"}, v.Notes)
		}},
		{"search domain", func() *results.Trial {
			b := synth.Solo("t001", plan.Uncached, plan.ExtraNone, synth.Worker{Joined: time.Second})
			b.Ask(1, 0, synth.Answer{Class: record.NXDomain, Suffix: "ns.svc.cluster.local", First: 2 * ms, Count: 4, SOATTL: 3})
			return b.End()
		}, func(t *testing.T, v *judge.Verdict) {
			require.Zero(t, v.Counts.Denials())
			require.EqualValues(t, 30, v.FullTTL)
		}},
		{"impossible times", func() *results.Trial {
			b := peers(2)
			b.Start(1).Wall = -1 << 62
			tr := b.End()
			b.Pod(0).Lines = append(b.Pod(0).Lines, record.Line{V: record.Version, T: -5, Answer: &record.Answer{}})
			return tr
		}, func(t *testing.T, v *judge.Verdict) {
			require.Contains(t, pair(v, 1, 0).Resolved.Lag.Lost, "usable start line")
			require.True(t, pair(v, 0, 1).Resolved.Lag.Known())
		}},
		{"runner says invalid", func() *results.Trial {
			b := peers(2)
			b.Status, b.Reason = results.Invalid, "interrupted"
			return b.End()
		}, func(t *testing.T, v *judge.Verdict) {
			require.Equal(t, results.Invalid, v.Status)
			require.Equal(t, []string{"interrupted"}, v.Reasons)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) { tc.check(t, judge.Judge(tc.make())) })
	}
}
