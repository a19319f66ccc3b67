//go:build unix

package results

import (
	"errors"
	"os"
	"syscall"
)

// errBusy says who holds the lock.
var errBusy = errors.New("another process is adding to it")

// lockFolder locks the folder itself: no file is left that somebody would have
// to remove, and the kernel ends the lock with the process.
func lockFolder(dir string) (*os.File, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case err == nil:
		return d, nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		err = errBusy
	case errors.Is(err, syscall.ENOLCK), errors.Is(err, syscall.ENOTSUP):
		return d, nil // a file system without locks: better than no results
	}
	d.Close()
	return nil, err
}
