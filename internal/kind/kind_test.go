package kind

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	osexec "os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/cluster/nodes"
	"sigs.k8s.io/kind/pkg/exec"
)

// fakeEngine keeps clusters in memory.
type fakeEngine struct {
	mu       sync.Mutex
	clusters []string
	deleted  int // times
	create   func() error
	list     func() error
	delete   func() error
	config   error
}

func do(f func() error) error {
	if f == nil {
		return nil
	}
	return f()
}

func (e *fakeEngine) List() ([]string, error) {
	if err := do(e.list); err != nil {
		return nil, err
	}
	return e.names(), nil
}

func (e *fakeEngine) names() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.clusters)
}

func (e *fakeEngine) Create(name string, _ ...cluster.CreateOption) error {
	e.mu.Lock()
	e.clusters = append(e.clusters, name)
	e.mu.Unlock()
	return do(e.create)
}

func (e *fakeEngine) Delete(name, _ string) error {
	if err := do(e.delete); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.clusters = slices.DeleteFunc(e.clusters, func(n string) bool { return n == name })
	e.deleted++
	return nil
}

func (e *fakeEngine) KubeConfig(name string, internal bool) (string, error) {
	return "of " + name, e.config
}

func (e *fakeEngine) ListInternalNodes(name string) ([]nodes.Node, error) {
	if !slices.Contains(e.names(), name) {
		return nil, nil
	}
	return []nodes.Node{fakeNode{name: name + "-control-plane"}, fakeNode{name: name + "-worker"}}, nil
}

type fakeNode struct {
	nodes.Node
	name string
}

func (n fakeNode) String() string { return n.name }

// said is the failure of a command that printed something.
func said(output string) error {
	return &exec.RunError{Command: []string{"docker", "run"}, Output: []byte(output), Inner: errors.New("exit status 1")}
}

// recorder keeps what is said.
type recorder struct {
	mu    sync.Mutex
	lines []string
}

func (r *recorder) progress() *Progress {
	return &Progress{Say: func(format string, a ...any) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.lines = append(r.lines, strings.TrimSpace(fmt.Sprintf(format, a...)))
	}}
}

func start(t *testing.T, ctx context.Context, e *fakeEngine, name string) (*Cluster, error) {
	t.Helper()
	return Start(ctx, e, (&recorder{}).progress(), Request{Name: name}, filepath.Join(t.TempDir(), "kubeconfig"))
}

func TestStartMakesWhatIsMissing(t *testing.T) {
	e := &fakeEngine{clusters: []string{"other"}}
	c, err := start(t, t.Context(), e, "new")
	require.NoError(t, err)
	require.True(t, c.Made)
	require.Equal(t, []string{"other", "new"}, e.names())
	info, err := os.Stat(c.Kubeconfig)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), "it holds a key")
	require.NoError(t, c.Delete())
	require.Equal(t, []string{"other"}, e.names())
}

func TestStartUsesWhatExists(t *testing.T) {
	e := &fakeEngine{clusters: []string{"mine"}, create: func() error { return errors.New("is not to be made") }}
	c, err := start(t, t.Context(), e, "mine")
	require.NoError(t, err)
	require.False(t, c.Made)
	text, err := os.ReadFile(c.Kubeconfig)
	require.NoError(t, err)
	require.Equal(t, "of mine", string(text))

	e.config = said("Error: No such container: mine-control-plane")
	_, err = start(t, t.Context(), e, "mine")
	require.EqualError(t, err, "kind cluster mine: its kubeconfig cannot be had (Error: No such container: mine-control-plane): its containers have perhaps stopped, start them, or have a new cluster made, without --name")
	require.Equal(t, []string{"mine"}, e.names(), "what was there is never deleted")
}

// TestStartFails: one sentence, what the engine said, what to do next, and
// nothing is left.
func TestStartFails(t *testing.T) {
	for name, c := range map[string]struct {
		engine *fakeEngine
		want   []string
	}{
		"no engine runs": {
			&fakeEngine{list: func() error {
				return said("Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?\n")
			}},
			[]string{"does not answer (Cannot connect to the Docker daemon", "start it", "`make repro` needs none"},
		},
		"no registry": {
			&fakeEngine{create: func() error {
				return wrapped{`failed to pull image "kindest/node:v9"`, said("Error response from daemon: Get \"https://registry-1.docker.io/v2/\": dial tcp: no route to host")}
			}},
			[]string{`the node image "kindest/node:v9" could not be pulled (Error response from daemon: Get`, "no route to host)", "--node-image", "`make repro`"},
		},
		"kubeadm": {
			&fakeEngine{create: func() error {
				return wrapped{"failed to init node with kubeadm", said("error: timed out waiting for the condition\nTo see the stack trace of this error execute with --v=5 or higher\n")}
			}},
			[]string{"kind could not make cluster new (failed to init node with kubeadm", "timed out waiting for the condition", "kind create cluster --retain", "`make repro`"},
		},
		"no kubeconfig": {
			&fakeEngine{config: errors.New("no such file")},
			[]string{"its kubeconfig cannot be had (no such file)"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := c.engine
			_, err := start(t, t.Context(), e, "new")
			require.Error(t, err)
			for _, w := range c.want {
				require.ErrorContains(t, err, w)
			}
			require.NotContains(t, err.Error(), "\n", "one sentence")
			require.Empty(t, e.names())
		})
	}
}

// wrapped is an error as kind's errors.Wrap makes it.
type wrapped struct {
	what  string
	inner error
}

func (w wrapped) Error() string { return w.what + ": " + w.inner.Error() }
func (w wrapped) Cause() error  { return w.inner }

func TestStartFailsAndSoDoesDeleting(t *testing.T) {
	e := &fakeEngine{create: func() error { return errors.New("disk full") }, delete: func() error { return said("Error: device busy") }}
	_, err := start(t, t.Context(), e, "new")
	require.ErrorContains(t, err, "disk full")
	require.ErrorContains(t, err, "kind cluster new could not be deleted (Error: device busy): `kind delete cluster --name new` removes it")
}

// TestMadeBySomebodyElse: between the list and the making.
func TestMadeBySomebodyElse(t *testing.T) {
	e := &fakeEngine{create: func() error { return errors.New(`node(s) already exist for a cluster with the name "new"`) }}
	_, err := start(t, t.Context(), e, "new")
	require.ErrorContains(t, err, "already exist")
	require.Equal(t, []string{"new"}, e.names(), "it is not ours to delete")
}

// TestInterruptWhileMaking: kind takes no context, so its containers are removed
// under it, and again when it has given up.
func TestInterruptWhileMaking(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	e := &fakeEngine{}
	p := (&recorder{}).progress()
	e.create = func() error {
		lines{p}.Info(" • Starting control-plane  ...\n")
		cancel()
		for len(e.names()) > 0 { // as long as it finds its node
			time.Sleep(time.Millisecond)
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		e.clusters = append(e.clusters, "new") // a container that was being made
		return errors.New("No such container")
	}
	_, err := Start(ctx, e, p, Request{Name: "new"}, filepath.Join(t.TempDir(), "kubeconfig"))
	require.Equal(t, context.Canceled, err)
	require.Empty(t, e.names())
}

// TestInterruptWhileStarting: Ctrl-C reaches kind's commands too, and what they
// asked the engine for is there a moment after they have died.
func TestInterruptWhileStarting(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	e := &fakeEngine{}
	p := (&recorder{}).progress()
	late := false
	e.create = func() error {
		lines{p}.Info(" • Preparing nodes 📦 📦  ...\n")
		require.NoError(t, e.Delete("new", ""))
		time.AfterFunc(1500*time.Millisecond, func() {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.clusters, late = append(e.clusters, "new"), true
		})
		cancel()
		return errors.New("signal: interrupt")
	}
	_, err := Start(ctx, e, p, Request{Name: "new", Config: []byte("nodes: [{role: control-plane}, {role: worker}]")}, filepath.Join(t.TempDir(), "kubeconfig"))
	require.Equal(t, context.Canceled, err)
	require.Empty(t, e.names())
	require.True(t, late, "it was waited for")
}

// TestProgram: whoever has a checkout need not have installed kind.
func TestProgram(t *testing.T) {
	require.Equal(t, "`kind delete cluster --name c` removes it", Remains("c"), "this folder is not a checkout's root")
	t.Chdir(filepath.Join("..", ".."))
	require.Equal(t, "`go run sigs.k8s.io/kind delete cluster --name c` removes it", Remains("c"))
	// All that it is made of has to be in go.sum.
	out, err := osexec.CommandContext(t.Context(), "go", "list", "-mod=readonly", "-deps", "sigs.k8s.io/kind").CombinedOutput()
	require.NoError(t, err, string(out))
	t.Setenv("PATH", t.TempDir())
	require.Equal(t, "`kind delete cluster --name c` removes it", Remains("c"), "there is no Go")
}

func TestSize(t *testing.T) {
	require.Equal(t, 3, size([]byte(Nodes)))
	require.Equal(t, 1, size([]byte("kind: Cluster")))
	require.Equal(t, 1, size([]byte("]")))
}

// TestInterruptWhilePulling: a download is not waited for.
func TestInterruptWhilePulling(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := (&recorder{}).progress()
	forever := make(chan struct{})
	defer close(forever)
	e := &fakeEngine{create: func() error {
		lines{p}.Info(" • Ensuring node image (kindest/node:v1) 🖼  ...\n")
		cancel()
		<-forever
		return nil
	}}
	_, err := Start(ctx, e, p, Request{Name: "new"}, filepath.Join(t.TempDir(), "kubeconfig"))
	require.Equal(t, context.Canceled, err)
	require.Empty(t, e.names())
}

func TestLoad(t *testing.T) {
	archive := filepath.Join(t.TempDir(), "probe.tar")
	require.NoError(t, os.WriteFile(archive, []byte("image"), 0o600))
	var mu sync.Mutex
	loaded := map[string]string{}
	c := &Cluster{Name: "c", engine: &fakeEngine{clusters: []string{"c"}}, load: func(n nodes.Node, r io.Reader) error {
		text, err := io.ReadAll(r)
		mu.Lock()
		defer mu.Unlock()
		loaded[n.String()] = string(text)
		return err
	}}
	require.NoError(t, c.Load(t.Context(), archive))
	require.Equal(t, map[string]string{"c-control-plane": "image", "c-worker": "image"}, loaded)

	c.load = func(n nodes.Node, r io.Reader) error {
		return wrapped{"failed to load image", said("ctr: no space left on device")}
	}
	require.ErrorContains(t, c.Load(t.Context(), archive), "kind node c-worker: image archive "+archive+" cannot be loaded (ctr: no space left on device)")
	require.ErrorContains(t, c.Load(t.Context(), archive+"x"), "no such file")
}

func TestProgress(t *testing.T) {
	r := &recorder{}
	p := r.progress()
	p.V(0).Info("Creating cluster \"c\" ...\n")
	require.True(t, p.pulling())
	p.V(0).Infof(" • %s  ...\n", "Ensuring node image (kindest/node:v1.37.0) 🖼️")
	p.V(0).Infof(" ✓ %s\n", "Ensuring node image (kindest/node:v1.37.0) 🖼️")
	p.V(0).Infof(" • %s  ...\n", "Joining worker nodes 🚜")
	require.False(t, p.pulling())
	p.V(1).Infof("DEBUG")
	p.Warnf("cgroup v%d is deprecated", 1)
	require.Equal(t, []string{
		"kind: looking for the node image (the first time it is pulled, 400 MB), about 43s to go",
		"kind: joining the workers, about 20s to go",
		"kind: cgroup v1 is deprecated",
	}, r.lines)
}

func TestDetect(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv(provider, "")
	_, err := Detect(t.Context(), (&recorder{}).progress())
	require.EqualError(t, err, "kind needs docker, podman or nerdctl, and none is in the PATH: install one; `make repro` needs none")
	t.Setenv(provider, "lxc")
	_, err = Detect(t.Context(), (&recorder{}).progress())
	require.ErrorContains(t, err, "KIND_EXPERIMENTAL_PROVIDER=lxc names no container engine; accepted: docker, podman")
	t.Setenv(provider, "podman")
	e, err := Detect(t.Context(), (&recorder{}).progress())
	require.NoError(t, err)
	_, err = Names(t.Context(), e)
	require.ErrorContains(t, err, "does not answer")
}
