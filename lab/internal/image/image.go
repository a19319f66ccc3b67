// Package image makes container images from programs of this machine, without
// a registry and without a container engine.
package image

import (
	"archive/tar"
	"bytes"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Spec is an image of one layer with one program.
type Spec struct {
	Binary     string   // on this machine
	Libraries  []string // files of this machine that it needs, at the same paths; none if it is static
	Name       string   // reference with a tag
	Entrypoint string   // where the binary is in the image; default /<its name>
	User       string   // default 65532
}

// DefaultUser is distroless' nonroot. It is a number because the kubelet
// cannot see whether a name is root's, and refuses it under runAsNonRoot.
const DefaultUser = "65532"

// Write makes the image and stores it as a tar for `ctr images import` (and
// `docker load`). The same binary gives the same bytes.
func Write(s Spec, out string) error {
	ref, err := name.NewTag(s.Name)
	if err != nil {
		return fmt.Errorf("image name %q: %w", s.Name, err)
	}
	if s.Entrypoint == "" {
		s.Entrypoint = "/" + filepath.Base(s.Binary)
	}
	if s.User == "" {
		s.User = DefaultUser
	}
	if !path.IsAbs(s.Entrypoint) {
		return fmt.Errorf("entrypoint %q: must be a path from the root", s.Entrypoint)
	}
	layer, err := layerOf(s)
	if err != nil {
		return err
	}
	img, err := mutate.Append(empty.Image, mutate.Addendum{
		Layer: layer,
		// Without a date, or two builds would differ.
		History: v1.History{CreatedBy: createdBy, Created: v1.Time{Time: time.Unix(0, 0).UTC()}},
	})
	if err != nil {
		return fmt.Errorf("make image %s: %w", s.Name, err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		return fmt.Errorf("make image %s: %w", s.Name, err)
	}
	config = config.DeepCopy()
	config.Architecture, config.OS = runtime.GOARCH, "linux"
	config.Created = v1.Time{Time: time.Unix(0, 0).UTC()}
	config.Config = v1.Config{Entrypoint: []string{s.Entrypoint}, User: s.User, WorkingDir: "/", Env: []string{"PATH=/"}}
	if img, err = mutate.ConfigFile(img, config); err != nil {
		return fmt.Errorf("make image %s: %w", s.Name, err)
	}

	// Beside the target and renamed: nobody loads half an image.
	tmp, err := os.CreateTemp(filepath.Dir(out), ".image-*")
	if err != nil {
		return fmt.Errorf("write image %s: %w", s.Name, err)
	}
	defer os.Remove(tmp.Name())
	err = tarball.Write(ref, img, tmp)
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), out)
	}
	if err != nil {
		return fmt.Errorf("write image %s: %w", s.Name, err)
	}
	return nil
}

// createdBy is what an image's history shows.
const createdBy = "headless-job-dns/lab image"

// layerOf puts the program and its libraries into a layer. It is not
// compressed: the image goes from one folder of the machine to another, and
// unpacking takes longer than reading.
func layerOf(s Spec) (v1.Layer, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	add := func(file, as string) error {
		data, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read binary: %w", err)
		}
		err = w.WriteHeader(&tar.Header{
			Typeflag: tar.TypeReg,
			Name:     as[1:],
			Mode:     0o755,
			Size:     int64(len(data)),
			ModTime:  time.Unix(0, 0),
		})
		if err == nil {
			_, err = w.Write(data)
		}
		return err
	}
	err := add(s.Binary, s.Entrypoint)
	for _, library := range s.Libraries {
		if err == nil {
			err = add(library, library)
		}
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("make layer of %s: %w", s.Binary, err)
	}
	return static.NewLayer(buf.Bytes(), types.DockerUncompressedLayer), nil
}

// Libraries lists what a program is linked with, its loader included, from
// what ldd prints of it.
func Libraries(ldd string) ([]string, error) {
	var files []string
	for _, line := range strings.Split(strings.TrimSpace(ldd), "\n") {
		name, found, linked := strings.Cut(strings.TrimSpace(line), " => ")
		if !linked {
			found = name
		}
		file, _, _ := strings.Cut(found, " (")
		switch {
		case strings.HasPrefix(name, "linux-vdso."): // the kernel's own
		case path.IsAbs(file):
			files = append(files, file)
		default:
			return nil, fmt.Errorf("libraries: ldd says %q", line)
		}
	}
	return files, nil
}
