// Package e2e runs the reproducer as a person would, on the lab's cluster, and
// checks what it found against what the issue is about. `make e2e` brings the
// lab up around it.
package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
	"headless-job-dns/manifests"
)

// onLab skips a test that needs the lab's cluster, which is set up around it;
// in CI it fails instead, for nothing may pass there by being absent.
func onLab(t *testing.T) {
	t.Helper()
	if os.Getenv("LAB_E2E") != "" {
		return
	}
	const why = "this test runs real Jobs on the lab's cluster; `make e2e` (root, Linux) brings it up"
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// beside is onLab for a test that disturbs nobody and mostly waits for a denial
// to expire or for the kernel to give up: it runs beside others of its kind,
// after all that want the lab for themselves. What it checks to be gone is its
// own; TestMain looks for anybody's.
func beside(t *testing.T) {
	t.Helper()
	onLab(t)
	t.Parallel()
}

// TestMain looks at the very end whether anything of ours is left.
func TestMain(m *testing.M) {
	code := m.Run()
	if os.Getenv("LAB_E2E") != "" {
		found, err := left(manifests.LabelManagedBy + "=" + manifests.ManagedBy)
		if len(found) > 0 {
			err = fmt.Errorf("left: %v", found)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "FAIL: after all tests:", err)
			code = 1
		}
	}
	os.Exit(code)
}

func root(t *testing.T) string {
	dir, err := filepath.Abs("../..")
	require.NoError(t, err)
	return dir
}

type outcome struct {
	stdout, stderr string
	code           int
	dir            string // of results
}

// command prepares the reproducer with results in a folder of the test's.
func command(t *testing.T, ctx context.Context, args ...string) (*exec.Cmd, string) {
	into := filepath.Join(t.TempDir(), "results")
	if !slices.ContainsFunc(args, func(a string) bool { return a == "--deliver" || a == "--image" }) {
		// Nodes take up to a minute to say which images they were given.
		args = append([]string{"--deliver", "preloaded"}, args...)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(root(t), "bin", "repro"), append(args, "--results", into)...)
	return cmd, filepath.Join(into, results.Latest)
}

func finish(t *testing.T, cmd *exec.Cmd, dir string, out, errs *bytes.Buffer, err error) outcome {
	o := outcome{stdout: out.String(), stderr: errs.String(), dir: dir}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		o.code = exit.ExitCode()
	} else {
		require.NoError(t, err)
	}
	t.Logf("%s\nexit %d\n%s%s", strings.Join(cmd.Args, " "), o.code, o.stderr, o.stdout)
	return o
}

func repro(t *testing.T, args ...string) outcome {
	t.Helper()
	cmd, dir := command(t, t.Context(), args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	return finish(t, cmd, dir, &out, &errs, cmd.Run())
}

// verdicts judges every trial of a results folder.
func verdicts(t *testing.T, dir string) []*judge.Verdict {
	t.Helper()
	r, err := results.Load(dir)
	require.NoError(t, err)
	var out []*judge.Verdict
	for tr, err := range r.Trials() {
		require.NoError(t, err)
		v := judge.Judge(&tr)
		t.Logf("%s: %s %v resolved %+v on server %+v notes %v", v.Trial.Arm, v.Status, v.Reasons, v.Resolved.Lag, v.OnServer.Lag, v.Notes)
		for _, w := range v.Workers {
			t.Logf("  worker %d, connect timeout %s: joined %+v, %+v", w.Index, w.Timeout, w.Joined.Lag, w.Counts)
		}
		out = append(out, v)
	}
	return out
}

func kube(t *testing.T) kubernetes.Interface {
	t.Helper()
	cfg, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	require.NoError(t, err)
	k, err := kubernetes.NewForConfig(cfg)
	require.NoError(t, err)
	return k
}

// nothingLeft checks that no object of this run is left.
func (o outcome) nothingLeft(t *testing.T) {
	t.Helper()
	r, err := results.Load(o.dir)
	require.NoError(t, err)
	require.Empty(t, leftOf(t, r.Plan.Run))
}

// leftOf names the objects of a run that are there.
func leftOf(t *testing.T, run string) []string {
	t.Helper()
	found, err := left(manifests.LabelRun + "=" + run)
	require.NoError(t, err)
	return found
}

// left names what is there with a label, of all kinds of objects that the cluster
// has and that can be deleted, whatever the program knows of.
func left(selector string) (found []string, err error) {
	cfg, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return nil, err
	}
	cfg.QPS, cfg.Burst, cfg.WarningHandler = 100, 200, rest.NoWarnings{}
	c, err := dynamic.NewForConfig(cfg)
	if err != nil {
		return nil, err
	}
	kinds, err := discovery.NewDiscoveryClientForConfigOrDie(cfg).ServerPreferredResources()
	if err != nil {
		return nil, err
	}
	for _, l := range discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"list", "delete"}}, kinds) {
		gv, err := schema.ParseGroupVersion(l.GroupVersion)
		if err != nil {
			return nil, err
		}
		for _, r := range l.APIResources {
			list, err := c.Resource(gv.WithResource(r.Name)).List(context.Background(), metav1.ListOptions{LabelSelector: selector})
			if apierrors.IsMethodNotSupported(err) || apierrors.IsNotFound(err) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("list %s: %w", r.Name, err)
			}
			for _, o := range list.Items {
				found = append(found, r.Name+" "+o.GetNamespace()+"/"+o.GetName())
			}
		}
	}
	return found, nil
}

// TestReusedNames is the second half: names of a run that ended just before.
// Where addresses are cached, a client dials the previous leader's; without a
// connect timeout it waits until the kernel gives up.
func TestReusedNames(t *testing.T) {
	beside(t)
	o := repro(t, "--dns", "cache-30,uncached", "--extra", "none", "--names", "reused")
	require.Equal(t, 0, o.code)
	o.nothingLeft(t)
	for _, v := range verdicts(t, o.dir) {
		require.NotEqual(t, results.Invalid, v.Status, v.Reasons)
		require.NotNil(t, v.Gap)
		for _, w := range v.Workers {
			require.True(t, w.Joined.Lag.Known())
			switch {
			case v.Trial.Arm.DNS == plan.Uncached:
				require.False(t, w.Joined.Lag.Censored)
				require.Less(t, w.Joined.Lag.Value, isLate)
			case w.Timeout == 0:
				require.Greater(t, w.Joined.Lag.Value, 120*time.Second)
				require.False(t, w.Joined.Lag.Censored, "followed to the end")
			case w.Timeout == time.Second:
				require.Less(t, w.Joined.Lag.Value, 60*time.Second, "30 s of a cache, not 130 s of the kernel")
				require.False(t, w.Joined.Lag.Censored)
			}
		}
		if v.Trial.Arm.DNS == plan.Uncached {
			require.Zero(t, v.Counts.StaleAnswers())
		} else {
			require.Positive(t, v.Counts.StaleAnswers())
		}
	}
}

// TestEveryExtra runs each extra once.
func TestEveryExtra(t *testing.T) {
	beside(t)
	o := repro(t, "--plan", "extras", "--dns", "uncached", "--pods", "3")
	require.Equal(t, 0, o.code)
	o.nothingLeft(t)
	extras := map[plan.Extra]bool{}
	for _, v := range verdicts(t, o.dir) {
		require.Equal(t, results.Complete, v.Status, v.Reasons)
		extras[v.Trial.Arm.Extra] = true
	}
	require.Len(t, extras, len(plan.Extras))
}

// TestOwnNamespace uses a namespace that is there, creates anew without
// waiting as the original script did, and leaves the namespace as it was.
func TestOwnNamespace(t *testing.T) {
	beside(t)
	k, ctx := kube(t), context.Background()
	const ns = "somebodys"
	_, err := k.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}, metav1.CreateOptions{})
	require.NoError(t, err)
	defer k.CoreV1().Namespaces().Delete(ctx, ns, metav1.DeleteOptions{})
	_, err = k.CoreV1().ConfigMaps(ns).Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "theirs"}}, metav1.CreateOptions{})
	require.NoError(t, err)
	o := repro(t, "-n", ns, "--dns", "uncached", "--names", "reused", "--gap", "no-wait", "--extra", "member-pod,service-pod", "--pods", "3")
	require.Equal(t, 0, o.code)
	o.nothingLeft(t)
	for _, v := range verdicts(t, o.dir) {
		require.Equal(t, results.Complete, v.Status, v.Reasons)
		require.NotNil(t, v.Gap)
	}
	_, err = k.CoreV1().ConfigMaps(ns).Get(ctx, "theirs", metav1.GetOptions{})
	require.NoError(t, err)
}

// TestManifestsAlone uses kubectl and nothing else, as a maintainer would: the
// manifests as they are, then with the private DNS by the very commands of
// manifests/README.md.
func TestManifestsAlone(t *testing.T) {
	beside(t)
	const ns = "manifests-alone"
	dir := filepath.Join(root(t), "manifests")
	sh := func(script string) string {
		cmd := exec.Command("bash", "-euo", "pipefail", "-c", script)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s: %s", script, out)
		return string(out)
	}
	sh("kubectl create namespace " + ns + " && kubectl label namespace " + ns + " pod-security.kubernetes.io/enforce=restricted")
	defer sh("kubectl delete clusterrole,clusterrolebinding headless-job-dns:private-dns && kubectl delete namespace " + ns)
	// lines are what the pods of the Job that is there have written; those of one
	// that was deleted a moment ago have its name, too.
	lines := func() (all []record.Line) {
		text := sh("kubectl logs -n " + ns + " --tail=-1 -l batch.kubernetes.io/controller-uid=" +
			"$(kubectl get job -n " + ns + " lag -o jsonpath={.metadata.uid}) 2>&1 || true")
		_, _ = record.Read(strings.NewReader(text), func(l record.Line) { all = append(all, l) })
		return all
	}
	// resolved is when a pod had every name, in the pod for which that took
	// longest: since that pod began, and since the last pod began.
	resolved := func() (longest, sinceLast time.Duration) {
		var began, last, had int64
		require.Eventually(t, func() bool {
			complete := 0
			for _, l := range lines() {
				switch {
				case l.Start != nil:
					began = l.Start.Wall
					last = max(last, began)
				case l.Answer != nil && l.Answer.Class == record.Address:
					longest, had = max(longest, time.Duration(l.T)), max(had, began+l.T)
				case l.Done != nil && l.Done.Reason == "complete":
					complete++
				}
			}
			return complete == 4
		}, 2*time.Minute, time.Second)
		return longest, time.Duration(had - last)
	}
	sh("kubectl apply -n " + ns + " -f service.yaml -f job.yaml")
	longest, sinceLast := resolved()
	t.Logf("the cluster's DNS: %s, %s after the last pod began", longest, sinceLast)
	require.Less(t, sinceLast, isLate, "the lab's DNS caches nothing of the cluster domain")
	sh("kubectl delete -n " + ns + " --wait -f job.yaml -f service.yaml")

	// The lab has no registry: its own CoreDNS image stands in for the public one.
	image := sh("kubectl get deployment -n kube-system coredns -o jsonpath={.spec.template.spec.containers[0].image}")
	copied := t.TempDir()
	require.NoError(t, os.CopyFS(copied, os.DirFS(dir)))
	dir = copied
	sh("sed -i 's#image: registry.k8s.io/coredns.*#image: " + image + "#' kinds/dns/shared-coredns.yaml")
	readme, err := os.ReadFile(filepath.Join(dir, "README.md"))
	require.NoError(t, err)
	_, commands, found := strings.Cut(string(readme), "With a DNS of your own")
	require.True(t, found)
	_, commands, found = strings.Cut(commands, "\n\n")
	require.True(t, found)
	commands, _, _ = strings.Cut(commands, "\n\n")
	commands = strings.ReplaceAll(commands, "NS=default  #", "NS="+ns+" #")
	// A person waits for the DNS before going on.
	commands = strings.Replace(commands, "    IP=$(", "kubectl rollout status -n $NS deployment/private-dns --timeout=180s\n    IP=$(", 1)
	// A pod is told at once by a replica that was not asked before the record was
	// there: the names come when each of the two replicas denies all four.
	require.Contains(t, commands, "-f service.yaml -f -")
	commands = strings.Replace(commands, "-f service.yaml -f -", "-f -", 1)
	t.Log(sh(commands))
	denials := regexp.MustCompile(`(?m)^coredns_cache_entries\{.*type="denial".*\} (\d+)`)
	require.Eventually(t, func() bool {
		replicas := strings.Fields(sh("kubectl get pods -n " + ns + " -l app=private-dns -o jsonpath='{.items[*].metadata.name}'"))
		for _, r := range replicas {
			m := denials.FindStringSubmatch(sh("kubectl get --raw /api/v1/namespaces/" + ns + "/pods/" + r + ":9153/proxy/metrics 2>&1 || true"))
			if m == nil || len(m[1]) == 1 && m[1] < "4" {
				return false
			}
		}
		return len(replicas) == 2
	}, 2*time.Minute, time.Second)
	sh("kubectl apply -n " + ns + " -f service.yaml")
	longest, sinceLast = resolved()
	t.Logf("as kubeadm up to 1.31 configures it: %s, %s after the last pod began", longest, sinceLast)
	require.Greater(t, longest, isLate)
}
