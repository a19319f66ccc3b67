package judge_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/judge/synth"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

// A wall clock that is set while a trial runs, on the kernel that runner and
// pods share: what it says may be told less exactly, never wrongly.
func TestAClockIsSet(t *testing.T) {
	for _, by := range []time.Duration{10 * time.Second, time.Hour, -10 * time.Second, -time.Hour} {
		t.Run(by.String(), func(t *testing.T) {
			whole := judge.Judge(synth.Prompt("t001", record.Peers, 4).Trial().End())
			require.Equal(t, results.Complete, whole.Status, whole.Reasons)

			b := synth.Prompt("t001", record.Peers, 4).Trial()
			// It is set before the last two start. Who answers a connect reads it
			// as it is then.
			for i := range b.Run.Pods {
				for k := range b.Pod(i).Lines {
					if d := b.Pod(i).Lines[k].Dial; d != nil && d.Who != nil {
						d.Who.Wall += int64(by)
					}
				}
				if i >= 2 {
					b.Start(i).Wall += int64(by)
				}
			}
			v := judge.Judge(b.End())
			require.Contains(t, strings.Join(v.Notes, "\n"), "a clock was set during the trial")
			for i := range v.Pairs {
				got, want := &v.Pairs[i], &whole.Pairs[i]
				if !got.Resolved.Lag.Known() {
					continue
				}
				require.InDelta(t, want.Resolved.Lag.Value.Seconds(), got.Resolved.Lag.Value.Seconds(),
					got.Clock.Seconds()+0.1, "%d asks for %d, clock uncertain by %s", got.Client, got.Peer, got.Clock)
				require.Less(t, got.Clock, 5*time.Second, "as wide as a pod start")
			}
		})
	}
}

// A clock that is set by less than a pod start takes cannot be told from one
// that was not; then it changes nothing by more than that.
func TestAClockIsSetALittle(t *testing.T) {
	b := synth.Peers("t001", plan.Uncached, plan.ExtraNone, 3, 300*ms, 500*ms, false)
	b.Start(2).Wall += int64(5 * ms)
	v := judge.Judge(b.End())
	require.NotEqual(t, results.Invalid, v.Status, v.Reasons)
}
