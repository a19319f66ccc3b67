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

// Warm starts as many pods as a trial has, and ends them again. The nodes have
// the image then, and a cluster that adds nodes for pods that do not fit has
// added them: in the first trial either would set the pods apart. The pods ask
// for a name that no trial uses. Nodes may take so long to come, beside what
// pods may take to start.
func (r *Runner) Warm(ctx context.Context, nodes time.Duration) error {
	const id = "warm"
	owner := manifests.Owner{Run: r.Plan.Run, Trial: id, Namespace: r.Namespace}
	name := "lag-" + r.Plan.Run + "-" + id
	job, err := manifests.Job(manifests.JobParams{Owner: owner, Name: name, Service: "svc-" + r.Plan.Run, Probe: r.Probe, Pods: r.Plan.Settings.Pods,
		Args:     map[string]string{"observer": string(record.Solo), "deadline": warmDeadline.String()},
		Lifetime: nodes + startWithin(r.Plan.Settings.Pods) + warmDeadline})
	if err != nil {
		return err
	}
	l := life{c: r.Client, w: r.Watcher, owner: owner, objects: []manifests.Object{job}, job: name, pods: r.Plan.Settings.Pods, nodes: nodes, wait: warmDeadline}
	_, obs, err := l.live(ctx)
	if _, endErr := r.end(ctx, l, obs, promptly); err == nil {
		err = endErr
	}
	r.Watcher.Forget(id)
	if err != nil {
		return fmt.Errorf("the pods could not be started: %w", err)
	}
	return nil
}
