package trial

import (
	"context"
	"fmt"
	"time"

	"headless-job-dns/internal/cluster"
	"headless-job-dns/internal/results"
)

// runPrevious runs a previous Job that does what the measured one does, to its
// end. DeleteAfterOf the arm later it deletes the Service and then the rest, and it
// returns when the measured Job has to be created for its pod 0 to start GapOf the
// arm after that end: later where pods were not gone before. It returns what was
// observed of the previous Job.
func (r *Runner) runPrevious(ctx context.Context, t *results.Trial) (*cluster.Observation, error) {
	r.step("previous Job")
	l, err := r.jobRun(t.Plan, true)
	if err != nil {
		return nil, err
	}
	run, obs, err := l.live(ctx)
	if err == nil {
		run.Ended, err = ended(run)
	}
	t.Primer = &run
	over := run.Zero.Add(time.Duration(run.Ended))
	if err == nil {
		err = sleepUntil(ctx, over.Add(r.Plan.DeleteAfterOf(t.Plan.Arm)))
	}
	if err == nil {
		// The Service first, as the original's operator and its garbage collector did.
		err = r.deleteService(ctx, t.Plan.Service)
	}
	if _, endErr := r.end(ctx, l, obs, deleteGraceful); err == nil {
		err = endErr
	}
	if err != nil {
		return obs, err
	}
	r.step("gap")
	gap, _ := r.Plan.GapOf(t.Plan.Arm)
	return obs, sleepUntil(ctx, over.Add(gap-firstStart(run)))
}

// ended returns when a run's pod 0 wrote its last line, ns after the run's zero:
// by its own clock where that is the runner's, else when the line was received,
// which is some milliseconds later.
func ended(run results.Run) (int64, error) {
	for _, p := range run.Pods {
		if p.Index != 0 || len(p.Lines) == 0 {
			continue
		}
		first, last := p.Lines[0], p.Lines[len(p.Lines)-1]
		if last.Done == nil || last.Done.Reason != "complete" || first.Start == nil {
			return 0, fmt.Errorf("pod %s/%s of the previous job did not run to its end: its log ends before all had joined",
				run.Namespace, p.Name)
		}
		if first.Start.Boot != "" && first.Start.Boot == run.Boot {
			return first.Start.Wall + last.T - run.Zero.UnixNano(), nil
		}
		return p.LogStart + last.T, nil
	}
	return 0, fmt.Errorf("pod 0 of the previous job in namespace %s has no log", run.Namespace)
}
