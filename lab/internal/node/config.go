package node

import (
	"bytes"
	"fmt"
	"text/template"

	"headless-job-dns/lab/internal/build"
	"headless-job-dns/lab/internal/layout"
)

// Where things are as the node sees them; see view in node.go. They are the
// components' own defaults wherever those can be kept.
const (
	toolsDir  = "/run/lab/tools"
	configDir = "/run/lab/config"
	cniDir    = "/run/lab/cni"

	// socket is at a path that the host does not have: whoever looks for it
	// before the node has its own /run must not find the host's containerd.
	socket = "/run/lab/containerd.sock"

	resolvConf = configDir + "/resolv.conf"
)

// Machine is what a node has to know about the machine below it.
type Machine struct {
	// OOMScore says whether scores below one's own may be set, which takes
	// CAP_SYS_RESOURCE. Without it, runc dies of it ("can't get final child's
	// PID from pipe: EOF").
	OOMScore bool
	// Snapshotter is overlayfs, or native where that cannot be mounted.
	Snapshotter string
}

var containerdConfig = template.Must(template.New("containerd").Parse(`version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
{{- if .Machine.OOMScore}}
oom_score = -999
{{- end}}
# Each looks for its file system at start and complains.
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.tracing.processor.v1.otlp",
]

[grpc]
  address = "{{.Socket}}"

[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd/opt"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{{.PauseImage}}"
  restrict_oom_score_adj = {{not .Machine.OOMScore}}
  disable_tcp_service = true
  # The default from containerd 2 on: port 53 without a capability.
  enable_unprivileged_ports = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{{.ToolsDir}}"
    conf_dir = "{{.CNIDir}}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "{{.Machine.Snapshotter}}"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
`))

// ptp and not bridge: behind a bridge, the address of a pod that is gone
// answers "no route to host" after 3 s; behind routes it is silent. Clouds and
// kind have routes.
var cniConfig = template.Must(template.New("cni").Parse(`{
  "cniVersion": "1.0.0",
  "name": "lab",
  "plugins": [
    {
      "type": "ptp",
      "ipMasq": false,
      "ipam": {
        "type": "host-local",
        "dataDir": "/var/lib/cni/networks",
        "routes": [{"dst": "0.0.0.0/0"}],
        "ranges": [[{"subnet": "{{.Node.Pods}}"}]]
      }
    }
  ]
}
`))

// What is not said here is the kubelet's default: the lab is there to measure
// what ordinary clusters do.
var kubeletConfig = template.Must(template.New("kubelet").Parse(`apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: {{.Node.Addr}}
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: {{.ConfigDir}}/ca.crt}
authorization: {mode: Webhook}
tlsCertFile: {{.ConfigDir}}/kubelet.crt
tlsPrivateKeyFile: {{.ConfigDir}}/kubelet.key
clusterDNS: ["{{.DNS}}"]
clusterDomain: {{.Domain}}
containerRuntimeEndpoint: unix://{{.Socket}}
resolvConf: {{.ResolvConf}}
# The kubelets share the machine's cgroups; with one root for all, one removes
# the pods of the other.
cgroupRoot: {{.Node.Group}}
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
# The default would be made in the host's /usr.
volumePluginDir: /var/lib/kubelet/volume-plugins
# As kind has it: the disk is the machine's and may be nearly full for reasons
# of its own, and an image that is collected cannot be fetched again.
imageGCHighThresholdPercent: 100
# An image that was loaded under one name and pulled under another would have to
# be pulled under both (KEP-2535); what is loaded here is in no registry.
imagePullCredentialsVerificationPolicy: NeverVerify
evictionHard:
  memory.available: "0%"
  nodefs.available: "0%"
  nodefs.inodesFree: "0%"
  imagefs.available: "0%"
  imagefs.inodesFree: "0%"
{{- if not .Machine.OOMScore}}
oomScoreAdj: 0
{{- end}}
`))

// The same on every node, and published as kubeadm publishes its own.
var proxyConfig = template.Must(template.New("kube-proxy").Parse(`apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
clusterCIDR: {{.PodCIDR}}
clientConnection:
  kubeconfig: {{.ConfigDir}}/kube-proxy.kubeconfig
# The table's size is the machine's and cannot be set from within a namespace.
conntrack: {maxPerCore: 0, min: 0}
{{- if not .Machine.OOMScore}}
oomScoreAdj: 0
{{- end}}
`))

// render fills one of the templates in.
func render(t *template.Template, n layout.Node, m Machine) ([]byte, error) {
	var buf bytes.Buffer
	err := t.Execute(&buf, map[string]any{
		"Node":       n,
		"Machine":    m,
		"Socket":     socket,
		"ToolsDir":   toolsDir,
		"CNIDir":     cniDir,
		"ConfigDir":  configDir,
		"ResolvConf": resolvConf,
		"PauseImage": build.PauseImage,
		"PodCIDR":    layout.PodCIDR,
		"DNS":        layout.DNSIP,
		"Domain":     layout.ClusterDomain,
	})
	if err != nil {
		return nil, fmt.Errorf("render %s configuration of %s: %w", t.Name(), n.Name, err)
	}
	return buf.Bytes(), nil
}

// ProxyConfig is the configuration of every kube-proxy of a lab.
func ProxyConfig(m Machine) (string, error) {
	b, err := render(proxyConfig, layout.Node{}, m)
	return string(b), err
}
