package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/results"
	"headless-job-dns/manifests"
)

// takeUp takes the plan of an interrupted run, and the right to add to its
// folder. No plan flag may be given: they would change the plan.
func (o *options) takeUp(given []string) (err error) {
	if len(given) > 0 {
		return plan.Inputf("--%s does not go with --resume, which completes a plan as it was made; accepted: --kubeconfig, "+
			"--context, --image and the like", given[0])
	}
	if o.folder, err = results.Resume(o.resume); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, o.folder.Close())
		}
	}()
	r, err := results.Load(o.resume)
	if err != nil {
		return err
	}
	if err := plan.Check(r.Plan); err != nil {
		return plan.Inputf("%s: %w", filepath.Join(o.resume, results.PlanFile), err)
	}
	if o.done, err = r.Tally(); err != nil {
		return err
	}
	if _, _, unfinished := o.done.Next(r.Plan); !unfinished {
		return plan.Inputf("%s: the plan is finished, and a finished plan is never extended: whoever looks before deciding "+
			"on more trials finds what chance made; accepted: an interrupted plan, or a new one with --blocks", o.resume)
	}
	if r.Environment != nil {
		o.before = &environment.Environment{}
		if err := json.Unmarshal(r.Environment, o.before); err != nil {
			return plan.Inputf("%s: is not an environment: %w; accepted: the file as it was written",
				filepath.Join(o.resume, results.EnvironmentFile), err)
		}
	}
	o.plan = r.Plan
	if o.patch, err = manifests.ParsePodPatch(o.plan.PodPatch); err != nil {
		return plan.Inputf("%s: pod_patch: %w", filepath.Join(o.resume, results.PlanFile), err)
	}
	// The trial that the interruption cut short is not on disk, but its names
	// were asked for. Seconds tell one resumption from the next.
	o.suffix = "-" + strconv.FormatInt(time.Now().Unix(), 36)
	return nil
}

// checkSameCluster refuses to add trials of one cluster to those of another, and
// keeps what was known before the interruption.
func (s *session) checkSameCluster() error {
	if s.resume == "" {
		return nil
	}
	note := fmt.Sprintf("The run was interrupted and resumed at %s, after %d of %d trials; private DNS began anew.",
		s.env.Collected.Format(time.RFC3339), s.done.Trials(), len(s.plan.Trials))
	old := s.before
	switch {
	case old == nil && s.done.Trials() > 0:
		return plan.Inputf("--resume %s: the folder has trials and no %s, so nobody can tell whether they are of this "+
			"cluster; accepted: a folder as it was written", s.resume, results.EnvironmentFile)
	case old == nil:
		s.env.Note(note)
		return nil
	case old.ClusterID == "":
		return plan.Inputf("--resume %s: its records do not say which cluster they are of; accepted: a folder whose %s has "+
			"a cluster_id", s.resume, results.EnvironmentFile)
	case old.ClusterID != s.env.ClusterID:
		return plan.Inputf("--resume %s: its trials are of another cluster (%s) than this one (%s at %s); accepted: the "+
			"cluster on which the plan began", s.resume, old.ClusterID, s.env.ClusterID, s.c.Host)
	}
	if was, is := old.Server.GitVersion, s.env.Server.GitVersion; was != is {
		note += fmt.Sprintf(" Kubernetes was %s before and is %s.", was, is)
	}
	// What is there now is what counts for carrying on; what probes saw on
	// either side of the interruption belongs in the report.
	s.env.Collected, s.env.Pods, s.env.Notes = old.Collected, old.Pods, old.Notes
	s.env.Note(note)
	s.say.line("%s", note)
	return nil
}
