package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/pflag"

	"headless-job-dns/internal/experiment"
	"headless-job-dns/internal/published"
	"headless-job-dns/internal/stats"
)

const analyzeIntro = `repro analyze --published DIR compares the run times that were published with the
original report: two JSON files, *no-services.json and *with-services.json.

`

// level is the confidence level of every interval.
const level = 0.95

// analyzeCommand is `repro analyze`.
func analyzeCommand(args []string, stdout io.Writer) error {
	fs := pflag.NewFlagSet("repro analyze", pflag.ContinueOnError)
	fs.Usage = func() {}
	dir := fs.String("published", "", "folder with the two published files")
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
	return printComparison(stdout, c)
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
	var differ []string
	most := ""
	share := 0.0
	for _, r := range c.Rows {
		fmt.Fprintf(t, "%s\t%d+%d\t%.2f s\t%.1f-%.1f\t%.2f s\t%.1f-%.1f\t%+.2f s %s\t%s\t%d/%d\t%d/%d\n", r.Name,
			len(r.Without.Times), len(r.With.Times), r.Without.Median.Estimate, r.Without.Fastest, r.Without.Slowest,
			r.With.Median.Estimate, r.With.Fastest, r.With.Slowest, r.Shift.Estimate, interval(r.Shift.Interval),
			probability(r.Adjusted), r.Without.Separate.K, r.Without.Separate.N, r.With.Separate.K, r.With.Separate.N)
		if r.Adjusted < stats.Alpha {
			differ = append(differ, fmt.Sprintf("%s (%+.2f s)", r.Name, r.Shift.Estimate))
		}
		if r.With.Separate.Share > share {
			most, share = r.Name, r.With.Separate.Share
		}
	}
	err := t.Flush()
	fmt.Fprintf(w, "\nSeconds of the whole application. shift: with the extra minus without (Hodges-Lehmann,\nexact Mann-Whitney interval and p). late: runs above the first gap of 2 s or more.\n\n")
	fmt.Fprintf(w, "- %s.\n", c.Label)
	if len(differ) > 0 {
		fmt.Fprintf(w, "- Shifts with p below %.2f after Holm: %s. With the others these data do not decide.\n", stats.Alpha, strings.Join(differ, ", "))
	} else {
		fmt.Fprintf(w, "- No shift has p below %.2f after Holm.\n", stats.Alpha)
	}
	if most != "" {
		_, e := fmt.Fprintf(w, "- With the extra, late runs are most frequent at %s: %.0f %% of them.\n", most, 100*share)
		err = errors.Join(err, e)
	}
	return err
}

func interval(i stats.Interval) string { return fmt.Sprintf("[%+.2f, %+.2f]", i.Lo, i.Hi) }

func probability(p float64) string {
	if p < 0.001 {
		return "<0.001"
	}
	return fmt.Sprintf("%.3f", p)
}
