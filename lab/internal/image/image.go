// Package image makes container images from static binaries, without a
// registry and without a container engine.
package image

import (
	"archive/tar"
	"bytes"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Spec is an image of one layer with one file.
type Spec struct {
	Binary     string // on this machine
	Name       string // reference with a tag
	Entrypoint string // where the binary is in the image; default /<its name>
	User       string // default 65532
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
	layer, err := layerOf(s.Binary, s.Entrypoint)
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

// layerOf puts the binary into a layer. It is not compressed: the image goes
// from one folder of the machine to another, and unpacking takes longer than
// reading.
func layerOf(binary, entrypoint string) (v1.Layer, error) {
	data, err := os.ReadFile(binary)
	if err != nil {
		return nil, fmt.Errorf("read binary: %w", err)
	}
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	err = w.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg,
		Name:     entrypoint[1:],
		Mode:     0o755,
		Size:     int64(len(data)),
		ModTime:  time.Unix(0, 0),
	})
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("make layer of %s: %w", binary, err)
	}
	return static.NewLayer(buf.Bytes(), types.DockerUncompressedLayer), nil
}
