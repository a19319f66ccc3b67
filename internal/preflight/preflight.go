// Package preflight finds out, before anything is created, whether a cluster
// offers what a plan needs: rights, admission, DNS, addresses. What is missing
// takes arms out of the plan, or refuses it. It asks and tries with dry runs; it
// changes nothing. Scheduler, quota and network policies are not simulated: they
// answer for themselves at the first trial, in the words of their events.
package preflight

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/util/version"

	"headless-job-dns/internal/cluster"
	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/plan"
	"headless-job-dns/manifests"
)

// Subject is an experiment that is about to begin, and the cluster for it.
type Subject struct {
	Client *cluster.Client
	Env    *environment.Environment // as Collect has read it
	Plan   plan.Plan
	// Namespace is where everything goes. Made: the run makes it.
	Namespace string
	Made      bool
	// Fixed is a plan that may not be changed: one that is resumed.
	Fixed bool

	Lasting []manifests.Object // what lives as long as the run, without the private DNS
	// Deliver makes the ConfigMaps that bring the probe, which takes a build:
	// it is called once, when the rights are known to suffice. nil: none are
	// needed, or they are in Lasting.
	Deliver func(context.Context) ([]manifests.Object, error)
	DNS     func(plan.DNS) ([]manifests.Object, error)   // what a private DNS consists of
	Trial   func(plan.Trial) ([]manifests.Object, error) // what a trial creates
}

// Report is what was found.
type Report struct {
	Conditions []environment.Condition
	Plan       plan.Plan // with the arms that can be had here
	Role       string    // manifests/rbac.yaml, where the plan was refused for want of rights
}

// Run looks at everything, the most fundamental first, up to the first refusal.
// The error is that refusal, an plan.InputError, or the context's.
func Run(ctx context.Context, s Subject) (Report, error) {
	p := &preflight{Subject: s, ctx: ctx, report: Report{Plan: s.Plan}, asked: map[right]bool{}}
	return p.run(p.version, p.rights, p.namespace, p.privateDNS, p.gather, p.admission, p.dns, p.policies, p.addresses)
}

// Admit looks at what can only be tried in a namespace that exists: for a
// namespace that the run has just made. Its results are as Run's.
func Admit(ctx context.Context, s Subject) (Report, error) {
	s.Made = false
	p := &preflight{Subject: s, ctx: ctx, report: Report{Plan: s.Plan}, asked: map[right]bool{}}
	return p.run(p.gather, p.admission)
}

// run looks at one thing after another, up to the first refusal.
func (p *preflight) run(looks ...func() error) (Report, error) {
	for _, look := range looks {
		if err := look(); err != nil {
			return p.report, err
		}
		if err := p.ctx.Err(); err != nil {
			return p.report, err
		}
		if p.refusal != nil {
			return p.report, p.refusal
		}
	}
	return p.report, nil
}

// preflight is a look under way.
type preflight struct {
	Subject
	ctx     context.Context
	report  Report
	refusal error

	asked    map[right]bool    // whether it is granted
	labels   map[string]string // of the namespace; nil: not known
	objects  objects
	families []string // of the addresses that the headless Service gets, as the API writes them
}

func (p *preflight) say(state environment.State, of, format string, a ...any) {
	p.report.Conditions = append(p.report.Conditions,
		environment.Condition{Of: of, State: state, Text: fmt.Sprintf(format, a...)})
}

// refuse ends the look with a sentence that says what to do next.
func (p *preflight) refuse(of, format string, a ...any) {
	p.say(environment.Refused, of, format, a...)
	if p.refusal == nil {
		p.refusal = plan.Inputf(format, a...)
	}
}

// minVersion is the first with Indexed Jobs that need no feature gate.
var minVersion = version.MustParseGeneric("1.22")

func (p *preflight) version() error {
	text := p.Env.Server.GitVersion
	v, err := version.ParseGeneric(text)
	switch {
	case err != nil:
		p.say(environment.Untold, "version", "the API server answers and calls its version %q, from which nothing follows",
			cluster.OneLine(text))
	case v.LessThan(minVersion):
		p.refuse("version", "Kubernetes %s has no Indexed Jobs, which came with %s: choose another cluster with --context",
			text, minVersion)
	default:
		p.say(environment.Met, "version", "Kubernetes %s", text)
	}
	return nil
}
