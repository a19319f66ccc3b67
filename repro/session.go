package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/version"

	"headless-job-dns/internal/cluster"
	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/experiment"
	"headless-job-dns/internal/nameserver"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/report"
	"headless-job-dns/internal/result"
	"headless-job-dns/internal/trial"
	"headless-job-dns/manifests"
)

const (
	// teardownPatience is how long deletion may take at the end, when an
	// interrupt has ended the program's own context.
	teardownPatience = 2 * time.Minute
	// mostInvalid is how many trials in a row may fail before the plan is given
	// up: once is an accident, three times is the cluster.
	mostInvalid = 3
)

// session is one execution of a plan on one cluster.
type session struct {
	*options
	c      *cluster.Client
	folder *result.Folder
	env    environment.Environment
	runner *trial.Runner
	say    *progress
	owner  manifests.Owner

	unwatch context.CancelFunc
}

// experiment carries out the plan: check, create, run, report, delete.
func (o *options) experiment(ctx context.Context, stdout, stderr io.Writer) (err error) {
	fmt.Fprint(stderr, o.plan.Describe())
	o.describeObjects(stderr)
	if o.dryRun {
		return nil
	}
	s := &session{options: o, say: newProgress(stderr, o.plan), unwatch: func() {}}
	var v *version.Info
	if s.c, v, err = cluster.Connect(ctx, o.loader); err != nil {
		return err
	}
	s.say.line("cluster %s, Kubernetes %s", s.c.Host, v.GitVersion)
	noticeLeftovers(ctx, s.c, stderr)
	s.owner = manifests.Owner{Run: o.plan.Run, Namespace: o.namespaceName()}
	s.env = environment.Collect(ctx, s.c.Kube)
	if o.domain == "" {
		o.domain = s.env.DNS.Domain
	}
	if o.domain == "" {
		o.domain = manifests.DefaultDomain
	}
	if err := s.check(ctx); err != nil {
		return err
	}
	if s.folder, err = result.Create(o.results, time.Now()); err != nil {
		return err
	}
	defer s.folder.Close()
	s.say.line("results go to %s", s.folder.Dir())
	if err := s.folder.WritePlan(o.plan); err != nil {
		return err
	}
	// Whatever happens from here on, and be it a panic, what was created is
	// deleted.
	defer func() {
		s.say.stop()
		if e := s.teardown(ctx); e != nil {
			err = errors.Join(err, e)
		}
	}()
	done, runErr := s.trials(ctx)
	if ctx.Err() != nil {
		s.say.line("interrupted: reporting the trials that are done, then deleting")
	}
	if done == 0 {
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
		s.say.line("%d of %d trials were invalid; the report names them", invalid, len(s.plan.Trials))
		return errInvalidTrials
	}
	return nil
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
	if dns := o.plan.PrivateDNS(); len(dns) > 0 {
		fmt.Fprintf(w, "  cluster-wide: a ClusterRole and its binding for the private DNS (%s), read-only, deleted at the end; --dns cluster needs none\n", experiment.Join(dns))
	}
}

func (o *options) namespaceName() string {
	if o.namespace != "" {
		return o.namespace
	}
	return "lag-" + o.plan.Run
}

// check finds, before anything is created, what would stop the plan half-way.
func (s *session) check(ctx context.Context) error {
	if s.namespace != "" {
		if err := s.c.CheckNamespace(ctx, s.namespace); err != nil {
			return &experiment.InputError{Err: err}
		}
	}
	// Each private DNS has two replicas; the extra is at most one pod. Without
	// waiting a life's pods stand beside those of the one before.
	need := s.plan.Settings.Pods + 1
	if s.plan.Settings.NoWait {
		need *= 2
	}
	need += 2 * len(s.plan.PrivateDNS())
	switch free, err := s.c.FreePods(ctx); {
	case err != nil:
		s.say.line("cannot tell whether %d pods fit: %v", need, err)
	case free < need:
		return experiment.Inputf("--pods %d: with what goes beside them, %d pods are needed and the cluster's nodes take %d more; accepted: at most %d", s.plan.Settings.Pods, need, free, max(0, free-need+s.plan.Settings.Pods))
	}
	objs, err := s.lasting()
	if err != nil {
		return err
	}
	if s.namespace != "" {
		for _, t := range s.plan.Trials {
			o, err := s.newRunner(nil).Objects(t)
			if err != nil {
				return err
			}
			objs = append(objs, o...)
		}
	}
	for _, o := range objs {
		if err := s.c.Free(ctx, o); err != nil {
			if errors.Is(err, cluster.ErrTaken) {
				return experiment.Inputf("--run-id %s: %w by something that is not ours; accepted: an id whose names are free (leave it out for a random one)", s.plan.Run, err)
			}
			return err
		}
	}
	return nil
}

// lasting returns the objects that live as long as the run.
func (s *session) lasting() ([]manifests.Object, error) {
	var objs []manifests.Object
	if s.namespace == "" {
		ns, err := manifests.Namespace(s.owner)
		if err != nil {
			return nil, err
		}
		objs = append(objs, ns)
	}
	for _, dns := range s.plan.PrivateDNS() {
		o, err := nameserver.Objects(dns, s.dnsParams())
		if err != nil {
			return nil, err
		}
		objs = append(objs, o...)
	}
	return objs, nil
}

func (s *session) dnsParams() nameserver.Params {
	image := s.dnsImage
	if image == "" {
		image = s.env.DNS.CoreDNSImage
	}
	return nameserver.Params{Owner: s.owner, Image: image, Domain: s.domain}
}

func (s *session) newRunner(w *cluster.Watcher) *trial.Runner {
	return &trial.Runner{Client: s.c, Watcher: w, Plan: s.plan, Namespace: s.owner.Namespace, Image: s.image,
		Resolvers: map[experiment.DNS]trial.Resolver{experiment.ClusterDNS: {Replicas: s.env.DNS.Replicas}}, Step: s.say.step}
}

// setup creates what lasts as long as the run and proves each DNS
// configuration.
func (s *session) setup(ctx context.Context) error {
	if s.namespace == "" {
		ns, err := manifests.Namespace(s.owner)
		if err != nil {
			return err
		}
		if err := s.c.Create(ctx, ns); err != nil {
			return err
		}
	}
	w, err := s.c.Watch(ctx, s.owner.Namespace, s.plan.Run)
	if err != nil {
		return err
	}
	s.unwatch = w.Stop
	s.runner = s.newRunner(w)
	var mu sync.Mutex
	started := map[experiment.DNS]trial.Resolver{}
	// Private servers start side by side; each is examined once it serves. The
	// cluster's own is examined too: its resolv.conf belongs in the report.
	examined := func(ctx context.Context, dns experiment.DNS, r trial.Resolver) error {
		lines, err := s.runner.Caching(ctx, dns, r)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		return s.learn(dns, lines)
	}
	clusterDNS := s.runner.Resolvers[experiment.ClusterDNS]
	jobs := []func(context.Context) error{func(ctx context.Context) error { return examined(ctx, experiment.ClusterDNS, clusterDNS) }}
	servers := w.Observe("") // what belongs to no trial: the private DNS
	for _, dns := range s.plan.PrivateDNS() {
		s.say.line("starting a private CoreDNS configured as %s", dns)
		jobs = append(jobs, func(ctx context.Context) error {
			r, err := nameserver.Start(ctx, s.c, dns, s.dnsParams(), servers.Stuck)
			if err != nil {
				return err
			}
			mu.Lock()
			started[dns] = r
			mu.Unlock()
			return examined(ctx, dns, r)
		})
	}
	if err := inParallel(ctx, jobs); err != nil {
		return err
	}
	maps.Copy(s.runner.Resolvers, started)
	return nil
}

// learn keeps what a pod found out about a DNS configuration, and refuses a
// private one that does not behave as its Corefile says.
func (s *session) learn(dns experiment.DNS, lines []record.Line) error {
	for _, l := range lines {
		if l.Start != nil {
			s.env.AddPod(*l.Start)
		}
	}
	facts, err := environment.ProveCaching(lines)
	if err != nil {
		if dns == experiment.ClusterDNS && !s.uses(dns) {
			s.say.line("the cluster's DNS could not be examined: %v", err)
			return nil
		}
		return fmt.Errorf("dns %s: %w", dns, err)
	}
	s.env.AddCaching(dns, facts)
	s.say.line("dns %s: %s", dns, facts)
	return environment.Check(dns, facts)
}

func (s *session) uses(dns experiment.DNS) bool {
	return slices.ContainsFunc(s.plan.Arms, func(a experiment.Arm) bool { return a.DNS == dns })
}

// inParallel runs the jobs side by side and ends the others when one fails.
func inParallel(ctx context.Context, jobs []func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for _, job := range jobs {
		wg.Go(func() {
			if err := job(ctx); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

// trials sets up and runs the plan's trials one after another, and returns how
// many are on disk. Every trial is, before the next begins.
func (s *session) trials(ctx context.Context) (done int, err error) {
	err = s.setup(ctx)
	if e := s.folder.WriteEnvironment(s.env); err == nil {
		err = e
	}
	if err != nil {
		return 0, err
	}
	row := 0
	for _, t := range s.plan.Trials {
		s.say.begin(t)
		r, err := s.runner.Run(ctx, t)
		if ctx.Err() != nil {
			// The trial was cut short by the user; it says nothing.
			if err != nil {
				return done, errors.Join(ctx.Err(), err)
			}
			return done, ctx.Err()
		}
		if e := s.folder.Append(r); e != nil {
			return done, errors.Join(e, err)
		}
		done++
		s.say.end(r)
		if err != nil {
			return done, err
		}
		if r.Status != result.Invalid {
			row = 0
			continue
		}
		if row++; row == mostInvalid {
			return done, fmt.Errorf("%d trials in a row were invalid, the last because: %s", row, r.Reason)
		}
	}
	return done, nil
}

// teardown deletes everything of the run, also when the context is over, and
// waits until it is gone.
func (s *session) teardown(ctx context.Context) error {
	s.say.line("deleting what was created")
	s.unwatch()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), teardownPatience)
	defer cancel()
	// What stands in a namespace of ours goes with it.
	scope := cluster.Scope{Run: s.plan.Run, Namespace: s.owner.Namespace, ClusterWide: s.namespace == ""}
	found, err := s.c.Leftovers(ctx, scope)
	var left []cluster.Leftover
	if err == nil {
		left, err = s.c.Sweep(ctx, scope, found.Items, teardownPatience)
	}
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
