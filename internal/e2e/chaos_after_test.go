package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/results"
)

// observe rides out the storm and checks what it left: in the results, in the
// cluster, and in what can be done with both.
func (s *storm) observe(r *row) {
	t := s.t
	began := time.Now()
	t.Cleanup(func() { s.sweep() }) // for the next one, whatever becomes of this
	code := s.ride()
	r.took, r.strikes = time.Since(began), s.strikes
	r.exit = s.checkExit(code)
	if s.struck.IsZero() {
		r.strikes = "nothing: the run was over"
	}
	heal(t)

	before, raw := s.load()
	r.finished = len(before)
	for _, tr := range before {
		if tr.Status == results.Invalid {
			r.invalid++
		}
	}
	r.lost = s.lost(before)
	s.checkSpoiled(before)
	finished := s.finished()
	// Who is killed at the end has done all and cannot say so.
	if code != killed && finished != (code == 0 || code == 3) {
		t.Errorf("exit code %d, and the plan is finished: %v", code, finished)
	}

	r.behind = len(s.left())
	if r.behind > 0 {
		if !s.fault.leaves {
			t.Errorf("the program left %v", s.left())
		}
		out, errs, code := s.repro("clean", "--yes", "--run", s.run)
		if code != 0 {
			t.Errorf("repro clean: exit code %d\n%s%s", code, out, errs)
		}
	}
	r.resumed = s.resume(raw, finished)
	left := s.left()
	r.left = len(left)
	switch {
	case r.lost > 0:
		r.verdict = "lost"
	case r.left > 0, r.behind > 0 && !s.fault.leaves:
		r.verdict = "left behind"
	case t.Failed():
		r.verdict = "failed"
	case s.struck.IsZero():
		r.verdict = "not struck" // it says nothing of the fault
	default:
		r.verdict = "survived"
	}
	if r.lost > 0 || r.left > 0 {
		t.Errorf("%d finished trials were lost; left: %v", r.lost, left)
	}
}

// checkExit holds the exit code against what --help says, and asks for a
// sentence beside any but 0.
func (s *storm) checkExit(code int) string {
	if code == killed {
		if !s.fault.leaves {
			s.t.Error("a signal ended the program")
		}
		return "killed"
	}
	text := s.said.String()
	switch {
	case !slices.Contains([]int{0, 1, 3}, code):
		s.t.Errorf("exit code %d is none of those for a plan that was begun", code)
	case code == 1 && !strings.Contains(text, "\nrepro: "), code == 3 && !strings.Contains(text, "were invalid"):
		s.t.Errorf("exit code %d, and it does not say why", code)
	case strings.Contains(text, "goroutine "):
		s.t.Error("the program panicked")
	}
	return fmt.Sprint(code)
}

// load reads what is on disk, and the bytes of its whole lines.
func (s *storm) load() (trials []results.Trial, raw []byte) {
	t := s.t
	dir := s.folder()
	if dir == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(filepath.Join(dir, results.TrialsFile))
	if os.IsNotExist(err) {
		return nil, nil
	}
	require.NoError(t, err)
	raw = raw[:bytes.LastIndexByte(raw, '\n')+1]
	r, err := results.Load(dir)
	require.NoError(t, err)
	for tr, err := range r.Trials() {
		require.NoError(t, err)
		if tr.Status == results.Invalid && tr.Reason == "" {
			t.Errorf("%s is invalid and does not say why", tr.Plan.ID)
		}
		if v := judge.Judge(&tr); v.Status == results.Invalid && tr.Status != results.Invalid {
			t.Errorf("%s is judged invalid and was not repeated: %v", tr.Plan.ID, v.Reasons)
		}
		trials = append(trials, tr)
	}
	return trials, raw
}

// lost counts the trials that were said to be finished and are not on disk.
func (s *storm) lost(onDisk []results.Trial) int {
	n := map[string]int{}
	for _, id := range s.printed {
		n[id]++
	}
	for _, tr := range onDisk {
		n[tr.Plan.ID]--
	}
	lost := 0
	for id, missing := range n {
		if missing > 0 {
			s.t.Errorf("%s was said to be over and is not on disk", id)
			lost += missing
		}
	}
	return lost
}

// finished tells whether nothing of the plan remains.
func (s *storm) finished() bool {
	dir := s.folder()
	if dir == "" {
		return false
	}
	r, err := results.Load(dir)
	if err != nil {
		return false
	}
	tally, err := r.Tally()
	require.NoError(s.t, err)
	_, _, more := tally.Next(r.Plan)
	return !more
}

// checkSpoiled finds the trial that the fault spoiled, where it is one that
// spoils, and wants it not to count as whole. Probes that were done before were
// not struck.
func (s *storm) checkSpoiled(trials []results.Trial) {
	if !s.fault.spoils || s.struck.IsZero() {
		return
	}
	for _, tr := range trials {
		for _, p := range tr.Run.Pods {
			if s.pod != nil && p.UID != string(s.pod.UID) {
				continue
			}
			if tr.Status == results.Complete && s.struck.After(tr.Run.Zero) && s.struck.Before(doneAt(p, tr)) {
				s.t.Errorf("%s counts as whole, although pod %s was struck before its probe was done", tr.Plan.ID, p.Name)
			}
		}
	}
}

// doneAt is when a probe was done, on the clock that all of the lab shares.
func doneAt(p results.Pod, tr results.Trial) time.Time {
	if len(p.Lines) > 0 && p.Lines[0].Start != nil {
		for _, l := range p.Lines {
			if l.Done != nil {
				return time.Unix(0, p.Lines[0].Start.Wall+l.T)
			}
		}
	}
	return tr.Run.Zero.Add(time.Duration(tr.Run.Gone))
}

// repro runs the reproducer on a fine day.
func (s *storm) repro(args ...string) (stdout, stderr string, code int) {
	ctx, cancel := context.WithTimeout(context.Background(), stormPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(root(s.t), "bin", "repro"), args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Run()
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// resume completes the plan where the fault ended it, and says how that went.
// What was on disk has to be there still, to the byte.
func (s *storm) resume(raw []byte, finished bool) string {
	t, dir := s.t, s.folder()
	if dir == "" {
		return "no plan"
	}
	if _, err := os.Stat(filepath.Join(dir, results.PlanFile)); err != nil {
		return "no plan"
	}
	out, errs, code := s.repro("--resume", dir)
	said := fmt.Sprint(code)
	switch {
	case finished && code != 2:
		t.Errorf("a finished plan was extended: exit code %d\n%s%s", code, errs, out)
	case finished:
		said = "finished"
	case code != 0 && code != 3:
		t.Errorf("repro --resume: exit code %d\n%s%s", code, errs, out)
	default:
		t.Logf("repro --resume: exit code %d\n%s%s", code, errs, out)
	}
	after, _ := s.load()
	now, err := os.ReadFile(filepath.Join(dir, results.TrialsFile))
	if err != nil && len(after) > 0 || !bytes.HasPrefix(now, raw) {
		t.Errorf("trials that were on disk have changed: %v", err)
	}
	if !s.finished() {
		t.Errorf("the plan is not finished after it was resumed")
	}
	if out, errs, code := s.repro("report", dir); code != 0 {
		t.Errorf("repro report: exit code %d\n%s%s", code, errs, out)
	}
	return said
}

// left lists the objects that carry the run's label.
func (s *storm) left() []string { return leftOf(s.t, s.run) }

// sweep removes what a test that failed has left.
func (s *storm) sweep() {
	if s.t.Failed() {
		s.repro("clean", "--yes", "--run", s.run)
	}
}
