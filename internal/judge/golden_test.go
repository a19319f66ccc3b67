package judge_test

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/results"
)

var update = flag.Bool("update", false, "write the golden verdicts anew")

// TestGoldenVerdicts judges every trial of records/ and compares the verdicts
// with testdata/RECORD.golden. The text is one of this test: renaming an
// identifier or rewording a message changes nothing there. A change of a number
// needs a reason.
//
// Times are in milliseconds, "value/lower bound~error of the clocks"; ">" is
// censored, "lost" is unknown, "-" was not asked for.
func TestGoldenVerdicts(t *testing.T) {
	const records = "../../records"
	files, err := filepath.Glob(filepath.Join(records, "*", "trials.jsonl"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		name := filepath.Base(filepath.Dir(file))
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := goldenVerdicts(t, file)
			golden := filepath.Join("testdata", name+".golden")
			if *update {
				require.NoError(t, os.MkdirAll("testdata", 0o755))
				require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
				return
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			compareGolden(t, golden, string(want), got)
		})
	}
}

// compareGolden shows the first lines that differ, each with its trial.
func compareGolden(t *testing.T, file, want, got string) {
	t.Helper()
	if want == got {
		return
	}
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	line := func(list []string, i int) string {
		if i < len(list) {
			return list[i]
		}
		return "(end)"
	}
	const most = 20
	trial, differ := "", 0
	for i := range max(len(w), len(g)) {
		if strings.HasPrefix(line(g, i), "trial") {
			trial = strings.Join(strings.Fields(line(g, i))[:2], " ")
		}
		if line(w, i) == line(g, i) {
			continue
		}
		if differ++; differ <= most {
			t.Errorf("%s:%d, %s\n want %s\n got  %s", file, i+1, trial, line(w, i), line(g, i))
		}
	}
	t.Errorf("%s: %d lines differ, %d lines wanted, %d got", file, differ, len(w), len(g))
}

// goldenVerdicts is the text of all verdicts of a record.
func goldenVerdicts(t *testing.T, file string) string {
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	var b strings.Builder
	for in := bufio.NewReader(f); ; {
		line, err := in.ReadBytes('\n')
		if err == io.EOF && len(line) == 0 {
			return b.String()
		}
		require.NoError(t, err)
		var old struct {
			Plan struct {
				ID  string
				Arm struct{ Connect string }
			}
			Attempt int
		}
		require.NoError(t, json.Unmarshal(line, &old))
		if old.Plan.Arm.Connect != "" { // by address
			continue
		}
		var tr results.Trial
		require.NoError(t, json.Unmarshal(line, &tr))
		fmt.Fprintf(&b, "trial %s/%d", old.Plan.ID, max(old.Attempt, 1))
		writeVerdict(&b, judge.Judge(&tr))
	}
}

func writeVerdict(b *strings.Builder, v *judge.Verdict) {
	fmt.Fprintf(b, " %s reasons=%d notes=%d pods=%d full_ttl=%d",
		v.Status, len(v.Reasons), len(v.Notes), v.Pods, v.FullTTL)
	if v.Gap != nil {
		fmt.Fprintf(b, " gap=%s", ms3(*v.Gap))
	}
	b.WriteString("\n")
	for _, c := range v.Clocks {
		fmt.Fprintf(b, "clock pods=%v same=%t bound=%t %s..%s\n", c.Pods, c.Same, c.Bound, ms3(c.Lo), ms3(c.Hi))
	}
	fmt.Fprintf(b, "resolved %s\n", timing(v.Resolved))
	fmt.Fprintf(b, "on_server %s\n", timing(v.OnServer))
	fmt.Fprintf(b, "connected %s\n", timing(v.Connected))
	fmt.Fprintf(b, "counts%s\n", counts(v.Counts))
	for _, m := range v.Moments {
		fmt.Fprintf(b, "pod %d process=%s ready=%s slice=%s server=%s\n",
			m.Index, outcome(m.Started), outcome(m.Ready), outcome(m.InSlice), outcome(m.OnServer))
	}
	for _, p := range v.Pairs {
		fmt.Fprintf(b, "pair %d>%d", p.Client, p.Peer)
		if p.Timeout != 0 {
			fmt.Fprintf(b, " timeout=%s", p.Timeout)
		}
		fmt.Fprintf(b, " zero=%s~%s resolved %s reached %s", ms3(p.Zero), ms3(p.Clock), timing(p.Resolved), timing(p.Connected))
		for _, r := range p.Servers {
			fmt.Fprintf(b, " @%s %s", r.Server, timing(r.Seen))
		}
		fmt.Fprintf(b, "%s |%s\n", counts(p.Counts), shares(p.StageTimes))
	}
}

func ms3(d time.Duration) string {
	return strings.TrimSuffix(fmt.Sprintf("%.3f", float64(d)/1e6), ".000")
}

func timing(t judge.Timing) string {
	return fmt.Sprintf("lag=%s since=%s", outcome(t.Lag), outcome(t.Since))
}

func outcome(o judge.Measurement) string {
	switch {
	case o.Lost == judge.NotObserved:
		return "-"
	case !o.Known():
		return "lost"
	}
	text := ms3(o.Value)
	if o.Censored {
		text = ">" + text
	}
	if o.Lo != o.Value {
		text += "/" + ms3(o.Lo)
	}
	if o.Clock != 0 {
		text += "~" + ms3(o.Clock)
	}
	return text
}

func counts(c judge.Counts) string {
	var b strings.Builder
	for _, n := range []struct {
		name string
		n    int
	}{
		{"questions", c.Questions}, {"cached", c.ProvenCached}, {"undecided", c.Undecided}, {"failed", c.Failed},
		{"dial_timeouts", c.DialTimeouts}, {"silent_right", c.SilentRight}, {"refused", c.DialRefused}, {"cut", c.DialCut},
		{"wrong_peer", c.WrongPeer}, {"unidentified", c.Unidentified},
	} {
		if n.n != 0 {
			fmt.Fprintf(&b, " %s=%d", n.name, n.n)
		}
	}
	for _, s := range c.Stale {
		fmt.Fprintf(&b, " stale(%s %d%s)=%d", owner[s.Owner.Kind], s.Owner.Index, s.Owner.Name, s.Count)
	}
	return b.String()
}

// owner names whose an address was.
var owner = map[judge.Kind]string{
	judge.Current: "current", judge.Primer: "previous", judge.Sibling: "sibling", judge.Other: "other",
	judge.Earlier: "earlier", judge.Unknown: "unknown",
}

// part names what time went to, whatever the report calls it.
var part = map[judge.Stage]string{
	judge.StageCreate: "create", judge.StageSchedule: "schedule", judge.StageAddress: "address", judge.StageStart: "start",
	judge.StageReady: "ready", judge.StageService: "service", judge.StageSlice: "slice", judge.StageServer: "server",
	judge.StageUnasked: "unasked", judge.StageDenial: "denial", judge.StageDenied: "denied", judge.StageStale: "stale",
	judge.StageNoAnswer: "no_answer", judge.StagePolling: "polling",
	judge.StageAnswer: "answer", judge.StageConnect: "connect",
}

func shares(list []judge.StageTime) string {
	if list == nil {
		return " lost"
	}
	var b strings.Builder
	for _, s := range list {
		fmt.Fprintf(&b, " %s=%s", part[s.Stage], ms3(s.Took))
		if s.Clock != 0 {
			fmt.Fprintf(&b, "~%s", ms3(s.Clock))
		}
		if s.Age != [2]float64{-1, -1} {
			fmt.Fprintf(&b, "(age %g-%g)", s.Age[0], s.Age[1])
		}
	}
	return b.String()
}
