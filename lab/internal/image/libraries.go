package image

import (
	"debug/elf"
	"fmt"
	"path"
	"strings"
)

// Static tells whether a program needs no loader, and with that no libraries.
func Static(binary string) (bool, error) {
	f, err := elf.Open(binary)
	if err != nil {
		return false, fmt.Errorf("read binary %s: %w", binary, err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return false, nil
		}
	}
	return true, nil
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
