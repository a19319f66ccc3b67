package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/apimachinery/pkg/util/validation"

	"headless-job-dns/internal/cluster"
	"headless-job-dns/internal/plan"
	"headless-job-dns/manifests"
)

const (
	cleanIntro = `repro clean finds what runs left behind that were killed before they could delete
it, lists it by run, asks, and deletes it.

Ours is what carries the labels
  ` + manifests.LabelManagedBy + "=" + manifests.ManagedBy + `
  ` + manifests.LabelRun + `=<run id>
It is looked for cluster-wide; what this user may not list in all namespaces, in
those that runs made and in the one that -n or the context names.
Nothing else is touched, except what stands in a namespace that a run made: it
goes with it.

Exit codes: 0 nothing is left that this user may see; 1 something is left, or it
cannot be told; 2 bad input, nothing deleted; 130 interrupted.`

	// findPatience bounds the look: a dozen lists, each over in a moment on a
	// cluster that answers, and as many for each namespace that runs made.
	findPatience = 2 * time.Minute
	// noticePatience bounds what an ordinary run waits for the notice of earlier
	// runs' leftovers, which is only a courtesy.
	noticePatience = 2 * time.Second
)

// newCleanCommand finds and deletes what killed runs left behind.
func newCleanCommand(stdout, stderr io.Writer) *cobra.Command {
	var o cleaning
	c := &cobra.Command{
		Use: "clean", Short: "delete what killed runs left behind", Long: cleanIntro,
		Example: "  repro clean\n  repro clean --yes --run ID",
		Args:    noArguments,
	}
	c.Flags().StringVar(&o.scope.Run, "run", "", "only what carries this run id (default: all runs)")
	c.Flags().BoolVar(&o.yes, "yes", false, "delete without asking, runs that may still be alive included")
	loader, _ := addConnectionFlags(c, "where to look for what may not be listed in all namespaces (default: the "+
		"context's)")
	c.RunE = func(*cobra.Command, []string) (err error) {
		// An empty id would mean all runs: not what --run "$ID" wants where a
		// script's ID was never set.
		if e := validation.IsValidLabelValue(o.scope.Run); c.Flags().Changed("run") && (o.scope.Run == "" || len(e) > 0) {
			return plan.Inputf("--run %q is not a run id; accepted: an id as `repro clean` lists them, or no --run for all",
				o.scope.Run)
		}
		if o.c, _, err = cluster.Connect(c.Context(), loader); err != nil {
			return err
		}
		if o.scope.Namespace, _, err = loader.Namespace(); err != nil {
			return fmt.Errorf("kubeconfig cannot be used: %w", err)
		}
		o.question = questionAt(os.Stdin, stderr)
		// Names and reasons are the cluster's.
		return o.run(c.Context(), printable{stdout}, printable{stderr})
	}
	return c
}

// cleaning is one `repro clean`.
type cleaning struct {
	c        *cluster.Client
	scope    cluster.Scope
	yes      bool
	question question
}

// question puts a question; nil where nobody is there to answer.
type question func(ctx context.Context, text string) (yes bool, err error)

// questionAt asks the person at the terminal, if both ends are one.
func questionAt(in *os.File, out io.Writer) question {
	f, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) || !term.IsTerminal(int(in.Fd())) {
		return nil
	}
	return func(ctx context.Context, text string) (bool, error) { return ask(ctx, in, out, text) }
}

// ask takes only y and yes for consent; the end of the input is a no.
func ask(ctx context.Context, in io.Reader, out io.Writer, text string) (bool, error) {
	fmt.Fprint(out, text, " [y/N] ")
	answer := make(chan string, 1)
	go func() { // ends with the program when the question is interrupted
		line, _ := bufio.NewReader(in).ReadString('\n')
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case a := <-answer:
		return a == "y" || a == "yes", nil
	case <-ctx.Done():
		fmt.Fprintln(out)
		return false, ctx.Err()
	}
}

// run looks, lists, asks, deletes and says what is left.
func (o *cleaning) run(ctx context.Context, stdout, stderr io.Writer) error {
	looking, cancel := context.WithTimeout(ctx, findPatience)
	found, err := o.c.Leftovers(looking, o.scope)
	cancel()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	for _, s := range found.Unseen {
		fmt.Fprintln(stderr, s)
	}
	what := "nothing is left"
	if len(found.Unseen) > 0 {
		what += " of what can be seen"
	}
	if len(found.Items) == 0 {
		_, err := fmt.Fprintln(stdout, what)
		return err
	}
	if err := o.consent(ctx, found, stdout); err != nil {
		return err
	}
	fmt.Fprintf(stderr, "deleting, and waiting up to %s until everything is gone\n", deletionPatience)
	left, err := o.c.Sweep(ctx, found, deletionPatience)
	if err == nil && len(left) == 0 {
		_, err := fmt.Fprintf(stdout, "%s deleted; %s\n", counted(count(found.Items), "object"), what)
		return err
	}
	for _, l := range left {
		why := l.Why
		if why == "" {
			why = "its deletion was not asked for"
		}
		fmt.Fprintf(stdout, "left: %s: %s\n", l, why)
	}
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("interrupted, %s left at the last look: %w", counted(len(left), "object"), ctx.Err())
	case err != nil:
		return fmt.Errorf("cannot tell what is left: %w; run `repro clean` again once the cluster answers", err)
	}
	return fmt.Errorf("%s left: remove what holds them, then run `repro clean` again", counted(len(left), "object"))
}

// consent lists what was found and returns nil when it may be deleted.
func (o *cleaning) consent(ctx context.Context, found cluster.Leftovers, stdout io.Writer) error {
	runs, alive := found.Runs(), 0
	for _, r := range runs {
		if listRun(stdout, r, time.Now()) {
			alive++
		}
	}
	objects := counted(count(found.Items), "object")
	if o.yes {
		return nil
	}
	if o.question == nil {
		return fmt.Errorf("%s left, nothing was deleted: nobody is at a terminal to ask; --yes deletes without asking",
			objects)
	}
	text := fmt.Sprintf("delete %s of %s?", objects, counted(len(runs), "run"))
	if alive > 0 {
		text = fmt.Sprintf("delete %s of %s, also where it may still be running (%d)?", objects, counted(len(runs), "run"),
			alive)
	}
	yes, err := o.question(ctx, text)
	if err == nil && !yes {
		err = fmt.Errorf("%s left, nothing was deleted", objects)
	}
	return err
}

// listRun prints what is left of a run: a heading, then a line per place.
func listRun(w io.Writer, r cluster.Run, now time.Time) (alive bool) {
	fmt.Fprintf(w, "run %s, %s old", r.ID, duration.HumanDuration(now.Sub(r.Since)))
	why := r.Alive(now)
	if why != "" {
		fmt.Fprintf(w, ", MAY STILL BE RUNNING: %s", why)
	}
	fmt.Fprintln(w)
	places := map[string][]cluster.Leftover{}
	for _, l := range r.Items {
		if listed(l) {
			places[l.Namespace] = append(places[l.Namespace], l)
		}
	}
	for _, p := range slices.Sorted(maps.Keys(places)) {
		heading := "cluster-wide"
		if p != "" {
			heading = "in namespace " + p
		}
		fmt.Fprintf(w, "  %s: %s\n", heading, inventory(places[p]))
	}
	return why != ""
}

// inventory names what is one of its kind and counts the others. Namespaces are
// all named, for what else stands in them goes with them.
func inventory(items []cluster.Leftover) string {
	var parts []string
	for len(items) > 0 {
		kind, n := items[0].Kind, 1
		for kind != "namespace" && n < len(items) && items[n].Kind == kind {
			n++
		}
		part := counted(n, kind)
		if n == 1 {
			part = kind + " " + items[0].Name
		}
		if kind == "namespace" {
			part += " and all that is in it"
		}
		deleting := 0
		for _, l := range items[:n] {
			if l.Deleting {
				deleting++
			}
		}
		switch {
		case deleting == n:
			part += " (being deleted)"
		case deleting > 0:
			part += fmt.Sprintf(" (%d being deleted)", deleting)
		}
		parts, items = append(parts, part), items[n:]
	}
	return strings.Join(parts, ", ")
}

// listed leaves out what only the cluster made of an object that is listed; the
// pods of a Job are what a person would look for.
func listed(l cluster.Leftover) bool { return !l.Derived || l.Kind == "pod" }

func count(items []cluster.Leftover) int {
	n := 0
	for _, l := range items {
		if listed(l) {
			n++
		}
	}
	return n
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// warnOfLeftovers says in one line what earlier runs left behind, as far as that
// is cheap to see. What goes wrong here is left for the run to find.
func (s *session) warnOfLeftovers(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, noticePatience)
	defer cancel()
	if found, err := s.c.Leftovers(ctx, cluster.Scope{ClusterWide: true}); err == nil {
		s.say.text(notice(found.Runs(), time.Now()))
	}
}

// notice is the line, or empty.
func notice(runs []cluster.Run, now time.Time) string {
	if len(runs) == 0 {
		return ""
	}
	const most = 3 // of many, the oldest say enough
	var parts []string
	alive, more := "", ""
	for i, r := range runs {
		part := fmt.Sprintf("%s (%s old", r.ID, duration.HumanDuration(now.Sub(r.Since)))
		if r.Alive(now) != "" {
			part += ", may still be running"
			alive = ", but look first"
		}
		if i < most {
			parts = append(parts, part+")")
		}
	}
	if n := len(runs) - most; n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("leftovers of run %s%s: `repro clean` removes them%s\n", strings.Join(parts, ", "), more, alive)
}
