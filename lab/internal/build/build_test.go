package build

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestVersionsIn(t *testing.T) {
	v, err := VersionsIn([]byte(`module x
require github.com/containernetworking/plugins v1.9.1 // indirect
require (
	github.com/coredns/coredns v1.15.0
	go.etcd.io/etcd/server/v3 v3.7.3
	k8s.io/kubernetes v1.36.3
)
tool k8s.io/kubernetes/cmd/kubectl
`))
	require.NoError(t, err)
	require.Equal(t, Versions{Kubernetes: "v1.36.3", Etcd: "v3.7.3", CoreDNS: "v1.15.0", CNI: "v1.9.1"}, v)

	_, err = VersionsIn([]byte("module x\n"))
	require.ErrorContains(t, err, "go.mod lacks")
}

// TestComponents reads the program's source: a component that the lab starts and
// the program does not know would be missed only after minutes of building.
func TestComponents(t *testing.T) {
	source, err := os.ReadFile("../../components/main.go")
	require.NoError(t, err)
	for _, name := range components {
		require.Contains(t, string(source), fmt.Sprintf("\tcase %q:\n", name))
	}
}

func TestCount(t *testing.T) {
	c := count{sizes: map[string]int64{"a": 100, "b": 200, "c": 600, "d": 100}}
	require.Equal(t, "0s: 0 of 4 packages compiled", c.at(0))
	require.True(t, c.add("a"))
	require.True(t, c.add("d"))
	require.False(t, c.add("b/b.go:3:1: undefined: x"))
	require.Equal(t, "1m0s: 2 of 4 packages compiled, about 4m0s to go", c.at(time.Minute))
	c.add("b")
	c.add("c")
	require.Equal(t, "3m0s: linking", c.at(3*time.Minute))
}

func TestProgress(t *testing.T) {
	p, stop := newProgress(io.Discard, map[string]int64{"foo/bar": 1})
	defer stop()
	for _, part := range []string{"foo/", "bar\nfoo/bar.go:3:1: ", "undefined: x\n# foo/bar\n"} {
		fmt.Fprint(p, part)
	}
	require.Equal(t, "foo/bar.go:3:1: undefined: x\n# foo/bar\n", p.other.String())
	require.Equal(t, 1, p.count.packages)
}

// TestInterrupted: a build that is interrupted leaves no process and no folder,
// and what it has compiled is not compiled again.
func TestInterrupted(t *testing.T) {
	// So large that the compiler is at it for a while, and of another content
	// than Go's cache has from an earlier test.
	large := fmt.Sprintf("package large\nimport \"x/small\"\nvar Now = small.Now + %d\n", time.Now().UnixNano())
	for i := range 1500 {
		large += fmt.Sprintf("func F%d(m map[string]int) int { for k := range m { m[k+%q]++ }; return len(m) }\n", i, "x")
	}
	b := Builder{Cache: t.TempDir(), Out: io.Discard, Source: fstest.MapFS{
		"go.mod":         {Data: []byte("module x\ngo 1.26\n")},
		"small/small.go": {Data: fmt.Appendf(nil, "package small\nvar Now = %d\n", time.Now().UnixNano())},
		"large/large.go": {Data: []byte(large)},
		"main.go":        {Data: []byte("package main\nimport _ \"x/large\"\nfunc main() {}\n")},
	}}
	v := Versions{Kubernetes: "v1.2.3"}
	src := t.TempDir()
	require.NoError(t, os.CopyFS(src, b.Source))
	stale, err := stalePackages(t.Context(), src, flags(v.Kubernetes), []string{"."})
	require.NoError(t, err)
	require.Contains(t, stale, "x/small")
	require.EqualValues(t, len(large), stale["x/large"])

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd := goCommand(ctx, src, "build", append(flags(v.Kubernetes), "-v", "-o", src+"/"), []string{"."})
	lines, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	for s := bufio.NewScanner(lines); s.Scan() && s.Text() != "x/large"; {
	}
	cancel()
	require.Error(t, cmd.Wait())
	require.Eventually(t, func() bool { return syscall.Kill(-cmd.Process.Pid, 0) != nil }, time.Minute, time.Millisecond,
		"the compilers end with it")
	stale, err = stalePackages(t.Context(), src, flags(v.Kubernetes), []string{"."})
	require.NoError(t, err)
	require.NotContains(t, stale, "x/small")

	_, err = b.compile(ctx, v, ".")
	require.ErrorIs(t, err, context.Canceled)
	left, err := os.ReadDir(b.Cache)
	require.NoError(t, err)
	require.Empty(t, left)
	dir, err := b.compile(t.Context(), v, ".")
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(dir, "x"))
}

func TestPrune(t *testing.T) {
	b := Builder{Cache: t.TempDir()}
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
