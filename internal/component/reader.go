package component

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const (
	// Limit is how long one snapshot may take. Components answer within 0.1 s;
	// one that does not is done without.
	Limit = 2 * time.Second
	// maxNodes is how many kubelets are read: more would load the API server
	// just before it is measured.
	maxNodes = 10
	// maxReason bounds what is repeated of an error in a note.
	maxReason = 200

	systemNamespace = "kube-system"
)

var (
	coreDNS = slices.Concat(
		// From the trigger time on an EndpointSlice to CoreDNS' receipt of it:
		// kubernetes/community's DNS programming latency. Its cache is beyond it.
		histogram("coredns_kubernetes_dns_programming_duration_seconds", "service_kind", "headless_with_selector"),
		[]metric{
			{name: "coredns_cache_hits_total", label: "type"},
			{name: "coredns_cache_requests_total"},
			{name: "coredns_cache_misses_total"}, // deprecated in favour of the two above; older ones have only this
			{name: "coredns_cache_evictions_total", label: "type"},
			{name: "coredns_dns_requests_total", label: "type", value: "A"},
		})
	kubelet = slices.Concat(
		histogram("kubelet_pod_start_sli_duration_seconds", "", ""),
		histogram("kubelet_pod_status_sync_duration_seconds", "", ""),
		histogram("kubelet_pleg_relist_interval_seconds", "", ""))
	controllerManager = []metric{
		{name: "endpoint_slice_controller_syncs", label: "result"},
		{name: "endpoint_slice_controller_changes", label: "operation"},
	}
)

// source is one page of metrics.
type source struct {
	kind   string // for notes: one a kind
	name   string // as Reading.Source
	path   string // at the API server
	wanted []metric
}

// Reader reads the metrics of the components of one cluster. It is for one
// caller at a time.
type Reader struct {
	kube      kubernetes.Interface
	namespace string // of the private DNS

	notes   []string
	noted   map[string]bool    // kinds of which a note was made
	silent  map[string]bool    // paths that are not asked again
	system  []source           // kubelets and controller managers
	looked  bool               // system was looked up
	servers map[string]*source // by address, as looked up; nil: there is none
}

// NewReader returns a reader for the cluster's own components and for DNS
// servers in the namespace. Nothing is read yet.
func NewReader(kube kubernetes.Interface, namespace string) *Reader {
	return &Reader{kube: kube, namespace: namespace, noted: map[string]bool{}, silent: map[string]bool{}, servers: map[string]*source{}}
}

// Notes returns a sentence for each kind of component that could not be read,
// as far as the snapshots so far have shown.
func (r *Reader) Notes() []string { return slices.Clone(r.notes) }

// Read takes a snapshot of the cluster's components and of the DNS servers
// given as host:port. It takes no longer than Limit. A component that cannot be
// read is left out, noted, and not asked again, unless it was ctx that ended.
func (r *Reader) Read(ctx context.Context, servers []string) Snapshot {
	limited, stop := context.WithTimeout(ctx, Limit)
	defer stop()
	sources := r.sources(limited, servers)
	pages := make([]map[string]float64, len(sources))
	errs := make([]error, len(sources))
	var all sync.WaitGroup
	for i, s := range sources {
		all.Go(func() { pages[i], errs[i] = r.page(limited, s) })
	}
	all.Wait()
	snapshot := Snapshot{}
	for i, s := range sources {
		switch {
		case errs[i] == nil:
			snapshot[s.name] = pages[i]
		case ctx.Err() == nil:
			r.silent[s.path] = true
			r.note(s.kind, s.name, errs[i])
		}
	}
	return snapshot
}

// page reads one source. Reading ends with the context.
func (r *Reader) page(ctx context.Context, s source) (map[string]float64, error) {
	body, err := r.kube.CoreV1().RESTClient().Get().AbsPath(s.path).Stream(ctx)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return parse(body, s.wanted)
}

// sources returns what is to be read, without what has been given up. What
// there is to read is looked up once.
func (r *Reader) sources(ctx context.Context, servers []string) []source {
	if !r.looked {
		r.system = append(r.kubelets(ctx), r.managers(ctx)...)
		r.looked = true
	}
	list := slices.Clone(r.system)
	for _, server := range servers {
		ip := host(server)
		if _, known := r.servers[ip]; !known {
			r.servers[ip] = r.server(ctx, ip)
		}
		// Two ports of one address are one process.
		if s := r.servers[ip]; s != nil && !slices.Contains(paths(list), s.path) {
			list = append(list, *s)
		}
	}
	return slices.DeleteFunc(list, func(s source) bool { return r.silent[s.path] })
}

func paths(list []source) (all []string) {
	for _, s := range list {
		all = append(all, s.path)
	}
	return all
}

func (r *Reader) kubelets(ctx context.Context) (list []source) {
	nodes, err := r.kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		r.note("kubelet", "the kubelets", err)
		return nil
	}
	if len(nodes.Items) > maxNodes {
		r.note("many kubelets", "most kubelets", fmt.Errorf("%d of %d are read", maxNodes, len(nodes.Items)))
	}
	for _, n := range nodes.Items[:min(len(nodes.Items), maxNodes)] {
		list = append(list, source{"kubelet", "kubelet " + n.Name, "/api/v1/nodes/" + n.Name + "/proxy/metrics", kubelet})
	}
	return list
}

// managers returns the controller managers that run as pods, as kubeadm's do.
// Mostly they refuse: the API server does not say for whom it asks.
func (r *Reader) managers(ctx context.Context) (list []source) {
	const kind = "kube-controller-manager"
	pods, err := r.kube.CoreV1().Pods(systemNamespace).List(ctx, metav1.ListOptions{LabelSelector: "component=" + kind})
	if err == nil && len(pods.Items) == 0 {
		err = errors.New("it runs as no pod in namespace " + systemNamespace)
	}
	if err != nil {
		r.note(kind, kind, err)
		return nil
	}
	for _, p := range pods.Items[:min(len(pods.Items), maxNodes)] {
		name := kind
		if len(pods.Items) > 1 {
			name += " " + p.Name
		}
		list = append(list, source{kind, name, podPath(p, "https:"+p.Name+":10257"), controllerManager})
	}
	return list
}

// server finds the pod that has a DNS server's address; nil where none can be
// found.
func (r *Reader) server(ctx context.Context, ip string) *source {
	var failed error
	for _, namespace := range []string{r.namespace, systemNamespace} {
		pods, err := r.kube.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{FieldSelector: "status.podIP=" + ip})
		if err != nil {
			failed = err
			continue
		}
		for _, p := range pods.Items {
			if port := metricsPort(p); port > 0 && slices.Contains(p.Status.PodIPs, corev1.PodIP{IP: ip}) {
				number := strconv.Itoa(int(port))
				return &source{"coredns", "coredns " + net.JoinHostPort(ip, number), podPath(p, p.Name+":"+number), coreDNS}
			}
		}
	}
	if failed == nil {
		failed = errors.New("no pod with this address has a port called metrics")
	}
	r.note("coredns", "coredns "+ip, failed)
	return nil
}

// metricsPort returns the port that a pod's manifest gives for its metrics, as
// those of CoreDNS and NodeLocal DNSCache do; 0: none. Pods on the node's
// network share an address, and this tells them apart.
func metricsPort(p corev1.Pod) int32 {
	for _, c := range p.Spec.Containers {
		for _, port := range c.Ports {
			if port.Name == "metrics" {
				return port.ContainerPort
			}
		}
	}
	return 0
}

func podPath(p corev1.Pod, name string) string {
	return "/api/v1/namespaces/" + p.Namespace + "/pods/" + name + "/proxy/metrics"
}

func host(address string) string {
	if h, _, err := net.SplitHostPort(address); err == nil {
		return h
	}
	return address
}

// note keeps the first reason why components of a kind cannot be read.
func (r *Reader) note(kind, name string, err error) {
	if r.noted[kind] || errors.Is(err, context.Canceled) {
		return
	}
	r.noted[kind] = true
	reason := err.Error()
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		reason = fmt.Sprintf("no answer within %s", Limit)
	case apierrors.IsForbidden(err): // its text says who asked, and reports are published
		reason = "no right to read them"
	}
	// An error may repeat what a component wrote.
	reason = strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return ' '
	}, reason)
	if runes := []rune(reason); len(runes) > maxReason {
		reason = string(runes[:maxReason]) + "..."
	}
	r.notes = append(r.notes, "metrics of "+name+" are not read: "+reason)
}
