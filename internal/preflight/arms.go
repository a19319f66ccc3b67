package preflight

import (
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/plan"
)

// privateDNS asks whether the plan's private DNS can be had, and leaves out the
// arms of those that cannot.
func (p *preflight) privateDNS() error {
	lacking := map[plan.DNS]bool{}
	var missing, out []string
	for _, dns := range p.report.Plan.PrivateDNS() {
		why, err := p.lacks(dns)
		if err != nil {
			return err
		}
		if why == "" {
			continue
		}
		lacking[dns] = true
		out = append(out, string(dns))
		if !slices.Contains(missing, why) {
			missing = append(missing, why)
		}
	}
	if len(lacking) == 0 {
		return nil
	}
	lack := strings.Join(missing, "; ")
	left, err := p.report.Plan.Without(func(d plan.DNS) bool { return lacking[d] })
	switch {
	case p.Fixed:
		p.refuse("private dns", "the plan to be resumed cannot go on here: a private DNS takes what this user lacks (%s); "+
			"accepted: the user who began it", lack)
	case err != nil:
		p.refuse("private dns", "%v: a private DNS takes what this user lacks (%s); accepted: --dns cluster or forwarding, "+
			"or a cluster admin who grants manifests/rbac-cluster.yaml", err, lack)
	default:
		p.report.Plan = left
		p.say(environment.Degraded, "private dns", "this user may not create all that a private DNS consists of (%s); "+
			"arms with %s are left out (manifests/rbac-cluster.yaml is what a cluster admin may grant)", lack,
			strings.Join(out, ", "))
	}
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
