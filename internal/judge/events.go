package judge

import (
	"slices"
	"strconv"

	"headless-job-dns/internal/results"
)

// podEvents are the watch's receipts about one index, on the runner's axis.
type podEvents struct {
	at map[results.What]int64
	// inSlice is when an EndpointSlice first held one of the pod's addresses
	// under its hostname, ready: what its DNS record is made of.
	inSlice    int64
	hasInSlice bool
	slice      *results.Event
}

// readEvents sorts a run's events by index. Events of a pod that was replaced
// under the same index are left out: they are not the judged pod's.
func readEvents(run *results.Run, logs []*podLog, job string) []podEvents {
	out := make([]podEvents, len(logs))
	for i := range out {
		out[i].at = map[results.What]int64{}
	}
	hosts := make(map[string]int, len(logs))
	for i := range logs {
		hosts[job+"-"+strconv.Itoa(i)] = i
	}
	for k := range run.Events {
		e := &run.Events[k]
		switch e.Object {
		case "pod":
			if e.Index == nil || *e.Index < 0 || *e.Index >= len(logs) {
				continue
			}
			i := *e.Index
			if uid := logs[i].pod.UID; uid != "" && e.UID != "" && uid != e.UID {
				continue
			}
			if _, ok := out[i].at[e.What]; !ok {
				out[i].at[e.What] = e.T
			}
		case "endpointslice":
			for _, ep := range e.Endpoints {
				i, ok := hosts[ep.Hostname]
				if ok && ep.Ready && !out[i].hasInSlice && ownAddress(ep.Addrs, logs[i]) {
					out[i].inSlice, out[i].hasInSlice, out[i].slice = e.T, true, e
				}
			}
		}
	}
	return out
}

// ownAddress tells the pod's own endpoint from that of its predecessor under
// the same hostname.
func ownAddress(addrs []string, l *podLog) bool {
	return slices.ContainsFunc(addrs, func(a string) bool {
		a = canonical(a)
		if slices.ContainsFunc(l.pod.IPs, func(ip string) bool { return canonical(ip) == a }) {
			return true
		}
		return l.start != nil && slices.ContainsFunc(l.start.Addresses, func(ip string) bool { return canonical(ip) == a })
	})
}
