package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/preflight"
	"headless-job-dns/internal/privatedns"
	"headless-job-dns/manifests"
)

// preflight looks, before anything is created, whether the cluster offers what
// the plan needs, prints what it found, and takes out of the plan what cannot be
// had.
func (s *session) preflight(ctx context.Context, stderr io.Writer) error {
	subject, err := s.subject()
	if err != nil {
		return err
	}
	r, err := preflight.Run(ctx, subject)
	s.found(r, stderr)
	if err != nil {
		return err
	}
	if r.Changed {
		s.plan = r.Plan
		s.say.of(len(s.plan.Trials))
		fmt.Fprint(stderr, s.plan.Describe())
		s.describeObjects(stderr)
	}
	return nil
}

// admitted looks what the namespace that was just made admits. Something was
// created by then: a refusal is no bad input any more.
func (s *session) admitted(ctx context.Context) error {
	subject, err := s.subject()
	if err != nil {
		return err
	}
	r, err := preflight.Admit(ctx, subject)
	s.found(r, io.Discard)
	if in := (*plan.InputError)(nil); errors.As(err, &in) {
		return in.Err
	}
	return err
}

// found prints and keeps what a preflight found.
func (s *session) found(r preflight.Report, stderr io.Writer) {
	for _, c := range r.Conditions {
		s.say.line("%s", c)
		if c.State == environment.Degraded {
			s.env.Note(c.Text)
		}
	}
	fmt.Fprint(stderr, r.Role)
	s.env.Preflight = append(s.env.Preflight, r.Conditions...)
}

// place settles where a run goes for which no namespace is named: into one of
// its own or, where this user may not make one, into the one that the
// kubeconfig's context names. `default` is where everybody is who has not chosen.
func (s *session) place(ctx context.Context) error {
	s.owner = manifests.Owner{Run: s.plan.Run, Namespace: s.namespaceName()}
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
	s.found(preflight.Report{Conditions: []environment.Condition{{Of: "namespace", State: environment.Degraded,
		Text: fmt.Sprintf("this user may not make one for the run, which takes %s: %s, which the kubeconfig's context names, is used as it is (-n names another)", lacks, named)}}}, io.Discard)
	return nil
}

func (s *session) subject() (preflight.Subject, error) {
	lasting, err := s.lasting()
	deliver := s.pack
	if len(s.probe.archs) == 0 || len(s.probe.objects) > 0 {
		deliver = nil
	}
	return preflight.Subject{
		Client: s.c, Env: &s.env, Plan: s.plan, Fixed: s.resume != "",
		Namespace: s.owner.Namespace, Made: s.namespace == "", Grows: s.nodes > 0,
		Lasting: lasting, Deliver: deliver,
		DNS: func(dns plan.DNS) ([]manifests.Object, error) {
			return privatedns.Objects(dns, s.dnsParams())
		},
		Trial: func(t plan.Trial) ([]manifests.Object, error) {
			return s.newRunner(nil).Objects(s.renamed(t, 1))
		},
	}, err
}
