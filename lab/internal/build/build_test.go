package build

import (
	"bytes"
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestVersionsIn(t *testing.T) {
	v, err := VersionsIn([]byte(`module x
require github.com/containernetworking/plugins v1.9.1 // indirect
require (
	github.com/coredns/coredns v1.15.0
	go.etcd.io/etcd/server/v3 v3.7.3 // indirect
	k8s.io/kubernetes v1.36.3 // indirect
)
tool (
	go.etcd.io/etcd/server/v3
	k8s.io/kubernetes/cmd/kubectl
)
`))
	require.NoError(t, err)
	require.Equal(t, Versions{Kubernetes: "v1.36.3", Etcd: "v3.7.3", CoreDNS: "v1.15.0", CNI: "v1.9.1"}, v)

	_, err = VersionsIn([]byte("module x\n"))
	require.ErrorContains(t, err, "go.mod lacks")
}

// TestModule reads the module's own file: a tool that the lab starts but the
// module does not pin would be missed only after ten minutes of building.
func TestModule(t *testing.T) {
	gomod, err := os.ReadFile("../../go.mod")
	require.NoError(t, err)
	_, err = VersionsIn(gomod)
	require.NoError(t, err)
	for _, tool := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl"} {
		require.Contains(t, string(gomod), "\tk8s.io/kubernetes/cmd/"+tool+"\n")
	}
}

func TestLinkFlags(t *testing.T) {
	const v = "-X k8s.io/component-base/version."
	require.Equal(t, "-s -w "+v+"gitVersion=v1.36.3 "+v+"gitMajor=1 "+v+"gitMinor=36 "+v+"gitTreeState=clean", linkFlags("v1.36.3"))
}

func TestProgress(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(&out)
	fmt.Fprint(p, "go: downloading k8s.io/api v0.36.3\nk8s.io/api/core/v1\nfoo/bar.go:3:1: undefined: x\n# foo/bar\n")
	require.Equal(t, "foo/bar.go:3:1: undefined: x\n# foo/bar\n", p.stop())
	require.Contains(t, out.String(), "built in 0s")
}

func TestPrune(t *testing.T) {
	b := Builder{Source: embed.FS{}, Cache: t.TempDir()}
	make := func(name string, age time.Duration, files ...string) string {
		dir := filepath.Join(b.Cache, name)
		require.NoError(t, os.Mkdir(dir, 0o755))
		for _, f := range files {
			require.NoError(t, os.WriteFile(filepath.Join(dir, f), nil, 0o755))
		}
		then := time.Now().Add(-age)
		require.NoError(t, os.Chtimes(dir, then, then))
		return dir
	}
	newest := make("a", 0, "kubelet")
	previous := make("b", time.Hour, "kubelet")
	oldest := make("c", 2*time.Hour, "kubelet")
	foreign := make("d", 3*time.Hour, "thesis")
	b.prune(newest)
	for _, dir := range []string{newest, previous, foreign} {
		require.DirExists(t, dir)
	}
	require.NoDirExists(t, oldest)
}
