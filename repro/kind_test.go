package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
	kindcluster "sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/cluster/nodes"

	"headless-job-dns/internal/deliver"
	"headless-job-dns/internal/kind"
	"headless-job-dns/internal/results"
)

// fakeEngine has clusters whose API server is the one at address.
type fakeEngine struct {
	address  string
	clusters []string
}

func (e *fakeEngine) List() ([]string, error) { return slices.Clone(e.clusters), nil }
func (e *fakeEngine) Create(name string, _ ...kindcluster.CreateOption) error {
	e.clusters = append(e.clusters, name)
	return nil
}
func (e *fakeEngine) Delete(name, _ string) error {
	e.clusters = slices.DeleteFunc(e.clusters, func(n string) bool { return n == name })
	return nil
}
func (e *fakeEngine) KubeConfig(string, bool) (string, error) {
	return fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: kind-c
clusters: [{name: c, cluster: {server: %q, insecure-skip-tls-verify: true}}]
contexts: [{name: kind-c, context: {cluster: c}}]
`, e.address), nil
}
func (e *fakeEngine) ListInternalNodes(string) ([]nodes.Node, error) { return nil, nil }

// onKind runs `repro kind` on the engine, with plan in a plan's place. It
// returns what was printed.
func onKind(t *testing.T, ctx context.Context, e *fakeEngine, args []string, plan func(o *options) error) (string, error) {
	t.Helper()
	var stderr bytes.Buffer
	c, k, f := &cobra.Command{}, &kindFlags{}, &runFlags{}
	k.declare(c)
	f.declare(c)
	require.NoError(t, c.ParseFlags(append([]string{"--plan", "quick", "--run-id", "r1"}, args...)))
	require.NoError(t, k.check(c.Flags()))
	o, err := f.options(c.Flags())
	require.NoError(t, err)
	detect := func(context.Context, *kind.Progress) (kind.Engine, error) { return e, nil }
	err = k.run(ctx, o, &stderr, detect, func() error { return plan(o) })
	return stderr.String(), err
}

// archive is a file for --probe-archive.
func archive(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "probe.tar")
	require.NoError(t, os.WriteFile(path, []byte("image"), 0o600))
	return path
}

func TestKindMakesRunsDeletes(t *testing.T) {
	mine := filepath.Join(t.TempDir(), "config")
	t.Setenv("KUBECONFIG", mine)
	e := &fakeEngine{address: newFakeAPI(t).URL, clusters: []string{"mine"}}
	var dir string
	out, err := onKind(t, t.Context(), e, []string{"--probe-archive", archive(t), "-n", "demo"}, func(o *options) error {
		require.Len(t, e.clusters, 2)
		require.Regexp(t, `^headless-job-dns-[a-z0-9]{6}$`, e.clusters[1])
		require.Equal(t, deliver.Preloaded, o.delivery.Way)
		require.Empty(t, (&session{options: o}).howToComplete(), "the cluster is gone by then")
		config, err := o.loader.ClientConfig()
		require.NoError(t, err)
		require.Equal(t, e.address, config.Host)
		namespace, _, err := o.loader.Namespace()
		require.NoError(t, err)
		require.Equal(t, "demo", namespace)
		dir = filepath.Dir(o.loader.ConfigAccess().GetExplicitFile())
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, []string{"mine"}, e.clusters, "what was made is gone, what was there is not")
	require.Contains(t, out, "kind: loading the probe's image on every node")
	require.Contains(t, out, "kind: deleting cluster headless-job-dns-")
	require.NoDirExists(t, dir, "the kubeconfig holds a key")
	require.NoFileExists(t, mine)
}

func TestKindDeletesAlsoWhatFailed(t *testing.T) {
	e := &fakeEngine{address: newFakeAPI(t).URL}
	_, err := onKind(t, t.Context(), e, []string{"--probe-archive", archive(t)}, func(*options) error { return errInvalidTrials })
	require.ErrorIs(t, err, errInvalidTrials)
	require.Equal(t, exitInvalid, exitCode(err))
	require.Empty(t, e.clusters)

	ctx, cancel := context.WithCancel(t.Context())
	_, err = onKind(t, ctx, e, []string{"--probe-archive", archive(t)}, func(*options) error { cancel(); return ctx.Err() })
	require.Equal(t, context.Canceled, err, "for main to say that it was interrupted, and no more")
	require.Empty(t, e.clusters)

	e.address = "http://127.0.0.1:1"
	_, err = onKind(t, t.Context(), e, []string{"--probe-archive", archive(t)}, func(*options) error { return nil })
	require.ErrorContains(t, err, "nothing listens at the API server's address")
	require.Empty(t, e.clusters)
}

func TestKindKeepsAndReuses(t *testing.T) {
	e := &fakeEngine{address: newFakeAPI(t).URL}
	nothing := func(*options) error { return nil }
	out, err := onKind(t, t.Context(), e, []string{"--probe-archive", archive(t), "--name", "c", "--keep"}, func(o *options) (err error) {
		o.folder, err = results.Create(t.TempDir(), time.Now())
		require.NoError(t, err)
		require.Equal(t, "; `repro kind --name c --resume "+o.folder.Dir()+"` completes the plan", (&session{options: o}).howToComplete())
		o.namespace = "theirs"
		require.Equal(t, "; `repro kind --name c -n theirs --resume "+o.folder.Dir()+"` completes the plan", (&session{options: o}).howToComplete())
		return o.folder.Close()
	})
	require.NoError(t, err)
	require.Contains(t, out, "kind: cluster c stays: `kind export kubeconfig --name c` for kubectl; `kind delete cluster --name c` removes it")
	out, err = onKind(t, t.Context(), e, []string{"--probe-archive", archive(t), "--name", "c"}, nothing)
	require.NoError(t, err)
	require.Contains(t, out, "kind: the cluster was there before, and stays")
	require.NotContains(t, out, "nothing is done about")
	out, err = onKind(t, t.Context(), e, []string{"--probe-archive", archive(t), "--name", "c", "--keep", "--node-image", "i"}, nothing)
	require.NoError(t, err)
	require.Contains(t, out, "kind: nothing is done about --node-image, --keep, which only a new cluster heeds\n")
	require.Equal(t, []string{"c"}, e.clusters)
	_, err = onKind(t, t.Context(), e, []string{"--probe-archive", archive(t), "--name", "d"}, nothing)
	require.NoError(t, err)
	require.Equal(t, []string{"c"}, e.clusters, "one of a given name that was not there is deleted")
}

// TestKindDelivery: without an archive, and without a checkout to make one in,
// the probe comes in ConfigMaps; who says how it comes is not contradicted.
func TestKindDelivery(t *testing.T) {
	t.Chdir(t.TempDir())
	e := &fakeEngine{address: newFakeAPI(t).URL}
	for args, want := range map[string]deliver.Way{"": deliver.ConfigMap, "--deliver=configmap": deliver.ConfigMap, "--image=example.com/p:1": deliver.Auto} {
		var flags []string
		if args != "" {
			flags = []string{args}
		}
		out, err := onKind(t, t.Context(), e, flags, func(o *options) error {
			require.Equal(t, want, o.delivery.Way, args)
			return nil
		})
		require.NoError(t, err)
		require.NotContains(t, out, "loading the probe")
		require.Equal(t, args == "", bytes.Contains([]byte(out), []byte("this is no checkout")), out)
	}
}

func TestKindRefuses(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("KIND_EXPERIMENTAL_PROVIDER", "")
	for _, c := range []struct {
		args []string
		want string
		code int
	}{
		{[]string{"--context", "prod"}, "--context does not go with kind, which brings its own cluster and its admin; accepted: --name of a kind cluster, or `repro --context` without kind", exitInput},
		{[]string{"--kubeconfig", "x"}, "--kubeconfig does not go with kind", exitInput},
		{[]string{"--as", "somebody"}, "--as does not go with kind", exitInput},
		{[]string{"--token", "x", "--name", "c"}, "--token does not go with kind", exitInput},
		{[]string{"--client-certificate", "x"}, "--client-certificate does not go with kind", exitInput},
		{[]string{"--insecure-skip-tls-verify"}, "--insecure-skip-tls-verify does not go with kind", exitInput},
		{[]string{"--request-timeout", "5s"}, "--request-timeout does not go with kind", exitInput},
		{[]string{"--resume", "x"}, "--resume needs the cluster on which the plan began", exitInput},
		{[]string{"--kind-config", "/no/such"}, "--kind-config: open /no/such: no such file or directory; accepted: a readable file", exitInput},
		{[]string{"--plan", "slow"}, `--plan "slow" is not known`, exitInput},
		{[]string{"now"}, `kind takes no argument "now"`, exitInput},
		{nil, "kind needs docker, podman or nerdctl, and none is in the PATH: install one; `make repro` needs none", exitFailed},
	} {
		_, stderr, code := try(t, append([]string{"kind"}, c.args...)...)
		require.Contains(t, lastLine(stderr), c.want)
		require.Equal(t, c.code, code, c.args)
	}
	e := &fakeEngine{}
	_, err := onKind(t, t.Context(), e, []string{"--probe-archive", "/no/such"}, nil)
	require.ErrorContains(t, err, "--probe-archive: stat /no/such: no such file or directory")
	require.Empty(t, e.clusters)
}

// TestKindWithoutGo: what brings the probe all the same is named.
func TestKindWithoutGo(t *testing.T) {
	t.Chdir("..") // a checkout
	t.Setenv("PATH", t.TempDir())
	e := &fakeEngine{}
	_, err := onKind(t, t.Context(), e, nil, nil)
	require.EqualError(t, err, "the probe is built with Go, which is not in the PATH: install Go 1.26 or newer (https://go.dev/dl/), or name an image of the probe with --image, or an image archive with --probe-archive")
	require.Empty(t, e.clusters)
}

func TestKindHelpAndDryRun(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	stdout, _, code := try(t, "kind", "--help")
	require.Zero(t, code)
	for _, flag := range []string{"--name", "--node-image", "--kind-config", "--probe-archive", "--keep"} {
		require.Contains(t, stdout, flag)
	}
	require.NotContains(t, stdout, "--blocks", "a plan's flags are in the other help")
	_, stderr, code := try(t, "kind", "--plan", "quick", "--dry-run")
	require.Zero(t, code, "needs no engine")
	require.Contains(t, stderr, "plan quick")
}
