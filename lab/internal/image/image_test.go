package image

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

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
