// Package controlplane runs etcd, the apiserver, the controller manager, the
// scheduler and a DNS server for names from outside, in a network namespace of
// their own.
//
// Their flags are the defaults, and what kubeadm sets, so that what is measured
// is what ordinary clusters do.
package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"headless-job-dns/lab/internal/api"
	"headless-job-dns/lab/internal/build"
	"headless-job-dns/lab/internal/certs"
	"headless-job-dns/lab/internal/cgroup"
	"headless-job-dns/lab/internal/layout"
	"headless-job-dns/lab/internal/network"
	"headless-job-dns/lab/internal/process"
)

// Runner starts the parts of the control plane.
type Runner struct {
	State layout.State
	Tools build.Tools
	Tree  *cgroup.Tree
	Audit bool // the apiserver writes down what becomes of pods, Services and EndpointSlices
}

// frontProxy is the apiserver itself when it passes requests on to extensions.
// There are none, but without its certificates the controllers go on looking
// for them and complain.
const frontProxy = "front-proxy-client"

var loopback = netip.MustParseAddr("127.0.0.1")

// upstreamCorefile answers every question with "no such name". The cluster's
// CoreDNS forwards to it what it does not know itself, as kubeadm's Corefile
// has it; in here there is no outside to ask.
const upstreamCorefile = `. {
    bind %s
    template ANY ANY {
        rcode NXDOMAIN
        authority ". 60 IN SOA lab.invalid. lab.invalid. 1 3600 600 86400 60"
    }
}
`

// Prepare writes the keys and configuration, and returns the authority for the
// nodes to have theirs signed.
func (r *Runner) Prepare() (*certs.Authority, error) {
	pki := r.State.PKI()
	for _, dir := range []string{pki, r.State.Control()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make folder: %w", err)
		}
	}
	var errs []error
	write := func(name string, pair certs.Pair, err error) {
		if err == nil {
			err = pair.Write(pki, name)
		}
		errs = append(errs, err)
	}
	ca, pair, err := certs.NewAuthority("headless-job-lab")
	write("ca", pair, err)
	// Of an authority of its own, as it must be: it may speak for any user.
	proxyCA, pair, err := certs.NewAuthority("headless-job-lab-front-proxy")
	write("front-proxy-ca", pair, err)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	pair, err = proxyCA.Issue(certs.Subject{CommonName: frontProxy})
	write(frontProxy, pair, err)
	pair, err = certs.TokenKey()
	write("sa", pair, err)
	for name, s := range map[string]certs.Subject{
		"etcd": {CommonName: "etcd", Addrs: []netip.Addr{loopback}},
		"apiserver": {
			CommonName: "kube-apiserver",
			Addrs:      []netip.Addr{layout.ControlAddr, layout.KubernetesIP, loopback},
			Names: []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc",
				"kubernetes.default.svc." + layout.ClusterDomain},
		},
		"apiserver-etcd":    {CommonName: "kube-apiserver-etcd-client"},
		"apiserver-kubelet": {CommonName: "kube-apiserver-kubelet-client"},
		"component":         {CommonName: "component", Addrs: []netip.Addr{loopback}},
		"admin":             admin,
	} {
		pair, err := ca.Issue(s)
		write(name, pair, err)
	}
	for file, s := range map[string]certs.Subject{
		r.State.Kubeconfig():                   admin,
		r.kubeconfig(layout.ControllerManager): {CommonName: "system:" + layout.ControllerManager},
		r.kubeconfig(layout.Scheduler):         {CommonName: "system:" + layout.Scheduler},
	} {
		errs = append(errs, ca.WriteKubeconfig(file, "lab", layout.APIServer(), s))
	}
	for file, text := range map[string]string{
		r.corefile():    fmt.Sprintf(upstreamCorefile, layout.ControlAddr),
		r.auditPolicy(): auditPolicy,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			errs = append(errs, fmt.Errorf("write configuration: %w", err))
		}
	}
	return ca, errors.Join(errs...)
}

// admin may do everything; the apiserver knows the group by itself.
var admin = certs.Subject{CommonName: "lab-admin", Organization: "system:masters"}

func (r *Runner) pki(file string) string { return filepath.Join(r.State.PKI(), file) }
func (r *Runner) corefile() string       { return filepath.Join(r.State.Control(), "upstream.Corefile") }
func (r *Runner) auditPolicy() string    { return filepath.Join(r.State.Control(), "audit-policy.yaml") }
func (r *Runner) kubeconfig(component string) string {
	return filepath.Join(r.State.Control(), component+".kubeconfig")
}

func (r *Runner) start(name, program string, args ...string) (*process.Running, error) {
	return process.Start(process.Daemon{
		Name:   name,
		Groups: r.Tree.DaemonGroups(name),
		Log:    filepath.Join(r.State.Logs(), name+".log"),
		Argv:   append(append(network.Enter(layout.ControlNetns), r.Tools.Path(program)), args...),
	})
}

// StartStore starts what the rest depends on: etcd, the apiserver, which waits
// for it by itself, and the DNS server.
func (r *Runner) StartStore(ctx context.Context) (context.Context, error) {
	for _, d := range []struct {
		name, program string
		args          []string
	}{
		{layout.Etcd, "etcd", r.etcdArgs()},
		{layout.APIServerDaemon, "kube-apiserver", r.apiserverArgs()},
		{layout.UpstreamDNS, "coredns", []string{"-conf", r.corefile()}},
	} {
		started, err := r.start(d.name, d.program, d.args...)
		if err != nil {
			return ctx, err
		}
		ctx = started.Watch(ctx)
	}
	return ctx, nil
}

// StartControllers starts the rest, once the apiserver answers: both give up
// when it does not.
func (r *Runner) StartControllers(ctx context.Context, client *api.Client) (context.Context, error) {
	if err := api.Poll(ctx, func() error { return client.Ready(ctx) }); err != nil {
		return ctx, fmt.Errorf("wait for the apiserver: %w", err)
	}
	for _, d := range []struct {
		name string
		args []string
	}{
		{layout.ControllerManager, r.controllerManagerArgs()},
		{layout.Scheduler, r.componentArgs(layout.Scheduler)},
	} {
		started, err := r.start(d.name, d.name, d.args...)
		if err != nil {
			return ctx, err
		}
		ctx = started.Watch(ctx)
	}
	return ctx, nil
}

// etcd listens on the namespace's own loopback, which neither host nor nodes
// can reach. It asks for certificates all the same, as kubeadm's does: what
// the apiserver spends on them is part of what is measured.
func (r *Runner) etcdArgs() []string {
	const client, peer = "https://127.0.0.1:2379", "https://127.0.0.1:2380"
	return []string{
		"--name=lab",
		"--data-dir=" + filepath.Join(r.State.Control(), "etcd"),
		"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer,
		"--initial-cluster=lab=" + peer,
		"--client-cert-auth", "--trusted-ca-file=" + r.pki("ca.crt"),
		"--cert-file=" + r.pki("etcd.crt"), "--key-file=" + r.pki("etcd.key"),
		"--peer-client-cert-auth", "--peer-trusted-ca-file=" + r.pki("ca.crt"),
		"--peer-cert-file=" + r.pki("etcd.crt"), "--peer-key-file=" + r.pki("etcd.key"),
	}
}

// auditPolicy has the moments of a pod's life, which the apiserver stamps to
// the microsecond: an account of what happened that no probe had a part in.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: RequestResponse
    verbs: [create, update, patch, delete]
    resources:
      - { group: "", resources: [pods, pods/status, pods/binding, services] }
      - { group: batch, resources: [jobs] }
      - { group: discovery.k8s.io, resources: [endpointslices] }
  - level: None
`

func (r *Runner) auditArgs() []string {
	if !r.Audit {
		return nil
	}
	return []string{
		"--audit-policy-file=" + r.auditPolicy(),
		"--audit-log-path=" + r.State.Audit(),
		// Written at once, for readers that compare while it runs.
		"--audit-log-mode=blocking",
	}
}

func (r *Runner) apiserverArgs() []string {
	return append(r.auditArgs(), []string{
		"--bind-address=" + layout.ControlAddr.String(),
		"--advertise-address=" + layout.ControlAddr.String(),
		fmt.Sprintf("--secure-port=%d", layout.APIPort),
		"--tls-cert-file=" + r.pki("apiserver.crt"), "--tls-private-key-file=" + r.pki("apiserver.key"),
		"--client-ca-file=" + r.pki("ca.crt"),
		"--anonymous-auth=false", // nobody asks without a certificate here
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged=true",
		"--etcd-servers=https://127.0.0.1:2379",
		"--etcd-cafile=" + r.pki("ca.crt"),
		"--etcd-certfile=" + r.pki("apiserver-etcd.crt"), "--etcd-keyfile=" + r.pki("apiserver-etcd.key"),
		"--kubelet-certificate-authority=" + r.pki("ca.crt"),
		"--kubelet-client-certificate=" + r.pki("apiserver-kubelet.crt"),
		"--kubelet-client-key=" + r.pki("apiserver-kubelet.key"),
		// Nobody resolves the nodes' names.
		"--kubelet-preferred-address-types=InternalIP",
		"--service-cluster-ip-range=" + layout.ServiceCIDR.String(),
		"--service-account-issuer=https://kubernetes.default.svc." + layout.ClusterDomain,
		"--service-account-key-file=" + r.pki("sa.crt"),
		"--service-account-signing-key-file=" + r.pki("sa.key"),
		"--requestheader-client-ca-file=" + r.pki("front-proxy-ca.crt"),
		"--requestheader-allowed-names=" + frontProxy,
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + r.pki(frontProxy+".crt"),
		"--proxy-client-key-file=" + r.pki(frontProxy+".key"),
	}...)
}

// componentArgs are what controller manager and scheduler have in common.
func (r *Runner) componentArgs(name string) []string {
	kubeconfig := r.kubeconfig(name)
	return []string{
		"--kubeconfig=" + kubeconfig,
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		"--bind-address=127.0.0.1",
		// Else they write one of their own to the host's /var/run/kubernetes.
		"--tls-cert-file=" + r.pki("component.crt"), "--tls-private-key-file=" + r.pki("component.key"),
	}
}

func (r *Runner) controllerManagerArgs() []string {
	return append(r.componentArgs(layout.ControllerManager),
		"--use-service-account-credentials=true",
		// The default is a folder in /usr, which it makes.
		"--flex-volume-plugin-dir="+filepath.Join(r.State.Control(), "volume-plugins"),
		"--service-account-private-key-file="+r.pki("sa.key"),
		"--root-ca-file="+r.pki("ca.crt"),
		"--cluster-signing-cert-file="+r.pki("ca.crt"),
		"--cluster-signing-key-file="+r.pki("ca.key"))
}
