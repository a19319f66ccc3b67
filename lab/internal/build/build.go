// Package build makes the cluster's programs from Go modules, at the versions
// that go.mod pins, into a cache that outlives the lab. It knows nothing of how
// they are run.
package build

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"headless-job-dns/lab/internal/image"
)

// The images that the lab itself needs. The host part keeps containerd from
// taking them for Docker Hub's; nothing is ever fetched from there.
const (
	PauseImage   = "lab.local/pause:1"
	corednsImage = "lab.local/coredns:"
)

// Tools is a finished build.
type Tools struct {
	Dir        string // the programs
	PauseTar   string
	CoreDNSTar string
	Versions   Versions
}

// Path of a program.
func (t Tools) Path(program string) string { return filepath.Join(t.Dir, program) }

// CoreDNSImage is the reference in CoreDNSTar.
func (t Tools) CoreDNSImage() string { return corednsImage + t.Versions.CoreDNS }

// Versions as go.mod pins them.
type Versions struct{ Kubernetes, Etcd, CoreDNS, CNI string }

// Builder builds.
type Builder struct {
	Source fs.FS     // go.mod, go.sum and the programs of this module
	Cache  string    // folder; one below it per version of the source
	Out    io.Writer // progress
}

// The programs. kubectl is for people and tests: the cluster runs without, and
// it alone takes as long to build as etcd.
var (
	cluster = []string{
		"./components", "./coredns", "./pause",
		"github.com/containernetworking/plugins/plugins/ipam/host-local",
		"github.com/containernetworking/plugins/plugins/main/loopback",
		"github.com/containernetworking/plugins/plugins/main/ptp",
	}
	kubectl = "k8s.io/kubernetes/cmd/kubectl"
)

// components are the names that ./components is called by.
var components = []string{
	"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy",
}

// DefaultCache is where other tools keep what can be made again.
func DefaultCache() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		// A service without a home.
		return "/var/cache/headless-job-lab", nil
	}
	return filepath.Join(dir, "headless-job-lab"), nil
}

// VersionsIn reads a go.mod.
func VersionsIn(gomod []byte) (Versions, error) {
	find := func(module string) string {
		for line := range strings.Lines(string(gomod)) {
			f := strings.Fields(strings.TrimPrefix(line, "require "))
			if len(f) >= 2 && f[0] == module && strings.HasPrefix(f[1], "v") {
				return f[1]
			}
		}
		return ""
	}
	v := Versions{
		Kubernetes: find("k8s.io/kubernetes"),
		Etcd:       find("go.etcd.io/etcd/server/v3"),
		CoreDNS:    find("github.com/coredns/coredns"),
		CNI:        find("github.com/containernetworking/plugins"),
	}
	if v.Kubernetes == "" || v.Etcd == "" || v.CoreDNS == "" || v.CNI == "" {
		return v, fmt.Errorf("read versions: go.mod lacks one of kubernetes, etcd, coredns, plugins: %+v", v)
	}
	return v, nil
}

// Ready returns the tools of an earlier build, if there was one.
func (b *Builder) Ready() (Tools, bool, error) {
	gomod, err := fs.ReadFile(b.Source, "go.mod")
	if err != nil {
		return Tools{}, false, err
	}
	versions, err := VersionsIn(gomod)
	if err != nil {
		return Tools{}, false, err
	}
	key, err := b.key(flags(versions.Kubernetes))
	if err != nil {
		return Tools{}, false, err
	}
	dir := filepath.Join(b.Cache, key)
	t := Tools{
		Dir:        dir,
		PauseTar:   filepath.Join(dir, "pause.tar"),
		CoreDNSTar: filepath.Join(dir, "coredns.tar"),
		Versions:   versions,
	}
	// The folder gets its name when everything is in it.
	_, err = os.Stat(dir)
	return t, err == nil, nil
}

// key depends on all that the result depends on, save the Go version: that is
// pinned well enough by go.mod for a cluster to be the same.
func (b *Builder) key(flags []string) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, flags, cluster, components, runtime.GOARCH)
	err := fs.WalkDir(b.Source, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(b.Source, name)
		fmt.Fprintln(h, name, len(data))
		h.Write(data)
		return err
	})
	return fmt.Sprintf("%x", h.Sum(nil)[:8]), err
}

// Build returns the tools, and makes them first when they are not there. A
// build that was interrupted goes on where it was: what is compiled is in Go's
// own cache.
func (b *Builder) Build(ctx context.Context) (Tools, error) {
	t, ok, err := b.Ready()
	if err != nil || ok {
		return t, err
	}
	fmt.Fprintf(b.Out, "building Kubernetes %s, etcd %s, CoreDNS %s and CNI plugins %s into %s\n",
		t.Versions.Kubernetes, t.Versions.Etcd, t.Versions.CoreDNS, t.Versions.CNI, t.Dir)
	tmp, err := b.compile(ctx, t.Versions, cluster...)
	if err != nil {
		return t, err
	}
	defer os.RemoveAll(tmp)
	for _, name := range components {
		if err := os.Symlink("components", filepath.Join(tmp, name)); err != nil {
			return t, fmt.Errorf("name component %s: %w", name, err)
		}
	}
	for _, i := range []image.Spec{
		{Binary: filepath.Join(tmp, "pause"), Name: PauseImage},
		{Binary: filepath.Join(tmp, "coredns"), Name: t.CoreDNSImage()},
	} {
		if err := image.Write(i, i.Binary+".tar"); err != nil {
			return t, err
		}
	}
	if err := os.Rename(tmp, t.Dir); err != nil {
		return t, fmt.Errorf("keep build: %w", err)
	}
	b.prune(t.Dir)
	return t, nil
}

// Kubectl puts kubectl beside the tools of a finished build.
func (b *Builder) Kubectl(ctx context.Context, t Tools) error {
	if _, err := os.Stat(t.Path("kubectl")); err == nil {
		return nil
	}
	fmt.Fprintf(b.Out, "building kubectl %s\n", t.Versions.Kubernetes)
	tmp, err := b.compile(ctx, t.Versions, kubectl)
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := os.Rename(filepath.Join(tmp, "kubectl"), t.Path("kubectl")); err != nil {
		return fmt.Errorf("keep build: %w", err)
	}
	return nil
}

// keepBuilds is how many builds stay: with two, going back and forth between
// two versions of the source costs no link. Each takes 260 MB.
const keepBuilds = 2

// prune removes the oldest builds. It is no reason to fail.
func (b *Builder) prune(newest string) {
	type dated struct {
		dir  string
		time time.Time
	}
	var others []dated
	entries, _ := os.ReadDir(b.Cache)
	for _, e := range entries {
		dir := filepath.Join(b.Cache, e.Name())
		// Only what is certainly a build: the folder may be shared by mistake.
		if _, err := os.Stat(filepath.Join(dir, "kubelet")); err != nil || dir == newest {
			continue
		}
		if info, err := e.Info(); err == nil {
			others = append(others, dated{dir, info.ModTime()})
		}
	}
	slices.SortFunc(others, func(a, b dated) int { return b.time.Compare(a.time) })
	for _, o := range others[min(len(others), keepBuilds-1):] {
		_ = os.RemoveAll(o.dir)
	}
}

// errNoGo is returned where there is no Go to build with.
var errNoGo = errors.New("the cluster's programs are built with Go, which is not in the PATH: " +
	"install Go 1.26 or newer (https://go.dev/dl/)")

// folder makes an empty folder for a build, and removes those of builds that
// were killed: one that is at work would hold the lab's lock.
func (b *Builder) folder() (string, error) {
	if _, err := exec.LookPath("go"); err != nil {
		return "", errNoGo
	}
	stale, _ := filepath.Glob(filepath.Join(b.Cache, ".build-*"))
	for _, dir := range stale {
		_ = os.RemoveAll(dir)
	}
	if err := os.MkdirAll(b.Cache, 0o755); err != nil {
		return "", fmt.Errorf("make cache folder: %w", err)
	}
	tmp, err := os.MkdirTemp(b.Cache, ".build-*")
	if err == nil {
		err = os.Chmod(tmp, 0o755)
	}
	if err != nil {
		return "", fmt.Errorf("make cache folder: %w", err)
	}
	return tmp, nil
}
