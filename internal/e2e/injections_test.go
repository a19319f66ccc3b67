package e2e

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
)

// injection is one real cause of delay. How long it is meant to last is only
// told to the injector: what is expected comes from the witnesses.
type injection struct {
	name            string
	part            judge.Stage // where the time has to be found; empty: nowhere
	short           bool        // also in the end to end test's short form
	arm             plan.Arm
	corefile        func(string) string
	success, denial time.Duration    // for how long that keeps them
	before          func(*testing.T) // anything else
	server          func(*appsv1.Deployment)
	service         func(*corev1.Service) // the servers' one
	job             func(*batchv1.Job)
	prepare         func(*testing.T, *stand)                  // before the trial; it cleans up by t.Cleanup
	during          func(context.Context, *testing.T, *stand) // beside the trial, until it returns or the context ends
	gap             func(*testing.T, *stand)                  // between primer and measured run
}

var (
	freshArm  = plan.Arm{DNS: plan.Cache30, Names: plan.Fresh, Extra: plan.ExtraNone, Observer: record.PeersServer}
	reusedArm = plan.Arm{DNS: plan.Cache30, Names: plan.Reused, Extra: plan.ExtraNone, Observer: record.PeersServer}
)

// caching replaces the Corefile's cache: seconds for addresses and for denials,
// 0 for none of that kind. Without MINTTL CoreDNS keeps everything for 5 s at
// least.
func caching(success, denial int) func(string) string {
	var lines []string
	for _, c := range []struct {
		class   string
		seconds int
	}{{"success", success}, {"denial", denial}} {
		if c.seconds == 0 {
			lines = append(lines, fmt.Sprintf("disable %s cluster.local", c.class))
		} else {
			lines = append(lines, fmt.Sprintf("%s 9984 %d %d", c.class, c.seconds, c.seconds))
		}
	}
	return func(corefile string) string {
		return strings.Replace(corefile, "cache 30", "cache 30 {\n        "+strings.Join(lines, "\n        ")+"\n    }", 1)
	}
}

var prompt = caching(0, 0)

// hold is how long the injectors of single pods hold the pod with an index:
// not the same for all, so that pairs differ.
func hold(index int) time.Duration { return 2*time.Second + time.Duration(index)*300*time.Millisecond }

// proxyPort is beside the apiserver's on its own address, which is what its
// certificate names.
const proxyAddr, apiAddr = "198.18.96.1:7443", "198.18.96.1:6443"

var injections = []injection{
	{name: "nothing", short: true, arm: freshArm, corefile: prompt},
	{
		name: "scheduling gate", part: judge.StageSchedule, short: true, arm: freshArm, corefile: prompt,
		job: func(j *batchv1.Job) {
			j.Spec.Template.Spec.SchedulingGates = []corev1.PodSchedulingGate{{Name: "injected.test/gate"}}
		},
		during: afterwards(func(p corev1.Pod) bool { return true }, `{"spec":{"schedulingGates":null}}`),
	},
	{
		name: "init container", part: judge.StageStart, arm: freshArm, corefile: prompt,
		job: func(j *batchv1.Job) {
			spec := &j.Spec.Template.Spec
			first := *spec.Containers[0].DeepCopy()
			first.Name, first.Args, first.Env, first.Ports = "held", []string{"--exit-after=2500ms"}, nil, nil
			spec.InitContainers = []corev1.Container{first}
		},
	},
	{
		name: "readiness gate", part: judge.StageReady, short: true, arm: freshArm, corefile: prompt,
		job: func(j *batchv1.Job) {
			j.Spec.Template.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: "injected.test/gate"}}
		},
		during: afterwards(func(p corev1.Pod) bool { return p.Status.PodIP != "" }, `{"status":{"conditions":[{"type":"injected.test/gate","status":"True"}]}}`, "status"),
	},
	{
		name: "endpointslice batch period", part: judge.StageSlice, arm: freshArm, corefile: prompt,
		prepare: func(t *testing.T, s *stand) {
			lab(t, "restart", "kube-controller-manager", "--leader-elect=false", "--endpointslice-updates-batch-period=4s")
			t.Cleanup(func() { lab(t, "restart", "kube-controller-manager", "--leader-elect=false") })
			time.Sleep(5 * time.Second) // its informers fill
		},
	},
	{
		name: "apiserver held back from CoreDNS", part: judge.StageServer, arm: freshArm, corefile: prompt,
		before: func(t *testing.T) {
			background(t, "listening", "control", build(t, "./testdata/holdback"), proxyAddr, apiAddr, "2500ms")
		},
		server: func(d *appsv1.Deployment) {
			c := &d.Spec.Template.Spec.Containers[0]
			host, port, _ := strings.Cut(proxyAddr, ":")
			c.Env = append(c.Env, corev1.EnvVar{Name: "KUBERNETES_SERVICE_HOST", Value: host}, corev1.EnvVar{Name: "KUBERNETES_SERVICE_PORT", Value: port})
		},
	},
	{name: "denial TTL 7 s", part: judge.StageDenial, short: true, arm: freshArm, corefile: caching(0, 7), denial: 7 * time.Second},
	{name: "address TTL 12 s", part: judge.StageStale, arm: reusedArm, corefile: caching(12, 0), success: 12 * time.Second},
	{
		name: "packets dropped", part: judge.StageConnect, arm: freshArm, corefile: prompt,
		prepare: func(t *testing.T, s *stand) {
			lab(t, "exec", "node2", "--", "nft", "add table inet injected; add chain inet injected f { type filter hook forward priority 0; }; add rule inet injected f tcp dport 8050 drop")
			t.Cleanup(func() { lab(t, "exec", "node2", "--", "nft", "delete table inet injected") })
		},
		during: func(ctx context.Context, t *testing.T, s *stand) {
			for len(s.pods(ctx)) < injectedPods && ctx.Err() == nil {
				time.Sleep(20 * time.Millisecond)
			}
			time.Sleep(4500 * time.Millisecond)
			lab(t, "exec", "node2", "--", "nft", "flush chain inet injected f")
		},
	},
	{
		name: "one DNS replica stopped", part: judge.StageNoAnswer, arm: freshArm, corefile: prompt,
		prepare: func(t *testing.T, s *stand) {
			pids := processes(t, s.servers()[0])
			require.NotEmpty(t, pids)
			for _, pid := range pids {
				require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
			}
			t.Cleanup(func() {
				for _, pid := range pids {
					syscall.Kill(pid, syscall.SIGCONT)
				}
			})
		},
	},
	{
		name: "stale record in one replica", part: judge.StageStale, arm: reusedArm, corefile: caching(20, 0), success: 20 * time.Second,
		// Every pod asks the replica on its own node, or the next question would
		// go to the other one and end the matter.
		service: func(s *corev1.Service) { s.Spec.InternalTrafficPolicy = new(corev1.ServiceInternalTrafficPolicyLocal) },
		// A restart empties one replica's cache.
		gap: func(t *testing.T, s *stand) {
			name := s.servers()[1].Name
			for _, pid := range processes(t, s.servers()[1]) {
				require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
			}
			require.Eventually(t, func() bool {
				p, err := s.c.Kube.CoreV1().Pods(s.namespace).Get(t.Context(), name, metav1.GetOptions{})
				return err == nil && len(p.Status.ContainerStatuses) == 1 && p.Status.ContainerStatuses[0].RestartCount == 1 && p.Status.ContainerStatuses[0].Ready
			}, 15*time.Second, 50*time.Millisecond, "pod %s/%s serves again", s.namespace, name)
		},
	},
}

func index(p corev1.Pod) int {
	i := -1
	fmt.Sscan(p.Annotations[batchv1.JobCompletionIndexAnnotation], &i)
	return i
}

// afterwards patches every pod of the Job once, hold after it became due.
func afterwards(due func(corev1.Pod) bool, body string, subresource ...string) func(context.Context, *testing.T, *stand) {
	return func(ctx context.Context, t *testing.T, s *stand) {
		begun := map[types.UID]bool{}
		var wg sync.WaitGroup
		for len(begun) < injectedPods && ctx.Err() == nil {
			for _, p := range s.pods(ctx) {
				if begun[p.UID] || !due(p) {
					continue
				}
				begun[p.UID] = true
				wg.Go(func() {
					time.Sleep(hold(index(p)))
					_, err := s.c.Kube.CoreV1().Pods(p.Namespace).Patch(ctx, p.Name, types.StrategicMergePatchType, []byte(body), metav1.PatchOptions{}, subresource...)
					if err != nil && ctx.Err() == nil {
						t.Errorf("pod %s/%s: %v", p.Namespace, p.Name, err)
					}
				})
			}
			time.Sleep(20 * time.Millisecond)
		}
		wg.Wait()
	}
}
