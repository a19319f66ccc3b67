package e2e

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"headless-job-dns/internal/results"
)

// reportAgain makes the report again from the records and checks that it is
// the same to the byte.
func reportAgain(t *testing.T, dir string) outcome {
	t.Helper()
	path := filepath.Join(dir, results.ReportFile)
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.Remove(path))
	cmd := exec.Command(filepath.Join(root(t), "bin", "repro"), "report", dir)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	o := finish(t, cmd, dir, &out, &errs, cmd.Run())
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(before), string(after))
	return o
}

// TestInputTheClusterRefuses asks for what only the cluster can know to be
// impossible: one line, exit code 2, nothing created.
func TestInputTheClusterRefuses(t *testing.T) {
	beside(t)
	ctx := context.Background()
	k := kube(t)
	const taken = "headless-job-dns:taken:dns-cache-30"
	_, err := k.RbacV1().ClusterRoles().Create(ctx, &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: taken}}, metav1.CreateOptions{})
	require.NoError(t, err)
	defer k.RbacV1().ClusterRoles().Delete(ctx, taken, metav1.DeleteOptions{})
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"pods":      {[]string{"--run-id", "many", "--pods", "5000"}, "--pods 5000"},
		"namespace": {[]string{"--run-id", "nowhere", "-n", "nowhere"}, "namespace nowhere does not exist"},
		"name":      {[]string{"--run-id", "taken"}, "clusterrole " + taken},
	} {
		t.Run(name, func(t *testing.T) {
			o := repro(t, tc.args...)
			require.Equal(t, 2, o.code)
			last := o.stderr[strings.LastIndex(strings.TrimSpace(o.stderr), "\n")+1:]
			require.Contains(t, last, tc.want)
			require.Empty(t, leftOf(t, tc.args[1]))
			require.NoDirExists(t, o.dir)
		})
	}
	_, err = k.RbacV1().ClusterRoles().Get(ctx, taken, metav1.GetOptions{})
	require.NoError(t, err, "what is not ours is left alone")
}

// TestResultsThatCannotBeWritten names a file as the results folder.
func TestResultsThatCannotBeWritten(t *testing.T) {
	beside(t)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	cmd := exec.Command(filepath.Join(root(t), "bin", "repro"), "--results", file)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	o := finish(t, cmd, file, &out, &errs, cmd.Run())
	require.Equal(t, 2, o.code)
	require.Contains(t, o.stderr, file)
}
