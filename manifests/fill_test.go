package manifests

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"headless-job-dns/internal/plan"
)

var owner = Owner{Run: "r1a2b3", Trial: "t007", Namespace: "lag-test"}

// requireOwned checks that an object and its pods carry the owner's labels.
func requireOwned(t *testing.T, o Owner, objs ...Object) {
	t.Helper()
	for _, obj := range objs {
		for k, v := range o.Labels() {
			require.Equal(t, v, obj.GetLabels()[k], "%T %s: label %s", obj, obj.GetName(), k)
			if meta, spec := PodSpec(obj); spec != nil {
				require.Equal(t, v, meta.Labels[k], "pods of %T %s: label %s", obj, obj.GetName(), k)
			}
		}
		switch obj.(type) {
		case *rbacv1.ClusterRole, *rbacv1.ClusterRoleBinding, *corev1.Namespace:
			require.Empty(t, obj.GetNamespace())
		default:
			require.Equal(t, o.Namespace, obj.GetNamespace())
		}
		if meta, spec := PodSpec(obj); spec != nil {
			requireRestricted(t, meta, spec)
		}
	}
}

func TestJob(t *testing.T) {
	job, err := Job(JobParams{
		Owner: owner, Name: "lag-007", Service: "headless-007", Probe: Probe{Image: "example.org/probe:1"}, Pods: 12,
		Args: map[string]string{
			"observer": "solo", "interval": "20ms", "connect-timeouts": "none,30s,1s", "deadline": "40s",
			"dns-replicas": "10.0.0.1:1053,10.0.0.2:1053",
		},
		DNS:      ClusterFirst("10.96.0.77", owner.Namespace, "cluster.local"),
		Lifetime: 90*time.Second + time.Millisecond,
	})
	require.NoError(t, err)
	requireOwned(t, owner, job)
	golden(t, "job", job)
}

func TestJobDefaults(t *testing.T) {
	// What serves the whole run, such as the caching check, has no trial.
	o := Owner{Run: "r1", Namespace: "default"}
	job, err := Job(JobParams{Owner: o, Name: "caching", Service: "caching", Pods: 1, Args: map[string]string{"observer": "caching"}})
	require.NoError(t, err)
	requireOwned(t, o, job)
	golden(t, "job-caching", job)
}

func TestJobDoesNotShareState(t *testing.T) {
	p := JobParams{Owner: owner, Name: "a", Service: "s", Pods: 2}
	a, err := Job(p)
	require.NoError(t, err)
	a.Spec.Template.Labels["x"] = "y"
	a.Labels["x"] = "y"
	b, err := Job(p)
	require.NoError(t, err)
	require.NotContains(t, b.Labels, "x")
	require.NotContains(t, b.Spec.Template.Labels, "x")
}

func TestJobRefuses(t *testing.T) {
	good := JobParams{Owner: owner, Name: "lag", Service: "headless", Pods: 2}
	for name, tc := range map[string]struct {
		change func(*JobParams)
		want   string
	}{
		"no pods":         {func(p *JobParams) { p.Pods = 0 }, "0 pods"},
		"no name":         {func(p *JobParams) { p.Name = "" }, `""`},
		"name too long":   {func(p *JobParams) { p.Name = strings.Repeat("a", 64) }, "63"},
		"host too long":   {func(p *JobParams) { p.Name, p.Pods = strings.Repeat("a", 61), 11 }, "hostname"},
		"service name":    {func(p *JobParams) { p.Service = "a.b" }, `"a.b"`},
		"namespace":       {func(p *JobParams) { p.Namespace = "A" }, `"A"`},
		"run id too long": {func(p *JobParams) { p.Run = strings.Repeat("a", 64) }, "run or trial id"},
		"no run id":       {func(p *JobParams) { p.Run = "" }, "no run id"},
		"trial id":        {func(p *JobParams) { p.Trial = "a b" }, "run or trial id"},
		"flag of ours":    {func(p *JobParams) { p.Args = map[string]string{"pods": "9"} }, `"pods"`},
	} {
		t.Run(name, func(t *testing.T) {
			p := good
			tc.change(&p)
			_, err := Job(p)
			require.ErrorContains(t, err, tc.want)
		})
	}
	_, err := Job(good)
	require.NoError(t, err)
}

func TestService(t *testing.T) {
	s, err := Service(owner, "headless-007", "lag-007", false)
	require.NoError(t, err)
	requireOwned(t, owner, s)
	golden(t, "service", s)
	published, err := Service(owner, "headless-007", "lag-007", true)
	require.NoError(t, err)
	require.True(t, published.Spec.PublishNotReadyAddresses)
	published.Spec.PublishNotReadyAddresses = false
	require.Equal(t, s, published, "nothing else differs")
	_, err = Service(owner, "", "lag", false)
	require.Error(t, err)
}

func TestNamespace(t *testing.T) {
	ns, err := Namespace(Owner{Run: "r1", Namespace: "headless-job-dns-r1"})
	require.NoError(t, err)
	requireOwned(t, Owner{Run: "r1", Namespace: "headless-job-dns-r1"}, ns)
	golden(t, "namespace", ns)
	_, err = Namespace(Owner{Run: "r1"})
	require.Error(t, err)
}

func TestExtra(t *testing.T) {
	for _, kind := range plan.Extras {
		t.Run(string(kind), func(t *testing.T) {
			objs, err := Extra(kind, ExtraParams{
				Owner: owner, Name: "extra-007", Job: "lag-007", Service: "headless-007",
				Probe: Probe{Image: "example.org/probe:1"}, Lifetime: time.Minute,
			})
			require.NoError(t, err)
			requireOwned(t, owner, objs...)
			require.Equal(t, kind == plan.ExtraNone, len(objs) == 0)
			for _, obj := range objs {
				require.Equal(t, "extra-007", obj.GetName())
				if kind != plan.ExtraMemberPod {
					require.NotContains(t, obj.GetLabels(), "job-name", "the headless Service would select it")
				}
			}
			if len(objs) > 0 {
				golden(t, "extra-"+string(kind), objs...)
			}
		})
	}
}

func TestExtraRefuses(t *testing.T) {
	_, err := Extra("sidecar", ExtraParams{Owner: owner, Name: "x"})
	require.ErrorContains(t, err, `"sidecar"`)
	_, err = Extra(plan.ExtraPod, ExtraParams{Owner: owner})
	require.Error(t, err)
	_, err = Extra(plan.ExtraMemberPod, ExtraParams{Owner: owner, Name: "x", Job: strings.Repeat("a", 60), Service: "s"})
	require.Error(t, err, "the hostname would be too long")
}

func TestPrivateDNS(t *testing.T) {
	o := Owner{Run: "r1a2b3", Namespace: "lag-test"}
	for _, dns := range plan.AllDNS[1:] {
		t.Run(string(dns), func(t *testing.T) {
			objs, err := PrivateDNS(dns, PrivateDNSParams{Owner: o, Name: "dns-131", CoreDNS: "example.org/coredns:1", Dnsmasq: "example.org/dnsmasq:1", Domain: "k8s.example"})
			require.NoError(t, err)
			requireOwned(t, o, objs...)
			for _, obj := range objs {
				require.NoError(t, SetUpstream(obj, "10.96.0.9"))
			}
			golden(t, "private-dns-"+string(dns), objs...)
			for _, obj := range objs {
				text, err := yaml.Marshal(obj)
				require.NoError(t, err)
				for _, left := range []string{DefaultDomain, "private-dns", "__PILLAR__", "registry.k8s.io"} {
					require.NotContains(t, string(text), left)
				}
			}
		})
	}
}

// TestPrivateDNSImages leaves the files' own images where none is given.
func TestPrivateDNSImages(t *testing.T) {
	objs, err := PrivateDNS(plan.KubeDNS, PrivateDNSParams{Owner: owner, Name: "dns"})
	require.NoError(t, err)
	_, spec := PodSpec(objs[len(objs)-1])
	for _, c := range spec.Containers {
		require.Contains(t, c.Image, "registry.k8s.io/")
	}
}

func TestSetUpstream(t *testing.T) {
	objs, err := PrivateDNS(plan.Forwarding, PrivateDNSParams{Owner: owner, Name: "dns"})
	require.NoError(t, err)
	var failed []string
	for _, obj := range objs {
		if err := SetUpstream(obj, ""); err != nil {
			failed = append(failed, err.Error())
		}
	}
	require.Len(t, failed, 1)
	require.Contains(t, failed[0], "configmap lag-test/dns: ")
}

func TestPrivateDNSNamesAreUnique(t *testing.T) {
	seen := make(map[string]bool)
	for _, run := range []string{"r1", "r2"} {
		for _, dns := range plan.AllDNS[1:] {
			o := Owner{Run: run, Namespace: "ns-" + run}
			objs, err := PrivateDNS(dns, PrivateDNSParams{Owner: o, Name: "dns-" + strings.ReplaceAll(string(dns), ".", "-")})
			require.NoError(t, err)
			for _, obj := range objs {
				id := strings.Join([]string{obj.GetObjectKind().GroupVersionKind().Kind, obj.GetNamespace(), obj.GetName()}, "/")
				require.False(t, seen[id], id)
				seen[id] = true
			}
		}
	}
}

func TestPrivateDNSRefuses(t *testing.T) {
	_, err := PrivateDNS(plan.ClusterDNS, PrivateDNSParams{Owner: owner, Name: "x"})
	require.ErrorContains(t, err, "cluster")
	_, err = PrivateDNS(plan.Cache30, PrivateDNSParams{Owner: owner, Name: "x.y"})
	require.Error(t, err)
	_, err = PrivateDNS(plan.Cache30, PrivateDNSParams{Owner: owner, Name: "x", Domain: "a b { }"})
	require.ErrorContains(t, err, "cluster domain")
}

func TestSelector(t *testing.T) {
	require.Equal(t, "app.kubernetes.io/managed-by=headless-job-dns,headless-job-dns/run=r1a2b3,headless-job-dns/trial=t007", owner.Selector())
	require.Equal(t, "app.kubernetes.io/managed-by=headless-job-dns,headless-job-dns/run=r1", Owner{Run: "r1"}.Selector())
}
