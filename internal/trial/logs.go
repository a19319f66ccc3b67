package trial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"headless-job-dns/internal/cluster"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

const (
	// logRetry is the pause before a log that broke off is read again from its
	// beginning, twice as long after each attempt that brought nothing new.
	logRetry = 300 * time.Millisecond
	// maxLogRetry bounds it: a trial may end so much later than its last probe
	// was done, where logs cannot be followed.
	maxLogRetry = 5 * time.Second
)

// maxStreams is how many logs are followed at once. Each is a connection from
// the API server to a kubelet, which watches the file with an inotify instance
// of its own (k8s.io/cri-client, pkg/logs, ReadLogs). Linux gives a user 128 of
// them unless told otherwise (fs.inotify.max_user_instances); ten or twenty are
// the kubelet's and the system's, some runtimes take one a container, nodes may
// share a kernel (kind), and one node may have all of a Job's pods.
const maxStreams = 20

// follower follows the logs of a run's pods, a stream each: the last line of a
// probe then ends the trial at once, which polling would delay. Of more pods
// than maxStreams the others are read when a stream has ended. That comes soon
// after the last pod's start, when all probes have seen what they wait for.
type follower struct {
	open      open
	namespace string
	ctx       context.Context
	cancel    context.CancelFunc
	wg        sync.WaitGroup
	changed   chan struct{}
	streams   chan struct{} // holds one for each that is open

	mu      sync.Mutex
	pods    map[string]*podLog // by pod name
	foreign error              // a log is of another schema: no use in waiting
}

// open streams a pod's log from its beginning until the context ends.
type open func(ctx context.Context, namespace, pod string) (io.ReadCloser, error)

// podLog is what has been read of one pod's log.
type podLog struct {
	lines   []record.Line
	first   time.Time // receipt of the first line of all
	begun   int64     // wall clock of the probe's start; 0: not read
	again   bool      // the probe was started more than once
	done    bool
	queued  bool // it has waited for a stream
	endless bool // longer than a probe's: reading it again is of no use
	junk    int  // lines that no probe wrote, as of the latest attempt
	problem string
}

func follow(ctx context.Context, namespace string, open open) *follower {
	f := &follower{open: open, namespace: namespace, changed: make(chan struct{}, 1),
		streams: make(chan struct{}, maxStreams), pods: map[string]*podLog{}}
	f.ctx, f.cancel = context.WithCancel(ctx)
	return f
}

// add starts to follow a pod unless that is under way.
func (f *follower) add(pod string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pods[pod] != nil {
		return
	}
	p := &podLog{}
	f.pods[pod] = p
	f.wg.Go(func() { f.read(pod, p) })
}

// read reads a log until the probe's last line, again from the beginning when
// the stream breaks off. An attempt replaces what was there once it is longer.
func (f *follower) read(pod string, p *podLog) {
	for wait := logRetry; f.ctx.Err() == nil; wait = min(2*wait, maxLogRetry) {
		if !f.turn(p) {
			return
		}
		had := len(p.lines) // nobody else writes them
		problem := f.attempt(pod, p)
		<-f.streams
		f.mu.Lock()
		p.problem = ""
		if !p.done {
			p.problem = problem
		}
		over := p.done || p.endless
		if len(p.lines) > had {
			wait = logRetry
		}
		f.mu.Unlock()
		if over {
			return
		}
		select {
		case <-f.ctx.Done():
		case <-time.After(wait):
		}
	}
}

// turn waits until a stream may be opened and tells whether one may.
func (f *follower) turn(p *podLog) bool {
	select {
	case f.streams <- struct{}{}:
		return true
	default:
	}
	f.mu.Lock()
	p.queued = true
	f.mu.Unlock()
	select {
	case f.streams <- struct{}{}:
		return true
	case <-f.ctx.Done():
		return false
	}
}

// attempt reads a log once, to its end or the probe's last line, and returns
// why it may be incomplete.
func (f *follower) attempt(pod string, p *podLog) (problem string) {
	ctx, stop := context.WithCancel(f.ctx)
	defer stop()
	stream, err := f.open(ctx, f.namespace, pod)
	if err != nil {
		return err.Error()
	}
	defer stream.Close()
	f.mu.Lock()
	p.problem = "" // over: an earlier attempt's says nothing of this one
	f.mu.Unlock()
	var lines []record.Line
	rest, err := record.Read(stream, func(l record.Line) {
		at := time.Now()
		lines = append(lines, l)
		f.mu.Lock()
		defer f.mu.Unlock()
		if p.first.IsZero() {
			p.first = at
		}
		if s := l.Start; s != nil {
			p.again = p.again || p.begun != 0 && p.begun != s.Wall
			p.begun = s.Wall
		}
		if len(lines) > len(p.lines) {
			p.lines = lines
		}
		if l.Done != nil {
			p.done = true
			stop()
			f.signal()
		}
	})
	f.mu.Lock()
	p.junk = rest.Junk
	if version := (*record.VersionError)(nil); errors.As(err, &version) {
		f.foreign = fmt.Errorf("the probe image in pod %s/%s is of another version: %w; build it anew (`make image`) "+
			"and load it", f.namespace, pod, err)
		f.signal()
	}
	if errors.Is(err, record.ErrTooLong) {
		p.endless = true
		f.signal()
	}
	f.mu.Unlock()
	if err != nil {
		return fmt.Sprintf("log of pod %s/%s: %v", f.namespace, pod, err)
	}
	return ""
}

func (f *follower) signal() {
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

func (f *follower) count(is func(*podLog) bool) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, p := range f.pods {
		if is(p) {
			n++
		}
	}
	return n
}

// unreadable returns why waiting for the logs is of no use, nil while it is.
func (f *follower) unreadable() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.foreign
}

// done counts the logs from which nothing more is to come: the probe wrote its
// last line, or the log is not a probe's.
func (f *follower) done() int { return f.count(func(p *podLog) bool { return p.done || p.endless }) }

// answered tells whether any probe was answered with an address.
func (f *follower) answered() bool {
	return f.count(func(p *podLog) bool {
		return slices.ContainsFunc(p.lines, func(l record.Line) bool {
			return l.Answer != nil &&
				l.Answer.Class == record.Address
		})
	}) > 0
}

// started counts the probes that wrote their first line. One whose log waits
// for its turn runs, as far as the API says.
func (f *follower) started() int {
	return f.count(func(p *podLog) bool { return p.queued || !p.first.IsZero() })
}

// silent returns a pod of whose log no line of a probe was read, one with a
// known reason rather than another, and the reason. Empty: there is no such pod,
// or no reason is known.
func (f *follower) silent() (pod, problem string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(f.pods)) {
		p := f.pods[name]
		if p.first.IsZero() && !p.queued && (pod == "" || problem == "" && p.problem != "") {
			pod, problem = name, p.problem
		}
	}
	return pod, problem
}

// collect ends the streams and returns the Job's pods with their records, by
// index. A pod whose log is not whole says why.
func (f *follower) collect(zero time.Time, pods []*corev1.Pod) []results.Pod {
	f.cancel()
	f.wg.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []results.Pod
	for _, p := range pods {
		i := cluster.JobIndex(p)
		if i < 0 {
			continue
		}
		r := results.Pod{Name: p.Name, UID: string(p.UID), Index: i, Node: p.Spec.NodeName}
		for _, ip := range p.Status.PodIPs {
			r.IPs = append(r.IPs, ip.IP)
		}
		switch l := f.pods[p.Name]; {
		case l == nil:
			r.Problem = "never ran: " + cluster.Waiting(p)
		default:
			r.Lines = l.lines
			if !l.first.IsZero() {
				r.LogStart = int64(l.first.Sub(zero))
			}
			switch {
			// What an earlier life of it asked has changed what this one was told.
			case l.again, restarted(p):
				r.Problem = "its probe was started again"
			case l.done && l.junk > 0:
				r.Problem = fmt.Sprintf("%d lines of the log are not the probe's", l.junk)
			case !l.done && l.problem != "":
				r.Problem = l.problem
			case !l.done:
				r.Problem = "log ends before the probe was done"
			}
		}
		out = append(out, r)
	}
	slices.SortStableFunc(out, func(a, b results.Pod) int { return a.Index - b.Index })
	return out
}

// restarted tells whether the pod's probe runs for a second time. The log shows
// it as well, unless nothing was read of the first.
func restarted(p *corev1.Pod) bool {
	cs := cluster.ProbeStatus(p)
	return cs != nil && cs.RestartCount > 0
}
