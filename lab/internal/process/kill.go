package process

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// killWait is how long a killed process may take to be gone. Milliseconds are
// usual; one that waits for a disk takes longer.
const killWait = 5 * time.Second

// Kill ends all processes of the lab that wanted selects, and returns when
// they are gone. It kills at once: nothing that they hold is worth keeping,
// and an orderly end of an apiserver takes longer than the lab may.
//
// New ones may be forked while we look, so it looks until it finds none.
func Kill(wanted func(Process) bool) error {
	deadline := time.Now().Add(killWait)
	for {
		var left []Process
		for _, p := range List() {
			if wanted(p) {
				left = append(left, p)
			}
		}
		if len(left) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("end process %d (%s): still there %s after SIGKILL", left[0].PID, left[0].Command, killWait)
		}
		for _, p := range left {
			if err := kill(p.PID); err != nil {
				return fmt.Errorf("end process %d (%s): %w", p.PID, p.Command, err)
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// kill ends one process if it is still the one that was found: the descriptor
// is taken first, so that the id cannot pass to another process between the
// question whose it is and the signal.
func kill(pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if !ownerOfPID(pid).Ours {
		return nil
	}
	err = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}
