package synth

import (
	"time"

	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
)

// Each regime is the world of one cause. A caller may change it further, and
// gives it another Seed for another trial of the same kind:
//
//	w := synth.Denied("t001", record.Solo, 5)
//	w.Seed = 7
//	trial := w.Trial().End()

func fresh(id string, dns plan.DNS, ob record.Observer, pods int) World {
	return Of(id, plan.Arm{DNS: dns, Names: plan.Fresh, Extra: plan.ExtraNone, Observer: ob}, pods)
}

// Denied is H4 with kubeadm's old Corefile: the first question comes before the
// record, and the replica keeps its denial for 30 s. There is one: with two,
// as Of has them, a solo worker may be lucky and ask the other one next.
func Denied(id string, ob record.Observer, pods int) World {
	w := fresh(id, plan.Cache30, ob, pods)
	w.Replicas = w.Replicas[:1]
	return w
}

// Prompt is the same without a cache: connected within 0.3 s.
func Prompt(id string, ob record.Observer, pods int) World {
	return fresh(id, plan.Uncached, ob, pods)
}

// NodeLocal has a cache on each node that keeps a denial for 5 s, in front of
// replicas that do not cache.
func NodeLocal(id string, ob record.Observer, pods int) World {
	return fresh(id, plan.NodeLocalUncached, ob, pods)
}

// Stale is H1: solo workers, one for each connect timeout, with reused names.
// The primer's address has 20 s to live in every cache of the configuration.
func Stale(id string, dns plan.DNS, timeouts ...time.Duration) World {
	w := Of(id, plan.Arm{DNS: dns, Names: plan.Reused, Extra: plan.ExtraNone, Observer: record.Solo}, len(timeouts)+1)
	w.Timeouts = timeouts
	return w
}

// Published is publishNotReadyAddresses: the name is there before the process
// runs.
func Published(id string, dns plan.DNS, ob record.Observer, pods int) World {
	return Of(id, plan.Arm{DNS: dns, Names: plan.Fresh, Extra: plan.ExtraNone, Observer: ob, Publish: true}, pods)
}

// Failing is a DNS whose replicas answer SERVFAIL until a time.
func Failing(id string, ob record.Observer, pods int, until time.Duration) World {
	w := Prompt(id, ob, pods)
	for i := range w.Replicas {
		w.Replicas[i].Broken = until
	}
	return w
}

// Dropped is H8: the answer is right, and what is sent to the pod is dropped
// until a time.
func Dropped(id string, ob record.Observer, pods int, until time.Duration) World {
	w := Prompt(id, ob, pods)
	w.Lossy = until
	return w
}

// Apart is H5: the second replica has each record so much later than the first.
// Neither caches.
func Apart(id string, ob record.Observer, pods int, by time.Duration) World {
	w := Prompt(id, ob, pods)
	w.Replicas[1].Behind += by
	return w
}

// Divided is H5 as caches make it: with reused names the first replica keeps
// the primer's address and the second keeps none.
func Divided(id string, timeouts ...time.Duration) World {
	w := Stale(id, plan.Cache30, timeouts...)
	w.Replicas[1].Keeps = Keeps{Denials: 30}
	return w
}

// SliceLate is H6: pods come into the EndpointSlice so long after Ready.
func SliceLate(id string, ob record.Observer, pods int, late time.Duration) World {
	w := Prompt(id, ob, pods)
	for i := range w.Pods {
		w.Pods[i].InSlice = w.Pods[i].Ready + late
	}
	return w
}

// ReadyLate is H7: Ready is reported so long after the process started.
func ReadyLate(id string, ob record.Observer, pods int, late time.Duration) World {
	w := Prompt(id, ob, pods)
	for i := range w.Pods {
		l := &w.Pods[i]
		l.Ready = l.Started + late
		l.InSlice = l.entry(false)
	}
	return w
}

// ServiceLate is H10: the Job is created first, the Service at a time.
func ServiceLate(id string, dns plan.DNS, ob record.Observer, pods int, at time.Duration) World {
	w := Of(id, plan.Arm{DNS: dns, Names: plan.Fresh, Extra: plan.ExtraNone, Observer: ob, Order: plan.JobFirst}, pods)
	for i := range w.Pods {
		w.Pods[i].InSlice = w.Pods[i].entry(false)
	}
	w.ServiceAt(at)
	return w
}
