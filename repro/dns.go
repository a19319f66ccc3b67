package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"sync"

	"headless-job-dns/internal/deliver"
	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/privatedns"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/trial"
	"headless-job-dns/manifests"
)

func (s *session) dnsParams() privatedns.Params {
	p := privatedns.Params{
		Owner: s.owner, Image: cmp.Or(s.dnsImage, s.env.DNS.CoreDNSImage), Dnsmasq: cmp.Or(s.dnsmasq, s.env.DNS.DnsmasqImage),
		Domain: cmp.Or(s.domain, s.env.DNS.Domain, manifests.DefaultDomain), Probe: s.probe.Probe, Nodes: s.nodes,
		ClusterReplicas: s.env.DNS.Replicas,
	}
	// What pods ask is forwarded to; before one has been seen, the Service.
	if len(s.env.Pods) > 0 && len(s.env.Pods[0].Resolv.Servers) > 0 {
		p.ClusterDNS, _, _ = net.SplitHostPort(s.env.Pods[0].Resolv.Servers[0])
	} else if len(s.env.DNS.ClusterIPs) > 0 {
		p.ClusterDNS = s.env.DNS.ClusterIPs[0]
	}
	return p
}

func (s *session) dnsObjects(dns plan.DNS) ([]manifests.Object, error) {
	return privatedns.Objects(dns, s.dnsParams())
}

// startDNS has a pod find out how the cluster's own DNS caches, then starts the
// private ones side by side, which build on what that pod was given, and has
// pods find out the same of each.
func (s *session) startDNS(ctx context.Context) error {
	private := s.plan.PrivateDNS()
	if err := s.examineCluster(ctx); err != nil {
		return err
	}
	var jobs []func(context.Context) error
	absent := map[plan.DNS]error{}   // optional ones, and why they cannot be had
	servers := s.watcher.Observe("") // what belongs to no trial
	for _, dns := range private {
		s.say.line("starting a private DNS configured as %s", dns)
		params := s.dnsParams()
		corefile, err := privatedns.Corefile(dns, params)
		if err != nil {
			return err
		}
		s.env.AddCorefile(dns, corefile)
		jobs = append(jobs, func(ctx context.Context) error {
			r, err := privatedns.Start(ctx, s.c, dns, params, func() string { return servers.Stuck(s.nodes) })
			if err == nil {
				err = s.examine(ctx, dns, r)
			}
			if err != nil && ctx.Err() == nil && s.optional(dns) {
				s.mu.Lock()
				defer s.mu.Unlock()
				absent[dns] = err
				return nil
			}
			return err
		})
	}
	if err := inParallel(ctx, jobs); err != nil {
		return err
	}
	for _, dns := range private {
		if why := absent[dns]; why != nil {
			if err := s.leaveOut(dns, why); err != nil {
				return err
			}
		}
	}
	return nil
}

// examineCluster examines the cluster's own DNS, and finds out which that is.
// Where it is another than was expected its replicas are examined as well.
func (s *session) examineCluster(ctx context.Context) error {
	lines, err := s.runner.Caching(ctx, plan.ClusterDNS, s.runner.Resolvers[plan.ClusterDNS])
	if s.loadedUnseen(err) {
		lines, err = s.runner.Caching(ctx, plan.ClusterDNS, s.runner.Resolvers[plan.ClusterDNS])
	}
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(lines, func(l record.Line) bool { return l.Start != nil }); i >= 0 {
		first := lines[i].Start
		others := s.env.AskedDNS(ctx, s.c.Kube, first.Resolv)
		s.env.AddPod(*first)
		if others {
			return s.examine(ctx, plan.ClusterDNS, trial.Resolver{Replicas: s.env.DNS.Replicas})
		}
	}
	return s.recordCaching(plan.ClusterDNS, lines)
}

// examine has a pod that uses a DNS find out how it caches, and takes the DNS
// into use. It may be called for several at a time.
func (s *session) examine(ctx context.Context, dns plan.DNS, r trial.Resolver) error {
	lines, err := s.runner.Caching(ctx, dns, r)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runner.Resolvers[dns] = r
	return s.recordCaching(dns, lines)
}

// recordCaching keeps what a pod found out about a DNS configuration, and refuses
// a private one that does not behave as its Corefile says.
func (s *session) recordCaching(dns plan.DNS, lines []record.Line) error {
	for _, l := range lines {
		if l.Start != nil {
			s.env.AddPod(*l.Start)
		}
	}
	facts, err := environment.ProveCaching(lines)
	used := slices.ContainsFunc(s.plan.Arms, func(a plan.Arm) bool { return a.DNS == dns })
	switch {
	case err != nil && dns == plan.ClusterDNS && !used:
		s.say.line("the cluster's DNS could not be examined: %v", err)
		return nil
	case err != nil:
		return fmt.Errorf("dns %s: %w", dns, err)
	}
	s.env.AddCaching(dns, facts)
	s.say.line("dns %s: %s", dns, facts)
	if doubt := s.env.Doubt(facts); doubt != "" && dns == plan.ClusterDNS {
		s.say.line("%s", doubt)
		s.env.Note(doubt)
	}
	return environment.Check(dns, facts)
}

// optional tells whether the plan goes on without a private DNS: nobody asked for
// it, and it is a control beside the cluster's own, or its facts say so.
func (s *session) optional(dns plan.DNS) bool {
	onCluster := slices.ContainsFunc(s.plan.Arms, func(a plan.Arm) bool { return a.DNS == plan.ClusterDNS })
	return (onCluster || dns.Facts().Optional) && s.resume == "" && !slices.Contains(s.asked, dns)
}

// leaveOut takes the arms of a DNS that could not be started out of the plan,
// before its first trial.
func (s *session) leaveOut(dns plan.DNS, why error) error {
	p, err := s.plan.Without(func(d plan.DNS) bool { return d == dns })
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

// warmUp starts as many pods as a trial has once before the first. Where the image
// is on the nodes and they have room that changes nothing.
func (s *session) warmUp(ctx context.Context) error {
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
