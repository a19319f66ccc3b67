package trial

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"headless-job-dns/internal/cluster"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
	"headless-job-dns/manifests"
)

// Resolver is one DNS configuration as the pods of a trial use it.
type Resolver struct {
	PodDNS *manifests.PodDNS // nil: what pods of the cluster get
	// Replicas are the servers that know the records, host:port; empty:
	// unknown. The uncached view asks them.
	Replicas []string
	// Caches stand in front of the replicas and are what clients reach,
	// host:port; empty: clients reach the replicas. The uncached view passes
	// them by: of two caches that forward one question to the same replica, the
	// second would be given what that replica kept for the first.
	Caches []string
	// Unchanged returns an error when a server is no longer the one that it
	// was: its cache began empty. Nil where it cannot be told.
	Unchanged func(context.Context) error
	// Renew returns the same configuration with the servers that are there now,
	// once all of them serve. Nil where Unchanged is.
	Renew func(context.Context) (Resolver, error)
	// Log returns what the server has logged since a time, a JSON object each. Nil
	// where it logs nothing of that kind.
	Log func(ctx context.Context, since time.Time) ([]json.RawMessage, error)
}

// reached are the servers that clients' questions reach.
func (r Resolver) reached() []string {
	if len(r.Caches) > 0 {
		return r.Caches
	}
	return r.Replicas
}

// filled are all the servers, which a primer fills: what one cache no longer
// knows it would ask the next one for.
func (r Resolver) filled() []string { return slices.Concat(r.Caches, r.Replicas) }

// Runner runs the trials of one plan in one namespace.
type Runner struct {
	Client    *cluster.Client
	Watcher   *cluster.Watcher
	Plan      plan.Plan
	Namespace string
	Probe     manifests.Probe
	Resolvers map[plan.DNS]Resolver
	// Nodes is how long the cluster may take to add nodes, beside what starting
	// pods may take, until Warm has seen them.
	Nodes time.Duration
	// Alter, where not nil, may change what a trial is about to create: tests
	// inject causes of delay with it.
	Alter func([]manifests.Object)
	// Step is told what is being done, for progress lines.
	Step func(string)

	owners map[string]string // address -> pod that had it in an earlier trial
}

// cleanupPatience is how long deletion may take beyond goneWithin after an
// interrupt, when the caller's context is over already.
const cleanupPatience = 30 * time.Second

// ErrLeft says that objects of a trial could not be deleted, for a reason that
// may pass.
var ErrLeft = errors.New("objects of the trial are left")

// Run runs one trial and deletes what it created, also when the context ends.
// The trial says itself whether it is whole. An error means one of these: the
// cluster cannot run trials at all, for a reason that does not pass by itself;
// something could not be deleted (ErrLeft, where that may pass); or, if it is
// the context's, the trial was cut short and says nothing. A trial whose probes
// were done when the context ended is as good as any.
func (r *Runner) Run(ctx context.Context, pt plan.Trial) (results.Trial, error) {
	t := results.Trial{V: results.Version, Plan: pt, Status: results.Complete, Began: time.Now()}
	var err, cleanup error
	var primed *cluster.Observation
	switch {
	case pt.Arm.Previous == plan.Ran:
		primed, err = r.runPrevious(ctx, &t)
	case pt.Arm.Names == plan.Reused:
		primed, err = r.prime(ctx, &t)
	}
	switch {
	case err != nil:
	case pt.Arm.Observer == record.EmptyService:
		err, cleanup = r.emptyService(ctx, &t)
	default:
		err, cleanup = r.measure(ctx, &t)
	}
	if primed != nil {
		// Without waiting the primer's pods end during the measured run.
		t.Primer.Events = primed.Events(t.Primer.Zero)
		if gone, all := primed.Gone(); all {
			t.Primer.Gone = int64(gone.Sub(t.Primer.Zero))
		}
		r.Watcher.Forget(primerID(pt))
	}
	cut := err != nil && ctx.Err() != nil
	if !cut {
		if changed := r.unchanged(ctx, pt.Arm.DNS); err == nil {
			err = changed
		}
	}
	if log := r.Resolvers[pt.Arm.DNS].Log; log != nil && ctx.Err() == nil {
		t.DNSLog, _ = log(ctx, t.Began) // without it the trial lacks a check, no more
	}
	t.Took = plan.Duration(time.Since(t.Began))
	switch {
	case err != nil:
		t.Status, t.Reason = results.Invalid, err.Error()
	default:
		t.Status, t.Reason = status(t.Run)
	}
	t.Earlier = r.earlier(t)
	r.remember(t)
	ran := t.Run.Pods != nil || t.Primer != nil && t.Primer.Pods != nil
	switch {
	case cut:
		if cleanup == nil {
			return t, ctx.Err()
		}
		return t, errors.Join(ctx.Err(), cleanup)
	case err != nil && !ran && !cluster.IsTransient(err):
		return t, errors.Join(err, cleanup)
	case errors.Is(cleanup, errNotGone), cluster.IsTransient(cleanup):
		return t, fmt.Errorf("%w: %w", ErrLeft, cleanup)
	}
	return t, cleanup
}

// lastQuestions is for what has to be asked of the cluster to judge a trial,
// after an interrupt: a few short requests.
const lastQuestions = 5 * time.Second

// outlasting returns a context that ends so long after another one does.
func outlasting(ctx context.Context, by time.Duration) (context.Context, context.CancelFunc) {
	late, end := context.WithCancel(context.WithoutCancel(ctx))
	forget := context.AfterFunc(ctx, func() {
		select {
		case <-late.Done():
		case <-time.After(by):
			end()
		}
	})
	return late, func() { forget(); end() }
}

// unchanged returns an error when a server of the configuration is no longer
// the one that it was. That spoils this trial; the next ones go on with those
// that are there.
func (r *Runner) unchanged(ctx context.Context, dns plan.DNS) error {
	resolver := r.Resolvers[dns]
	if resolver.Unchanged == nil {
		return nil
	}
	asking, stop := outlasting(ctx, lastQuestions)
	defer stop()
	err := resolver.Unchanged(asking)
	if err == nil || resolver.Renew == nil || ctx.Err() != nil { // no next trial
		return err
	}
	r.step("waiting for the DNS")
	renewed, renewErr := resolver.Renew(ctx)
	if renewErr != nil {
		return fmt.Errorf("%w, and not all are back: %w", err, renewErr)
	}
	r.Resolvers[dns] = renewed
	return err
}

// prime runs the primer and waits out the gap, less the time that the measured
// run is going to need until its first question; a gap that is shorter than
// that ends as soon as the last pod is gone, and the records say how long it
// was. It returns what was observed of the primer, which may still be ending.
func (r *Runner) prime(ctx context.Context, t *results.Trial) (*cluster.Observation, error) {
	r.step("primer")
	l, err := r.jobRun(t.Plan, true)
	if err != nil {
		return nil, err
	}
	run, obs, err := l.live(ctx)
	t.Primer = &run
	gap, noWait := r.Plan.GapOf(t.Plan.Arm)
	wait := min(gap, gap-firstStart(run)-r.Plan.FirstQuery(t.Plan.Arm))
	how := deleteGraceful // as the user whose names are reused deletes
	if noWait && err == nil {
		how = deleteAsync
	}
	gone, endErr := r.end(ctx, l, obs, how)
	if err == nil {
		err = endErr
	}
	if err != nil || noWait {
		return obs, err
	}
	r.step("gap")
	return obs, sleepUntil(ctx, gone.Add(wait))
}

// primerID labels a trial's primer, so that the watch tells it from the
// measured run.
func primerID(pt plan.Trial) string { return pt.ID + "-primer" }

// firstStart estimates how long the first pod took from the Job's creation to
// its first instruction, from the runner's side alone: the receipt of the first
// log line is a few milliseconds late, which the recorded gap shows.
func firstStart(run results.Run) time.Duration {
	first := int64(0)
	for _, p := range run.Pods {
		if len(p.Lines) == 0 || p.Lines[0].Start == nil || p.LogStart == 0 {
			continue
		}
		// On one kernel the probe's own clock says it exactly, unless the clock
		// was set in between or the log lies: the start lies between the Job's
		// creation and the receipt.
		at := p.LogStart
		if s := p.Lines[0].Start; s.Boot != "" && s.Boot == run.Boot {
			if wall := s.Wall - run.Zero.UnixNano(); 0 <= wall && wall <= p.LogStart {
				at = wall
			}
		}
		if first == 0 || at < first {
			first = at
		}
	}
	return time.Duration(first)
}

// measure runs what is judged.
func (r *Runner) measure(ctx context.Context, t *results.Trial) (err, cleanup error) {
	r.step("measuring")
	l, err := r.jobRun(t.Plan, false)
	if err != nil {
		return err, nil
	}
	run, obs, err := l.live(ctx)
	t.Run = run
	return err, r.finish(ctx, l, obs, &t.Run)
}

// finish deletes what was judged, and completes its records with what was seen of
// that.
func (r *Runner) finish(ctx context.Context, l jobRun, obs *cluster.Observation, run *results.Run) error {
	r.step("deleting")
	gone, err := r.end(ctx, l, obs, deleteForce)
	if err == nil {
		run.Gone = int64(gone.Sub(run.Zero))
	}
	run.Events = obs.Events(run.Zero)
	r.Watcher.Forget(l.owner.Trial)
	return err
}

// deleteService deletes a trial's Service before the rest of it.
func (r *Runner) deleteService(ctx context.Context, name string) error {
	err := r.Client.Kube.CoreV1().Services(r.Namespace).Delete(ctx, name, metav1.DeleteOptions{})
	if err != nil {
		return fmt.Errorf("deleting service %s/%s: %w", r.Namespace, name, err)
	}
	return nil
}

// sleepUntil waits until a time, or returns the context's error.
func sleepUntil(ctx context.Context, until time.Time) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Until(until)):
		return nil
	}
}

// end deletes a life's objects even when the caller's context is over.
func (r *Runner) end(ctx context.Context, l jobRun, obs *cluster.Observation, how deleteMode) (time.Time, error) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), goneWithin(l.pods)+cleanupPatience)
	defer stop()
	return l.end(ctx, obs, how)
}

// status tells whether a run may enter the statistics, from its records alone.
func status(run results.Run) (results.Status, string) {
	var cut []string
	for _, p := range run.Pods {
		if p.Problem != "" {
			return results.Invalid, fmt.Sprintf("pod %s/%s: %s", run.Namespace, p.Name, p.Problem)
		}
		for _, l := range p.Lines {
			switch {
			case l.Done == nil || l.Done.Reason == "complete":
			case l.Done.Reason == "deadline":
				cut = append(cut, fmt.Sprint(p.Index))
			default:
				return results.Invalid, fmt.Sprintf("probe in pod %s/%s ended as %s %s", run.Namespace, p.Name, l.Done.Reason,
					l.Done.Err)
			}
		}
	}
	if len(cut) > 0 {
		return results.Censored, "deadline reached in pod index " + strings.Join(cut, ", ")
	}
	return results.Complete, ""
}

// remember keeps the addresses of a trial's pods, so that a later answer that
// holds one can be told whose it was.
func (r *Runner) remember(t results.Trial) {
	if r.owners == nil {
		r.owners = map[string]string{}
	}
	for _, run := range []*results.Run{t.Primer, &t.Run} {
		if run == nil {
			continue
		}
		for _, p := range run.Pods {
			for _, ip := range p.IPs {
				r.owners[ip] = fmt.Sprintf("index %d of trial %s", p.Index, t.Plan.ID)
			}
		}
	}
}

// earlier returns the earlier owners of addresses answered in the trial.
func (r *Runner) earlier(t results.Trial) map[string]string {
	own := map[string]bool{}
	for _, run := range []*results.Run{t.Primer, &t.Run} {
		if run == nil {
			continue
		}
		for _, p := range run.Pods {
			for _, ip := range p.IPs {
				own[ip] = true
			}
		}
	}
	var out map[string]string
	for _, p := range t.Run.Pods {
		for _, l := range p.Lines {
			if l.Answer == nil {
				continue
			}
			for _, a := range l.Answer.Addrs {
				if who := r.owners[a]; who != "" && !own[a] {
					if out == nil {
						out = map[string]string{}
					}
					out[a] = who
				}
			}
		}
	}
	return out
}

func (r *Runner) step(s string) {
	if r.Step != nil {
		r.Step(s)
	}
}

// bootID is the kernel's boot id, which a probe on this machine shares; empty
// where there is none.
func bootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
