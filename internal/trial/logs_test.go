package trial

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"headless-job-dns/internal/record"
	"headless-job-dns/manifests"
)

// A log without end is read once, as far as a probe's can be long, and ends the
// trial with the reason.
func TestLogsAreBounded(t *testing.T) {
	text := `{"v":1,"t":3,"closed":{"id":1}}` + "\n" + strings.Repeat("x", record.MaxLine/2) + "\n"
	opened, read := 0, &counter{text: text}
	f := follow(t.Context(), "ns", func(context.Context, string, string) (io.ReadCloser, error) {
		opened++
		return io.NopCloser(read), nil
	})
	f.add("w")
	require.Eventually(t, func() bool { return f.done() == 1 }, 20*time.Second, 10*time.Millisecond)
	pods := f.collect(time.Now(), []*corev1.Pod{jobPod("1", "w", "10.0.0.2", "c1")})
	require.Len(t, pods, 1)
	require.Equal(t, "log of pod ns/w: "+record.ErrTooLong.Error(), pods[0].Problem)
	require.NotEmpty(t, pods[0].Lines, "what was read is kept")
	require.Equal(t, 1, opened)
	require.LessOrEqual(t, read.n, record.MaxLog+2*record.MaxLine)
}

type counter struct {
	text string
	n    int
}

func (c *counter) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = c.text[(c.n+i)%len(c.text)]
	}
	c.n += len(b)
	return len(b), nil
}

// A stream that breaks off is read again from its beginning.
func TestLogsAreReadAgain(t *testing.T) {
	const first, last = `{"v":1,"t":0,"closed":{"id":1}}` + "\n", `{"v":1,"t":3,"done":{"reason":"complete"}}` + "\n"
	opened := 0
	f := follow(t.Context(), "ns", func(context.Context, string, string) (io.ReadCloser, error) {
		if opened++; opened == 1 {
			return io.NopCloser(strings.NewReader(first + last[:9])), nil
		}
		return io.NopCloser(strings.NewReader(first + last)), nil
	})
	f.add("w")
	require.Eventually(t, func() bool { return f.done() == 1 }, 10*time.Second, 10*time.Millisecond)
	p := f.collect(time.Now(), []*corev1.Pod{jobPod("1", "w", "10.0.0.2", "c1")})[0]
	require.Empty(t, p.Problem)
	require.Len(t, p.Lines, 2)
	require.Equal(t, 2, opened)
}

// A probe that was started again has asked before: whatever it says afterwards,
// the trial is not whole.
func TestRestartedProbe(t *testing.T) {
	life := func(wall, lines int) string {
		return fmt.Sprintf(`{"v":1,"t":0,"start":{"wall":%d}}`+"\n", wall) + strings.Repeat(`{"v":1,"t":1,"closed":{"id":1}}`+"\n", lines)
	}
	const last = `{"v":1,"t":3,"done":{"reason":"complete"}}` + "\n"
	pod := func(restarts int32) *corev1.Pod {
		p := jobPod("1", "w", "10.0.0.2", "c1")
		p.Status.ContainerStatuses[0].RestartCount = restarts
		return p
	}
	for _, tc := range []struct {
		name string
		logs []string
		pod  *corev1.Pod
		want string
	}{
		{"first life shorter", []string{life(1, 0), life(2, 5) + last}, pod(0), "its probe was started again"},
		{"first life longer", []string{life(1, 5), life(2, 0) + last}, pod(0), "its probe was started again"},
		{"first life unseen", []string{life(2, 0) + last}, pod(1), "its probe was started again"},
		{"stream broken off", []string{life(1, 2), life(1, 5) + last}, pod(0), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			opened := 0
			f := follow(t.Context(), "ns", func(context.Context, string, string) (io.ReadCloser, error) {
				opened++
				return io.NopCloser(strings.NewReader(tc.logs[opened-1])), nil
			})
			f.add("w")
			require.Eventually(t, func() bool { return f.done() == 1 }, 10*time.Second, 10*time.Millisecond)
			pods := f.collect(time.Now(), []*corev1.Pod{tc.pod})
			require.Equal(t, tc.want, pods[0].Problem)
		})
	}
}

// More logs than may be followed at once are all read, each from its beginning,
// never too many of them at a time; those that wait count as started.
func TestLogsTakeTurns(t *testing.T) {
	const pods = 5 * maxStreams
	const text = `{"v":1,"t":0,"start":{"wall":1}}` + "\n" + `{"v":1,"t":3,"done":{"reason":"complete"}}` + "\n"
	var open, most, failed atomic.Int64
	release := make(chan struct{})
	f := follow(t.Context(), "ns", func(_ context.Context, _, pod string) (io.ReadCloser, error) {
		n := open.Add(1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		<-release
		if failed.Add(1)%7 == 0 { // a kubelet that has no more to give says so in the text
			return &closing{strings.NewReader(text[:40] + "\nfailed to create fsnotify watcher: too many open files\n"), &open}, nil
		}
		return &closing{strings.NewReader(text), &open}, nil
	})
	var all []*corev1.Pod
	for i := range pods {
		p := jobPod(fmt.Sprint(i), fmt.Sprint("w-", i), "10.0.0.2", "c1")
		f.add(p.Name)
		all = append(all, p)
	}
	require.Eventually(t, func() bool { return f.started() == pods-maxStreams }, 10*time.Second, time.Millisecond, "those that wait")
	require.Zero(t, f.done())
	close(release)
	require.Eventually(t, func() bool { return f.done() == pods }, 20*time.Second, 10*time.Millisecond)
	require.EqualValues(t, maxStreams, most.Load())
	for _, p := range f.collect(time.Now(), all) {
		require.Empty(t, p.Problem, p.Name)
		require.Len(t, p.Lines, 2)
	}
	require.Zero(t, open.Load(), "all are closed")
}

type closing struct {
	io.Reader
	open *atomic.Int64
}

func (c *closing) Close() error {
	c.open.Add(-1)
	return nil
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
