package environment

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// Program is a build of this program.
type Program struct {
	Version  string `json:"version"`            // of its module; "(devel)" is a checkout's
	Commit   string `json:"commit,omitempty"`   // empty: the build does not say
	Modified bool   `json:"modified,omitempty"` // the checkout differed from the commit
	Go       string `json:"go"`
}

// Delivery is how the pods got their probe.
type Delivery struct {
	Way   string `json:"way"`             // preloaded, image or configmap
	Image string `json:"image,omitempty"` // of the pods
	// Programs are the SHA-256 of what was delivered in ConfigMaps, by
	// architecture.
	Programs map[string]string `json:"programs,omitempty"`
}

// ThisProgram describes the running program by what the Go linker left in it.
// `go run` leaves no commit: then the checkout that it has just compiled is
// asked for its own.
func ThisProgram(ctx context.Context) *Program {
	p := &Program{Version: Unknown, Go: runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		p.Version = info.Main.Version
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				p.Commit = s.Value
			case "vcs.modified":
				p.Modified = s.Value == "true"
			}
		}
	}
	if exe, err := os.Executable(); p.Commit == "" && err == nil && strings.Contains(exe, "go-build") {
		p.askGit(ctx)
	}
	return p
}

// gitPatience is for three answers about a small checkout.
const gitPatience = 5 * time.Second

// askGit asks the checkout that this file was compiled from, if there is one.
// A file that is not in the repository around it (a module cache in somebody's
// own) says nothing about the commit.
func (p *Program) askGit(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, gitPatience)
	defer cancel()
	_, file, _, _ := runtime.Caller(0)
	git := func(args ...string) (string, bool) {
		out, err := exec.CommandContext(ctx, "git", append([]string{"-C", filepath.Dir(file)}, args...)...).Output()
		return strings.TrimSpace(string(out)), err == nil
	}
	if _, ok := git("ls-files", "--error-unmatch", filepath.Base(file)); !ok {
		return
	}
	commit, ok := git("rev-parse", "HEAD")
	changes, known := git("status", "--porcelain")
	if ok && known {
		p.Commit, p.Modified = commit, changes != ""
	}
}

// shortCommit is as long as a commit needs to be found again.
const shortCommit = 12

// String is the program as a report names it.
func (p *Program) String() string {
	s := "headless-job-dns " + p.Version
	switch {
	case p.Commit == "":
		s += ", commit unknown"
	default:
		s += ", commit " + p.Commit[:min(len(p.Commit), shortCommit)]
		if p.Modified {
			s += " with changes"
		}
	}
	return s + ", " + p.Go
}

// String is the delivery as a report names it.
func (d *Delivery) String() string {
	switch d.Way {
	case "configmap":
		return "in ConfigMaps, on image " + d.Image
	case "image":
		return "image " + d.Image + ", pulled"
	}
	return "image " + d.Image + ", " + d.Way
}
