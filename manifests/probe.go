package manifests

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

// Probe says where pods have their probe from.
type Probe struct {
	// Image is the container's; empty: the one in the files.
	Image string
	// Pieces are ConfigMaps that hold the program, for an image that does not
	// but has a shell (delivered-pod.yaml); none: the image has it.
	Pieces []string
}

// deliveredFile has what a pod needs to make its probe of pieces.
const deliveredFile = "delivered-pod"

// piecesVolume is the volume there that holds them.
const piecesVolume = "pieces"

// Delivered tells whether a pod makes its probe of pieces.
func Delivered(spec *corev1.PodSpec) bool {
	return slices.ContainsFunc(spec.Volumes, func(v corev1.Volume) bool { return v.Name == piecesVolume })
}

// BaseImage is the image on which delivered probes run where no other is
// named: the Kubernetes project's mirror of Docker's busybox, which its own
// tests use (kubernetes, test/utils/image/manifest.go).
func BaseImage() (string, error) {
	pod, err := one[*corev1.Pod](deliveredFile)
	if err != nil {
		return "", err
	}
	return pod.Spec.Containers[0].Image, nil
}

// ProbePod is how the probes' pods are specified, with a patch: on which nodes
// they run, and in which image they look for the probe.
func ProbePod(patch *PodPatch) (*corev1.PodSpec, error) {
	job, err := one[*batchv1.Job]("job")
	if err == nil {
		err = patch.Apply(job)
	}
	if err != nil {
		return nil, err
	}
	return &job.Spec.Template.Spec, nil
}

// set gives the pod its probe and the probe its flags. Flags that the file has
// keep their place; others follow by name.
func (p Probe) set(spec *corev1.PodSpec, flags map[string]string) error {
	probe := &spec.Containers[0]
	if len(p.Pieces) > 0 {
		if err := p.deliver(spec); err != nil {
			return err
		}
	}
	if p.Image != "" {
		probe.Image = p.Image
	}
	var args []string
	done := make(map[string]bool)
	for _, a := range probe.Args {
		k, _, _ := strings.Cut(strings.TrimLeft(a, "-"), "=")
		if v, ok := flags[k]; ok {
			a, done[k] = "--"+k+"="+v, true
		}
		args = append(args, a)
	}
	var added []string
	for k, v := range flags {
		if !done[k] {
			added = append(added, "--"+k+"="+v)
		}
	}
	sort.Strings(added)
	probe.Args = append(args, added...)
	return nil
}

// deliver adds what makes the probe of its pieces, as deliveredFile has it.
func (p Probe) deliver(spec *corev1.PodSpec) error {
	pod, err := one[*corev1.Pod](deliveredFile)
	if err != nil {
		return err
	}
	from, probe := pod.Spec, &spec.Containers[0]
	probe.Image, probe.Command = from.Containers[0].Image, from.Containers[0].Command
	probe.Lifecycle, probe.TerminationMessagePolicy = from.Containers[0].Lifecycle,
		from.Containers[0].TerminationMessagePolicy
	probe.VolumeMounts = append(probe.VolumeMounts, from.Containers[0].VolumeMounts...)
	for _, v := range from.Volumes {
		if v.Name == piecesVolume {
			v.Projected.Sources = nil
			for _, name := range p.Pieces {
				v.Projected.Sources = append(v.Projected.Sources, corev1.VolumeProjection{
					ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: corev1.LocalObjectReference{Name: name}},
				})
			}
		}
		spec.Volumes = append(spec.Volumes, v)
	}
	return nil
}

// machines are what `uname -m` says where a program for a GOARCH runs. The
// files that hold pieces are named after it.
var machines = map[string]string{
	"amd64": "x86_64", "arm64": "aarch64", "ppc64le": "ppc64le", "s390x": "s390x", "riscv64": "riscv64",
}

// Deliverable tells whether a probe for a GOARCH can be delivered in pieces.
func Deliverable(arch string) bool { return machines[arch] != "" }

// Pieces are the ConfigMaps that hold the probe for one GOARCH, called
// probe-<run>-<arch>-<number>: the parts of the compressed program and the
// SHA-256 of what they make, in hexadecimal. They never change, and say so: the
// kubelets need not watch them.
func Pieces(o Owner, arch string, parts [][]byte, sum string) ([]Object, error) {
	machine := machines[arch]
	if machine == "" {
		return nil, fmt.Errorf("probe for %s: what such a machine calls itself is not known", arch)
	}
	immutable := true
	var objs []Object
	for i, part := range parts {
		cm := &corev1.ConfigMap{Immutable: &immutable,
			BinaryData: map[string][]byte{fmt.Sprintf("%s.gz.%02d", machine, i): part}}
		cm.APIVersion, cm.Kind = "v1", "ConfigMap"
		cm.Name = fmt.Sprintf("probe-%s-%s-%d", o.Run, arch, i)
		if i == 0 {
			cm.Data = map[string]string{machine + ".sha256": sum + "  probe\n"}
		}
		if err := o.check(cm.Name); err != nil {
			return nil, fmt.Errorf("probe for %s: %w", arch, err)
		}
		o.mark(cm)
		objs = append(objs, cm)
	}
	return objs, nil
}
