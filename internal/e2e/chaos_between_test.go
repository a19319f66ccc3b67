package e2e

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"
	authv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"headless-job-dns/manifests"
)

// Faults between the runner and the API server, and between pods and their DNS.

// kubeconfigFor writes a kubeconfig and returns its path.
func kubeconfigFor(s *storm, server string, ca []byte, user string) string {
	path := filepath.Join(s.t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: lab
clusters: [{name: lab, cluster: {server: %q, certificate-authority-data: %s}}]
users: [{name: lab, user: {%s}}]
contexts: [{name: lab, context: {cluster: lab, user: lab}}]
`, server, base64.StdEncoding.EncodeToString(ca), user)
	require.NoError(s.t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// admin is the lab's own configuration.
func admin(s *storm) *rest.Config {
	cfg, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	require.NoError(s.t, err)
	require.NoError(s.t, rest.LoadTLSFiles(cfg))
	return cfg
}

func accountName(s *storm) string { return "chaos-" + s.run }

// tokenKubeconfig makes a ServiceAccount with every right and a token of it.
func tokenKubeconfig(s *storm) string {
	t, ctx, name := s.t, context.Background(), accountName(s)
	meta := metav1.ObjectMeta{Name: name}
	_, err := s.k.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Create(ctx, &corev1.ServiceAccount{ObjectMeta: meta}, metav1.CreateOptions{})
	require.NoError(t, err)
	s.atLast("serviceaccount "+name, func() error {
		return late(s.k.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Delete(ctx, name, metav1.DeleteOptions{}))
	})
	_, err = s.k.RbacV1().ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{ObjectMeta: meta,
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: metav1.NamespaceDefault, Name: name}}}, metav1.CreateOptions{})
	require.NoError(t, err)
	s.atLast("clusterrolebinding "+name, func() error {
		return s.k.RbacV1().ClusterRoleBindings().Delete(ctx, name, metav1.DeleteOptions{})
	})
	token, err := s.k.CoreV1().ServiceAccounts(metav1.NamespaceDefault).CreateToken(ctx, name, &authv1.TokenRequest{}, metav1.CreateOptions{})
	require.NoError(t, err)
	cfg := admin(s)
	return kubeconfigFor(s, cfg.Host, cfg.CAData, "token: "+token.Status.Token)
}

// relay stands between the runner and the API server, speaks TLS with both, and
// can end what it passes on.
type relay struct {
	*httptest.Server
	toCut atomic.Int32 // log streams that are still to be cut
}

var errCut = errors.New("cut")

// throughRelay has the runner reach the API server through a relay.
func throughRelay(s *storm) {
	cfg := admin(s)
	target, err := url.Parse(cfg.Host)
	require.NoError(s.t, err)
	transport, err := rest.TransportFor(cfg)
	require.NoError(s.t, err)
	r := &relay{}
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(p *httputil.ProxyRequest) { p.SetURL(target) },
		Transport:     transport,
		FlushInterval: -1, // watches and logs, as they come
		ModifyResponse: func(resp *http.Response) error {
			if strings.HasSuffix(resp.Request.URL.Path, "/log") && resp.StatusCode == http.StatusOK {
				resp.Body = &stream{ReadCloser: resp.Body, relay: r}
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	r.Server = httptest.NewUnstartedServer(proxy)
	r.EnableHTTP2 = true
	r.Config.ErrorLog = nil
	r.StartTLS()
	s.relay = r
	s.undo = append(s.undo, func() {
		r.CloseClientConnections()
		r.Close()
	})
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate().Raw})
	s.kubeconfig = kubeconfigFor(s, r.URL, ca, "")
}

// stream is a log that may be cut.
type stream struct {
	io.ReadCloser
	relay *relay
	end   error
	over  bool
}

func (l *stream) Read(b []byte) (int, error) {
	if l.over {
		return 0, l.end
	}
	n, err := l.ReadCloser.Read(b)
	at := n / 2
	if at > 0 && b[at-1] == '\n' {
		at--
	}
	if at == 0 {
		return n, err
	}
	left := l.relay.toCut.Add(-1)
	if left < 0 {
		return n, err
	}
	l.over, l.end = true, errCut
	if left%2 == 0 {
		l.end = io.EOF // as if the log ended there
	}
	return at, nil
}

func cutLogs(s *storm) (string, error) {
	n := 1 + s.rng.IntN(5)
	s.relay.toCut.Store(int32(n))
	return fmt.Sprint(n, " streams"), nil
}

func cutConnections(s *storm) (string, error) {
	n := 1 + s.rng.IntN(5)
	for range n {
		s.relay.CloseClientConnections()
		s.sleep(s.between(0, time.Second))
	}
	return fmt.Sprint(n, " times"), nil
}

// badDNSAddr is the control plane's, beside the API server's port: pods reach
// that address.
const badDNSAddr, badDNSPort = "198.18.96.1", 5353

// badDNS has a server of the test's answer in the private DNS' place for a
// while: the Service loses its selector and is given our address.
func badDNS(mode string) func(*storm) (string, error) {
	return func(s *storm) (string, error) {
		ctx, name, ns := context.Background(), dnsName(s.dns), s.namespace()
		pods, err := s.servers()
		if err != nil {
			return "", err
		}
		listen := fmt.Sprintf("%s:%d", badDNSAddr, badDNSPort)
		upstream := fmt.Sprintf("%s:%d", pods[0].Status.PodIP, manifests.PrivateDNSPort)
		stop := background(s.t, "listening", "control", s.build("./testdata/baddns"), listen, mode, upstream)
		s.undo = append(s.undo, func() { stop() })
		patch := func(selector string) error {
			_, err := s.k.CoreV1().Services(ns).Patch(ctx, name, types.MergePatchType, []byte(`{"spec":{"selector":`+selector+`}}`), metav1.PatchOptions{})
			return late(err)
		}
		slices := s.k.DiscoveryV1().EndpointSlices(ns)
		of := metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + name}
		s.atLast("service "+name, func() error {
			return errors.Join(late(slices.DeleteCollection(ctx, metav1.DeleteOptions{}, of)), patch(`{"app":"`+name+`"}`))
		})
		if err := patch("null"); err != nil {
			return "", err
		}
		if err := slices.DeleteCollection(ctx, metav1.DeleteOptions{}, of); err != nil {
			return "", err
		}
		s.struck = time.Now()
		if _, err := slices.Create(ctx, badSlice(name), metav1.CreateOptions{}); err != nil {
			return "", err
		}
		pause := s.between(3*time.Second, 20*time.Second)
		s.sleep(pause)
		s.clear()
		return fmt.Sprintf("for %.1f s", pause.Seconds()), nil
	}
}

// badSlice points the Service's DNS ports at the bad server.
func badSlice(service string) *discoveryv1.EndpointSlice {
	port := int32(badDNSPort)
	ready := true
	e := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Name: "bad-dns", Labels: map[string]string{discoveryv1.LabelServiceName: service}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{badDNSAddr}, Conditions: discoveryv1.EndpointConditions{Ready: &ready}}},
	}
	for name, protocol := range map[string]corev1.Protocol{"dns": corev1.ProtocolUDP, "dns-tcp": corev1.ProtocolTCP} {
		e.Ports = append(e.Ports, discoveryv1.EndpointPort{Name: &name, Port: &port, Protocol: &protocol})
	}
	return e
}
