package environment

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestThisProgram: a test is run as `go run` runs a program, and knows the
// checkout that it was compiled from.
func TestThisProgram(t *testing.T) {
	p := ThisProgram(t.Context())
	require.NotEmpty(t, p.Version)
	require.True(t, strings.HasPrefix(p.Go, "go"), p.Go)
	out, err := exec.Command("git", "rev-parse", "HEAD").Output()
	if err != nil {
		t.Skipf("no checkout here: %v", err)
	}
	if _, err := exec.Command("git", "ls-files", "--error-unmatch", "program.go").Output(); err != nil {
		require.Empty(t, p.Commit, "the repository around is not this program's")
		return
	}
	require.Equal(t, strings.TrimSpace(string(out)), p.Commit)
}

func TestProgramString(t *testing.T) {
	require.Equal(t, "headless-job-dns (devel), commit unknown, go1.26.0", (&Program{Version: "(devel)", Go: "go1.26.0"}).String())
	p := &Program{Version: "v0.4.0", Commit: "0123456789abcdef", Go: "go1.26.0"}
	require.Equal(t, "headless-job-dns v0.4.0, commit 0123456789ab, go1.26.0", p.String())
	p.Modified, p.Commit = true, "0123"
	require.Equal(t, "headless-job-dns v0.4.0, commit 0123 with changes, go1.26.0", p.String())
}

func TestDeliveryString(t *testing.T) {
	for want, d := range map[string]Delivery{
		"in ConfigMaps, on image shell:1": {Way: "configmap", Image: "shell:1"},
		"image probe:1, pulled":           {Way: "image", Image: "probe:1"},
		"image probe:1, preloaded":        {Way: "preloaded", Image: "probe:1"},
	} {
		require.Equal(t, want, d.String())
	}
}
