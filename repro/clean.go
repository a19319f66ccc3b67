package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/tools/clientcmd"

	"headless-job-dns/internal/cluster"
	"headless-job-dns/internal/plan"
	"headless-job-dns/manifests"
)

const (
	cleanIntro = `repro clean finds what runs left behind that were killed before they could delete
it, lists it by run, asks, and deletes it.

  repro clean [flags]

Ours is what carries the labels
  %s=%s
  %s=<run id>
It is looked for cluster-wide and in every namespace that this user may look in,
or, where namespaces may not be listed, in the one that -n or the context names.
Nothing else is touched, except what stands in a namespace that a run made: it
goes with it.
`
	cleanOutro = `
Exit codes: 0 nothing is left that this user may see; 1 something is left, or it
cannot be told; 2 bad input, nothing deleted; 130 interrupted.
`
	// findPatience bounds the look: a dozen lists, each over in a moment on a
	// cluster that answers, or as many for each of hundreds of namespaces, at the
	// 50 a second that the client asks at most.
	findPatience = 2 * time.Minute
	// noticePatience bounds what an ordinary run waits for the notice of earlier
	// runs' leftovers, which is only a courtesy.
	noticePatience = 2 * time.Second
)

// cleanOptions is what the user asked of `repro clean`.
type cleanOptions struct {
	loader clientcmd.ClientConfig
	scope  cluster.Scope
	yes    bool
}

// cleanCommand is `repro clean`.
func cleanCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parseClean(args, stdout)
	if err != nil || o == nil {
		return err
	}
	c, _, err := cluster.Connect(ctx, o.loader)
	if err != nil {
		return err
	}
	if o.scope.Namespace, _, err = o.loader.Namespace(); err != nil {
		return fmt.Errorf("kubeconfig cannot be used: %w", err)
	}
	return o.clean(ctx, c, askAt(os.Stdin, stderr), stdout, stderr)
}

// parseClean returns nil and no error after --help.
func parseClean(args []string, stdout io.Writer) (*cleanOptions, error) {
	o := &cleanOptions{}
	fs := pflag.NewFlagSet("repro clean", pflag.ContinueOnError)
	fs.SortFlags = false
	fs.Usage = func() {}
	fs.StringVar(&o.scope.Run, "run", "", "only what carries this run id (default: all runs)")
	fs.BoolVar(&o.yes, "yes", false, "delete without asking, runs that may still be alive included")
	help := fs.BoolP("help", "h", false, "print this")
	o.loader, _ = connection(fs, "where to look for what may not be listed in all namespaces (default: the context's)")
	if err := fs.Parse(args); err != nil {
		return nil, plan.Inputf("%w; `repro clean --help` lists the flags", err)
	}
	if *help {
		fmt.Fprintf(stdout, cleanIntro, manifests.LabelManagedBy, manifests.ManagedBy, manifests.LabelRun)
		fmt.Fprint(stdout, "\nFlags:\n", flagHelp(fs), cleanOutro)
		return nil, nil
	}
	if fs.NArg() > 0 {
		return nil, plan.Inputf("clean takes no argument %q; accepted: flags only, e.g. clean --run ID", fs.Arg(0))
	}
	// An empty id would mean all runs: not what --run "$ID" wants where a
	// script's ID was never set.
	if e := validation.IsValidLabelValue(o.scope.Run); fs.Changed("run") && (o.scope.Run == "" || len(e) > 0) {
		return nil, plan.Inputf("--run %q is not a run id; accepted: an id as `repro clean` lists them, or no --run for all", o.scope.Run)
	}
	return o, nil
}

// asker puts a question; nil where nobody is there to answer.
type asker func(ctx context.Context, question string) (yes bool, err error)

// askAt asks the person at the terminal, if both ends are one.
func askAt(in *os.File, out io.Writer) asker {
	f, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) || !term.IsTerminal(int(in.Fd())) {
		return nil
	}
	return func(ctx context.Context, question string) (bool, error) { return ask(ctx, in, out, question) }
}

// ask takes only y and yes for consent; the end of the input is a no.
func ask(ctx context.Context, in io.Reader, out io.Writer, question string) (bool, error) {
	fmt.Fprint(out, question, " [y/N] ")
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

// clean looks, lists, asks, deletes and says what is left.
func (o *cleanOptions) clean(ctx context.Context, c *cluster.Client, ask asker, stdout, stderr io.Writer) error {
	stdout, stderr = printable{stdout}, printable{stderr} // names and reasons are the cluster's
	looking, cancel := context.WithTimeout(ctx, findPatience)
	found, err := c.Leftovers(looking, o.scope)
	cancel()
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
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
	if err := o.consent(ctx, found, ask, stdout); err != nil {
		return err
	}
	fmt.Fprintf(stderr, "deleting, and waiting up to %s until everything is gone\n", teardownPatience)
	left, err := c.Sweep(ctx, o.scope, found.Items, teardownPatience)
	if err == nil && len(left) == 0 {
		_, err := fmt.Fprintf(stdout, "%s deleted; %s\n", some(count(found.Items), "object"), what)
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
		return fmt.Errorf("interrupted, %s left at the last look: %w", some(len(left), "object"), ctx.Err())
	case err != nil:
		return fmt.Errorf("cannot tell what is left: %w; run `repro clean` again once the cluster answers", err)
	}
	return fmt.Errorf("%s left: remove what holds them, then run `repro clean` again", some(len(left), "object"))
}

// consent lists what was found and returns nil when it may be deleted.
func (o *cleanOptions) consent(ctx context.Context, found cluster.Leftovers, ask asker, stdout io.Writer) error {
	runs, alive := found.Runs(), 0
	for _, r := range runs {
		if listRun(stdout, r, time.Now()) {
			alive++
		}
	}
	objects := some(count(found.Items), "object")
	if o.yes {
		return nil
	}
	if ask == nil {
		return fmt.Errorf("%s left, nothing was deleted: nobody is at a terminal to ask; --yes deletes without asking", objects)
	}
	question := fmt.Sprintf("delete %s of %s?", objects, some(len(runs), "run"))
	if alive > 0 {
		question = fmt.Sprintf("delete %s of %s, also where it may still be running (%d)?", objects, some(len(runs), "run"), alive)
	}
	yes, err := ask(ctx, question)
	if err == nil && !yes {
		err = fmt.Errorf("%s left, nothing was deleted", objects)
	}
	return err
}

// listRun prints what is left of a run: a heading, then a line per place.
func listRun(w io.Writer, r cluster.Run, now time.Time) (alive bool) {
	fmt.Fprintf(w, "run %s, %s old", r.ID, age(now.Sub(r.Since)))
	why := r.Alive(now)
	if why != "" {
		fmt.Fprintf(w, ", MAY STILL BE RUNNING: %s", why)
	}
	fmt.Fprintln(w)
	byPlace := map[string][]cluster.Leftover{}
	var places []string
	for _, l := range r.Items {
		if !listed(l) {
			continue
		}
		if byPlace[l.Namespace] == nil {
			places = append(places, l.Namespace)
		}
		byPlace[l.Namespace] = append(byPlace[l.Namespace], l)
	}
	slices.Sort(places)
	for _, p := range places {
		heading := "cluster-wide"
		if p != "" {
			heading = "in namespace " + p
		}
		fmt.Fprintf(w, "  %s: %s\n", heading, inventory(byPlace[p]))
	}
	return why != ""
}

// inventory names what is one of its kind and counts the others. Namespaces are
// all named, for what else stands in them goes with them.
func inventory(items []cluster.Leftover) string {
	var parts []string
	for len(items) > 0 {
		kind := items[0].Kind
		n := slices.IndexFunc(items, func(l cluster.Leftover) bool { return l.Kind != kind })
		if n < 0 {
			n = len(items)
		}
		if kind == "namespace" {
			n = 1
		}
		same := items[:n]
		items = items[n:]
		part := some(n, kind)
		if n == 1 {
			part = kind + " " + same[0].Name
		}
		if kind == "namespace" {
			part += " and all that is in it"
		}
		if d := len(slices.DeleteFunc(slices.Clone(same), func(l cluster.Leftover) bool { return !l.Deleting })); d == n {
			part += " (being deleted)"
		} else if d > 0 {
			part += fmt.Sprintf(" (%d being deleted)", d)
		}
		parts = append(parts, part)
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

func some(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// age is how old something is as people say it: in one unit.
func age(d time.Duration) string {
	switch d = max(d, 0); {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d d", int(d.Hours())/24)
}

// noticeLeftovers says in one line what earlier runs left behind, as far as
// that is cheap to see. What goes wrong here is left for the run to find.
func noticeLeftovers(ctx context.Context, c *cluster.Client, stderr io.Writer) {
	ctx, cancel := context.WithTimeout(ctx, noticePatience)
	defer cancel()
	if found, err := c.Leftovers(ctx, cluster.Scope{ClusterWide: true}); err == nil {
		fmt.Fprint(stderr, notice(found.Runs(), time.Now()))
	}
}

// notice is the line, or empty.
func notice(runs []cluster.Run, now time.Time) string {
	var parts []string
	alive := ""
	for _, r := range runs {
		part := fmt.Sprintf("%s (%s old", r.ID, age(now.Sub(r.Since)))
		if r.Alive(now) != "" {
			part += ", may still be running"
			alive = ", but look first"
		}
		parts = append(parts, part+")")
	}
	const most = 3 // of many, the oldest say enough
	more := ""
	if n := len(parts) - most; n > 0 {
		parts, more = parts[:most], fmt.Sprintf(" and %d more", n)
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("leftovers of run %s%s: `repro clean` removes them%s\n", strings.Join(parts, ", "), more, alive)
}
