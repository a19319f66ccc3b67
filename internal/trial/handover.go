package trial

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"headless-job-dns/internal/cluster"
	"headless-job-dns/manifests"
)

// Arms that connect by address: the workers ask no DNS; the runner learns index
// 0's address from the watch and brings it to each of them by exec, which runs
// the probe once more in the worker's container (probe/handover.go). It takes
// the right to create pods/exec, which no other arm needs.

const (
	// handOverTries is how often a worker is told before that is given up: a
	// kubelet may be busy, or not know the container yet.
	handOverTries = 3
	// handOverRetry is the pause in between.
	handOverRetry = 500 * time.Millisecond
	// handOverLimit is how long one exec may take: a process start on a busy
	// node.
	handOverLimit = 15 * time.Second
)

// tell brings a pod's probe index 0's address.
type tell func(ctx context.Context, pod, addr string) error

// byExec tells by running the probe's own program in its container: the image
// holds nothing else, and the container's first process is it, wherever the
// image has put it.
func byExec(c *cluster.Client, namespace string) tell {
	return func(ctx context.Context, pod, addr string) error {
		ctx, stop := context.WithTimeout(ctx, handOverLimit)
		defer stop()
		err := c.Exec(ctx, namespace, pod, manifests.ProbeContainer, "/proc/1/exe", "--hand-over="+addr)
		if err != nil {
			return fmt.Errorf("index 0's address was not handed over: %w", err)
		}
		return nil
	}
}

// messenger tells each worker once, as soon as it runs and index 0 has an
// address, and again what changes: its container, or the address.
type messenger struct {
	tell   tell
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu   sync.Mutex
	told map[string]bool // container and address, done or under way
	err  error
}

func newMessenger(ctx context.Context, tell tell) *messenger {
	m := &messenger{tell: tell, told: map[string]bool{}}
	m.ctx, m.cancel = context.WithCancel(ctx)
	return m
}

// stop ends what is under way and waits for it.
func (m *messenger) stop() {
	m.cancel()
	m.wg.Wait()
}

// failed returns why a worker could not be told.
func (m *messenger) failed() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

// look starts to tell whoever has not been told, given the pods' latest state,
// oldest first. It does not wait.
func (m *messenger) look(pods []*corev1.Pod) {
	if m.tell == nil {
		return
	}
	addr := ""
	for _, p := range pods {
		if a := address(p); cluster.JobIndex(p) == 0 && p.DeletionTimestamp == nil && a != "" {
			addr = a
		}
	}
	if addr == "" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range pods {
		id := runningContainer(p)
		key := id + " " + addr
		if cluster.JobIndex(p) > 0 && p.DeletionTimestamp == nil && id != "" && !m.told[key] {
			m.told[key] = true
			m.wg.Go(func() { m.try(p.Name, addr) })
		}
	}
}

func (m *messenger) try(pod, addr string) {
	for n := 1; ; n++ {
		err := m.tell(m.ctx, pod, addr)
		if err == nil || m.ctx.Err() != nil {
			return
		}
		if n == handOverTries {
			m.mu.Lock()
			m.err = err // the watch looks at it with its next tick
			m.mu.Unlock()
			return
		}
		select {
		case <-m.ctx.Done():
			return
		case <-time.After(handOverRetry):
		}
	}
}

// address returns what a client that asks for one family gets: the pod's first,
// of the cluster's first family, which is the one that a headless Service has
// that does not choose.
func address(p *corev1.Pod) string { return p.Status.PodIP }

// runningContainer identifies the running life of the pod's probe; empty while
// there is none.
func runningContainer(p *corev1.Pod) string {
	if cs := cluster.ProbeStatus(p); cs != nil && cs.State.Running != nil {
		return string(p.UID) + "/" + cs.ContainerID
	}
	return ""
}
