package trial

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	k8stesting "k8s.io/client-go/testing"

	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

// TestEmptyService: the Job goes first, and the Service where its pod's address is
// answered still when the deadline is over.
func TestEmptyService(t *testing.T) {
	defer func(was time.Duration) { askEvery = was }(askEvery)
	askEvery = 10 * time.Millisecond
	for name, kept := range map[string]bool{"the address goes with the pod": false, "it stays": true} {
		t.Run(name, func(t *testing.T) {
			r, pt := runner(record.Solo)
			r.Plan.Settings.Interval = plan.Duration(time.Millisecond)
			pt.Arm = plan.Arm{DNS: plan.Cache30, Names: plan.Fresh, Extra: plan.ExtraNone, Observer: record.EmptyService}
			pt.Deadline = plan.Duration(300 * time.Millisecond)
			f := newFakeCluster()
			began := time.Now().UnixNano()
			slices := discoveryv1.SchemeGroupVersion.WithResource("endpointslices")
			f.PrependReactor("create", "jobs", func(a k8stesting.Action) (bool, runtime.Object, error) {
				if o := a.(k8stesting.CreateAction).GetObject().(*batchv1.Job); o.Name == pt.Job {
					slice := &discoveryv1.EndpointSlice{Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"10.0.0.1"}}}}
					slice.Name, slice.UID, slice.Namespace, slice.Labels = "s", "s", r.Namespace, o.Labels
					// Not before the fake's watch has begun.
					time.AfterFunc(100*time.Millisecond, func() { f.Tracker().Create(slices, slice, r.Namespace) })
				}
				return false, nil, nil
			})
			f.PrependReactor("delete", "*", func(a k8stesting.Action) (bool, runtime.Object, error) {
				f.note("delete " + a.GetResource().Resource + " " + a.(k8stesting.DeleteAction).GetName())
				if a.GetResource().Resource == "jobs" {
					f.Tracker().Delete(slices, r.Namespace, "s")
				}
				return false, nil, nil
			})
			f.PrependReactor("get", "pods", func(a k8stesting.Action) (bool, runtime.Object, error) {
				if a.GetSubresource() != "log" {
					return false, nil, nil
				}
				lines := []record.Line{{Start: &record.Start{Boot: bootID(), Wall: began}},
					{T: 1, Answer: &record.Answer{Class: record.Address}}}
				f.mu.Lock()
				job, service := f.at["delete jobs "+pt.Job], f.at["delete services "+pt.Service]
				f.mu.Unlock()
				if !kept && !job.IsZero() || !service.IsZero() {
					lines = append(lines, record.Line{T: 2, Done: &record.Done{Reason: "complete"}})
				}
				var log strings.Builder
				for _, l := range lines {
					l.V = record.Version
					require.NoError(t, json.NewEncoder(&log).Encode(l))
				}
				return true, &runtime.Unknown{Raw: []byte(log.String())}, nil
			})
			on(t, r, f)
			got, err := r.Run(t.Context(), pt)
			require.NoError(t, err)
			require.Equal(t, results.Complete, got.Status, got.Reason)
			require.Len(t, got.Run.Pods, 1)
			require.Contains(t, got.Run.Pods[0].Name, pt.Job+"-asker")
			did := strings.Join(f.happened(), ", ")
			require.True(t, strings.HasPrefix(did, "create services, create job, delete jobs "+pt.Job), did)
			require.Equal(t, kept, strings.Contains(did, "delete services "+pt.Service+", delete jobs"), did)
			pods, err := f.CoreV1().Pods(r.Namespace).List(t.Context(), metav1.ListOptions{})
			require.NoError(t, err)
			require.Empty(t, podNames(pods))
		})
	}
}

func podNames(list *corev1.PodList) (names []string) {
	for _, p := range list.Items {
		names = append(names, p.Name)
	}
	return names
}
