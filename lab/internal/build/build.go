// Package build makes the cluster's programs from Go modules: all at once, at
// the versions that go.mod pins, into a cache that outlives the lab.
package build

import (
	"context"
	"crypto/sha256"
	"embed"
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
	"syscall"
	"time"

	"headless-job-dns/lab/internal/image"
	"headless-job-dns/lab/internal/process"
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
	Source embed.FS  // go.mod, go.sum and the programs of this module
	Cache  string    // folder; one below it per version of the source
	Out    io.Writer // progress
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

// programs of this module that run in the cluster.
var programs = []string{"coredns", "pause"}

// VersionsIn reads a go.mod.
func VersionsIn(gomod []byte) (Versions, error) {
	find := func(module string) string {
		for _, line := range strings.Split(string(gomod), "\n") {
			f := strings.Fields(line)
			if len(f) > 0 && f[0] == "require" {
				f = f[1:]
			}
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

// linkFlags stamps the version, as the release builds do; without it the API
// says v0.0.0-master. They are also what a cached link is looked up by.
func linkFlags(kubernetes string) string {
	part := strings.SplitN(strings.TrimPrefix(kubernetes, "v"), ".", 3)
	const pkg = "-X k8s.io/component-base/version."
	return fmt.Sprintf("-s -w %[1]sgitVersion=%[2]s %[1]sgitMajor=%[3]s %[1]sgitMinor=%[4]s %[1]sgitTreeState=clean",
		pkg, kubernetes, part[0], part[1])
}

// Ready returns the tools of an earlier build, if there was one.
func (b *Builder) Ready() (Tools, bool, error) {
	gomod, err := b.Source.ReadFile("go.mod")
	if err != nil {
		return Tools{}, false, err
	}
	versions, err := VersionsIn(gomod)
	if err != nil {
		return Tools{}, false, err
	}
	key, err := b.key(linkFlags(versions.Kubernetes))
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
func (b *Builder) key(flags string) (string, error) {
	h := sha256.New()
	fmt.Fprintln(h, flags, runtime.GOARCH)
	err := fs.WalkDir(b.Source, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := b.Source.ReadFile(name)
		fmt.Fprintln(h, name, len(data))
		h.Write(data)
		return err
	})
	return fmt.Sprintf("%x", h.Sum(nil)[:8]), err
}

// Build returns the tools, and makes them first when they are not there.
func (b *Builder) Build(ctx context.Context) (Tools, error) {
	t, ok, err := b.Ready()
	if err != nil || ok {
		return t, err
	}
	if _, err := exec.LookPath("go"); err != nil {
		return t, errors.New("the cluster's programs are built with Go, which is not in the PATH: install Go 1.26 or newer (https://go.dev/dl/)")
	}
	fmt.Fprintf(b.Out, "building Kubernetes %s, etcd %s, CoreDNS %s and CNI plugins %s into %s\n",
		t.Versions.Kubernetes, t.Versions.Etcd, t.Versions.CoreDNS, t.Versions.CNI, t.Dir)
	fmt.Fprintln(b.Out, "  the first time takes 8 to 10 minutes on 2 cores and 4 GB of Go's build cache; after that, under two minutes")

	if err := os.MkdirAll(b.Cache, 0o755); err != nil {
		return t, fmt.Errorf("make cache folder: %w", err)
	}
	// Of a build that was killed; one that is at work would hold the lock.
	stale, _ := filepath.Glob(filepath.Join(b.Cache, ".build-*"))
	for _, dir := range stale {
		_ = os.RemoveAll(dir)
	}
	tmp, err := os.MkdirTemp(b.Cache, ".build-*")
	if err != nil {
		return t, fmt.Errorf("make cache folder: %w", err)
	}
	defer os.RemoveAll(tmp)
	if err := b.compile(ctx, tmp, t.Versions); err != nil {
		return t, err
	}
	for _, i := range []image.Spec{
		{Binary: filepath.Join(tmp, "pause"), Name: PauseImage},
		{Binary: filepath.Join(tmp, "coredns"), Name: t.CoreDNSImage()},
	} {
		if err := image.Write(i, i.Binary+".tar"); err != nil {
			return t, err
		}
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return t, fmt.Errorf("open cache folder: %w", err)
	}
	if err := os.Rename(tmp, t.Dir); err != nil {
		return t, fmt.Errorf("keep build: %w", err)
	}
	b.prune(t.Dir)
	return t, nil
}

// keepBuilds is how many builds stay: with two, going back and forth between
// two versions of the source costs no link. Each takes 600 MB.
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

// compile builds everything in one go: the packages that two programs share,
// which are most, are compiled once.
func (b *Builder) compile(ctx context.Context, dir string, v Versions) error {
	src := filepath.Join(dir, "src")
	if err := os.CopyFS(src, b.Source); err != nil {
		return fmt.Errorf("write source: %w", err)
	}
	defer os.RemoveAll(src)
	args := []string{"build", "-v", "-mod=readonly", "-trimpath", "-buildvcs=false",
		"-ldflags", linkFlags(v.Kubernetes), "-o", dir + string(filepath.Separator), "tool"}
	for _, p := range programs {
		args = append(args, "./"+p)
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = src
	// Static, so that they run in an image and in a node alike. Flags of the
	// user's could make other programs of the same source.
	cmd.Env = append(os.Environ(), process.Mark(process.Helper), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GOOS=linux", "GOARCH="+runtime.GOARCH)
	// A group of its own, so that its compilers can be ended with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	progress := newProgress(b.Out)
	cmd.Stdout, cmd.Stderr = progress, progress
	err := cmd.Run()
	lines := progress.stop()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("build the cluster's programs: %w\n%s", err, lines)
	}
	// The package path names it "server".
	if err := os.Rename(filepath.Join(dir, "server"), filepath.Join(dir, "etcd")); err != nil {
		return fmt.Errorf("name etcd: %w", err)
	}
	return nil
}
