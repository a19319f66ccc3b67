package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/results"
	"headless-job-dns/manifests"
)

// A storm is one run of the reproducer during which a fault strikes.
type storm struct {
	t     *testing.T
	rng   *rand.Rand
	k     kubernetes.Interface
	fault fault
	when  moment
	names plan.Names
	dns   plan.DNS

	run, dir   string // run id; folder that results go to
	kubeconfig string // the runner's; empty: the lab's own
	cmd        *exec.Cmd
	said       *transcript
	ended      chan struct{}

	relay   *relay      // between runner and API server; nil: none
	struck  time.Time   // zero: the moment did not come
	strikes string      // what was struck
	pod     *corev1.Pod // the same, where it is a probe
	printed []string    // trials that the runner said are over
	undo    []func()
}

// phase is a part of a run, from a line that the runner prints on.
type phase string

const (
	inSetup phase = "setup"
	inTrial phase = "trial"
	atEnd   phase = "end"
)

// stormBlocks is how many trials a run has: enough to have one before the
// fault and one after it.
const stormBlocks = 4

// spans are how long the phases of an undisturbed run last in the lab, so that
// a fault comes at any moment of them.
var spans = map[phase]time.Duration{inSetup: 5 * time.Second, inTrial: 3 * time.Second, atEnd: 2 * time.Second}

// reusedSpan is how long a trial with reused names lasts: a primer, the gap and
// the measured run.
const reusedSpan = 9 * time.Second

// moment is when a fault strikes: some time after the runner said something.
type moment struct {
	phase phase
	trial int // from 1
	after time.Duration
}

func (m moment) line() string {
	switch m.phase {
	case inSetup:
		return "results go to "
	case inTrial:
		return fmt.Sprintf("t%03d ", m.trial)
	}
	return "deleting what was created"
}

func (m moment) String() string {
	where := string(m.phase)
	if m.phase == inTrial {
		where = fmt.Sprintf("t%03d", m.trial)
	}
	return fmt.Sprintf("%s+%.1fs", where, m.after.Seconds())
}

// pick draws a moment among the phases that a fault can strike in. Most of a
// run is trials, and so are most of the moments.
func pick(rng *rand.Rand, phases []phase, names plan.Names) moment {
	if len(phases) == 0 {
		phases = []phase{inSetup, inTrial, inTrial, inTrial, inTrial, inTrial, atEnd}
	}
	m := moment{phase: phases[rng.IntN(len(phases))]}
	span := spans[m.phase]
	if m.phase == inTrial && names == plan.Reused {
		span = reusedSpan
	}
	if m.phase == inTrial {
		// Not the last: the plan may be over before the moment comes.
		m.trial = 1 + rng.IntN(stormBlocks-1)
	}
	m.after = time.Duration(rng.Int64N(int64(span)))
	return m
}

// between draws a duration.
func (s *storm) between(least, most time.Duration) time.Duration {
	return least + time.Duration(s.rng.Int64N(int64(most-least)))
}

func (s *storm) namespace() string { return "lag-" + s.run }

// transcript is what a program has said so far.
type transcript struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{}
}

func newTranscript() *transcript { return &transcript{changed: make(chan struct{}, 1)} }

func (tr *transcript) Write(b []byte) (int, error) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.text.Write(b)
	select {
	case tr.changed <- struct{}{}:
	default:
	}
	return len(b), nil
}

func (tr *transcript) String() string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.text.String()
}

// waits until a line begins with what is wanted, and says whether it does.
func (tr *transcript) waits(ended <-chan struct{}, begin string) bool {
	for {
		if s := tr.String(); strings.HasPrefix(s, begin) || strings.Contains(s, "\n"+begin) {
			return true
		}
		select {
		case <-tr.changed:
		case <-ended:
			return strings.Contains(tr.String(), "\n"+begin)
		}
	}
}

// stormPatience is how long a run may take in which something goes wrong: the
// runner's own allowances for a start, an end and the deletion, and the plan.
const stormPatience = 7 * time.Minute

// arguments of the short plan. Under half a minute undisturbed.
func (s *storm) arguments() []string {
	args := []string{"--deliver", "preloaded", "--plan", "quick", "--dns", string(s.dns), "--names", string(s.names), "--extra", "none", "--observer", "peers",
		"--pods", "3", "--deadline", "12s", "--first-query-after", "1s",
		"--blocks", fmt.Sprint(max(s.fault.blocks, stormBlocks)), "--run-id", s.run, "--seed", "7"}
	return append(args, "--results", s.dir)
}

// program prepares the reproducer with the storm's kubeconfig.
func (s *storm) program(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(root(s.t), "bin", "repro"), args...)
	if s.kubeconfig != "" {
		cmd.Env = append(os.Environ(), "KUBECONFIG="+s.kubeconfig)
	}
	return cmd
}

// ride runs the reproducer and lets the fault strike at its moment.
func (s *storm) ride() (code int) {
	t := s.t
	defer s.clear()
	if s.fault.prepare != nil {
		s.fault.prepare(s)
	}
	s.said, s.ended = newTranscript(), make(chan struct{})
	s.cmd = s.program(context.Background(), s.arguments()...)
	var out bytes.Buffer
	s.cmd.Stdout, s.cmd.Stderr = &out, s.said
	require.NoError(t, s.cmd.Start())
	t.Cleanup(func() { s.cmd.Process.Kill() }) // should the test end before it does
	var exited error
	go func() {
		exited = s.cmd.Wait()
		close(s.ended)
	}()
	if s.said.waits(s.ended, s.when.line()) && s.sleep(s.when.after) {
		s.struck = time.Now()
		var err error
		switch s.strikes, err = s.fault.strike(s); {
		case err == nil:
			if s.fault.spoils { // which is done at once; a probe that was done before it was not struck
				s.struck = time.Now()
			}
		case !s.sleep(0), apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
			s.struck = time.Time{} // with the run went what was to be struck
		default:
			t.Errorf("%s could not strike: %v", s.fault.name, err)
		}
	}
	select {
	case <-s.ended:
	case <-time.After(stormPatience):
		s.cmd.Process.Signal(syscall.SIGQUIT) // it says where it hangs
		<-s.ended
		t.Errorf("the program had not ended %s after the fault", stormPatience)
	}
	s.clear()
	// What came of a trial; the line that it began says "about".
	for _, m := range regexp.MustCompile(`(?m)^(t\d+) [^:\n]+: [^a\n]`).FindAllStringSubmatch(s.said.String(), -1) {
		s.printed = append(s.printed, m[1])
	}
	t.Logf("%s\n%s%s", strings.Join(s.cmd.Args, " "), s.said, out.String())
	var exit *exec.ExitError
	if exited != nil && !errors.As(exited, &exit) {
		t.Errorf("the program could not be waited for: %v", exited)
	}
	return s.cmd.ProcessState.ExitCode()
}

// killed is what Go calls the exit code of a program that a signal ended.
const killed = -1

// sleep waits unless the runner ends.
func (s *storm) sleep(d time.Duration) bool {
	select {
	case <-s.ended:
		return false
	default:
	}
	select {
	case <-time.After(d):
		return true
	case <-s.ended:
		return false
	}
}

// clear ends what the fault began, once.
func (s *storm) clear() {
	for len(s.undo) > 0 {
		last := s.undo[len(s.undo)-1]
		s.undo = s.undo[:len(s.undo)-1]
		last()
	}
}

// running waits for a probe that runs, in any trial, and draws one of them.
func (s *storm) running() (*corev1.Pod, error) {
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); {
		pods, err := s.k.CoreV1().Pods(s.namespace()).List(context.Background(), metav1.ListOptions{LabelSelector: manifests.LabelTrial})
		if err != nil {
			return nil, err
		}
		var up []corev1.Pod
		for _, p := range pods.Items {
			trial := p.Labels[manifests.LabelTrial]
			if strings.HasPrefix(trial, "t") && p.Status.Phase == corev1.PodRunning && p.DeletionTimestamp == nil {
				up = append(up, p)
			}
		}
		if len(up) > 0 {
			s.pod = &up[s.rng.IntN(len(up))]
			return s.pod, nil
		}
		if !s.sleep(50 * time.Millisecond) {
			return nil, nil // the run is over: no probe is left to strike
		}
	}
	return nil, errors.New("no probe came to run")
}

// folder is the results folder that the run made; empty: it made none.
func (s *storm) folder() string {
	dir, err := filepath.EvalSymlinks(filepath.Join(s.dir, results.Latest))
	if err != nil {
		return ""
	}
	return dir
}

// build compiles a program for the fault.
func (s *storm) build(pkg string) string { return build(s.t, pkg) }
