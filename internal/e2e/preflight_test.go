package e2e

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/results"
	"headless-job-dns/manifests"
)

// somebody is a user of the lab's with no rights but those that a test grants.
const somebody = "somebody@example.com"

// theirNamespace makes a namespace that enforces `restricted`, in which somebody
// has the Role of manifests/rbac.yaml.
func theirNamespace(t *testing.T, name string) {
	t.Helper()
	k, ctx := kube(t), t.Context()
	_, err := k.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name,
		Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}}}, metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(func() {
		if err := k.CoreV1().Namespaces().Delete(context.Background(), name, metav1.DeleteOptions{}); err != nil {
			t.Log(err)
		}
	})
	text, err := manifests.Text("rbac.yaml")
	require.NoError(t, err)
	var role rbacv1.Role
	require.NoError(t, yaml.UnmarshalStrict([]byte(text), &role))
	_, err = k.RbacV1().Roles(name).Create(ctx, &role, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = k.RbacV1().RoleBindings(name).Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: somebody}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
}

// TestUnderTheRoleAlone: somebody who may do nothing but what manifests/rbac.yaml
// says is told about the cluster's own DNS in a namespace that enforces
// `restricted`, with the probe in ConfigMaps. The controls fall away.
func TestUnderTheRoleAlone(t *testing.T) {
	beside(t)
	theirNamespace(t, "their-plan")
	o := repro(t, "-n", "their-plan", "--as", somebody, "--deliver", "configmap", "--base-image", busyboxImage,
		"--plan", "quick", "--extra", "none", "--pods", "3", "--connect-timeouts", "5s")
	require.Equal(t, 0, o.code)
	o.nothingLeft(t)
	for _, want := range []string{
		"\nok        namespace: their-plan is used as it is; Pod Security enforces restricted, and the pods meet every level\n",
		"\nok        admission: dry runs of what the plan creates were admitted",
		"arms with cache-30, uncached are left out",
		"\nunknown   nodes: this user lacks nodes (list)",
	} {
		require.Contains(t, o.stderr, want)
	}
	require.Contains(t, o.stdout, "This cluster's DNS is not affected")
	r, err := results.Load(o.dir)
	require.NoError(t, err)
	require.Empty(t, r.Plan.PrivateDNS())
	require.Len(t, r.Plan.Trials, 2)
	text, err := os.ReadFile(filepath.Join(o.dir, results.EnvironmentFile))
	require.NoError(t, err)
	require.NotContains(t, string(text), somebody, "reports are published")
	var env environment.Environment
	require.NoError(t, json.Unmarshal(text, &env))
	require.NotEmpty(t, env.Preflight)
	report, err := os.ReadFile(filepath.Join(o.dir, "report.md"))
	require.NoError(t, err)
	require.NotContains(t, string(report), somebody)
}

// TestPreflightRefuses what a real API server refuses, before anything is
// created: its own words are what the fakes of unit tests repeat.
func TestPreflightRefuses(t *testing.T) {
	beside(t)
	const ns = "their-limits"
	theirNamespace(t, ns)
	k := kube(t)
	refused := func(want string, args ...string) {
		t.Helper()
		o := repro(t, append([]string{"-n", ns, "--as", somebody, "--dns", "cluster", "--extra", "none", "--names", "fresh"}, args...)...)
		require.Equal(t, 2, o.code)
		require.NoDirExists(t, o.dir)
		last := o.stderr[strings.LastIndexByte(strings.TrimSpace(o.stderr), '\n')+1:]
		require.Contains(t, last, want)
		jobs, err := k.BatchV1().Jobs(ns).List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		require.Empty(t, jobs.Items)
	}
	refused("lacks in namespace their-limits what the plan needs: jobs (create", "--as", "nobody@example.com")
}
