package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"

	"headless-job-dns/internal/results"
	"headless-job-dns/manifests"
)

// syncPatience is how long the first list of each kind may take: four short
// lists of what a label selects.
const syncPatience = 20 * time.Second

// Watcher watches the run's Jobs, pods, Services and EndpointSlices in one
// namespace, one watch per kind for the whole run, and sorts what it sees by
// trial.
type Watcher struct {
	stop   context.CancelFunc
	mu     sync.Mutex
	trials map[string]*Observation
}

// Watch starts the watches and returns when their caches are filled. They go
// on until Stop, whatever becomes of the context: after an interrupt deletion
// is still to be watched.
func (c *Client) Watch(ctx context.Context, namespace, run string) (*Watcher, error) {
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	w := &Watcher{trials: map[string]*Observation{}, stop: stop}
	syncing, refuse := context.WithCancelCause(ctx)
	defer refuse(nil)
	slow := time.AfterFunc(syncPatience, func() {
		refuse(fmt.Errorf("no answer within %s", syncPatience))
	})
	defer slow.Stop()
	f := informers.NewSharedInformerFactoryWithOptions(c.Kube, 0, informers.WithNamespace(namespace),
		informers.WithTweakListOptions(func(o *metav1.ListOptions) { o.LabelSelector = Selector(run, "") }))
	for _, inf := range []cache.SharedIndexInformer{
		f.Batch().V1().Jobs().Informer(), f.Core().V1().Pods().Informer(),
		f.Core().V1().Services().Informer(), f.Discovery().V1().EndpointSlices().Informer(),
	} {
		// A watch that is refused would be tried again for ever.
		if err := inf.SetWatchErrorHandlerWithContext(func(_ context.Context, _ *cache.Reflector, err error) {
			if apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) {
				refuse(err)
			}
		}); err != nil {
			stop()
			return nil, fmt.Errorf("cannot watch namespace %s: %w", namespace, err)
		}
		if _, err := inf.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    func(o any) { w.note(o, false) },
			UpdateFunc: func(_, o any) { w.note(o, false) },
			DeleteFunc: func(o any) { w.note(o, true) },
		}); err != nil {
			stop()
			return nil, fmt.Errorf("cannot watch namespace %s: %w", namespace, err)
		}
	}
	f.Start(watching.Done())
	for kind, ok := range f.WaitForCacheSync(syncing.Done()) {
		if !ok {
			stop()
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return nil, fmt.Errorf("cannot watch %s in namespace %s: %w; the right to list and watch jobs, pods, services and "+
				"endpointslices is needed there", kind, namespace, context.Cause(syncing))
		}
	}
	return w, nil
}

// Stop ends the watches.
func (w *Watcher) Stop() { w.stop() }

// Observe begins to keep what happens to the objects with the trial's label.
func (w *Watcher) Observe(trial string) *Observation {
	w.mu.Lock()
	defer w.mu.Unlock()
	o := &Observation{pods: map[string]*podState{}, seen: map[string]bool{}, changed: make(chan struct{}, 1)}
	w.trials[trial] = o
	return o
}

// Forget stops keeping what happens to a trial.
func (w *Watcher) Forget(trial string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.trials, trial)
}

func (w *Watcher) note(obj any, deleted bool) {
	at := time.Now() // before anything else: this is the time of receipt
	if t, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = t.Obj
	}
	m, ok := obj.(metav1.Object)
	if !ok {
		return
	}
	w.mu.Lock()
	o := w.trials[m.GetLabels()[manifests.LabelTrial]]
	w.mu.Unlock()
	if o != nil {
		o.note(m, deleted, at)
	}
}

// Observation is what the watches saw of one trial.
type Observation struct {
	mu      sync.Mutex
	events  []stamped
	pods    map[string]*podState // by UID
	seen    map[string]bool      // facts already reported, by UID and What
	changed chan struct{}
}

type stamped struct {
	at time.Time
	results.Event
}

type podState struct {
	pod         *corev1.Pod
	unscheduled time.Time // since when no node takes it; zero: one does
	deleted     time.Time
}

// Changed is signalled after something was noted.
func (o *Observation) Changed() <-chan struct{} { return o.changed }

func (o *Observation) note(m metav1.Object, deleted bool, at time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	e := results.Event{Name: m.GetName(), UID: string(m.GetUID())}
	once := func(what results.What) {
		if key := e.UID + string(what); !o.seen[key] {
			o.seen[key] = true
			e.What = what
			o.events = append(o.events, stamped{at, e})
		}
	}
	switch v := m.(type) {
	case *batchv1.Job:
		e.Object = "job"
		once(results.Created)
	case *corev1.Service:
		e.Object = "service"
		once(results.Created)
	case *corev1.Pod:
		o.notePod(v, &e, once)
		if s := o.pods[e.UID]; deleted && s.deleted.IsZero() {
			s.deleted = at
		}
	case *discoveryv1.EndpointSlice:
		e.Object = "endpointslice"
		e.Trigger = v.Annotations[corev1.EndpointsLastChangeTriggerTime]
		e.Endpoints = endpoints(v)
		if !deleted {
			e.What = results.Changed
			o.events = append(o.events, stamped{at, e})
		}
	}
	if deleted {
		once(results.Deleted)
	}
	select {
	case o.changed <- struct{}{}:
	default:
	}
}

func (o *Observation) notePod(p *corev1.Pod, e *results.Event, once func(results.What)) {
	e.Object, e.Node = "pod", p.Spec.NodeName
	e.Index = jobIndex(p)
	for _, ip := range p.Status.PodIPs {
		e.IPs = append(e.IPs, ip.IP)
	}
	s := o.pods[e.UID]
	if s == nil {
		s = &podState{}
		o.pods[e.UID] = s
	}
	s.pod = p
	if unschedulable(p) == "" {
		s.unscheduled = time.Time{}
	} else if s.unscheduled.IsZero() {
		s.unscheduled = time.Now()
	}
	once(results.Created)
	if p.Spec.NodeName != "" {
		once(results.Scheduled)
	}
	if len(p.Status.PodIPs) > 0 {
		once(results.Addressed)
	}
	if cs := ProbeStatus(p); cs != nil && cs.State.Running != nil {
		once(results.Started)
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			once(results.Ready)
		}
	}
	if p.Status.Phase == corev1.PodFailed {
		once(results.Failed)
	}
}

// ProbeStatus returns the status of the pod's probe, nil while there is none.
// Other containers of the pod are not ours: a webhook of the cluster's may have
// added them.
func ProbeStatus(p *corev1.Pod) *corev1.ContainerStatus {
	i := slices.IndexFunc(p.Status.ContainerStatuses,
		func(cs corev1.ContainerStatus) bool { return cs.Name == manifests.ProbeContainer })
	if i < 0 {
		return nil
	}
	return &p.Status.ContainerStatuses[i]
}

func jobIndex(p *corev1.Pod) *int {
	i, err := strconv.Atoi(p.Annotations["batch.kubernetes.io/job-completion-index"])
	if err != nil {
		return nil
	}
	return &i
}

func endpoints(s *discoveryv1.EndpointSlice) []results.Endpoint {
	var out []results.Endpoint
	for _, ep := range s.Endpoints {
		r := results.Endpoint{Addrs: ep.Addresses, Ready: ep.Conditions.Ready == nil || *ep.Conditions.Ready}
		if ep.Hostname != nil {
			r.Hostname = *ep.Hostname
		}
		out = append(out, r)
	}
	return out
}

// Events returns what was seen so far with times counted from zero, in order
// of receipt.
func (o *Observation) Events(zero time.Time) []results.Event {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := make([]results.Event, len(o.events))
	for i, s := range o.events {
		out[i] = s.Event
		out[i].T = int64(s.at.Sub(zero))
	}
	slices.SortStableFunc(out, func(a, b results.Event) int { return int(a.T - b.T) })
	return out
}

// Pods returns the latest state of every pod seen, deleted ones included,
// oldest first.
func (o *Observation) Pods() []*corev1.Pod {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []*corev1.Pod
	for _, s := range o.pods {
		out = append(out, s.pod)
	}
	slices.SortFunc(out, func(a, b *corev1.Pod) int {
		if c := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	return out
}

// JobIndex returns the completion index of a Job's pod, or -1.
func JobIndex(p *corev1.Pod) int {
	if i := jobIndex(p); i != nil {
		return *i
	}
	return -1
}

// Gone returns when the last pod was seen deleted, and whether all are.
func (o *Observation) Gone() (time.Time, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var last time.Time
	for s := range maps.Values(o.pods) {
		if s.deleted.IsZero() {
			return last, false
		}
		if s.deleted.After(last) {
			last = s.deleted
		}
	}
	return last, true
}

// JobGone tells whether the trial's Job was seen deleted.
func (o *Observation) JobGone() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.ContainsFunc(o.events, func(s stamped) bool { return s.Object == "job" && s.What == results.Deleted })
}

// Lost names an object that was deleted; empty while there is none. Slices do
// not count: their controller deletes and makes them as it likes.
func (o *Observation) Lost() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, s := range o.events {
		if s.What == results.Deleted && s.Object != "endpointslice" {
			return s.Object + " " + s.Name
		}
	}
	return ""
}

// unschedulablePatience is how long no node may take a pod: the previous trial's
// pods may still be there, or a node may have just gone away.
const unschedulablePatience = time.Minute
