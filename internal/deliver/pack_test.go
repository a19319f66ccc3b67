package deliver

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"debug/elf"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"

	"headless-job-dns/manifests"
)

var owner = manifests.Owner{Run: "r1a2b3", Namespace: "lag-test"}

// incompressible returns a program that compression does not make smaller.
func incompressible(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

func pack(t *testing.T, archs []string, program []byte) Package {
	t.Helper()
	p, err := Pack(t.Context(), owner, archs, func(context.Context, string) ([]byte, error) { return program, nil }, func(string) {})
	require.NoError(t, err)
	return p
}

// TestPackFits checks what the API server would refuse: a ConfigMap with more
// than 1 MiB of values.
func TestPackFits(t *testing.T) {
	for _, size := range []int{0, 1, pieceSize - 100, pieceSize, 3*pieceSize + 1} {
		p := pack(t, []string{"amd64", "arm64"}, incompressible(size))
		require.Len(t, p.Sums, 2)
		require.Len(t, p.Names, len(p.Objects))
		require.GreaterOrEqual(t, p.Bytes, 2*size)
		for i, o := range p.Objects {
			cm := o.(*corev1.ConfigMap)
			require.Equal(t, p.Names[i], cm.Name)
			total := 0
			for _, v := range cm.BinaryData {
				total += len(v)
			}
			for _, v := range cm.Data {
				total += len(v)
			}
			require.LessOrEqual(t, total, 1<<20)
		}
	}
}

func TestPackIsReproducible(t *testing.T) {
	program := incompressible(2 * pieceSize)
	require.Equal(t, pack(t, []string{"amd64"}, program), pack(t, []string{"amd64"}, program))
}

func TestPackSaysWhyNot(t *testing.T) {
	broken := errors.New("broken")
	var said []string
	_, err := Pack(t.Context(), owner, []string{"s390x", "arm64"}, func(context.Context, string) ([]byte, error) { return nil, broken }, func(s string) { said = append(said, s) })
	require.ErrorIs(t, err, broken)
	require.Equal(t, []string{"building the probe for linux/s390x"}, said)
	_, err = Pack(t.Context(), owner, []string{"mips"}, func(context.Context, string) ([]byte, error) { return nil, nil }, func(string) {})
	require.ErrorContains(t, err, "mips")
}

// script is what the pods run, with a folder in the root's place and arguments
// for the probe.
func script(t *testing.T, root string, args ...string) *exec.Cmd {
	t.Helper()
	job, err := manifests.Job(manifests.JobParams{Owner: owner, Name: "lag", Service: "headless", Probe: manifests.Probe{Pieces: []string{"p"}}, Pods: 1})
	require.NoError(t, err)
	argv := append(slices.Clone(job.Spec.Template.Spec.Containers[0].Command), args...)
	for i := range argv {
		argv[i] = strings.NewReplacer("/pieces/", root+"/pieces/", "cd /program", "cd "+root+"/program").Replace(argv[i])
	}
	return exec.Command(argv[0], argv[1:]...)
}

// mount writes ConfigMaps as a kubelet does, and makes the empty folder.
func mount(t *testing.T, p Package) (root string) {
	t.Helper()
	root = t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(root, "pieces"), 0o755))
	require.NoError(t, os.Mkdir(filepath.Join(root, "program"), 0o755))
	write := func(name string, data []byte) {
		require.NoError(t, os.WriteFile(filepath.Join(root, "pieces", name), data, 0o444))
	}
	for _, o := range p.Objects {
		for name, data := range o.(*corev1.ConfigMap).BinaryData {
			write(name, data)
		}
		for name, data := range o.(*corev1.ConfigMap).Data {
			write(name, []byte(data))
		}
	}
	return root
}

// TestUnpack runs the pods' own script on what is delivered.
func TestUnpack(t *testing.T) {
	for _, tool := range []string{"sh", "uname", "gunzip", "sha256sum"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("the script of the pods needs %s", tool)
		}
	}
	machine, err := exec.Command("uname", "-m").Output()
	require.NoError(t, err)
	// A shell program longer than ten pieces, so that their order is tried.
	program := append([]byte("#!/bin/sh\necho $0 runs: \"$@\"\nexit\n"), incompressible(11*pieceSize)...)
	root := mount(t, pack(t, []string{"amd64", "arm64"}, program))
	first := filepath.Join(root, "pieces", strings.TrimSpace(string(machine))+".gz.00")
	if _, err := os.Stat(first); err != nil {
		t.Skipf("nothing is delivered to a %s", machine)
	}
	for range 2 { // again, as when the container is started anew
		out, err := script(t, root, "--pods=4", "two words").CombinedOutput()
		require.NoError(t, err, "%s", out)
		require.Equal(t, "./probe runs: --pods=4 two words\n", string(out), "and nothing else gets into the log")
		got, err := os.ReadFile(filepath.Join(root, "program", "probe"))
		require.NoError(t, err)
		require.True(t, bytes.Equal(program, got))
	}
	good, err := os.ReadFile(first)
	require.NoError(t, err)
	spoil := func(name string, change func()) {
		t.Run(name, func(t *testing.T) {
			change()
			out, err := script(t, root).CombinedOutput()
			require.Error(t, err, "%s", out)
			require.NotEmpty(t, out, "it says why")
		})
	}
	spoil("a piece is missing", func() { require.NoError(t, os.Remove(first)) })
	other := pack(t, []string{"amd64"}, append(incompressible(10), program...)).Objects[0].(*corev1.ConfigMap).BinaryData["x86_64.gz.00"]
	spoil("a piece is another's", func() { require.NoError(t, os.WriteFile(first, other, 0o644)) })
	spoil("a piece is cut", func() { require.NoError(t, os.WriteFile(first, good[:len(good)-1], 0o644)) })
	spoil("the checksum is another's", func() {
		require.NoError(t, os.WriteFile(first, good, 0o644))
		sum := filepath.Join(root, "pieces", strings.TrimSpace(string(machine))+".sha256")
		require.NoError(t, os.Remove(sum))
		require.NoError(t, os.WriteFile(sum, []byte(strings.Repeat("0", 64)+"  probe\n"), 0o644))
	})
	spoil("nothing for this machine", func() { require.NoError(t, os.RemoveAll(filepath.Join(root, "pieces"))) })
}

// TestBuild builds the probe from the source in this program, away from any
// checkout, and looks at what came out.
func TestBuild(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the standard library for another architecture where that was not done before")
	}
	t.Chdir(t.TempDir())
	t.Setenv("GOAMD64", "v4") // a user's own wish
	for arch, machine := range map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64} {
		program, err := Build(t.Context(), arch)
		require.NoError(t, err)
		f, err := elf.NewFile(bytes.NewReader(program))
		require.NoError(t, err)
		require.Equal(t, machine, f.Machine)
		require.Equal(t, elf.ET_EXEC, f.Type)
		for _, p := range f.Progs {
			require.NotEqual(t, elf.PT_INTERP, p.Type, "it needs no loader")
		}
		info, err := buildinfo.Read(bytes.NewReader(program))
		require.NoError(t, err)
		require.Equal(t, "headless-job-dns/probe", info.Path)
		for _, s := range info.Settings {
			if s.Key == "GOAMD64" {
				require.Equal(t, "v1", s.Value, "any node runs it")
			}
		}
		parts, _, err := cut(program)
		require.NoError(t, err)
		t.Logf("linux/%s: %d bytes in %d ConfigMaps", arch, len(program), len(parts))
		require.LessOrEqual(t, len(parts), 4, "manifests/delivered-pod.yaml names four")
	}
}

func TestBuildWithoutGo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Build(t.Context(), "amd64")
	require.ErrorIs(t, err, ErrNoGo)
	require.ErrorContains(t, err, "--image")
	require.NotContains(t, err.Error(), "ConfigMap", "an image is made of the same program")
}
