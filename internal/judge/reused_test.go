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

func TestPrimerNotComplete(t *testing.T) {
	for _, tc := range []struct {
		name   string
		spoil  func(p *results.Pod)
		status results.Status
		reason []string
	}{
		{"complete", func(*results.Pod) {}, results.Complete, nil},
		{"deadline", func(p *results.Pod) { p.Lines[len(p.Lines)-1].Done.Reason = "deadline" }, results.Invalid, []string{`primer not complete: index 1 ended with "deadline"`}},
		{"failed", func(p *results.Pod) { p.Lines[len(p.Lines)-1].Done = &record.Done{Reason: "error", Err: "no port"} }, results.Invalid, []string{"primer not complete: index 1: its probe failed: no port"}},
		{"cut off", func(p *results.Pod) { p.Lines = p.Lines[:len(p.Lines)-1] }, results.Invalid, []string{"primer not complete: index 1: its log ends without a last line"}},
		{"no log", func(p *results.Pod) { p.Lines, p.Problem = nil, "never ran" }, results.Invalid, []string{"primer not complete: index 1: never ran"}},
		{"log full", func(p *results.Pod) { p.Lines[len(p.Lines)-1].Done.Err = "log full" }, results.Complete, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tr := synth.Solo("t001", plan.Cache30, plan.ExtraNone, synth.Worker{Joined: time.Second}).End()
			tc.spoil(&tr.Primer.Pods[1])
			v := judge.Judge(tr)
			require.Equal(t, tc.status, v.Status)
			require.Equal(t, tc.reason, v.Reasons)
		})
	}
}

// What nobody could look at must not make the uncached view look better.
func TestNotLookedAt(t *testing.T) {
	const server = "10.244.0.21:53"
	fail := func(b *synth.Trial, pods ...int) {
		for _, i := range pods {
			p := b.Pod(i)
			p.Lines = append(p.Lines, record.Line{V: record.Version, T: 1, Check: &record.Check{Server: server, Present: "nxdomain", Absent: "timeout"}})
		}
	}
	for _, tc := range []struct {
		name  string
		spoil func(b *synth.Trial)
		lost  string
		notes []string
	}{
		{"all looked", func(*synth.Trial) {}, "", nil},
		{"one of a name's two lookers", func(b *synth.Trial) { fail(b, 1) }, "",
			[]string{"the uncached view of 10.244.0.21:53 cannot be used: a name that exists gave nxdomain, one that does not timeout (found by index 1)"}},
		{"both lookers of one name", func(b *synth.Trial) { fail(b, 1, 2) }, "not looked at: index 3 on 10.244.0.21:53 by anybody",
			[]string{"the uncached view of 10.244.0.21:53 cannot be used: a name that exists gave nxdomain, one that does not timeout (found by index 1, 2)",
				"uncached view not looked at: index 3 on 10.244.0.21:53 by anybody"}},
		{"nobody at that server", func(b *synth.Trial) { fail(b, 0, 1, 2, 3) }, "",
			[]string{"the uncached view of 10.244.0.21:53 cannot be used: a name that exists gave nxdomain, one that does not timeout (found by index 0, 1, 2, 3)"}},
		{"no replica was known", func(b *synth.Trial) {
			for i := range b.Run.Pods {
				var kept []record.Line
				for _, l := range b.Pod(i).Lines {
					if l.Answer == nil || l.Answer.View != record.Uncached {
						kept = append(kept, l)
					}
				}
				b.Pod(i).Lines = kept
			}
		}, "not looked at: no DNS server's own address was known", []string{"uncached view not looked at: no DNS server's own address was known"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := synth.Peers("t001", plan.Cache30, plan.ExtraNone, 4, 100*ms, 2*time.Second, true)
			tc.spoil(b)
			v := judge.Judge(b.End())
			require.Equal(t, tc.lost, v.OnServer.Lag.Lost)
			require.Equal(t, tc.lost, v.OnServer.Since.Lost)
			require.Equal(t, tc.notes, v.Notes)
			require.Equal(t, results.Complete, v.Status, "the clients' view is whole")
		})
	}
}

// A connect is known to the interval of the answer that it followed.
func TestConnectedInterval(t *testing.T) {
	make := func(failed bool) *judge.Verdict {
		b := synth.New("t001", plan.Arm{Observer: record.Peers}, 2)
		for a := range 2 {
			o := 1 - a
			b.Ask(a, o, synth.Answer{Class: record.Address, Addrs: []string{synth.Addr(o)}, First: 1020 * ms, Prev: 970 * ms})
			if failed {
				b.Dial(a, o, synth.Addr(o), 1020*ms, 100*ms, record.ConnRefused, 1, nil)
			}
			b.Dial(a, o, synth.Addr(o), 1300*ms, ms, record.Connected, 1, b.Who(o, a, 1300*ms))
			b.Done(a, 2*time.Second, "complete")
		}
		return judge.Judge(b.End())
	}
	near(t, 970*ms, make(false).Connected.Lag.Lo, "the question before the answer")
	near(t, 1020*ms, make(true).Connected.Lag.Lo, "the connect that was refused")
}
