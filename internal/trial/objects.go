package trial

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/manifests"
)

// Objects returns what a trial creates, in that order.
func (r *Runner) Objects(pt plan.Trial) ([]manifests.Object, error) {
	l, err := r.jobRun(pt, false)
	return l.objects, err
}

// jobRun fills in the manifests for one life of the trial.
func (r *Runner) jobRun(pt plan.Trial, primer bool) (jobRun, error) {
	s, arm := r.Plan.Settings, pt.Arm
	_, noWait := r.Plan.GapOf(arm)
	l := jobRun{c: r.Client, w: r.Watcher, job: pt.Job, pods: s.Pods, wait: time.Duration(pt.Deadline),
		owner: manifests.Owner{Run: r.Plan.Run, Trial: pt.ID, Namespace: r.Namespace},
		anew:  noWait && arm.Names == plan.Reused && !primer}
	extra := pt.Extra
	if l.anew {
		// A pod's name is held until it is gone. Waiting for that would delay
		// the arms with an extra pod; no client asks for this name.
		extra += "-anew"
	}
	if primer {
		l.owner.Trial = primerID(pt)
	}
	if primer && arm.Previous == plan.Ran {
		l.wait += r.Plan.RunLength() + time.Duration(arm.Outlive)
	}
	// A forgotten Job ends itself soon after the runner would have given up.
	lifetime := startWithin(s.Pods) + l.wait + goneWithin(s.Pods)
	objs, err := manifests.Extra(arm.Extra, manifests.ExtraParams{Owner: l.owner, Name: extra, Job: pt.Job,
		Service: pt.Service, Probe: r.Probe, Lifetime: lifetime})
	if err != nil {
		return jobRun{}, err
	}
	svc, err := manifests.Service(l.owner, pt.Service, pt.Job, arm.Publish)
	if err != nil {
		return jobRun{}, err
	}
	job, err := manifests.Job(manifests.JobParams{Owner: l.owner, Name: pt.Job, Service: pt.Service, Probe: r.Probe,
		Pods: s.Pods, Args: r.args(pt, primer), DNS: r.Resolvers[arm.DNS].PodDNS, Lifetime: lifetime})
	if err != nil {
		return jobRun{}, err
	}
	l.objects = append(objs, svc, job)
	if arm.Order == plan.JobFirst {
		slices.Reverse(l.objects[len(objs):])
	}
	if r.Alter != nil {
		r.Alter(l.objects)
	}
	return l, nil
}

// args are the flags of a life's probes.
func (r *Runner) args(pt plan.Trial, primer bool) map[string]string {
	s, arm := r.Plan.Settings, pt.Arm
	args := map[string]string{
		"observer":         string(arm.Observer),
		"interval":         time.Duration(s.Interval).String(),
		"deadline":         time.Duration(pt.Deadline).String(),
		"connect-timeouts": s.ConnectTimeouts.String(),
	}
	if first := r.Plan.FirstQuery(arm); first > 0 {
		args["first-query-after"] = first.String()
	}
	if !pt.Sample.All() && !primer {
		args["peers"], args["seed"] = strconv.Itoa(pt.Sample.Peers), strconv.FormatUint(pt.Sample.Seed, 10)
	}
	switch {
	case primer && arm.Previous == plan.Ran:
		args["run-length"] = r.Plan.RunLength().String()
		args["deadline"] = (time.Duration(pt.Deadline) + r.Plan.RunLength() + time.Duration(arm.Outlive)).String()
		if arm.Outlive > 0 {
			args["workers-outlive"] = time.Duration(arm.Outlive).String()
		}
	case primer:
		args["observer"] = string(record.Prime)
		args["first-query-after"] = plan.PrimeAt.String()
		args["prime"] = "all"
		if arm.Observer == record.Solo {
			args["prime"] = "leader"
		}
	}
	// Where the replicas are not known the probe does without them: it primes
	// through its resolv.conf, and there is no uncached view.
	var servers []string
	switch resolver := r.Resolvers[arm.DNS]; {
	case primer && arm.Previous != plan.Ran:
		servers = resolver.filled()
	case arm.Observer == record.PeersServer:
		servers = resolver.Replicas
	}
	if len(servers) > 0 {
		args["dns-replicas"] = strings.Join(servers, ",")
	}
	return args
}
