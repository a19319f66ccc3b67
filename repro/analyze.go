package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/pflag"

	"headless-job-dns/internal/experiment"
	"headless-job-dns/internal/picture"
	"headless-job-dns/internal/published"
	"headless-job-dns/internal/stats"
)

const analyzeIntro = `repro analyze --published DIR compares the run times that were published with the
original report: two JSON files, *no-services.json and *with-services.json. It
prints a table and what the times support, and draws the report's plot with
intervals as published.svg and published.png.

`

// level is the confidence level of every interval.
const level = 0.95

// analyzeCommand is `repro analyze`.
func analyzeCommand(args []string, stdout io.Writer) error {
	fs := pflag.NewFlagSet("repro analyze", pflag.ContinueOnError)
	fs.Usage = func() {}
	dir := fs.String("published", "", "folder with the two published files")
	out := fs.StringP("output", "o", filepath.Join("results", "published"), "folder for the plot, made if need be; empty: no plot")
	help := fs.BoolP("help", "h", false, "print this")
	if err := fs.Parse(args); err != nil {
		return experiment.Inputf("%w; `repro analyze --help` lists the flags", err)
	}
	if *help {
		fmt.Fprint(stdout, analyzeIntro, "Flags:\n", flagHelp(fs))
		return nil
	}
	if *dir == "" || fs.NArg() > 0 {
		return experiment.Inputf("analyze needs the folder of the published times; accepted: analyze --published DIR")
	}
	without, err := publishedRun(*dir, "no-services")
	if err != nil {
		return err
	}
	with, err := publishedRun(*dir, "with-services")
	if err != nil {
		return err
	}
	c, err := published.Compare(without, with, level)
	if err != nil {
		return &experiment.InputError{Err: err}
	}
	if err := printComparison(stdout, c); err != nil || *out == "" {
		return err
	}
	return drawComparison(stdout, c, *out)
}

// publishedRun reads the one file of an arm.
func publishedRun(dir, arm string) (published.Run, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*"+arm+".json"))
	if err == nil && len(names) != 1 {
		err = fmt.Errorf("%d files match *%s.json", len(names), arm)
	}
	if err != nil {
		return published.Run{}, experiment.Inputf("--published %s: %w; accepted: a folder with one *no-services.json and one *with-services.json", dir, err)
	}
	r, err := published.ReadFile(names[0])
	if err != nil {
		return r, &experiment.InputError{Err: err}
	}
	return r, nil
}

// printComparison writes a row a connect timeout and what the rows support.
func printComparison(w io.Writer, c published.Comparison) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "connect timeout\tn\tmedian without\trange\tmedian with\trange\tshift [95 %]\tp (Holm)\tlate without\tlate with")
	for _, r := range c.Rows {
		fmt.Fprintf(t, "%s\t%d+%d\t%.2f s\t%.1f-%.1f\t%.2f s\t%.1f-%.1f\t%+.2f s %s\t%s\t%d/%d\t%d/%d\n", r.Name,
			len(r.Without.Times), len(r.With.Times), r.Without.Median.Estimate, r.Without.Fastest, r.Without.Slowest,
			r.With.Median.Estimate, r.With.Fastest, r.With.Slowest, r.Shift.Estimate, interval(r.Shift.Interval),
			published.Probability(r.Adjusted), r.Without.Separate.K, r.Without.Separate.N, r.With.Separate.K, r.With.Separate.N)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\nSeconds from just before the workload was created to the end of its output. shift: with the extra\nminus without (Hodges-Lehmann, exact Mann-Whitney interval and p; order-confounded). late: runs above\nthe first gap of 2 s or more.\n\n")
	for _, s := range c.Says() {
		if err == nil {
			_, err = fmt.Fprintf(w, "- %s\n", s)
		}
	}
	return err
}

// drawComparison draws the original report's plot with intervals.
func drawComparison(stdout io.Writer, c published.Comparison, dir string) error {
	joins := picture.Joins{
		Title: "The published run times by connect timeout",
		Head:  "0 = just before the workload was created. Order-confounded: all runs without the extra were made first.",
		Axis:  "seconds until the run's output ended",
		Arms:  []string{"without the extra", "with it"},
	}
	var cells [][]picture.Cell
	for _, r := range c.Rows {
		name := r.Name
		if r.Timeout == 0 {
			name = "not set (30\u00a0s)" // Flux's own default
		}
		joins.Names = append(joins.Names, name)
		var row []picture.Cell
		for _, s := range []published.Series{r.Without, r.With} {
			cell := picture.Cell{Median: &picture.Estimate{At: s.Median.Estimate, Interval: s.Median.Interval}}
			for _, t := range s.Times {
				cell.Times = append(cell.Times, stats.Time{At: t})
			}
			row = append(row, cell)
		}
		cells = append(cells, row)
	}
	joins.Panels = []picture.JoinsPanel{{Cells: cells}}
	files, err := picture.Draw(picture.Input{Joins: &joins})
	if err != nil {
		return err
	}
	accepted := func(err error) error {
		return experiment.Inputf("--output %s: %w; accepted: a folder that can be made and written to", dir, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return accepted(err)
	}
	for _, f := range files {
		name := filepath.Join(dir, "published"+filepath.Ext(f.Name))
		if err := os.WriteFile(name, f.Data, 0o644); err != nil {
			return accepted(err)
		}
		if _, err := fmt.Fprintf(stdout, "\nthe plot: %s", name); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintln(stdout)
	return err
}

// interval writes a side without a bound as -inf or +inf.
func interval(i stats.Interval) string {
	return strings.ToLower(fmt.Sprintf("[%+.2f, %+.2f]", i.Lo, i.Hi))
}
