package manifests

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"headless-job-dns/internal/plan"
)

// everyPod are objects of each kind that has pods.
func everyPod(t *testing.T) (all []Object) {
	t.Helper()
	o := Owner{Run: "r", Trial: "t001", Namespace: "ns"}
	job, err := Job(JobParams{Owner: o, Name: "lag", Service: "svc", Pods: 2})
	require.NoError(t, err)
	all = append(all, job)
	for _, extra := range plan.Extras {
		objs, err := Extra(extra, ExtraParams{Owner: o, Name: "x", Job: "lag", Service: "svc"})
		require.NoError(t, err)
		all = append(all, objs...)
	}
	for _, dns := range plan.AllDNS {
		if dns.Private() {
			objs, err := PrivateDNS(dns, PrivateDNSParams{Owner: o, Name: "dns"})
			require.NoError(t, err)
			all = append(all, objs...)
		}
	}
	return all
}

func TestPodPatch(t *testing.T) {
	patch, err := ParsePodPatch([]byte(`
metadata: { labels: { team: a }, annotations: { cost: "1" } }
spec:
  nodeSelector: { pool: ci }
  tolerations: [{ key: ci, operator: Exists }]
  imagePullSecrets: [{ name: pull }]
  securityContext: { runAsUser: 1234 }
  containers:
    - resources: { limits: { cpu: "1" } }
      livenessProbe: { tcpSocket: { port: 8050 }, initialDelaySeconds: 3600 }
`))
	require.NoError(t, err)
	pods := 0
	for _, o := range everyPod(t) {
		_, was := PodSpec(o.DeepCopyObject())
		require.NoError(t, patch.Apply(o))
		meta, spec := PodSpec(o)
		if spec == nil {
			continue
		}
		pods++
		require.Equal(t, "a", meta.Labels["team"])
		require.Equal(t, "1", meta.Annotations["cost"])
		require.Equal(t, "r", meta.Labels[LabelRun], "what is there stays")
		require.Equal(t, map[string]string{"kubernetes.io/os": "linux", "pool": "ci"}, spec.NodeSelector)
		require.Equal(t, []corev1.Toleration{{Key: "ci", Operator: corev1.TolerationOpExists}}, spec.Tolerations)
		require.EqualValues(t, 1234, *spec.SecurityContext.RunAsUser)
		require.True(t, *spec.SecurityContext.RunAsNonRoot)
		require.Len(t, spec.Containers, len(was.Containers))
		for i, c := range spec.Containers {
			require.Equal(t, was.Containers[i].Name, c.Name)
			require.Equal(t, was.Containers[i].Args, c.Args)
			require.Equal(t, resource.MustParse("1"), *c.Resources.Limits.Cpu())
			require.Equal(t, was.Containers[i].Resources.Limits.Memory().String(), c.Resources.Limits.Memory().String())
			require.NotNil(t, c.LivenessProbe)
		}
	}
	require.Greater(t, pods, 10)
	none, err := ParsePodPatch(nil)
	require.NoError(t, err)
	require.Nil(t, none)
	require.NoError(t, none.Apply(everyPod(t)[0]))
}

func TestPodPatchIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		`spec: { hostname: x }`:                             "spec.hostname cannot be patched; accepted: metadata.labels",
		`spec: { subdomain: x }`:                            "spec.subdomain",
		`spec: { dnsPolicy: Default }`:                      "spec.dnsPolicy",
		`spec: { dnsConfig: {} }`:                           "spec.dnsConfig",
		`spec: { hostNetwork: true }`:                       "spec.hostNetwork",
		`spec: { initContainers: [] }`:                      "spec.initContainers",
		`metadata: { name: x }`:                             "metadata.name",
		`metadata: { labels: { job-name: x } }`:             "job-name cannot be patched: pods are found by it",
		`metadata: { labels: { app: null } }`:               "app cannot be patched",
		`metadata: { labels: { headless-job-dns/run: x } }`: "headless-job-dns/run cannot",
		`metadata: { labels: null }`:                        "metadata.labels has no fields",
		`metadata: { labels: { $patch: replace, a: b } }`:   "$patch cannot be patched",
		`spec: null`:                                           "spec has no fields",
		`spec: { containers: null }`:                           "spec.containers: 0 entries; accepted: one without a name",
		`spec: { containers: [null] }`:                         "spec.containers: 1 entries",
		`spec: { containers: [{ name: probe }] }`:              "spec.containers[0].name cannot",
		`spec: { containers: [{ image: x }] }`:                 "spec.containers[0].image cannot",
		`spec: { containers: [{ args: [x] }] }`:                "spec.containers[0].args cannot",
		`spec: { containers: [{ command: [x] }] }`:             "spec.containers[0].command cannot",
		`spec: { containers: [{}, {}] }`:                       "spec.containers: 2 entries",
		`spec: { $retainKeys: [tolerations] }`:                 "spec.$retainKeys cannot",
		`spec: { tolerations: [{ kee: x }] }`:                  `unknown field "kee"`,
		`spec: { containers: [{ resources: { limit: {} } }] }`: `unknown field "limit"`,
		`spec: { nodeSelector: { a: 1 } }`:                     "cannot unmarshal number",
		`spec: { securityContext: { $patch: delete } }`:        `unknown field "$patch"`,
		`apiVersion: v1`:                                       "apiVersion cannot be patched",
		`- op: add`:                                            "cannot unmarshal array",
		`spec: { nodeSelector: {}, nodeSelector: { a: "b" } }`: "already set",
	} {
		_, err := ParsePodPatch([]byte(text))
		require.ErrorContains(t, err, want, text)
		require.NotContains(t, err.Error(), "\n", text)
	}
}
