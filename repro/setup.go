package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"headless-job-dns/internal/cluster"
	"headless-job-dns/internal/deliver"
	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/preflight"
	"headless-job-dns/internal/trial"
	"headless-job-dns/manifests"
)

// probe is how the pods get their probe.
type probe struct {
	manifests.Probe
	archs   []string           // it is to be built for; none: the image has it
	objects []manifests.Object // there before any pod with a probe is made; made by buildProbe
}

// connect finds the cluster, says which it is, and describes it.
func (s *session) connect(ctx context.Context) error {
	c, v, err := cluster.Connect(ctx, s.loader)
	if err != nil {
		return err
	}
	s.c, c.Patch = c, s.patch
	named := ""
	if c.Context != "" {
		named = fmt.Sprintf(" (context %q)", c.Context)
	}
	s.say.line("cluster %s%s, Kubernetes %s", c.Host, named, v.GitVersion)
	s.warnOfLeftovers(ctx)
	s.env = environment.Collect(ctx, c.Kube, v)
	s.env.Program = environment.ThisProgram(ctx)
	if s.patch != nil {
		s.env.Note("Every pod was patched: " + cluster.OneLine(string(s.plan.PodPatch)))
	}
	if c.FindAssigner(ctx) {
		s.env.Note("The cluster gives pods their user ids (OpenShift); the manifests' own was left out.")
	}
	if s.env.ClusterID == "" {
		s.env.ClusterID = substituteID(c)
	}
	if err := s.checkSameCluster(); err != nil {
		return err
	}
	return s.chooseNamespace(ctx)
}

// substituteID tells clusters apart where kube-system may not be read: by what
// the API server is trusted by, else by where it is.
func substituteID(c *cluster.Client) string {
	known := []byte(c.Host)
	if c.REST != nil && len(c.REST.CAData) > 0 {
		known = c.REST.CAData
	}
	sum := sha256.Sum256(known)
	return "api-" + hex.EncodeToString(sum[:8])
}

// chooseNamespace settles where a run goes for which no namespace is named: into
// one of its own or, where this user may not make one, into the one that the
// kubeconfig's context names. `default` is where everybody is who has not chosen.
func (s *session) chooseNamespace(ctx context.Context) error {
	s.owner = manifests.Owner{Run: s.plan.Run, Namespace: cmp.Or(s.namespace, "lag-"+s.plan.Run)}
	named, _, err := s.loader.Namespace()
	if s.namespace != "" || err != nil || named == "" || named == metav1.NamespaceDefault {
		return nil // the connection has shown that the kubeconfig can be used
	}
	own, err := manifests.Namespace(s.owner)
	if err != nil {
		return err
	}
	lacks := preflight.Lacks(ctx, s.c, own)
	if lacks == "" {
		return nil
	}
	s.namespace, s.owner.Namespace = named, named
	s.keep(environment.Condition{Of: "namespace", State: environment.Degraded,
		Text: fmt.Sprintf("this user may not make one for the run, which takes %s: %s, which the kubeconfig's context "+
			"names, is used as it is (-n names another)", lacks, named)})
	return nil
}

// preflight finds out, before anything is created, whether the cluster offers
// what the plan needs, and takes out of the plan what cannot be had.
func (s *session) preflight(ctx context.Context) error {
	if err := s.chooseDelivery(ctx); err != nil {
		return err
	}
	subject, err := s.subject()
	if err != nil {
		return err
	}
	r, err := preflight.Run(ctx, subject)
	s.keep(r.Conditions...)
	s.say.text(r.Role)
	if err != nil {
		return err
	}
	s.plan = r.Plan
	s.say.of(len(s.plan.Trials))
	if err := s.checkRunIDUnused(ctx); err != nil {
		return err
	}
	return s.checkNamesFree(ctx)
}

func (s *session) subject() (preflight.Subject, error) {
	lasting, err := s.lasting()
	var build func(context.Context) ([]manifests.Object, error)
	if len(s.probe.archs) > 0 && len(s.probe.objects) == 0 {
		build = s.buildProbe
	}
	return preflight.Subject{
		Client: s.c, Env: &s.env, Plan: s.plan, Fixed: s.resume != "",
		Namespace: s.owner.Namespace, Made: s.namespace == "",
		Lasting: lasting, Deliver: build, DNS: s.dnsObjects, Trial: s.trialObjects,
	}, err
}

// keep prints what was found of the cluster, and keeps it for the report.
func (s *session) keep(found ...environment.Condition) {
	for _, c := range found {
		s.say.line("%s", c)
		if c.State == environment.Degraded {
			s.env.Note(c.Text)
		}
	}
	s.env.Preflight = append(s.env.Preflight, found...)
}

// checkRunIDUnused refuses a run id of which objects are in sight. A killed run
// may still have pods that query DNS, and one that still runs is not ours. A
// random id is nobody else's.
func (s *session) checkRunIDUnused(ctx context.Context) error {
	if !s.named && s.resume == "" {
		return nil
	}
	looking, cancel := context.WithTimeout(ctx, findPatience)
	defer cancel()
	found, err := s.c.Leftovers(looking, cluster.Scope{Run: s.plan.Run, Namespace: s.owner.Namespace})
	switch {
	case errors.Is(err, cluster.ErrNothingSeen):
		return nil
	case err != nil:
		return err
	case len(found.Items) == 0:
		return nil
	case s.resume != "":
		return plan.Inputf("--resume %s: %s is there, perhaps what the interrupted run left; accepted: after "+
			"`repro clean --run %s`", s.resume, found.Items[0], s.plan.Run)
	}
	return plan.Inputf("--run-id %[1]s: objects of a run of that id are there (first of them %[2]s), perhaps of one "+
		"that still runs; accepted: another id, or after `repro clean --run %[1]s`", s.plan.Run, found.Items[0])
}

// checkNamesFree refuses a plan whose names somebody else has taken.
func (s *session) checkNamesFree(ctx context.Context) error {
	objs, err := s.lasting()
	if err != nil {
		return err
	}
	for _, dns := range s.plan.PrivateDNS() {
		o, err := s.dnsObjects(dns)
		if err != nil {
			return err
		}
		objs = append(objs, o...)
	}
	if s.namespace != "" {
		for _, t := range s.plan.Trials {
			o, err := s.trialObjects(t)
			if err != nil {
				return err
			}
			objs = append(objs, o...)
		}
	}
	for _, o := range objs {
		err := s.c.Free(ctx, o)
		switch {
		case errors.Is(err, cluster.ErrTaken) && s.resume != "":
			return plan.Inputf("--resume %s: %w, perhaps by what the interrupted run left; accepted: after "+
				"`repro clean --run %s`", s.resume, err, s.plan.Run)
		case errors.Is(err, cluster.ErrTaken):
			return plan.Inputf("--run-id %s: %w by something that is not ours; accepted: an id whose names are free (leave it "+
				"out for a random one)", s.plan.Run, err)
		case err != nil:
			return err
		}
	}
	return nil
}

// lasting returns the objects that live as long as the run, without those of the
// private DNS.
func (s *session) lasting() ([]manifests.Object, error) {
	if s.namespace != "" {
		return s.probe.objects, nil
	}
	ns, err := manifests.Namespace(s.owner)
	if err != nil {
		return nil, err
	}
	return append([]manifests.Object{ns}, s.probe.objects...), nil
}

func (s *session) trialObjects(t plan.Trial) ([]manifests.Object, error) {
	return s.newRunner().Objects(s.withFreshNames(t, 1))
}

func (s *session) newRunner() *trial.Runner {
	return &trial.Runner{
		Client: s.c, Watcher: s.watcher, Plan: s.plan, Namespace: s.owner.Namespace, Probe: s.probe.Probe, Nodes: s.nodes,
		Resolvers: map[plan.DNS]trial.Resolver{plan.ClusterDNS: {Replicas: s.env.DNS.Replicas}}, Step: s.say.step,
	}
}

// chooseDelivery decides how the probe gets into the pods. A resumed plan goes on
// as it began.
func (s *session) chooseDelivery(ctx context.Context) error {
	request := s.delivery
	before := environment.Delivery{}
	if s.before != nil && s.before.Delivery != nil {
		before = *s.before.Delivery
	}
	if way := deliver.Way(before.Way); request.Way == deliver.Auto {
		switch {
		case way == deliver.ConfigMap && request.Image == "":
			request.Way, request.Base = way, cmp.Or(request.Base, before.Image)
		case way == deliver.Image, way == deliver.Preloaded:
			request.Way, request.Image = way, cmp.Or(request.Image, before.Image)
		}
	}
	pod, err := manifests.ProbePod(s.patch)
	if err != nil {
		return err
	}
	choice, err := deliver.Choose(ctx, s.c.Kube, request, pod)
	if err != nil {
		return err
	}
	if is := string(choice.Way); before.Way != "" && is != before.Way {
		return plan.Inputf("--resume %s: the probe came by %s before and would come by %s now (%s), which are not to be "+
			"mixed in one plan; accepted: --deliver %s", s.resume, before.Way, is, choice.Why, before.Way)
	}
	s.probe = probe{Probe: manifests.Probe{Image: choice.Image}, archs: choice.Archs}
	s.env.Delivery = &environment.Delivery{Way: string(choice.Way), Image: cmp.Or(choice.Image, pod.Containers[0].Image)}
	if choice.Way == deliver.ConfigMap {
		s.say.line("the probe comes in ConfigMaps, for %s, on image %s (%s)", strings.Join(choice.Archs, " and "),
			choice.Image, choice.Why)
		return nil
	}
	s.say.line("the probe's image is %s (%s: %s)", s.env.Delivery.Image, choice.Way, choice.Why)
	return nil
}

// loadedUnseen gives the pods the probe's own image where they were to unpack the
// probe on one that the nodes cannot get. Nodes take up to a minute to say which
// images they were given.
func (s *session) loadedUnseen(err error) bool {
	if !cluster.LacksImage(err) || s.delivery.Way != deliver.Auto || s.before != nil || len(s.probe.archs) == 0 {
		return false
	}
	pod, e := manifests.ProbePod(s.patch)
	if e != nil {
		return false
	}
	image := pod.Containers[0].Image
	s.say.line("%v; trying %s, which may have been loaded a moment ago", err, image)
	s.probe.Probe, s.probe.archs, s.runner.Probe = manifests.Probe{}, nil, manifests.Probe{}
	s.env.Delivery = &environment.Delivery{Way: string(deliver.Preloaded), Image: image}
	return true
}

// buildProbe builds the probe and makes the ConfigMaps that bring it.
func (s *session) buildProbe(ctx context.Context) ([]manifests.Object, error) {
	p, err := deliver.Pack(ctx, s.owner, s.probe.archs, s.build, func(what string) { s.say.line("%s", what) })
	if err != nil {
		return nil, err
	}
	s.probe.Pieces, s.probe.objects = p.Names, p.Objects
	s.env.Delivery.Programs = p.Sums
	s.say.line("the probe is %d ConfigMaps of %.1f MB together", len(p.Names), float64(p.Bytes)/1e6)
	return p.Objects, nil
}

// deliver creates the namespace and what pods make their probe of, and begins to
// watch.
func (s *session) deliver(ctx context.Context) error {
	objs, err := s.lasting()
	if err != nil {
		return err
	}
	for _, o := range objs {
		if err := s.c.Create(ctx, o); err != nil {
			return err
		}
		if o.GetNamespace() != "" {
			continue
		}
		if err := s.checkAdmission(ctx); err != nil {
			return err
		}
	}
	if s.watcher, err = s.c.Watch(ctx, s.owner.Namespace, s.plan.Run); err != nil {
		return err
	}
	s.runner = s.newRunner()
	return nil
}

// checkAdmission looks what the namespace that was just made admits. Something
// was created by then: a refusal is no bad input any more.
func (s *session) checkAdmission(ctx context.Context) error {
	subject, err := s.subject()
	if err != nil {
		return err
	}
	r, err := preflight.Admit(ctx, subject)
	s.keep(r.Conditions...)
	if in := (*plan.InputError)(nil); errors.As(err, &in) {
		return in.Err
	}
	return err
}
