package environment

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"

	"headless-job-dns/internal/record"
)

// objectsOf reads a cluster of testdata.
func objectsOf(t *testing.T, name string) []runtime.Object {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".yaml"))
	require.NoError(t, err)
	var list []runtime.Object
	for _, doc := range strings.Split(string(text), "\n---\n") {
		o, _, err := scheme.Codecs.UniversalDeserializer().Decode([]byte(doc), nil, nil)
		require.NoError(t, err)
		list = append(list, o)
	}
	return list
}

func resolvConf(server string, search ...string) record.Resolv {
	return record.Resolv{Servers: []string{server}, Search: search}
}

// TestAskedDNS: which DNS pods ask, in clusters as installers make them.
func TestAskedDNS(t *testing.T) {
	for name, tc := range map[string]struct {
		server, service string
		local           bool
		maps            string
		quotes          []string
	}{
		"openshift": {"172.30.0.10:53", "openshift-dns/dns-default", false, "openshift-dns/dns-default", []string{"cache 900"}},
		"custom-server-block": {
			"10.0.0.10:53", "kube-system/kube-dns", false, "kube-system/coredns kube-system/coredns-custom",
			[]string{"import custom", "k8s.server\ncluster.local:53 {"},
		},
		"another-dns-in-kube-system": {"10.233.0.3:53", "kube-system/coredns", false, "", nil},
		"nodelocal-hides-the-corefile": {
			"10.96.0.10:53", "kube-system/kube-dns", true, "kube-system/node-local-dns",
			[]string{"bind 169.254.20.10 10.96.0.10"},
		},
		"helm-release": {"10.96.0.10:53", "kube-system/dns-coredns", false, "kube-system/dns-coredns", []string{"cache 30"}},
	} {
		t.Run(name, func(t *testing.T) {
			kube := fakeCluster(objectsOf(t, name)...)
			e := collect(t, "v1.34.1", objectsOf(t, name)...)
			require.Equal(t, tc.service, e.DNS.Service, "guessed by label")
			require.False(t, e.AskedDNS(t.Context(), kube, resolvConf(tc.server)))
			require.Equal(t, tc.service, e.DNS.Service)
			require.Equal(t, CoreDNS, e.DNS.Provider)
			require.Equal(t, tc.local, e.DNS.NodeLocal)
			require.Equal(t, tc.maps, strings.Join(e.DNS.ConfigMaps, " "))
			for _, text := range tc.quotes {
				require.Contains(t, e.DNS.Corefile, text)
			}
		})
	}
}

// TestAskedDNSCorrectsTheGuess: the nameserver counts, whatever the labels say.
func TestAskedDNSCorrectsTheGuess(t *testing.T) {
	labelled, asked := dnsServiceObject("kube-dns"), dnsServiceObject("resolver")
	asked.Namespace, asked.Spec.ClusterIP, asked.Spec.ClusterIPs = "net", "10.96.9.9", []string{"10.96.9.9"}
	slice := dnsSlice("resolver")
	slice.Namespace = "net"
	kube := fakeCluster(labelled, asked, slice)
	e := collect(t, "v1.36.3", labelled, asked, slice)
	require.Equal(t, "kube-system/kube-dns", e.DNS.Service)
	require.True(t, e.AskedDNS(t.Context(), kube, resolvConf("10.96.9.9:53")), "other replicas")
	require.Equal(t, "net/resolver", e.DNS.Service)
	require.Len(t, e.DNS.Replicas, 2)

	e.AskedDNS(t.Context(), kube, resolvConf("192.0.2.53:53"))
	require.Equal(t, Outside, e.DNS.Provider)
	require.Empty(t, e.DNS.Service)
	require.Contains(t, strings.Join(e.Warnings, "\n"),
		"192.0.2.53, which is the address of no Service that may be read; kube-system/kube-dns, labelled as the cluster's DNS, has 10.96.0.10")
}

// TestLinkLocal: link-local addresses are on the node, but for clouds' servers.
func TestLinkLocal(t *testing.T) {
	for server, want := range map[string]struct {
		provider string
		local    bool
	}{
		"169.254.20.10:53":   {Unknown, true},
		"169.254.10.11:53":   {Unknown, true}, // AKS LocalDNS
		"[fe80::1]:53":       {Unknown, true},
		"169.254.169.254:53": {CloudDNS, false},
		"169.254.169.253:53": {Outside, false},
	} {
		node := node("n1", "gce://project/zone/n1", nil)
		e := collect(t, "v1.34.1", node)
		e.AskedDNS(t.Context(), fakeCluster(node), resolvConf(server))
		require.Equal(t, want.provider, e.DNS.Provider, server)
		require.Equal(t, want.local, e.DNS.NodeLocal, server)
	}
}

// TestRedact: what may be a secret does not get out, whatever it is called.
func TestRedact(t *testing.T) {
	for name, text := range map[string]string{
		"dsn":       ".:53 {\n    mysql {\n        dsn dns:" + canary + "@tcp(192.0.2.5:3306)/dns\n    }\n    cache 30\n}\n",
		"one line":  ".:53 {\n    route53 example.org.:Z1 {\n        aws_access_key ID " + canary + "\n    }\n    cache 30\n}\n",
		"unknown":   ".:53 {\n    redis {\n        auth " + canary + "\n    }\n    cache 30\n}\n",
		"endpoint":  ".:53 {\n    kubernetes cluster.local {\n        endpoint https://u:" + canary + "@api:6443\n    }\n    cache 30\n}\n",
		"forward":   ".:53 {\n    forward . https://u:" + canary + "@dns\n    cache 30\n}\n",
		"comment":   ".:53 {\n    # password " + canary + "\n    cache 30\n}\n",
		"a line":    ".:53 {\n    tsig {\n        " + canary + "\n    }\n    cache 30\n}\n",
		"in quotes": ".:53 {\n    x \"" + canary + " {\n    \"" + canary + "\n    cache 30\n}\n",
	} {
		got := Redact(text)
		require.NotContains(t, got, canary, name)
		require.Contains(t, got, ".:53 {\n", name)
		require.Contains(t, got, "    cache 30\n}\n", name)
	}
	require.Equal(t, corefile132, strings.ReplaceAll(Redact(corefile132), "credentials "+leftOut, "credentials root "+canary))
}

// TestCorefilesAreQuoted as they are, whatever they mean: nothing is read from them
// but that they contradict what was measured.
func TestCorefilesAreQuoted(t *testing.T) {
	files, err := filepath.Glob("testdata/corefiles/*")
	require.NoError(t, err)
	require.Len(t, files, 13)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		want := strings.ReplaceAll(string(text), "tls /etc/c.pem /etc/k.pem", "tls "+leftOut)
		require.Equal(t, want, Redact(string(text)), file)
	}
	const unseen = "whether the cluster's DNS keeps answers is not known: its Corefile has "
	for corefile, want := range map[string]string{
		".:53 {\n    cache 30 {\n        keepttl\n    }\n}": unseen + "keepttl, with which TTLs do not fall in a cache",
		".:53 {\n    cache 30\n}":                           unseen + "cache without disable, yet TTLs were not seen to fall",
		corefile132:                                         "", "": "",
	} {
		e := Environment{DNS: DNS{Corefile: corefile}}
		require.Equal(t, want, e.Doubt(CachingFacts{Positive: true}), corefile)
		require.Empty(t, e.Doubt(CachingFacts{Positive: true, Negative: true}))
	}
}
