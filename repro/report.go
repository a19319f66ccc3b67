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
	r, err := report.Load(args[0])
	if err != nil {
		return err
	}
	if w := r.Warnings(); len(w) > 0 {
		// A report that was made from all the records is not written over.
		return experiment.Inputf("%s: %s, so no report is written; accepted: the records as they were written", args[0], strings.Join(w, "; "))
	}
	return write(r, args[0], stdout)
}

// write puts report.md beside its records and prints the summary.
func write(r *report.Report, dir string, stdout io.Writer) error {
	f, err := result.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.WriteReport(r.Markdown()); err != nil {
		return err
	}
	if err := r.Summary(stdout); err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "\nthe whole report: %s\n", filepath.Join(dir, result.ReportFile))
	return err
}
