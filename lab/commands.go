//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"headless-job-dns/lab/internal/addons"
	"headless-job-dns/lab/internal/build"
	"headless-job-dns/lab/internal/cluster"
	"headless-job-dns/lab/internal/layout"
	"headless-job-dns/lab/internal/network"
	"headless-job-dns/lab/internal/preflight"
)

const help = `A throw-away Kubernetes cluster on this machine, for root on Linux.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 status finds no lab.`

// The groups of commands in the help.
const (
	groupUse     = "use"
	groupDisturb = "disturb"
)

// flags are those that every command has.
type flags struct{ state, cache string }

// newRoot makes the command tree.
func newRoot(stdout, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use: "lab", Long: help, SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unknown command %q: `lab --help` lists them", args[0])}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			fmt.Fprint(stderr, cmd.UsageString())
			return exitError{exitUsage}
		},
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddGroup(
		&cobra.Group{ID: groupUse, Title: "To use it:"},
		&cobra.Group{ID: groupDisturb, Title: "To disturb it:"})
	f := &flags{}
	cache, _ := build.DefaultCache()
	root.PersistentFlags().StringVar(&f.state, "state", layout.DefaultState, "folder for everything that is written")
	root.PersistentFlags().StringVar(&f.cache, "cache", cache,
		"folder for the cluster's programs, kept when the lab is down")
	for group, commands := range map[string][]*cobra.Command{
		groupUse:     {f.up(), f.down(), f.status(), f.load(), f.run(), f.build(), f.leftovers()},
		groupDisturb: {f.signal(), f.restart(), f.exec()},
	} {
		for _, c := range commands {
			check := c.Args
			c.Args = func(cmd *cobra.Command, args []string) error {
				if err := check(cmd, args); err != nil {
					return usageError{fmt.Errorf("lab %s: %w", cmd.Use, err)}
				}
				return nil
			}
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	return root
}

// lab returns the lab that the flags name. It says what it does on out.
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
func options(cmd *cobra.Command) *cluster.Options {
	o := &cluster.Options{}
	cmd.Flags().IntVar(&o.Nodes, "nodes", 2, "number of nodes")
	cmd.Flags().StringVar(&o.ClusterDNS, "cluster-dns", addons.Kubeadm132,
		"Corefile of the cluster's DNS: kubeadm-1.32 (since then: cluster names are not cached)\n"+
			"or kubeadm-1.31 (until then: cached for 30 s)")
	cmd.Flags().BoolVar(&o.Audit, "audit", false,
		"the apiserver writes what becomes of pods, Services and EndpointSlices to logs/audit.log")
	return o
}

func checkOptions(o *cluster.Options) error {
	if o.Nodes < 1 || o.Nodes > layout.MaxNodes {
		return usageError{fmt.Errorf("--nodes %d: must be between 1 and %d", o.Nodes, layout.MaxNodes)}
	}
	if !slices.Contains(addons.ClusterDNS, o.ClusterDNS) {
		return usageError{fmt.Errorf("--cluster-dns %q: must be one of %s",
			o.ClusterDNS, strings.Join(addons.ClusterDNS, ", "))}
	}
	return nil
}

// on makes a command of what it does to the lab. Its messages go to stderr:
// stdout is for what it was asked for.
func (f *flags) on(
	use, short string, args cobra.PositionalArgs,
	do func(ctx context.Context, lab *cluster.Lab, args []string, stdout io.Writer) error,
) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: args, RunE: func(cmd *cobra.Command, args []string) error {
		lab, err := f.lab(cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		return do(cmd.Context(), lab, args, cmd.OutOrStdout())
	}}
}

func (f *flags) up() *cobra.Command {
	cmd := &cobra.Command{Use: "up", Short: "put it up; harmless when it is", Args: cobra.NoArgs}
	o := options(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := checkOptions(o); err != nil {
			return err
		}
		lab, err := f.lab(cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		started, err := lab.Up(cmd.Context(), *o)
		if err != nil {
			return err
		}
		if !started {
			fmt.Fprintln(lab.Out, "the lab is up already")
		}
		// Alone on stdout, for eval.
		fmt.Fprintf(cmd.OutOrStdout(), "export KUBECONFIG=%s\n", lab.State.Kubeconfig())
		return nil
	}
	return cmd
}

func (f *flags) down() *cobra.Command {
	return f.on("down", "remove everything, whatever there is", cobra.NoArgs,
		func(ctx context.Context, lab *cluster.Lab, _ []string, stdout io.Writer) error {
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
		})
}

func (f *flags) status() *cobra.Command {
	return f.on("status", "list nodes, processes and versions; exit code 3 when it is down", cobra.NoArgs,
		func(ctx context.Context, lab *cluster.Lab, _ []string, stdout io.Writer) error {
			isUp, err := lab.Status(ctx, stdout)
			if err == nil && !isUp {
				err = exitError{exitDown}
			}
			return err
		})
}

func (f *flags) load() *cobra.Command {
	return f.on("load IMAGE.tar...", "import images on every node", cobra.MinimumNArgs(1),
		func(ctx context.Context, lab *cluster.Lab, tars []string, _ io.Writer) error {
			return lab.Load(ctx, tars...)
		})
}

func (f *flags) build() *cobra.Command {
	return f.on("build", "build the cluster's programs and kubectl, print their folder", cobra.NoArgs,
		func(ctx context.Context, lab *cluster.Lab, _ []string, stdout io.Writer) error {
			tools, err := lab.Build(ctx)
			if err == nil {
				fmt.Fprintln(stdout, tools.Dir)
			}
			return err
		})
}

func (f *flags) leftovers() *cobra.Command {
	return f.on("leftovers", "list what of it is on the machine; exit code 1 when anything is", cobra.NoArgs,
		func(ctx context.Context, lab *cluster.Lab, _ []string, stdout io.Writer) error {
			left, err := lab.Leftovers(ctx)
			for _, l := range left {
				fmt.Fprintln(stdout, l)
			}
			if err == nil && len(left) > 0 {
				err = exitError{exitFailure}
			}
			return err
		})
}

func (f *flags) signal() *cobra.Command {
	return f.on("signal DAEMON SIGNAL", "e.g. etcd STOP; status lists the daemons", cobra.ExactArgs(2),
		func(_ context.Context, lab *cluster.Lab, args []string, _ io.Writer) error {
			sig := unix.SignalNum("SIG" + strings.TrimPrefix(strings.ToUpper(args[1]), "SIG"))
			if sig == 0 {
				return usageError{fmt.Errorf("signal %q is not known; e.g. STOP, CONT, KILL, TERM", args[1])}
			}
			return lab.Signal(args[0], syscall.Signal(sig))
		})
}

func (f *flags) restart() *cobra.Command {
	cmd := f.on("restart DAEMON [ARGUMENT...]",
		"kill it and start it again, with these arguments as well", cobra.MinimumNArgs(1),
		func(ctx context.Context, lab *cluster.Lab, args []string, _ io.Writer) error {
			return lab.Restart(ctx, args[0], args[1:])
		})
	cmd.Flags().SetInterspersed(false) // the arguments are the daemon's
	return cmd
}

func (f *flags) exec() *cobra.Command {
	cmd := f.on("exec NODE|control -- COMMAND...", "run COMMAND in that network namespace", cobra.MinimumNArgs(2),
		func(ctx context.Context, lab *cluster.Lab, args []string, _ io.Writer) error {
			netns, err := lab.Netns(args[0])
			if err != nil {
				return usageError{err}
			}
			argv := args[1:]
			if argv[0] == "--" {
				argv = argv[1:]
			}
			if len(argv) == 0 {
				return usageError{errors.New("exec: name a command")}
			}
			return runCommand(ctx, append(network.Enter(netns), argv...), os.Environ(), os.Stdout, os.Stderr)
		})
	cmd.Flags().SetInterspersed(false)
	return cmd
}
