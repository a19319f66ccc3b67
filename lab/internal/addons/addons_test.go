package addons

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

func corefile(t *testing.T, dns string) string {
	t.Helper()
	docs, err := objects(Config{ClusterDNS: dns, Image: "lab.local/coredns:v1", Nodes: 2})
	require.NoError(t, err)
	for _, doc := range docs {
		var o struct {
			Kind string
			Data map[string]string
		}
		require.NoError(t, yaml.Unmarshal([]byte(doc.yaml), &o))
		if text, ok := o.Data["Corefile"]; ok {
			return text
		}
	}
	t.Fatal("no ConfigMap")
	return ""
}

// kubeadm's own text, to the character: the cache is what the project is about.
func TestCorefile(t *testing.T) {
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
`
	const tail = `    loop
    reload
    loadbalance
}
`
	require.Equal(t, head+`    cache 30 {
       disable success cluster.local
       disable denial cluster.local
    }
`+tail, corefile(t, Kubeadm132))
	require.Equal(t, head+"    cache 30\n"+tail, corefile(t, Kubeadm131))
}

func TestManifests(t *testing.T) {
	for _, nodes := range []int{1, 2} {
		docs, err := objects(Config{ClusterDNS: Kubeadm132, Image: "lab.local/coredns:v1", Nodes: nodes})
		require.NoError(t, err)
		var paths []string
		for _, doc := range docs {
			var o map[string]any
			require.NoError(t, yaml.UnmarshalStrict([]byte(doc.yaml), &o), doc)
			require.Equal(t, o["metadata"].(map[string]any)["name"], filepath.Base(doc.path))
			paths = append(paths, doc.path)
		}
		require.Equal(t, []string{
			"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/lab:kube-apiserver-kubelet-client",
			"/api/v1/namespaces/kube-system/configmaps/kube-proxy",
			"/api/v1/namespaces/kube-system/serviceaccounts/coredns",
			"/apis/rbac.authorization.k8s.io/v1/clusterroles/system:coredns",
			"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/system:coredns",
			"/api/v1/namespaces/kube-system/configmaps/coredns",
			"/api/v1/namespaces/kube-system/services/kube-dns",
			"/apis/apps/v1/namespaces/kube-system/deployments/coredns",
		}, paths)
		deployment := docs[len(docs)-1].yaml
		if nodes == 1 {
			require.NotContains(t, deployment, "required", "both replicas must fit on one node")
		} else {
			require.Contains(t, deployment, "requiredDuringScheduling")
		}
	}
}

func TestProxyConfig(t *testing.T) {
	docs, err := objects(Config{Proxy: "mode: nftables\nconntrack: {min: 0}\n"})
	require.NoError(t, err)
	var o struct{ Data map[string]string }
	require.NoError(t, yaml.Unmarshal([]byte(docs[1].yaml), &o))
	require.Equal(t, map[string]string{"config.conf": "mode: nftables\nconntrack: {min: 0}\n"}, o.Data)
}
