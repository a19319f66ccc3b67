package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"headless-job-dns/internal/experiment"
	"headless-job-dns/internal/nameserver"
)

// permitted asks, before anything is created, whether this user may give a
// private DNS the right to read Services. Where not, kubeadm-1.31 becomes
// forwarding, which adds the same caching to the cluster's own DNS; caching
// cannot be removed that way, so the other arms are left out.
func (s *session) permitted(ctx context.Context, stderr io.Writer) error {
	i := slices.IndexFunc(s.plan.PrivateDNS(), experiment.DNS.NeedsClusterRole)
	if i < 0 {
		return nil
	}
	objs, err := nameserver.Objects(s.plan.PrivateDNS()[i], s.dnsParams())
	if err != nil {
		return err
	}
	why, err := s.c.Refused(ctx, objs)
	if err != nil || why == "" {
		return err
	}
	if s.resume != "" {
		return experiment.Inputf("--resume %s: the plan's private DNS needs a right that this user does not have: %s; accepted: the user who began it", s.resume, why)
	}
	p, err := s.plan.Replace(func(a experiment.Arm) (experiment.Arm, bool) {
		if a.DNS == experiment.Kubeadm131 {
			a.DNS = experiment.Forwarding
		}
		return a, !a.DNS.NeedsClusterRole()
	})
	if err != nil {
		return experiment.Inputf("%w: a private DNS needs a right that this user does not have: %s; accepted: --dns cluster or forwarding, or a cluster admin", err, why)
	}
	note := fmt.Sprintf("This user may not create what a private DNS needs to read Services (%s): dns %s stands in for %s, which adds caching and cannot remove any, and arms with other private DNS were left out.",
		why, experiment.Forwarding, experiment.Kubeadm131)
	s.env.Note(note)
	s.say.line("%s", note)
	s.plan = p
	s.say.of(len(p.Trials))
	fmt.Fprint(stderr, p.Describe())
	s.describeObjects(stderr)
	return nil
}
