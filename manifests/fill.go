package manifests

import (
	"cmp"
	"fmt"
	"strconv"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"headless-job-dns/internal/plan"
)

// JobParams is what varies in a trial's Job.
type JobParams struct {
	Owner
	Name    string
	Service string // the headless Service: the pods' subdomain
	Probe   Probe
	Pods    int
	// Args are probe flags without dashes ("observer": "solo"), set or added.
	// The flags run, trial, job, service, namespace and pods follow from the
	// other parameters.
	Args map[string]string
	Peer string  // the Job for whose pods they ask; empty: their own
	DNS  *PodDNS // nil: what pods of the cluster get
	// Lifetime ends pods whose runner did not come back; 0: that of job.yaml.
	Lifetime time.Duration
}

// Job fills in job.yaml.
func Job(p JobParams) (*batchv1.Job, error) {
	if err := p.check(p.Name, p.Service); err != nil {
		return nil, fmt.Errorf("job: %w", err)
	}
	if p.Pods < 1 || p.Pods > 1<<20 {
		return nil, fmt.Errorf("job %s: %d pods: want 1 or more", p.Name, p.Pods)
	}
	// The pods' hostnames are the Job's name and their index.
	if host := fmt.Sprintf("%s-%d", p.Name, p.Pods-1); len(host) > validation.DNS1123LabelMaxLength {
		return nil, fmt.Errorf("job %s: hostname %q of its last pod is longer than %d", p.Name, host,
			validation.DNS1123LabelMaxLength)
	}
	job, err := one[*batchv1.Job]("job")
	if err != nil {
		return nil, err
	}
	p.mark(job)
	job.Name = p.Name
	n := int32(p.Pods)
	job.Spec.Completions, job.Spec.Parallelism = &n, &n
	if p.Lifetime > 0 {
		job.Spec.ActiveDeadlineSeconds = seconds(p.Lifetime)
	}
	spec := &job.Spec.Template.Spec
	spec.Subdomain = p.Service
	for _, c := range spec.TopologySpreadConstraints {
		c.LabelSelector.MatchLabels = selector(p.Name)
	}
	flags := map[string]string{
		"run": p.Run, "trial": p.Trial, "job": cmp.Or(p.Peer, p.Name), "service": p.Service,
		"namespace": p.Namespace, "pods": strconv.Itoa(p.Pods),
	}
	if p.Trial == "" {
		delete(flags, "trial")
	}
	for k, v := range p.Args {
		if _, taken := flags[k]; taken {
			return nil, fmt.Errorf("job %s: flag %q follows from the other parameters", p.Name, k)
		}
		flags[k] = v
	}
	if err := p.Probe.set(spec, flags); err != nil {
		return nil, fmt.Errorf("job %s: %w", p.Name, err)
	}
	p.DNS.apply(spec)
	return job, nil
}

// jobNameLabel is on every pod of a Job. It is the older of the two labels that
// the Job controller sets; the Service of the original report selected by it.
const jobNameLabel = "job-name"

// selector selects the pods of the Job with this name, and the member-pod.
func selector(job string) map[string]string {
	return map[string]string{jobNameLabel: job}
}

// Service fills in service.yaml: the headless Service called name that selects
// the pods of job. With publish their names are there as soon as they have an
// address, ready or not (publishNotReadyAddresses).
func Service(o Owner, name, job string, publish bool) (*corev1.Service, error) {
	if err := o.check(name, job); err != nil {
		return nil, fmt.Errorf("service: %w", err)
	}
	s, err := one[*corev1.Service]("service")
	if err != nil {
		return nil, err
	}
	o.mark(s)
	s.Name = name
	s.Spec.Selector = selector(job)
	s.Spec.PublishNotReadyAddresses = publish
	return s, nil
}

// Namespace fills in namespace.yaml with the owner's namespace.
func Namespace(o Owner) (*corev1.Namespace, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("namespace: %w", err)
	}
	ns, err := one[*corev1.Namespace]("namespace")
	if err != nil {
		return nil, err
	}
	o.mark(ns)
	ns.Name = o.Namespace
	return ns, nil
}

// ExtraParams is what varies in the objects of an extra.
type ExtraParams struct {
	Owner
	Name     string // of each of its objects
	Job      string // member-pod: the Job whose headless Service selects the pod
	Service  string // member-pod: that Service
	Probe    Probe
	Lifetime time.Duration
}

// Extra fills in the objects of an extra and returns them in the order in
// which they are created; none for plan.ExtraNone.
func Extra(kind plan.Extra, p ExtraParams) ([]Object, error) {
	if kind == plan.ExtraNone {
		return nil, nil
	}
	names := kind.Facts().Objects
	if names == nil {
		return nil, fmt.Errorf("unknown extra %q", kind)
	}
	if err := p.check(p.Name, p.Service, MemberHostname(p.Job)); err != nil {
		return nil, fmt.Errorf("extra %s: %w", kind, err)
	}
	objs, err := load("kinds/extras", names...)
	if err != nil {
		return nil, err
	}
	for _, obj := range objs {
		if err := p.fill(obj); err != nil {
			return nil, fmt.Errorf("extra %s: %w", kind, err)
		}
	}
	return objs, nil
}

// MemberHostname is the hostname of the member-pod beside a Job: as the
// original report's operator named its "service" pod.
func MemberHostname(job string) string { return job + "-services" }

// fill sets what varies in one object of an extra.
func (p ExtraParams) fill(obj Object) error {
	obj.SetName(p.Name)
	app := map[string]string{"app": p.Name}
	switch obj := obj.(type) {
	case *corev1.Service:
		obj.Spec.Selector = app
	case *corev1.Pod:
		if _, selected := obj.Labels[jobNameLabel]; !selected {
			obj.Labels = app
		} else {
			obj.Labels = selector(p.Job)
			obj.Spec.Hostname = MemberHostname(p.Job)
			obj.Spec.Subdomain = p.Service
		}
		if p.Lifetime > 0 {
			obj.Spec.ActiveDeadlineSeconds = seconds(p.Lifetime)
		}
		if err := p.Probe.set(&obj.Spec, nil); err != nil {
			return err
		}
	}
	p.mark(obj)
	return nil
}
