// Package cluster is the runner's side of the Kubernetes API: it connects,
// creates and deletes what carries the run's label, watches it with receipt
// times on one clock, and follows the pods' logs. It never touches an object
// that it did not create.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/kubernetes"
	_ "k8s.io/client-go/plugin/pkg/client/auth" // what kubectl can log in with
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"headless-job-dns/manifests"
)

const (
	// Requests come in bursts of a few per pod (a log stream each, deletion);
	// client-go's default of 5 a second would delay what is being timed.
	clientQPS   = 50
	clientBurst = 100
	// connectTimeout is how long the first request may take. A cluster that
	// answers at all does so within seconds; kubectl's silence of minutes on a
	// wrong address helps nobody.
	connectTimeout = 10 * time.Second
	// loginTimeout is how long it may take where a credential plugin runs for it:
	// a person may have to log in, in a browser or with a code of a device.
	loginTimeout = 5 * time.Minute
)

// Client talks to one cluster.
type Client struct {
	Kube    kubernetes.Interface
	REST    *rest.Config // how the client connects; its credential plugin
	Host    string       // API server, for messages: no user, no query
	Context string       // kubeconfig context, for messages

	Patch *manifests.PodPatch // over every pod that is created; nil: none

	assigned bool // the cluster gives pods their user ids
	created  ledger
}

// Connect reads the kubeconfig as kubectl does and asks the server for its
// version. Errors are one sentence that ends with what to do next.
func Connect(ctx context.Context, loader clientcmd.ClientConfig) (*Client, *version.Info, error) {
	cfg, err := loader.ClientConfig()
	if err != nil {
		if clientcmd.IsEmptyConfig(err) || errors.Is(err, rest.ErrNotInCluster) {
			return nil, nil, errors.New("no cluster is configured: set KUBECONFIG or pass --kubeconfig, or have one made: " +
				"`make kind-repro` with docker, podman or nerdctl, `make repro` with nothing but root on Linux")
		}
		return nil, nil, fmt.Errorf("kubeconfig cannot be used: %w; `kubectl config get-contexts` lists what is there",
			redact(loader, err))
	}
	if err := asUser(cfg); err != nil {
		return nil, nil, fmt.Errorf("kubeconfig cannot be used: %w; check the cluster entry of the context", err)
	}
	cfg.QPS, cfg.Burst = clientQPS, clientBurst
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper { return bounded{next, requestTimeout} })
	cfg.UserAgent = "headless-job-dns"
	kube, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return nil, nil, fmt.Errorf("kubeconfig cannot be used: %w; check the cluster and user entries of the context",
			redact(loader, err))
	}
	c := &Client{Kube: kube, REST: cfg, Host: cfg.Host}
	if raw, err := loader.RawConfig(); err == nil {
		c.Context = raw.CurrentContext
	}
	v, err := c.version(ctx)
	if err != nil {
		if err == context.Canceled { // how the program is told that it was interrupted
			return nil, nil, err
		}
		return nil, nil, redact(loader, c.explain(err))
	}
	return c, v, nil
}

// loader is a kubeconfig of which RawConfig, too, heeds what --context says.
type loader struct {
	kubeconfig
	over *clientcmd.ConfigOverrides
}

// kubeconfig is client-go's interface, embedded by a name that is not its method's.
type kubeconfig = clientcmd.ClientConfig

// Load returns the kubeconfig that the rules find, with what overrides it.
func Load(rules *clientcmd.ClientConfigLoadingRules, over *clientcmd.ConfigOverrides) clientcmd.ClientConfig {
	return loader{clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, over), over}
}

func (l loader) RawConfig() (clientcmdapi.Config, error) {
	raw, err := l.kubeconfig.RawConfig()
	if l.over.CurrentContext != "" {
		raw.CurrentContext = l.over.CurrentContext
	}
	return raw, err
}

// version asks once, with a deadline of its own; discovery's interface takes
// no context.
func (c *Client) version(ctx context.Context) (*version.Info, error) {
	type answer struct {
		v   *version.Info
		err error
	}
	done := make(chan answer, 1)
	go func() {
		v, err := c.Kube.Discovery().ServerVersion()
		done <- answer{v, err}
	}()
	select {
	case a := <-done:
		return a.v, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(c.patience()):
		return nil, context.DeadlineExceeded
	}
}

// patience is how long the first request may take.
func (c *Client) patience() time.Duration {
	if c.REST.ExecProvider != nil {
		return loginTimeout
	}
	return connectTimeout
}

// pluginFailed tells whether an error is a credential plugin's. The words are
// client-go's (plugin/pkg/client/auth/exec), which has no type for it; what
// follows them may quote the plugin's output.
func (c *Client) pluginFailed(err error) bool {
	return c.REST.ExecProvider != nil && strings.HasPrefix(rootCause(err).Error(), "getting credentials: ")
}

// plugin names the credential plugin, without its folder and its arguments:
// either may hold what is nobody's business.
func (c *Client) plugin() string {
	return fmt.Sprintf("the credential plugin %q of context %q", filepath.Base(c.REST.ExecProvider.Command), c.Context)
}

// explain turns a failed first request into a sentence with a next step.
func (c *Client) explain(err error) error {
	var ne net.Error
	var ue *url.Error
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case c.pluginFailed(err): // not wrapped: its text may hold secrets
		return fmt.Errorf("%s failed: log in with it or install it; `kubectl version` shows whether it works", c.plugin())
	case notAnAPI(err): // not wrapped: it is somebody's page
		return fmt.Errorf("what answered at %s is not an API server: a gateway or a login page may stand before it; "+
			"check the address, the proxy and the VPN with `kubectl version`", c.Host)
	case proxyFailed(err) != nil:
		return fmt.Errorf("the proxy on the way to the API server at %s failed: %w; "+
			"check proxy-url in the kubeconfig and HTTPS_PROXY", c.Host, proxyFailed(err))
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("the API server at %s refused the credentials of context %q (expired or revoked?): log in again, "+
			"then check with `kubectl auth whoami`", c.Host, c.Context)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("the API server at %s does not let this user read its version: %w; ask for the rights that "+
			"`kubectl auth can-i --list` shows missing", c.Host, err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nothing listens at the API server's address %s (connection refused): start the cluster or "+
			"choose another with --context", c.Host)
	case err == context.DeadlineExceeded && c.REST.ExecProvider != nil: // of version, not of a connect
		return fmt.Errorf("%s, or else the API server at %s, did not answer within %s: log in with the plugin; "+
			"`kubectl version` shows whether it works", c.plugin(), c.Host, c.patience())
	case err == context.DeadlineExceeded:
		return fmt.Errorf("the API server at %s did not answer within %s: check the network or VPN, or choose another with "+
			"--context", c.Host, c.patience())
	case errors.As(err, &ne) && ne.Timeout():
		return fmt.Errorf("the API server at %s did not answer (%w): check the network or VPN, or choose another with "+
			"--context", c.Host, rootCause(err))
	case strings.Contains(err.Error(), "x509"), strings.Contains(err.Error(), "tls:"):
		return fmt.Errorf("the API server at %s and the kubeconfig disagree about certificates: %w; fetch the kubeconfig "+
			"anew (is a client certificate expired?)", c.Host, rootCause(err))
	case errors.As(err, &ue):
		return fmt.Errorf("the API server at %s cannot be reached: %w; check the address with `kubectl cluster-info`", c.Host,
			ue.Err)
	}
	return fmt.Errorf("the API server at %s cannot be used: %w; check with `kubectl version`", c.Host, err)
}

// notAnAPI tells an answer that no API server gives: a page, or JSON that is no
// version. client-go keeps the body of the first and has only words for the second.
func notAnAPI(err error) bool {
	cause, ok := apierrors.StatusCause(err, metav1.CauseTypeUnexpectedServerResponse)
	return ok && strings.HasPrefix(strings.TrimSpace(cause.Message), "<") ||
		strings.HasPrefix(err.Error(), "unable to parse the server version")
}

// proxyFailed returns why the proxy could not be used, nil: it is not the proxy.
// net/http marks a failure to reach an HTTP proxy, x/net's SOCKS client its own.
func proxyFailed(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && (op.Op == "proxyconnect" || op.Op == "socks connect") {
		return op.Err
	}
	return nil
}

func rootCause(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}
