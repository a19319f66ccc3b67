package preflight

import (
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"headless-job-dns/internal/plan"
)

// privateDNS asks whether the plan's private DNS can be had. Where one cannot, and
// is no control, another may stand in for it; otherwise its arms are left out.
func (p *preflight) privateDNS() error {
	lacking := map[plan.DNS]string{}
	for _, dns := range p.report.Plan.PrivateDNS() {
		why, err := p.lacks(dns)
		if err != nil {
			return err
		}
		if why != "" {
			lacking[dns] = why
		}
	}
	if len(lacking) == 0 {
		return nil
	}
	standIn := map[plan.DNS]plan.DNS{}
	for _, dns := range plan.AllDNS {
		if absent := plan.DNS(dns.Facts().StandsInFor); lacking[absent] != "" && !p.Control(absent) {
			why, err := p.lacks(dns)
			if err != nil {
				return err
			}
			if why == "" {
				standIn[absent] = dns
			}
		}
	}
	var missing, out []string
	for _, dns := range plan.AllDNS {
		why := lacking[dns]
		if why == "" {
			continue
		}
		if !slices.Contains(missing, why) {
			missing = append(missing, why)
		}
		if standIn[dns] == "" {
			out = append(out, string(dns))
		}
	}
	lack := strings.Join(missing, "; ")
	text := fmt.Sprintf("this user may not create all that a private DNS consists of (%s)", lack)
	for dns, by := range standIn {
		text += fmt.Sprintf(": %s stands in for %s, which adds caching to the cluster's own DNS and cannot remove any", by,
			dns)
	}
	if len(out) > 0 {
		text += "; arms with " + strings.Join(out, ", ") + " are left out"
	}
	text += " (manifests/rbac-cluster.yaml is what a cluster admin may grant)"
	p.change("private dns", text, "a private DNS takes what this user lacks ("+lack+")", "--dns cluster or forwarding, "+
		"or a cluster admin who grants manifests/rbac-cluster.yaml",
		func(a plan.Arm) (plan.Arm, bool) {
			if lacking[a.DNS] == "" {
				return a, true
			}
			by := standIn[a.DNS]
			a.DNS = by
			return a, by != ""
		})
	return nil
}

// lacks says what stands in the way of a private DNS; empty: nothing, or trying
// will tell. A dry run knows what a list of rights does not: nobody can grant a
// right that he does not have.
func (p *preflight) lacks(dns plan.DNS) (string, error) {
	objs, err := p.DNS(dns)
	if err != nil {
		return "", err
	}
	missing, err := p.missing(on(objs))
	switch {
	case err != nil:
		return "", nil // rights has said that they cannot be asked for
	case len(missing) > 0:
		return words(missing), nil
	}
	for _, o := range objs {
		switch o.(type) {
		case *rbacv1.Role, *rbacv1.ClusterRole, *rbacv1.ClusterRoleBinding:
		default:
			continue
		}
		if _, err := p.Client.DryRun(p.ctx, o); apierrors.IsForbidden(err) {
			return fmt.Sprintf("creating a %s is forbidden", kindOf(o)), nil
		}
	}
	return "", nil
}
