package build

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"headless-job-dns/lab/internal/process"
)

// flags are those of the build. Without inlining and DWARF the compiler takes a
// quarter less time, which is more than the components lose. The tag leaves
// Kubernetes out of `./...`. The version is stamped as release builds do;
// without it the API says v0.0.0-master.
func flags(kubernetes string) []string {
	part := strings.SplitN(strings.TrimPrefix(kubernetes, "v"), ".", 3)
	const pkg = "-X k8s.io/component-base/version."
	link := fmt.Sprintf("-s -w %[1]sgitVersion=%[2]s %[1]sgitMajor=%[3]s %[1]sgitMinor=%[4]s %[1]sgitTreeState=clean",
		pkg, kubernetes, part[0], part[1])
	return []string{"-mod=readonly", "-trimpath", "-buildvcs=false", "-tags=lab_cluster",
		"-gcflags=all=-l -dwarf=false", "-ldflags=" + link}
}

// compilerGOGC lets the compiler's memory grow to five times what is live
// between two collections. It saves a fifth of the build's CPU time, and the
// largest package takes 1.4 GB.
const compilerGOGC = "400"

// compile builds the packages into a new folder: all in one go, since they share
// most of what they import.
func (b *Builder) compile(ctx context.Context, v Versions, packages ...string) (_ string, err error) {
	dir, err := b.folder()
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(dir)
		}
	}()
	src := filepath.Join(dir, "src")
	if err := os.CopyFS(src, b.Source); err != nil {
		return "", fmt.Errorf("write source: %w", err)
	}
	stale, err := stalePackages(ctx, src, flags(v.Kubernetes), packages)
	if err != nil {
		return "", err
	}
	p, stop := newProgress(b.Out, stale)
	err = run(goCommand(ctx, src, "build", append(flags(v.Kubernetes), "-v", "-o", dir+"/"), packages), io.Discard, p)
	stop()
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if err != nil {
		return "", fmt.Errorf("build the cluster's programs: %w\n%s", err, p.other.Bytes())
	}
	fmt.Fprintf(b.Out, "  built in %s\n", time.Since(p.begin).Round(time.Second))
	return dir, os.RemoveAll(src)
}

// goCommand is `go VERB FLAGS PACKAGES` in dir. The programs are static, so that
// they run in an image and in a node alike. Flags of the user's could make other
// programs of the same source.
func goCommand(ctx context.Context, dir, verb string, flags, packages []string) *exec.Cmd {
	args := append([]string{verb}, flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, packages...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), process.Mark(process.Helper), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off",
		"GOGC="+compilerGOGC, "GOOS=linux", "GOARCH="+runtime.GOARCH)
	// A group of its own, so that its compilers can be ended with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}

func run(cmd *exec.Cmd, stdout, stderr io.Writer) error {
	cmd.Stdout, cmd.Stderr = stdout, stderr
	return cmd.Run()
}

// stalePackages returns the packages that Go's cache lacks, with the size of
// their source in bytes. It downloads the modules.
func stalePackages(ctx context.Context, dir string, flags, packages []string) (map[string]int64, error) {
	flags = append(flags, "-deps", "-json=ImportPath,Dir,GoFiles,Stale")
	var stdout, stderr bytes.Buffer
	err := run(goCommand(ctx, dir, "list", flags, packages), &stdout, &stderr)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("list the cluster's packages: %w\n%s", err, stderr.Bytes())
	}
	sizes := map[string]int64{}
	for d := json.NewDecoder(&stdout); ; {
		var p struct {
			ImportPath, Dir string
			GoFiles         []string
			Stale           bool
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return sizes, nil
		} else if err != nil {
			return nil, fmt.Errorf("list the cluster's packages: %w", err)
		}
		if !p.Stale {
			continue
		}
		for _, file := range p.GoFiles {
			info, err := os.Stat(filepath.Join(p.Dir, file))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("list the cluster's packages: %w", err)
			}
			if err == nil {
				sizes[p.ImportPath] += info.Size()
			}
		}
	}
}
