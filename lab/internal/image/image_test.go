package image

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/stretchr/testify/require"
)

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	binary := filepath.Join(dir, "probe")
	content := bytes.Repeat([]byte("a program "), 1000)
	require.NoError(t, os.WriteFile(binary, content, 0o755))
	first, second := filepath.Join(dir, "1.tar"), filepath.Join(dir, "2.tar")
	require.NoError(t, Write(Spec{Binary: binary, Name: "lab.local/probe:dev"}, first))
	later := time.Now().Add(time.Hour)
	require.NoError(t, os.Chtimes(binary, later, later))
	require.NoError(t, Write(Spec{Binary: binary, Name: "lab.local/probe:dev"}, second))

	a, err := os.ReadFile(first)
	require.NoError(t, err)
	b, err := os.ReadFile(second)
	require.NoError(t, err)
	require.True(t, bytes.Equal(a, b), "the same binary gives the same bytes")

	manifest, err := tarball.LoadManifest(func() (io.ReadCloser, error) { return os.Open(first) })
	require.NoError(t, err)
	require.Equal(t, []string{"lab.local/probe:dev"}, manifest[0].RepoTags)
	img, err := tarball.ImageFromPath(first, nil)
	require.NoError(t, err)
	config, err := img.ConfigFile()
	require.NoError(t, err)
	require.Equal(t, []string{"/probe"}, config.Config.Entrypoint)
	require.Equal(t, "65532", config.Config.User)
	require.Equal(t, "linux", config.OS)
	layers, err := img.Layers()
	require.NoError(t, err)
	require.Len(t, layers, 1)
	r, err := layers[0].Uncompressed()
	require.NoError(t, err)
	defer r.Close()
	tr := tar.NewReader(r)
	header, err := tr.Next()
	require.NoError(t, err)
	require.Equal(t, "probe", header.Name)
	require.EqualValues(t, 0o755, header.Mode)
	got, err := io.ReadAll(tr)
	require.NoError(t, err)
	require.Equal(t, content, got)

	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 3, "no temporary file is left")
}

func TestWriteRefuses(t *testing.T) {
	dir := t.TempDir()
	binary := filepath.Join(dir, "probe")
	require.NoError(t, os.WriteFile(binary, nil, 0o755))
	for want, s := range map[string]Spec{
		`image name "No Such"`: {Binary: binary, Name: "No Such"},
		`entrypoint "probe"`:   {Binary: binary, Name: "a/b:c", Entrypoint: "probe"},
		"read binary":          {Binary: binary + "x", Name: "a/b:c"},
	} {
		require.ErrorContains(t, Write(s, filepath.Join(dir, "out.tar")), want)
		require.NoFileExists(t, filepath.Join(dir, "out.tar"))
	}
}

// TestWriteWithLinks: a link leads to the program, and PATH to the links.
func TestWriteWithLinks(t *testing.T) {
	dir := t.TempDir()
	binary := filepath.Join(dir, "busybox")
	require.NoError(t, os.WriteFile(binary, []byte("program"), 0o755))
	out := filepath.Join(dir, "image.tar")
	require.NoError(t, Write(Spec{Binary: binary, Links: []string{"/bin/sh", "/bin/cat"}, Name: "lab.local/b:1", Entrypoint: "/bin/busybox"}, out))
	img, err := tarball.ImageFromPath(out, nil)
	require.NoError(t, err)
	config, err := img.ConfigFile()
	require.NoError(t, err)
	require.Equal(t, []string{"PATH=/bin"}, config.Config.Env)
	require.Equal(t, map[string]string{"/bin/busybox": "program", "/bin/cat": "-> /bin/busybox", "/bin/sh": "-> /bin/busybox"}, files(t, img))
}

// files are what an image's layers hold.
func files(t *testing.T, img v1.Image) map[string]string {
	t.Helper()
	layers, err := img.Layers()
	require.NoError(t, err)
	got := map[string]string{}
	for _, l := range layers {
		r, err := l.Uncompressed()
		require.NoError(t, err)
		defer r.Close()
		for tr := tar.NewReader(r); ; {
			header, err := tr.Next()
			if err == io.EOF {
				break
			}
			require.NoError(t, err)
			data, err := io.ReadAll(tr)
			require.NoError(t, err)
			got["/"+header.Name] = string(data)
			if header.Linkname != "" {
				got["/"+header.Name] = "-> " + header.Linkname
			}
		}
	}
	return got
}

// TestLibraries keeps each file at the path at which the loader looks for it.
func TestLibraries(t *testing.T) {
	files, err := Libraries(`	linux-vdso.so.1 (0x00007f1c8044d000)
	libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f1c7ff4a000)
	/lib64/ld-linux-x86-64.so.2 (0x00007f1c8044f000)
`)
	require.NoError(t, err)
	require.Equal(t, []string{"/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"}, files)
	for _, bad := range []string{"	not a dynamic executable\n", "	libidn2.so.0 => not found\n", ""} {
		_, err := Libraries(bad)
		require.ErrorContains(t, err, "ldd says")
	}
}

func TestWriteWithLibraries(t *testing.T) {
	dir := t.TempDir()
	binary, library := filepath.Join(dir, "dnsmasq"), filepath.Join(dir, "lib", "libc.so.6")
	require.NoError(t, os.WriteFile(binary, []byte("program"), 0o755))
	require.NoError(t, os.Mkdir(filepath.Dir(library), 0o755))
	require.NoError(t, os.WriteFile(library, []byte("library"), 0o644))
	out := filepath.Join(dir, "image.tar")
	require.NoError(t, Write(Spec{Binary: binary, Libraries: []string{library}, Name: "lab.local/d:1", Entrypoint: "/usr/sbin/dnsmasq"}, out))
	img, err := tarball.ImageFromPath(out, nil)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"/usr/sbin/dnsmasq": "program", library: "library"}, files(t, img))
}
