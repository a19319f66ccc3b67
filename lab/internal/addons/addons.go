// Package addons holds the objects that make an apiserver and some nodes a
// cluster: CoreDNS above all.
package addons

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/template"

	"headless-job-dns/lab/internal/api"
	"headless-job-dns/lab/internal/layout"
)

//go:embed rbac.yaml
var rbac string

//go:embed coredns.yaml
var coredns string

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

// Manifests renders the objects, one YAML document each.
func Manifests(c Config) ([]string, error) {
	t, err := template.New("coredns").Parse(coredns)
	if err != nil {
		return nil, fmt.Errorf("read CoreDNS manifest: %w", err)
	}
	var buf bytes.Buffer
	err = t.Execute(&buf, map[string]any{
		"Domain":    layout.ClusterDomain,
		"ClusterIP": layout.DNSIP,
		"Image":     c.Image,
		"NoCache":   c.ClusterDNS == Kubeadm132,
		"Spread":    c.Nodes > 1,
	})
	if err != nil {
		return nil, fmt.Errorf("render CoreDNS manifest: %w", err)
	}
	// Split before the mark, so that each document keeps its last line's end.
	docs := strings.Split(buf.String(), "\n---")
	for i := range docs {
		docs[i] += "\n"
	}
	docs[len(docs)-1] = strings.TrimSuffix(docs[len(docs)-1], "\n")
	return append([]string{rbac, proxyMap(c.Proxy)}, docs...), nil
}

// proxyMap is the ConfigMap in which kubeadm keeps kube-proxy's configuration.
// The lab's proxies do not read it; whoever wants to know their mode does.
func proxyMap(config string) string {
	return `apiVersion: v1
kind: ConfigMap
metadata:
  name: kube-proxy
  namespace: kube-system
  labels:
    app: kube-proxy
data:
  config.conf: |
    ` + strings.ReplaceAll(strings.TrimSpace(config), "\n", "\n    ") + "\n"
}

// Apply creates the objects. The apiserver makes kube-system a moment after it
// has begun to answer.
func Apply(ctx context.Context, client *api.Client, c Config) error {
	docs, err := Manifests(c)
	if err != nil {
		return err
	}
	for _, doc := range docs {
		path, err := pathOf(doc)
		if err != nil {
			return err
		}
		if err := api.Poll(ctx, func() error { return client.Apply(ctx, path, []byte(doc)) }); err != nil {
			return fmt.Errorf("create %s: %w", path, err)
		}
	}
	return nil
}

// resources are the kinds in the manifests, with their place in the API.
var resources = map[string]string{
	"ServiceAccount":     "/api/v1/namespaces/%s/serviceaccounts/",
	"ConfigMap":          "/api/v1/namespaces/%s/configmaps/",
	"Service":            "/api/v1/namespaces/%s/services/",
	"Deployment":         "/apis/apps/v1/namespaces/%s/deployments/",
	"ClusterRole":        "/apis/rbac.authorization.k8s.io/v1/clusterroles/",
	"ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/",
}

// pathOf reads the few lines that say what a document is. They are ours, and
// plain: a YAML parser would be one more thing to compile.
func pathOf(doc string) (string, error) {
	field := func(prefix string) string {
		for _, line := range strings.Split(doc, "\n") {
			if v, ok := strings.CutPrefix(line, prefix); ok {
				return strings.TrimSpace(v)
			}
		}
		return ""
	}
	kind, name, namespace := field("kind: "), field("  name: "), field("  namespace: ")
	path, ok := resources[kind]
	if !ok || name == "" {
		return "", fmt.Errorf("manifest of kind %q, name %q: not known to the lab", kind, name)
	}
	if strings.Contains(path, "%s") {
		path = fmt.Sprintf(path, namespace)
	}
	return path + name, nil
}

// errNotReady is for a poll that has to go on.
var errNotReady = errors.New("not ready yet")

// WaitReady returns when both replicas of CoreDNS are ready.
func WaitReady(ctx context.Context, client *api.Client) error {
	return api.Poll(ctx, func() error {
		var d struct {
			Spec   struct{ Replicas int }
			Status json.RawMessage
		}
		if err := client.Get(ctx, "/apis/apps/v1/namespaces/kube-system/deployments/coredns", &d); err != nil {
			return err
		}
		var s struct{ ReadyReplicas int }
		if err := json.Unmarshal(d.Status, &s); err != nil {
			return err
		}
		if s.ReadyReplicas < d.Spec.Replicas {
			return fmt.Errorf("coredns has %d of %d replicas ready: %w", s.ReadyReplicas, d.Spec.Replicas, errNotReady)
		}
		return nil
	})
}
