package process

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOwnerOf(t *testing.T) {
	const mark = "HEADLESS_JOB_LAB_DAEMON=etcd"
	for name, c := range map[string]struct {
		cgroups, environ string
		want             Owner
	}{
		"a daemon, v1": {
			cgroups: "4:memory:/headless-job-lab/daemons\n6:freezer:/headless-job-lab/daemons/kubelet-node1\n1:cpu:/\n",
			want:    Owner{Ours: true, Daemon: "kubelet-node1"},
		},
		"a daemon, v2":               {cgroups: "0::/headless-job-lab/daemons/etcd\n", want: Owner{Ours: true, Daemon: "etcd"}},
		"a container":                {cgroups: "0::/headless-job-lab/node1/kubepods/burstable/pod1/c\n", want: Owner{Ours: true}},
		"a container with a colon":   {cgroups: "4:memory:/headless-job-lab/node1/a:b\n", want: Owner{Ours: true}},
		"started, but not moved yet": {cgroups: "0::/user.slice\n", environ: "PATH=/bin\x00" + mark + "\x00", want: Owner{Ours: true, Daemon: "etcd"}},
		"somebody's":                 {cgroups: "0::/user.slice\n", environ: "PATH=/bin\x00", want: Owner{}},
		"somebody's kubelet":         {cgroups: "4:memory:/kubepods/headless-job-lab\n0::/\n", want: Owner{}},
		"a name that begins alike":   {cgroups: "0::/headless-job-lab-2/daemons/etcd\n", want: Owner{}},
		"a value that holds the mark": {
			cgroups: "0::/\n", environ: "ARGS=x " + mark + "\x00", want: Owner{},
		},
		"gone": {want: Owner{}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, OwnerOf([]byte(c.cgroups), []byte(c.environ)))
		})
	}
}

// sleeper runs a process that the test ends if nothing else does.
func sleeper(t *testing.T, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "60")
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd
}

func listed(pid int) bool {
	for _, p := range List() {
		if p.PID == pid {
			return true
		}
	}
	return false
}

func TestKill(t *testing.T) {
	if _, err := os.Stat("/proc/self/environ"); err != nil {
		t.Skip("no /proc on this system")
	}
	ours, other := sleeper(t, Mark("test")), sleeper(t)
	require.Eventually(t, func() bool { return listed(ours.Process.Pid) }, 30*time.Second, time.Millisecond)
	require.False(t, listed(other.Process.Pid))

	// Asked for both by id, it still ends its own only.
	pids := map[int]bool{ours.Process.Pid: true, other.Process.Pid: true}
	require.NoError(t, Kill(func(p Process) bool { return pids[p.PID] }))
	require.False(t, listed(ours.Process.Pid), "a zombie counts as gone")
	require.NoError(t, kill(other.Process.Pid), "somebody else's id is left alone")
	require.False(t, zombie(other.Process.Pid))
}

func TestStart(t *testing.T) {
	dir := t.TempDir()
	d := Daemon{
		Name: "test", Groups: []string{filepath.Join(dir, "own"), dir}, Log: filepath.Join(dir, "log"),
		Argv: []string{"sh", "-c", `echo "$$ $HEADLESS_JOB_LAB_DAEMON $HTTPS_PROXY"; echo no such thing >&2; exit 3`},
	}
	t.Setenv("HTTPS_PROXY", "http://proxy.invalid")
	r, err := Start(d)
	require.NoError(t, err)
	ctx := r.Watch(context.Background())
	<-ctx.Done()
	cause := context.Cause(ctx).Error()
	require.Contains(t, cause, "test ended (exit status 3)")
	require.Contains(t, cause, "no such thing")

	for _, group := range d.Groups {
		b, err := os.ReadFile(filepath.Join(group, "cgroup.procs"))
		require.NoError(t, err)
		require.Contains(t, cause, string(b[:len(b)-1])+" test \n", "the daemon itself is what entered the group, without the user's proxy")
	}
}

func TestTail(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	require.NoError(t, os.WriteFile(file, []byte("1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n"), 0o600))
	require.Equal(t, "2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13", tail(file))
	require.Contains(t, tail(file+"x"), "no such file")
}
