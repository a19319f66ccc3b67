// Package deliver brings the probe onto a cluster: it decides whether the nodes
// have it, can pull it, or are given it in ConfigMaps, and for the last builds,
// compresses and cuts it.
package deliver

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"headless-job-dns/internal/cluster"
	"headless-job-dns/internal/plan"
	"headless-job-dns/manifests"
)

// Way is how the probe gets into the pods.
type Way string

const (
	// Auto chooses among the others.
	Auto Way = "auto"
	// Preloaded: the image is on the nodes, as on the lab and on kind.
	Preloaded Way = "preloaded"
	// Image: the nodes pull the image.
	Image Way = "image"
	// ConfigMap: the program comes in ConfigMaps, and each pod puts it together
	// on a public image with a shell (manifests/delivered-pod.yaml). This takes
	// no registry and no right beyond the namespace.
	ConfigMap Way = "configmap"
)

// Ways are all of them.
var Ways = []Way{Auto, ConfigMap, Image, Preloaded}

// Request is what the user asked for.
type Request struct {
	Way   Way
	Image string // of the probe; empty: the one in the manifests
	Base  string // image with a shell, for ConfigMap; empty: manifests.BaseImage
}

// Check refuses what contradicts itself.
func (r Request) Check() error {
	switch {
	case !slices.Contains(Ways, r.Way):
		names := make([]string, len(Ways))
		for i, w := range Ways {
			names[i] = string(w)
		}
		return plan.Inputf("--deliver %s is not a way to deliver the probe; accepted: %s", r.Way, strings.Join(names, ", "))
	case r.Way == Image && r.Image == "":
		return plan.Inputf("--deliver image needs to know which; accepted: with --image, a reference that the nodes can " +
			"pull (`make image` writes one to push)")
	case r.Way == ConfigMap && r.Image != "":
		return plan.Inputf("--image %s is not used with --deliver configmap; accepted: --base-image, which needs nothing "+
			"but a shell, or --deliver image", r.Image)
	case r.Base != "" && (r.Way == Image || r.Way == Preloaded):
		return plan.Inputf("--base-image %s is not used with --deliver %s; accepted: with --deliver configmap or auto",
			r.Base, r.Way)
	}
	return nil
}

// Choice is what was decided.
type Choice struct {
	Way Way
	// Why says what it was decided by, for the user.
	Why string
	// Image is that of the pods; empty: the one in the manifests.
	Image string
	// Archs are the nodes' architectures, as GOARCH has them, for ConfigMap.
	Archs []string
}

// anyArch is what is delivered where the nodes cannot be read: what nearly all
// of them are.
var anyArch = []string{"amd64", "arm64"}

// Choose decides between the ways, given how the probes' pods are specified. What
// the nodes have is believed where it may be read. That the image is not in a
// node's list does not say that the node lacks it, for kubelets report the
// largest 50 images only; what is chosen then works as well.
func Choose(ctx context.Context, kube kubernetes.Interface, r Request, pod *corev1.PodSpec) (Choice, error) {
	image := cmp.Or(r.Image, pod.Containers[0].Image)
	if r.Way == Image || r.Way == Preloaded {
		return Choice{Way: r.Way, Why: "--deliver " + string(r.Way), Image: r.Image}, nil
	}
	nodes, err := takers(ctx, kube, pod)
	switch {
	case ctx.Err() != nil:
		return Choice{}, ctx.Err()
	case r.Way == ConfigMap:
	case err == nil && len(nodes) > 0 && !slices.ContainsFunc(nodes, func(n corev1.Node) bool { return !has(n, image) }):
		return Choice{Way: Preloaded, Why: image + " is on every node that takes pods", Image: r.Image}, nil
	case r.Image != "":
		return Choice{Way: Image, Why: "--image", Image: r.Image}, nil
	}
	c := Choice{Way: ConfigMap, Why: "--deliver configmap", Image: r.Base}
	switch {
	case r.Way == ConfigMap:
	case err != nil:
		c.Why = "this user may not see which images the nodes have, and no --image is given"
	default:
		c.Why = "not every node is known to have " + image + ", and no --image is given"
	}
	if c.Image == "" {
		if c.Image, err = manifests.BaseImage(); err != nil {
			return Choice{}, err
		}
	}
	c.Archs, err = archs(nodes)
	return c, err
}

// takers are the nodes that pods so specified can be put on.
func takers(ctx context.Context, kube kubernetes.Interface, pod *corev1.PodSpec) ([]corev1.Node, error) {
	list, err := kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("cannot list nodes: %w", err)
	}
	return slices.DeleteFunc(list.Items, func(n corev1.Node) bool { return !cluster.Schedulable(&n, pod) }), nil
}

// has tells whether the node says that it has an image of that name.
func has(n corev1.Node, name string) bool {
	return slices.ContainsFunc(n.Status.Images, func(i corev1.ContainerImage) bool {
		return slices.Contains(i.Names, name) || slices.Contains(i.Names, dockerName(name))
	})
}

// dockerName is how a runtime stores a name that has no registry in it, or no
// tag.
func dockerName(name string) string {
	host, _, found := strings.Cut(name, "/")
	switch {
	case !found:
		name = "docker.io/library/" + name
	case !strings.ContainsAny(host, ".:") && host != "localhost":
		name = "docker.io/" + name
	}
	if last := name[strings.LastIndexByte(name, '/')+1:]; !strings.ContainsAny(last, ":@") {
		name += ":latest"
	}
	return name
}

// archs are the nodes' architectures, sorted.
func archs(nodes []corev1.Node) ([]string, error) {
	var out []string
	for _, n := range nodes {
		info := n.Status.NodeInfo
		switch {
		case info.OperatingSystem != "" && info.OperatingSystem != "linux", info.Architecture == "",
			slices.Contains(out, info.Architecture):
			continue
		case !manifests.Deliverable(info.Architecture):
			return nil, plan.Inputf("--deliver configmap: node %s is %s, for which there is no delivery; accepted: --image "+
				"with one for that architecture", n.Name, info.Architecture)
		}
		out = append(out, info.Architecture)
	}
	if len(out) == 0 {
		return slices.Clone(anyArch), nil
	}
	slices.Sort(out)
	return out, nil
}
