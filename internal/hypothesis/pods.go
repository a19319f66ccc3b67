package hypothesis

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"headless-job-dns/internal/plan"
)

const (
	// FirstRetry is the EndpointSlice controller's pause after its first
	// failed sync (defaultSyncBackOff in pkg/controller/endpointslice); it
	// doubles from there. Pod events themselves are not delayed by default.
	FirstRetry = time.Second
	// KubeletMost is what the kubelet's own clockwork can add: it looks at its
	// containers once a second (genericPlegRelistPeriod in pkg/kubelet), and a
	// status that it sends is one or two requests, for which another second is
	// plenty.
	KubeletMost = 2 * time.Second
	// LostSYN is what a lost SYN costs at least: Linux sends it again after
	// 1 s (TCP_TIMEOUT_INIT, RFC 6298).
	LostSYN = time.Second
)

// backoff decides H6.
func (in *Input) backoff() finding {
	type group struct {
		took []time.Duration
		over int // trials with a longer step
	}
	look := func(n plan.Names) group {
		var g group
		// With publishNotReadyAddresses the entry does not wait for Ready.
		for _, t := range in.valid(func(a plan.Arm) bool { return a.Names == n && !a.Publish }) {
			if !t.toSlice.Known() {
				continue
			}
			g.took = append(g.took, t.toSlice.Value)
			if over, _ := later(t.toSlice, FirstRetry); over {
				g.over++
			}
		}
		return g
	}
	reused, fresh := look(plan.Reused), look(plan.Fresh)
	if len(reused.took) == 0 {
		return untestable("", "no trial with reused names in which the way from Ready to the EndpointSlice was seen")
	}
	describe := func(g group, n plan.Names) string {
		return fmt.Sprintf("%s names: longer than %s in %d of %s, longest %s", n, setting(FirstRetry), g.over, some(len(g.took), "trial"), seconds(slices.Max(g.took)))
	}
	seen := describe(reused, plan.Reused)
	if len(fresh.took) > 0 {
		seen += "; " + describe(fresh, plan.Fresh)
	}
	switch {
	case reused.over == 0:
		return refute(seen, "")
	case fresh.over > 0:
		return untestable(seen, "it is so with fresh names too")
	}
	return support(seen)
}

// kubelet decides H7.
func (in *Input) kubelet() finding {
	trials := in.valid(func(plan.Arm) bool { return true })
	var took []time.Duration
	over := 0
	byArm := map[plan.Arm][]time.Duration{}
	for _, t := range trials {
		if !t.toReady.Known() {
			continue
		}
		took = append(took, t.toReady.Value)
		byArm[t.arm] = append(byArm[t.arm], t.toReady.Value)
		if yes, _ := later(t.toReady, KubeletMost); yes {
			over++
		}
	}
	if len(took) == 0 {
		return untestable("", "when pods were reported Ready was not seen")
	}
	s := sum(trials)
	var medians []time.Duration
	for _, d := range byArm {
		medians = append(medians, middle(d))
	}
	seen := fmt.Sprintf("longer than %s from a process' start to its pod's Ready in %d of %s, longest %s, medians of arms %s; %s",
		setting(KubeletMost), over, some(len(took), "trial"), seconds(slices.Max(took)), extent(medians), s.holds("it", ready))
	switch {
	case s.heldIn[ready] > 0:
		return support(seen)
	case over > 0 && s.open[ready] > 0:
		return untestable(seen, notSplit)
	}
	return refute(seen, "")
}

// middle is the median of a list that is not empty.
func middle(d []time.Duration) time.Duration {
	d = slices.SortedFunc(slices.Values(d), cmp.Compare[time.Duration])
	n := len(d)
	return d[(n-1)/2] + (d[n/2]-d[(n-1)/2])/2
}

// dataplane decides H8.
func (in *Input) dataplane() finding {
	trials := in.valid(func(plan.Arm) bool { return true })
	dropped := 0
	for _, t := range trials {
		if t.silent > 0 || t.longest[connect] > LostSYN {
			dropped++
		}
	}
	s := sum(trials)
	if s.connected == 0 && s.silent == 0 {
		return untestable("", "no connect to a right address was seen")
	}
	seen := fmt.Sprintf("%s timed out, %d of them to the right address; %s connected, the slowest %s after a right answer", some(s.timedOut, "connect"), s.silent, some(s.connected, "pair"), seconds(s.longest[connect]))
	if direct := sum(in.valid(func(a plan.Arm) bool { return a.Connect == plan.ByAddress })); direct.trials > 0 {
		seen += fmt.Sprintf("; workers that were handed the address, without DNS: %s", direct.delays())
	}
	if dropped > 0 {
		return support(fmt.Sprintf("in %d of %s: %s", dropped, some(s.trials, "trial"), seen))
	}
	return refute(seen, "")
}
