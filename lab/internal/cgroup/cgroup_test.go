package cgroup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"headless-job-dns/lab/internal/layout"
)

const mountsV1 = `25 1 0:22 / / rw - ext4 /dev/vda rw
30 25 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
32 30 0:28 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset,clone_children
33 30 0:29 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
34 30 0:30 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
35 30 0:31 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer
36 30 0:32 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,release_agent=/lib/agent,name=systemd
37 30 0:33 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
38 25 0:34 / /mnt/again/pids rw,relatime - cgroup cgroup rw,pids
`

func TestParse(t *testing.T) {
	v1, err := parse(strings.NewReader(mountsV1))
	require.NoError(t, err)
	require.False(t, v1.V2)
	require.Len(t, v1.Hierarchies, 7, "a hierarchy that is mounted twice counts once")
	require.Equal(t, []string{"cpu", "cpuacct"}, v1.Hierarchies[0].Controllers)
	require.Equal(t, []string{"name=systemd"}, v1.Hierarchies[5].Controllers)
	require.Equal(t, "/sys/fs/cgroup/freezer", v1.own().Path)

	v2, err := parse(strings.NewReader("30 25 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"))
	require.NoError(t, err)
	require.True(t, v2.V2)
	require.Equal(t, "/sys/fs/cgroup", v2.own().Path)

	// systemd's own hierarchy beside v2 does not make a v1 machine.
	hybrid, err := parse(strings.NewReader("30 25 0:26 / /c rw - cgroup2 c rw\n31 25 0:27 / /s rw - cgroup c rw,name=systemd\n"))
	require.NoError(t, err)
	require.True(t, hybrid.V2)

	_, err = parse(strings.NewReader("25 1 0:22 / / rw - ext4 /dev/vda rw\n"))
	require.ErrorContains(t, err, "no cgroup file system")
}

func TestDaemonGroups(t *testing.T) {
	tree := &Tree{Hierarchies: []Hierarchy{
		{Path: "/c/cpu", Controllers: []string{"cpu"}},
		{Path: "/c/freezer", Controllers: []string{"freezer"}},
	}}
	require.Equal(t, []string{
		"/c/freezer/headless-job-lab/daemons/etcd", // its own first
		"/c/cpu/headless-job-lab/daemons",
	}, tree.DaemonGroups("etcd"))
}

func TestMakeV1(t *testing.T) {
	root := t.TempDir()
	tree := &Tree{}
	for _, c := range []string{"cpu", "cpuset", "freezer"} {
		dir := filepath.Join(root, c)
		require.NoError(t, os.Mkdir(dir, 0o755))
		tree.Hierarchies = append(tree.Hierarchies, Hierarchy{Path: dir, Controllers: []string{c}})
	}
	require.NoError(t, os.WriteFile(filepath.Join(root, "cpuset", "cpuset.cpus"), []byte("0-3\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(root, "cpuset", "cpuset.mems"), []byte("0\n"), 0o644))

	nodes := layout.State("/s").Nodes(2)
	require.NoError(t, tree.Make(nodes, 4))
	read := func(elem ...string) string {
		b, err := os.ReadFile(filepath.Join(append([]string{root}, elem...)...))
		require.NoError(t, err)
		return strings.TrimSpace(string(b))
	}
	require.Equal(t, "0-3", read("cpuset", layout.Name, "node2", "cpuset.cpus"))
	require.Equal(t, "0", read("cpuset", layout.Name, "daemons", "cpuset.mems"))
	require.Equal(t, "4096", read("cpu", layout.Name, "node1", "cpu.shares"))
	require.Equal(t, "20480", read("cpu", layout.Name, "cpu.shares"))
	require.Len(t, tree.Exist(), 3)
}

func TestRunning(t *testing.T) {
	root := t.TempDir()
	tree := &Tree{V2: true, Hierarchies: []Hierarchy{{Path: root}}}
	for name, procs := range map[string]string{"etcd": "12\n7\n", "kubelet-node1": ""} {
		dir := tree.ownGroup(name)
		require.NoError(t, os.MkdirAll(dir, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(procs), 0o644))
	}
	require.Equal(t, map[string][]int{"etcd": {12, 7}}, tree.Running())
}
