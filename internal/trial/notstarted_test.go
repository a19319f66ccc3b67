package trial

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	k8stesting "k8s.io/client-go/testing"

	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

// A container that a webhook put beside the probe's says nothing of the probe.
func TestRunning(t *testing.T) {
	waits := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}}
	runs := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	ended := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}
	for _, tc := range []struct {
		probe, sidecar corev1.ContainerState
		want           bool
	}{
		{waits, runs, false}, {waits, ended, false}, {runs, waits, true}, {ended, waits, true},
	} {
		p := jobPod("0", "w", "10.0.0.2", "c1")
		p.Status.ContainerStatuses[0].State = tc.probe
		p.Status.ContainerStatuses = append([]corev1.ContainerStatus{{Name: "istio-proxy", State: tc.sidecar}}, p.Status.ContainerStatuses...)
		require.Equal(t, tc.want, running(p), "%v", p.Status.ContainerStatuses)
	}
	require.False(t, running(&corev1.Pod{}))
}

// Where no line of a probe was read the trial says why, as far as the cluster
// does, and asks it before it deletes what the answer is about.
func TestNotStarted(t *testing.T) {
	const unread = "no line was read of %d of 5 probes 2m0s after the job's creation; "
	none := func(int, *corev1.Pod) bool { return false }
	all := func(int, *corev1.Pod) bool { return true }
	denied := "Error creating: admission webhook \"policy\" denied the request: \x1b[31mno"
	for _, tc := range []struct {
		name    string
		pod     func(index int, p *corev1.Pod) bool // alters a pod, and whether there is one
		suspend bool
		event   string
		log     func() (*runtime.Unknown, error)
		unread  string // how many probes nothing was read of
		want    string
		also    string
	}{
		{name: "no pod", pod: none, unread: "5", want: "pods missing: 5, and no event that may be read says why: does the Job controller (kube-controller-manager) run?"},
		{name: "denied", pod: none, event: denied, unread: "5",
			want: `pods missing: 5; the newest FailedCreate event of job ns/JOB says "Error creating: admission webhook \"policy\" denied the request: [31mno"; have that mended, or name another namespace with -n`},
		{name: "one denied", pod: func(i int, _ *corev1.Pod) bool { return i != 2 }, event: denied, unread: "1",
			want: `pods missing: 1; the newest FailedCreate event of job ns/JOB says "Error creating: admission webhook \"policy\" denied the request: [31mno"; have that mended, or name another namespace with -n`},
		{name: "suspended", pod: none, suspend: true, unread: "5",
			want: "pods missing: 5; job ns/JOB is suspended: something in the cluster (a queue such as Kueue) holds it; have that mended, or name another namespace with -n"},
		{name: "suspended again", suspend: true, unread: "5", pod: func(_ int, p *corev1.Pod) bool {
			p.DeletionTimestamp = new(metav1.Now())
			p.Status.ContainerStatuses = nil
			return true
		}, want: "pods missing: 5; job ns/JOB is suspended: something in the cluster (a queue such as Kueue) holds it; have that mended, or name another namespace with -n"},
		{name: "sidecar only", unread: "1", pod: func(i int, p *corev1.Pod) bool {
			if i == 3 {
				p.Name = "w"
				p.Status.ContainerStatuses[0].State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}}
				p.Status.ContainerStatuses = append([]corev1.ContainerStatus{{Name: "istio-proxy", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}, p.Status.ContainerStatuses...)
			}
			return true
		}, want: "pod w is waiting: ContainerCreating"},
		{name: "unreadable", pod: all, event: denied, unread: "5", log: func() (*runtime.Unknown, error) {
			return nil, errors.New("dial tcp 10.1.0.7:10250:\tno route to host " + strings.Repeat("x", 5000))
		}, want: "pod JOB-0-1 runs, but its log could not be read: cannot read the log of pod ns/JOB-0-1: ",
			also: "dial tcp 10.1.0.7:10250: no route to host xxx"},
		{name: "no probe", pod: all, unread: "5", log: func() (*runtime.Unknown, error) {
			return &runtime.Unknown{Raw: []byte("/docker-entrypoint.sh: Configuration complete\n")}, nil
		}, want: "pod JOB-0-1 runs, but its log holds no line of a probe: is its image the probe's?"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, pt := runner(record.Solo)
				pt.Arm = plan.Arm{DNS: plan.Cache30, Names: plan.Fresh, Extra: plan.ExtraNone, Observer: record.Solo}
				f := newFakeCluster()
				f.PrependReactor("create", "jobs", func(a k8stesting.Action) (bool, runtime.Object, error) {
					job := a.(k8stesting.CreateAction).GetObject().(*batchv1.Job)
					job.UID, job.Spec.Suspend = "j", &tc.suspend
					for i := range int(*job.Spec.Completions) {
						if p := f.pod(job, i); tc.pod(i, p) {
							require.NoError(t, f.Tracker().Create(podsGVR, p, p.Namespace))
						}
					}
					if tc.event != "" {
						require.NoError(t, f.Tracker().Add(&corev1.Event{ObjectMeta: metav1.ObjectMeta{Name: "e", Namespace: job.Namespace}, Reason: "FailedCreate", Message: tc.event}))
					}
					return true, job, f.Tracker().Create(jobsGVR, job, job.Namespace)
				})
				f.PrependReactor("get", "pods", func(a k8stesting.Action) (bool, runtime.Object, error) {
					if a.GetSubresource() != "log" || tc.log == nil {
						return false, nil, nil
					}
					log, err := tc.log()
					return true, log, err
				})
				// What is gone has no events to list.
				f.PrependReactor("list", "events", func(k8stesting.Action) (bool, runtime.Object, error) {
					require.NotContains(t, f.happened(), "delete jobs")
					return false, nil, nil
				})
				on(t, r, f)
				got, err := r.Run(t.Context(), pt)
				r.Watcher.Stop()
				require.Equal(t, got.Run.Pods == nil, err != nil, "without any pod the plan ends")
				require.Equal(t, results.Invalid, got.Status)
				want := "job ns/" + pt.Job + ": " + strings.Replace(unread, "%d", tc.unread, 1) + strings.ReplaceAll(tc.want, "JOB", pt.Job)
				require.True(t, strings.HasPrefix(got.Reason, want), "%s\nis not %s", got.Reason, want)
				require.Contains(t, got.Reason, tc.also)
				require.Less(t, len(got.Reason), 1500)
			})
		})
	}
}
