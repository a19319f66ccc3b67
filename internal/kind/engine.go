package kind

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/exec"
)

// provider is the variable by which kind's own program lets its user choose
// between engines.
const provider = "KIND_EXPERIMENTAL_PROVIDER"

// without is the way for those who have no container engine.
const without = "`make repro` needs none"

// Detect finds the container engine that `kind` would use.
func Detect(ctx context.Context, p *Progress) (Engine, error) {
	var option cluster.ProviderOption
	switch choice := os.Getenv(provider); choice {
	case "docker":
		option = cluster.ProviderWithDocker()
	case "podman":
		option = cluster.ProviderWithPodman()
	case "nerdctl", "finch", "nerdctl.lima":
		option = cluster.ProviderWithNerdctl(choice)
	case "":
		var err error
		// An old docker asks its daemon before it says its own version.
		option, err = within(ctx, answerPatience, cluster.DetectNodeProvider)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, errNoAnswer):
			return nil, silent(err)
		case err != nil:
			return nil, fmt.Errorf("kind needs docker, podman or nerdctl, and none is in the PATH: install one; %s", without)
		}
	default:
		return nil, fmt.Errorf("%s=%s names no container engine; accepted: docker, podman, nerdctl, finch, nerdctl.lima",
			provider, choice)
	}
	return cluster.NewProvider(option, cluster.ProviderWithLogger(p)), nil
}

// silent explains that the engine does not do what any engine does.
func silent(err error) error {
	return fmt.Errorf("the container engine that kind uses does not answer (%s): start it, or choose another with "+
		"%s=docker, podman or nerdctl; %s", inItsWords(err), provider, without)
}

// notMade explains why there is no cluster.
func notMade(name string, err error) error {
	if text := err.Error(); strings.Contains(text, "failed to pull image") {
		_, image, _ := strings.Cut(text, "failed to pull image ")
		image, _, _ = strings.Cut(image, ": ")
		return fmt.Errorf("the node image %s could not be pulled (%s): check the name and the way to its registry, or name "+
			"one that the engine has with --node-image; `make repro` needs no image", image, inItsWords(err))
	}
	said := ""
	if exec.RunErrorForError(err) != nil {
		said = "; " + inItsWords(err)
	}
	return fmt.Errorf("kind could not make cluster %s (%w%s): `%s create cluster --retain -v 1` shows more; "+
		"`make repro` needs no container engine", name, err, said, Program())
}

// inItsWords is the last thing that the failed command said, or the error
// itself where it said nothing. kubeadm ends with advice about its flags.
func inItsWords(err error) string {
	said := exec.RunErrorForError(err)
	if said == nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(said.Output)), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		line := strings.TrimSpace(lines[i])
		if line != "" && !strings.HasPrefix(line, "To see the stack trace") && !strings.HasPrefix(line, "See 'docker") {
			return strings.TrimSuffix(line, ".")
		}
	}
	return said.Error()
}
