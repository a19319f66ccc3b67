package image

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Annotations of an OCI layout's index by which programs name what they load:
// containerd's for the whole reference, OCI's for the tag.
const (
	containerdName = "io.containerd.image.name"
	ociRefName     = "org.opencontainers.image.ref.name"
)

// WriteIndex makes one image of several programs, each for the architecture
// that its header names, and stores it twice: as an OCI layout in folder, to be
// pushed, and as a tar of that layout for `ctr images import` and `kind load
// image-archive` (and `docker load` from Docker 25 on). The same programs give
// the same bytes.
func WriteIndex(s Spec, binaries []string, folder, out string) error {
	ref, err := name.NewTag(s.Name)
	if err != nil {
		return fmt.Errorf("image name %q: %w", s.Name, err)
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	seen := map[string]string{}
	for _, binary := range binaries {
		arch, err := Architecture(binary)
		if err != nil {
			return err
		}
		if other := seen[arch]; other != "" {
			return fmt.Errorf("image %s: %s and %s are both for %s", s.Name, other, binary, arch)
		}
		seen[arch] = binary
		p := v1.Platform{OS: "linux", Architecture: arch}
		s.Binary = binary
		img, err := s.image(p, compressed)
		if err != nil {
			return err
		}
		img = mutate.ConfigMediaType(mutate.MediaType(img, types.OCIManifestSchema1), types.OCIConfigJSON)
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: plain{img}, Descriptor: v1.Descriptor{Platform: &p}})
	}
	if len(seen) == 0 {
		return fmt.Errorf("image %s: no program", s.Name)
	}
	dir, err := writeLayout(folder, ref, index)
	if err != nil {
		return fmt.Errorf("write image %s: %w", s.Name, err)
	}
	defer os.RemoveAll(dir)
	err = replace(s.Name, out, func(f *os.File) error { return archive(f, dir) })
	if err != nil {
		return err
	}
	// Last, and as a whole.
	if err := os.RemoveAll(folder); err != nil {
		return fmt.Errorf("write image %s: %w", s.Name, err)
	}
	if err := os.Rename(dir, folder); err != nil {
		return fmt.Errorf("write image %s: %w", s.Name, err)
	}
	return nil
}

// plain is an image whose entry in an index has no artifact type: the library
// would give it that of its configuration, which no other image has.
type plain struct{ v1.Image }

// ArtifactType is what the library looks for.
func (plain) ArtifactType() (string, error) { return "", nil }

// compressed is a layer as registries have them.
func compressed(content []byte) (v1.Layer, error) {
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer))
}

// writeLayout writes an OCI layout into a new folder beside the one where it
// is to go.
func writeLayout(folder string, ref name.Tag, index v1.ImageIndex) (string, error) {
	dir, err := os.MkdirTemp(filepath.Dir(folder), ".image-*")
	if err != nil {
		return "", err
	}
	l, err := layout.Write(dir, empty.Index)
	if err == nil {
		names := map[string]string{containerdName: ref.Name(), ociRefName: ref.TagStr()}
		err = l.AppendIndex(index, layout.WithAnnotations(names))
	}
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		os.RemoveAll(dir)
		return "", err
	}
	return dir, nil
}

// archive writes the layout's files in the order of their names.
func archive(w io.Writer, dir string) error {
	t := tar.NewWriter(w)
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		err = t.WriteHeader(&tar.Header{
			Typeflag: tar.TypeReg, Name: filepath.ToSlash(name), Mode: 0o644,
			Size: int64(len(data)), ModTime: time.Unix(0, 0),
		})
		if err == nil {
			_, err = t.Write(data)
		}
		return err
	})
	if err != nil {
		return err
	}
	return t.Close()
}

// Architecture is what a Linux program is for, as GOARCH has it.
func Architecture(binary string) (string, error) {
	f, err := elf.Open(binary)
	if err != nil {
		return "", fmt.Errorf("read binary %s: %w", binary, err)
	}
	defer f.Close()
	switch {
	case f.Machine == elf.EM_X86_64:
		return "amd64", nil
	case f.Machine == elf.EM_AARCH64:
		return "arm64", nil
	case f.Machine == elf.EM_PPC64 && f.Data == elf.ELFDATA2LSB:
		return "ppc64le", nil
	case f.Machine == elf.EM_S390:
		return "s390x", nil
	case f.Machine == elf.EM_RISCV && f.Class == elf.ELFCLASS64:
		return "riscv64", nil
	}
	return "", fmt.Errorf("binary %s is for %s, which images are not made for", binary, f.Machine)
}
