package manifests

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

// Whatever is created, with the probe in an image or delivered, is no danger to
// the cluster: its pods meet `restricted`, write nowhere, hold no token that they
// do not need, are bounded, and end by themselves where the runner never returns.
func TestWhatIsCreatedIsSafe(t *testing.T) {
	delivered := Owner{Run: "r", Namespace: "lab", Trial: "t001"}
	j, err := Job(JobParams{Owner: delivered, Name: "lag-delivered", Service: "svc", Pods: 2,
		Probe: Probe{Image: "example.org/shell:1", Pieces: []string{"probe-0"}}, Lifetime: time.Minute})
	require.NoError(t, err)
	objs := append(everything(t, "lab", "r", "t001", "r-t001"), j)

	tokens := map[string]bool{} // by ServiceAccount: false where it gives none
	for _, o := range objs {
		if sa, ok := o.(*corev1.ServiceAccount); ok {
			tokens[sa.Name] = sa.AutomountServiceAccountToken == nil || *sa.AutomountServiceAccountToken
		}
	}
	reads := map[string]bool{} // ConfigMaps of a CoreDNS that reads from the API server
	for _, o := range objs {
		if cm, ok := o.(*corev1.ConfigMap); ok {
			reads[cm.Name] = strings.Contains(cm.Data["Corefile"], "\n    kubernetes ")
		}
	}
	withToken, pods := 0, 0
	for _, o := range objs {
		meta, spec := PodSpec(o)
		if spec == nil {
			continue
		}
		pods++
		name := o.GetName()
		requireRestricted(t, meta, spec)
		for _, c := range append(slices.Clone(spec.InitContainers), spec.Containers...) {
			require.True(t, *c.SecurityContext.ReadOnlyRootFilesystem, name)
			require.Equal(t, []corev1.Capability{"ALL"}, c.SecurityContext.Capabilities.Drop, name)
			for _, add := range c.SecurityContext.Capabilities.Add {
				require.EqualValues(t, "NET_BIND_SERVICE", add, name)
				require.Equal(t, "coredns", c.Name, name)
			}
			require.Contains(t, c.Resources.Requests, corev1.ResourceCPU, name)
			require.Contains(t, c.Resources.Requests, corev1.ResourceMemory, name)
			require.Contains(t, c.Resources.Limits, corev1.ResourceMemory, name)
		}
		needs := strings.Contains(name, "record-writer")
		for _, v := range spec.Volumes {
			require.True(t, v.ConfigMap != nil || v.Projected != nil || v.EmptyDir != nil, "%s: volume %s", name, v.Name)
			if v.EmptyDir != nil {
				require.NotNil(t, v.EmptyDir.SizeLimit, name)
			}
			needs = needs || v.ConfigMap != nil && reads[v.ConfigMap.Name]
		}
		given := spec.AutomountServiceAccountToken == nil || *spec.AutomountServiceAccountToken
		if given {
			own, ok := tokens[spec.ServiceAccountName]
			require.True(t, ok, "%s: the token of an account that is not its own", name)
			given = own
		}
		require.Equal(t, needs, given, "%s: needs a token, and is given one", name)
		if given {
			withToken++
			for _, c := range spec.Containers { // a mount there keeps the token out
				covered := slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool {
					return m.MountPath == "/var/run/secrets/kubernetes.io/serviceaccount"
				})
				require.Equal(t, c.Name == DnsmasqContainer, covered, "%s: container %s", name, c.Name)
			}
		}
		switch o := o.(type) {
		case *batchv1.Job:
			require.EqualValues(t, 60, *o.Spec.ActiveDeadlineSeconds, name)
			require.NotNil(t, o.Spec.TTLSecondsAfterFinished, name)
		case *corev1.Pod:
			require.Positive(t, *o.Spec.ActiveDeadlineSeconds, name)
		}
	}
	require.Greater(t, pods, 10)
	require.Positive(t, withToken)
}
