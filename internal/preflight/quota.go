package preflight

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"headless-job-dns/internal/environment"
	"headless-job-dns/manifests"
)

// quotas compares what the namespace's quotas leave with what is there at a
// time. Whether a single pod is admitted, by limit ranges too, the dry runs have
// shown.
func (p *preflight) quotas() error {
	if p.Made || !p.may(grant(p.Namespace, "", "resourcequotas", "list")) {
		return nil
	}
	list, err := p.Client.Kube.CoreV1().ResourceQuotas(p.Namespace).List(p.ctx, metav1.ListOptions{})
	if err != nil {
		p.say(environment.Untold, "quota", "the quotas of namespace %s could not be listed (%s): whether they leave room is not known beforehand", p.Namespace, reason(err))
		return nil
	}
	nodes, known := p.eachOn()
	needs, told := "needs", true
	if !known {
		needs = "needs at least"
	}
	var uncounted []string
	for _, q := range list.Items {
		var names []string
		for _, name := range sorted(q.Spec.Hard) {
			need := p.uses(name, q.Spec, nodes)
			if more := p.uses(name, q.Spec, nodes+1); !known && more.Cmp(need) > 0 {
				told = false
			}
			if need.IsZero() {
				continue
			}
			hard, counts := q.Status.Hard[name]
			if !counts { // the API server enforces what the controller has taken up
				names = append(names, string(name))
				continue
			}
			left, used := hard.DeepCopy(), q.Status.Used[name]
			left.Sub(used)
			if need.Cmp(left) <= 0 {
				continue
			}
			p.refuse("quota", "ResourceQuota %s/%s has %s left for %s (%s of %s are used), and the plan %s %s at a time; accepted: %s",
				q.Namespace, q.Name, left.String(), name, used.String(), hard.String(), needs, need.String(), p.within(name, q.Spec, nodes, left))
			return nil
		}
		if len(names) > 0 {
			uncounted = append(uncounted, fmt.Sprintf("%s of ResourceQuota %s/%s", strings.Join(names, ", "), q.Namespace, q.Name))
		}
	}
	switch n := len(list.Items); {
	case n == 0:
	case len(uncounted) > 0:
		p.say(environment.Untold, "quota", "how much is in use the cluster has not counted yet (%s): whether that leaves what the plan needs is not known beforehand", strings.Join(uncounted, "; "))
	case !told:
		p.say(environment.Untold, "quota", "the namespace's quotas (%d) leave room for one pod of each DaemonSet; on how many nodes it has one, and so whether they leave what the plan needs, is not known beforehand", n)
	default:
		p.say(environment.Met, "quota", "the namespace's quotas (%d) leave what the plan needs", n)
	}
	return nil
}

// eachOn returns on how many nodes a DaemonSet of ours has a pod, as capacity
// counts them. known is false where the nodes may not be listed, or could not
// be: then it is one, without which nothing would run.
func (p *preflight) eachOn() (nodes int, known bool) {
	if !slices.ContainsFunc(p.objects.pods, func(s podSet) bool { return s.each }) {
		return 0, true
	}
	if !p.may(grant("", "", "nodes", "list")) {
		return 1, false
	}
	list, err := p.nodes()
	if err != nil {
		return 1, false
	}
	return len(roomOf(list).nodes), true
}

func sorted(list corev1.ResourceList) []corev1.ResourceName {
	var names []corev1.ResourceName
	for n := range list {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// within says how many probes a quota would allow.
func (p *preflight) within(name corev1.ResourceName, q corev1.ResourceQuotaSpec, nodes int, left resource.Quantity) string {
	const other = "a larger quota, or another namespace with -n"
	pods := p.report.Plan.Settings.Pods
	for most := pods - 1; most >= leastPods; most-- {
		fewer := *p
		fewer.objects.pods = slices.Clone(p.objects.pods)
		for i, s := range fewer.objects.pods {
			if s.probes {
				fewer.objects.pods[i].count = s.count / pods * most
			}
		}
		if need := fewer.uses(name, q, nodes); need.Cmp(left) <= 0 {
			return fmt.Sprintf("--pods %d or fewer, %s", most, other)
		}
	}
	return other
}

// uses returns how much of a quota's resource is in use at the plan's most
// crowded time.
func (p *preflight) uses(name corev1.ResourceName, q corev1.ResourceQuotaSpec, nodes int) resource.Quantity {
	sum := resource.Quantity{}
	resourceName, counts := strings.CutPrefix(string(name), "count/")
	switch {
	case resourceName == "pods":
		name = corev1.ResourcePods
	case counts, name == corev1.ResourceServices, name == corev1.ResourceConfigMaps:
		sum.Set(int64(p.number(resourceName)))
		return sum
	}
	for _, s := range p.objects.pods {
		if !matches(q, &s.pod.Spec) {
			continue
		}
		n := s.count
		if s.each {
			n = nodes
		}
		sum.Add(times(ofPod(name, &s.pod.Spec), int64(n)))
	}
	return sum
}

// number counts the objects of a resource, "jobs.batch", that are there at a
// time.
func (p *preflight) number(of string) int {
	count := func(objs []manifests.Object) (n int) {
		for _, o := range objs {
			if resourceOf(o).String() == of {
				n++
			}
		}
		return n
	}
	most := 0
	for _, t := range p.objects.trials {
		most = max(most, count(t))
	}
	return count(p.objects.lasting) + most
}

// ofPod returns what a pod counts for in a quota. A container that asks for
// nothing of a resource that a quota limits is not admitted at all.
func ofPod(name corev1.ResourceName, spec *corev1.PodSpec) resource.Quantity {
	if name == corev1.ResourcePods {
		return resource.MustParse("1")
	}
	kind, of, qualified := strings.Cut(string(name), ".")
	if !qualified {
		kind, of = "requests", string(name) // cpu is requests.cpu
	}
	if kind == "limits" {
		return demand(spec, corev1.ResourceName(of), limited)
	}
	return demand(spec, corev1.ResourceName(of), requested)
}

func times(q resource.Quantity, n int64) resource.Quantity {
	q.Mul(n)
	return q
}

// matches tells whether a quota counts a pod. A scope that it cannot tell does
// not count: then the API server says so during the run.
func matches(q corev1.ResourceQuotaSpec, spec *corev1.PodSpec) bool {
	scopes := slices.Clone(q.Scopes)
	if q.ScopeSelector != nil {
		for _, e := range q.ScopeSelector.MatchExpressions {
			if e.Operator != corev1.ScopeSelectorOpExists {
				return false
			}
			scopes = append(scopes, e.ScopeName)
		}
	}
	for _, scope := range scopes {
		switch scope {
		case corev1.ResourceQuotaScopeTerminating:
			if spec.ActiveDeadlineSeconds == nil {
				return false
			}
		case corev1.ResourceQuotaScopeNotTerminating:
			if spec.ActiveDeadlineSeconds != nil {
				return false
			}
		case corev1.ResourceQuotaScopeNotBestEffort: // every container of ours asks for something
		default:
			return false
		}
	}
	return true
}
