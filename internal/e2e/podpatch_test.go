package e2e

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"headless-job-dns/internal/results"
)

// TestPodPatch: what a cluster demands of pods is refused in its own words, with
// a patch, and that patch is all that it takes.
func TestPodPatch(t *testing.T) {
	onLab(t)
	// On all nodes alike: what runs beside it would have no node.
	t.Run("taint", func(t *testing.T) {
		taintNodes(t, "e2e-pool")
		answered(t, 1, "untolerated taint")
	})
	for name, tc := range map[string]struct {
		demand func(t *testing.T, ns string)
		code   int
		want   string
		more   string // what the patch offered leaves to be written
	}{
		"policy": {demandByPolicy, 2, "every pod has the label 'team' and a liveness probe",
			`"livenessProbe": {"exec": {"command": ["/none"]}, "initialDelaySeconds": 3600}`},
		"quota": {demandByQuota, 2, "must specify limits.cpu for: coredns", ""},
		"range": {demandByRange, 2, "minimum memory usage per Container is 48Mi, but request is 32Mi", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns := "patched-" + name
			k := kube(t)
			made := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}
			_, err := k.CoreV1().Namespaces().Create(t.Context(), made, metav1.CreateOptions{})
			require.NoError(t, err)
			t.Cleanup(func() {
				require.NoError(t, k.CoreV1().Namespaces().Delete(context.Background(), ns, metav1.DeleteOptions{}))
			})
			tc.demand(t, ns)
			answered(t, tc.code, tc.want, "-n", ns, tc.more)
		})
	}
}

// answered runs a trial that is refused in the given words, and with the patch
// that is offered once more. The last argument, where there are any, goes into
// the patch's container.
func answered(t *testing.T, code int, want string, args ...string) {
	t.Helper()
	more := ""
	if len(args) > 0 {
		args, more = args[:len(args)-1], args[len(args)-1]
	}
	args = append(args, "--dns", "uncached", "--names", "fresh", "--extra", "none", "--observer", "peers", "--pods", "2")
	o := repro(t, args...)
	require.Equal(t, code, o.code)
	require.Contains(t, o.stderr, want)
	_, offered, found := strings.Cut(o.stderr, "where FILE holds ")
	require.True(t, found, "a patch is offered")
	var patch json.RawMessage
	require.NoError(t, json.NewDecoder(strings.NewReader(offered)).Decode(&patch))
	text := strings.ReplaceAll(string(patch), "VALUE", "e2e")
	if more != "" {
		text = strings.TrimSuffix(text, "}") + `, "spec": {"containers": [{` + more + `}]}}`
	}
	file := filepath.Join(t.TempDir(), "patch.json")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	o = repro(t, append(args, "--pod-patch", file)...)
	require.Equal(t, 0, o.code)
	o.nothingLeft(t)
	for _, v := range verdicts(t, o.dir) {
		require.Equal(t, results.Complete, v.Status, v.Reasons)
	}
	r, err := results.Load(o.dir)
	require.NoError(t, err)
	require.JSONEq(t, text, string(r.Plan.PodPatch))
}

// taintNodes keeps pods off all nodes until the test ends.
func taintNodes(t *testing.T, key string) {
	t.Helper()
	k := kube(t)
	nodes, err := k.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	for _, n := range nodes.Items {
		set := func(taints []corev1.Taint) {
			patch, err := json.Marshal(map[string]any{"spec": map[string]any{"taints": taints}})
			require.NoError(t, err)
			_, err = k.CoreV1().Nodes().Patch(context.Background(), n.Name, types.MergePatchType, patch, metav1.PatchOptions{})
			require.NoError(t, err)
		}
		t.Cleanup(func() { set(n.Spec.Taints) })
		set(append(slices.Clone(n.Spec.Taints), corev1.Taint{Key: key, Effect: corev1.TaintEffectNoSchedule}))
	}
}

func demandByPolicy(t *testing.T, ns string) {
	k, ctx := kube(t).AdmissionregistrationV1(), t.Context()
	meta := metav1.ObjectMeta{Name: ns}
	policy := &admissionv1.ValidatingAdmissionPolicy{ObjectMeta: meta}
	policy.Spec.MatchConstraints = &admissionv1.MatchResources{
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: ns}},
		ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
			Operations: []admissionv1.OperationType{admissionv1.Create},
			Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}}}}},
	}
	policy.Spec.Validations = []admissionv1.Validation{{
		Expression: "has(object.metadata.labels) && 'team' in object.metadata.labels && " +
			"object.spec.containers.all(c, has(c.livenessProbe))",
		Message: "every pod has the label 'team' and a liveness probe"}}
	_, err := k.ValidatingAdmissionPolicies().Create(ctx, policy, metav1.CreateOptions{})
	require.NoError(t, err)
	binding := &admissionv1.ValidatingAdmissionPolicyBinding{ObjectMeta: meta}
	binding.Spec.PolicyName, binding.Spec.ValidationActions = ns, []admissionv1.ValidationAction{admissionv1.Deny}
	_, err = k.ValidatingAdmissionPolicyBindings().Create(ctx, binding, metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, k.ValidatingAdmissionPolicyBindings().Delete(context.Background(), ns, metav1.DeleteOptions{}))
		require.NoError(t, k.ValidatingAdmissionPolicies().Delete(context.Background(), ns, metav1.DeleteOptions{}))
	})
	require.Eventually(t, func() bool {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}}
		pod.Spec.Containers = []corev1.Container{{Name: "c", Image: "i"}}
		_, err := kube(t).CoreV1().Pods(ns).Create(ctx, pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err != nil && strings.Contains(err.Error(), policy.Spec.Validations[0].Message)
	}, time.Minute, 200*time.Millisecond, "the policy is in force")
}

func demandByQuota(t *testing.T, ns string) {
	k, ctx := kube(t), t.Context()
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "q"}}
	quota.Spec.Hard = corev1.ResourceList{"limits.cpu": resource.MustParse("10")}
	_, err := k.CoreV1().ResourceQuotas(ns).Create(ctx, quota, metav1.CreateOptions{})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		q, err := k.CoreV1().ResourceQuotas(ns).Get(ctx, "q", metav1.GetOptions{})
		return err == nil && len(q.Status.Hard) == len(q.Spec.Hard)
	}, time.Minute, 100*time.Millisecond, "the controller has seen the quota")
}

func demandByRange(t *testing.T, ns string) {
	limits := &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Name: "l"}}
	least := corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("48Mi")}
	limits.Spec.Limits = []corev1.LimitRangeItem{{Type: corev1.LimitTypeContainer, Min: least}}
	_, err := kube(t).CoreV1().LimitRanges(ns).Create(t.Context(), limits, metav1.CreateOptions{})
	require.NoError(t, err)
}
