package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"headless-job-dns/internal/cluster"
	"headless-job-dns/internal/deliver"
	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/report"
	"headless-job-dns/internal/results"
	"headless-job-dns/internal/trial"
	"headless-job-dns/manifests"
)

const (
	// deletionPatience is how long deletion may take at the end, when an
	// interrupt has ended the program's own context.
	deletionPatience = 2 * time.Minute
	// outagePatience is how long an API server may be away between two trials:
	// an upgrade of a control plane with one node takes minutes.
	outagePatience = 5 * time.Minute
	// maxConsecutiveFailures is how many trials in a row may fail, or be left
	// behind, before the plan is given up: once is an accident, three times is
	// the cluster.
	maxConsecutiveFailures = 3
)

// session is one execution of a plan on one cluster.
type session struct {
	*options
	say     *progress
	c       *cluster.Client
	env     environment.Environment
	owner   manifests.Owner // of all that is created
	probe   probe
	watcher *cluster.Watcher // nil: nothing was created yet
	runner  *trial.Runner
	build   func(ctx context.Context, arch string) ([]byte, error) // of the probe

	mu                  sync.Mutex // of env and the resolvers, while DNS are examined
	consecutiveFailures int
	late                bool // a trial on the cluster's own DNS took longer than --max-lag
}

// run carries out a plan on one cluster.
func (o *options) run(ctx context.Context, stdout, stderr io.Writer) (err error) {
	s := &session{options: o, say: newProgress(stderr, len(o.plan.Trials)), build: deliver.Build}
	defer func() {
		if e := o.folder.Close(); e != nil {
			err = errors.Join(err, e)
		}
	}()
	if err := s.connect(ctx); err != nil {
		return err
	}
	if err := s.preflight(ctx); err != nil {
		return err
	}
	s.describePlan()
	if o.dryRun {
		s.say.line("dry run: nothing was created")
		return nil
	}
	if err := s.createFolder(); err != nil {
		return err
	}
	// Whatever happens from here on, and be it a panic, what was created is
	// deleted.
	defer func() {
		s.say.stop()
		if e := s.delete(ctx); e != nil {
			err = errors.Join(err, e)
		}
	}()
	err = s.setUp(ctx)
	for err == nil {
		t, attempt, more := s.done.Next(s.plan)
		if !more {
			break
		}
		err = s.runTrial(ctx, t, attempt)
	}
	return s.report(ctx, err, stdout)
}

// setUp creates what lasts as long as the run, and proves each DNS.
func (s *session) setUp(ctx context.Context) error {
	err := s.deliver(ctx)
	if err == nil {
		err = s.startDNS(ctx)
	}
	if err == nil {
		err = s.warmUp(ctx)
	}
	if e := s.folder.WriteEnvironment(s.env); err == nil {
		err = e
	}
	return err
}

// runTrial runs one trial and puts it on disk. An error ends the plan.
func (s *session) runTrial(ctx context.Context, t plan.Trial, attempt int) error {
	s.say.begin(t, attempt, s.done.Left(s.plan))
	r, err := s.runner.Run(ctx, s.withFreshNames(t, attempt))
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return err // cut short by the user, the trial says nothing
	}
	if attempt > 1 {
		r.Attempt = attempt
	}
	// Some of what spoils a trial only its records show.
	v := judge.Judge(&r)
	if v.Status == results.Invalid && r.Status != results.Invalid {
		r.Status, r.Reason = v.Status, strings.Join(v.Reasons, "; ")
	}
	if e := s.folder.Append(anonymous(r)); e != nil {
		return errors.Join(e, err)
	}
	s.done.Add(r)
	s.late = s.late || s.later(v)
	s.say.end(r, v)
	if ctx.Err() != nil && err != nil {
		return errors.Join(ctx.Err(), err)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	why := r.Reason
	switch {
	case errors.Is(err, trial.ErrLeft):
		why = err.Error()
		s.say.line("%s: %s", t.ID, why)
	case err != nil:
		return err
	case r.Status != results.Invalid:
		s.consecutiveFailures = 0
		return nil
	}
	s.consecutiveFailures++
	if s.consecutiveFailures == maxConsecutiveFailures {
		return fmt.Errorf("%d trials in a row were invalid or could not be deleted, the last because: %s",
			maxConsecutiveFailures, why)
	}
	// What spoiled it may still be on: one outage is to cost one trial.
	return s.c.WaitReady(ctx, outagePatience)
}

// anonymous returns the trial as it is kept, and published in a report.
func anonymous(t results.Trial) results.Trial {
	t.Reason = cluster.Anonymous(t.Reason)
	for _, run := range []*results.Run{t.Primer, &t.Run} {
		if run == nil {
			continue
		}
		for i := range run.Pods {
			run.Pods[i].Problem = cluster.Anonymous(run.Pods[i].Problem)
		}
	}
	return t
}

// withFreshNames gives a trial names that nobody has asked for yet, where those
// of the plan may have been: by an attempt before, or before an interruption.
func (s *session) withFreshNames(t plan.Trial, attempt int) plan.Trial {
	suffix := s.suffix
	if attempt > 1 {
		suffix += fmt.Sprintf("-%d", attempt)
	}
	return t.Renamed(suffix)
}

// report makes the report of the trials on disk and returns what the run ends
// with, given the error that ended the trials. It comes before the deletion,
// which can take longer than a person waits.
func (s *session) report(ctx context.Context, runErr error, stdout io.Writer) error {
	if ctx.Err() != nil {
		s.say.line("interrupted: reporting the trials that are done, then deleting%s", s.howToComplete())
	}
	if s.done.Trials() == 0 {
		return runErr
	}
	r, err := report.Load(s.folder.Dir())
	if err == nil {
		err = writeReport(r, s.folder.Dir(), stdout)
	}
	if err == nil {
		err = s.pack()
	}
	switch {
	case runErr != nil && err != nil:
		return errors.Join(runErr, err)
	case runErr != nil:
		return runErr
	case err != nil:
		return err
	}
	return s.judgeRun(r)
}

// howToComplete says how an interrupted plan is completed, if it can be.
func (s *session) howToComplete() string {
	if _, _, more := s.done.Next(s.plan); s.ephemeral || !more {
		return ""
	}
	in := ""
	if s.namespace != "" { // a plan does not say where it is carried out
		in = " -n " + s.namespace
	}
	return fmt.Sprintf("; `%s%s --resume %s` completes the plan", cmp.Or(s.program, "repro"), in, s.folder.Dir())
}

// delete deletes everything of the run, also when the context is over, and waits
// until it is gone.
func (s *session) delete(ctx context.Context) error {
	if s.watcher != nil {
		s.watcher.Stop()
	}
	if s.ephemeral {
		return nil // it goes with the cluster
	}
	s.say.line("deleting what was created")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), deletionPatience)
	defer cancel()
	// What stands in a namespace of ours goes with it.
	scope := cluster.Scope{Run: s.plan.Run, Namespace: s.owner.Namespace, ClusterWide: s.namespace == "", Within: true}
	left, err := s.c.Clear(ctx, scope, deletionPatience)
	for _, l := range left {
		s.say.line("%s is left: %s", l, l.Why)
	}
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("%d objects are left", len(left))
	}
	if err != nil {
		return fmt.Errorf("%w; `repro clean --run %s` tries again", err, s.plan.Run)
	}
	return nil
}

// createFolder makes the results folder with the plan in it; that of a resumed
// plan is there.
func (s *session) createFolder() (err error) {
	if s.resume == "" {
		if s.folder, err = results.Create(s.options.results, time.Now()); err != nil {
			return err
		}
		if err := s.folder.WritePlan(s.plan); err != nil {
			return err
		}
	}
	s.say.line("results go to %s", s.folder.Dir())
	return nil
}

// describePlan prints the plan, what outlives a trial, and what is cluster-wide.
func (s *session) describePlan() {
	s.say.text(s.plan.Describe())
	if s.namespace == "" {
		s.say.line("  namespace %s is created and deleted at the end", s.owner.Namespace)
	} else {
		s.say.line("  namespace %s is used; only objects labelled %s=%s are touched", s.namespace, manifests.LabelRun,
			s.plan.Run)
	}
	if s.patch != nil {
		s.say.line("  every pod is patched: %s", cluster.OneLine(string(s.plan.PodPatch)))
	}
	dns := slices.DeleteFunc(s.plan.PrivateDNS(), func(d plan.DNS) bool { return !d.Facts().ClusterRole })
	if len(dns) > 0 {
		s.say.line("  cluster-wide: a ClusterRole and its binding for each private DNS (%s), read-only, deleted at the end",
			plan.Join(dns))
	}
}

// judgeRun returns what a finished plan ends with.
func (s *session) judgeRun(r *report.Report) error {
	if invalid := r.Invalid(); invalid > 0 {
		s.say.line("%d of %d trials were invalid; the report names them", invalid, len(s.plan.Trials))
		if !s.late {
			return errInvalidTrials
		}
	}
	if s.late {
		s.say.line("a trial on the cluster's own DNS took longer than --max-lag %s", s.maxLag)
		return errLate
	}
	return nil
}

// later tells whether a trial on the cluster's own DNS certainly took longer than
// --max-lag: from when a client and its peer were both there until the last pair
// was connected.
func (s *session) later(v *judge.Verdict) bool {
	lag := v.Connected.Lag
	return s.maxLag > 0 && v.Trial.Arm.DNS == plan.ClusterDNS && v.Status != results.Invalid && lag.Known() &&
		lag.Value > s.maxLag
}
