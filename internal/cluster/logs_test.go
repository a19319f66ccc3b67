package cluster

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"

	"headless-job-dns/manifests"
)

// The API server refuses the log of a pod of several containers, unless one is
// named.
func TestLogNamesTheContainer(t *testing.T) {
	kube := fake.NewClientset()
	stream, err := (&Client{Kube: kube}).Log(t.Context(), "ns", "p")
	require.NoError(t, err)
	require.NoError(t, stream.Close())
	want := &corev1.PodLogOptions{Container: manifests.ProbeContainer, Follow: true}
	require.Equal(t, want, kube.Actions()[0].(k8stesting.GenericAction).GetValue())
}
