package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"

	"headless-job-dns/internal/cluster"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/privatedns"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
	"headless-job-dns/internal/trial"
	"headless-job-dns/manifests"
)

// A cause of delay is injected into one trial on the lab, for real; what the
// judge attributes is compared with what the components' own logs say happened.

// stand is what one injection works with: a private DNS that logs every
// question, a namespace, a runner.
type stand struct {
	t         *testing.T
	c         *cluster.Client
	w         *cluster.Watcher
	namespace string
	run       string
	dns       string // name of the private DNS' Deployment
	resolver  trial.Resolver
	trial     plan.Trial
}

// labState is where the lab keeps its logs.
func labState() string { return filepath.Dir(os.Getenv("KUBECONFIG")) }

// lab runs the lab's program.
func lab(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.Command(filepath.Join(root(t), "bin", "lab"), args...).CombinedOutput()
	require.NoError(t, err, "lab %s: %s", strings.Join(args, " "), out)
}

// newStand brings up a private CoreDNS with the cache-30 Corefile, altered.
func newStand(t *testing.T, name string, in injection) *stand {
	t.Helper()
	ctx := t.Context()
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(clientcmd.NewDefaultClientConfigLoadingRules(), nil)
	c, _, err := cluster.Connect(ctx, loader)
	require.NoError(t, err)
	s := &stand{t: t, c: c, run: "inj-" + name, namespace: "lag-inj-" + name}
	owner := manifests.Owner{Run: s.run, Namespace: s.namespace}
	ns, err := manifests.Namespace(owner)
	require.NoError(t, err)
	require.NoError(t, c.Create(ctx, ns))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		scope := cluster.Scope{Run: s.run, Namespace: s.namespace, ClusterWide: true}
		found, err := c.Leftovers(ctx, scope)
		require.NoError(t, err)
		left, err := c.Sweep(ctx, found, time.Minute)
		require.NoError(t, err)
		require.Empty(t, left)
	})
	s.w, err = c.Watch(ctx, s.namespace, s.run)
	require.NoError(t, err)
	t.Cleanup(s.w.Stop)

	coredns, err := kube(t).AppsV1().Deployments("kube-system").Get(ctx, "coredns", metav1.GetOptions{})
	require.NoError(t, err)
	objs, err := privatedns.Objects(plan.Cache30, privatedns.Params{Owner: owner, Image: coredns.Spec.Template.Spec.Containers[0].Image, Domain: manifests.DefaultDomain})
	require.NoError(t, err)
	var dns metav1.Object
	for _, o := range objs {
		switch o := o.(type) {
		case *corev1.ConfigMap:
			text := strings.Replace(o.Data["Corefile"], "errors", "errors\n    log", 1)
			if in.corefile != nil {
				text = in.corefile(text)
			}
			o.Data["Corefile"] = text
		case *appsv1.Deployment:
			s.dns, dns = o.Name, o
			if in.server != nil {
				in.server(o)
			}
		case *corev1.Service:
			if in.service != nil {
				in.service(o)
			}
		}
		require.NoError(t, c.Create(ctx, o))
	}
	require.NoError(t, c.WaitAvailable(ctx, dns, time.Minute, func() string { return "" }))
	svc, err := c.Kube.CoreV1().Services(s.namespace).Get(ctx, s.dns, metav1.GetOptions{})
	require.NoError(t, err)
	s.resolver.PodDNS = manifests.ClusterFirst(svc.Spec.ClusterIP, s.namespace, manifests.DefaultDomain)
	for _, p := range s.servers() {
		s.resolver.Replicas = append(s.resolver.Replicas, fmt.Sprintf("%s:%d", p.Status.PodIP, manifests.PrivateDNSPort))
	}
	require.Len(t, s.resolver.Replicas, 2)
	time.Sleep(2 * time.Second) // kube-proxy follows
	return s
}

// servers are the pods of the private DNS.
func (s *stand) servers() []corev1.Pod {
	pods, err := s.c.Kube.CoreV1().Pods(s.namespace).List(context.Background(), metav1.ListOptions{LabelSelector: "app=" + s.dns})
	require.NoError(s.t, err)
	return pods.Items
}

// pods are those of the measured Job, by name.
func (s *stand) pods(ctx context.Context) []corev1.Pod {
	pods, err := s.c.Kube.CoreV1().Pods(s.namespace).List(ctx, metav1.ListOptions{LabelSelector: "job-name=" + s.trial.Job})
	if err != nil {
		return nil // the trial is over
	}
	return pods.Items
}

// injectedPods suffice for pairs on one node and across nodes.
const injectedPods = 4

// measure runs one trial while the injector works, and returns it with its
// witnesses.
func (s *stand) measure(arm plan.Arm, deadline time.Duration, alter func([]manifests.Object), step func(string)) (results.Trial, *witnesses) {
	s.t.Helper()
	settings := plan.Defaults()
	settings.Pods = injectedPods
	settings.Interval = plan.Duration(record.Interval(settings.Pods, settings.Peers, settings.QPS))
	s.trial = plan.Trial{ID: "t001", Seq: 1, Block: 1, Arm: arm, Job: "lag-" + s.run, Service: "svc-" + s.run, Deadline: plan.Duration(deadline)}
	p := plan.Plan{V: plan.PlanVersion, Run: s.run, Name: "injection", Blocks: 1, Arms: []plan.Arm{arm}, Settings: settings, Trials: []plan.Trial{s.trial}}
	r := &trial.Runner{Client: s.c, Watcher: s.w, Plan: p, Namespace: s.namespace,
		Resolvers: map[plan.DNS]trial.Resolver{arm.DNS: s.resolver}, Alter: alter}
	captures := capture(s.t)
	spoke := map[string]time.Time{}
	r.Step = func(what string) {
		if what == "deleting" {
			spoke = s.spoke()
		}
		step(what)
	}
	t, err := r.Run(s.t.Context(), s.trial)
	require.NoError(s.t, err)
	require.NotEqual(s.t, results.Invalid, t.Status, t.Reason)
	return t, s.witnesses(t, spoke, captures)
}

// spoke is when the container runtime received each probe's first line, which
// it writes when it begins.
func (s *stand) spoke() map[string]time.Time {
	out := map[string]time.Time{}
	ctx := context.Background()
	for _, p := range s.pods(ctx) {
		first := int64(1) << 10 // the stamp; the line itself may be cut
		b, err := s.c.Kube.CoreV1().Pods(p.Namespace).GetLogs(p.Name, &corev1.PodLogOptions{Container: "probe", Timestamps: true, LimitBytes: &first}).DoRaw(ctx)
		require.NoError(s.t, err)
		stamp, _, _ := strings.Cut(string(b), " ")
		at, err := time.Parse(time.RFC3339Nano, stamp)
		require.NoError(s.t, err)
		out[p.Name] = at
	}
	return out
}

// witnesses are what the components wrote down about a trial.
type witnesses struct {
	*jobAccount
	questions map[string][]dnsQuestion // by life of a server: its cache dies with it
	packets   []packet                 // that begin and end connections
}

// captureEnv tells this test program to capture packets (capture_linux_test.go).
const captureEnv = "CAPTURE_PACKETS"

// capture starts to watch for connections and DNS messages on each node. The
// function that it returns ends that and gives what was seen.
func capture(t *testing.T) func() []packet {
	t.Helper()
	bin, err := os.Executable()
	require.NoError(t, err)
	var stops []func() []packet
	for _, node := range []string{"node1", "node2"} {
		out := background(t, "capturing", node, "env", captureEnv+"=1", bin)
		stops = append(stops, func() []packet {
			p, err := readPackets(strings.NewReader(out()))
			require.NoError(t, err)
			return p
		})
	}
	return func() (all []packet) {
		for _, stop := range stops {
			all = append(all, stop()...)
		}
		return all
	}
}

// build compiles a program for the test.
func build(t *testing.T, pkg string) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), filepath.Base(pkg))
	cmd := exec.Command("go", "build", "-trimpath", "-o", bin, pkg) // as the probe is: what that needs is compiled
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return bin
}

// background runs a program on a node of the lab, or on control, until the
// returned function is called, which gives its output. It returns when the
// program has said ready on its stderr. The program ends with its stdin, and so
// with the test, whatever ends that.
func background(t *testing.T, ready, node string, argv ...string) func() string {
	t.Helper()
	const untilEOF = `"$@" & cat >/dev/null; kill -KILL $!`
	cmd := exec.Command(filepath.Join(root(t), "bin", "lab"), append([]string{"exec", node, "--", "sh", "-c", untilEOF, "sh"}, argv...)...)
	var out strings.Builder
	cmd.Stdout = &out
	errs, err := cmd.StderrPipe()
	require.NoError(t, err)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	stop := func() string {
		in.Close()
		cmd.Wait()
		return out.String()
	}
	t.Cleanup(func() { stop() })
	sc := bufio.NewScanner(errs)
	for sc.Scan() {
		if strings.Contains(sc.Text(), ready) {
			go io.Copy(io.Discard, errs)
			return stop
		}
	}
	t.Fatalf("%s ended before it said %q", strings.Join(argv, " "), ready)
	return nil
}

// witnesses collects the logs about a trial.
func (s *stand) witnesses(t results.Trial, spoke map[string]time.Time, packets func() []packet) *witnesses {
	s.t.Helper()
	ctx := context.Background()
	w := &witnesses{questions: map[string][]dnsQuestion{}, packets: packets()}
	audit, err := os.Open(filepath.Join(labState(), "logs", "audit.log"))
	require.NoError(s.t, err, "the lab has to be up with --audit")
	defer audit.Close()
	w.jobAccount, err = readAudit(audit, s.namespace, t.Plan.Job, t.Run.Zero)
	require.NoError(s.t, err)
	for _, node := range []string{"node1", "node2"} {
		f, err := os.Open(filepath.Join(labState(), "logs", "containerd-"+node+".log"))
		require.NoError(s.t, err)
		require.NoError(s.t, w.AddContainers(f))
		f.Close()
	}
	for _, p := range s.servers() {
		for _, previous := range []bool{true, false} {
			stream, err := s.c.Kube.CoreV1().Pods(s.namespace).GetLogs(p.Name, &corev1.PodLogOptions{Timestamps: true, Previous: previous}).Stream(ctx)
			if previous && err != nil {
				continue // it never restarted
			}
			require.NoError(s.t, err)
			q, err := readQuestions(stream)
			stream.Close()
			require.NoError(s.t, err)
			stampQuestions(q, w.packets)
			w.questions[fmt.Sprintf("%s, previous: %t", p.Status.PodIP, previous)] = q
		}
	}
	// The DNS messages have stamped the questions, which is all they are for.
	w.packets = slices.DeleteFunc(w.packets, func(p packet) bool { return p.DNS })
	require.Len(s.t, w.Pods, injectedPods)
	for i, p := range w.Pods {
		require.Contains(s.t, spoke, p.Name)
		p.Started = w.began(p, spoke[p.Name])
		w.Pods[i] = p
	}
	return w
}

// began is when a pod's process began, given when containerd started it and
// received its first line. containerd is done when the program has been exec'ed;
// on a busy machine it is a while until its first instruction, and from the first
// line until containerd reads it, when the process may have asked already.
func (w *witnesses) began(p podAccount, spoke time.Time) window {
	if !p.Started.Known() {
		return window{}
	}
	out := window{From: p.Started.To, To: spoke}
	for _, questions := range w.questions {
		for _, q := range questions {
			if q.Asker == p.IP && q.Asked.After(p.Created.From) {
				out.To = earlier(out.To, q.Asked)
			}
		}
	}
	if out.To.Before(out.From) {
		out.From = p.Started.From // containerd was late to say that it was done
	}
	return out
}

func TestTruthOfABegin(t *testing.T) {
	p := podAccount{IP: "10.0.0.1", Created: within(0, 10), Started: within(300, 500)}
	for name, c := range map[string]struct {
		asked, spoke float64
		want         window
	}{
		"from the end of the exec until its first line":    {520, 510, within(500, 510)},
		"the line was read late: until it asked":           {520, 900, within(500, 520)},
		"the end of the exec was reported late":            {450, 900, within(300, 450)},
		"what another pod of that address asked, long ago": {-50, 510, within(500, 510)},
	} {
		w := witnesses{questions: map[string][]dnsQuestion{"server": {
			{Asked: at(320), At: at(320), Asker: "10.0.0.2"}, {Asked: at(c.asked), At: at(c.asked + 1), Asker: "10.0.0.1"}}}}
		require.Equal(t, c.want, w.began(p, at(c.spoke)), name)
	}
	w := witnesses{}
	require.False(t, w.began(podAccount{}, at(510)).Known(), "containerd's log says nothing")
}

// processes finds the processes of a pod by its cgroup, the pause aside.
func processes(t *testing.T, pod corev1.Pod) []int {
	t.Helper()
	var out []int
	entries, err := os.ReadDir("/proc")
	require.NoError(t, err)
	for _, e := range entries {
		var pid int
		if _, err := fmt.Sscan(e.Name(), &pid); err != nil {
			continue
		}
		groups, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cgroup"))
		comm, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "comm"))
		if strings.Contains(string(groups), "pod"+string(pod.UID)) && strings.TrimSpace(string(comm)) != "pause" {
			out = append(out, pid)
		}
	}
	return out
}
