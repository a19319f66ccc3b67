// Package kind makes a cluster of containers with kind, for a run that brings
// its cluster along, and takes it away again. The user's own kubeconfig is never
// read or written.
package kind

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/cluster/nodes"
	"sigs.k8s.io/kind/pkg/cluster/nodeutils"
	"sigs.k8s.io/yaml"
)

const (
	// answerPatience is how long an engine may take to list its containers:
	// one that is busy takes a second, one that is stuck never answers.
	answerPatience = 20 * time.Second
	// stopPatience is how long what kind is doing may go on after its containers
	// have been removed: it fails with its next command. It is as well how long
	// an engine may take to show a container that it was making, which on a slow
	// disk was 5 s.
	stopPatience = 20 * time.Second
	stopPause    = time.Second
	// deletePatience is for an engine with much to do. A second or two is usual.
	deletePatience = 2 * time.Minute
)

// Nodes is the default cluster: the workers are where pods go, and two of them
// so that names are asked for across nodes.
const Nodes = `kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes:
- role: control-plane
- role: worker
- role: worker
`

// Engine is what is asked of kind; *cluster.Provider does it.
type Engine interface {
	List() ([]string, error)
	Create(name string, options ...cluster.CreateOption) error
	Delete(name, kubeconfig string) error
	KubeConfig(name string, internal bool) (string, error)
	ListInternalNodes(name string) ([]nodes.Node, error)
}

// Request says which cluster it is to be.
type Request struct {
	Name      string // of one that may exist
	NodeImage string // empty: kind's default
	Config    []byte // kind's configuration; empty: Nodes
}

// Cluster is a cluster that can be used.
type Cluster struct {
	Name       string
	Kubeconfig string // file, readable by its owner only
	Made       bool   // by Start, and not found

	engine Engine
	load   func(nodes.Node, io.Reader) error
}

// Names lists the clusters that there are, which shows that the engine answers.
func Names(ctx context.Context, e Engine) ([]string, error) {
	names, err := within(ctx, answerPatience, e.List)
	if err != nil && ctx.Err() == nil {
		return nil, silent(err)
	}
	return names, err
}

// within runs what takes no context, and leaves it behind when that ends or
// patience runs out.
func within[T any](ctx context.Context, patience time.Duration, do func() (T, error)) (T, error) {
	type result struct {
		of  T
		err error
	}
	done := make(chan result, 1)
	go func() {
		of, err := do()
		done <- result{of, err}
	}()
	var none T
	select {
	case r := <-done:
		return r.of, r.err
	case <-ctx.Done():
		return none, ctx.Err()
	case <-time.After(patience):
		return none, errNoAnswer
	}
}

// Start finds the cluster, or makes it. The kubeconfig is written to the file.
// What was made is removed again when that fails or the context ends. Errors are
// one sentence that ends with what to do next.
func Start(ctx context.Context, e Engine, p *Progress, r Request, kubeconfig string) (*Cluster, error) {
	c := &Cluster{Name: r.Name, Kubeconfig: kubeconfig, engine: e, load: nodeutils.LoadImageArchive}
	names, err := Names(ctx, e)
	if err != nil {
		return nil, err
	}
	if c.Made = !slices.Contains(names, r.Name); c.Made {
		if err := c.create(ctx, p, r); err != nil {
			return nil, err
		}
	}
	if err := c.keepKubeconfig(); err != nil {
		if c.Made {
			err = errors.Join(err, c.Delete())
		}
		return nil, err
	}
	return c, nil
}

// keepKubeconfig writes the kubeconfig where only this user can read it.
func (c *Cluster) keepKubeconfig() error {
	text, err := c.engine.KubeConfig(c.Name, false)
	if err != nil {
		return fmt.Errorf("kind cluster %s: its kubeconfig cannot be had (%s): its containers have perhaps stopped, start "+
			"them, or have a new cluster made, without --name", c.Name, inItsWords(err))
	}
	if err := os.WriteFile(c.Kubeconfig, []byte(text), 0o600); err != nil {
		return fmt.Errorf("kind cluster %s: keep its kubeconfig: %w", c.Name, err)
	}
	return nil
}

func (c *Cluster) create(ctx context.Context, p *Progress, r Request) error {
	config := r.Config
	if len(config) == 0 {
		config = []byte(Nodes)
	}
	// Without a file of ours kind would add the cluster to the user's own.
	options := []cluster.CreateOption{cluster.CreateWithRawConfig(config), cluster.CreateWithKubeconfigPath(c.Kubeconfig)}
	if r.NodeImage != "" {
		options = append(options, cluster.CreateWithNodeImage(r.NodeImage))
	}
	done := make(chan error, 1)
	go func() { done <- c.engine.Create(c.Name, options...) }()
	var err error
	select {
	case err = <-done:
		if err == nil {
			return nil
		}
		if strings.Contains(err.Error(), existsAlready) {
			return notMade(c.Name, err) // somebody else's, made since the list was
		}
	case <-ctx.Done():
		p.say("kind: interrupted, removing what there is of cluster %s, which takes up to %s", c.Name, stopPatience)
	}
	return c.abandon(ctx, p, err, done, size(config))
}

// existsAlready is how kind says that it has made nothing because of what is
// there.
const existsAlready = "node(s) already exist"

// size is how many nodes kind makes of a configuration. One that kind does not
// understand makes none, and says so elsewhere.
func size(config []byte) int {
	var c struct{ Nodes []any }
	_ = yaml.Unmarshal(config, &c)
	return max(1, len(c.Nodes))
}

// abandon ends the making of a cluster, which has failed or of which done will
// say that it has, and returns why. kind cannot be told to stop: its containers
// are taken away under it until it gives up. An engine goes on making a
// container when the command that asked for it has died, of the same Ctrl-C
// perhaps, and shows it when it is made: as many as kind asked for are waited
// for.
func (c *Cluster) abandon(ctx context.Context, p *Progress, err error, done <-chan error, size int) error {
	ended := err != nil
	seen := map[string]bool{}
	for begin := time.Now(); ; {
		// Who cannot list them cannot delete them either.
		made, _ := within(context.Background(), answerPatience,
			func() ([]nodes.Node, error) { return c.engine.ListInternalNodes(c.Name) })
		for _, n := range made {
			seen[n.String()] = true
		}
		if e := c.Delete(); e != nil {
			return errors.Join(c.why(ctx, err), e)
		}
		switch late := time.Since(begin) > stopPatience; {
		case p.pulling(): // there is no container yet, and no need to wait for a download
			return c.why(ctx, err)
		case ended && (late || !p.starting() || len(seen) >= size):
			return c.why(ctx, err)
		case late:
			return errors.Join(c.why(ctx, err), fmt.Errorf("kind cluster %s: kind is still making it, and may leave "+
				"containers: %s", c.Name, Remains(c.Name)))
		}
		select {
		case err = <-done:
			ended = true
		case <-time.After(stopPause):
		}
	}
}

// why says why there is no cluster.
func (c *Cluster) why(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return notMade(c.Name, err)
}

// Load puts an image archive on every node.
func (c *Cluster) Load(ctx context.Context, archive string) error {
	all, err := c.engine.ListInternalNodes(c.Name)
	if err != nil {
		return fmt.Errorf("kind cluster %s: its nodes cannot be listed (%s): `%s get nodes --name %[1]s` shows why", c.Name,
			inItsWords(err), Program())
	}
	results := make(chan error, len(all))
	for _, n := range all {
		go func() {
			f, err := os.Open(archive)
			if err == nil {
				defer f.Close()
				err = c.load(n, f)
			}
			if err != nil {
				err = fmt.Errorf("kind node %s: image archive %s cannot be loaded (%s): `make image` makes it anew, and "+
					"--deliver configmap needs none", n, archive, inItsWords(err))
			}
			results <- err
		}()
	}
	for range all {
		select {
		case e := <-results:
			err = errors.Join(err, e)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return err
}

// Delete removes the cluster, whether or not there is one.
func (c *Cluster) Delete() error {
	_, err := within(context.Background(), deletePatience,
		func() (any, error) { return nil, c.engine.Delete(c.Name, c.Kubeconfig) })
	if err != nil {
		return fmt.Errorf("kind cluster %s could not be deleted (%s): %s", c.Name, inItsWords(err), Remains(c.Name))
	}
	return nil
}

// errNoAnswer is what is known of an engine that is stuck.
var errNoAnswer = errors.New("no answer in time")

// Remains says how to remove a cluster that is left.
func Remains(name string) string {
	return fmt.Sprintf("`%s delete cluster --name %s` removes it", Program(), name)
}

// Program is how this user runs kind's own program: whoever has a checkout and
// Go has the kind of this module, and need not have installed another.
func Program() string {
	if _, err := exec.LookPath("go"); err == nil && InCheckout() {
		return "go run sigs.k8s.io/kind"
	}
	return "kind"
}

// InCheckout tells whether the working directory is a checkout of this module,
// by the program in it that makes images.
func InCheckout() bool {
	_, err := os.Stat(filepath.Join("lab", "image", "main.go"))
	return err == nil
}
