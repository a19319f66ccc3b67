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

	"headless-job-dns/internal/plan"
)

var update = flag.Bool("update", false, "write the golden files anew")

// oneScreen is how long a file may be for its reader to see it whole.
const oneScreen = 72

// eachFile calls f with every YAML file and its decoded objects.
func eachFile(t *testing.T, f func(t *testing.T, text string, objs []Object)) {
	names, err := fs.Glob(files, "*.yaml")
	require.NoError(t, err)
	of, err := fs.Glob(files, "kinds/*/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, of)
	names = append(names, of...)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			text, err := files.ReadFile(name)
			require.NoError(t, err)
			if !strings.Contains(string(text), "\nkind: ") {
				return // facts alone: its objects are other files'
			}
			objs, err := decode(name, text)
			require.NoError(t, err)
			f(t, string(text), objs)
		})
	}
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

// requireAnyLinux: a pod goes to Linux nodes of every architecture, also where a
// cloud taints those of one, and to no others. cluster.Schedulable reckons so.
func requireAnyLinux(t *testing.T, spec *corev1.PodSpec) {
	t.Helper()
	require.Equal(t, map[string]string{"kubernetes.io/os": "linux"}, spec.NodeSelector)
	require.Equal(t, []corev1.Toleration{{Key: "kubernetes.io/arch", Operator: corev1.TolerationOpExists}}, spec.Tolerations)
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
			meta, spec := PodSpec(obj)
			if spec == nil {
				continue
			}
			pods++
			requireRestricted(t, meta, spec)
			require.LessOrEqual(t, *spec.TerminationGracePeriodSeconds, int64(2), "deletion is part of each trial's cost")
			require.False(t, *spec.EnableServiceLinks)
			requireAnyLinux(t, spec)
			for _, c := range spec.Containers {
				require.True(t, *c.SecurityContext.ReadOnlyRootFilesystem)
				require.Equal(t, corev1.PullIfNotPresent, c.ImagePullPolicy)
				require.NotContains(t, c.Resources.Limits, corev1.ResourceCPU)
				require.Contains(t, c.Resources.Limits, corev1.ResourceMemory)
				require.Contains(t, c.Resources.Requests, corev1.ResourceCPU)
				require.Contains(t, c.Resources.Requests, corev1.ResourceMemory)
			}
			if spec.Containers[0].Name == ProbeContainer && spec.ServiceAccountName == "" {
				require.False(t, *spec.AutomountServiceAccountToken)
			}
		}
	})
	require.Equal(t, 9, pods)
}

// TestJobIsTheReportedOne pins what the original report says of its Job and
// Service, which nobody may tidy away.
func TestJobIsTheReportedOne(t *testing.T) {
	job, err := one[*batchv1.Job]("job")
	require.NoError(t, err)
	svc, err := one[*corev1.Service]("service")
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

	member, err := one[*corev1.Pod]("kinds/extras/member-pod")
	require.NoError(t, err)
	require.Equal(t, svc.Spec.Selector, member.Labels)
	require.Equal(t, svc.Name, member.Spec.Subdomain)
	require.Equal(t, MemberHostname(job.Name), member.Spec.Hostname)
}

// TestFilesOfThePrivateDNSBelongTogether follows the names by which the files
// of each private DNS refer to each other.
func TestFilesOfThePrivateDNSBelongTogether(t *testing.T) {
	for _, dns := range plan.AllDNS[1:] {
		t.Run(string(dns), func(t *testing.T) {
			for _, list := range [][]string{dns.Facts().Objects, dns.Facts().Front} {
				belongTogether(t, list)
			}
		})
	}
}

func belongTogether(t *testing.T, list []string) {
	accounts, maps := map[string]bool{}, map[string]bool{}
	var svc *corev1.Service
	var pods int
	for _, file := range list {
		objs, err := load("kinds/dns", file)
		require.NoError(t, err)
		for _, obj := range objs {
			switch obj := obj.(type) {
			case *corev1.ServiceAccount:
				accounts[obj.Name] = true
			case *corev1.ConfigMap:
				maps[obj.Name] = true
			case *rbacv1.ClusterRoleBinding:
				require.True(t, accounts[obj.Subjects[0].Name])
				require.Equal(t, obj.Name, obj.RoleRef.Name)
			case *rbacv1.RoleBinding:
				require.True(t, accounts[obj.Subjects[0].Name])
				require.Equal(t, obj.Name, obj.RoleRef.Name)
			case *corev1.Service:
				svc = obj
				for _, p := range svc.Spec.Ports[:2] {
					require.EqualValues(t, 53, p.Port)
					require.EqualValues(t, PrivateDNSPort, p.TargetPort.IntValue())
				}
			}
			meta, spec := PodSpec(obj)
			if spec == nil {
				continue
			}
			pods++
			require.Equal(t, meta.Labels, svc.Spec.Selector)
			for _, v := range spec.Volumes[:min(1, len(spec.Volumes))] {
				require.True(t, maps[v.ConfigMap.Name])
			}
			require.True(t, spec.ServiceAccountName == "" || accounts[spec.ServiceAccountName])
			require.EqualValues(t, PrivateDNSPort, spec.Containers[0].Ports[0].ContainerPort)
		}
	}
	require.Equal(t, len(list) > 0, pods == 1)
}

// corefile returns the Corefile of one file.
func corefile(t *testing.T, file string) string {
	t.Helper()
	text, err := files.ReadFile(file)
	require.NoError(t, err)
	objs, err := decode(file, text)
	require.NoError(t, err)
	cm, ok := objs[len(objs)-1].(*corev1.ConfigMap)
	require.True(t, ok)
	return cm.Data["Corefile"]
}

// TestCorefilesAreKubeadms compares the Corefiles, port aside, with the text of
// kubernetes' cmd/kubeadm/app/phases/addons/dns/manifests.go at v1.31.0 and
// v1.32.0, DNSDomain being cluster.local.
func TestCorefilesAreKubeadms(t *testing.T) {
	const (
		head = `.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
`
		records = `    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
`
		metrics = `    prometheus :9153
`
		forward = `    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
`
		tail = `    loop
    reload
    loadbalance
}
`
	)
	cache := func(disabled ...string) string {
		s := "    cache 30"
		if len(disabled) > 0 {
			s += " {\n"
			for _, class := range disabled {
				s += "       disable " + class + " cluster.local\n"
			}
			s += "    }"
		}
		return s + "\n"
	}
	before, after := head+records+metrics+forward, tail
	for file, want := range map[string]string{
		"cache-30": before + cache() + after,
		"uncached": before + cache("success", "denial") + after,
		// What is ours differs from kubeadm's in what it is for.
		"no-denial-cache":          before + cache("denial") + after,
		"no-success-cache":         before + cache("success") + after,
		"forwarding":               head + metrics + strings.Replace(forward, "/etc/resolv.conf", upstreamMark, 1) + cache() + after,
		"shared-uncached-loopback": strings.Replace(before, ".:53 {", ".:10053 {\n    bind 127.0.0.1", 1) + after,
	} {
		got := corefile(t, "kinds/dns/"+file+".yaml")
		require.Equal(t, want, strings.Replace(got, ".:1053", ".:53", 1), file)
	}
}

// TestNodeLocalIsTheAddons compares the Corefile with that of kubernetes'
// cluster/addons/dns/nodelocaldns/nodelocaldns.yaml at v1.36.3, as the addon's
// program fills it in where nothing is configured, but without its addresses.
func TestNodeLocalIsTheAddons(t *testing.T) {
	const addon = `__PILLAR__DNS__DOMAIN__:53 {
    errors
    cache {
            success 9984 30
            denial 9984 5
    }
    reload
    loop
    bind __PILLAR__LOCAL__DNS__ __PILLAR__DNS__SERVER__
    forward . __PILLAR__CLUSTER__DNS__ {
            force_tcp
    }
    prometheus :9253
    health __PILLAR__LOCAL__DNS__:8080
    }
in-addr.arpa:53 {
    errors
    cache 30
    reload
    loop
    bind __PILLAR__LOCAL__DNS__ __PILLAR__DNS__SERVER__
    forward . __PILLAR__CLUSTER__DNS__ {
            force_tcp
    }
    prometheus :9253
    }
ip6.arpa:53 {
    errors
    cache 30
    reload
    loop
    bind __PILLAR__LOCAL__DNS__ __PILLAR__DNS__SERVER__
    forward . __PILLAR__CLUSTER__DNS__ {
            force_tcp
    }
    prometheus :9253
    }
.:53 {
    errors
    cache 30
    reload
    loop
    bind __PILLAR__LOCAL__DNS__ __PILLAR__DNS__SERVER__
    forward . __PILLAR__UPSTREAM__SERVERS__
    prometheus :9253
    }
`
	want := strings.NewReplacer(
		"__PILLAR__DNS__DOMAIN__", DefaultDomain,
		":53 {", ":1053 {",
		"    bind __PILLAR__LOCAL__DNS__ __PILLAR__DNS__SERVER__\n", "",
		"__PILLAR__LOCAL__DNS__:8080", ":8080",
		"__PILLAR__UPSTREAM__SERVERS__", "/etc/resolv.conf",
	).Replace(addon)
	require.Equal(t, want, corefile(t, "kinds/dns/shared-nodelocal.yaml"))
}

// TestDnsmasqHasKubeDNSArguments compares them with those of kubernetes'
// cluster/addons/dns/kube-dns/kube-dns.yaml.base at v1.36.3, behind the nanny's.
func TestDnsmasqHasKubeDNSArguments(t *testing.T) {
	d, err := one[*appsv1.Deployment]("kinds/dns/kube-dns")
	require.NoError(t, err)
	require.Equal(t, []string{
		"-k",
		"--cache-size=1000",
		"--no-negcache",
		"--dns-loop-detect",
		"--log-facility=-",
		"--server=/cluster.local/127.0.0.1#10053",
		"--server=/in-addr.arpa/127.0.0.1#10053",
		"--server=/ip6.arpa/127.0.0.1#10053",
		// Ours.
		"--port=1053",
		"--user=",
	}, d.Spec.Template.Spec.Containers[0].Args)
}

func TestLoadRefusesWhatTheAPIDoesNotKnow(t *testing.T) {
	_, err := decode("x.yaml", []byte("apiVersion: v1\nkind: Service\nspec: {portz: []}"))
	require.ErrorContains(t, err, `x.yaml, object 0: strict decoding error: unknown field "spec.portz"`)
	_, err = decode("x.yaml", []byte("apiVersion: v1\nkind: Servise"))
	require.ErrorContains(t, err, `no kind "Servise" is registered`)
	_, err = load("", "none")
	require.Error(t, err)
	_, err = one[*corev1.Pod]("job")
	require.ErrorContains(t, err, "job: want one *v1.Pod")
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
