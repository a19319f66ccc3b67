package deliver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	source "headless-job-dns"
)

// baseline are the oldest machines of each architecture that Go serves: a
// setting of the user's for his own would make a program that some nodes
// cannot run.
var baseline = []string{"GOAMD64=v1", "GOARM64=v8.0", "GOPPC64=power8", "GORISCV64=rva20u64"}

// ErrNoGo is why nothing can be built.
var ErrNoGo = errors.New("the probe is built with Go, which is not in the PATH: install Go 1.26 or newer " +
	"(https://go.dev/dl/), or name an image of the probe with --image")

// Build makes the probe for Linux on an architecture, as GOARCH has it, from
// the source in this program: static, with the Go that is in the PATH. What Go
// has in its cache is not compiled again; modules that it lacks it fetches as
// it always does. Without Go it fails with ErrNoGo.
func Build(ctx context.Context, arch string) ([]byte, error) {
	if _, err := exec.LookPath("go"); err != nil {
		return nil, ErrNoGo
	}
	dir, err := os.MkdirTemp("", "probe-*")
	if err != nil {
		return nil, fmt.Errorf("build the probe for linux/%s: %w", arch, err)
	}
	defer os.RemoveAll(dir)
	program, err := build(ctx, dir, arch)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("build the probe for linux/%s: %w", arch, err)
	}
	return program, nil
}

func build(ctx context.Context, dir, arch string) ([]byte, error) {
	src, out := filepath.Join(dir, "src"), filepath.Join(dir, "probe")
	if err := unpack(src); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o",
		out, "./probe")
	cmd.Dir = src
	// The compilers that go has started hold its output open.
	cmd.WaitDelay = time.Second
	// Flags of the user's could make another program of the same source.
	cmd.Env = append(append(os.Environ(), baseline...), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOFLAGS=",
		"GOWORK=off", "GO111MODULE=on", "PWD="+src)
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %w\n%s", err, strings.TrimSpace(string(text)))
	}
	return os.ReadFile(out)
}

// unpack writes the source, less its tests, into a folder.
func unpack(dir string) error {
	return fs.WalkDir(source.Probe, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || strings.HasSuffix(name, "_test.go") {
			return err
		}
		to := filepath.Join(dir, filepath.FromSlash(name))
		if d.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		text, err := source.Probe.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(to, text, 0o600)
	})
}
