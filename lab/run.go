//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"headless-job-dns/lab/internal/layout"
)

func (f *flags) run() *cobra.Command {
	cmd := &cobra.Command{
		Use: "run -- COMMAND...", Args: cobra.MinimumNArgs(1),
		Short: "up, COMMAND with KUBECONFIG, down; COMMAND's exit code",
	}
	cmd.Flags().SetInterspersed(false) // the arguments are the command's
	o := options(cmd)
	keep := cmd.Flags().Bool("keep", false, "leave the lab up")
	tars := cmd.Flags().StringArray("load", nil, "image archive to import; may be given again")
	cmd.RunE = func(cmd *cobra.Command, argv []string) (err error) {
		ctx := cmd.Context()
		if err := checkOptions(o); err != nil {
			return err
		}
		// Known before a minute is spent.
		if _, err := exec.LookPath(argv[0]); err != nil {
			return usageError{fmt.Errorf("run: %w", err)}
		}
		for _, tar := range *tars {
			if _, err := os.Stat(tar); err != nil {
				return usageError{fmt.Errorf("run: --load: %w", err)}
			}
		}
		lab, err := f.lab(cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		started, err := lab.Up(ctx, *o)
		if err != nil {
			return err
		}
		if !started {
			fmt.Fprintln(lab.Out, "the lab is up already, and will be left up")
		} else if !*keep {
			defer func() {
				_, downErr := lab.Down(context.WithoutCancel(ctx))
				switch {
				case downErr == nil:
					fmt.Fprintln(lab.Out, "the lab is down")
				case err == nil:
					err = downErr
				default: // the command's exit code is the one to return
					fmt.Fprintf(lab.Out, "lab: %v\n", downErr)
				}
			}()
		}
		if len(*tars) > 0 {
			if err := lab.Load(ctx, *tars...); err != nil {
				return err
			}
		}
		env := commandEnv(os.Environ(), lab.State, lab.Tools())
		return runCommand(ctx, argv, env, cmd.OutOrStdout(), cmd.ErrOrStderr())
	}
	return cmd
}

// runCommand runs the command to its own end, whatever signal comes: it has
// objects in the cluster to remove, and the lab is taken down after it.
func runCommand(ctx context.Context, argv, env []string, stdout, stderr io.Writer) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, stdout, stderr
	cmd.Env = env
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run %s: %w", argv[0], err)
	}
	done := make(chan struct{})
	go func() {
		for {
			select {
			case s := <-signals:
				if s == os.Interrupt && fromTerminal() {
					continue // the terminal has sent it to the command as well
				}
				_ = cmd.Process.Signal(s)
			case <-done:
				return
			}
		}
	}()
	err := cmd.Wait()
	close(done)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code := exit.ExitCode()
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			code = 128 + int(ws.Signal()) // as a shell has it
		}
		return exitError{code}
	}
	return err
}

// commandEnv is the environment with the lab's KUBECONFIG, and with its kubectl
// for who has none. The lab's addresses are kept from a proxy, which would look
// for them in its own network.
func commandEnv(environ []string, state layout.State, tools string) []string {
	get := func(name string) string {
		value := ""
		for _, e := range environ {
			if v, ok := strings.CutPrefix(e, name+"="); ok {
				value = v
			}
		}
		return value
	}
	join := func(old, separator, more string) string {
		if old == "" {
			return more
		}
		return old + separator + more
	}
	return append(slices.Clone(environ),
		"KUBECONFIG="+state.Kubeconfig(),
		"PATH="+join(get("PATH"), ":", tools),
		"NO_PROXY="+join(get("NO_PROXY"), ",", layout.NodeCIDR.String()),
		"no_proxy="+join(get("no_proxy"), ",", layout.NodeCIDR.String()),
	)
}

// fromTerminal says whether Ctrl-C goes to our whole process group: then we
// are in the foreground of a terminal.
func fromTerminal() bool {
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer tty.Close()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}
