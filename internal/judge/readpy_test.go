package judge

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/results"
)

// TestReader: records/read.py, for those without Go, says of each trial what the
// judge says.
func TestReader(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		require.Empty(t, os.Getenv("CI"), "python3 is not in the PATH")
		t.Skip("python3 is not in the PATH")
	}
	records := filepath.Join("..", "..", "records")
	for _, name := range []string{"default", "extras", "standard", "timeouts"} {
		out, err := exec.Command(python, filepath.Join(records, "read.py"),
			filepath.Join(records, name, results.TrialsFile)).CombinedOutput()
		require.NoError(t, err, "%s", out)
		said := strings.Split(strings.TrimSpace(string(out)), "\n")
		folder, err := results.Load(filepath.Join(records, name))
		require.NoError(t, err)
		i := 0
		for tr, err := range folder.Trials() {
			require.NoError(t, err)
			lag := Judge(&tr).Connected.Lag
			fields := strings.Fields(said[i])
			require.Equal(t, tr.Plan.ID, fields[0])
			last, censored := strings.CutPrefix(fields[len(fields)-1], ">")
			require.Equal(t, lag.Censored, censored, said[i])
			got := 0.0
			_, err = fmt.Sscan(last, &got)
			require.NoError(t, err, said[i])
			require.InDelta(t, lag.Value.Seconds(), got, 0.002, "%s: %s", name, said[i])
			i++
		}
		require.Len(t, said, i)
	}
}
