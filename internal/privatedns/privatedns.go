// Package privatedns puts a private DNS into the run's namespace, in a
// configuration that many clusters have, so that configurations can be compared
// on one cluster without touching the cluster's own DNS.
package privatedns

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"headless-job-dns/internal/cluster"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/recordwriter"
	"headless-job-dns/internal/trial"
	"headless-job-dns/manifests"
)

// startPatience is how long the pods may take to become ready: an image pull
// on a slow link included.
const startPatience = 3 * time.Minute

// Params says where and as what a private DNS runs.
type Params struct {
	Owner   manifests.Owner
	Image   string // of CoreDNS; empty: the one in the manifests
	Dnsmasq string // image of dnsmasq; empty: the one in the manifests
	Domain  string // cluster domain
	Probe   manifests.Probe

	Nodes time.Duration // for nodes to be added, beside what its pods may take to start

	// What a DNS that asks the cluster forwards to: the address of the cluster's DNS
	// Service, and, where they are known, the replicas behind it (host:port).
	ClusterDNS      string
	ClusterReplicas []string
}

// Objects returns what Start creates, in that order. What is known only then,
// the address of a Service, is not in them.
func Objects(dns plan.DNS, p Params) ([]manifests.Object, error) {
	return manifests.PrivateDNS(dns, manifests.PrivateDNSParams{Owner: p.Owner, Name: name(dns), CoreDNS: p.Image,
		Dnsmasq: p.Dnsmasq, Domain: p.Domain, Probe: p.Probe})
}

// name is a legal object name for the configuration.
func name(dns plan.DNS) string { return "dns-" + strings.ReplaceAll(string(dns), ".", "-") }

// Corefile returns how the servers of a private DNS are configured, as text for
// a report: what clients reach first, then what is behind it.
func Corefile(dns plan.DNS, p Params) (string, error) {
	objs, err := Objects(dns, p)
	if err != nil {
		return "", fmt.Errorf("private dns %s: %w", dns, err)
	}
	var parts []string
	for _, o := range slices.Backward(objs) {
		switch o := o.(type) {
		case *corev1.ConfigMap:
			if p.ClusterDNS != "" && dns.Facts().AsksCluster {
				if err := manifests.SetUpstream(o, p.ClusterDNS); err != nil {
					return "", err
				}
			}
			parts = append(parts, "# CoreDNS "+o.Name+"\n"+o.Data["Corefile"])
		case *appsv1.Deployment:
			for _, c := range o.Spec.Template.Spec.Containers {
				switch c.Name {
				case manifests.DnsmasqContainer:
					parts = append(parts, "# "+strings.Join(append(c.Command, c.Args...), " ")+"\n")
				case manifests.ProbeContainer:
					parts = append(parts, "# probe "+strings.Join(c.Args, " ")+"\n")
				}
			}
		}
	}
	return strings.Join(parts, ""), nil
}

// Start creates a private DNS, waits until every pod of it serves, and returns
// how pods use it. It gives up early when stuck says that a pod cannot start.
// What it created stays, also after an error.
func Start(ctx context.Context, c *cluster.Client, dns plan.DNS, p Params,
	stuck func() string) (trial.Resolver, error) {
	r, err := start(ctx, c, dns, p, stuck)
	if err != nil {
		return r, fmt.Errorf("private dns %s: %w", dns, err)
	}
	return r, nil
}

func start(ctx context.Context, c *cluster.Client, dns plan.DNS, p Params,
	stuck func() string) (trial.Resolver, error) {
	var r trial.Resolver
	objs, err := Objects(dns, p)
	if err != nil {
		return r, err
	}
	// The last Service is what pods are given; one before it is forwarded to.
	var services []*corev1.Service
	upstream := p.ClusterDNS
	for _, o := range objs {
		if err := manifests.SetUpstream(o, upstream); err != nil {
			return r, err
		}
		if err := c.Create(ctx, o); err != nil {
			return r, err
		}
		if _, ok := o.(*corev1.Service); ok {
			svc, err := c.Kube.CoreV1().Services(p.Owner.Namespace).Get(ctx, o.GetName(), metav1.GetOptions{})
			if err != nil {
				return r, err
			}
			services = append(services, svc)
			upstream = svc.Spec.ClusterIP
		}
	}
	return resolve(ctx, c, dns, p, objs, services, stuck)
}

// resolve waits until every pod behind the Services serves and returns how pods
// use them.
func resolve(ctx context.Context, c *cluster.Client, dns plan.DNS, p Params, objs []manifests.Object,
	services []*corev1.Service, stuck func() string) (r trial.Resolver, err error) {
	for _, o := range objs {
		switch o.(type) {
		case *appsv1.Deployment, *appsv1.DaemonSet:
			err = c.WaitAvailable(ctx, o, p.Nodes+startPatience, stuck)
		}
		if err != nil {
			return r, err
		}
	}
	lives := func(ctx context.Context) ([]map[string]string, error) {
		var all []map[string]string
		for _, svc := range services {
			l, err := livesBehind(ctx, c, svc)
			if err != nil {
				return nil, err
			}
			all = append(all, l)
		}
		return all, nil
	}
	first, err := lives(ctx)
	if err != nil {
		return r, err
	}
	for i, svc := range services {
		if len(first[i]) == 0 {
			return r, fmt.Errorf("no pod behind service %s/%s runs", svc.Namespace, svc.Name)
		}
	}
	own := func(i int) []string { return slices.Sorted(maps.Keys(first[i])) }
	switch {
	case len(services) > 1:
		r.Replicas, r.Caches = own(0), own(1)
	case dns.Facts().AsksCluster:
		r.Replicas, r.Caches = p.ClusterReplicas, own(0)
	default:
		r.Replicas = own(0)
	}
	r.PodDNS = manifests.ClusterFirst(services[len(services)-1].Spec.ClusterIP, p.Owner.Namespace, p.Domain)
	r.Unchanged = func(ctx context.Context) error {
		now, err := lives(ctx)
		if err != nil {
			return fmt.Errorf("private dns %s: cannot tell whether its replicas are still the same: %w", dns, err)
		}
		if !slices.EqualFunc(first, now, maps.Equal) {
			return fmt.Errorf("private dns %s: a replica was restarted or replaced, its cache was lost", dns)
		}
		return nil
	}
	if _, spec := manifests.PodSpec(objs[len(objs)-1]); spec != nil &&
		spec.Containers[0].Name == manifests.ProbeContainer {
		r.Log = func(ctx context.Context, since time.Time) ([]json.RawMessage, error) {
			return logOf(ctx, c, services[0], since)
		}
	}
	r.Renew = func(ctx context.Context) (trial.Resolver, error) {
		return resolve(ctx, c, dns, p, objs, services, stuck)
	}
	return r, nil
}

// maxLog bounds what is kept of a server's log of one trial: some hundred questions
// of 200 bytes each are usual.
const maxLog = 300_000

// logOf returns what the pods behind a Service have logged since a time.
func logOf(ctx context.Context, c *cluster.Client, svc *corev1.Service, since time.Time) ([]json.RawMessage, error) {
	pods, err := podsBehind(ctx, c, svc)
	if err != nil {
		return nil, err
	}
	var log []json.RawMessage
	for _, pod := range pods {
		text, err := c.LogSince(ctx, pod.Namespace, pod.Name, since, maxLog)
		if err != nil {
			return log, err
		}
		for line := range bytes.Lines(text) {
			var entry recordwriter.Entry
			if err := json.Unmarshal(line, &entry); err == nil && entry.At >= since.UnixNano() {
				log = append(log, bytes.TrimSpace(line))
			}
		}
	}
	return log, nil
}

func podsBehind(ctx context.Context, c *cluster.Client, svc *corev1.Service) ([]corev1.Pod, error) {
	selector := metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: svc.Spec.Selector})
	pods, err := c.Kube.CoreV1().Pods(svc.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, err
	}
	return pods.Items, nil
}

// livesBehind returns which life of which pod serves at each address behind a
// Service, host:port.
func livesBehind(ctx context.Context, c *cluster.Client, svc *corev1.Service) (map[string]string, error) {
	pods, err := podsBehind(ctx, c, svc)
	if err != nil {
		return nil, err
	}
	lives := map[string]string{}
	for _, pod := range pods {
		if pod.Status.Phase != corev1.PodRunning || pod.Status.PodIP == "" {
			continue
		}
		life := string(pod.UID)
		for _, s := range pod.Status.ContainerStatuses {
			// Others, which a webhook added, hold no cache.
			switch s.Name {
			case manifests.CoreDNSContainer, manifests.DnsmasqContainer, manifests.ProbeContainer:
				life += fmt.Sprintf("/%d", s.RestartCount)
			}
		}
		lives[net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(manifests.PrivateDNSPort))] = life
	}
	return lives, nil
}
