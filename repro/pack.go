package main

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"headless-job-dns/internal/results"
)

// maxPack is what the file to attach may have: GitHub takes no more than 10 MB of
// most users (docs.github.com, "Attaching files").
const maxPack = 10 << 20

// pack makes one file of the results to attach to an issue, beside their folder.
// What is in the folder names nobody: it was redacted when it was written.
// Without the probes' records, where they are too large, the report is left.
func (s *session) pack() error {
	dir := filepath.Clean(s.folder.Dir())
	if to, err := filepath.EvalSymlinks(dir); err == nil {
		dir = to // latest
	}
	path := dir + ".tgz"
	err := writePack(path, dir, "")
	if info, e := os.Stat(path); err == nil && e == nil && info.Size() > maxPack {
		s.say.line("%s has no %s, which takes it beyond %d MB: it is in %s", path, results.TrialsFile, maxPack>>20, dir)
		err = writePack(path, dir, results.TrialsFile)
	}
	if err != nil {
		return fmt.Errorf("cannot pack the results: %w", err)
	}
	s.say.line("to attach to an issue: %s", path)
	return nil
}

// writePack writes a folder's files, but for one, into a compressed archive in
// which they are in a folder of that name.
func writePack(path, dir, without string) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	z := gzip.NewWriter(file)
	t := tar.NewWriter(z)
	defer func() { err = errors.Join(err, t.Close(), z.Close(), file.Close()) }()
	return filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || d.Name() == without {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		in, err := filepath.Rel(filepath.Dir(dir), name)
		if err != nil {
			return err
		}
		if err := t.WriteHeader(&tar.Header{Name: filepath.ToSlash(in), Mode: 0o644, Size: int64(len(text))}); err != nil {
			return err
		}
		_, err = t.Write(text)
		return err
	})
}
