package e2e

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"headless-job-dns/manifests"
)

var update = flag.Bool("update", false, "write the log in manifests/minimal/README.md anew")

// change is a line of a pod of manifests/minimal: what is new of a peer.
type change struct {
	at   time.Duration // since the pod's start
	what string
}

// loopLog is what one pod of manifests/minimal has printed.
type loopLog struct {
	text, address, asks string
	peers               map[string][]change
}

var (
	loopLine  = regexp.MustCompile(`^ *(\d+)\.(\d\d) s  (.*)$`)
	loopIntro = regexp.MustCompile(`^I am (lag-\d), (\S+); I ask (.+)$`)
)

// parseLoop reads a pod's log, and says which of the pods it is.
func parseLoop(t *testing.T, text string) (name string, l loopLog) {
	t.Helper()
	l = loopLog{text: text, peers: make(map[string][]change)}
	for line := range strings.Lines(text) {
		m := loopLine.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		require.NotNil(t, m, line)
		at, err := time.ParseDuration(m[1] + "." + m[2] + "s")
		require.NoError(t, err)
		if intro := loopIntro.FindStringSubmatch(m[3]); intro != nil {
			name, l.address, l.asks = intro[1], intro[2], intro[3]
			continue
		}
		peer, what, found := strings.Cut(m[3], ": ")
		require.True(t, found, line)
		l.peers[peer] = append(l.peers[peer], change{at, what})
	}
	return name, l
}

// reached tells whether every pod is now connected to each other one's own
// address, and when the last one was, on its own clock.
func reached(logs map[string]loopLog) (last time.Duration, all bool) {
	for name, l := range logs {
		for peer, of := range logs {
			changes := l.peers[peer]
			if peer == name {
				continue
			}
			if len(changes) == 0 || changes[len(changes)-1].what != of.address+": connected" {
				return 0, false
			}
			last = max(last, changes[len(changes)-1].at)
		}
	}
	return last, len(logs) == 4
}

// pairs counts the pairs of pods of which one saw of the other what is given,
// and returns when each of those was connected at last.
func pairs(logs map[string]loopLog, saw func(peer, what string) bool) (joined []time.Duration) {
	for _, name := range slices.Sorted(maps.Keys(logs)) {
		for peer, changes := range logs[name].peers {
			if slices.ContainsFunc(changes, func(c change) bool { return saw(peer, c.what) }) {
				joined = append(joined, changes[len(changes)-1].at)
			}
		}
	}
	slices.Sort(joined)
	return joined
}

// TestMinimal goes through manifests/minimal/README.md with kubectl alone, as a
// user with the role `edit` in a namespace that enforces `restricted`: the
// cluster's DNS, which caches nothing, then the caching one in front of it.
func TestMinimal(t *testing.T) {
	beside(t)
	const ns = "minimal"
	k, ctx := kube(t), t.Context()
	_, err := k.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns,
		Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}}}, metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(func() {
		if err := k.CoreV1().Namespaces().Delete(context.Background(), ns, metav1.DeleteOptions{}); err != nil {
			t.Log(err)
		}
	})
	_, err = k.RbacV1().RoleBindings(ns).Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "edit"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "edit"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: somebody}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)

	// The lab has no registry: its own images stand in for the public ones.
	base, err := manifests.BaseImage()
	require.NoError(t, err)
	coredns, err := k.AppsV1().Deployments("kube-system").Get(ctx, "coredns", metav1.GetOptions{})
	require.NoError(t, err)
	folder := filepath.Join(t.TempDir(), "minimal")
	require.NoError(t, os.CopyFS(folder, os.DirFS(filepath.Join(root(t), "manifests", "minimal"))))
	standIn := func(file, public, local string) {
		public = public[:strings.LastIndexByte(public, ':')]
		tag := strings.LastIndexByte(local, ':')
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		text = fmt.Appendf(text, "images: [{ name: %q, newName: %q, newTag: %q }]\n", public, local[:tag], local[tag+1:])
		require.NoError(t, os.WriteFile(file, text, 0o600))
	}
	standIn(filepath.Join(folder, "kustomization.yaml"), base, busyboxImage)
	standIn(filepath.Join(folder, "caching-dns", "kustomization.yaml"), "registry.k8s.io/coredns/coredns:",
		coredns.Spec.Template.Spec.Containers[0].Image)

	kubectl := func(args ...string) {
		t.Helper()
		out, err := exec.CommandContext(ctx, "kubectl", append([]string{"--as", somebody, "-n", ns}, args...)...).CombinedOutput()
		require.NoError(t, err, "kubectl %v: %s", args, out)
	}
	// run applies the Job, waits until everybody is connected to everybody, and
	// returns what they said.
	run := func() (logs map[string]loopLog, last time.Duration) {
		t.Helper()
		kubectl("apply", "-k", folder)
		job, err := k.BatchV1().Jobs(ns).Get(ctx, "lag", metav1.GetOptions{})
		require.NoError(t, err)
		// The pods of the Job that was deleted just before have its name, too.
		mine := metav1.ListOptions{LabelSelector: "batch.kubernetes.io/controller-uid=" + string(job.UID)}
		all := false
		for deadline := time.Now().Add(2 * time.Minute); !all && time.Now().Before(deadline); time.Sleep(time.Second) {
			pods, err := k.CoreV1().Pods(ns).List(ctx, mine)
			require.NoError(t, err)
			logs = make(map[string]loopLog)
			for _, p := range pods.Items {
				text, err := k.CoreV1().Pods(ns).GetLogs(p.Name, &corev1.PodLogOptions{}).DoRaw(ctx)
				// A line may be half written, and there is none before the pod runs.
				if end := bytes.LastIndexByte(text, '\n'); err == nil && end > 0 {
					name, l := parseLoop(t, string(text[:end+1]))
					logs[name] = l
				}
			}
			last, all = reached(logs)
		}
		for _, name := range slices.Sorted(maps.Keys(logs)) {
			t.Logf("%s:\n%s", name, logs[name].text)
		}
		require.True(t, all, "not everybody is connected to everybody")
		return logs, last
	}

	for _, names := range []string{"new", "reused"} {
		logs, last := run()
		t.Logf("the cluster's DNS, %s names: everybody connected after %s", names, last)
		require.Less(t, last, isLate)
		for _, l := range logs {
			require.Equal(t, "the DNS of the cluster", l.asks)
		}
		kubectl("delete", "-k", folder)
	}

	kubectl("apply", "-k", filepath.Join(folder, "caching-dns"))
	kubectl("rollout", "status", "deployment/caching-dns", "--timeout=180s")
	service, err := k.CoreV1().Services(ns).Get(ctx, "caching-dns", metav1.GetOptions{})
	require.NoError(t, err)

	first, _ := run()
	for _, l := range first {
		require.Equal(t, service.Spec.ClusterIP, l.asks)
	}
	joined := pairs(first, func(_, what string) bool { return what == "NXDOMAIN" })
	t.Logf("caching DNS, new names: %d of 12 pairs were denied, and connected after %s", len(joined), joined)
	require.GreaterOrEqual(t, len(joined), 3, "whoever starts first asks for three that are not there yet")
	require.Greater(t, joined[len(joined)-1], isLate)

	kubectl("delete", "-k", folder)
	second, _ := run()
	joined = pairs(second, func(peer, what string) bool { return what == first[peer].address+": timed out" })
	t.Logf("caching DNS, reused names: %d of 12 pairs dialled the previous pod's address, and connected after %s", len(joined), joined)
	require.GreaterOrEqual(t, len(joined), 3)
	require.Greater(t, joined[len(joined)-1], isLate)

	kubectl("delete", "-k", folder)
	kubectl("delete", "-k", filepath.Join(folder, "caching-dns"))
	left, err := exec.CommandContext(ctx, "kubectl", "get", "-n", ns, "deployments,services,jobs", "-o", "name").Output()
	require.NoError(t, err)
	require.Empty(t, string(left))

	readmeLog(t, first["lag-1"].text, second["lag-1"].text)
}

// readmeLog writes the two runs of one pod into the README, or makes sure that
// somebody has done so.
func readmeLog(t *testing.T, first, second string) {
	file := filepath.Join(root(t), "manifests", "minimal", "README.md")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	head, rest, found := strings.Cut(string(text), "```text\n")
	require.True(t, found)
	log, tail, found := strings.Cut(rest, "```")
	require.True(t, found)
	if !*update {
		require.Contains(t, log, "timed out", "the README has no log: run this test with -update")
		return
	}
	log = "$ kubectl apply -k manifests/minimal\n" + first +
		"$ kubectl delete -k manifests/minimal && kubectl apply -k manifests/minimal\n" + second
	require.NoError(t, os.WriteFile(file, []byte(head+"```text\n"+log+"```"+tail), 0o644))
}
