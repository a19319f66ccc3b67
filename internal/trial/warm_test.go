package trial

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/runtime"
	k8stesting "k8s.io/client-go/testing"

	"headless-job-dns/internal/record"
)

// TestWarm: as many pods as a trial has are started under names that no trial
// uses, and are gone again; they live as long as nodes may take to come.
func TestWarm(t *testing.T) {
	t.Parallel()
	r, pt := runner(record.Peers)
	f := newFakeCluster()
	var job *batchv1.Job
	f.PrependReactor("create", "jobs", func(a k8stesting.Action) (bool, runtime.Object, error) {
		job = a.(k8stesting.CreateAction).GetObject().(*batchv1.Job)
		return false, nil, nil
	})
	on(t, r, f)
	r.Nodes = 5 * time.Minute
	require.NoError(t, r.Warm(t.Context()))
	require.EqualValues(t, r.Plan.Settings.Pods, *job.Spec.Completions)
	require.NotEqual(t, pt.Job, job.Name)
	args := strings.Join(job.Spec.Template.Spec.Containers[0].Args, " ")
	require.NotContains(t, args, pt.Service)
	require.Contains(t, args, "--observer=solo")
	require.Greater(t, *job.Spec.ActiveDeadlineSeconds, int64(7*60))
	require.Contains(t, f.happened(), "delete jobs")
}
