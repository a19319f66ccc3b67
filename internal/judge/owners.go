package judge

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

// Kind says whose an address in an answer is.
type Kind string

const (
	Current Kind = "current" // the peer's own
	Primer  Kind = "primer"  // a pod's of the primer run
	Sibling Kind = "sibling" // another pod's of this run's Job
	Other   Kind = "other"   // a pod's of this trial that is not the Job's
	Earlier Kind = "earlier" // a pod's of an earlier trial
	Unknown Kind = "unknown" // nobody's that is known
)

// Owner is whose an address is.
type Owner struct {
	Kind  Kind
	Index int    // of Current, Primer and Sibling; else -1
	Name  string // of Other and Earlier; of Unknown the address
}

// String names the owner as reports do.
func (o Owner) String() string {
	switch o.Kind {
	case Current:
		return "the asked pod"
	case Primer:
		return "the primer's index " + strconv.Itoa(o.Index)
	case Sibling:
		return "this run's index " + strconv.Itoa(o.Index)
	case Other:
		return "another pod of this trial (" + o.Name + ")"
	case Earlier:
		return "earlier: " + o.Name
	}
	return "unknown address " + o.Name
}

// owners knows the addresses of a trial. Address texts are compared in
// canonical form: IPv6 has several spellings.
type owners struct {
	run     map[string][]int // indices of this run
	primer  map[string][]int
	other   map[string]string
	earlier map[string]string
	uids    map[string]Owner
	job     string
	trial   string
}

// findOwners collects whose each address was: by the API (pods, and the events
// of pods that were replaced), by the pods' own word, and by who answered a
// connect.
func findOwners(t *results.Trial, logs []*podLog) *owners {
	o := &owners{
		run: map[string][]int{}, primer: map[string][]int{}, other: map[string]string{}, earlier: map[string]string{},
		uids: map[string]Owner{}, job: t.Plan.Job, trial: t.Plan.ID,
	}
	for a, who := range t.Earlier {
		o.earlier[canonical(a)] = who
	}
	if t.Primer != nil {
		o.collect(t.Primer, o.primer, Primer)
	}
	o.collect(&t.Run, o.run, Sibling)
	for _, l := range logs {
		for _, d := range l.dials {
			if d.Who == nil {
				continue
			}
			switch by := o.identify(d.Who); by.Kind {
			case Sibling:
				add(o.run, d.Addr, by.Index)
			case Primer:
				add(o.primer, d.Addr, by.Index)
			}
		}
	}
	return o
}

func (o *owners) collect(run *results.Run, of map[string][]int, kind Kind) {
	for _, p := range run.Pods {
		for _, ip := range p.IPs {
			add(of, ip, p.Index)
		}
		if len(p.Lines) > 0 && p.Lines[0].Start != nil {
			for _, ip := range p.Lines[0].Start.Addresses {
				add(of, ip, p.Index)
			}
		}
		if p.UID != "" {
			o.uids[p.UID] = Owner{Kind: kind, Index: p.Index}
		}
	}
	for _, e := range run.Events {
		if e.Object != "pod" {
			continue
		}
		for _, ip := range e.IPs {
			if e.Index != nil && !replaced(run, e) {
				add(of, ip, *e.Index)
			} else {
				o.other[canonical(ip)] = e.Name
			}
		}
		if e.Index != nil && e.UID != "" {
			if _, ok := o.uids[e.UID]; !ok {
				o.uids[e.UID] = Owner{Kind: kind, Index: *e.Index}
			}
		}
	}
}

// replaced tells the event of a pod whose index another pod holds now: its
// address is not the peer's.
func replaced(run *results.Run, e results.Event) bool {
	for _, p := range run.Pods {
		if p.Index == *e.Index {
			return p.UID != "" && e.UID != "" && p.UID != e.UID
		}
	}
	return false
}

func add(of map[string][]int, addr string, index int) {
	a := canonical(addr)
	if !slices.Contains(of[a], index) {
		of[a] = append(of[a], index)
	}
}

func canonical(addr string) string {
	if ip, err := netip.ParseAddr(addr); err == nil {
		return ip.Unmap().WithZone("").String()
	}
	return addr
}

// identify says which pod answered a connect.
func (o *owners) identify(w *record.Who) Owner {
	if by, ok := o.uids[w.UID]; ok && w.UID != "" {
		return by
	}
	switch {
	case w.UID != "" && len(o.uids) > 0, w.Job != o.job:
		// A pod that neither run had: its job and index prove nothing.
	case w.Trial == o.trial:
		return Owner{Kind: Sibling, Index: w.Index}
	case strings.HasPrefix(w.Trial, o.trial+"-"): // the primer's id is the trial's with a suffix
		return Owner{Kind: Primer, Index: w.Index}
	}
	return Owner{Kind: Earlier, Index: -1, Name: "pod " + w.Pod + " of trial " + w.Trial}
}

// of says whose an address is that was given for the pod with the asked index.
// Addresses are used again, so one may have had several owners. The peer
// comes first: the answer is right, whoever held the address before. Then its
// predecessor under the same name, which is what a cache would have kept.
func (o *owners) of(addr string, peer int) Owner {
	a := canonical(addr)
	run, primer := o.run[a], o.primer[a]
	switch {
	case slices.Contains(run, peer):
		return Owner{Kind: Current, Index: peer}
	case slices.Contains(primer, peer):
		return Owner{Kind: Primer, Index: peer}
	case len(run) > 0:
		return Owner{Kind: Sibling, Index: run[0]}
	case len(primer) > 0:
		return Owner{Kind: Primer, Index: primer[0]}
	}
	if name, ok := o.other[a]; ok {
		return Owner{Kind: Other, Index: -1, Name: name}
	}
	if who, ok := o.earlier[a]; ok {
		return Owner{Kind: Earlier, Index: -1, Name: who}
	}
	return Owner{Kind: Unknown, Index: -1, Name: addr}
}

// includes tells whether one of the addresses is the peer's.
func (o *owners) includes(addrs []string, peer int) bool {
	return slices.ContainsFunc(addrs, func(a string) bool { return o.of(a, peer).Kind == Current })
}

// judge says whose the addresses of one answer are. An answer is current only
// when every address in it is the peer's: a client may take any of them.
func (o *owners) judge(addrs []string, peer int) Owner {
	out := Owner{Kind: Unknown, Index: -1, Name: "(none)"}
	for i, a := range addrs {
		by := o.of(a, peer)
		if by.Kind != Current {
			return by
		}
		if i == 0 {
			out = by
		}
	}
	return out
}
