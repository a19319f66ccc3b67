package main

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"headless-job-dns/internal/cluster"
	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/plan"
	"headless-job-dns/manifests"
)

// delivering is a session on a cluster with one arm64 node that has the given
// images.
func delivering(t *testing.T, images []string, args ...string) (*session, *bytes.Buffer) {
	t.Helper()
	o, err := parsed(append([]string{"--plan", "quick", "--run-id", "r1"}, args...))
	require.NoError(t, err)
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n", Labels: map[string]string{corev1.LabelOSStable: "linux"}}}
	n.Status.NodeInfo.Architecture = "arm64"
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	n.Status.Images = []corev1.ContainerImage{{Names: images}}
	var said bytes.Buffer
	s := &session{options: o, c: &cluster.Client{Kube: fake.NewClientset(n)}, say: newProgress(&said, len(o.plan.Trials)),
		build: func(_ context.Context, arch string) ([]byte, error) { return []byte("a program for " + arch), nil }}
	s.owner = manifests.Owner{Run: o.plan.Run, Namespace: "lag-r1"}
	return s, &said
}

func TestDelivery(t *testing.T) {
	const ours = "localhost/headless-job-dns-probe:dev"
	base, err := manifests.BaseImage()
	require.NoError(t, err)
	sums := map[string]string{"arm64": "b2b3fd8c0a1d7d4ad1c9cf6e0d7d0ad0a0f0a3d4d0df1e2f3a4b5c6d7e8f9a0b"}
	for name, tc := range map[string]struct {
		images []string
		args   []string
		probe  manifests.Probe
		want   environment.Delivery
		said   string
	}{
		"preloaded": {[]string{ours}, nil, manifests.Probe{}, environment.Delivery{Way: "preloaded", Image: ours},
			"the probe's image is " + ours + " (preloaded: " + ours + " is on every node that takes pods)"},
		"image": {nil, []string{"--image", "example.org/p:1"}, manifests.Probe{Image: "example.org/p:1"}, environment.Delivery{Way: "image", Image: "example.org/p:1"},
			"the probe's image is example.org/p:1 (image: --image)"},
		"configmap": {nil, nil, manifests.Probe{Image: base, Pieces: []string{"probe-r1-arm64-0"}}, environment.Delivery{Way: "configmap", Image: base, Programs: sums},
			"the probe comes in ConfigMaps, for arm64, on image " + base},
		"configmap on another image": {[]string{ours}, []string{"--deliver", "configmap", "--base-image", "shell:1"},
			manifests.Probe{Image: "shell:1", Pieces: []string{"probe-r1-arm64-0"}}, environment.Delivery{Way: "configmap", Image: "shell:1", Programs: sums},
			"for arm64, on image shell:1 (--deliver configmap)"},
	} {
		t.Run(name, func(t *testing.T) {
			s, said := delivering(t, tc.images, tc.args...)
			require.NoError(t, s.chooseDelivery(t.Context()))
			require.Empty(t, s.probe.objects, "nothing is built before the rights are known")
			subject, err := s.subject()
			require.NoError(t, err)
			require.Equal(t, len(tc.probe.Pieces) > 0, subject.Deliver != nil)
			if subject.Deliver != nil {
				pieces, err := subject.Deliver(t.Context())
				require.NoError(t, err)
				require.Equal(t, s.probe.objects, pieces)
				require.Contains(t, said.String(), "the probe is 1 ConfigMaps of 0.0 MB together")
				subject, err = s.subject()
				require.NoError(t, err)
				require.Nil(t, subject.Deliver, "it is built once")
			}
			require.Equal(t, tc.probe, s.probe.Probe)
			require.Contains(t, said.String(), tc.said)
			got := *s.env.Delivery
			for arch := range got.Programs {
				require.Len(t, got.Programs[arch], 64)
				got.Programs[arch] = sums[arch]
			}
			require.Equal(t, tc.want, got)
			require.Len(t, s.probe.objects, len(tc.probe.Pieces))
			lasting, err := s.lasting()
			require.NoError(t, err)
			require.Subset(t, lasting, s.probe.objects, "their names have to be free")
		})
	}
}

// TestDeliveryGoesOnAsItBegan: what the first question finds in a cache depends
// on how pods start, so a resumed plan keeps its way.
func TestDeliveryGoesOnAsItBegan(t *testing.T) {
	const ours = "localhost/headless-job-dns-probe:dev"
	resumed := func(t *testing.T, images []string, before environment.Delivery, args ...string) (*session, error) {
		s, _ := delivering(t, images, args...)
		s.resume, s.before = "DIR", &environment.Environment{Delivery: &before}
		return s, s.chooseDelivery(t.Context())
	}
	s, err := resumed(t, []string{ours}, environment.Delivery{Way: "configmap", Image: "shell:1"})
	require.NoError(t, err)
	require.Equal(t, "configmap", s.env.Delivery.Way)
	require.Equal(t, "shell:1", s.probe.Image)

	s, err = resumed(t, nil, environment.Delivery{Way: "preloaded", Image: ours})
	require.NoError(t, err, "whatever the nodes say they have")
	require.Equal(t, "preloaded", s.env.Delivery.Way)
	s, err = resumed(t, nil, environment.Delivery{Way: "image", Image: "example.org/p:1"})
	require.NoError(t, err)
	require.Equal(t, manifests.Probe{Image: "example.org/p:1"}, s.probe.Probe)

	_, err = resumed(t, nil, environment.Delivery{Way: "preloaded", Image: ours}, "--deliver", "configmap")
	require.ErrorAs(t, err, new(*plan.InputError))
	require.ErrorContains(t, err, "--resume DIR: the probe came by preloaded before and would come by configmap now (--deliver configmap), which are not to be mixed in one plan; accepted: --deliver preloaded")
	_, err = resumed(t, nil, environment.Delivery{Way: "configmap", Image: "shell:1"}, "--image", "example.org/p:1")
	require.ErrorContains(t, err, "would come by image now")
	_, err = resumed(t, []string{ours}, environment.Delivery{Way: "configmap", Image: "shell:1"}, "--deliver", "preloaded")
	require.ErrorContains(t, err, "accepted: --deliver configmap")
	_, err = resumed(t, []string{ours}, environment.Delivery{})
	require.NoError(t, err, "records of before it was kept")
}

func TestDeliveryRefuses(t *testing.T) {
	for _, args := range [][]string{{"--deliver", "usb"}, {"--deliver", "image"}, {"--deliver", "configmap", "--image", "x"}} {
		_, err := parsed(args)
		require.ErrorAs(t, err, new(*plan.InputError), args)
	}
	s, _ := delivering(t, nil)
	broken := errors.New("no compiler")
	s.build = func(context.Context, string) ([]byte, error) { return nil, broken }
	require.NoError(t, s.chooseDelivery(t.Context()))
	_, err := s.buildProbe(t.Context())
	require.ErrorIs(t, err, broken)
	require.Empty(t, s.probe.objects)
}

// TestLoadedUnseen: where the nodes cannot get the image on which the probe is
// unpacked, the probe's own may have been loaded a moment ago.
func TestLoadedUnseen(t *testing.T) {
	noImage := errors.New("dns cluster could not be examined: pod ns/p cannot get the image busybox:1 (ErrImagePull)")
	s, _ := delivering(t, nil)
	require.NoError(t, s.chooseDelivery(t.Context()))
	_, err := s.buildProbe(t.Context())
	require.NoError(t, err)
	s.runner = s.newRunner()
	require.False(t, s.loadedUnseen(nil))
	require.False(t, s.loadedUnseen(errors.New("no node")))
	require.True(t, s.loadedUnseen(noImage))
	require.Equal(t, environment.Delivery{Way: "preloaded", Image: "localhost/headless-job-dns-probe:dev"}, *s.env.Delivery)
	require.Empty(t, s.runner.Probe.Pieces)
	require.False(t, s.loadedUnseen(noImage), "once")

	s, _ = delivering(t, nil, "--deliver", "configmap")
	require.NoError(t, s.chooseDelivery(t.Context()))
	require.False(t, s.loadedUnseen(noImage))
}
