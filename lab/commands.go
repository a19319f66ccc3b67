//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"headless-job-dns/lab/internal/addons"
	"headless-job-dns/lab/internal/build"
	"headless-job-dns/lab/internal/cluster"
	"headless-job-dns/lab/internal/layout"
	"headless-job-dns/lab/internal/preflight"
)

// commands by name. Each parses its own arguments.
var commands = map[string]func(ctx context.Context, args []string, stdout, stderr io.Writer) error{
	"up":        runUp,
	"down":      runDown,
	"status":    runStatus,
	"load":      runLoad,
	"run":       runRun,
	"build":     runBuild,
	"leftovers": runLeftovers,
	"signal":    runSignal,
	"restart":   runRestart,
	"exec":      runExec,
}

// flags are those of one command, with the ones that all have.
type flags struct {
	*flag.FlagSet
	state, cache string
}

func newFlags(name string, stderr io.Writer) *flags {
	f := &flags{FlagSet: flag.NewFlagSet("lab "+name, flag.ContinueOnError)}
	f.SetOutput(stderr)
	cache, _ := build.DefaultCache()
	f.StringVar(&f.state, "state", layout.DefaultState, "folder for everything that is written")
	f.StringVar(&f.cache, "cache", cache, "folder for the cluster's programs, kept when the lab is down")
	return f
}

// open parses the flags of a command that takes no others and no arguments,
// and returns the lab that they name.
func (f *flags) open(args []string, out io.Writer) (*cluster.Lab, error) {
	if err := f.parse(args); err != nil {
		return nil, err
	}
	if err := f.noArgs(); err != nil {
		return nil, err
	}
	return f.lab(out)
}

func (f *flags) parse(args []string) error {
	err := f.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitError{0}
	case err != nil:
		return exitError{exitUsage} // the flag set has said why
	}
	return nil
}

// noArgs refuses words that would be ignored.
func (f *flags) noArgs() error {
	if f.NArg() > 0 {
		return usageError{fmt.Errorf("%s takes no argument %q", f.Name(), f.Arg(0))}
	}
	return nil
}

func (f *flags) lab(out io.Writer) (*cluster.Lab, error) {
	if f.state == "" || f.cache == "" {
		return nil, usageError{errors.New("--state and --cache: name a folder")}
	}
	if err := preflight.CheckUser(os.Getuid()); err != nil {
		return nil, err
	}
	state, err := filepath.Abs(f.state)
	if err != nil {
		return nil, fmt.Errorf("state folder: %w", err)
	}
	cache, err := filepath.Abs(f.cache)
	if err != nil {
		return nil, fmt.Errorf("cache folder: %w", err)
	}
	return &cluster.Lab{State: layout.State(state), Builder: newBuilder(cache, out), Out: out}, nil
}

// options adds the flags that say what lab it is to be.
func (f *flags) options() *cluster.Options {
	o := &cluster.Options{}
	f.IntVar(&o.Nodes, "nodes", 2, "number of nodes")
	f.StringVar(&o.ClusterDNS, "cluster-dns", addons.Kubeadm132,
		"Corefile of the cluster's DNS: kubeadm-1.32 (since then: cluster names are not cached) or kubeadm-1.31 (until then: cached for 30 s)")
	f.BoolVar(&o.Audit, "audit", false, "the apiserver writes what becomes of pods, Services and EndpointSlices to logs/audit.log")
	return o
}

func checkOptions(o *cluster.Options) error {
	if o.Nodes < 1 || o.Nodes > layout.MaxNodes {
		return usageError{fmt.Errorf("--nodes %d: must be between 1 and %d", o.Nodes, layout.MaxNodes)}
	}
	if !slices.Contains(addons.ClusterDNS, o.ClusterDNS) {
		return usageError{fmt.Errorf("--cluster-dns %q: must be one of %s", o.ClusterDNS, strings.Join(addons.ClusterDNS, ", "))}
	}
	return nil
}

func runUp(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := newFlags("up", stderr)
	o := f.options()
	if err := f.parse(args); err != nil {
		return err
	}
	if err := f.noArgs(); err != nil {
		return err
	}
	if err := checkOptions(o); err != nil {
		return err
	}
	lab, err := f.lab(stderr)
	if err != nil {
		return err
	}
	started, err := lab.Up(ctx, *o)
	if err != nil {
		return err
	}
	if !started {
		fmt.Fprintln(stderr, "the lab is up already")
	}
	// Alone on stdout, for eval.
	fmt.Fprintf(stdout, "export KUBECONFIG=%s\n", lab.State.Kubeconfig())
	return nil
}

func runDown(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := newFlags("down", stderr)
	lab, err := f.open(args, stderr)
	if err != nil {
		return err
	}
	// Not to be left half done by a second Ctrl-C.
	was, err := lab.Down(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	if was {
		fmt.Fprintln(stdout, "the lab is down")
	} else {
		fmt.Fprintln(stdout, "nothing is up")
	}
	return nil
}

func runStatus(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := newFlags("status", stderr)
	lab, err := f.open(args, stderr)
	if err != nil {
		return err
	}
	isUp, err := lab.Status(ctx, stdout)
	if err != nil {
		return err
	}
	if !isUp {
		return exitError{exitDown}
	}
	return nil
}

func runLoad(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := newFlags("load", stderr)
	if err := f.parse(args); err != nil {
		return err
	}
	if f.NArg() == 0 {
		return usageError{errors.New("load: name at least one IMAGE.tar")}
	}
	lab, err := f.lab(stdout)
	if err != nil {
		return err
	}
	return lab.Load(ctx, f.Args()...)
}

// runBuild prints the folder alone on stdout, for whoever makes something else
// of the programs.
func runBuild(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := newFlags("build", stderr)
	lab, err := f.open(args, stderr)
	if err != nil {
		return err
	}
	tools, err := lab.Build(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, tools.Dir)
	return nil
}

func runLeftovers(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	f := newFlags("leftovers", stderr)
	lab, err := f.open(args, stderr)
	if err != nil {
		return err
	}
	left, err := lab.Leftovers(ctx)
	if err != nil {
		return err
	}
	for _, l := range left {
		fmt.Fprintln(stdout, l)
	}
	if len(left) > 0 {
		return exitError{exitFailure}
	}
	return nil
}
