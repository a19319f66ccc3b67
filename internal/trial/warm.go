package trial

import (
	"context"
	"fmt"
	"time"

	"headless-job-dns/internal/record"
	"headless-job-dns/manifests"
)

// warmDeadline ends a pod that has nothing to do but to start.
const warmDeadline = 100 * time.Millisecond

// Warm starts as many pods as a trial has at a time, and ends them again. The
// nodes have the image then, and a cluster that adds nodes for pods that do not
// fit has added them: in the first trial either would set the pods apart. The
// pods ask for a name that no trial uses.
func (r *Runner) Warm(ctx context.Context) error {
	const id = "warm"
	pods := r.Plan.LivesAtOnce() * r.Plan.Settings.Pods
	owner := manifests.Owner{Run: r.Plan.Run, Trial: id, Namespace: r.Namespace}
	name := "lag-" + r.Plan.Run + "-" + id
	job, err := manifests.Job(manifests.JobParams{Owner: owner, Name: name, Service: "svc-" + r.Plan.Run, Probe: r.Probe,
		Pods:     pods,
		Args:     map[string]string{"observer": string(record.Solo), "deadline": warmDeadline.String()},
		Lifetime: r.Nodes + startWithin(pods) + warmDeadline})
	if err != nil {
		return err
	}
	l := jobRun{c: r.Client, w: r.Watcher, owner: owner, objects: []manifests.Object{job}, job: name, pods: pods,
		nodes: r.Nodes, wait: warmDeadline}
	_, obs, err := l.live(ctx)
	if _, endErr := r.end(ctx, l, obs, deleteForce); err == nil {
		err = endErr
	}
	r.Watcher.Forget(id)
	if err != nil {
		return fmt.Errorf("not all pods of a trial could be started: %w", err)
	}
	return nil
}
