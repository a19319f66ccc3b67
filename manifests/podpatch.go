package manifests

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"sigs.k8s.io/yaml"
)

// patchable are the fields that a pod patch may have. All others are what the
// experiment is about (names, hostname, DNS, command) or how long pods live.
var patchable = map[string][]string{
	"":         {"metadata", "spec"},
	"metadata": {"labels", "annotations"},
	"spec": {"affinity", "containers", "imagePullSecrets", "nodeSelector", "priorityClassName", "runtimeClassName",
		"schedulerName", "securityContext", "tolerations", "topologySpreadConstraints"},
	"spec.containers[0]": {"imagePullPolicy", "livenessProbe", "readinessProbe", "resources", "securityContext",
		"startupProbe"},
}

// PodPatch is a strategic merge patch over the template of every pod. Its only
// container, which has no name, is applied to each container.
type PodPatch struct{ doc map[string]any }

// ParsePodPatch reads a patch in YAML or JSON; nil where there is no text. A
// field that a pod template does not have, or that is the experiment's own, is
// an error.
func ParsePodPatch(text []byte) (*PodPatch, error) {
	if len(text) == 0 {
		return nil, nil
	}
	text, err := yaml.YAMLToJSONStrict(text)
	var doc map[string]any
	if err == nil {
		err = json.Unmarshal(text, &doc)
	}
	if err != nil {
		return nil, errors.New(strings.Join(strings.Fields(err.Error()), " "))
	}
	if err := allow(doc, ""); err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&corev1.PodTemplateSpec{}); err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	return &PodPatch{doc}, nil
}

// allow refuses fields of a patch that are not patchable, and labels that select.
func allow(doc any, path string) error {
	fields, _ := doc.(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		at := strings.TrimPrefix(path+"."+name, ".")
		if !slices.Contains(patchable[path], name) {
			return fmt.Errorf("%s cannot be patched; accepted: %s", at, strings.Join(Patchable(), ", "))
		}
		switch value := fields[name]; at {
		case "metadata", "spec":
			if _, ok := value.(map[string]any); !ok {
				return fmt.Errorf("%s has no fields; accepted: some, or none of it", at)
			}
			if err := allow(value, at); err != nil {
				return err
			}
		case "metadata.labels", "metadata.annotations":
			labels, ok := value.(map[string]any)
			if !ok {
				return fmt.Errorf("%s has no fields; accepted: some, or none of it", at)
			}
			for _, key := range slices.Sorted(maps.Keys(labels)) {
				if selects(key) {
					return fmt.Errorf("%s: %s cannot be patched: pods are found by it; accepted: any other", at, key)
				}
			}
		case "spec.containers":
			list, _ := value.([]any)
			if len(list) != 1 || list[0] == nil {
				return fmt.Errorf("%s: %d entries; accepted: one without a name, which is applied to each container", at, len(list))
			}
			if err := allow(list[0], at+"[0]"); err != nil {
				return err
			}
		}
	}
	return nil
}

// selects tells whether a label is one by which objects of ours, the Job
// controller or this program find pods, or a directive that may remove it.
func selects(label string) bool {
	return strings.HasPrefix(label, "$") || label == jobNameLabel || label == "app" || label == LabelManagedBy ||
		strings.HasPrefix(label, "headless-job-dns/") || strings.HasPrefix(label, "batch.kubernetes.io/")
}

// Patchable lists the fields that a pod patch may have.
func Patchable() (list []string) {
	for _, path := range []string{"metadata", "spec", "spec.containers[0]"} {
		for _, name := range patchable[path] {
			if name != "containers" {
				list = append(list, path+"."+name)
			}
		}
	}
	return list
}

// Apply changes the pods that an object is or makes; others it leaves alone.
func (p *PodPatch) Apply(o Object) error {
	meta, spec := PodSpec(o)
	if p == nil || spec == nil {
		return nil
	}
	doc := maps.Clone(p.doc)
	if patch, ok := doc["spec"].(map[string]any); ok && patch["containers"] != nil {
		var each []any
		for _, c := range spec.Containers {
			named := maps.Clone(patch["containers"].([]any)[0].(map[string]any))
			named["name"] = c.Name
			each = append(each, named)
		}
		patch = maps.Clone(patch)
		patch["containers"], doc["spec"] = each, patch
	}
	patch, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	template := corev1.PodTemplateSpec{ObjectMeta: *meta, Spec: *spec}
	before, err := json.Marshal(template)
	if err != nil {
		return err
	}
	after, err := strategicpatch.StrategicMergePatch(before, patch, template)
	if err != nil {
		return fmt.Errorf("pod patch: %w", err)
	}
	template = corev1.PodTemplateSpec{}
	if err := json.Unmarshal(after, &template); err != nil {
		return fmt.Errorf("pod patch: %w", err)
	}
	*meta, *spec = template.ObjectMeta, template.Spec
	return nil
}
