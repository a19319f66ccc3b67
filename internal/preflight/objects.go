package preflight

import (
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"

	"headless-job-dns/manifests"
)

// objects is what the plan creates.
type objects struct {
	all []manifests.Object // one of each that differs from the others
}

// gather collects what the plan, as it is by now, is going to create.
func (p *preflight) gather() error {
	lasting := slices.Clone(p.Lasting)
	if p.Deliver != nil {
		pieces, err := p.Deliver(p.ctx)
		if err != nil {
			return err
		}
		lasting = append(lasting, pieces...)
	}
	for _, dns := range p.report.Plan.PrivateDNS() {
		objs, err := p.DNS(dns)
		if err != nil {
			return err
		}
		lasting = append(lasting, objs...)
	}
	for i, o := range lasting {
		// The pieces of a probe are alike, and a megabyte each.
		if kindOf(o) == "configmap" && slices.ContainsFunc(lasting[:i],
			func(b manifests.Object) bool { return kindOf(b) == "configmap" }) {
			continue
		}
		p.objects.all = append(p.objects.all, o)
	}
	for i, t := range p.kinds() {
		objs, err := p.Trial(t)
		if err != nil {
			return err
		}
		for _, o := range objs {
			if i == 0 || o.GetName() != t.Job && o.GetName() != t.Service {
				p.objects.all = append(p.objects.all, o)
			}
		}
	}
	return nil
}

// noUID stands for the UID of what does not exist yet.
const noUID = "00000000-0000-0000-0000-000000000000"

// podOf returns the pod that an object is or makes, nil where it is nothing of
// the kind. The account of a private DNS does not exist yet, without which a
// pod would not be admitted; no admission looks at which it is.
func podOf(o manifests.Object) *corev1.Pod {
	var t corev1.PodTemplateSpec
	var of schema.GroupVersionKind // what makes it
	switch o := o.(type) {
	case *corev1.Pod:
		t = corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: o.Labels}, Spec: o.Spec}
	case *batchv1.Job:
		t, of = o.Spec.Template, batchv1.SchemeGroupVersion.WithKind("Job")
	case *appsv1.Deployment:
		t, of = o.Spec.Template, appsv1.SchemeGroupVersion.WithKind("ReplicaSet")
	case *appsv1.DaemonSet:
		t, of = o.Spec.Template, appsv1.SchemeGroupVersion.WithKind("DaemonSet")
	default:
		return nil
	}
	pod := &corev1.Pod{ObjectMeta: *t.ObjectMeta.DeepCopy(), Spec: *t.Spec.DeepCopy()}
	pod.Name, pod.Namespace = o.GetName(), o.GetNamespace()
	pod.Spec.ServiceAccountName = ""
	if of.Kind != "" {
		// Some policies refuse pods that nothing controls.
		controls := true
		pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: of.GroupVersion().String(), Kind: of.Kind,
			Name: o.GetName(), UID: noUID, Controller: &controls}}
	}
	if job, ok := o.(*batchv1.Job); ok {
		pod.Labels["job-name"] = job.Name // as the Job controller does
		pod.Labels[batchv1.JobNameLabel] = job.Name
	}
	return pod
}

// kindOf names an object's kind as kubectl does.
func kindOf(o manifests.Object) string {
	kinds, _, err := scheme.Scheme.ObjectKinds(o)
	if err != nil {
		return fmt.Sprintf("%T", o) // of a type that is not Kubernetes': manifests has none
	}
	return strings.ToLower(kinds[0].Kind)
}

// resourceOf is what the API calls the collection of an object's kind.
func resourceOf(o manifests.Object) schema.GroupResource {
	kinds, _, err := scheme.Scheme.ObjectKinds(o)
	if err != nil {
		return schema.GroupResource{} // as above
	}
	r, _ := meta.UnsafeGuessKindToResource(kinds[0])
	return r.GroupResource()
}

func nameOf(o manifests.Object) string {
	name := kindOf(o) + " " + o.GetName()
	if ns := o.GetNamespace(); ns != "" {
		name = kindOf(o) + " " + ns + "/" + o.GetName()
	}
	return name
}
