package preflight

import (
	"fmt"
	"slices"
	"strings"
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
	return slices.Compact(slices.SortedFunc(slices.Values(verbs),
		func(a, b string) int { return slices.Index(order, a) - slices.Index(order, b) }))
}
