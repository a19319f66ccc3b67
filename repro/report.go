package main

import (
	"fmt"
	"io"
	"path/filepath"

	"headless-job-dns/internal/experiment"
	"headless-job-dns/internal/report"
	"headless-job-dns/internal/result"
)

// reportCommand is `repro report DIR`.
func reportCommand(args []string, stdout, stderr io.Writer) error {
	if len(args) != 1 {
		return experiment.Inputf("report needs one folder; accepted: report DIR, e.g. report results/latest")
	}
	return writeReport(args[0], stdout, stderr)
}

// writeReport makes report.md from the records on disk and prints its summary.
func writeReport(dir string, stdout, stderr io.Writer) error {
	r, err := report.Load(dir)
	if err != nil {
		return err
	}
	for _, w := range r.Warnings() {
		fmt.Fprintln(stderr, "warning:", w)
	}
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
