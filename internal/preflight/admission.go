package preflight

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"headless-job-dns/internal/cluster"
	"headless-job-dns/internal/environment"
	"headless-job-dns/manifests"
)

// namespace looks at one that the user has named.
func (p *preflight) namespace() error {
	if p.Made || !p.may(grant(p.Namespace, "", "namespaces", "get")) {
		return nil
	}
	ns, err := p.Client.Kube.CoreV1().Namespaces().Get(p.ctx, p.Namespace, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		p.refuse("namespace", "namespace %s does not exist: create it, or leave -n out to have one made", p.Namespace)
		return nil
	case err != nil:
		p.say(environment.Untold, "namespace", "namespace %s could not be read (%s); it is used as it is", p.Namespace,
			reason(err))
		return nil
	case ns.DeletionTimestamp != nil:
		p.refuse("namespace", "namespace %s is being deleted: wait until it is gone, or name another with -n", p.Namespace)
		return nil
	}
	p.labels = ns.Labels
	if p.labels == nil {
		p.labels = map[string]string{}
	}
	level := ns.Labels["pod-security.kubernetes.io/enforce"]
	if level == "" {
		level = "no level of its own"
	}
	p.say(environment.Met, "namespace", "%s is used as it is; Pod Security enforces %s, and the pods meet every level",
		p.Namespace, cluster.OneLine(level))
	return nil
}

const (
	// accountPatience is how long a new namespace may take to get its default
	// account, without which no pod is admitted; usually it takes 0.1 s, and 15 s
	// more where the controller manager has just lost its lease.
	accountPatience = 30 * time.Second
	accountPause    = 100 * time.Millisecond
)

// admission tries to create, by dry runs, one of each object and of the pods
// that they make. What cannot be tried is not in the way.
func (p *preflight) admission() error {
	tried, added := 0, []string(nil)
	suspended := false
	var limit resource.Quantity // the lowest that the probe gets of CPU; 0: none
	for _, o := range p.objects.all {
		if p.Made && o.GetNamespace() != "" {
			continue // there is no namespace to try it in
		}
		if o.GetNamespace() == "" && kindOf(o) != "namespace" {
			continue // privateDNS has tried those
		}
		if kindOf(o) == "rolebinding" {
			continue // a dry run of its Role leaves nothing to bind
		}
		attempts := []manifests.Object{o}
		if pod := podOf(o); pod != nil && kindOf(o) != "pod" {
			attempts = append(attempts, pod)
		}
		for i, a := range attempts {
			what := nameOf(o)
			if i > 0 {
				what = "a pod of " + what
			}
			got, err := p.attempt(a)
			if p.ctx.Err() != nil {
				return nil
			}
			if err != nil {
				switch state, text := verdict(err); state {
				case environment.Refused:
					p.refuse("admission", "a dry run of creating %s was refused: %s; %s", what, text,
						p.otherImage(a, err)+p.patch(a, err)+p.elsewhere("have that allowed"))
					return nil
				case environment.Untold:
					p.say(state, "admission", "whether %s is admitted is not known beforehand: %s", what, text)
				}
				continue
			}
			tried++
			switch got := got.(type) {
			case *corev1.Pod:
				added = containersAdded(a.(*corev1.Pod), got, added)
				limit = lower(limit, &got.Spec)
			case *batchv1.Job:
				suspended = suspended || got.Spec.Suspend != nil && *got.Spec.Suspend
				limit = lower(limit, &got.Spec.Template.Spec)
			case *corev1.Service:
				if got.Spec.ClusterIP == corev1.ClusterIPNone {
					p.families = nil
					for _, f := range got.Spec.IPFamilies {
						p.families = append(p.families, string(f))
					}
				}
			}
		}
	}
	if tried > 0 {
		p.say(environment.Met, "admission", "dry runs of what the plan creates were admitted (%d)", tried)
	}
	if len(added) > 0 {
		p.say(environment.Warning, "admission", "the cluster adds containers to the pods (%s): connects may end in one of "+
			"them instead of in the probe, and what they delay counts; %s",
			strings.Join(added, ", "), p.elsewhere("switch that off for the namespace"))
	}
	if suspended {
		p.say(environment.Warning, "admission", "jobs in namespace %s are suspended when they are created (by a queue, as "+
			"Kueue's?): pods that wait for their turn start when it comes; %s",
			p.Namespace, p.elsewhere("let these Jobs run at once"))
	}
	if !limit.IsZero() {
		p.say(environment.Warning, "admission", "the probe has a CPU limit of %s: throttling delays its clock by up to 100 "+
			"ms at a time, and numbers near that are not to be trusted; %s",
			limit.String(), p.elsewhere("have it taken away"))
	}
	return nil
}

// lower is a CPU limit, or the probe's in a pod that admission has returned if
// that is lower; 0: there is none. Those of manifests/ have none. The kernel throttles by the
// 100 ms, unless the kubelet is told otherwise (cpuCFSQuotaPeriod).
func lower(than resource.Quantity, spec *corev1.PodSpec) resource.Quantity {
	for _, c := range spec.Containers {
		cpu := c.Resources.Limits.Cpu()
		if c.Name == manifests.ProbeContainer && !cpu.IsZero() && (than.IsZero() || cpu.Cmp(than) < 0) {
			than = *cpu
		}
	}
	return than
}

// ofImages finds what is said of images, and nothing of how they are pulled.
var ofImages = regexp.MustCompile(`(?i)\bimages?\b|\bregistr(y|ies)\b`)

// otherImage begins a sentence with the flags that choose another image for
// what was refused because of one; empty: it was not.
func (p *preflight) otherImage(o manifests.Object, refusal error) string {
	pod, said := podOf(o), refusal.Error()
	if pod == nil || strings.Contains(said, "failed calling webhook") {
		return ""
	}
	if _, why, found := strings.Cut(said, "denied the request"); found {
		said = why // without the webhook's name
	}
	about := slices.DeleteFunc(slices.Clone(pod.Spec.Containers),
		func(c corev1.Container) bool { return !strings.Contains(said, c.Image) })
	if len(about) == 0 && ofImages.MatchString(said) {
		about = pod.Spec.Containers
	}
	text, private := "", false
	for _, c := range about {
		flag := map[string]string{manifests.ProbeContainer: "--image", manifests.CoreDNSContainer: "--dns-image",
			manifests.DnsmasqContainer: "--dnsmasq-image"}[c.Name]
		if c.Name != manifests.ProbeContainer {
			private = true
		} else if manifests.Delivered(&pod.Spec) {
			flag = "--base-image"
		}
		text += fmt.Sprintf("choose another image for %s with %s, ", c.Name, flag)
	}
	if private && !p.Fixed {
		text += "leave the private DNS out with --dns cluster, "
	}
	return text
}

// patch goes on with the pod patch that answers a refusal; empty: none is plain.
func (p *preflight) patch(o manifests.Object, refusal error) string {
	if podOf(o) == nil {
		return ""
	}
	if patch := p.Client.PatchFor(p.ctx, refusal.Error()); patch != "" {
		return "answer it by --pod-patch FILE, where FILE holds " + patch + ", "
	}
	return ""
}

// elsewhere ends a sentence with what can be done.
func (p *preflight) elsewhere(here string) string {
	if p.Made {
		return here + ", or name a namespace with -n"
	}
	return here + ", or name another namespace with -n"
}

// attempt is a dry run of creating an object. A namespace that was just made
// has no default account yet.
func (p *preflight) attempt(o manifests.Object) (metav1.Object, error) {
	until := time.Now().Add(accountPatience)
	for {
		got, err := p.Client.DryRun(p.ctx, o)
		if err == nil || !strings.Contains(err.Error(), "error looking up service account") || time.Now().After(until) {
			return got, err
		}
		select {
		case <-p.ctx.Done():
			return nil, p.ctx.Err()
		case <-time.After(accountPause):
		}
	}
}

// verdict tells what the error of a dry run means, and quotes it.
func verdict(err error) (environment.State, string) {
	if apierrors.IsAlreadyExists(err) { // names are looked at elsewhere
		return environment.Met, ""
	}
	text := reason(err)
	switch {
	case strings.Contains(text, "does not support dry run"):
		return environment.Untold, text
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), " cannot create resource "):
		return environment.Untold, "this user may not try it"
	case apierrors.IsForbidden(err), apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsNotFound(err),
		strings.Contains(text, "failed calling webhook"), strings.Contains(text, "denied the request"):
		return environment.Refused, text
	}
	return environment.Untold, text
}

// reason quotes an error of the API server's. A request's address is left out,
// as is who asked: reports are published.
func reason(err error) string {
	var request *url.Error
	switch {
	case errors.As(err, &request):
		return cluster.OneLine(cluster.Anonymous(request.Error()))
	case apierrors.IsForbidden(err) && strings.Contains(err.Error(), `User "`):
		return "this user may not"
	}
	return fmt.Sprintf("%q", cluster.Refusal(err.Error()))
}

// containersAdded returns the names of containers that a webhook has added, with
// those known before.
func containersAdded(sent, got *corev1.Pod, added []string) []string {
	own := func(c corev1.Container) bool {
		return slices.ContainsFunc(slices.Concat(sent.Spec.InitContainers, sent.Spec.Containers),
			func(o corev1.Container) bool { return o.Name == c.Name })
	}
	for _, c := range slices.Concat(got.Spec.InitContainers, got.Spec.Containers) {
		if !own(c) && !slices.Contains(added, c.Name) {
			added = append(added, c.Name)
		}
	}
	return added
}
