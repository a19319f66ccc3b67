package trial

import (
	"context"
	"fmt"
	"strings"
	"time"

	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/manifests"
)

// cachingDeadline ends a check of which a server does not answer; three
// questions 1.1 s apart with libc's 10 s of patience each fit.
const cachingDeadline = 35 * time.Second

// Caching runs one pod that uses a DNS configuration through the resolver and
// finds out how it caches, asking only for names that no trial uses. It returns
// what the pod wrote and leaves nothing behind.
func (r *Runner) Caching(ctx context.Context, dns plan.DNS, resolver Resolver) ([]record.Line, error) {
	id := "check-" + strings.ReplaceAll(string(dns), ".", "-")
	owner := manifests.Owner{Run: r.Plan.Run, Trial: id, Namespace: r.Namespace}
	args := map[string]string{
		"observer": string(record.CachingCheck),
		"deadline": cachingDeadline.String(),
	}
	if servers := resolver.reached(); len(servers) > 0 {
		args["dns-replicas"] = strings.Join(servers, ",")
	}
	name := "lag-" + r.Plan.Run + "-" + id
	job, err := manifests.Job(manifests.JobParams{Owner: owner, Name: name, Service: "svc-" + r.Plan.Run, Probe: r.Probe,
		Pods: 1, Args: args, DNS: resolver.PodDNS, Lifetime: r.Nodes + startAllowance + cachingDeadline})
	if err != nil {
		return nil, err
	}
	l := jobRun{c: r.Client, w: r.Watcher, owner: owner, objects: []manifests.Object{job}, job: name, pods: 1,
		nodes: r.Nodes, wait: cachingDeadline}
	run, obs, err := l.live(ctx)
	if _, endErr := r.end(ctx, l, obs, deleteForce); err == nil {
		err = endErr
	}
	r.Watcher.Forget(id)
	if err != nil {
		return nil, fmt.Errorf("dns %s could not be examined: %w", dns, err)
	}
	if p := run.Pods[0]; p.Problem != "" {
		return nil, fmt.Errorf("dns %s could not be examined: pod %s/%s: %s", dns, r.Namespace, p.Name, p.Problem)
	}
	return run.Pods[0].Lines, nil
}
