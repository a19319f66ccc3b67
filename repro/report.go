package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"headless-job-dns/internal/picture"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/report"
	"headless-job-dns/internal/results"
)

const reportIntro = `repro report DIR makes the report of a results folder again from its records alone:
report.md, bench.txt and pictures/, and prints the summary.

Flags:
`

// reportCommand is `repro report [--format form|comment] DIR`.
func reportCommand(args []string, stdout io.Writer) error {
	fs := pflag.NewFlagSet("repro report", pflag.ContinueOnError)
	fs.Usage = func() {}
	format := fs.String("format", "form", "form: write report.md, the form of Kubernetes' bug reports; comment: print the shorter form for an issue that exists")
	help := fs.BoolP("help", "h", false, "print this")
	if err := fs.Parse(args); err != nil {
		return plan.Inputf("%w; `repro report --help` lists the flags", err)
	}
	if *help {
		_, err := fmt.Fprint(stdout, reportIntro, flagHelp(fs))
		return err
	}
	if *format != "form" && *format != "comment" {
		return plan.Inputf("--format %q is not known; accepted: form, comment", *format)
	}
	if fs.NArg() != 1 {
		return plan.Inputf("report needs one folder; accepted: report DIR, e.g. report results/latest")
	}
	dir := fs.Arg(0)
	r, err := report.Load(dir)
	if err != nil {
		return err
	}
	if w := r.Warnings(); len(w) > 0 {
		// A report that was made from all the records is not written over.
		return plan.Inputf("%s: %s, so no report is written; accepted: the records as they were written", dir, strings.Join(w, "; "))
	}
	if *format == "comment" {
		_, err := stdout.Write(r.Comment())
		return err
	}
	return write(r, dir, stdout)
}

// write puts report.md, bench.txt and pictures beside their records and prints the summary.
func write(r *report.Report, dir string, stdout io.Writer) error {
	f, err := results.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.WriteReport(r.Markdown()); err != nil {
		return err
	}
	if err := f.WriteBench(r.Bench()); err != nil {
		return err
	}
	if err := r.Summary(stdout); err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "\nthe whole report: %s\n", filepath.Join(dir, results.ReportFile))
	return errors.Join(err, picture.Write(filepath.Join(dir, picture.Folder), r.Pictures()))
}
