// Package environment describes the cluster that an experiment ran on:
// environment.json. It reads what it may and turns what it may not into
// warnings, for a missing right is no reason not to measure. What comes from
// pods (kernel settings, resolv.conf, how a DNS caches) is added as it becomes
// known. Nothing of a kubeconfig and no other credential is kept.
package environment

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"headless-job-dns/internal/cluster"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
)

// Version is the schema version of environment.json.
const Version = 1

// Unknown stands where something could not be told.
const Unknown = "unknown"

// Environment is environment.json. It is not safe for concurrent use.
type Environment struct {
	V         int       `json:"v"`
	Collected time.Time `json:"collected"`
	// ClusterID tells clusters apart: the UID of namespace kube-system. Empty
	// where that could not be read.
	ClusterID string `json:"cluster_id,omitempty"`

	// Program is what ran the experiment; nil in records of before it was kept.
	Program *Program `json:"program,omitempty"`
	// Delivery is how the pods got their probe; nil likewise.
	Delivery *Delivery `json:"delivery,omitempty"`

	// KubectlVersion is what `kubectl version` prints, with client-go in the
	// client's place: the form that the upstream bug report asks for.
	KubectlVersion string `json:"kubectl_version"`
	Server         Server `json:"server"`

	// Cloud is the scheme of the nodes' providerID ("gce", "aws", "kind"),
	// "none" where no node has one, Unknown where nodes could not be read.
	Cloud string `json:"cloud"`
	// Distribution names what installed the cluster, as far as versions,
	// provider ids and kubeadm's ConfigMap tell.
	Distribution string `json:"distribution"`

	Nodes     []Node `json:"nodes,omitempty"` // at most maxNodes of them
	NodeCount int    `json:"node_count"`

	KubeProxy string   `json:"kube_proxy"`    // mode, or Unknown
	CNI       []string `json:"cni,omitempty"` // guessed from DaemonSets

	DNS DNS `json:"dns"`

	// Pods holds what probes saw, once for each different finding on a node.
	Pods []Pod `json:"pods,omitempty"`
	// Caching is how each DNS configuration was seen to cache.
	Caching map[plan.DNS]CachingFacts `json:"caching,omitempty"`
	// Corefiles holds how each private DNS was configured.
	Corefiles map[plan.DNS]string `json:"corefiles,omitempty"`

	// Preflight is what was found before anything was created.
	Preflight []Condition `json:"preflight,omitempty"`
	// Notes says what was done otherwise than planned because of the cluster.
	Notes []string `json:"notes,omitempty"`
	// Warnings says what could not be read and why.
	Warnings []string `json:"warnings,omitempty"`
}

// Server is the API server's version.
type Server struct {
	GitVersion string `json:"git_version"`
	GitCommit  string `json:"git_commit,omitempty"`
	BuildDate  string `json:"build_date,omitempty"`
	GoVersion  string `json:"go_version,omitempty"`
	Platform   string `json:"platform,omitempty"`
}

// Node is what a bug report needs of a node; no addresses.
type Node struct {
	Name    string   `json:"name"`
	Roles   []string `json:"roles,omitempty"`
	Ready   bool     `json:"ready"`
	Kernel  string   `json:"kernel"`
	OS      string   `json:"os"`
	Arch    string   `json:"arch"`
	Runtime string   `json:"runtime"`
	Kubelet string   `json:"kubelet"`
}

// DNS is the cluster's own DNS.
type DNS struct {
	// Provider is CoreDNS, KubeDNS, CloudDNS, Outside or Unknown.
	Provider string `json:"provider"`
	// Evidence says what Provider and NodeLocal were concluded from.
	Evidence []string `json:"evidence,omitempty"`
	// NodeLocal tells that pods ask a cache on their node, in front of the provider.
	NodeLocal bool `json:"node_local"`

	Service    string   `json:"service,omitempty"` // namespace/name
	ClusterIPs []string `json:"cluster_ips,omitempty"`
	Replicas   []string `json:"replicas,omitempty"`  // host:port, ready ones, sorted
	NotReady   []string `json:"not_ready,omitempty"` // host:port
	Images     []string `json:"images,omitempty"`    // of its pods
	// CoreDNSImage is the image of CoreDNS that its pods run, if they do.
	CoreDNSImage string `json:"coredns_image,omitempty"`
	// DnsmasqImage is the one of kube-dns' cache, if that is what its pods run.
	DnsmasqImage string `json:"dnsmasq_image,omitempty"`

	Domain string `json:"domain,omitempty"` // from a pod's resolv.conf
	// ConfigMaps are those that its pods mount, namespace/name, a node cache's
	// first; Corefile is their text, secrets left out. What it means for an answer
	// is measured, not read from it.
	ConfigMaps []string `json:"config_maps,omitempty"`
	Corefile   string   `json:"corefile,omitempty"`
}

// Pod is what a probe found out about the machine under it.
type Pod struct {
	Node             string        `json:"node,omitempty"`
	Kernel           string        `json:"kernel,omitempty"`
	SynRetries       *int          `json:"tcp_syn_retries,omitempty"` // nil: the kernel has no such setting
	SynLinearRetries *int          `json:"tcp_syn_linear_timeouts,omitempty"`
	Resolv           record.Resolv `json:"resolv"`
}

// AddPod keeps what a probe's first line says of its node and its resolver.
// What is known already is not repeated.
func (e *Environment) AddPod(s record.Start) {
	p := Pod{Node: s.Node, Kernel: s.Kernel, SynRetries: s.SynRetries, SynLinearRetries: s.SynLinearRetries,
		Resolv: s.Resolv}
	if slices.ContainsFunc(e.Pods, func(q Pod) bool { return reflect.DeepEqual(p, q) }) {
		return
	}
	e.Pods = append(e.Pods, p)
	if e.DNS.Domain != "" {
		return
	}
	e.DNS.Domain = s.Domain
	inList := func(entry string) bool { return strings.HasSuffix("."+entry, ".svc."+s.Domain) }
	if !slices.ContainsFunc(s.Resolv.Search, inList) {
		e.warn("cluster domain: no svc.<domain> is in a pod's search list; " + s.Domain + " is a guess")
	}
}

// note adds a piece of evidence once.
func (d *DNS) note(evidence string) {
	if !slices.Contains(d.Evidence, evidence) {
		d.Evidence = append(d.Evidence, evidence)
	}
}

// AddCaching keeps how a DNS configuration was seen to cache.
func (e *Environment) AddCaching(dns plan.DNS, facts CachingFacts) {
	if e.Caching == nil {
		e.Caching = make(map[plan.DNS]CachingFacts)
	}
	e.Caching[dns] = facts
}

// AddCorefile keeps how a private DNS was configured.
func (e *Environment) AddCorefile(dns plan.DNS, text string) {
	if e.Corefiles == nil {
		e.Corefiles = make(map[plan.DNS]string)
	}
	e.Corefiles[dns] = text
}

// Note adds to Notes, once. What it quotes of an error is kept without who asked
// and where the API server is: reports are published.
func (e *Environment) Note(text string) {
	text = cluster.Anonymous(text)
	if !slices.Contains(e.Notes, text) {
		e.Notes = append(e.Notes, text)
	}
}

// warn adds a warning once.
func (e *Environment) warn(text string) {
	if !slices.Contains(e.Warnings, text) {
		e.Warnings = append(e.Warnings, text)
	}
}
