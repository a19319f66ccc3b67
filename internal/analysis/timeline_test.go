package analysis

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/judge/synth"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
)

// TestSettle: the latest answer counts until the next, in seconds.
func TestSettle(t *testing.T) {
	span := func(from, to int, told Told) Span {
		return Span{time.Duration(from) * time.Second, time.Duration(to) * time.Second, told}
	}
	type spans []Span
	for name, c := range map[string]struct {
		in    spans
		until int
		want  spans
	}{
		"nothing was told": {nil, 9, nil},
		"until connected":  {spans{span(1, 1, Old)}, 30, spans{span(1, 30, Old)}},
		"one after the other": {
			spans{span(5, 6, Right), span(0, 3, Denied)}, 7, spans{span(0, 5, Denied), span(5, 7, Right)},
		},
		"the same again": {spans{span(0, 3, Denied), span(4, 6, Denied)}, 6, spans{span(0, 6, Denied)}},
		"one within the other": {spans{span(0, 9, Denied), span(4, 5, Silence)}, 9,
			spans{span(0, 4, Denied), span(4, 5, Silence), span(5, 9, Denied)}},
		"connected before the last": {spans{span(0, 3, Right)}, 2, spans{span(0, 3, Right)}},
		"overlapping, the later wins": {
			spans{span(0, 4, Denied), span(3, 8, Old)}, 8, spans{span(0, 3, Denied), span(3, 8, Old)},
		},
	} {
		require.Equal(t, []Span(c.want), settle(c.in, time.Duration(c.until)*time.Second), name)
	}
}

func timeline(w synth.World) *Timeline {
	trial := w.Trial().End()
	return NewTimeline(trial, judge.Judge(trial))
}

// TestLog: what the slowest client was told, in ten lines at most, with what the
// cluster knew in brackets.
func TestLog(t *testing.T) {
	text := func(l *Timeline, most int) string {
		var lines []string
		for _, e := range l.Log(most) {
			lines = append(lines, e.Text)
		}
		return strings.Join(lines, "\n")
	}
	denied := text(timeline(synth.Denied("t", record.PeersServer, 3)), 10)
	require.Regexp(t, `I am pod \d, `, denied)
	require.Regexp(t, `NXDOMAIN, \d+ times, TTL falling 30 to \d: cached`, denied)
	require.Contains(t, denied, "[all DNS servers have pod")
	old := text(timeline(synth.Stale("t", plan.Cache30, 5*time.Second)), 10)
	require.Contains(t, old, "(old: not this Job's pod 0)")
	require.Regexp(t, `: [\d.]+: timeout, \d times until`, old)
	require.Equal(t, 3, strings.Count(text(timeline(synth.Denied("t", record.PeersServer, 3)), 3), "\n")+1)
}

// TestTells: which trial is shown.
func TestTells(t *testing.T) {
	of := func(dns plan.DNS, at float64) *Timeline {
		arm := plan.Arm{DNS: dns, Names: plan.Fresh, Observer: record.Peers}
		return &Timeline{Trial: Trial{Arm: arm, Connected: lag(at), OnServer: Lag{Lost: "-"}}}
	}
	unusual, looked := of(plan.ClusterDNS, 30), of(plan.ClusterDNS, 20)
	unusual.Trial.Arm.Publish = true
	looked.Trial.OnServer = lag(0.1)
	order := []*Timeline{ // each tells more than those after it
		looked, of(plan.ClusterDNS, 29), of(plan.ClusterDNS, 28), of(plan.ClusterDNS, 40), unusual,
		of(plan.ClusterDNS, 0.2), of(plan.Cache30, 30), of(plan.Cache30, 0.3), nil,
	}
	for i, more := range order {
		for _, less := range order[i+1:] {
			require.True(t, more.Tells(less))
			require.False(t, less.Tells(more))
		}
	}
	invalid := of(plan.ClusterDNS, 30)
	invalid.Trial.Invalid = "lost"
	require.False(t, invalid.Tells(nil))
}
