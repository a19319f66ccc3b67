// Package addons holds the objects that make an apiserver and some nodes a
// cluster: CoreDNS above all.
package addons

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"text/template"

	"headless-job-dns/lab/internal/api"
	"headless-job-dns/lab/internal/layout"
)

//go:embed manifests.yaml
var manifests string

// The Corefiles that kubeadm has shipped, by the version that brought them. A
// cluster that is upgraded keeps its own, so both are in use.
const (
	// Kubeadm132 does not cache the cluster's own names.
	Kubeadm132 = "kubeadm-1.32"
	// Kubeadm131 caches everything for 30 s, denials included.
	Kubeadm131 = "kubeadm-1.31"
)

// ClusterDNS lists what CheckClusterDNS accepts.
var ClusterDNS = []string{Kubeadm132, Kubeadm131}

// Config is what differs from lab to lab.
type Config struct {
	ClusterDNS string
	Image      string // CoreDNS'
	Nodes      int
	Proxy      string // kube-proxy's configuration
}

// object is one of the manifests.
type object struct{ path, yaml string } // path in the API

// objects renders the manifests.
func objects(c Config) ([]object, error) {
	indent := func(text string) string { return strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ") }
	t, err := template.New("manifests").Funcs(template.FuncMap{"indent": indent}).Parse(manifests)
	if err != nil {
		return nil, fmt.Errorf("read manifests: %w", err)
	}
	var buf strings.Builder
	err = t.Execute(&buf, map[string]any{
		"Domain":    layout.ClusterDomain,
		"ClusterIP": layout.DNSIP,
		"Image":     c.Image,
		"Proxy":     c.Proxy,
		"NoCache":   c.ClusterDNS == Kubeadm132,
		"Spread":    c.Nodes > 1,
	})
	if err != nil {
		return nil, fmt.Errorf("render manifests: %w", err)
	}
	var list []object
	for _, doc := range strings.Split(buf.String(), "\n--- # ")[1:] {
		path, yaml, _ := strings.Cut(doc, "\n")
		list = append(list, object{path, yaml + "\n"})
	}
	return list, nil
}

// Apply creates the objects. The apiserver makes kube-system a moment after it
// has begun to answer.
func Apply(ctx context.Context, client *api.Client, c Config) error {
	list, err := objects(c)
	if err != nil {
		return err
	}
	for _, o := range list {
		if err := api.Poll(ctx, func() error { return client.Apply(ctx, o.path, []byte(o.yaml)) }); err != nil {
			return fmt.Errorf("create %s: %w", o.path, err)
		}
	}
	return nil
}

// errNotReady is for a poll that has to go on.
var errNotReady = errors.New("not ready yet")

// WaitReady returns when both replicas of CoreDNS are ready.
func WaitReady(ctx context.Context, client *api.Client) error {
	return api.Poll(ctx, func() error {
		var d struct {
			Spec   struct{ Replicas int }
			Status struct{ ReadyReplicas int }
		}
		if err := client.Get(ctx, "/apis/apps/v1/namespaces/kube-system/deployments/coredns", &d); err != nil {
			return err
		}
		if d.Status.ReadyReplicas < d.Spec.Replicas {
			return fmt.Errorf("coredns has %d of %d replicas ready: %w", d.Status.ReadyReplicas, d.Spec.Replicas, errNotReady)
		}
		return nil
	})
}
