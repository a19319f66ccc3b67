package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"

	"headless-job-dns/internal/cluster"
	"headless-job-dns/internal/deliver"
	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/privatedns"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/trial"
	"headless-job-dns/manifests"
)

// alone refuses a run id of which there are objects, anywhere that this user may
// look: what was killed may still be asking questions, and what runs is not to
// be taken for ours. A random id is nobody else's.
func (s *session) alone(ctx context.Context) error {
	if !s.named && s.resume == "" {
		return nil
	}
	looking, cancel := context.WithTimeout(ctx, findPatience)
	defer cancel()
	scope := cluster.Scope{Run: s.plan.Run, Namespace: s.owner.Namespace}
	found, err := s.c.Leftovers(looking, scope)
	if err != nil && ctx.Err() == nil && !errors.Is(err, cluster.ErrNothingSeen) {
		// Somebody else's namespace among thousands: where we are going counts.
		scope.Within = true
		found, err = s.c.Leftovers(ctx, scope)
	}
	switch {
	case errors.Is(err, cluster.ErrNothingSeen):
		return nil
	case err != nil:
		return err
	case len(found.Items) == 0:
		return nil
	case s.resume != "":
		return plan.Inputf("--resume %s: %s is there, perhaps what the interrupted run left; accepted: after `repro clean --run %s`", s.resume, found.Items[0], s.plan.Run)
	}
	return plan.Inputf("--run-id %[1]s: objects of a run of that id are there (first of them %[2]s), perhaps of one that still runs; accepted: another id, or after `repro clean --run %[1]s`", s.plan.Run, found.Items[0])
}

// check finds out, before anything is created, whether nothing of the run is
// there and the names are free.
func (s *session) check(ctx context.Context) error {
	if err := s.alone(ctx); err != nil {
		return err
	}
	objs, err := s.lasting()
	if err != nil {
		return err
	}
	for _, dns := range s.plan.PrivateDNS() {
		o, err := privatedns.Objects(dns, s.dnsParams())
		if err != nil {
			return err
		}
		objs = append(objs, o...)
	}
	if s.namespace != "" {
		for _, t := range s.plan.Trials {
			o, err := s.newRunner(nil).Objects(s.renamed(t, 1))
			if err != nil {
				return err
			}
			objs = append(objs, o...)
		}
	}
	for _, o := range objs {
		if err := s.c.Free(ctx, o); err != nil {
			if errors.Is(err, cluster.ErrTaken) && s.resume != "" {
				return plan.Inputf("--resume %s: %w, perhaps by what the interrupted run left; accepted: after `repro clean --run %s`", s.resume, err, s.plan.Run)
			}
			if errors.Is(err, cluster.ErrTaken) {
				return plan.Inputf("--run-id %s: %w by something that is not ours; accepted: an id whose names are free (leave it out for a random one)", s.plan.Run, err)
			}
			return err
		}
	}
	return nil
}

// lasting returns the objects that live as long as the run, without those of the
// private DNS.
func (s *session) lasting() ([]manifests.Object, error) {
	var objs []manifests.Object
	if s.namespace == "" {
		ns, err := manifests.Namespace(s.owner)
		if err != nil {
			return nil, err
		}
		objs = append(objs, ns)
	}
	return append(objs, s.probe.objects...), nil
}

func (s *session) dnsParams() privatedns.Params {
	image := s.dnsImage
	if image == "" {
		image = s.env.DNS.CoreDNSImage
	}
	p := privatedns.Params{Owner: s.owner, Image: image, Dnsmasq: cmp.Or(s.dnsmasq, s.env.DNS.DnsmasqImage), Domain: cmp.Or(s.domain, s.env.DNS.Domain, manifests.DefaultDomain), Nodes: s.nodes, ClusterReplicas: s.env.DNS.Replicas}
	switch ips := s.env.DNS.ClusterIPs; {
	case len(ips) > 0:
		p.ClusterDNS = ips[0]
	case len(s.env.Pods) > 0 && len(s.env.Pods[0].Resolv.Servers) > 0:
		// Where the Service may not be read, a pod's resolv.conf names it.
		p.ClusterDNS, _, _ = net.SplitHostPort(s.env.Pods[0].Resolv.Servers[0])
	}
	return p
}

func (s *session) newRunner(w *cluster.Watcher) *trial.Runner {
	return &trial.Runner{Client: s.c, Watcher: w, Plan: s.plan, Namespace: s.owner.Namespace, Probe: s.probe.Probe,
		Nodes: s.nodes, Resolvers: map[plan.DNS]trial.Resolver{plan.ClusterDNS: {Replicas: s.env.DNS.Replicas}}, Step: s.say.step}
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
		if err := s.admitted(ctx); err != nil {
			return err
		}
	}
	if err := s.createProbe(ctx); err != nil {
		return err
	}
	w, err := s.c.Watch(ctx, s.owner.Namespace, s.plan.Run)
	if err != nil {
		return err
	}
	s.unwatch = w.Stop
	s.runner = s.newRunner(w)
	var mu sync.Mutex
	started := map[plan.DNS]trial.Resolver{}
	// Private servers start side by side; each is examined once it serves. The
	// cluster's own is examined too: its resolv.conf belongs in the report.
	examined := func(ctx context.Context, dns plan.DNS, r trial.Resolver) error {
		lines, err := s.runner.Caching(ctx, dns, r)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		return s.learn(dns, lines)
	}
	clusterDNS := s.runner.Resolvers[plan.ClusterDNS]
	examineCluster := func(ctx context.Context) error { return examined(ctx, plan.ClusterDNS, clusterDNS) }
	var jobs []func(context.Context) error
	private := s.plan.PrivateDNS()
	upstream := len(s.env.DNS.ClusterIPs) > 0 || !slices.Contains(private, plan.Forwarding)
	domain := cmp.Or(s.domain, s.env.DNS.Domain) != "" || len(private) == 0
	if !upstream || !domain {
		// What is forwarded to has to be known first, and the domain for which a
		// private DNS serves and its pods search.
		if err := examineCluster(ctx); err != nil {
			return err
		}
	} else {
		jobs = append(jobs, examineCluster)
	}
	servers := w.Observe("") // what belongs to no trial: the private DNS
	var missing error        // why kube-dns could not be started
	for _, dns := range private {
		s.say.line("starting a private DNS configured as %s", dns)
		params := s.dnsParams()
		corefile, err := privatedns.Corefile(dns, params)
		if err != nil {
			return err
		}
		s.env.AddCorefile(dns, corefile)
		jobs = append(jobs, func(ctx context.Context) error {
			r, err := privatedns.Start(ctx, s.c, dns, params, servers.Stuck)
			if err != nil && ctx.Err() == nil && s.optional(dns) {
				mu.Lock()
				missing = err
				mu.Unlock()
				return nil
			}
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
	if missing != nil {
		if err := s.without(plan.KubeDNS, missing); err != nil {
			return err
		}
	}
	return s.warm(ctx)
}

// warm starts as many pods as a trial has once before the first. Where the image
// is on the nodes and they have room that changes nothing.
func (s *session) warm(ctx context.Context) error {
	if s.env.Delivery.Way == string(deliver.Preloaded) && s.nodes == 0 {
		return nil
	}
	s.say.line("starting the pods of a trial once, for the nodes to have the image")
	err := s.runner.Warm(ctx)
	s.runner.Nodes = 0 // what is added in a trial would be part of what is measured
	if err == nil || ctx.Err() != nil || s.nodes > 0 {
		return err
	}
	// One slow node is no reason to end: it costs a trial, and that is repeated.
	s.say.line("%v; the first trial's may start apart", err)
	s.env.Note(fmt.Sprintf("Before the first trial: %v.", err))
	return nil
}

// optional tells whether the plan goes on without a DNS that does not start:
// kube-dns, which needs an image that nothing else does, unless it was asked
// for.
func (s *session) optional(dns plan.DNS) bool {
	return dns == plan.KubeDNS && s.resume == "" && !slices.Contains(s.asked, dns)
}

// without takes the arms of a DNS that could not be started out of the plan,
// before its first trial.
func (s *session) without(dns plan.DNS, why error) error {
	p, err := s.plan.Replace(func(a plan.Arm) (plan.Arm, bool) { return a, a.DNS != dns })
	if err != nil {
		return fmt.Errorf("dns %s could not be started: %w", dns, why)
	}
	note := fmt.Sprintf("The plan's arms with dns %s were left out: %v.", dns, why)
	s.env.Note(note)
	s.say.line("%s", note)
	s.plan, s.runner.Plan = p, p
	s.say.of(len(p.Trials))
	return s.folder.WritePlan(p)
}

// learn keeps what a pod found out about a DNS configuration, and refuses a
// private one that does not behave as its Corefile says.
func (s *session) learn(dns plan.DNS, lines []record.Line) error {
	for _, l := range lines {
		if l.Start != nil {
			s.env.AddPod(*l.Start)
		}
	}
	facts, err := environment.ProveCaching(lines)
	if err != nil {
		if dns == plan.ClusterDNS && !s.uses(dns) {
			s.say.line("the cluster's DNS could not be examined: %v", err)
			return nil
		}
		return fmt.Errorf("dns %s: %w", dns, err)
	}
	s.env.AddCaching(dns, facts)
	s.say.line("dns %s: %s", dns, facts)
	return environment.Check(dns, facts)
}

func (s *session) uses(dns plan.DNS) bool {
	return slices.ContainsFunc(s.plan.Arms, func(a plan.Arm) bool { return a.DNS == dns })
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
