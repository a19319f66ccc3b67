package trial

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"headless-job-dns/manifests"
)

// told records who was told what.
type told struct {
	mu   sync.Mutex
	list []string
	err  error
}

func (t *told) tell(_ context.Context, pod, addr string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.list = append(t.list, pod+" "+addr)
	return t.err
}

func jobPod(index, name, ip, container string) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), Annotations: map[string]string{"batch.kubernetes.io/job-completion-index": index}}}
	if ip != "" {
		p.Status.PodIP, p.Status.PodIPs = ip, []corev1.PodIP{{IP: ip}}
	}
	if container != "" {
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: manifests.ProbeContainer, ContainerID: container, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
	}
	return p
}

func TestMessenger(t *testing.T) {
	to := &told{}
	m := newMessenger(t.Context(), to.tell)
	defer m.stop()
	look := func(pods ...*corev1.Pod) []string {
		t.Helper()
		m.look(pods)
		m.wg.Wait()
		to.mu.Lock()
		defer to.mu.Unlock()
		list := to.list
		to.list = nil
		slices.Sort(list)
		return list
	}
	leader, worker := jobPod("0", "l", "10.0.0.1", ""), jobPod("1", "w", "10.0.0.2", "c1")
	require.Empty(t, look(jobPod("0", "l", "", "c0"), worker), "index 0 has no address yet")
	require.Empty(t, look(leader, jobPod("1", "w", "10.0.0.2", "")), "the worker does not run yet")
	require.Equal(t, []string{"w 10.0.0.1"}, look(leader, worker), "as soon as both are there; index 0 itself need not run")
	require.Empty(t, look(leader, worker, jobPod("x", "extra", "10.0.0.9", "c9")), "once; nobody else")
	require.Equal(t, []string{"w 10.0.0.1"}, look(leader, jobPod("1", "w", "10.0.0.2", "c2")), "its container started anew")
	gone := jobPod("0", "l", "10.0.0.1", "")
	gone.DeletionTimestamp = &metav1.Time{Time: time.Now()}
	require.Equal(t, []string{"w 10.0.0.7"}, look(gone, jobPod("0", "l2", "10.0.0.7", "c"), jobPod("1", "w", "10.0.0.2", "c2")), "index 0 was replaced")
	require.NoError(t, m.failed())
}

func TestMessengerGivesUp(t *testing.T) {
	to := &told{err: errors.New("no")}
	m := newMessenger(t.Context(), to.tell)
	m.look([]*corev1.Pod{jobPod("0", "l", "10.0.0.1", ""), jobPod("1", "w", "", "c1")})
	m.wg.Wait()
	require.EqualError(t, m.failed(), "no")
	require.Len(t, to.list, handOverTries)
	m.stop()

	m = newMessenger(t.Context(), to.tell)
	m.look([]*corev1.Pod{jobPod("0", "l", "10.0.0.1", ""), jobPod("1", "w", "", "c1")})
	m.stop()
	require.NoError(t, m.failed(), "the trial ended before")
}

func TestTheAddressIsWhatAClientWouldGet(t *testing.T) {
	for _, ips := range [][]string{{"10.0.0.1"}, {"fd00::1"}, {"10.0.0.1", "fd00::1"}, {"fd00::1", "10.0.0.1"}} {
		p := jobPod("0", "l", ips[0], "")
		for _, ip := range ips[1:] {
			p.Status.PodIPs = append(p.Status.PodIPs, corev1.PodIP{IP: ip})
		}
		require.Equal(t, ips[0], address(p), "of the cluster's first family, as its name has")
	}
	require.Empty(t, address(&corev1.Pod{}))
}
