package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/version"

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
	// teardownPatience is how long deletion may take at the end, when an
	// interrupt has ended the program's own context.
	teardownPatience = 2 * time.Minute
	// outagePatience is how long an API server may be away between two trials:
	// an upgrade of a control plane with one node takes minutes.
	outagePatience = 5 * time.Minute
	// mostInvalid is how many trials in a row may fail, or be left behind, before
	// the plan is given up: once is an accident, three times is the cluster.
	mostInvalid = 3
)

// session is one execution of a plan on one cluster.
type session struct {
	*options
	c      *cluster.Client
	env    environment.Environment
	runner *trial.Runner
	say    *progress
	owner  manifests.Owner
	probe  delivered
	build  func(ctx context.Context, arch string) ([]byte, error) // of the probe

	unwatch context.CancelFunc
}

// experiment carries out the plan: check, create, run, report, delete.
func (o *options) experiment(ctx context.Context, stdout, stderr io.Writer) (err error) {
	defer func() {
		if e := o.folder.Close(); e != nil {
			err = errors.Join(err, e)
		}
	}()
	fmt.Fprint(stderr, o.plan.Describe())
	o.describeObjects(stderr)
	if o.dryRun {
		return nil
	}
	s := &session{options: o, say: newProgress(stderr, len(o.plan.Trials)), unwatch: func() {}, build: deliver.Build}
	var v *version.Info
	if s.c, v, err = cluster.Connect(ctx, o.loader); err != nil {
		return err
	}
	s.say.line("cluster %s, Kubernetes %s", s.c.Host, v.GitVersion)
	noticeLeftovers(ctx, s.c, stderr)
	s.env = environment.Collect(ctx, s.c.Kube)
	s.env.Program = environment.ThisProgram(ctx)
	if s.c.FindAssigner(ctx) {
		s.env.Note("The cluster gives pods their user ids (OpenShift); the manifests' own was left out.")
	}
	s.identify()
	if err := s.sameCluster(); err != nil {
		return err
	}
	if err := s.place(ctx); err != nil {
		return err
	}
	if err := s.deliver(ctx); err != nil {
		return err
	}
	if err := s.preflight(ctx, stderr); err != nil {
		return err
	}
	if err := s.check(ctx); err != nil {
		return err
	}
	if o.resume == "" {
		if o.folder, err = results.Create(o.results, time.Now()); err != nil {
			return err
		}
		if err := o.folder.WritePlan(o.plan); err != nil {
			return err
		}
	}
	s.say.line("results go to %s", o.folder.Dir())
	// Whatever happens from here on, and be it a panic, what was created is
	// deleted.
	defer func() {
		s.say.stop()
		if e := s.teardown(ctx); e != nil {
			err = errors.Join(err, e)
		}
	}()
	runErr := s.trials(ctx)
	if ctx.Err() != nil {
		s.say.line("interrupted: reporting the trials that are done, then deleting%s", o.completion())
	}
	if o.done.Trials() == 0 {
		return runErr // there is nothing to report
	}
	// The report is made from what is on disk, and before the deletion at the
	// end, which can take longer than a person waits.
	invalid, err := s.report(stdout)
	switch {
	case runErr != nil && err != nil:
		return errors.Join(runErr, err)
	case runErr != nil:
		return runErr
	case err != nil:
		return err
	case invalid > 0:
		s.say.line("%d of %d trials were invalid; the report names them", invalid, len(o.plan.Trials))
		return errInvalidTrials
	}
	return nil
}

// completion says how an interrupted plan is completed, if it can be.
func (o *options) completion() string {
	if _, _, more := o.done.Next(o.plan); o.passing || !more {
		return ""
	}
	in := ""
	if o.namespace != "" { // a plan does not say where it is carried out
		in = " -n " + o.namespace
	}
	return fmt.Sprintf("; `%s%s --resume %s` completes the plan", cmp.Or(o.program, "repro"), in, o.folder.Dir())
}

// report makes the report from the records on disk and returns how many trials
// could not be used.
func (s *session) report(stdout io.Writer) (invalid int, err error) {
	r, err := report.Load(s.folder.Dir())
	if err != nil {
		return 0, err
	}
	return r.Invalid(), write(r, s.folder.Dir(), stdout)
}

// describeObjects says what outlives a trial, and what is cluster-wide.
func (o *options) describeObjects(w io.Writer) {
	if o.namespace == "" {
		fmt.Fprintf(w, "  namespace %s is created and deleted at the end\n", o.namespaceName())
	} else {
		fmt.Fprintf(w, "  namespace %s is used; only objects labelled %s=%s are touched\n", o.namespace, manifests.LabelRun, o.plan.Run)
	}
	dns := slices.DeleteFunc(o.plan.PrivateDNS(), func(d plan.DNS) bool { return !d.NeedsClusterRole() })
	if len(dns) > 0 {
		fmt.Fprintf(w, "  cluster-wide: a ClusterRole and its binding for each private DNS (%s), read-only, deleted at the end; --dns cluster and forwarding need none\n", plan.Join(dns))
	}
}

func (o *options) namespaceName() string {
	if o.namespace != "" {
		return o.namespace
	}
	return "lag-" + o.plan.Run
}

// trials sets up and runs what remains of the plan, one trial after another.
// Every trial is on disk before the next begins.
func (s *session) trials(ctx context.Context) (err error) {
	err = s.setup(ctx)
	if e := s.folder.WriteEnvironment(s.env); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	row := 0
	for {
		t, attempt, ok := s.done.Next(s.plan)
		if !ok {
			return nil
		}
		s.say.begin(t, attempt, s.done.Left(s.plan))
		r, err := s.runner.Run(ctx, s.renamed(t, attempt))
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return err // cut short by the user, the trial says nothing
		}
		if attempt > 1 {
			r.Attempt = attempt
		}
		// Some of what spoils a trial only its records show.
		if v := judge.Judge(&r); v.Status == results.Invalid && r.Status != results.Invalid {
			r.Status, r.Reason = v.Status, strings.Join(v.Reasons, "; ")
		}
		if e := s.folder.Append(anonymous(r)); e != nil {
			return errors.Join(e, err)
		}
		s.done.Add(r)
		s.say.end(r)
		if ctx.Err() != nil && err == nil {
			return ctx.Err()
		}
		if ctx.Err() != nil {
			return errors.Join(ctx.Err(), err)
		}
		why := r.Reason
		switch {
		case errors.Is(err, trial.ErrLeft):
			why = err.Error()
			s.say.line("%s: %s", t.ID, why)
		case err != nil:
			return err
		case r.Status != results.Invalid:
			row = 0
			continue
		}
		if row++; row == mostInvalid {
			return fmt.Errorf("%d trials in a row were invalid or could not be deleted, the last because: %s", row, why)
		}
		// What spoiled it may still be on: one outage is to cost one trial.
		if err := s.c.WaitReady(ctx, outagePatience); err != nil {
			return err
		}
	}
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

// renamed gives a trial names that nobody has asked for yet, where those of the
// plan may have been: by an attempt before, or before an interruption.
func (s *session) renamed(t plan.Trial, attempt int) plan.Trial {
	suffix := s.suffix
	if attempt > 1 {
		suffix += fmt.Sprintf("-%d", attempt)
	}
	return t.Renamed(suffix)
}

// teardown deletes everything of the run, also when the context is over, and
// waits until it is gone.
func (s *session) teardown(ctx context.Context) error {
	s.unwatch()
	if s.passing {
		return nil // it goes with the cluster
	}
	s.say.line("deleting what was created")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), teardownPatience)
	defer cancel()
	// What stands in a namespace of ours goes with it.
	scope := cluster.Scope{Run: s.plan.Run, Namespace: s.owner.Namespace, ClusterWide: s.namespace == "", Within: true}
	left, err := s.c.Clear(ctx, scope, teardownPatience)
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
