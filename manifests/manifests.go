// Package manifests holds the Kubernetes objects of the experiment: YAML files
// that `kubectl apply` takes as they are, and functions that fill them in for
// one trial. The files are the only description of the objects. This package
// decodes them and sets what varies: names, owner, image, number of pods, the
// probe's flags, the resolver. It talks to no cluster.
package manifests

import (
	"bytes"
	"embed"
	"fmt"
	"maps"
	"path"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/kubernetes/scheme"
)

//go:embed *.yaml kinds/dns kinds/extras minimal/lag.yaml minimal/caching-dns/caching-dns.yaml
var files embed.FS

// Object is any Kubernetes object: typed, with metadata.
type Object interface {
	metav1.Object
	runtime.Object
}

// Labels that every object of ours and every pod of theirs carries. What has
// them is ours to delete; nothing else is ever touched.
const (
	LabelManagedBy = "app.kubernetes.io/managed-by"
	LabelRun       = "headless-job-dns/run"
	LabelTrial     = "headless-job-dns/trial"

	ManagedBy = "headless-job-dns" // the value of LabelManagedBy
)

// ProbeContainer is the name of the probe's container in every pod of ours.
const ProbeContainer = "probe"

// ProbePort is the port that probes listen on.
const ProbePort = 8050

// Owner says to which run and trial an object belongs and where it lives.
type Owner struct {
	Run       string
	Trial     string // empty for what serves the whole run
	Namespace string
}

// Labels returns the labels that mark an object as the owner's.
func (o Owner) Labels() map[string]string {
	l := map[string]string{LabelManagedBy: ManagedBy, LabelRun: o.Run}
	if o.Trial != "" {
		l[LabelTrial] = o.Trial
	}
	return l
}

// Selector returns a label selector for all that the owner has: one trial's
// objects, or the whole run's where Trial is empty.
func (o Owner) Selector() string {
	return metav1.FormatLabelSelector(metav1.SetAsLabelSelector(o.Labels()))
}

// check reports a run or trial id that cannot be a label's value and a name
// that cannot be part of a DNS name, before the API server does so half-way
// through a trial.
func (o Owner) check(names ...string) error {
	if o.Run == "" {
		return fmt.Errorf("no run id")
	}
	for _, v := range []string{o.Run, o.Trial} {
		if e := validation.IsValidLabelValue(v); len(e) > 0 {
			return fmt.Errorf("run or trial id %q: %s", v, e[0])
		}
	}
	for _, n := range append(names, o.Namespace) {
		if e := validation.IsDNS1123Label(n); len(e) > 0 {
			return fmt.Errorf("name %q: %s", n, e[0])
		}
	}
	return nil
}

// mark puts the object into the owner's namespace, where its kind has one, and
// labels it and the pods made from it.
func (o Owner) mark(obj Object) {
	switch obj.(type) {
	case *corev1.Namespace, *rbacv1.ClusterRole, *rbacv1.ClusterRoleBinding:
	default:
		obj.SetNamespace(o.Namespace)
	}
	obj.SetLabels(with(obj.GetLabels(), o.Labels()))
	if pod, _ := PodSpec(obj); pod != nil {
		pod.Labels = with(with(pod.Labels, o.Labels()), outOfMeshLabels)
		pod.Annotations = with(pod.Annotations, outOfMeshAnnotations)
	}
}

// PodSpec returns the metadata and the specification of the pods that an object
// is or makes, to be read and changed in place; nil where it is nothing of the
// kind.
func PodSpec(obj any) (*metav1.ObjectMeta, *corev1.PodSpec) {
	switch obj := obj.(type) {
	case *corev1.Pod:
		return &obj.ObjectMeta, &obj.Spec
	case *batchv1.Job:
		return &obj.Spec.Template.ObjectMeta, &obj.Spec.Template.Spec
	case *appsv1.Deployment:
		return &obj.Spec.Template.ObjectMeta, &obj.Spec.Template.Spec
	case *appsv1.DaemonSet:
		return &obj.Spec.Template.ObjectMeta, &obj.Spec.Template.Spec
	}
	return nil, nil
}

// A service mesh's proxy accepts a pod's connects itself, whether their target
// is there or not, and may answer its DNS questions: nothing that is measured
// would be the cluster's. This is how Istio (sidecar and ambient) and Linkerd
// are told to leave a pod alone.
var (
	outOfMeshLabels      = map[string]string{"sidecar.istio.io/inject": "false", "istio.io/dataplane-mode": "none"}
	outOfMeshAnnotations = map[string]string{"linkerd.io/inject": "disabled"}
)

// with returns labels with more added.
func with(labels, more map[string]string) map[string]string {
	all := map[string]string{}
	maps.Copy(all, labels)
	maps.Copy(all, more)
	return all
}

// Text returns a file as it is, for somebody to apply.
func Text(file string) (string, error) {
	b, err := files.ReadFile(file)
	return string(b), err
}

// load decodes the objects of files of one folder, in the files' order.
func load(folder string, names ...string) ([]Object, error) {
	var objs []Object
	for _, name := range names {
		file := path.Join(folder, name+".yaml")
		b, err := files.ReadFile(file)
		if err != nil {
			return nil, err
		}
		of, err := decode(file, b)
		if err != nil {
			return nil, err
		}
		objs = append(objs, of...)
	}
	return objs, nil
}

// strict refuses fields that the API does not know.
var strict = serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()

// decode decodes the objects of one file's text.
func decode(file string, b []byte) ([]Object, error) {
	var objs []Object
	for i, doc := range bytes.Split(b, []byte("\n---\n")) {
		obj, _, err := strict.Decode(doc, nil, nil)
		if err != nil {
			return nil, fmt.Errorf("%s, object %d: %w", file, i, err)
		}
		objs = append(objs, obj.(Object))
	}
	return objs, nil
}

// one decodes the only object of a file.
func one[T Object](name string) (T, error) {
	var none T
	objs, err := load("", name)
	if err != nil {
		return none, err
	}
	obj, ok := objs[0].(T)
	if !ok || len(objs) != 1 {
		return none, fmt.Errorf("%s: want one %T, have %d objects, the first a %T", name, none, len(objs), objs[0])
	}
	return obj, nil
}

// seconds rounds up, because a deadline that is too early cuts a trial.
func seconds(d time.Duration) *int64 {
	s := int64((d + time.Second - 1) / time.Second)
	return &s
}
