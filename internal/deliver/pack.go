package deliver

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"headless-job-dns/manifests"
)

// pieceSize is how much of the program one ConfigMap holds: a ConfigMap may
// hold 1 MiB, and 24 KiB of that are left for what stands beside it.
const pieceSize = 1000 << 10

// Package is the probe for every architecture wanted, as ConfigMaps.
type Package struct {
	Objects []manifests.Object // in any order
	Names   []string           // of the ConfigMaps
	Sums    map[string]string  // SHA-256 of each program, hexadecimal, by GOARCH
	Bytes   int                // in the ConfigMaps, together
}

// Pack builds and packs the probe for the owner's run. It calls say before each
// build, which can take a minute the first time.
func Pack(ctx context.Context, o manifests.Owner, archs []string,
	build func(context.Context, string) ([]byte, error), say func(string)) (Package, error) {
	p := Package{Sums: map[string]string{}}
	for _, arch := range archs {
		say("building the probe for linux/" + arch)
		program, err := build(ctx, arch)
		if err != nil {
			return Package{}, err
		}
		parts, sum, err := cut(program)
		if err != nil {
			return Package{}, fmt.Errorf("pack the probe for linux/%s: %w", arch, err)
		}
		objs, err := manifests.Pieces(o, arch, parts, sum)
		if err != nil {
			return Package{}, err
		}
		p.Sums[arch] = sum
		for i, obj := range objs {
			p.Objects, p.Names = append(p.Objects, obj), append(p.Names, obj.GetName())
			p.Bytes += len(parts[i])
		}
	}
	return p, nil
}

// cut compresses a program, cuts the result into pieces that fit into
// ConfigMaps, and returns the program's SHA-256. Equal programs give equal
// pieces.
func cut(program []byte) (parts [][]byte, sum string, err error) {
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, "", err
	}
	if _, err := w.Write(program); err != nil {
		return nil, "", err
	}
	if err := w.Close(); err != nil {
		return nil, "", err
	}
	h := sha256.Sum256(program)
	return slices.Collect(slices.Chunk(packed.Bytes(), pieceSize)), hex.EncodeToString(h[:]), nil
}
