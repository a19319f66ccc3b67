//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUsageErrors(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"fly"}, `unknown command "fly"`},
		{[]string{"up", "--nodes", "0"}, "--nodes 0: must be between 1 and 16"},
		{[]string{"up", "--nodes", "-1"}, "--nodes -1"},
		{[]string{"up", "--cluster-dns", "bind"}, `--cluster-dns "bind": must be one of kubeadm-1.32, kubeadm-1.31`},
		{[]string{"up", "now"}, `unknown command "now"`},
		{[]string{"down", "--state", ""}, "--state and --cache: name a folder"},
		{[]string{"load"}, "lab load IMAGE.tar...: requires at least 1 arg"},
		{[]string{"run"}, "lab run -- COMMAND...: requires at least 1 arg"},
		{[]string{"run", "--", "no-such-command-here"}, "no-such-command-here"},
		{[]string{"run", "--load", "/no/such.tar", "--", "true"}, "/no/such.tar"},
		{[]string{"up", "--no-such-flag"}, ""},
	} {
		t.Run(fmt.Sprint(c.args), func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			err := run(context.Background(), c.args, &stdout, &stderr)
			require.Error(t, err)
			require.Equal(t, exitUsage, exitCode(context.Background(), err))
			require.Contains(t, describe(context.Background(), err)+stderr.String(), c.want)
			require.Empty(t, stdout.String())
		})
	}
}

func TestHelp(t *testing.T) {
	var stdout, stderr bytes.Buffer
	require.NoError(t, run(context.Background(), []string{"--help"}, &stdout, &stderr))
	for _, c := range newRoot(nil, nil).Commands() {
		require.Contains(t, stdout.String(), "\n  "+c.Name()+" ")
	}
	err := run(context.Background(), []string{"up", "--help"}, &stdout, &stderr)
	require.Equal(t, 0, exitCode(context.Background(), err))
	require.Contains(t, stdout.String(), "--cluster-dns")
}

func TestExitCode(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	require.Equal(t, 0, exitCode(ctx, nil))
	require.Equal(t, 1, exitCode(ctx, errors.New("x")))
	require.Equal(t, 7, exitCode(ctx, fmt.Errorf("run: %w", exitError{7})))
	cancel()
	err := fmt.Errorf("wait for CoreDNS: %w", context.Cause(ctx))
	require.Equal(t, exitInterrupted, exitCode(ctx, err))
	require.Equal(t, "interrupted", describe(ctx, err))
	require.Equal(t, "no space", describe(ctx, errors.New("no space")), "what went wrong besides is said")
	require.Equal(t, 7, exitCode(ctx, exitError{7}), "the command's code, also after Ctrl-C")
}

func TestCommandEnv(t *testing.T) {
	env := commandEnv([]string{"A=b", "PATH=/bin", "NO_PROXY=localhost", "KUBECONFIG=/mine"}, "/s", "/tools")
	require.Equal(t, []string{
		"A=b", "PATH=/bin", "NO_PROXY=localhost", "KUBECONFIG=/mine",
		"KUBECONFIG=/s/kubeconfig", "PATH=/bin:/tools", "NO_PROXY=localhost,198.18.96.0/24", "no_proxy=198.18.96.0/24",
	}, env, "the last one counts")
}

// TestSource checks that the lab's own program carries what it builds from.
func TestSource(t *testing.T) {
	_, _, err := newBuilder(t.TempDir(), nil).Ready()
	require.NoError(t, err)
}
