package hypothesis

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
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

// The texts are for people who have read nothing else.
func TestRules(t *testing.T) {
	var b strings.Builder
	for _, d := range newWorld().decisions() {
		fmt.Fprintf(&b, "%s\n  claim: %s\n  observation: %s\n  rule: %s\n", d.ID, d.Claim, d.Observation, d.Rule)
	}
	golden(t, "rules.golden", b.String())
}

// Every number with a unit in a rule is a constant of the code, and every
// constant that decides is in its rule.
func TestRulesNameTheirThresholds(t *testing.T) {
	durations := map[string][]time.Duration{
		"H1": {Late}, "H4": {Late}, "H5": {Late, Late}, "H6": {FirstRetry}, "H7": {Late, KubeletMost}, "H8": {LostSYN}, "H10": {Late},
	}
	counts := map[string]int{"H9": TrialsForDrift, "H11": FirstUses}
	number := regexp.MustCompile(`\b\d+(\.\d+)?( s)?\b`)
	for _, r := range rules {
		var want []string
		for _, d := range durations[r.id] {
			want = append(want, setting(d))
		}
		if n, ok := counts[r.id]; ok {
			want = append(want, fmt.Sprint(n))
		}
		require.Equal(t, want, number.FindAllString(r.rule, -1), r.id)
	}
	require.Equal(t, 0.5, Half, "rules say half in words")
	require.Equal(t, "1 s", setting(Late))
}

// Each threshold decides where its rule says.
func TestThresholds(t *testing.T) {
	decide := func(id string, make func(*world)) Status {
		w := newWorld()
		make(w)
		return w.decide()[id].Status
	}
	stale := func(wait, part time.Duration) func(*world) {
		return func(w *world) {
			p := pair{wait: wait, primer: 1, parts: map[judge.Stage]time.Duration{judge.StageStale: part}}
			remaining(w.add(1, reused131, p), 20)
		}
	}
	require.Equal(t, Refuted, decide("H1", stale(Late, Late)), "a wait of exactly 1 s is no delay")
	require.Equal(t, Supported, decide("H1", stale(Late+ms, Late)))
	require.Equal(t, Supported, decide("H1", stale(10*s, 5*s)), "half is enough")
	require.Equal(t, Refuted, decide("H1", stale(10*s, 5*s-ms)))
	require.Equal(t, Supported, decide("H1", func(w *world) {
		p := dialled(2*s, 1)
		p.unasked = 5 * s // that the plan asks late is no delay, and no part of the wait
		remaining(w.add(1, reused131, p), 20)
	}))
	require.Equal(t, Refuted, decide("H1", func(w *world) {
		p := dialled(500*ms, 1)
		p.unasked = 5 * s
		remaining(w.add(1, reused131, p), 20)
	}))

	toSlice := func(d time.Duration) func(*world) {
		return func(w *world) { entered(w.add(1, reused132, prompt), d) }
	}
	require.Equal(t, Refuted, decide("H6", toSlice(FirstRetry)))
	require.Equal(t, Supported, decide("H6", toSlice(FirstRetry+ms)))

	connecting := func(d time.Duration) func(*world) {
		return func(w *world) {
			w.add(1, fresh132, pair{wait: d + 10*ms, parts: map[judge.Stage]time.Duration{judge.StageConnect: d}})
		}
	}
	require.Equal(t, Refuted, decide("H8", connecting(LostSYN)))
	require.Equal(t, Supported, decide("H8", connecting(LostSYN+ms)))

	drift := func(n int) func(*world) {
		return compareSame(n, func(b int) time.Duration { return time.Duration(b*b) * 300 * ms })
	}
	require.Equal(t, NotTestable, decide("H9", drift(TrialsForDrift-1)))
	require.Equal(t, Supported, decide("H9", drift(TrialsForDrift)))

	first := func(n int) func(*world) {
		return firsts(six[:n], func(i int) pair { return denied(20*s+spread(i), 100) })
	}
	require.Equal(t, NotTestable, decide("H11", first(FirstUses-1)))
	require.Equal(t, Supported, decide("H11", first(FirstUses)))

	for over, want := range map[time.Duration]string{0: "in 0 of 1 trial", ms: "in 1 of 1 trial"} {
		w := newWorld()
		reported(w.add(1, fresh132, prompt), KubeletMost+over)
		require.Contains(t, w.decide()["H7"].Seen, want)
	}
}

// A plan without a margin cannot find anything equivalent.
func TestNoMarginNoEquivalence(t *testing.T) {
	for _, sc := range scenarios {
		if sc.want != Refuted || !slices.Contains([]string{"H3", "H9", "H10", "H11"}, sc.id) || sc.name == "one block, alive" {
			continue
		}
		w := newWorld()
		sc.make(w)
		w.plan.Margin = 0
		require.Equal(t, NotTestable, w.decide()[sc.id].Status, "%s, %s", sc.id, sc.name)
	}
}

// What has not been run decides nothing.
func TestEmpty(t *testing.T) {
	for name, in := range map[string]*Input{
		"nothing":     New(plan.Plan{}, nil),
		"only a plan": New(plan.Plan{Blocks: 1, Arms: []plan.Arm{fresh131, reused131, member}}, nil),
	} {
		ds := in.Decisions()
		require.Len(t, ds, 11, name)
		for i, d := range ds {
			require.Equal(t, fmt.Sprintf("H%d", i+1), d.ID)
			require.Equal(t, NotTestable, d.Status, "%s: %s", name, d.ID)
			require.NotEmpty(t, d.Why, "%s: %s", name, d.ID)
		}
	}
}

// An attempt that is repeated counts once, as it ended.
func TestTrialRepeated(t *testing.T) {
	w := newWorld()
	v := w.add(1, reused131, dialled(30*s, 1))
	remaining(v, 20)
	again := *v
	again.Status = results.Invalid
	in := New(w.plan, &w.env)
	in.Add(v)
	require.Equal(t, Supported, in.Decisions()[0].Status)
	in.Add(&again)
	require.Equal(t, NotTestable, in.Decisions()[0].Status)
}

// A decision by DNS names the configurations that it holds for.
func TestWith(t *testing.T) {
	w := newWorld()
	scenarios[0].make(w)
	d := w.decide()
	require.Equal(t, []plan.DNS{plan.Cache30}, d["H1"].With)
	require.Empty(t, d["H7"].With)
}

// The order in which trials are read decides nothing, and whatever verdicts
// hold, every decision is one of the three, with a reason where it is none.
func TestAnyOrderAnyVerdict(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	d := func() time.Duration { return time.Duration(rng.IntN(40000)) * ms }
	maybe := func(o judge.Measurement) judge.Measurement {
		switch rng.IntN(4) {
		case 0:
			return judge.Measurement{Lost: "not seen"}
		case 1:
			o.Censored = true
		}
		return o
	}
	extras := []plan.Extra{plan.ExtraNone, plan.ExtraService, plan.ExtraMemberPod}
	for range 200 {
		w := newWorld()
		for b := range 1 + rng.IntN(8) {
			for range 1 + rng.IntN(4) {
				a := solo(six[rng.IntN(len(six))], plan.AllNames[rng.IntN(2)], extras[rng.IntN(3)])
				if rng.IntN(4) == 0 {
					a = jobFirst(a)
				}
				var pairs []pair
				for range 1 + rng.IntN(3) {
					p := pair{wait: d(), unsplit: rng.IntN(3) == 0, censored: rng.IntN(3) == 0, primer: rng.IntN(3), denied: rng.IntN(9), silent: rng.IntN(20) / 19, timeout: 5 * s}
					p.parts = map[judge.Stage]time.Duration{judge.Stages[rng.IntN(len(judge.Stages))]: p.wait / 2}
					p.servers = replicasAt(maybe(at(d(), false)), maybe(at(d(), false)))
					pairs = append(pairs, p)
				}
				v := w.add(b+1, a, pairs...)
				v.Pairs[0].Connected.Lag = maybe(v.Pairs[0].Connected.Lag)
				v.Connected.Lag, v.OnServer.Lag = maybe(v.Connected.Lag), maybe(at(d(), false))
				v.Moments[0].Ready, v.Moments[0].InSlice = maybe(at(d(), false)), maybe(at(d(), false))
				if rng.IntN(2) == 0 {
					remaining(v, float64(rng.IntN(60)-30))
					gap(v, d()-20*s)
				}
				if rng.IntN(8) == 0 {
					v.Status = results.Invalid
				}
			}
		}
		want := w.decisions()
		for _, d := range want {
			require.Contains(t, []Status{Supported, Refuted, NotTestable}, d.Status)
			require.False(t, d.Status == NotTestable && d.Why == "", "%+v", d)
			require.False(t, d.Status != NotTestable && d.Seen == "", "%+v", d)
		}
		rng.Shuffle(len(w.verdicts), func(i, j int) {
			w.verdicts[i], w.verdicts[j] = w.verdicts[j], w.verdicts[i]
		})
		require.Equal(t, want, w.decisions())
	}
}

// The plan's own findings come first: a report has one number for a comparison.
func TestDeclaredFindingsComeFirst(t *testing.T) {
	w := newWorld()
	compare(8, reused131, member, func(b int) (time.Duration, time.Duration) { return 20*s + spread(b), 20*s + spread(9-b) })(w)
	own := w.decide()["H2"].Seen
	declared(w, member, -4, -6, -2, "differs")
	d := w.decide()["H2"]
	require.NotEqual(t, own, d.Seen)
	require.Contains(t, d.Seen, "-4.00 s")
}

// Records of trials of which the cause is known, through the judge.
func TestThroughTheJudge(t *testing.T) {
	var b strings.Builder
	sliceLate := synth.Stale("t001", plan.Uncached, 5*s, s)
	for i := range sliceLate.Pods {
		sliceLate.Pods[i].InSlice += 4 * s
	}
	for _, tc := range []struct {
		name  string
		world synth.World
		want  map[string]Status
	}{
		{"stale addresses", synth.Stale("t001", plan.Cache30, 0, 30*s, 5*s, s), map[string]Status{"H1": Supported, "H4": NotTestable, "H6": Refuted, "H7": Refuted, "H8": Refuted}},
		{"the same without success caching", synth.Stale("t001", plan.NoSuccessCache, 5*s, s), map[string]Status{"H1": Refuted}},
		{"the same without caching", synth.Stale("t001", plan.Uncached, 5*s, s), map[string]Status{"H1": Refuted, "H4": Refuted, "H8": Refuted}},
		{"denied, workers", synth.Denied("t001", record.Solo, 5), map[string]Status{"H1": NotTestable, "H4": Supported, "H5": Refuted, "H7": Refuted, "H8": Refuted}},
		{"denied, peers", synth.Denied("t001", record.PeersServer, 4), map[string]Status{"H1": NotTestable, "H4": Supported, "H5": Refuted, "H7": Refuted, "H8": Refuted}},
		{"prompt", synth.Prompt("t001", record.PeersServer, 4), map[string]Status{"H4": Refuted, "H5": NotTestable, "H8": Refuted}},
		{"a cache on each node", synth.NodeLocal("t001", record.Solo, 5), map[string]Status{"H4": Supported, "H8": Refuted}},
		{"replicas that keep different things", synth.Divided("t001", s, s), map[string]Status{"H1": Supported, "H5": Supported}},
		{"a replica that is behind by 5 s", synth.Apart("t001", record.PeersServer, 3, 5*s), map[string]Status{"H4": Refuted, "H5": NotTestable, "H8": Refuted}},
		{"in the EndpointSlice 4 s after Ready", synth.SliceLate("t001", record.PeersServer, 3, 4*s), map[string]Status{"H4": Refuted, "H6": NotTestable, "H7": Refuted, "H8": Refuted}},
		{"the same with reused names", sliceLate, map[string]Status{"H1": Refuted, "H6": Supported, "H7": Refuted}},
		{"Ready 4 s after the process", synth.ReadyLate("t001", record.PeersServer, 3, 4*s), map[string]Status{"H4": Refuted, "H7": Supported, "H8": Refuted}},
		{"packets dropped", synth.Dropped("t001", record.PeersServer, 3, 4*s), map[string]Status{"H4": Refuted, "H7": Refuted, "H8": Supported}},
		{"the Service 4 s late", synth.ServiceLate("t001", plan.Uncached, record.Solo, 5, 4*s), map[string]Status{"H4": Refuted, "H8": Refuted, "H10": Supported}},
		{"published before Ready", synth.Published("t001", plan.Cache30, record.Solo, 5), map[string]Status{"H4": NotTestable, "H7": Refuted, "H8": Refuted}},
		{"SERVFAIL", synth.Failing("t001", record.PeersServer, 3, 4*s), map[string]Status{"H4": Refuted, "H8": Refuted}},
	} {
		w := newWorld()
		trial := tc.world.Trial().End()
		w.plan.Arms = []plan.Arm{trial.Plan.Arm}
		w.plan.Trials = []plan.Trial{trial.Plan}
		in := New(w.plan, &w.env)
		v := judge.Judge(trial)
		require.NotEqual(t, results.Invalid, v.Status, "%s: %v", tc.name, v.Reasons)
		in.Add(v)
		fmt.Fprintf(&b, "%s\n", tc.name)
		for _, d := range in.Decisions() {
			if want, ok := tc.want[d.ID]; ok {
				require.Equal(t, want, d.Status, "%s: %s: %s (%s)", tc.name, d.ID, d.Seen, d.Why)
				fmt.Fprintf(&b, "  %s: %s\n    seen: %s\n    why: %s\n", d.ID, d.Status, d.Seen, d.Why)
			}
		}
	}
	golden(t, "judged.golden", b.String())
}
