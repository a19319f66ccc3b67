package deliver

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"

	"headless-job-dns/internal/plan"
	"headless-job-dns/manifests"
)

const inManifests = "localhost/headless-job-dns-probe:dev"

func probePod(t *testing.T) *corev1.PodSpec {
	pod, err := manifests.ProbePod(nil)
	require.NoError(t, err)
	return pod
}

func node(name, arch string, images ...string) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelOSStable: "linux"}}}
	n.Status.NodeInfo.Architecture = arch
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	for _, i := range images {
		n.Status.Images = append(n.Status.Images, corev1.ContainerImage{Names: []string{"x@sha256:0", i}})
	}
	return n
}

func tainted(n *corev1.Node) *corev1.Node {
	n.Spec.Taints = []corev1.Taint{{Key: "node-role.kubernetes.io/control-plane", Effect: corev1.TaintEffectNoSchedule}}
	return n
}

func TestChoose(t *testing.T) {
	base, err := manifests.BaseImage()
	require.NoError(t, err)
	both := []*corev1.Node{node("a", "amd64"), node("b", "arm64"), node("c", "arm64")}
	for name, tc := range map[string]struct {
		request Request
		nodes   []*corev1.Node
		want    Choice
	}{
		"on every node": {Request{Way: Auto}, []*corev1.Node{node("a", "amd64", inManifests), node("b", "amd64", inManifests)},
			Choice{Way: Preloaded, Why: inManifests + " is on every node that takes pods"}},
		"not on the control plane, which takes none": {Request{Way: Auto}, []*corev1.Node{node("a", "amd64", inManifests), tainted(node("cp", "arm64"))},
			Choice{Way: Preloaded, Why: inManifests + " is on every node that takes pods"}},
		"on one of two": {Request{Way: Auto}, []*corev1.Node{node("a", "amd64", inManifests), node("b", "amd64")},
			Choice{Way: ConfigMap, Why: "not every node is known to have " + inManifests + ", and no --image is given", Image: base, Archs: []string{"amd64"}}},
		"nowhere, two architectures": {Request{Way: Auto}, both,
			Choice{Way: ConfigMap, Why: "not every node is known to have " + inManifests + ", and no --image is given", Image: base, Archs: []string{"amd64", "arm64"}}},
		"an image is given": {Request{Way: Auto, Image: "example.org/probe:1"}, both,
			Choice{Way: Image, Why: "--image", Image: "example.org/probe:1"}},
		"an image is given and there": {Request{Way: Auto, Image: "me/probe"}, []*corev1.Node{node("a", "amd64", "docker.io/me/probe:latest")},
			Choice{Way: Preloaded, Why: "me/probe is on every node that takes pods", Image: "me/probe"}},
		"asked for image": {Request{Way: Image, Image: "example.org/probe:1"}, []*corev1.Node{node("a", "amd64", "example.org/probe:1")},
			Choice{Way: Image, Why: "--deliver image", Image: "example.org/probe:1"}},
		"asked for preloaded": {Request{Way: Preloaded}, both, Choice{Way: Preloaded, Why: "--deliver preloaded"}},
		"asked for configmap": {Request{Way: ConfigMap, Base: "example.org/shell:1"}, []*corev1.Node{node("a", "arm64", inManifests)},
			Choice{Way: ConfigMap, Why: "--deliver configmap", Image: "example.org/shell:1", Archs: []string{"arm64"}}},
		"no node takes pods": {Request{Way: Auto}, []*corev1.Node{tainted(node("cp", "arm64", inManifests))},
			Choice{Way: ConfigMap, Why: "not every node is known to have " + inManifests + ", and no --image is given", Image: base, Archs: []string{"amd64", "arm64"}}},
	} {
		t.Run(name, func(t *testing.T) {
			k := fake.NewClientset()
			for _, n := range tc.nodes {
				require.NoError(t, k.Tracker().Add(n))
			}
			got, err := Choose(t.Context(), k, tc.request, probePod(t))
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
}

// TestChooseWithoutTheRightToListNodes takes what works anywhere.
func TestChooseWithoutTheRightToListNodes(t *testing.T) {
	k := fake.NewClientset()
	k.PrependReactor("list", "nodes", func(k8stesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "nodes"}, "", errors.New("no"))
	})
	got, err := Choose(t.Context(), k, Request{Way: Auto}, probePod(t))
	require.NoError(t, err)
	require.Equal(t, ConfigMap, got.Way)
	require.Equal(t, []string{"amd64", "arm64"}, got.Archs)
	require.Equal(t, "this user may not see which images the nodes have, and no --image is given", got.Why)
	got, err = Choose(t.Context(), k, Request{Way: Auto, Image: "example.org/probe:1"}, probePod(t))
	require.NoError(t, err)
	require.Equal(t, Image, got.Way)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Choose(over, k, Request{Way: Auto}, probePod(t))
	require.ErrorIs(t, err, context.Canceled)
}

func TestChooseRefusesAnUnknownArchitecture(t *testing.T) {
	k := fake.NewClientset(node("pi", "arm"))
	_, err := Choose(t.Context(), k, Request{Way: Auto}, probePod(t))
	require.ErrorContains(t, err, "node pi is arm, for which there is no delivery; accepted: --image")
	require.ErrorAs(t, err, new(*plan.InputError))
}

func TestCheck(t *testing.T) {
	for name, tc := range map[string]struct {
		r    Request
		want string
	}{
		"auto":                      {Request{Way: Auto}, ""},
		"auto with everything":      {Request{Way: Auto, Image: "a", Base: "b"}, ""},
		"unknown":                   {Request{Way: "scp"}, "accepted: auto, configmap, image, preloaded"},
		"image without one":         {Request{Way: Image}, "accepted: with --image"},
		"image with base":           {Request{Way: Image, Image: "a", Base: "b"}, "--base-image b is not used"},
		"preloaded with base":       {Request{Way: Preloaded, Base: "b"}, "--base-image b is not used"},
		"configmap with image":      {Request{Way: ConfigMap, Image: "a"}, "--image a is not used"},
		"configmap with base":       {Request{Way: ConfigMap, Base: "b"}, ""},
		"preloaded by another name": {Request{Way: Preloaded, Image: "a"}, ""},
	} {
		err := tc.r.Check()
		if tc.want == "" {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorContains(t, err, tc.want, name)
		require.ErrorAs(t, err, new(*plan.InputError), name)
	}
}

func TestDockerName(t *testing.T) {
	for name, want := range map[string]string{
		"busybox":                     "docker.io/library/busybox:latest",
		"me/probe:1":                  "docker.io/me/probe:1",
		"localhost/probe":             "localhost/probe:latest",
		"localhost:5000/probe:dev":    "localhost:5000/probe:dev",
		"example.org/a/b@sha256:0123": "example.org/a/b@sha256:0123",
	} {
		require.Equal(t, want, dockerName(name))
	}
}
