package manifests

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	psapi "k8s.io/pod-security-admission/api"
	pspolicy "k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"

	"headless-job-dns/internal/experiment"
)

var update = flag.Bool("update", false, "write the golden files anew")

// oneScreen is how long a file may be for its reader to see it whole.
const oneScreen = 64

// eachFile calls f with every YAML file and its decoded objects.
func eachFile(t *testing.T, f func(t *testing.T, text string, objs []Object)) {
	names, err := fs.Glob(files, "*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			text, err := files.ReadFile(name)
			require.NoError(t, err)
			objs, err := load(name)
			require.NoError(t, err)
			f(t, string(text), objs)
		})
	}
}

// podSpec returns the pod that an object is or makes, or nil.
func podSpec(obj Object) (*metav1.ObjectMeta, *corev1.PodSpec) {
	switch obj := obj.(type) {
	case *corev1.Pod:
		return &obj.ObjectMeta, &obj.Spec
	case *batchv1.Job:
		return &obj.Spec.Template.ObjectMeta, &obj.Spec.Template.Spec
	case *appsv1.Deployment:
		return &obj.Spec.Template.ObjectMeta, &obj.Spec.Template.Spec
	}
	return nil, nil
}

// requireRestricted asks Kubernetes' own admission code whether a pod meets
// the restricted Pod Security Standard, in its newest version.
func requireRestricted(t *testing.T, meta *metav1.ObjectMeta, spec *corev1.PodSpec) {
	t.Helper()
	evaluator, err := pspolicy.NewEvaluator(pspolicy.DefaultChecks(), nil)
	require.NoError(t, err)
	got := pspolicy.AggregateCheckResults(evaluator.EvaluatePod(
		psapi.LevelVersion{Level: psapi.LevelRestricted, Version: psapi.LatestVersion()}, meta, spec))
	require.True(t, got.Allowed, got.ForbiddenDetail())
}

func TestFilesAreReadable(t *testing.T) {
	eachFile(t, func(t *testing.T, text string, objs []Object) {
		require.LessOrEqual(t, strings.Count(text, "\n"), oneScreen, "lines")
		for _, line := range strings.Split(text, "\n") {
			require.LessOrEqual(t, len(line), 100, line)
		}
		require.True(t, strings.HasPrefix(text, "# "), "no header comment")
		require.Contains(t, text, "kubectl apply", "header does not say how to apply it")
	})
}

func TestFilesApplyInAnyNamespace(t *testing.T) {
	eachFile(t, func(t *testing.T, _ string, objs []Object) {
		for _, obj := range objs {
			require.Empty(t, obj.GetNamespace(), obj.GetName())
		}
	})
}

func TestPodsAreRestrictedAndBounded(t *testing.T) {
	pods := 0
	eachFile(t, func(t *testing.T, _ string, objs []Object) {
		for _, obj := range objs {
			meta, spec := podSpec(obj)
			if spec == nil {
				continue
			}
			pods++
			requireRestricted(t, meta, spec)
			require.LessOrEqual(t, *spec.TerminationGracePeriodSeconds, int64(2), "deletion is part of each trial's cost")
			require.False(t, *spec.EnableServiceLinks)
			for _, c := range spec.Containers {
				require.True(t, *c.SecurityContext.ReadOnlyRootFilesystem)
				require.Equal(t, corev1.PullIfNotPresent, c.ImagePullPolicy)
				require.NotContains(t, c.Resources.Limits, corev1.ResourceCPU)
				require.Contains(t, c.Resources.Limits, corev1.ResourceMemory)
				require.Contains(t, c.Resources.Requests, corev1.ResourceCPU)
				require.Contains(t, c.Resources.Requests, corev1.ResourceMemory)
			}
			if spec.Containers[0].Name != ProbeContainer {
				continue
			}
			require.False(t, *spec.AutomountServiceAccountToken)
		}
	})
	require.Equal(t, 5, pods)
}

// TestJobIsTheReportedOne pins what the original report says of its Job and
// Service, which nobody may tidy away.
func TestJobIsTheReportedOne(t *testing.T) {
	job, err := one[*batchv1.Job]("job.yaml")
	require.NoError(t, err)
	svc, err := one[*corev1.Service]("service.yaml")
	require.NoError(t, err)

	require.Equal(t, corev1.ClusterIPNone, svc.Spec.ClusterIP)
	require.Empty(t, svc.Spec.Ports)
	require.False(t, svc.Spec.PublishNotReadyAddresses)
	require.Equal(t, map[string]string{"job-name": job.Name}, svc.Spec.Selector)

	require.Equal(t, batchv1.IndexedCompletion, *job.Spec.CompletionMode)
	require.Equal(t, *job.Spec.Completions, *job.Spec.Parallelism)
	require.EqualValues(t, 100, *job.Spec.BackoffLimit)
	spec := job.Spec.Template.Spec
	require.Equal(t, svc.Name, spec.Subdomain)
	require.Equal(t, corev1.RestartPolicyOnFailure, spec.RestartPolicy)
	require.Nil(t, spec.Containers[0].ReadinessProbe)
	require.EqualValues(t, ProbePort, spec.Containers[0].Ports[0].ContainerPort)
	require.Contains(t, spec.Containers[0].Args, "--job="+job.Name)
	require.Contains(t, spec.Containers[0].Args, "--service="+svc.Name)

	member, err := one[*corev1.Pod]("extra-member-pod.yaml")
	require.NoError(t, err)
	require.Equal(t, svc.Spec.Selector, member.Labels)
	require.Equal(t, svc.Name, member.Spec.Subdomain)
	require.Equal(t, MemberHostname(job.Name), member.Spec.Hostname)
}

// TestFilesOfThePrivateDNSBelongTogether follows the names by which the five
// files refer to each other.
func TestFilesOfThePrivateDNSBelongTogether(t *testing.T) {
	d, err := one[*appsv1.Deployment]("private-dns.yaml")
	require.NoError(t, err)
	svc, err := one[*corev1.Service]("private-dns-service.yaml")
	require.NoError(t, err)
	rbac, err := load("private-dns-rbac.yaml")
	require.NoError(t, err)
	require.Len(t, rbac, 3)
	binding := rbac[2].(*rbacv1.ClusterRoleBinding)

	require.Equal(t, d.Spec.Template.Labels, svc.Spec.Selector)
	require.Equal(t, d.Spec.Template.Labels, d.Spec.Selector.MatchLabels)
	require.Equal(t, rbac[0].GetName(), d.Spec.Template.Spec.ServiceAccountName)
	require.Equal(t, rbac[0].GetName(), binding.Subjects[0].Name)
	require.Equal(t, rbac[1].GetName(), binding.RoleRef.Name)
	for _, f := range []string{"private-dns-kubeadm-1.31.yaml", "private-dns-kubeadm-1.32.yaml"} {
		cm, err := one[*corev1.ConfigMap](f)
		require.NoError(t, err)
		require.Equal(t, d.Spec.Template.Spec.Volumes[0].ConfigMap.Name, cm.Name)
		require.Contains(t, cm.Data["Corefile"], ".:1053 {")
	}
	for _, p := range svc.Spec.Ports[:2] {
		require.EqualValues(t, 53, p.Port)
		require.EqualValues(t, PrivateDNSPort, p.TargetPort.IntValue())
	}
}

// TestCorefilesAreKubeadms compares the Corefiles, port aside, with the text of
// kubernetes' cmd/kubeadm/app/phases/addons/dns/manifests.go at v1.31.0 and
// v1.32.0, DNSDomain being cluster.local.
func TestCorefilesAreKubeadms(t *testing.T) {
	const head = `.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30`
	const tail = `
    loop
    reload
    loadbalance
}
`
	const without = ` {
       disable success cluster.local
       disable denial cluster.local
    }`
	for dns, want := range map[experiment.DNS]string{
		experiment.Kubeadm131: head + tail,
		experiment.Kubeadm132: head + without + tail,
	} {
		cm, err := one[*corev1.ConfigMap]("private-dns-" + string(dns) + ".yaml")
		require.NoError(t, err)
		require.Equal(t, want, strings.Replace(cm.Data["Corefile"], ".:1053", ".:53", 1), dns)
	}
}

func TestLoadRefusesWhatTheAPIDoesNotKnow(t *testing.T) {
	var svc corev1.Service
	require.Error(t, yaml.UnmarshalStrict([]byte("spec: {clusterIp: None, portz: []}"), &svc))
	_, err := load("none.yaml")
	require.Error(t, err)
	_, err = one[*corev1.Pod]("job.yaml")
	require.ErrorContains(t, err, "job.yaml")
}

// golden compares objects, as YAML, with a file in testdata.
func golden(t *testing.T, name string, objs ...Object) {
	t.Helper()
	var b bytes.Buffer
	for i, obj := range objs {
		if i > 0 {
			b.WriteString("---\n")
		}
		y, err := yaml.Marshal(obj)
		require.NoError(t, err)
		b.Write(y)
	}
	path := filepath.Join("testdata", name+".golden.yaml")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, b.Bytes(), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "run go test -update")
	require.Equal(t, string(want), b.String(), "%s: run go test -update and look at the difference", path)
}
