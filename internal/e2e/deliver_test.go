package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

// busyboxImage is what `lab up` makes of Debian's busybox; the lab has no
// registry for the image that manifests/delivered-pod.yaml names.
const busyboxImage = "lab.local/busybox:debian"

// pulledImage is where registry serves the probe. A runtime takes a registry on
// its own loopback for one without TLS.
const pulledImage = "localhost:5000/probe:e2e"

// registry serves the image that `make image` has written on every node's
// loopback.
func registry(t *testing.T) {
	bin := build(t, "./testdata/registry")
	for _, node := range []string{"node1", "node2"} {
		background(t, "listening", node, bin, "127.0.0.1:5000", filepath.Join(root(t), "bin", "probe.oci"))
	}
}

// created is how far apart the processes of a run's pods were created, and how
// long after the Job the last one was.
func created(t *testing.T, run results.Run) (spread, last time.Duration) {
	t.Helper()
	var at []int64
	for _, p := range run.Pods {
		start := p.Lines[0].Start
		require.NotNil(t, start)
		require.Positive(t, start.Age, "when the process was created is known")
		at = append(at, start.Wall-start.Age)
	}
	slices.Sort(at)
	return time.Duration(at[len(at)-1] - at[0]), time.Duration(at[len(at)-1] - run.Zero.UnixNano())
}

// firstQuestion is how long the slowest pod of a run took from the creation of its
// container's process to its first question as a client.
func firstQuestion(run results.Run) (slowest time.Duration) {
	for _, p := range run.Pods {
		first := int64(-1)
		for _, l := range p.Lines {
			if a := l.Answer; a != nil && a.View == record.Client && (first < 0 || a.Asked < first) {
				first = a.Asked
			}
		}
		if first >= 0 {
			slowest = max(slowest, time.Duration(p.Lines[0].Start.Age+first))
		}
	}
	return slowest
}

// TestDeliver runs the same trials with the probe delivered in each way: the
// finding is the same. It prints how soon a container asks its first question and
// how far apart the pods start; records/delivery has the figures of a quiet
// machine.
func TestDeliver(t *testing.T) {
	beside(t)
	registry(t)
	for _, tc := range []struct {
		way  string
		args []string
	}{
		{"preloaded", nil},
		{"image", []string{"--deliver", "image", "--image", pulledImage}},
		{"configmap", []string{"--deliver", "configmap", "--base-image", busyboxImage}},
	} {
		t.Run(tc.way, func(t *testing.T) {
			t.Parallel()
			o := repro(t, append(tc.args, "--dns", "cache-30,uncached", "--names", "fresh", "--extra", "none",
				"--observer", "peers", "--pods", "4", "--connect-timeouts", "5s")...)
			require.Equal(t, 0, o.code)
			o.nothingLeft(t)

			text, err := os.ReadFile(filepath.Join(o.dir, results.EnvironmentFile))
			require.NoError(t, err)
			var env environment.Environment
			require.NoError(t, json.Unmarshal(text, &env))
			require.Equal(t, tc.way, env.Delivery.Way)
			require.NotEmpty(t, env.Program.Version)
			require.Equal(t, tc.way == "configmap", len(env.Delivery.Programs) > 0)

			trials := trialsOf(t, o.dir)
			for i, v := range verdicts(t, o.dir) {
				require.Equal(t, results.Complete, v.Status, v.Reasons)
				spread, last := created(t, trials[i].Run)
				ms, asked := time.Millisecond, firstQuestion(trials[i].Run)
				t.Logf("DELIVERY %s %s: connected %s; container created to first question at most %s; containers created within %s, the last %s after the Job",
					tc.way, v.Trial.Arm, v.Connected.Lag.Value.Round(ms), asked.Round(ms), spread.Round(ms), last.Round(ms))
				require.Positive(t, asked)
				require.Equal(t, v.Trial.Arm.DNS == plan.Uncached, v.Resolved.Lag.Value < isLate)
			}
		})
	}
}

// TestDeliverOnAnImageThatDoesNot ends early, with what to do.
func TestDeliverOnAnImageThatDoesNot(t *testing.T) {
	beside(t)
	coredns, err := kube(t).AppsV1().Deployments("kube-system").Get(t.Context(), "coredns", metav1.GetOptions{})
	require.NoError(t, err)
	for name, tc := range map[string]struct{ image, want string }{
		"there is none":   {"lab.local/none:1", "name one that has a shell and that the nodes can pull with --base-image"},
		"it has no shell": {coredns.Spec.Template.Spec.Containers[0].Image, "cannot start its container probe"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := repro(t, "--deliver", "configmap", "--base-image", tc.image, "--plan", "quick", "--dns", "cluster")
			require.Equal(t, 1, o.code)
			require.Contains(t, o.stderr, tc.want)
			o.nothingLeft(t)
		})
	}
}
