package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/experiment"
	"headless-job-dns/internal/nameserver"
	"headless-job-dns/internal/preflight"
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
	if in := (*experiment.InputError)(nil); errors.As(err, &in) {
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

func (s *session) subject() (preflight.Subject, error) {
	lasting, err := s.lasting()
	return preflight.Subject{
		Client: s.c, Env: &s.env, Plan: s.plan, Fixed: s.resume != "",
		Namespace: s.owner.Namespace, Made: s.namespace == "",
		Lasting: lasting,
		DNS: func(dns experiment.DNS) ([]manifests.Object, error) {
			return nameserver.Objects(dns, s.dnsParams())
		},
		Trial: func(t experiment.Trial) ([]manifests.Object, error) {
			return s.newRunner(nil).Objects(s.renamed(t, 1))
		},
	}, err
}
