package e2e

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"headless-job-dns/internal/results"
)

// TestUnpleasantNames uses names that Kubernetes takes and that others take for
// something else, as namespaces and as run ids.
func TestUnpleasantNames(t *testing.T) {
	beside(t)
	k, ctx := kube(t), context.Background()
	for _, tc := range []struct{ namespace, run string }{
		{"null", "1e3"},
		{"0" + strings.Repeat("-", 61) + "0", strings.Repeat("9", 20)},
		{"", "no"},
	} {
		t.Run(tc.namespace+"/"+tc.run, func(t *testing.T) {
			args := []string{"--plan", "quick", "--dns", "uncached", "--extra", "none", "--observer", "peers", "--pods", "2", "--run-id", tc.run}
			if tc.namespace != "" {
				_, err := k.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: tc.namespace}}, metav1.CreateOptions{})
				require.NoError(t, err)
				defer k.CoreV1().Namespaces().Delete(ctx, tc.namespace, metav1.DeleteOptions{})
				args = append(args, "-n", tc.namespace)
			}
			o := repro(t, args...)
			require.Equal(t, 0, o.code)
			o.nothingLeft(t)
			for _, v := range verdicts(t, o.dir) {
				require.Equal(t, results.Complete, v.Status, v.Reasons)
			}
			require.Equal(t, 0, reportAgain(t, o.dir).code)
		})
	}
}
