package e2e

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"

	"headless-job-dns/internal/experiment"
	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/picture"
	"headless-job-dns/internal/result"
	"headless-job-dns/internal/witness"
	"headless-job-dns/manifests"
)

// truth reconstructs the parts of one pair's time from the witnesses alone.
type truth struct {
	*witnesses
	namespace, job, service string
	success, denial         time.Duration // what the servers cache, 0: nothing
	zero                    time.Time     // the request for the Job
}

// lookup is one question as a server answered it, and what with.
type lookup struct {
	witness.Question
	wrong judge.Part    // empty: the answer was right
	left  time.Duration // until what was kept expired
}

// lateStamp is by how much two lines of a server's log may be stamped
// differently late: a record that expires between two questions may seem to
// have served the second one as well.
const lateStamp = 100 * time.Millisecond

func (w truth) name(pod int) string {
	return fmt.Sprintf("%s-%d.%s.%s.svc.%s.", w.job, pod, w.service, w.namespace, manifests.DefaultDomain)
}

// onServers is when the last server had a pod's name: each had it between the
// last question that it denied uncached and the first that it did not.
func (w truth) onServers(pod int) witness.Span {
	var last witness.Span
	for _, questions := range w.questions {
		var missed, had time.Time
		for _, q := range questions {
			fresh := strings.HasPrefix(q.Type, "TYPE") || w.denial == 0 && w.success == 0
			if q.Name != w.name(pod) || !fresh || q.At.Before(w.zero) {
				continue
			}
			if q.Rcode == "NXDOMAIN" {
				missed = q.At
			} else if q.Rcode == "NOERROR" && had.IsZero() {
				had = q.At
			}
		}
		at := witness.Span{From: missed, To: had}
		switch {
		case had.IsZero():
			continue // a server that answers nothing serves nobody
		case missed.IsZero() || had.Before(missed):
			at = w.Pods[pod].InSlice // nobody looked before it was there
			at.From = at.To
		}
		last = witness.Span{From: later(last.From, at.From), To: later(last.To, at.To)}
	}
	return last
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// lookups replays each server's cache over its log: what an asker was told
// about a pod since the Job was created, in order. A denial is wrong when it
// was kept from before the name was there, an address when it is.
func (w truth) lookups(asker, asked int, there time.Time) []lookup {
	var out []lookup
	for _, questions := range w.questions {
		questions = slices.SortedFunc(slices.Values(questions), func(a, b witness.Question) int { return a.At.Compare(b.At) })
		var kept, until time.Time // of the record or denial in the cache
		for _, q := range questions {
			if q.Name != w.name(asked) || q.Type != "A" {
				continue
			}
			if !q.At.Before(until) {
				kept, until = q.At, q.At
				switch q.Rcode {
				case "NOERROR":
					until = q.At.Add(w.success)
				case "NXDOMAIN":
					until = q.At.Add(w.denial)
				}
			}
			if q.Asker != w.Pods[asker].IP || q.At.Before(w.zero) {
				continue
			}
			l := lookup{Question: q, left: until.Sub(q.At)}
			switch {
			case q.Rcode == "NXDOMAIN" && q.At.After(there):
				l.wrong = judge.PartDenial
			case q.Rcode == "NXDOMAIN":
				l.wrong = judge.PartPolling
			case q.Rcode == "NOERROR" && kept.Before(w.zero):
				l.wrong = judge.PartStale
			}
			out = append(out, l)
		}
	}
	slices.SortFunc(out, func(a, b lookup) int { return a.At.Compare(b.At) })
	return out
}

// bounds are the least and the most that a pair's part can have been.
type bounds struct{ least, most time.Duration }

func (b bounds) width() time.Duration { return b.most - b.least }

// nearest is what comes nearest to d inside.
func (b bounds) nearest(d time.Duration) time.Duration { return min(max(d, b.least), b.most) }

// off is how far d is outside.
func (b bounds) off(d time.Duration) time.Duration { return (d - b.nearest(d)).Abs() }

// bounds splits a pair's time by the witnesses. When a process began they know
// to within what containerd needed to see it speak, which on a busy machine is
// a while, and when a server had a name to within two looks.
func (w truth) bounds(asker, asked int) map[judge.Part]bounds {
	there := w.onServers(asked)
	var corners []map[judge.Part]time.Duration
	for _, begun := range []func(witness.Span) time.Time{witness.Span.Earliest, witness.Span.Latest} {
		for _, there := range []time.Time{there.From, there.To} {
			corners = append(corners, w.parts(asker, asked, begun, there))
		}
	}
	if slices.ContainsFunc(corners, func(c map[judge.Part]time.Duration) bool { return c == nil }) {
		return nil
	}
	out := map[judge.Part]bounds{}
	for _, part := range judge.Parts {
		var took []time.Duration
		for _, c := range corners {
			took = append(took, c[part])
		}
		if b := (bounds{slices.Min(took), slices.Max(took)}); b.most > 0 {
			out[part] = b
		}
	}
	return out
}

// parts splits a pair's time by the witnesses, under the rules that
// judge.Part states, with processes begun and the name on the servers at one
// end of what they know.
func (w truth) parts(asker, asked int, begun func(witness.Span) time.Time, there time.Time) map[judge.Part]time.Duration {
	out := map[judge.Part]time.Duration{}
	pos := w.zero
	to := func(p judge.Part, at time.Time) {
		if at.After(pos) {
			out[p] += at.Sub(pos)
			pos = at
		}
	}
	a, b := w.Pods[asker], w.Pods[asked]
	type step struct {
		part judge.Part
		at   time.Time
	}
	var way []step
	if begun(a.Started).After(there) {
		way = []step{{judge.PartCreate, a.Created.To}, {judge.PartSchedule, a.Scheduled.To}, {judge.PartStart, begun(a.Started)}}
	} else {
		way = []step{{judge.PartCreate, b.Created.To}, {judge.PartSchedule, b.Scheduled.To}, {judge.PartStart, begun(b.Started)},
			{judge.PartReady, b.Ready.To}, {judge.PartSlice, b.InSlice.To}, {judge.PartServer, there}}
	}
	for _, s := range way {
		to(s.part, s.at)
	}
	lookups := w.lookups(asker, asked, there)
	held := judge.PartUnasked
	var right time.Time
	for _, l := range lookups {
		if l.wrong == "" && l.Rcode == "NOERROR" {
			right = l.At
			break
		}
		to(held, l.At)
		held = l.wrong
	}
	if n := len(lookups); right.IsZero() && n > 0 && lookups[n-1].wrong == judge.PartStale && lookups[n-1].left < lateStamp {
		// It asked no more, so this was the new answer.
		right = lookups[n-1].At
	}
	if right.IsZero() {
		return nil
	}
	// A question that no server logged was lost on the way to one that does
	// not answer; a client that asks every few ten milliseconds was waiting.
	if held == judge.PartPolling && right.Sub(pos) > time.Second || held == judge.PartUnasked && right.Sub(pos) > time.Second {
		held = judge.PartNoAnswer
	}
	to(held, right)
	for _, p := range slices.SortedFunc(slices.Values(w.packets), func(a, b witness.Packet) int { return a.At.Compare(b.At) }) {
		// A server's log line is stamped a little after its answer has left, by
		// which time the two may be connected.
		if p.Answer && p.From == b.IP && p.To == a.IP {
			to(judge.PartConnect, p.At)
			return out
		}
	}
	return nil
}

// checked is one part of one pair: by the witnesses and by the judge.
type checked struct {
	injection string
	part      judge.Part
	injected  bool // the part that the injection is about
	truth     bounds
	attribute time.Duration
}

func (c checked) off() time.Duration { return c.truth.off(c.attribute) }

// inject carries out one injection and compares part by part.
func inject(t *testing.T, in injection) []checked {
	t.Helper()
	if in.before != nil {
		in.before(t)
	}
	s := newStand(t, strings.NewReplacer(" ", "-", ".", "-").Replace(strings.ToLower(in.name)), in)
	if in.prepare != nil {
		in.prepare(t, s)
	}
	ctx, stop := context.WithCancel(t.Context())
	var beside sync.WaitGroup
	alter := func(objs []manifests.Object) {
		for _, o := range objs {
			if j, ok := o.(*batchv1.Job); ok && in.job != nil && !strings.Contains(strings.Join(j.Spec.Template.Spec.Containers[0].Args, " "), "--observer=prime") {
				in.job(j)
			}
		}
	}
	step := func(what string) {
		switch {
		case what == "gap" && in.gap != nil:
			in.gap(t, s)
		case what == "measuring" && in.during != nil:
			beside.Go(func() { in.during(ctx, t, s) })
		}
	}
	tr, w := s.measure(in.arm, injectedDeadline, alter, step)
	stop()
	beside.Wait()
	v := judge.Judge(&tr)
	require.Equal(t, result.Complete, v.Status, v.Reasons)
	truth := truth{witnesses: w, namespace: s.namespace, job: tr.Plan.Job, service: tr.Plan.Service, success: in.success, denial: in.denial, zero: tr.Run.Zero}
	var out []checked
	for _, p := range v.Pairs {
		if p.Self {
			continue
		}
		want := truth.bounds(p.Asker, p.Asked)
		require.NotNil(t, want, "index %d and %d: the witnesses do not say when they were connected", p.Asker, p.Asked)
		have := map[judge.Part]time.Duration{}
		for _, sh := range p.Shares {
			have[sh.Part] += sh.Took
		}
		for _, part := range judge.Parts {
			if part == in.part || want[part].most > 0 || have[part] > 0 {
				out = append(out, checked{in.name, part, part == in.part, want[part], have[part]})
			}
		}
	}
	return out
}

// injectedDeadline is beyond every injection.
const injectedDeadline = 60 * time.Second

// tolerance is what attribution may be off by: 100 ms, or the interval between
// two questions where that is longer.
func tolerance() time.Duration {
	interval := time.Duration(experiment.Interval(injectedPods, 0, experiment.Defaults().QPS))
	return max(100*time.Millisecond, interval)
}

// tabulate prints injected against attributed, a line an injection: of the
// part that it is about, and of all others together. What the witnesses know of
// a pair's part is an interval; how wide it was at most stands beside.
func tabulate(w io.Writer, all []checked) {
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "injected\tfound as\tpairs\tby the witnesses\tknown to within\tattributed\terror at p99\telsewhere, invented at most\t")
	for _, name := range names(all) {
		var mine, rest []checked
		for _, c := range all {
			if c.injection == name && c.injected {
				mine = append(mine, c)
			} else if c.injection == name {
				rest = append(rest, c)
			}
		}
		part, truths, within, attributed, off := "-", "-", "-", "-", "-"
		if len(mine) > 0 {
			part = string(mine[0].part)
			truths = span(mine, func(c checked) bounds { return c.truth })
			widest := slices.MaxFunc(mine, func(a, b checked) int { return cmp.Compare(a.truth.width(), b.truth.width()) })
			within = fmt.Sprintf("%.3f s", widest.truth.width().Seconds())
			attributed = span(mine, func(c checked) bounds { return bounds{c.attribute, c.attribute} })
			off = fmt.Sprintf("%.3f s", p99(mine).Seconds())
		}
		worst := slices.MaxFunc(rest, func(a, b checked) int { return cmp.Compare(a.off(), b.off()) })
		fmt.Fprintf(tab, "%s\t%s\t%d\t%s\t%s\t%s\t%s\t%.3f s (%s)\t\n", name, part, injectedPods*(injectedPods-1), truths, within, attributed, off, worst.off().Seconds(), worst.part)
	}
	tab.Flush()
}

func names(all []checked) []string {
	var out []string
	for _, c := range all {
		if !slices.Contains(out, c.injection) {
			out = append(out, c.injection)
		}
	}
	return out
}

func span(all []checked, of func(checked) bounds) string {
	var d []time.Duration
	for _, c := range all {
		d = append(d, of(c).least, of(c).most)
	}
	return fmt.Sprintf("%.2f to %.2f s", slices.Min(d).Seconds(), slices.Max(d).Seconds())
}

func p99(all []checked) time.Duration {
	var d []time.Duration
	for _, c := range all {
		d = append(d, c.off())
	}
	return quantile(d, 0.99)
}

// demand is the promise: the right part, within the tolerance, and nothing
// invented elsewhere beyond what is given.
func demand(t *testing.T, all []checked, elsewhere time.Duration) {
	t.Helper()
	for _, c := range all {
		if limit := map[bool]time.Duration{true: tolerance(), false: elsewhere}[c.injected]; c.off() > limit {
			t.Errorf("%s: %q: %s attributed, %s to %s by the witnesses", c.injection, c.part, c.attribute, c.truth.least, c.truth.most)
		}
	}
	for _, in := range injections {
		var mine []checked
		for _, c := range all {
			if c.injection == in.name && c.injected {
				mine = append(mine, c)
			}
		}
		if in.part == "" || len(mine) == 0 {
			continue
		}
		if m := slices.MaxFunc(mine, func(a, b checked) int { return cmp.Compare(a.truth.most, b.truth.most) }); m.truth.most < time.Second {
			t.Errorf("%s: the witnesses saw %s of %q at most: it was not injected", in.name, m.truth.most, in.part)
		}
	}
}

// busy is what else may seem to happen where other work keeps the machine from
// passing on what a watch reports; the bench wants a quiet one.
const busy = 300 * time.Millisecond

// TestAttribution is the short form of the bench: four causes.
func TestAttribution(t *testing.T) {
	onLab(t)
	runInjections(t, busy, func(in injection) bool { return in.short })
}

// TestBenchAttribution injects every cause and prints injected against
// attributed.
func TestBenchAttribution(t *testing.T) {
	onBench(t)
	all := runInjections(t, tolerance(), func(injection) bool { return true })
	drawn := picture.Injected{Tolerance: tolerance().Seconds()}
	for _, c := range all {
		if c.injected {
			drawn.Points = append(drawn.Points, picture.Injection{Knob: c.injection, Injected: c.truth.nearest(c.attribute).Seconds(), Attributed: c.attribute.Seconds()})
		}
	}
	dir := filepath.Join(root(t), "bin", "bench") // beside the programs: `make clean` removes it
	require.NoError(t, picture.Write(dir, picture.Input{Injected: &drawn}))
	var table strings.Builder
	tabulate(&table, all)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "attribution.txt"), []byte(table.String()), 0o644))
	fmt.Printf("written and drawn in %s\n", dir)
}

func runInjections(t *testing.T, elsewhere time.Duration, wanted func(injection) bool) (all []checked) {
	for _, in := range injections {
		if !wanted(in) {
			continue
		}
		t.Run(in.name, func(t *testing.T) {
			found := inject(t, in)
			all = append(all, found...)
			demand(t, found, elsewhere)
		})
	}
	tabulate(os.Stdout, all)
	return all
}
