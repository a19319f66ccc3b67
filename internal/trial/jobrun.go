// Package trial runs one trial: it creates the trial's objects, waits for
// every probe's last line, deletes everything, and returns what was recorded.
// It decides nothing about what the records mean.
package trial

import (
	"context"
	"errors"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"

	"headless-job-dns/internal/cluster"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/results"
	"headless-job-dns/manifests"
)

const (
	// startAllowance is how long the pods of a run may take from the Job's
	// creation to their first line: scheduling and container start on a slow
	// cluster, not an image pull of hundreds of megabytes.
	startAllowance = 2 * time.Minute
	// goneAllowance is how long deleted pods may take to disappear: the grace
	// period of 2 s and a kubelet that is busy.
	goneAllowance = 90 * time.Second
)

// startWithin and goneWithin are the allowances of so many pods: their ends lie
// as far apart as their starts at most.
func startWithin(pods int) time.Duration { return startAllowance + plan.StartsApart(pods) }

func (l jobRun) startWithin() time.Duration { return l.nodes + startWithin(l.pods) }

func goneWithin(pods int) time.Duration { return goneAllowance + plan.StartsApart(pods) }

// jobRun is one life of a Job and its Service: a primer or a measured run.
type jobRun struct {
	c       *cluster.Client
	w       *cluster.Watcher
	owner   manifests.Owner
	objects []manifests.Object // in order of creation
	job     string             // the name of the Job among them
	pods    int
	nodes   time.Duration // for nodes to be added, beside what starting pods may take
	wait    time.Duration // after the last pod's first line
	anew    bool          // the names may still be held by a previous life
}

// live creates the objects, waits until every probe is done, and returns what
// was recorded, also beside an error. The objects are still there afterwards.
func (l jobRun) live(ctx context.Context) (run results.Run, obs *cluster.Observation, err error) {
	obs = l.w.Observe(l.owner.Trial)
	run = results.Run{Namespace: l.owner.Namespace, Boot: bootID(), Zero: time.Now()}
	for _, o := range l.objects {
		sent := time.Now()
		if l.anew {
			sent, err = l.c.CreateAnew(ctx, o, goneWithin(l.pods))
		} else {
			err = l.c.Create(ctx, o)
		}
		if _, isJob := o.(*batchv1.Job); isJob {
			run.Zero = sent // wherever in the order it stands
		}
		if err != nil {
			return run, obs, err
		}
	}
	logs := follow(ctx, l.owner.Namespace, l.c.Log)
	defer logs.cancel()
	err = l.watch(ctx, run.Zero, obs, logs)
	if err == nil {
		err = l.lost(obs)
	}
	run.Events = obs.Events(run.Zero)
	run.Pods = logs.collect(run.Zero, obs.Pods())
	return run, obs, err
}

// lost returns an error once somebody has deleted an object of the run: what is
// seen afterwards is of no use.
func (l jobRun) lost(obs *cluster.Observation) error {
	if lost := obs.Lost(); lost != "" {
		return fmt.Errorf("%s in namespace %s was deleted by somebody while it was needed", lost, l.owner.Namespace)
	}
	return nil
}

// watch follows the log of every pod that starts, until all are done.
func (l jobRun) watch(ctx context.Context, zero time.Time, obs *cluster.Observation, logs *follower) error {
	start := l.startWithin()
	limit := time.NewTimer(start + l.wait)
	defer limit.Stop()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var stuckSince time.Time
	for {
		for _, p := range obs.Pods() {
			if cluster.JobIndex(p) >= 0 && running(p) {
				logs.add(p.Name)
			}
		}
		if logs.done() >= l.pods {
			return nil
		}
		if err := l.lost(obs); err != nil {
			return err
		}
		if err := logs.unreadable(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-obs.Changed():
		case <-logs.changed:
		case <-tick.C:
			switch s := obs.Stuck(l.nodes); {
			case s == "":
				stuckSince = time.Time{}
			case stuckSince.IsZero():
				stuckSince = time.Now()
			case time.Since(stuckSince) > cluster.StuckGrace:
				return errors.New(l.c.WithAnswer(ctx, s))
			}
			if time.Since(zero) > start && logs.started() < l.pods {
				return l.notStarted(ctx, obs, logs)
			}
		case <-limit.C:
			return fmt.Errorf("job %s/%s: %d of %d probes were not done %s after the job's creation",
				l.owner.Namespace, l.job, l.pods-logs.done(), l.pods, (start + l.wait).Round(time.Second))
		}
	}
}

// deleteMode is how a life is brought to its end.
type deleteMode int

const (
	// deleteAsync: the deletion was asked for, nothing more.
	deleteAsync deleteMode = iota
	// deleteGraceful: as a user's deletion, until the last pod is gone.
	deleteGraceful
	// deleteForce: without the pods' grace period, for probes that have nothing
	// more to say. Nothing is measured afterwards, so how they end is no matter.
	deleteForce
)

// Settle is how long the kubelets have for the containers of pods that were
// ended by deleteForce, before the next trial's pods start on the same nodes. A
// probe exits within milliseconds of its signal. Tests without kubelets set 0.
var Settle = 500 * time.Millisecond

// errNotGone says that pods were there still when waiting for that was given up.
var errNotGone = errors.New("not gone")

// end deletes the life's objects. Unless it is only to be accepted it returns
// after the last pod is gone, with the time at which that was seen.
func (l jobRun) end(ctx context.Context, obs *cluster.Observation, how deleteMode) (gone time.Time, err error) {
	err = cluster.RetryTransient(ctx, goneAllowance, func(ctx context.Context) error {
		return l.c.DeleteTrial(ctx, l.owner.Namespace, l.owner.Run, l.owner.Trial)
	})
	if err != nil {
		return gone, err
	}
	if how == deleteAsync {
		return gone, nil
	}
	limit := time.NewTimer(goneWithin(l.pods))
	defer limit.Stop()
	dropped := false
	for {
		if how == deleteForce && !dropped && obs.JobGone() {
			err := cluster.RetryTransient(ctx, goneAllowance, func(ctx context.Context) error {
				return l.c.DropPods(ctx, l.owner.Namespace, l.owner.Run, l.owner.Trial)
			})
			if err != nil {
				return gone, err
			}
			dropped = true
		}
		if t, ok := obs.Gone(); ok {
			if dropped {
				time.Sleep(Settle)
			}
			return t, nil
		}
		select {
		case <-ctx.Done():
			return gone, ctx.Err()
		case <-obs.Changed():
		case <-limit.C:
			return gone, fmt.Errorf("pods of trial %s in namespace %s were %w %s after their deletion", l.owner.Trial,
				l.owner.Namespace, errNotGone, goneWithin(l.pods))
		}
	}
}
