package main

import (
	"bytes"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/report"
	"headless-job-dns/internal/results"
)

// newReportCommand makes the report of a results folder again.
func newReportCommand(stdout io.Writer) *cobra.Command {
	c := &cobra.Command{
		Use: "report DIR", Short: "make the report of a results folder again",
		Long: "repro report DIR makes the report of a results folder again from its records alone:\nreport.md, its " +
			"pictures and summary.json, and prints the summary.",
		Example: "  repro report results/latest\n  repro report --format comment results/latest",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return plan.Inputf("report needs one folder; accepted: report DIR, e.g. report results/latest")
			}
			return nil
		},
	}
	format := c.Flags().String("format", "form", "form: write report.md, the form of Kubernetes' bug reports; comment: "+
		"print the shorter form for an issue that exists")
	c.RunE = func(_ *cobra.Command, args []string) error {
		dir := args[0]
		if *format != "form" && *format != "comment" {
			return plan.Inputf("--format %q is not known; accepted: form, comment", *format)
		}
		r, err := report.Load(dir)
		if err != nil {
			return err
		}
		if w := r.Warnings(); len(w) > 0 {
			// A report that was made from all the records is not written over.
			return plan.Inputf("%s: %s, so no report is written; accepted: the records as they were written", dir,
				strings.Join(w, "; "))
		}
		if *format == "comment" {
			_, err := stdout.Write(r.Comment())
			return err
		}
		return writeReport(r, dir, stdout)
	}
	return c
}

// writeReport puts the report and its pictures beside their records and prints
// the summary.
func writeReport(r *report.Report, dir string, stdout io.Writer) error {
	f, err := results.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Write(results.ReportFile, r.Markdown()); err != nil {
		return err
	}
	var summary bytes.Buffer
	if err := r.WriteSummary(&summary); err != nil {
		return err
	}
	if err := f.Write(results.SummaryFile, summary.Bytes()); err != nil {
		return err
	}
	for _, p := range r.Pictures() {
		if err := f.Write(p.Name, p.SVG); err != nil {
			return err
		}
	}
	return r.Terminal(stdout, filepath.Join(dir, results.ReportFile)+", beside pictures, summary.json and the records")
}
