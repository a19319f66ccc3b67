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
	"slices"
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
	Links      []string // other paths in the image that lead to it
	Name       string   // reference with a tag
	Entrypoint string   // where the binary is in the image; default /<its name>
	User       string   // default 65532
}

// DefaultUser is distroless' nonroot. It is a number because the kubelet
// cannot see whether a name is root's, and refuses it under runAsNonRoot.
const DefaultUser = "65532"

// Write makes the image for this machine and stores it as a tar for `ctr images
// import` (and `docker load`). The same binary gives the same bytes.
func Write(s Spec, out string) error {
	ref, err := name.NewTag(s.Name)
	if err != nil {
		return fmt.Errorf("image name %q: %w", s.Name, err)
	}
	// Not compressed: the image goes from one folder of the machine to another,
	// and unpacking takes longer than reading.
	asItIs := func(content []byte) (v1.Layer, error) {
		return static.NewLayer(content, types.DockerUncompressedLayer), nil
	}
	img, err := s.image(v1.Platform{OS: "linux", Architecture: runtime.GOARCH}, asItIs)
	if err != nil {
		return err
	}
	return replace(s.Name, out, func(f *os.File) error { return tarball.Write(ref, img, f) })
}

// image makes the image of one platform, with a layer made of a tar.
func (s Spec) image(p v1.Platform, layerOf func(content []byte) (v1.Layer, error)) (v1.Image, error) {
	if s.Entrypoint == "" {
		s.Entrypoint = "/" + filepath.Base(s.Binary)
	}
	if s.User == "" {
		s.User = DefaultUser
	}
	for _, file := range append([]string{s.Entrypoint}, s.Links...) {
		if !path.IsAbs(file) {
			return nil, fmt.Errorf("entrypoint %q: must be a path from the root", file)
		}
	}
	content, err := s.content()
	if err != nil {
		return nil, err
	}
	layer, err := layerOf(content)
	if err != nil {
		return nil, fmt.Errorf("make layer of %s: %w", s.Binary, err)
	}
	img, err := mutate.Append(empty.Image, mutate.Addendum{
		Layer: layer,
		// Without a date, or two builds would differ.
		History: v1.History{CreatedBy: createdBy, Created: v1.Time{Time: time.Unix(0, 0).UTC()}},
	})
	if err != nil {
		return nil, fmt.Errorf("make image %s: %w", s.Name, err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("make image %s: %w", s.Name, err)
	}
	config = config.DeepCopy()
	config.Architecture, config.OS = p.Architecture, p.OS
	config.Created = v1.Time{Time: time.Unix(0, 0).UTC()}
	config.Config = v1.Config{
		Entrypoint: []string{s.Entrypoint}, User: s.User, WorkingDir: "/",
		Env: []string{"PATH=" + path.Dir(s.Entrypoint)},
	}
	if img, err = mutate.ConfigFile(img, config); err != nil {
		return nil, fmt.Errorf("make image %s: %w", s.Name, err)
	}
	return img, nil
}

// replace writes a file beside the target and renames it: nobody loads half an
// image.
func replace(image, out string, write func(*os.File) error) error {
	tmp, err := os.CreateTemp(filepath.Dir(out), ".image-*")
	if err != nil {
		return fmt.Errorf("write image %s: %w", image, err)
	}
	defer os.Remove(tmp.Name())
	err = write(tmp)
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), out)
	}
	if err != nil {
		return fmt.Errorf("write image %s: %w", image, err)
	}
	return nil
}

// createdBy is what an image's history shows.
const createdBy = "headless-job-dns/lab image"

// content is the program, its libraries and its links as a tar.
func (s Spec) content() ([]byte, error) {
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
	for _, link := range slices.Sorted(slices.Values(s.Links)) {
		if err == nil {
			err = w.WriteHeader(&tar.Header{
				Typeflag: tar.TypeSymlink, Name: link[1:], Linkname: s.Entrypoint, Mode: 0o777, ModTime: time.Unix(0, 0),
			})
		}
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("make layer of %s: %w", s.Binary, err)
	}
	return buf.Bytes(), nil
}
