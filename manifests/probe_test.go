package manifests

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"headless-job-dns/internal/plan"
)

var delivered = Probe{Image: "example.org/shell:1", Pieces: []string{"probe-r1a2b3-amd64-0", "probe-r1a2b3-amd64-1", "probe-r1a2b3-arm64-0"}}

func TestDeliveredJob(t *testing.T) {
	job, err := Job(JobParams{Owner: owner, Name: "lag-007", Service: "headless-007", Probe: delivered, Pods: 4})
	require.NoError(t, err)
	requireOwned(t, owner, job)
	golden(t, "job-delivered", job)
}

// TestDeliveredDiffersInNothingElse takes what brings the probe out of a
// delivered Job again, and is left with the one whose image has it.
func TestDeliveredDiffersInNothingElse(t *testing.T) {
	params := JobParams{Owner: owner, Name: "lag-007", Service: "headless-007", Pods: 4, Args: map[string]string{"observer": "solo"}}
	make := func(p Probe) *batchv1.Job {
		params.Probe = p
		job, err := Job(params)
		require.NoError(t, err)
		return job
	}
	want, got := make(Probe{Image: "i"}), make(Probe{Image: "i", Pieces: []string{"p"}})
	spec := &got.Spec.Template.Spec
	require.True(t, Delivered(spec))
	require.False(t, Delivered(&want.Spec.Template.Spec))
	spec.Volumes = nil
	c := &spec.Containers[0]
	c.Command, c.Lifecycle, c.VolumeMounts, c.TerminationMessagePolicy = nil, nil, nil, ""
	require.Equal(t, want, got)
}

func TestDeliveredExtras(t *testing.T) {
	for _, kind := range plan.Extras {
		objs, err := Extra(kind, ExtraParams{Owner: owner, Name: "extra-007", Job: "lag-007", Service: "headless-007", Probe: delivered})
		require.NoError(t, err)
		requireOwned(t, owner, objs...)
		for _, obj := range objs {
			if _, spec := PodSpec(obj); spec != nil {
				require.True(t, Delivered(spec))
				require.NotEmpty(t, spec.Containers[0].Command)
				require.NotEmpty(t, spec.Containers[0].Args, "what it is to do is the file's")
			}
		}
	}
}

// TestDeliveredWithoutAnImage keeps the file's own base image.
func TestDeliveredWithoutAnImage(t *testing.T) {
	base, err := BaseImage()
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(base, "registry.k8s.io/"), base)
	job, err := Job(JobParams{Owner: owner, Name: "lag", Service: "headless", Probe: Probe{Pieces: []string{"p"}}, Pods: 1})
	require.NoError(t, err)
	spec := job.Spec.Template.Spec
	require.Equal(t, base, spec.Containers[0].Image)
}

// TestDeliveredPodStandsInForTheProbe: what runs first becomes the probe, and
// the hook waits for that.
func TestDeliveredPodStandsInForTheProbe(t *testing.T) {
	pod, err := one[*corev1.Pod](deliveredFile)
	require.NoError(t, err)
	c := pod.Spec.Containers[0]
	require.Equal(t, ProbeContainer, c.Name)
	require.Contains(t, c.Command[2], `exec ./probe "$@"`)
	require.Contains(t, c.Lifecycle.PostStart.Exec.Command[2], `"$(cat /proc/1/comm)" = probe`)
}

func TestPieces(t *testing.T) {
	o := Owner{Run: "r1a2b3", Namespace: "lag-test"}
	objs, err := Pieces(o, "arm64", [][]byte{[]byte("first"), []byte("second")}, strings.Repeat("ab", 32))
	require.NoError(t, err)
	requireOwned(t, o, objs...)
	golden(t, "pieces", objs...)
}

func TestPiecesRefuse(t *testing.T) {
	part := [][]byte{bytes.Repeat([]byte("x"), 3)}
	_, err := Pieces(Owner{Run: "r1", Namespace: "n"}, "mips", part, "")
	require.ErrorContains(t, err, "mips")
	require.False(t, Deliverable("mips"))
	require.True(t, Deliverable("arm64"))
	_, err = Pieces(Owner{Run: strings.Repeat("a", 60), Namespace: "n"}, "amd64", part, "")
	require.Error(t, err, "the name would be too long")
	_, err = Pieces(Owner{Namespace: "n"}, "amd64", part, "")
	require.ErrorContains(t, err, "no run id")
}
