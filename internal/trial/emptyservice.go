package trial

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"headless-job-dns/internal/cluster"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
	"headless-job-dns/manifests"
)

// askEvery is how often the asker asks, unless the plan says less often: a second
// is fine enough, and the questions are not to keep a cache's entry alive.
var askEvery = time.Second

const (
	// settled is how often the asker asks before the pod goes: it has met the caches
	// of both of two replicas by then, with 15 chances in 16.
	settled = 5
	// askerSlack is what it is given for the pod to go.
	askerSlack = 5 * time.Second
)

// emptyService has a pod that a headless Service does not select ask for the one
// that it does. That one goes and the Service stays; then, if the old address is
// still answered, the Service goes as well. Each is watched for the trial's
// deadline, or until the asker has found that no address is answered any more.
func (r *Runner) emptyService(ctx context.Context, t *results.Trial) (err, cleanup error) {
	pt := t.Plan
	l := jobRun{c: r.Client, w: r.Watcher, job: pt.Job, pods: 2,
		owner: manifests.Owner{Run: r.Plan.Run, Trial: pt.ID, Namespace: r.Namespace}}
	obs := l.w.Observe(l.owner.Trial)
	t.Run = results.Run{Namespace: r.Namespace, Boot: bootID(), Zero: time.Now()}
	logs := follow(ctx, r.Namespace, r.Client.Log)
	defer logs.cancel()
	asker := pt.Job + "-asker"
	err = r.empty(ctx, pt, l, asker, obs, logs)
	t.Run.Pods = logs.collect(t.Run.Zero, podsOf(obs, asker))
	return err, r.finish(ctx, l, obs, &t.Run)
}

func podsOf(obs *cluster.Observation, job string) []*corev1.Pod {
	return slices.DeleteFunc(obs.Pods(), func(p *corev1.Pod) bool { return !strings.HasPrefix(p.Name, job+"-") })
}

// empty creates and deletes what emptyService says, but for what is left.
func (r *Runner) empty(ctx context.Context, pt plan.Trial, l jobRun, asker string, obs *cluster.Observation,
	logs *follower) error {
	watched := time.Duration(pt.Deadline)
	interval := max(askEvery, time.Duration(r.Plan.Settings.Interval))
	asks := 2*watched + settled*interval + askerSlack
	start := r.Nodes + startWithin(l.pods)
	svc, err := manifests.Service(l.owner, pt.Service, pt.Job, false)
	if err != nil {
		return err
	}
	params := manifests.JobParams{Owner: l.owner, Name: pt.Job, Service: pt.Service, Probe: r.Probe, Pods: 1,
		Args: map[string]string{"idle": "true"}, Lifetime: 2*start + asks}
	target, err := manifests.Job(params)
	if err != nil {
		return err
	}
	params.Name, params.Peer, params.DNS = asker, pt.Job, r.Resolvers[pt.Arm.DNS].PodDNS
	params.Args = map[string]string{"observer": string(record.EmptyService),
		"interval": interval.String(), "deadline": asks.String()}
	asking, err := manifests.Job(params)
	if err != nil {
		return err
	}
	until := func(limit time.Duration, what string, is func() bool) error {
		return l.until(ctx, obs, logs, asker, limit, what, is)
	}
	r.step("the pod starts")
	for _, o := range []manifests.Object{svc, target} {
		if err := l.c.Create(ctx, o); err != nil {
			return err
		}
	}
	// Asked earlier, a cache would keep that there is no such name.
	if err := until(start, "had no ready endpoint", func() bool { return served(obs) }); err != nil {
		return err
	}
	if err := l.c.Create(ctx, asking); err != nil {
		return err
	}
	if err := until(start, "was not answered for with an address", logs.answered); err != nil {
		return err
	}
	if err := sleepUntil(ctx, time.Now().Add(settled*interval)); err != nil {
		return err
	}
	r.step("the pod goes")
	background := metav1.DeletePropagationBackground
	how := metav1.DeleteOptions{PropagationPolicy: &background}
	if err := l.c.Kube.BatchV1().Jobs(r.Namespace).Delete(ctx, pt.Job, how); err != nil {
		return fmt.Errorf("deleting job %s/%s: %w", r.Namespace, pt.Job, err)
	}
	if err := until(goneAllowance, "kept its endpoint", func() bool { return !served(obs) }); err != nil {
		return err
	}
	done := func() bool { return logs.done() > 0 }
	if err := until(watched, "", done); err == nil || !errors.Is(err, errWatched) {
		return err
	}
	r.step("the Service goes")
	if err := r.deleteService(ctx, pt.Service); err != nil {
		return err
	}
	return until(watched+goneAllowance, "was asked for beyond the deadline", done)
}

// errWatched says that something had not happened in the time given.
var errWatched = errors.New("the time to watch is over")

// until waits until something is so, and follows the asker's log meanwhile.
func (l jobRun) until(ctx context.Context, obs *cluster.Observation, logs *follower, asker string, limit time.Duration,
	what string, is func() bool) error {
	over := time.After(limit)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		for _, p := range podsOf(obs, asker) {
			if running(p) {
				logs.add(p.Name)
			}
		}
		if err := logs.unreadable(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		case <-over:
			if stuck := obs.Stuck(0); stuck != "" {
				return errors.New(stuck)
			}
			return fmt.Errorf("job %s/%s %s within %s: %w", l.owner.Namespace, l.job, what, limit, errWatched)
		}
	}
	return nil
}

// served tells whether the Service has a ready endpoint.
func served(obs *cluster.Observation) bool {
	ready := map[string]bool{} // by EndpointSlice
	for _, e := range obs.Events(time.Time{}) {
		if e.Object == "endpointslice" {
			is := func(ep results.Endpoint) bool { return ep.Ready }
			ready[e.Name] = e.What == results.Changed && slices.ContainsFunc(e.Endpoints, is)
		}
	}
	for _, is := range ready {
		if is {
			return true
		}
	}
	return false
}
