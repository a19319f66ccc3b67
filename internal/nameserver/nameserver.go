// Package nameserver puts a private CoreDNS into the run's namespace, in the
// configuration that a version of kubeadm ships, so that DNS configurations
// can be compared on one cluster without touching the cluster's own DNS.
package nameserver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"headless-job-dns/internal/cluster"
	"headless-job-dns/internal/experiment"
	"headless-job-dns/internal/trial"
	"headless-job-dns/manifests"
)

// startPatience is how long the replicas may take to become ready: an image
// pull on a slow link included.
const startPatience = 3 * time.Minute

// Params says where and as what the private DNS runs.
type Params struct {
	Owner  manifests.Owner
	Image  string // empty: the one in the manifests
	Domain string // cluster domain
}

// Objects returns what Start creates, in that order.
func Objects(dns experiment.DNS, p Params) ([]manifests.Object, error) {
	return manifests.CoreDNS(dns, manifests.CoreDNSParams{Owner: p.Owner, Name: name(dns), Image: p.Image, Domain: p.Domain})
}

// name is a legal object name for the configuration.
func name(dns experiment.DNS) string { return "dns-" + strings.ReplaceAll(string(dns), ".", "-") }

// Start creates the private DNS, waits until every replica serves, and returns
// how pods use it. It gives up early when stuck says that a pod cannot start.
// What it created stays, also after an error.
func Start(ctx context.Context, c *cluster.Client, dns experiment.DNS, p Params, stuck func() string) (trial.Resolver, error) {
	var r trial.Resolver
	objs, err := Objects(dns, p)
	if err != nil {
		return r, err
	}
	for _, o := range objs {
		if err := c.Create(ctx, o); err != nil {
			return r, fmt.Errorf("private dns %s: %w", dns, err)
		}
	}
	if err := c.WaitDeployment(ctx, p.Owner.Namespace, name(dns), startPatience, stuck); err != nil {
		return r, fmt.Errorf("private dns %s: %w", dns, err)
	}
	svc, err := c.Kube.CoreV1().Services(p.Owner.Namespace).Get(ctx, name(dns), metav1.GetOptions{})
	if err != nil {
		return r, fmt.Errorf("private dns %s: %w", dns, err)
	}
	lives := func(ctx context.Context) (map[string]string, error) {
		return replicas(ctx, c, p.Owner.Namespace, svc.Spec.Selector)
	}
	first, err := lives(ctx)
	if err != nil {
		return r, fmt.Errorf("private dns %s: %w", dns, err)
	}
	r.Replicas = slices.Sorted(maps.Keys(first))
	r.Unchanged = func(ctx context.Context) error {
		now, err := lives(ctx)
		if err != nil {
			return fmt.Errorf("private dns %s: cannot tell whether its replicas are still the same: %w", dns, err)
		}
		if !maps.Equal(first, now) {
			return fmt.Errorf("private dns %s: a replica was restarted or replaced, its cache was lost", dns)
		}
		return nil
	}
	if len(r.Replicas) == 0 {
		return r, errors.New("private dns " + string(dns) + " has no running replica")
	}
	r.PodDNS = manifests.ClusterFirst(svc.Spec.ClusterIP, p.Owner.Namespace, p.Domain)
	return r, nil
}

// replicas returns which life of which pod serves at each address, host:port.
func replicas(ctx context.Context, c *cluster.Client, namespace string, selector map[string]string) (map[string]string, error) {
	pods, err := c.Kube.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: selector})})
	if err != nil {
		return nil, err
	}
	lives := map[string]string{}
	for _, pod := range pods.Items {
		if pod.Status.Phase != corev1.PodRunning || pod.Status.PodIP == "" {
			continue
		}
		life := string(pod.UID)
		for _, s := range pod.Status.ContainerStatuses {
			life += fmt.Sprintf("/%d", s.RestartCount)
		}
		lives[net.JoinHostPort(pod.Status.PodIP, strconv.Itoa(manifests.PrivateDNSPort))] = life
	}
	return lives, nil
}
