package trial

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"headless-job-dns/internal/cluster"
)

// notStarted says of how many probes no line was read in time, and why as far
// as the cluster tells. What it asks the cluster about has to exist still.
func (l jobRun) notStarted(ctx context.Context, obs *cluster.Observation, logs *follower) error {
	return fmt.Errorf("job %s/%s: no line was read of %d of %d probes %s after the job's creation; %s", l.owner.Namespace,
		l.job, l.pods-logs.started(), l.pods, l.startWithin(), l.whyNotStarted(ctx, obs, logs))
}

// whyNotStarted names the first step that a probe did not get beyond: a pod that
// was not created, one that does not run, a log that cannot be read.
func (l jobRun) whyNotStarted(ctx context.Context, obs *cluster.Observation, logs *follower) string {
	waiting, there := "", map[int]bool{}
	for _, p := range obs.Pods() {
		i := cluster.JobIndex(p)
		if i < 0 || p.DeletionTimestamp != nil {
			continue
		}
		there[i] = true
		if !running(p) {
			waiting = "pod " + p.Name + " is " + cluster.Waiting(p)
		}
	}
	missing := l.pods - len(there)
	if missing > 0 {
		if why := l.c.Withheld(ctx, l.owner.Namespace, l.job); why != "" {
			return fmt.Sprintf("pods missing: %d; %s; have that mended, or name another namespace with -n", missing,
				l.c.WithAnswer(ctx, why))
		}
	}
	switch pod, problem := logs.silent(); {
	case waiting != "":
		return l.c.WithAnswer(ctx, waiting)
	case missing > 0:
		return fmt.Sprintf("pods missing: %d, and no event that may be read says why: does the Job controller "+
			"(kube-controller-manager) run?", missing)
	case problem != "":
		return fmt.Sprintf("pod %s runs, but its log could not be read: %s; see whether `kubectl logs` works for other "+
			"pods there", pod, cluster.OneLine(problem))
	default:
		return fmt.Sprintf("pod %s runs, but its log holds no line of a probe: is its image the probe's?", pod)
	}
}

// running tells whether the pod's probe runs or has run, so that it has a log.
func running(p *corev1.Pod) bool {
	cs := cluster.ProbeStatus(p)
	return cs != nil && (cs.State.Running != nil || cs.State.Terminated != nil)
}
