package trial

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"

	"headless-job-dns/internal/cluster"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
	"headless-job-dns/manifests"
)

// fakeCluster does what a cluster does with a Job: pods that run at once, whose
// probes are done at once, and that go with the Job. It notes what happens.
type fakeCluster struct {
	*fake.Clientset
	mu   sync.Mutex
	did  []string
	at   map[string]time.Time // when each thing happened last
	pods int
	// clock is by how much the pods' differs from the runner's.
	clock time.Duration
}

func (f *fakeCluster) note(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.did = append(f.did, what)
	f.at[what] = time.Now()
}

var (
	podsGVR = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	jobsGVR = schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}
)

func newFakeCluster() *fakeCluster {
	f := &fakeCluster{Clientset: fake.NewClientset(), at: map[string]time.Time{}}
	f.PrependReactor("create", "*", func(a k8stesting.Action) (bool, runtime.Object, error) {
		o := a.(k8stesting.CreateAction).GetObject()
		switch o := o.(type) {
		case *batchv1.Job:
			f.note("create job")
			for i := range int(*o.Spec.Completions) {
				f.Tracker().Create(podsGVR, f.pod(o, i), o.Namespace)
			}
		default:
			f.note("create " + a.GetResource().Resource)
		}
		return false, nil, nil
	})
	f.PrependReactor("delete-collection", "*", func(a k8stesting.Action) (bool, runtime.Object, error) {
		d := a.(k8stesting.DeleteCollectionAction)
		f.note("delete " + a.GetResource().Resource)
		if a.GetResource().Resource == "jobs" {
			f.remove(jobsGVR, schema.GroupVersionKind{Group: "batch", Version: "v1", Kind: "Job"}, d)
			f.remove(podsGVR, corev1.SchemeGroupVersion.WithKind("Pod"), d)
		}
		return true, nil, nil
	})
	f.PrependReactor("get", "pods", func(a k8stesting.Action) (bool, runtime.Object, error) {
		if a.GetSubresource() != "log" {
			return false, nil, nil
		}
		var log strings.Builder
		for _, l := range []record.Line{{Start: &record.Start{Boot: bootID(), Wall: time.Now().Add(f.clock).UnixNano()}}, {T: 1, Done: &record.Done{Reason: "complete"}}} {
			l.V = record.Version
			b, _ := json.Marshal(l)
			log.Write(append(b, '\n'))
		}
		return true, &runtime.Unknown{Raw: []byte(log.String())}, nil
	})
	return f
}

func (f *fakeCluster) remove(gvr schema.GroupVersionResource, gvk schema.GroupVersionKind, d k8stesting.DeleteCollectionAction) {
	list, _ := f.Tracker().List(gvr, gvk, d.GetNamespace())
	for _, o := range items(list) {
		if d.GetListRestrictions().Labels.Matches(labels.Set(o.GetLabels())) {
			f.Tracker().Delete(gvr, d.GetNamespace(), o.GetName())
		}
	}
}

func items(list runtime.Object) (out []metav1.Object) {
	switch l := list.(type) {
	case *corev1.PodList:
		for i := range l.Items {
			out = append(out, &l.Items[i])
		}
	case *batchv1.JobList:
		for i := range l.Items {
			out = append(out, &l.Items[i])
		}
	}
	return out
}

func (f *fakeCluster) pod(job *batchv1.Job, index int) *corev1.Pod {
	f.mu.Lock()
	f.pods++
	n := f.pods
	f.mu.Unlock()
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: job.Namespace, Name: fmt.Sprintf("%s-%d-%d", job.Name, index, n), UID: types.UID(fmt.Sprint("u", n)),
			Labels: job.Spec.Template.Labels, Annotations: map[string]string{"batch.kubernetes.io/job-completion-index": fmt.Sprint(index)},
		},
		Status: corev1.PodStatus{
			PodIP: fmt.Sprint("10.0.0.", n), PodIPs: []corev1.PodIP{{IP: fmt.Sprint("10.0.0.", n)}},
			ContainerStatuses: []corev1.ContainerStatus{{Name: manifests.ProbeContainer, ContainerID: fmt.Sprint("c", n), State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}},
		},
	}
}

// happened returns what happened, with equal things in a row once.
func (f *fakeCluster) happened() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Compact(slices.Clone(f.did))
}

// on has the runner work on the fake cluster.
func on(t *testing.T, r *Runner, f *fakeCluster) {
	t.Helper()
	r.Client = &cluster.Client{Kube: f}
	w, err := r.Client.Watch(t.Context(), r.Namespace, r.Plan.Run)
	require.NoError(t, err)
	t.Cleanup(w.Stop)
	r.Watcher = w
}

// carryOut runs one trial of the arm on a fake cluster.
func carryOut(t *testing.T, arm plan.Arm) (results.Trial, *fakeCluster) {
	t.Helper()
	r, pt := runner(record.Solo)
	f := newFakeCluster()
	on(t, r, f)
	arm.DNS, arm.Observer = plan.Cache30, record.Solo
	pt.Arm, pt.Extra = arm, "extra"
	got, err := r.Run(t.Context(), pt)
	require.NoError(t, err)
	require.Equal(t, results.Complete, got.Status, got.Reason)
	require.Len(t, got.Run.Pods, r.Plan.Settings.Pods)
	return got, f
}

func TestFreshTrial(t *testing.T) {
	t.Parallel()
	got, f := carryOut(t, plan.Arm{Names: plan.Fresh, Extra: plan.ExtraMemberPod})
	require.Equal(t, []string{"create pods", "create services", "create job", "delete jobs", "delete pods"}, f.happened())
	require.True(t, got.Run.Zero.After(f.at["create services"]))
	require.True(t, got.Run.Zero.Before(f.at["create job"]))
}

// Wherever the Job stands in the order, its creation is the zero.
func TestJobFirst(t *testing.T) {
	t.Parallel()
	got, f := carryOut(t, plan.Arm{Names: plan.Fresh, Extra: plan.ExtraNone, Order: plan.JobFirst})
	require.Equal(t, []string{"create job", "create services", "delete jobs", "delete pods"}, f.happened())
	require.True(t, got.Run.Zero.Before(f.at["create job"]))
}

// A gap is as long as it was asked for. Time is the bubble's: a machine that halts changes no gap.
func TestGaps(t *testing.T) {
	const long = 1200 * time.Millisecond
	for gap, want := range map[plan.Gap][]string{
		"1.2s":      {"delete jobs", "delete pods", "create services", "create job"},
		"0s":        {"delete jobs", "delete pods", "create services", "create job"},
		plan.NoWait: {"delete jobs", "delete pods", "create services", "create job"},
	} {
		t.Run(string(gap), func(t *testing.T) {
			if gap == plan.NoWait {
				got := gapOf(t, gap, want)
				require.Positive(t, got.Primer.Gone, "also where nobody waited for it")
				return
			}
			synctest.Test(t, func(t *testing.T) {
				got := gapOf(t, gap, want)
				took := got.Run.Zero.Sub(got.Primer.Zero) - time.Duration(got.Primer.Gone)
				// Nothing else takes time there: the probes of the fake start with
				// their Job.
				if gap == "0s" {
					require.Zero(t, took)
				} else {
					require.Equal(t, long, took)
				}
			})
		})
	}
}

// gapOf carries out a trial with the gap, in which what is wanted happens
// between primer and measured run.
func gapOf(t *testing.T, gap plan.Gap, want []string) results.Trial {
	t.Helper()
	got, f := carryOut(t, plan.Arm{Names: plan.Reused, Extra: plan.ExtraNone, Gap: gap})
	require.Equal(t, slices.Concat([]string{"create services", "create job"}, want, []string{"delete jobs", "delete pods"}), f.happened())
	return got
}

// TestDeletedBySomebody: a trial whose Service is deleted ends at once, not at
// its deadline. Time is the bubble's.
func TestDeletedBySomebody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, pt := runner(record.Solo)
		f := newFakeCluster()
		f.PrependReactor("get", "pods", func(a k8stesting.Action) (bool, runtime.Object, error) {
			return a.GetSubresource() == "log", &runtime.Unknown{}, nil // probes that wait
		})
		on(t, r, f)
		pt.Arm = plan.Arm{DNS: plan.Cache30, Names: plan.Fresh, Extra: plan.ExtraNone, Observer: record.Solo}
		time.AfterFunc(3*time.Second, func() {
			f.Tracker().Delete(corev1.SchemeGroupVersion.WithResource("services"), r.Namespace, pt.Service)
		})
		began := time.Now()
		got, err := r.Run(t.Context(), pt)
		require.NoError(t, err)
		require.Equal(t, results.Invalid, got.Status)
		require.Equal(t, "service "+pt.Service+" in namespace ns was deleted by somebody while it was needed", got.Reason)
		require.Less(t, time.Since(began), 5*time.Second)
	})
}
