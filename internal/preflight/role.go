package preflight

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"headless-job-dns/manifests"
)

// words lists rights as "jobs (create, delete), pods/log (get)", and says where
// those are that are not in the run's namespace.
func words(rights []right) string {
	type what struct{ resource, namespace string }
	verbs := map[what][]string{}
	var order []what
	for _, r := range rights {
		w := what{r.resource, r.namespace}
		if verbs[w] == nil {
			order = append(order, w)
		}
		verbs[w] = append(verbs[w], r.verb)
	}
	var text strings.Builder
	for i, w := range order {
		if i > 0 {
			text.WriteString(", ")
		}
		fmt.Fprintf(&text, "%s (%s)", w.resource, strings.Join(inOrder(verbs[w]), ", "))
		if i+1 < len(order) && order[i+1].namespace == w.namespace {
			continue // it is said once
		}
		switch w.namespace {
		case "":
			text.WriteString(" cluster-wide")
		case kubeSystem:
			text.WriteString(" in " + kubeSystem)
		}
	}
	return text.String()
}

// inOrder sorts verbs as the files in manifests have them, each once.
func inOrder(verbs []string) []string {
	order := []string{"create", "get", "list", "watch", "delete", "deletecollection"}
	return slices.Compact(slices.SortedFunc(slices.Values(verbs), func(a, b string) int { return slices.Index(order, a) - slices.Index(order, b) }))
}

// role is a Role that grants rights in the run's namespace, as YAML; in any,
// where the run makes its own.
func (p *preflight) role(rights []right) string {
	type key struct{ group, verbs string }
	verbs := map[[2]string][]string{}
	for _, r := range rights {
		of := [2]string{r.group, r.resource}
		verbs[of] = append(verbs[of], r.verb)
	}
	rules := map[key]*rbacv1.PolicyRule{}
	for _, of := range slices.SortedFunc(maps.Keys(verbs), func(a, b [2]string) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) }) {
		list := inOrder(verbs[of])
		k := key{of[0], strings.Join(list, ",")}
		if rules[k] == nil {
			rules[k] = &rbacv1.PolicyRule{APIGroups: []string{of[0]}, Verbs: list}
		}
		rules[k].Resources = append(rules[k].Resources, of[1])
	}
	r := rbacv1.Role{TypeMeta: metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "Role"}}
	r.Name = manifests.ManagedBy
	in := "NAMESPACE"
	if !p.Made {
		r.Namespace, in = p.Namespace, p.Namespace
	}
	for _, k := range slices.SortedFunc(maps.Keys(rules), func(a, b key) int { return cmp.Or(cmp.Compare(a.group, b.group), cmp.Compare(a.verbs, b.verbs)) }) {
		r.Rules = append(r.Rules, *rules[k])
	}
	text, err := yaml.Marshal(r)
	if err != nil {
		return err.Error() // a struct of texts: it does not happen
	}
	return fmt.Sprintf("# To be bound as well: kubectl create rolebinding %s -n %s --role=%s --user=WHO\n%s", r.Name, in, r.Name, text)
}
