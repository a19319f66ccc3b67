package image

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/stretchr/testify/require"
)

// program writes a file with the header of a program for a machine.
func program(t *testing.T, dir string, machine elf.Machine, order elf.Data) string {
	t.Helper()
	h := elf.Header64{Type: uint16(elf.ET_EXEC), Machine: uint16(machine), Version: uint32(elf.EV_CURRENT), Ehsize: 64}
	copy(h.Ident[:], elf.ELFMAG)
	h.Ident[elf.EI_CLASS], h.Ident[elf.EI_DATA], h.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(order), byte(elf.EV_CURRENT)
	var b bytes.Buffer
	var o binary.ByteOrder = binary.LittleEndian
	if order == elf.ELFDATA2MSB {
		o = binary.BigEndian
	}
	require.NoError(t, binary.Write(&b, o, h))
	file := filepath.Join(dir, machine.String(), "probe")
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, b.Bytes(), 0o755))
	return file
}

func TestWriteIndex(t *testing.T) {
	dir := t.TempDir()
	binaries := []string{program(t, dir, elf.EM_X86_64, elf.ELFDATA2LSB), program(t, dir, elf.EM_AARCH64, elf.ELFDATA2LSB)}
	spec := Spec{Name: "example.org/probe:dev"}
	folder, out := filepath.Join(dir, "oci"), filepath.Join(dir, "probe.tar")
	require.NoError(t, WriteIndex(spec, binaries, folder, out))
	first, err := os.ReadFile(out)
	require.NoError(t, err)
	require.NoError(t, WriteIndex(spec, binaries, folder, out), "over what is there")
	second, err := os.ReadFile(out)
	require.NoError(t, err)
	require.True(t, bytes.Equal(first, second), "the same programs give the same bytes")

	top, err := layout.ImageIndexFromPath(folder)
	require.NoError(t, err)
	require.NoError(t, validate.Index(top))
	manifest, err := top.IndexManifest()
	require.NoError(t, err)
	require.Len(t, manifest.Manifests, 1, "one name")
	require.Equal(t, types.OCIImageIndex, manifest.Manifests[0].MediaType)
	require.Equal(t, map[string]string{"io.containerd.image.name": "example.org/probe:dev", "org.opencontainers.image.ref.name": "dev"}, manifest.Manifests[0].Annotations)
	index, err := top.ImageIndex(manifest.Manifests[0].Digest)
	require.NoError(t, err)
	manifest, err = index.IndexManifest()
	require.NoError(t, err)
	require.Len(t, manifest.Manifests, 2)
	for i, arch := range []string{"amd64", "arm64"} {
		d := manifest.Manifests[i]
		require.Equal(t, &v1.Platform{OS: "linux", Architecture: arch}, d.Platform)
		require.Equal(t, types.OCIManifestSchema1, d.MediaType)
		require.Empty(t, d.ArtifactType, "an image like any other")
		img, err := index.Image(d.Digest)
		require.NoError(t, err)
		config, err := img.ConfigFile()
		require.NoError(t, err)
		require.Equal(t, arch, config.Architecture)
		require.Equal(t, []string{"/probe"}, config.Config.Entrypoint)
		require.Equal(t, DefaultUser, config.Config.User)
		want, err := os.ReadFile(binaries[i])
		require.NoError(t, err)
		require.Equal(t, map[string]string{"/probe": string(want)}, files(t, img))
	}

	// The tar is the layout, and nothing is left beside them.
	f, err := os.Open(out)
	require.NoError(t, err)
	defer f.Close()
	for tr := tar.NewReader(f); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		got, err := io.ReadAll(tr)
		require.NoError(t, err)
		want, err := os.ReadFile(filepath.Join(folder, h.Name))
		require.NoError(t, err)
		require.Equal(t, want, got, h.Name)
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 4)
}

func TestWriteIndexRefuses(t *testing.T) {
	dir := t.TempDir()
	amd64, text := program(t, dir, elf.EM_X86_64, elf.ELFDATA2LSB), filepath.Join(dir, "text")
	require.NoError(t, os.WriteFile(text, []byte("#!/bin/sh\n"), 0o755))
	folder, out := filepath.Join(dir, "oci"), filepath.Join(dir, "out.tar")
	for want, tc := range map[string]struct {
		name     string
		binaries []string
	}{
		`image name "No Such"`:                   {"No Such", []string{amd64}},
		"are both for amd64":                     {"a/b:c", []string{amd64, amd64}},
		"no program":                             {"a/b:c", nil},
		"read binary " + text:                    {"a/b:c", []string{amd64, text}},
		"EM_MIPS, which images are not made for": {"a/b:c", []string{program(t, dir, elf.EM_MIPS, elf.ELFDATA2LSB)}},
	} {
		require.ErrorContains(t, WriteIndex(Spec{Name: tc.name}, tc.binaries, folder, out), want)
		require.NoFileExists(t, out)
		require.NoDirExists(t, folder)
	}
}

func TestArchitecture(t *testing.T) {
	for want, of := range map[string]struct {
		machine elf.Machine
		order   elf.Data
	}{
		"amd64":   {elf.EM_X86_64, elf.ELFDATA2LSB},
		"arm64":   {elf.EM_AARCH64, elf.ELFDATA2LSB},
		"ppc64le": {elf.EM_PPC64, elf.ELFDATA2LSB},
		"s390x":   {elf.EM_S390, elf.ELFDATA2MSB},
		"riscv64": {elf.EM_RISCV, elf.ELFDATA2LSB},
	} {
		got, err := Architecture(program(t, t.TempDir(), of.machine, of.order))
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := Architecture(program(t, t.TempDir(), elf.EM_PPC64, elf.ELFDATA2MSB))
	require.ErrorContains(t, err, "EM_PPC64")
}

func TestStatic(t *testing.T) {
	static, err := Static(program(t, t.TempDir(), elf.EM_X86_64, elf.ELFDATA2LSB))
	require.NoError(t, err)
	require.True(t, static)
	_, err = Static(filepath.Join(t.TempDir(), "none"))
	require.ErrorContains(t, err, "read binary")
}
