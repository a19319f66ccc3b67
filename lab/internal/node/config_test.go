package node

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"headless-job-dns/lab/internal/layout"
)

func TestRender(t *testing.T) {
	n := layout.State("/s").Nodes(2)[1]
	full := Machine{OOMScore: true, Snapshotter: "overlayfs"}
	confined := Machine{Snapshotter: "native"}

	b, err := render(containerdConfig, n, full)
	require.NoError(t, err)
	require.Contains(t, string(b), "\noom_score = -999\n")
	require.Contains(t, string(b), "restrict_oom_score_adj = false\n")
	require.Contains(t, string(b), `snapshotter = "overlayfs"`)
	b, err = render(containerdConfig, n, confined)
	require.NoError(t, err)
	require.NotContains(t, string(b), "oom_score = ")
	require.Contains(t, string(b), "restrict_oom_score_adj = true\n")
	require.Contains(t, string(b), `snapshotter = "native"`)

	b, err = render(kubeletConfig, n, confined)
	require.NoError(t, err)
	var kubelet map[string]any
	require.NoError(t, yaml.UnmarshalStrict(b, &kubelet))
	require.Equal(t, "/headless-job-lab/node2", kubelet["cgroupRoot"])
	require.Equal(t, "198.18.96.12", kubelet["address"])
	require.Equal(t, []any{"10.96.0.10"}, kubelet["clusterDNS"])
	require.EqualValues(t, 0, kubelet["oomScoreAdj"])
	// What is measured must be as it is elsewhere.
	for _, tuned := range []string{"syncFrequency", "nodeStatusUpdateFrequency", "kubeAPIQPS", "serializeImagePulls", "maxPods"} {
		require.NotContains(t, kubelet, tuned)
	}

	b, err = render(proxyConfig, n, full)
	require.NoError(t, err)
	var proxy map[string]any
	require.NoError(t, yaml.UnmarshalStrict(b, &proxy))
	require.Equal(t, "nftables", proxy["mode"])
	require.Equal(t, "10.244.0.0/16", proxy["clusterCIDR"])
	require.NotContains(t, proxy, "oomScoreAdj")
	published, err := ProxyConfig(full)
	require.NoError(t, err)
	require.Equal(t, string(b), published, "what is published is what runs")

	b, err = render(cniConfig, n, full)
	require.NoError(t, err)
	var cni struct {
		Plugins []struct {
			Type string
			IPAM struct{ Ranges [][]struct{ Subnet string } }
		}
	}
	require.NoError(t, json.Unmarshal(b, &cni))
	require.Equal(t, "ptp", cni.Plugins[0].Type)
	require.Equal(t, "10.244.2.0/24", cni.Plugins[0].IPAM.Ranges[0][0].Subnet)
}
