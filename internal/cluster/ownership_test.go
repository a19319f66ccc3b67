package cluster

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"headless-job-dns/internal/plan"
	"headless-job-dns/manifests"
)

// An object of a name that a run wants and that is not its own stops it: what
// is there is neither overwritten nor deleted, whoever made it.
func TestWhatIsNotOursStays(t *testing.T) {
	owner := manifests.Owner{Run: "r", Namespace: "lag-r"}
	ns, err := manifests.Namespace(owner)
	require.NoError(t, err)
	dns, err := manifests.PrivateDNS(plan.NodeLocalCache30, manifests.PrivateDNSParams{Owner: owner, Name: "dns"})
	require.NoError(t, err)
	owner.Trial = "t001"
	svc, err := manifests.Service(owner, "svc", "lag", false)
	require.NoError(t, err)
	job, err := manifests.Job(manifests.JobParams{Owner: owner, Name: "lag", Service: "svc", Pods: 2})
	require.NoError(t, err)
	pod, err := manifests.Extra(plan.ExtraMemberPod, manifests.ExtraParams{Owner: owner, Name: "extra", Job: "lag", Service: "svc"})
	require.NoError(t, err)
	wanted := append(append([]manifests.Object{ns, svc, job}, dns...), pod...)
	seen := map[string]bool{}
	for _, o := range wanted {
		for of, labels := range map[string]map[string]string{
			"nobody": nil, "somebody else": {manifests.LabelManagedBy: "helm", manifests.LabelRun: "r"},
			"another run":                          {manifests.LabelManagedBy: manifests.ManagedBy, manifests.LabelRun: "other"},
			"another process with the same run id": {manifests.LabelManagedBy: manifests.ManagedBy, manifests.LabelRun: "r"},
		} {
			theirs := o.(runtime.Object).DeepCopyObject().(manifests.Object)
			theirs.SetLabels(labels)
			theirs.SetUID("theirs")
			theirs.SetAnnotations(map[string]string{"note": "not yours"})
			kube := server(theirs.(runtime.Object))
			c := &Client{Kube: kube}
			k, a, err := c.kindOf(theirs)
			require.NoError(t, err)
			seen[k.name] = true
			what := k.name + " of " + of
			require.ErrorIs(t, c.Free(t.Context(), o), ErrTaken, what)
			err = c.Create(t.Context(), o)
			require.ErrorIs(t, err, ErrTaken, what)
			require.ErrorContains(t, err, k.name+" "+fullName(o), what)

			left, err := c.Clear(t.Context(), Scope{Run: "r"}, sweepPatience)
			require.NoError(t, err, what)
			require.Empty(t, left, what)
			list, err := a.list(t.Context(), metav1.ListOptions{})
			require.NoError(t, err, what)
			require.Contains(t, found(t, list), "not yours", what)
			for _, action := range kube.Actions() {
				require.Contains(t, []string{"get", "list", "create"}, action.GetVerb(), what)
			}
		}
	}
	for _, kind := range []string{"namespace", "service", "job", "pod", "configmap", "serviceaccount", "deployment", "daemonset", "clusterrole", "clusterrolebinding"} {
		require.True(t, seen[kind], kind)
	}
}

// found returns the notes of the objects in a list.
func found(t *testing.T, list runtime.Object) (notes []string) {
	t.Helper()
	objs, err := meta.ExtractList(list)
	require.NoError(t, err)
	for _, o := range objs {
		m, err := meta.Accessor(o)
		require.NoError(t, err)
		notes = append(notes, m.GetAnnotations()["note"])
	}
	return notes
}
