package cluster

import (
	"context"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// How the cluster words what a pod lacks (k8s.io/kubernetes: plugin/pkg/admission
// limitranger and resourcequota, the scheduler's TaintToleration), and how
// policies name labels.
var (
	lacksResource = regexp.MustCompile(`\b(requests|limits)\.([a-z-]+) for: `)
	outOfRange    = regexp.MustCompile(`\b(?:minimum|maximum) (\S+) usage per (?:Container|Pod) is (\w+)` +
		`(?:, but|\.  No) (request|limit) is`)
	lacksLabel = regexp.MustCompile("[`'\"]([\\w./-]+)[`'\"] in object\\.metadata\\.labels|" +
		"metadata\\.labels(?:\\.|\\[['\"])([\\w/-]+)|(?i)\\blabels?:? [{\\[]?[`'\"]([\\w./-]+)[`'\"]")
	namedTaint = regexp.MustCompile(`untolerated taint \{([^:}]+)`)
)

// enough is what a container of ours gets of a resource that has to be named.
var enough = map[string]string{"cpu": "1", "memory": "256Mi", "ephemeral-storage": "64Mi"}

// WithAnswer is a refusal in the cluster's words with the pod patch that answers
// it, where that is plain from them or from the nodes' taints.
func (c *Client) WithAnswer(ctx context.Context, refusal string) string {
	if patch := c.PatchFor(ctx, refusal); patch != "" {
		return refusal + "; --pod-patch FILE answers it, where FILE holds " + patch
	}
	return refusal
}

// PatchFor is that pod patch, as JSON; empty where it is not plain.
func (c *Client) PatchFor(ctx context.Context, refusal string) string {
	requests, limits, labels, taints := map[string]string{}, map[string]string{}, map[string]string{}, map[string]bool{}
	of := func(kind string) map[string]string {
		if strings.HasPrefix(kind, "request") {
			return requests
		}
		return limits
	}
	for _, m := range lacksResource.FindAllStringSubmatch(refusal, -1) {
		of(m[1])[m[2]] = enough[m[2]]
	}
	for _, m := range outOfRange.FindAllStringSubmatch(refusal, -1) {
		of(m[3])[m[1]] = m[2]
	}
	for _, m := range lacksLabel.FindAllStringSubmatch(refusal, -1) {
		labels[m[1]+m[2]+m[3]] = "VALUE"
	}
	for _, m := range namedTaint.FindAllStringSubmatch(refusal, -1) {
		taints[m[1]] = true
	}
	if len(taints) == 0 && strings.Contains(refusal, "untolerated taint") {
		taints = c.taints(ctx)
	}
	spec, patch := map[string]any{}, map[string]any{}
	if len(limits)+len(requests) > 0 {
		resources := map[string]any{}
		for name, of := range map[string]map[string]string{"requests": requests, "limits": limits} {
			if len(of) > 0 {
				resources[name] = of
			}
		}
		spec["containers"] = []any{map[string]any{"resources": resources}}
	}
	if len(taints) > 0 {
		var tolerations []any
		for _, key := range slices.Sorted(maps.Keys(taints)) {
			tolerations = append(tolerations, map[string]any{"key": key, "operator": corev1.TolerationOpExists})
		}
		spec["tolerations"] = tolerations
	}
	if len(labels) > 0 {
		patch["metadata"] = map[string]any{"labels": labels}
	}
	if len(spec) > 0 {
		patch["spec"] = spec
	}
	if len(patch) == 0 {
		return ""
	}
	text, err := json.Marshal(patch)
	if err != nil {
		return "" // a map of texts: it does not happen
	}
	return string(text)
}

// taints are the keys of those that keep pods off nodes, other than what
// Kubernetes itself says of a node that is not well. None where nodes may not be
// listed.
func (c *Client) taints(ctx context.Context) map[string]bool {
	ctx, stop := context.WithTimeout(ctx, withheldLimit)
	defer stop()
	keys := map[string]bool{}
	nodes, err := c.Kube.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return keys
	}
	for _, n := range nodes.Items {
		for _, t := range n.Spec.Taints {
			if t.Effect != corev1.TaintEffectPreferNoSchedule && !strings.HasPrefix(t.Key, "node.kubernetes.io/") {
				keys[t.Key] = true
			}
		}
	}
	return keys
}
