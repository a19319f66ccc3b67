package cluster

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/cache"

	"headless-job-dns/internal/results"
	"headless-job-dns/manifests"
)

func jobPod(change ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Name: "lag-0-x", Namespace: "ns", UID: "u",
		Labels:      manifests.Owner{Run: "r", Trial: "t001"}.Labels(),
		Annotations: map[string]string{"batch.kubernetes.io/job-completion-index": "0"},
	}}
	for _, c := range change {
		c(p)
	}
	return p
}

func scheduled(p *corev1.Pod) { p.Spec.NodeName = "n1" }
func addressed(p *corev1.Pod) { p.Status.PodIPs = []corev1.PodIP{{IP: "10.0.0.1"}} }
func started(p *corev1.Pod) {
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: manifests.ProbeContainer, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
}
func ready(p *corev1.Pod) {
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
}

func whats(events []results.Event) (out []results.What) {
	for _, e := range events {
		out = append(out, e.What)
	}
	return out
}

func TestEachStageIsReportedOnce(t *testing.T) {
	w := &Watcher{trials: map[string]*Observation{}}
	o := w.Observe("t001")
	zero := time.Now()
	w.note(jobPod(), false)
	w.note(jobPod(scheduled), false)
	w.note(jobPod(scheduled), false)
	// Two stages that one event reports are two facts with one time.
	w.note(jobPod(scheduled, addressed, started, ready), false)
	_, gone := o.Gone()
	require.False(t, gone)
	w.note(cache.DeletedFinalStateUnknown{Obj: jobPod(scheduled, addressed, started, ready)}, true)
	w.note(jobPod(), true) // of the same pod once more
	e := o.Events(zero)
	require.Equal(t, []results.What{results.Created, results.Scheduled, results.Addressed, results.Started, results.Ready, results.Deleted}, whats(e))
	require.Equal(t, 0, *e[0].Index)
	require.Equal(t, []string{"10.0.0.1"}, e[2].IPs)
	for i := 1; i < len(e); i++ {
		require.GreaterOrEqual(t, e[i].T, e[i-1].T)
	}
	at, gone := o.Gone()
	require.True(t, gone)
	require.WithinRange(t, at, zero, time.Now())
}

// A container that a webhook put beside the probe's says nothing of the probe,
// whichever comes first.
func TestThePodIsItsProbe(t *testing.T) {
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	waiting := func(reason string) corev1.ContainerState {
		return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}
	}
	for _, tc := range []struct {
		name           string
		probe, sidecar corev1.ContainerState
		started        bool
		waits          string
	}{
		{"sidecar first", waiting("PodInitializing"), running, false, "waiting: PodInitializing"},
		{"probe first", running, waiting("PodInitializing"), true, "phase Pending"},
		{"neither", waiting("ContainerCreating"), waiting("PodInitializing"), false, "waiting: ContainerCreating"},
	} {
		for _, sidecar := range []string{"istio-proxy", "vault-agent"} { // the kubelet sorts by name
			t.Run(tc.name+"/"+sidecar, func(t *testing.T) {
				w := &Watcher{trials: map[string]*Observation{}}
				o := w.Observe("t001")
				p := jobPod(func(p *corev1.Pod) {
					p.Status.Phase = corev1.PodPending
					p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: sidecar, State: tc.sidecar}, {Name: manifests.ProbeContainer, State: tc.probe}}
					slices.SortFunc(p.Status.ContainerStatuses, func(a, b corev1.ContainerStatus) int { return strings.Compare(a.Name, b.Name) })
				})
				w.note(p, false)
				require.Equal(t, tc.started, slices.Contains(whats(o.Events(time.Now())), results.Started))
				require.Equal(t, tc.waits, Waiting(p))
			})
		}
	}
}

func TestTrialsAreKeptApart(t *testing.T) {
	w := &Watcher{trials: map[string]*Observation{}}
	one, two := w.Observe("t001"), w.Observe("t002")
	w.note(jobPod(), false)
	require.Len(t, one.Pods(), 1)
	require.Empty(t, two.Pods())
	w.Forget("t001")
	w.note(jobPod(scheduled), false)
	require.Len(t, one.Events(time.Now()), 1)
}

func TestEndpointSlicesKeepEveryChange(t *testing.T) {
	w := &Watcher{trials: map[string]*Observation{}}
	o := w.Observe("t001")
	host, no := "lag-0", false
	s := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{Name: "s", UID: "s", Labels: manifests.Owner{Run: "r", Trial: "t001"}.Labels(),
			Annotations: map[string]string{corev1.EndpointsLastChangeTriggerTime: "2026-01-01T00:00:00Z"}},
	}
	w.note(s.DeepCopy(), false)
	s.Endpoints = []discoveryv1.Endpoint{{Hostname: &host, Addresses: []string{"10.0.0.1"}}, {Addresses: []string{"10.0.0.2"}, Conditions: discoveryv1.EndpointConditions{Ready: &no}}}
	w.note(s.DeepCopy(), false)
	e := o.Events(time.Now())
	require.Equal(t, []results.What{results.Changed, results.Changed}, whats(e))
	require.Equal(t, []results.Endpoint{{Hostname: "lag-0", Addrs: []string{"10.0.0.1"}, Ready: true}, {Addrs: []string{"10.0.0.2"}}}, e[1].Endpoints)
	require.Equal(t, "2026-01-01T00:00:00Z", e[1].Trigger)
}

func TestStuckSaysWhatToDo(t *testing.T) {
	waiting := func(reason string) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: manifests.ProbeContainer, Image: "img:1", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason}}}}
		}
	}
	for reason, want := range map[string]string{
		"ErrImagePull":               "cannot get the image img:1 (ErrImagePull) of the probe: load it onto the nodes",
		"CreateContainerConfigError": "`kubectl describe pod lag-0-x -n ns`",
		"ContainerCreating":          "",
	} {
		w := &Watcher{trials: map[string]*Observation{}}
		o := w.Observe("t001")
		w.note(jobPod(waiting(reason)), false)
		if want == "" {
			require.Empty(t, o.Stuck(0))
		} else {
			require.Contains(t, o.Stuck(0), want)
		}
	}
}

// TestStuckNamesTheFlagOfTheImage, which is not the same for each container.
func TestStuckNamesTheFlagOfTheImage(t *testing.T) {
	for container, want := range map[string]string{
		manifests.ProbeContainer:   "pod ns/lag-0-x cannot get the image img:1 (ImagePullBackOff) of the probe: load it onto the nodes (`make image` builds it), name one they can pull with --image, or let --deliver configmap do without",
		manifests.CoreDNSContainer: "pod ns/lag-0-x cannot get the image img:1 (ImagePullBackOff) of a private DNS: name one of CoreDNS that the nodes have or can pull with --dns-image, or do without by --dns cluster",
		manifests.DnsmasqContainer: "pod ns/lag-0-x cannot get the image img:1 (ImagePullBackOff) of a private DNS: name one with /usr/sbin/dnsmasq that the nodes have or can pull with --dnsmasq-image, or leave kube-dns out of --dns",
		"istio-proxy":              "pod ns/lag-0-x cannot get the image img:1 (ImagePullBackOff) of container istio-proxy, which the cluster added to it: have that mended or switched off for the namespace, or name another with -n",
	} {
		w := &Watcher{trials: map[string]*Observation{}}
		o := w.Observe("t001")
		w.note(jobPod(func(p *corev1.Pod) {
			p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: container, Image: "img:1", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff"}}}}
		}), false)
		require.Equal(t, want, o.Stuck(0))
	}
}

// TestStuckUnpacking: the image is then not the probe's, and the container's
// own last words say more than the kubelet's.
func TestStuckUnpacking(t *testing.T) {
	for want, change := range map[string]func(*corev1.ContainerStatus){
		"on which the probe is unpacked: name one that has a shell and that the nodes can pull with --base-image": func(cs *corev1.ContainerStatus) {
			cs.State.Waiting.Reason = "ErrImagePull"
		},
		"cannot start its container probe: CrashLoopBackOff: no probe for armv7l; `kubectl": func(cs *corev1.ContainerStatus) {
			cs.State.Waiting.Reason, cs.State.Waiting.Message = "CrashLoopBackOff", "back-off 10s"
			cs.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 1, Message: "no probe for armv7l\n"}
		},
	} {
		w := &Watcher{trials: map[string]*Observation{}}
		o := w.Observe("t001")
		cs := corev1.ContainerStatus{Name: manifests.ProbeContainer, Image: "shell:1", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{}}}
		change(&cs)
		w.note(jobPod(func(p *corev1.Pod) {
			p.Spec.Volumes = []corev1.Volume{{Name: "pieces"}}
			p.Status.ContainerStatuses = []corev1.ContainerStatus{cs}
		}), false)
		require.Contains(t, o.Stuck(0), want)
	}
}

func TestWatchSeesWhatIsCreated(t *testing.T) {
	kube := fake.NewClientset()
	c := &Client{Kube: kube}
	ctx, interrupt := context.WithCancel(t.Context())
	w, err := c.Watch(ctx, "ns", "r")
	require.NoError(t, err)
	defer w.Stop()
	interrupt() // does not end the watches
	o := w.Observe("t001")
	require.NoError(t, c.Create(t.Context(), jobPod()))
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "lag", Namespace: "ns", UID: "j", Labels: manifests.Owner{Run: "r", Trial: "t001"}.Labels()}}
	require.NoError(t, c.Create(t.Context(), job))
	require.Eventually(t, func() bool { return len(o.Events(time.Now())) == 2 }, 30*time.Second, 10*time.Millisecond)
	require.ErrorIs(t, c.Create(t.Context(), job), ErrTaken)
	require.ErrorIs(t, c.Free(t.Context(), job), ErrTaken)
	job.Name = "other"
	require.NoError(t, c.Free(t.Context(), job))
}

func TestCreateAnewWaitsForTheName(t *testing.T) {
	c := &Client{Kube: fake.NewClientset(jobPod())}
	_, err := c.CreateAnew(t.Context(), jobPod(), 120*time.Millisecond)
	require.ErrorIs(t, err, ErrTaken)
	began := time.Now()
	time.AfterFunc(100*time.Millisecond, func() {
		c.Kube.CoreV1().Pods("ns").Delete(t.Context(), "lag-0-x", metav1.DeleteOptions{})
	})
	sent, err := c.CreateAnew(t.Context(), jobPod(), 10*time.Second)
	require.NoError(t, err)
	require.GreaterOrEqual(t, sent.Sub(began), 100*time.Millisecond, "of the request that succeeded, not of the first")
}
