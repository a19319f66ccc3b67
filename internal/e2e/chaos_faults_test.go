package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"headless-job-dns/internal/plan"
)

// fault is something that goes wrong, done to the real process or object.
type fault struct {
	name    string
	phases  []phase                      // that it can strike in; nil: any
	dns     plan.DNS                     // that it needs; empty: any
	blocks  int                          // that the plan has to have, at least
	daemons bool                         // it strikes the lab's own
	prepare func(*storm)                 // before the runner starts
	strike  func(*storm) (string, error) // at the moment; what was struck
	leaves  bool                         // the runner cannot delete what it created
	spoils  bool                         // no trial is whole during which it strikes
	short   bool                         // in the short form as well
}

var trialsOnly = []phase{inTrial}

// faults are struck in turn.
var faults = []fault{
	{name: "API server restarted", daemons: true, short: true, strike: func(s *storm) (string, error) {
		return "", s.lab("restart", "kube-apiserver")
	}},
	{name: "API server silent", daemons: true, strike: func(s *storm) (string, error) {
		return s.silence("kube-apiserver", s.between(5*time.Second, 25*time.Second))
	}},
	{name: "etcd stopped 10 s", daemons: true, short: true, strike: func(s *storm) (string, error) {
		return s.silence("etcd", 10*time.Second)
	}},
	{name: "watch history compacted", daemons: true, strike: compact},
	{name: "kubelet killed", daemons: true, short: true, strike: killKubelet},
	{name: "node cut off", strike: cutNode},
	{name: "probe killed", phases: trialsOnly, spoils: true, strike: killProbe},
	{name: "pod deleted", phases: trialsOnly, spoils: true, strike: deletePod},
	{name: "pod evicted", phases: trialsOnly, spoils: true, short: true, strike: evictPod},
	{name: "namespace deleted", strike: deleteNamespace},
	{name: "DNS replicas restarted", phases: trialsOnly, spoils: true, dns: plan.Uncached, strike: restartDNS},
	{name: "DNS replica stopped", phases: trialsOnly, dns: plan.Uncached, strike: stopDNS},
	{name: "DNS answers SERVFAIL", phases: trialsOnly, dns: plan.Uncached, strike: badDNS("servfail")},
	{name: "DNS answers truncated", phases: trialsOnly, dns: plan.Uncached, strike: badDNS("truncated")},
	{name: "DNS sends garbage", phases: trialsOnly, short: true, dns: plan.Uncached, strike: badDNS("garbage")},
	{name: "DNS answers with wrong id", phases: trialsOnly, dns: plan.Uncached, strike: badDNS("wrong-id")},
	{name: "DNS answers after 3 s", phases: trialsOnly, dns: plan.Uncached, strike: badDNS("late")},
	// The API server keeps a token's word for 10 s: the plan has to go on longer.
	{name: "credentials expired", blocks: 6, phases: trialsOnly, leaves: true, prepare: asServiceAccount, strike: expire},
	{name: "log cut within a line", phases: trialsOnly, short: true, prepare: throughRelay, strike: cutLogs},
	{name: "every connection cut", prepare: throughRelay, strike: cutConnections},
	{name: "disk full", short: true, prepare: onSmallDisk, strike: fillDisk},
	{name: "runner killed, setup", phases: []phase{inSetup}, leaves: true, strike: killRunner},
	{name: "runner killed, trial", phases: trialsOnly, short: true, leaves: true, strike: killRunner},
	{name: "runner killed, end", phases: []phase{atEnd}, leaves: true, strike: killRunner},
}

// lab runs the lab's program.
func (s *storm) lab(args ...string) error {
	out, err := exec.Command(filepath.Join(root(s.t), "bin", "lab"), args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("lab %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// atLast has something undone when the run is over, whatever becomes of it.
func (s *storm) atLast(what string, undo func() error) {
	s.undo = append(s.undo, func() {
		if err := undo(); err != nil {
			s.t.Errorf("%s: %v", what, err)
		}
	})
}

// silence has a daemon take what it is sent and answer nothing for a while.
func (s *storm) silence(daemon string, pause time.Duration) (string, error) {
	what := fmt.Sprintf("for %.1f s", pause.Seconds())
	if err := s.lab("signal", daemon, "STOP"); err != nil {
		return what, err
	}
	time.Sleep(pause)
	return what, s.lab("signal", daemon, "CONT")
}

// compact has etcd forget what happened before now, and the API server its own
// memory of that: whoever watches from an earlier revision is told 410 Gone.
func compact(s *storm) (string, error) {
	pki := filepath.Join(labState(), "pki")
	ask := func(method, body string) ([]byte, error) {
		cmd := exec.Command(filepath.Join(root(s.t), "bin", "lab"), "exec", "control", "--", "curl", "--silent", "--show-error", "--fail-with-body",
			"--cacert", filepath.Join(pki, "ca.crt"), "--cert", filepath.Join(pki, "apiserver-etcd.crt"), "--key", filepath.Join(pki, "apiserver-etcd.key"),
			"--data", body, "https://127.0.0.1:2379/v3/kv/"+method)
		out, err := cmd.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("etcd %s: %w: %s", method, err, out)
		}
		return out, err
	}
	b, err := ask("range", `{"key":"YQ=="}`)
	if err != nil {
		return "", err
	}
	var answer struct {
		Header struct {
			Revision string `json:"revision"`
		} `json:"header"`
	}
	if err := json.Unmarshal(b, &answer); err != nil {
		return "", fmt.Errorf("etcd: %w: %s", err, b)
	}
	if _, err := ask("compaction", `{"revision":"`+answer.Header.Revision+`","physical":true}`); err != nil {
		return "", err
	}
	return "before " + answer.Header.Revision, s.lab("restart", "kube-apiserver")
}

func (s *storm) node() string { return fmt.Sprintf("node%d", 1+s.rng.IntN(2)) }

func killKubelet(s *storm) (string, error) {
	kubelet, pause := "kubelet-"+s.node(), s.between(0, 6*time.Second)
	what := fmt.Sprintf("%s, for %.1f s", kubelet, pause.Seconds())
	if err := s.lab("signal", kubelet, "KILL"); err != nil {
		return what, err
	}
	time.Sleep(pause)
	return what, s.lab("restart", kubelet)
}

// cutNode takes the node's end of the bridge down: no frame passes, and the
// node's own routes stay.
func cutNode(s *storm) (string, error) {
	node, pause := s.node(), s.between(3*time.Second, 12*time.Second)
	what := fmt.Sprintf("%s, for %.1f s", node, pause.Seconds())
	if err := s.lab("exec", "control", "--", "ip", "link", "set", node, "down"); err != nil {
		return what, err
	}
	s.atLast("node "+node, func() error { return s.lab("exec", "control", "--", "ip", "link", "set", node, "up") })
	time.Sleep(pause)
	s.clear()
	return what, nil
}

func killProbe(s *storm) (string, error) {
	p, err := s.running()
	if err != nil || p == nil {
		return "", err
	}
	for _, pid := range processes(s.t, *p) {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	return p.Name, nil
}

func deletePod(s *storm) (string, error) {
	p, err := s.running()
	if err != nil || p == nil {
		return "", err
	}
	return p.Name, late(s.k.CoreV1().Pods(p.Namespace).Delete(context.Background(), p.Name, metav1.DeleteOptions{}))
}

func evictPod(s *storm) (string, error) {
	p, err := s.running()
	if err != nil || p == nil {
		return "", err
	}
	return p.Name, late(s.k.PolicyV1().Evictions(p.Namespace).Evict(context.Background(),
		&policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: p.Name, Namespace: p.Namespace}}))
}

func deleteNamespace(s *storm) (string, error) {
	return s.namespace(), late(s.k.CoreV1().Namespaces().Delete(context.Background(), s.namespace(), metav1.DeleteOptions{}))
}

// late forgives a fault that its object was gone already.
func late(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// asServiceAccount has the runner be a ServiceAccount with every right.
func asServiceAccount(s *storm) {
	s.kubeconfig = tokenKubeconfig(s)
}

// expire takes the account away: the API server then refuses its token. The
// runner's watches go on.
func expire(s *storm) (string, error) {
	return "", s.k.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Delete(context.Background(), accountName(s), metav1.DeleteOptions{})
}

// diskSize is room for some trials; what is left of it is filled.
const diskSize = "4m"

// onSmallDisk has the results on a disk of their own.
func onSmallDisk(s *storm) {
	t := s.t
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+diskSize, "chaos", s.dir).CombinedOutput(); err != nil {
		t.Fatalf("mount: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", s.dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
}

func fillDisk(s *storm) (string, error) {
	filler := filepath.Join(s.dir, "filler")
	s.atLast(filler, func() error { return os.Remove(filler) })
	f, err := os.Create(filler)
	if err != nil {
		return "", err
	}
	defer f.Close()
	n, err := io.Copy(f, endless{})
	if !errors.Is(err, syscall.ENOSPC) {
		return "", fmt.Errorf("the disk took %d bytes: %v", n, err)
	}
	return fmt.Sprintf("%d bytes", n), nil
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return copy(b, bytes.Repeat([]byte{'x'}, len(b))), nil }

func killRunner(s *storm) (string, error) {
	err := s.cmd.Process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	return "", err
}

// servers are the pods of the run's private DNS.
func (s *storm) servers() ([]corev1.Pod, error) {
	pods, err := s.k.CoreV1().Pods(s.namespace()).List(context.Background(), metav1.ListOptions{LabelSelector: "app=" + dnsName(s.dns)})
	if err != nil {
		return nil, err
	}
	if len(pods.Items) == 0 {
		return nil, fmt.Errorf("namespace %s has no DNS", s.namespace())
	}
	return pods.Items, nil
}

func dnsName(d plan.DNS) string { return "dns-" + strings.ReplaceAll(string(d), ".", "-") }

func restartDNS(s *storm) (string, error) {
	pods, err := s.servers()
	if err != nil {
		return "", err
	}
	for _, p := range pods {
		for _, pid := range processes(s.t, p) {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	return fmt.Sprint(len(pods), " of them"), nil
}

func stopDNS(s *storm) (string, error) {
	pods, err := s.servers()
	if err != nil {
		return "", err
	}
	p, pause := pods[s.rng.IntN(len(pods))], s.between(4*time.Second, 10*time.Second)
	pids := processes(s.t, p)
	for _, pid := range pids {
		syscall.Kill(pid, syscall.SIGSTOP)
	}
	s.atLast(p.Name, func() error {
		for _, pid := range pids {
			syscall.Kill(pid, syscall.SIGCONT)
		}
		return nil
	})
	s.sleep(pause)
	s.clear()
	return fmt.Sprintf("%s, for %.1f s", p.Name, pause.Seconds()), nil
}
