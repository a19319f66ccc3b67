package judge_test

import (
	"encoding/json"
	"regexp"
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

var (
	v4HostPort = regexp.MustCompile(`"(\d+)\.(\d+)\.(\d+)\.(\d+):53"`)
	v4Host     = regexp.MustCompile(`"(\d+)\.(\d+)\.(\d+)\.(\d+)"`)
)

// overIPv6 is a trial as it would have been on a cluster of IPv6 alone: every
// address is of the other family, and AAAA was asked where A was.
func overIPv6(t *testing.T, tr *results.Trial) *results.Trial {
	t.Helper()
	b, err := json.Marshal(tr)
	require.NoError(t, err)
	text := v4HostPort.ReplaceAllString(string(b), `"[fd00:$1:$2:$3::$4]:53"`)
	text = v4Host.ReplaceAllString(text, `"fd00:$1:$2:$3::$4"`)
	text = strings.ReplaceAll(text, `"type":"A"`, `"type":"AAAA"`)
	require.NotContains(t, text, "10.244")
	other := new(results.Trial)
	require.NoError(t, json.Unmarshal([]byte(text), other))
	return other
}

// TestIPv6IsJudgedAlike: nothing in a verdict but the addresses in it depends on
// the family.
func TestIPv6IsJudgedAlike(t *testing.T) {
	worlds := map[string]func() *results.Trial{
		"peers, denied": func() *results.Trial { return synth.Denied("t001", record.PeersServer, 3).Trial().End() },
		"prompt":        func() *results.Trial { return synth.Prompt("t001", record.PeersServer, 3).Trial().End() },
		"stale": func() *results.Trial {
			return synth.Stale("t001", plan.Cache30, 0, 5*time.Second).Trial().End()
		},
		"NodeLocal":      func() *results.Trial { return synth.NodeLocal("t001", record.PeersServer, 3).Trial().End() },
		"stale solo":     func() *results.Trial { return staleSolo().End() },
		"cached denials": func() *results.Trial { return cachedPeers().End() },
	}
	for name, make := range worlds {
		t.Run(name, func(t *testing.T) {
			four, six := judge.Judge(make()), judge.Judge(overIPv6(t, make()))
			require.Equal(t, four.Status, six.Status)
			want, err := json.Marshal(four)
			require.NoError(t, err)
			got, err := json.Marshal(six)
			require.NoError(t, err)
			text := v4HostPort.ReplaceAllString(string(want), `"[fd00:$1:$2:$3::$4]:53"`)
			text = v4Host.ReplaceAllString(text, `"fd00:$1:$2:$3::$4"`)
			text = strings.ReplaceAll(text, `"Type":"A"`, `"Type":"AAAA"`)
			require.JSONEq(t, text, string(got))
		})
	}
}

func cachedPeers() *synth.Trial {
	return synth.Peers("t001", plan.Cache30, plan.ExtraNone, 3, 100*ms, 30*time.Second, true)
}

func staleSolo() *synth.Trial {
	return synth.Solo("t001", plan.Cache30, plan.ExtraNone, synth.Worker{Timeout: time.Second, Stale: 3, Silence: time.Second, Joined: 5 * time.Second}, synth.Worker{Stale: 1, Silence: 30 * time.Second, Joined: 31 * time.Second})
}

// TestTheOtherFamilyDeniesNothing: on a dual-stack cluster the name of a pod has
// addresses of one family, and a question for the other gets none although the
// name is there. Before that both get denials, which count.
func TestTheOtherFamilyDeniesNothing(t *testing.T) {
	at := func(tr *synth.Trial, pod int, first time.Duration) {
		for i := range tr.Pod(pod).Lines {
			if a := tr.Pod(pod).Lines[i].Answer; a != nil && a.Asked == int64(first-ms) {
				a.Type = "AAAA"
			}
		}
	}
	for name, tc := range map[string]struct {
		class   record.Class // of AAAA
		address bool         // A has one
		denials int
	}{
		"A has an address":  {record.NoData, true, 0},
		"neither has":       {record.NoData, false, 4},
		"there was no name": {record.NXDomain, true, 4},
	} {
		t.Run(name, func(t *testing.T) {
			b := synth.New("t001", plan.Arm{Observer: record.Peers}, 2)
			b.Pod(1).IPs = []string{synth.Addr(1), "fd00::2"}
			b.Ask(0, 1, synth.Answer{Class: tc.class, First: 5 * ms, Last: 200 * ms, Count: 4, SOATTL: 30, Top: 12, AtTop: 1})
			at(b, 0, 5*ms)
			if tc.address {
				b.Ask(0, 1, synth.Answer{Class: record.Address, Addrs: []string{synth.Addr(1)}, First: 10 * ms})
				b.Dial(0, 1, synth.Addr(1), 11*ms, ms, record.Connected, 1, b.Who(1, 0, 12*ms))
			}
			b.Done(0, 300*ms, "deadline")
			v := judge.Judge(b.End())
			p := pair(v, 0, 1)
			require.Equal(t, tc.denials, p.Counts.Denials())
			require.Equal(t, tc.address, !p.Resolved.Lag.Censored)
			if tc.address {
				near(t, 10*ms, p.Resolved.Lag.Value+p.Zero, "by the family that there is")
			}
		})
	}
}
