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
	"slices"
	"time"

	"sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/cluster/nodes"
	"sigs.k8s.io/kind/pkg/cluster/nodeutils"
)

const (
	// answerPatience is how long an engine may take to list its containers:
	// one that is busy takes a second, one that is stuck never answers.
	answerPatience = 20 * time.Second
	// stopPatience is how long what kind is doing may go on after its containers
	// have been removed: it fails with its next command, and the longest pause
	// between two is the 10 s of all repeated pulls.
	stopPatience = 30 * time.Second
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
func Names(ctx context.Context, e Engine) (names []string, err error) {
	type answer struct {
		names []string
		err   error
	}
	done := make(chan answer, 1)
	go func() {
		names, err := e.List()
		done <- answer{names, err}
	}()
	select {
	case a := <-done:
		if a.err != nil {
			return nil, silent(a.err)
		}
		return a.names, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(answerPatience):
		return nil, silent(errNoAnswer)
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
		return fmt.Errorf("kind cluster %s: its kubeconfig cannot be had (%s): is its control plane running? `docker ps` shows, and %s", c.Name, inItsWords(err), Remains(c.Name))
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
	select {
	case err := <-done:
		if err == nil {
			return nil
		}
		// After some failures kind leaves what it has made.
		if e := c.Delete(); e != nil {
			return errors.Join(notMade(c.Name, err), e)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return notMade(c.Name, err)
	case <-ctx.Done():
		p.say("kind: interrupted, removing what there is of cluster %s", c.Name)
		if err := c.abandon(p, done); err != nil {
			return errors.Join(ctx.Err(), err)
		}
		return ctx.Err()
	}
}

// abandon ends the making of a cluster. kind cannot be told to stop: its
// containers are taken away under it until it gives up.
func (c *Cluster) abandon(p *Progress, done <-chan error) error {
	end := time.After(stopPatience)
	for {
		if err := c.Delete(); err != nil {
			return err
		}
		select {
		case <-done:
			return c.Delete()
		case <-end:
			return fmt.Errorf("kind cluster %s: kind is still making it, and may leave containers: `kind delete cluster --name %s` removes them", c.Name, c.Name)
		case <-time.After(time.Second):
		}
		if p.pulling() {
			return nil // there is no container yet, and there is no need to wait for a download
		}
	}
}

// Load puts an image archive on every node.
func (c *Cluster) Load(ctx context.Context, archive string) error {
	all, err := c.engine.ListInternalNodes(c.Name)
	if err != nil {
		return fmt.Errorf("kind cluster %s: its nodes cannot be listed (%s): `kind get nodes --name %s` shows why", c.Name, inItsWords(err), c.Name)
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
				err = fmt.Errorf("kind node %s: image archive %s cannot be loaded (%s): `make image` makes it anew, and --deliver configmap needs none", n, archive, inItsWords(err))
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
	done := make(chan error, 1)
	go func() { done <- c.engine.Delete(c.Name, c.Kubeconfig) }()
	err := errNoAnswer
	select {
	case err = <-done:
	case <-time.After(deletePatience):
	}
	if err != nil {
		return fmt.Errorf("kind cluster %s could not be deleted (%s): %s", c.Name, inItsWords(err), Remains(c.Name))
	}
	return nil
}

// errNoAnswer is what is known of an engine that is stuck.
var errNoAnswer = errors.New("no answer in time")

// Remains says how to remove a cluster that is left.
func Remains(name string) string {
	return fmt.Sprintf("`kind delete cluster --name %s` removes it", name)
}
