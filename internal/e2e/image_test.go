package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/elf"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestImage looks at what `make image` has written as a registry or a runtime
// would: one name, a program for each architecture, and no other.
func TestImage(t *testing.T) {
	layout := filepath.Join(root(t), "bin", "probe.oci")
	if _, err := os.Stat(layout); err != nil {
		const why = "`make image` writes what this test looks at"
		if os.Getenv("CI") == "true" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	type descriptor struct {
		Digest      string
		Annotations map[string]string
		Platform    struct{ OS, Architecture string }
	}
	type index struct{ Manifests []descriptor }
	read := func(v any, parts ...string) {
		text, err := os.ReadFile(filepath.Join(append([]string{layout}, parts...)...))
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, v))
	}
	blob := func(digest string) []string {
		return append([]string{"blobs"}, strings.SplitN(digest, ":", 2)...)
	}
	var top, image index
	read(&top, "index.json")
	require.Len(t, top.Manifests, 1)
	require.Equal(t, "localhost/headless-job-dns-probe:dev", top.Manifests[0].Annotations["io.containerd.image.name"], "as manifests/job.yaml names it")
	read(&image, blob(top.Manifests[0].Digest)...)
	machines := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}
	require.Len(t, image.Manifests, len(machines))
	for _, m := range image.Manifests {
		require.Equal(t, "linux", m.Platform.OS)
		require.Contains(t, machines, m.Platform.Architecture)
		var manifest struct {
			Config descriptor
			Layers []descriptor
		}
		read(&manifest, blob(m.Digest)...)
		var config struct{ Architecture, OS string }
		read(&config, blob(manifest.Config.Digest)...)
		require.Equal(t, m.Platform.Architecture, config.Architecture)
		require.Len(t, manifest.Layers, 1)
		layer, err := os.Open(filepath.Join(append([]string{layout}, blob(manifest.Layers[0].Digest)...)...))
		require.NoError(t, err)
		defer layer.Close()
		unzipped, err := gzip.NewReader(layer)
		require.NoError(t, err)
		files := tar.NewReader(unzipped)
		header, err := files.Next()
		require.NoError(t, err)
		require.Equal(t, "probe", header.Name)
		program, err := io.ReadAll(files)
		require.NoError(t, err)
		_, err = files.Next()
		require.Equal(t, io.EOF, err, "nothing but the probe")
		f, err := elf.NewFile(bytes.NewReader(program))
		require.NoError(t, err)
		require.Equal(t, machines[config.Architecture], f.Machine)
		delete(machines, config.Architecture)
	}
}
