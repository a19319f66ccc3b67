package preflight

import (
	"cmp"
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	k8stesting "k8s.io/client-go/testing"
	"sigs.k8s.io/yaml"

	"headless-job-dns/internal/plan"
	"headless-job-dns/manifests"
)

// rules are the rights that the roles of a YAML text grant, by role.
func rules(t *testing.T, text string) map[string][]right {
	t.Helper()
	granted := map[string][]right{}
	for _, doc := range strings.Split(text, "\n---\n") {
		var role rbacv1.ClusterRole // a Role has the same fields
		require.NoError(t, yaml.Unmarshal([]byte(doc), &role))
		for _, r := range role.Rules {
			for _, group := range r.APIGroups {
				for _, resource := range r.Resources {
					for _, verb := range r.Verbs {
						granted[role.Name] = append(granted[role.Name], right{group: group, resource: resource, verb: verb})
					}
				}
			}
		}
	}
	return granted
}

// sortedRights makes lists of rights comparable, whatever namespace they are of.
func sortedRights(list []right) []right {
	list = slices.Clone(list)
	for i := range list {
		list[i].namespace = ""
	}
	slices.SortFunc(list, func(a, b right) int {
		return cmp.Or(cmp.Compare(a.group, b.group), cmp.Compare(a.resource, b.resource), cmp.Compare(a.verb, b.verb))
	})
	return slices.Compact(list)
}

// everything are the rights that any plan may be asked for, with a namespace
// that is there.
func everything(t *testing.T) []right {
	need := always("demo")
	// What brings the probe.
	need = append(need, on([]manifests.Object{&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "demo"}}})...)
	for _, c := range courtesies("demo", false) {
		need = append(need, c.rights...)
	}
	w := theWorld(t, plan.Levels{"extra": "all"})
	for _, tr := range w.s.Plan.Trials {
		objs, err := w.s.Trial(tr)
		require.NoError(t, err)
		need = append(need, on(objs)...)
	}
	for _, dns := range plan.AllDNS[1:] {
		objs, err := w.s.DNS(dns)
		require.NoError(t, err)
		need = append(need, on(objs)...)
	}
	return need
}

// TestFilesGrantWhatIsAskedFor, and nothing else.
func TestFilesGrantWhatIsAskedFor(t *testing.T) {
	need := everything(t)
	of := func(namespace string) (list []right) {
		for _, r := range need {
			if r.namespace == namespace {
				list = append(list, r)
			}
		}
		return sortedRights(list)
	}
	text, err := manifests.Text("rbac.yaml")
	require.NoError(t, err)
	require.Equal(t, of("demo"), sortedRights(rules(t, text)["headless-job-dns"]))

	text, err = manifests.Text("rbac-cluster.yaml")
	require.NoError(t, err)
	granted := rules(t, text)
	require.Equal(t, of(kubeSystem), sortedRights(granted["headless-job-dns:use-kube-system"]))
	// Who lets a private DNS read has to have the right to read.
	text, err = manifests.Text("kinds/dns/shared-rbac.yaml")
	require.NoError(t, err)
	reads := rules(t, text)["headless-job-dns:private-dns"]
	require.NotEmpty(t, reads)
	require.Equal(t, sortedRights(append(of(""), reads...)), sortedRights(append(granted["headless-job-dns:use-nodes"], granted["headless-job-dns:use-private-dns"]...)))
	require.Len(t, granted, 3)
}

// TestANamespaceAdminMayGrantIt: nobody can grant a right that he does not have.
func TestANamespaceAdminMayGrantIt(t *testing.T) {
	admin, err := os.ReadFile("testdata/admin.yaml")
	require.NoError(t, err)
	var has []right
	for _, list := range rules(t, string(admin)) {
		has = append(has, list...)
	}
	text, err := manifests.Text("rbac.yaml")
	require.NoError(t, err)
	for _, r := range rules(t, text)["headless-job-dns"] {
		require.Contains(t, has, r)
	}
}

// TestOnlyWhatThePlanNeedsIsAskedFor.
func TestOnlyWhatThePlanNeedsIsAskedFor(t *testing.T) {
	for name, tc := range map[string]struct {
		options plan.Levels
		made    bool
		with    []string
		without []string
	}{
		"cluster": {onCluster, false,
			[]string{"create jobs demo", "get pods/log demo", "deletecollection pods demo", "get namespaces demo"},
			[]string{"create pods demo", "create configmaps demo", "create deployments demo", "create clusterroles", "create pods/exec demo", "create namespaces"}},
		"extra pod": {with(onCluster, plan.Levels{"extra": "pod"}), false, []string{"create pods demo"}, nil},
		"forwarding": {with(onCluster, plan.Levels{"dns": "forwarding"}), false,
			[]string{"create configmaps demo", "create deployments demo", "list replicasets demo"}, []string{"create clusterroles", "create daemonsets demo"}},
		"nodelocal": {with(onCluster, plan.Levels{"dns": "nodelocal-cache-30"}), false,
			[]string{"create daemonsets demo", "create clusterroles", "delete clusterrolebindings", "list clusterroles"}, nil},
		"namespace of the runs": {onCluster, true, []string{"create namespaces", "delete namespaces", "create jobs demo"}, []string{"get namespaces demo"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := theWorld(t, tc.options)
			if tc.made {
				w.make(t)
			}
			_, err := Run(t.Context(), w.s)
			require.NoError(t, err)
			for _, r := range tc.with {
				require.Contains(t, w.asked, r)
			}
			for _, r := range tc.without {
				require.NotContains(t, w.asked, r)
			}
			once := slices.Clone(w.asked)
			slices.Sort(once)
			require.Len(t, w.asked, len(slices.Compact(once)), "each is asked for once")
		})
	}
}

// TestTheProbeIsMadeOnceTheRightsSuffice: a build takes a minute, and nobody is
// to wait for a refusal that long.
func TestTheProbeIsMadeOnceTheRightsSuffice(t *testing.T) {
	w := theWorld(t, onCluster)
	made := 0
	w.s.Deliver = func(context.Context) ([]manifests.Object, error) {
		made++
		return []manifests.Object{&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "probe", Namespace: "demo"}}}, nil
	}
	w.deny = []string{"create configmaps demo"}
	r, err := Run(t.Context(), w.s)
	require.EqualError(t, err, "this user lacks in namespace demo what the plan needs: configmaps (create): have the printed Role granted by whoever administers it (manifests/rbac.yaml), or name another with -n")
	require.NotEmpty(t, rules(t, r.Role)["headless-job-dns"])
	require.Zero(t, made)

	w.deny = nil
	w.refuse = func(o manifests.Object) error {
		if o.GetName() == "probe" {
			return forbidden("configmaps", "exceeded quota: q, requested: count/configmaps=1")
		}
		return nil
	}
	_, err = Run(t.Context(), w.s)
	require.ErrorContains(t, err, "a dry run of creating configmap demo/probe was refused: ")
	require.Equal(t, 1, made, "what it made is tried as all else is")

	w.s.Deliver = func(context.Context) ([]manifests.Object, error) { return nil, errors.New("there is no Go") }
	_, err = Run(t.Context(), w.s)
	require.EqualError(t, err, "there is no Go")
}

func TestLacks(t *testing.T) {
	w := theWorld(t, onCluster)
	w.make(t)
	require.Empty(t, Lacks(t.Context(), w.s.Client, w.s.Lasting[0]))
	w.deny = []string{"create namespaces", "delete namespaces"}
	require.Equal(t, "namespaces (create, delete) cluster-wide", Lacks(t.Context(), w.s.Client, w.s.Lasting[0]))
	w.kube.PrependReactor("create", "selfsubjectaccessreviews", func(k8stesting.Action) (bool, runtime.Object, error) { return true, nil, errors.New("away") })
	require.Empty(t, Lacks(t.Context(), w.s.Client, w.s.Lasting[0]), "what cannot be asked is tried")
}
