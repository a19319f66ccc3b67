package manifests

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	"headless-job-dns/internal/plan"
)

// unpleasant are names that Kubernetes takes and that YAML, a shell or a reader
// of numbers may take for something else.
var unpleasant = []string{
	"n", "y", "no", "yes", "on", "off", "null", "true", "nan", "0", "007", "1e3", "0x10", "0b1", "1-1-1", "2026-11-22", "12-30",
	strings.Repeat("x", 63), "0" + strings.Repeat("-", 61) + "0", "xn--nxasmq6b",
}

// everything returns one of each object that is created under the names.
func everything(t *testing.T, namespace, run, trial, job string) []Object {
	t.Helper()
	owner := Owner{Run: run, Namespace: namespace}
	var all []Object
	add := func(objs []Object, err error) {
		require.NoError(t, err)
		all = append(all, objs...)
	}
	ns, err := Namespace(owner)
	add([]Object{ns}, err)
	for _, d := range plan.AllDNS {
		if d.Private() {
			add(PrivateDNS(d, PrivateDNSParams{Owner: owner, Name: "dns-" + strings.ReplaceAll(string(d), ".", "-")}))
		}
	}
	owner.Trial = trial
	svc, err := Service(owner, "svc-"+job, "lag-"+job, false)
	add([]Object{svc}, err)
	j, err := Job(JobParams{Owner: owner, Name: "lag-" + job, Service: "svc-" + job, Pods: 2, Lifetime: time.Minute})
	add([]Object{j}, err)
	for _, e := range plan.Extras {
		add(Extra(e, ExtraParams{Owner: owner, Name: "extra-" + job, Job: "lag-" + job, Service: "svc-" + job}))
	}
	return all
}

// Whatever the names, an object says the same as YAML and as JSON, and its
// names and labels are what they were meant to be.
func TestUnpleasantNames(t *testing.T) {
	for _, name := range unpleasant {
		require.Empty(t, validation.IsDNS1123Label(name), "%s: Kubernetes does not take it", name)
		run := name[:min(len(name), 20)]
		run = strings.Trim(run, "-")
		for _, o := range everything(t, name, run, "t001", run+"-t001") {
			text, err := yaml.Marshal(o)
			require.NoError(t, err)
			direct, err := json.Marshal(o)
			require.NoError(t, err)
			through, err := yaml.YAMLToJSON(text)
			require.NoError(t, err)
			require.JSONEq(t, string(direct), string(through), name)

			require.Equal(t, run, o.GetLabels()[LabelRun])
			if ns, ok := o.(*corev1.Namespace); ok {
				require.Equal(t, name, ns.Name)
			}
			if o.GetNamespace() != "" {
				require.Equal(t, name, o.GetNamespace())
			}
			for k, v := range o.GetLabels() {
				require.Empty(t, validation.IsValidLabelValue(v), "%s: label %s", name, k)
			}
			if j, ok := o.(*batchv1.Job); ok {
				require.Contains(t, j.Spec.Template.Spec.Containers[0].Args, "--namespace="+name)
				require.Contains(t, j.Spec.Template.Spec.Containers[0].Args, "--run="+run)
			}
			// Services have the narrowest names of all.
			if _, ok := o.(*corev1.Service); ok {
				require.Empty(t, validation.IsDNS1035Label(o.GetName()), name)
			}
		}
	}
}
