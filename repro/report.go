package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"headless-job-dns/internal/experiment"
	"headless-job-dns/internal/report"
	"headless-job-dns/internal/result"
)

// reportCommand is `repro report DIR`.
func reportCommand(args []string, stdout io.Writer) error {
	if len(args) != 1 {
		return experiment.Inputf("report needs one folder; accepted: report DIR, e.g. report results/latest")
	}
	warnings, err := writeReport(args[0], stdout)
	if err == nil && len(warnings) > 0 {
		// The report is of what there is, and nothing was changed; whoever
		// counts on the records being whole must not miss that they are not.
		return experiment.Inputf("%s: %s; accepted: the records as they were written", args[0], strings.Join(warnings, "; "))
	}
	return err
}

// writeReport makes report.md from the records on disk and prints its summary.
// It returns what is missing from the records.
func writeReport(dir string, stdout io.Writer) (warnings []string, err error) {
	r, err := report.Load(dir)
	if err != nil {
		return nil, err
	}
	f, err := result.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := f.WriteReport(r.Markdown()); err != nil {
		return nil, err
	}
	if err := r.Summary(stdout); err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(stdout, "\nthe whole report: %s\n", filepath.Join(dir, result.ReportFile))
	return r.Warnings(), err
}
