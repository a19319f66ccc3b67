package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"headless-job-dns/internal/plan"
	"headless-job-dns/manifests"
)

// TestChaos runs the reproducer on bad days: LAB_CHAOS runs with a fault each,
// at a moment that LAB_CHAOS_SEED draws. Nothing finished may be lost and
// nothing left. LAB_CHAOS_ONLY, a regular expression, chooses among the faults;
// -run TestChaos/017 repeats one run of a seed.
func TestChaos(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("LAB_CHAOS"))
	if err != nil {
		t.Skip("this test disturbs the lab for an hour; `make chaos` runs it")
	}
	onLab(t)
	seed := uint64(time.Now().UnixNano() % 1e6)
	if s := os.Getenv("LAB_CHAOS_SEED"); s != "" {
		seed, err = strconv.ParseUint(s, 10, 64)
		require.NoError(t, err)
	}
	only := regexp.MustCompile(os.Getenv("LAB_CHAOS_ONLY"))
	chosen := slices.DeleteFunc(slices.Clone(faults), func(f fault) bool { return !only.MatchString(f.name) })
	require.NotEmpty(t, chosen)
	// A primer makes a trial three times as long: one run in four has them.
	chaos(t, chosen, []plan.Names{plan.Fresh, plan.Fresh, plan.Fresh, plan.Reused}, n, seed)
}

// TestChaosShort strikes once with each of some faults of the lab's own daemons,
// always at the same moments.
func TestChaosShort(t *testing.T) {
	onLab(t)
	chosen := slices.DeleteFunc(slices.Clone(faults), func(f fault) bool { return !f.short || !f.daemons })
	require.Len(t, chosen, 3)
	chaos(t, chosen, []plan.Names{plan.Fresh}, len(chosen), 1)
}

// TestChaosShortBeside does so with faults that nobody else notices.
func TestChaosShortBeside(t *testing.T) {
	for i, f := range faults {
		if !f.short || f.daemons {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			beside(t)
			r := row{fault: f.name}
			ride(t, &r, f, []plan.Names{plan.Fresh}, 2, i)
			t.Logf("\n%s", table([]*row{&r}))
		})
	}
}

// chaos strikes n times with the faults in turn, in trials whose names are drawn
// from lives, and prints what came of it.
func chaos(t *testing.T, chosen []fault, lives []plan.Names, n int, seed uint64) {
	alone(t, kube(t))
	if slices.ContainsFunc(chosen, func(f fault) bool { return f.daemons }) {
		steady(t)
	}
	var rows []*row
	began := time.Now()
	for i := range n {
		f := chosen[i%len(chosen)]
		t.Run(fmt.Sprintf("%03d %s", i+1, f.name), func(t *testing.T) {
			alone(t, kube(t))
			r := &row{fault: f.name, verdict: "test ended"}
			rows = append(rows, r)
			ride(t, r, f, lives, seed, i)
		})
	}
	t.Logf("seed %d, %d runs in %s\n%s", seed, len(rows), time.Since(began).Round(time.Second), table(rows))
}

// ride has the fault strike in one run, and fills in what came of it.
func ride(t *testing.T, r *row, f fault, lives []plan.Names, seed uint64, i int) {
	rng := rand.New(rand.NewPCG(seed, uint64(i)))
	names := lives[rng.IntN(len(lives))]
	s := &storm{t: t, rng: rng, k: kube(t), fault: f, when: pick(rng, f.phases, names), names: names, dns: f.dns,
		run: fmt.Sprintf("chaos-%d-%d", seed, i+1), dir: t.TempDir()}
	if s.dns == "" { // with and without something cluster-wide
		s.dns = []plan.DNS{plan.ClusterDNS, plan.Uncached}[rng.IntN(2)]
	}
	r.dns, r.names, r.moment = s.dns, names, s.when.String()
	defer heal(t) // for the next one
	s.observe(r)
}

// row is what came of one run.
type row struct {
	fault, moment, strikes, exit, resumed, verdict string

	dns   plan.DNS
	names plan.Names
	// Trials: finished on disk when the runner ended, of which invalid; said to
	// be finished and not on disk, or changed afterwards.
	finished, invalid, lost int
	// Objects: that the runner left, and that were left at the very end.
	behind, left int
	took         time.Duration
}

func table(rows []*row) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\tfault\tdns\tnames\tmoment\texit\tfinished\tinvalid\tlost\tbehind\tresumed\tleft\ttook\t\twhat was struck")
	var total row
	verdicts := map[string]int{}
	for i, r := range rows {
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%s\t%d\t%.0f s\t%s\t%s\n", i+1, r.fault, r.dns, r.names, r.moment, r.exit,
			r.finished, r.invalid, r.lost, r.behind, r.resumed, r.left, r.took.Seconds(), r.verdict, r.strikes)
		total.finished += r.finished
		total.invalid += r.invalid
		total.lost += r.lost
		total.behind += r.behind
		total.left += r.left
		verdicts[r.verdict]++
	}
	fmt.Fprintf(w, "\tall\t\t\t\t\t%d\t%d\t%d\t%d\t\t%d\t\t%v\t\n", total.finished, total.invalid, total.lost, total.behind, total.left, verdicts)
	w.Flush()
	return b.String() + `
finished, invalid, lost: trials on disk when the program ended; said to be finished and not on disk.
behind: objects that the program left when it ended, for repro clean; left: what was there after all.
`
}

// alone waits until no other run uses the lab: it would be struck as well.
func alone(t *testing.T, k kubernetes.Interface) {
	t.Helper()
	const patience = time.Hour // a standard plan
	for began := time.Now(); ; time.Sleep(5 * time.Second) {
		ns, err := k.CoreV1().Namespaces().List(context.Background(), metav1.ListOptions{LabelSelector: manifests.LabelManagedBy + "=" + manifests.ManagedBy})
		require.NoError(t, err)
		if len(ns.Items) == 0 {
			return
		}
		require.Less(t, time.Since(began), patience, "namespace %s is there", ns.Items[0].Name)
	}
}

// labTakes is how long the lab has to be well again after a fault: controllers
// that lost the API server come back to it after half a minute and more.
const labTakes = 2 * time.Minute

// steady has the controllers go on through an outage of etcd. As on a cluster
// with one control plane they would give up their lease and end; there the
// kubelet would start them again.
func steady(t *testing.T) {
	both := []string{"kube-controller-manager", "kube-scheduler"}
	for _, d := range both {
		lab(t, "restart", d, "--leader-elect=false")
	}
	// The lab learns how a daemon was started when it restarts it for the first
	// time: these will be killed first.
	for _, d := range []string{"kubelet-node1", "kubelet-node2"} {
		lab(t, "restart", d)
	}
	t.Cleanup(func() {
		// Started anew they read everything at once, without the pauses that an
		// API server away has taught them; with a lease they would wait for 15 s.
		for _, d := range both {
			lab(t, "restart", d, "--leader-elect=false")
		}
		heal(t)
	})
	heal(t)
}

// heal waits until the lab is as before, and starts what ended.
func heal(t *testing.T) {
	t.Helper()
	k, ctx := kube(t), context.Background()
	deadline := time.Now().Add(labTakes)
	for {
		why := ill(t, func() (string, error) {
			if _, err := k.Discovery().ServerVersion(); err != nil {
				return "the API server does not answer", err
			}
			nodes, err := k.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
			if err != nil {
				return "nodes", err
			}
			for _, n := range nodes.Items {
				for _, c := range n.Status.Conditions {
					if c.Type == "Ready" && c.Status != "True" {
						return "node " + n.Name + " is not ready", nil
					}
				}
			}
			d, err := k.AppsV1().Deployments("kube-system").Get(ctx, "coredns", metav1.GetOptions{})
			if err != nil {
				return "coredns", err
			}
			if d.Status.ReadyReplicas < *d.Spec.Replicas {
				return fmt.Sprintf("coredns has %d of %d replicas", d.Status.ReadyReplicas, *d.Spec.Replicas), nil
			}
			return "", nil
		})
		if why == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the lab did not recover within %s: %s", labTakes, why)
		}
		time.Sleep(500 * time.Millisecond)
	}
}

var notRunning = regexp.MustCompile(`(?m), and not running: (.*)$`)

// ill says what is wrong with the lab, after starting daemons that ended.
func ill(t *testing.T, api func() (string, error)) string {
	// Its exit code is that of a lab that is not whole.
	out, _ := exec.Command(filepath.Join(root(t), "bin", "lab"), "status").CombinedOutput()
	if m := notRunning.FindStringSubmatch(string(out)); m != nil {
		for _, d := range strings.Split(m[1], ", ") {
			t.Logf("%s had ended; it is started again", d)
			lab(t, "restart", d)
		}
		return m[0]
	}
	what, err := api()
	if err != nil {
		return what + ": " + err.Error()
	}
	return what
}
