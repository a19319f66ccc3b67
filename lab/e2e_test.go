//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/lab/internal/build"
	"headless-job-dns/lab/internal/image"
	"headless-job-dns/lab/internal/layout"
)

// e2e is a lab program and the folder of its lab.
type e2e struct {
	*testing.T
	program, state, tools string
}

// TestLab puts a real lab up and down. Its parts build upon one another.
func TestLab(t *testing.T) {
	unable := ""
	switch {
	case os.Getuid() != 0:
		unable = "it makes namespaces and mounts, which takes root"
	case os.Getenv("LAB_E2E") == "":
		unable = "it takes minutes; `make test-lab` runs it"
	}
	e := &e2e{T: t, program: filepath.Join(t.TempDir(), "lab"), state: filepath.Join(t.TempDir(), "state")}
	if unable == "" {
		e.command("go", "build", "-o", e.program, ".")
		if out, code := e.lab("leftovers"); code != 0 {
			unable = "there is a lab on this machine, or what is left of one: " + strings.SplitN(out, "\n", 2)[0]
		}
	}
	if unable != "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("in CI nothing is skipped, but", unable)
		}
		t.Skip(unable)
	}
	t.Cleanup(func() { e.lab("down") })

	// The build is not what is measured. It also tells apart what fails.
	cache, err := build.DefaultCache()
	require.NoError(t, err)
	builder := newBuilder(cache, os.Stderr)
	tools, err := builder.Build(t.Context())
	require.NoError(t, err)
	require.NoError(t, builder.Kubectl(t.Context(), tools))
	e.tools = tools.Dir

	e.part("refused to others than root", (*e2e).notRoot)
	e.part("refused when something is in the way", (*e2e).inTheWay)
	e.part("after a reboot", (*e2e).afterReboot)
	e.part("killed half way", (*e2e).killed)
	e.part("interrupted half way", (*e2e).interrupted)
	e.part("up", (*e2e).up)
	e.part("up again", (*e2e).upAgain)
	e.part("a pod's question", (*e2e).question)
	e.part("nothing is open", (*e2e).closed)
	e.part("down without the record", (*e2e).downWithoutRecord)
	e.part("run", (*e2e).run)
}

func (e *e2e) part(name string, f func(*e2e)) {
	ok := e.Run(name, func(t *testing.T) { f(&e2e{T: t, program: e.program, state: e.state, tools: e.tools}) })
	if !ok {
		e.FailNow() // the parts build upon one another
	}
}

// lab runs the program and returns all it printed, and its exit code.
func (e *e2e) lab(args ...string) (string, int) {
	e.Helper()
	cmd := e.start(args...)
	return e.wait(cmd)
}

type running struct {
	*exec.Cmd
	out *bytes.Buffer
}

func (e *e2e) start(args ...string) running {
	e.Helper()
	// After the command's name; what `run` runs comes behind its flags.
	args = slices.Insert(args, 1, "--state", e.state)
	r := running{exec.Command(e.program, args...), &bytes.Buffer{}}
	r.Stdout, r.Stderr = r.out, r.out
	require.NoError(e, r.Start())
	return r
}

func (e *e2e) wait(r running) (string, int) {
	e.Helper()
	err := r.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(e, err)
	}
	return r.out.String(), r.ProcessState.ExitCode()
}

// do is lab for a command that must succeed.
func (e *e2e) do(args ...string) string {
	e.Helper()
	out, code := e.lab(args...)
	require.Zero(e, code, out)
	return out
}

func (e *e2e) command(argv ...string) string {
	e.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	require.NoError(e, err, "%s", out)
	return string(out)
}

func (e *e2e) kubectl(args ...string) string {
	e.Helper()
	out, err := e.kubectlCommand(args...).CombinedOutput()
	require.NoError(e, err, "kubectl %v: %s", args, out)
	return string(out)
}

func (e *e2e) kubectlCommand(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(e.tools, "kubectl"), append([]string{"--cache-dir", filepath.Join(e.TempDir(), "kube")}, args...)...)
	cmd.Env = commandEnv(os.Environ(), layout.State(e.state), e.tools)
	return cmd
}

// down takes the lab down and looks for leftovers.
func (e *e2e) down() {
	e.Helper()
	e.do("down")
	require.Empty(e, e.do("leftovers"))
	require.NoDirExists(e, e.state)
	out, code := e.lab("status")
	require.Equal(e, exitDown, code)
	require.Equal(e, "down\n", out)
}

func (e *e2e) notRoot() {
	// Somewhere that the other user can get to.
	dir, err := os.MkdirTemp("", "lab-test-")
	require.NoError(e, err)
	defer os.RemoveAll(dir)
	require.NoError(e, os.Chmod(dir, 0o755))
	program := filepath.Join(dir, "lab")
	e.command("cp", e.program, program)
	for _, command := range []string{"up", "down"} {
		cmd := exec.Command(program, command, "--state", filepath.Join(dir, "state"))
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := cmd.CombinedOutput()
		require.Error(e, err)
		require.Equal(e, "lab: user 65534 is not root: run it with sudo, it makes namespaces and mounts\n", string(out))
	}
}

func (e *e2e) inTheWay() {
	for _, c := range []struct{ name, make, remove, want string }{
		{"a link", "link add hjlab-host type veth peer name hjlab-t", "link del hjlab-host", "a link named hjlab-"},
		{"a namespace", "netns add hjlab-node1", "netns del hjlab-node1", "a network namespace named hjlab-node1"},
		{"a route", "route add blackhole 10.244.7.0/24", "route del blackhole 10.244.7.0/24", `"blackhole 10.244.7.0/24" overlaps the lab's 10.244.0.0/16`},
	} {
		e.command(append([]string{"ip"}, strings.Fields(c.make)...)...)
		out, code := e.lab("up")
		removed := exec.Command("ip", strings.Fields(c.remove)...).Run()
		require.Equal(e, exitFailure, code, out)
		require.Contains(e, out, c.want)
		require.NoError(e, removed, "what is not the lab's stays")
		require.NoDirExists(e, e.state)
	}

	require.NoError(e, os.MkdirAll(e.state, 0o755))
	require.NoError(e, os.WriteFile(filepath.Join(e.state, "letters"), nil, 0o600))
	out, code := e.lab("up")
	require.Equal(e, exitFailure, code, out)
	require.Contains(e, out, "holds letters and is not the lab's")
	require.Contains(e, e.do("down"), "nothing is up")
	require.FileExists(e, filepath.Join(e.state, "letters"))
	require.NoError(e, os.RemoveAll(e.state))
	require.Contains(e, e.do("down"), "nothing is up")
}

func (e *e2e) afterReboot() {
	require.NoError(e, os.MkdirAll(filepath.Join(e.state, "node1"), 0o700))
	record := `{"boot": "the one before", "phase": "up", "nodes": 2, "cluster_dns": "kubeadm-1.32", "sysctls": {"kernel/panic": "77"}}`
	require.NoError(e, os.WriteFile(filepath.Join(e.state, "lab.json"), []byte(record), 0o600))
	panicBefore, err := os.ReadFile("/proc/sys/kernel/panic")
	require.NoError(e, err)
	out, code := e.lab("status")
	require.Equal(e, exitDown, code, out)
	e.down()
	panicAfter, err := os.ReadFile("/proc/sys/kernel/panic")
	require.NoError(e, err)
	require.Equal(e, string(panicBefore), string(panicAfter), "another boot's settings are not put back")
}

// until waits for something of the lab to be on the machine, as `leftovers` has it.
func (e *e2e) until(r running, what string) {
	e.Helper()
	require.Eventually(e, func() bool {
		out, _ := e.lab("leftovers")
		return strings.Contains(out, what)
	}, 5*time.Minute, 10*time.Millisecond, "no %s; %s", what, r.out)
}

// killed: whatever the command was at, nothing stays.
func (e *e2e) killed() {
	for _, c := range []struct {
		at   string // what is there when the command is killed
		args []string
	}{
		{"(go)", []string{"run", "--cache", e.TempDir(), "--", "true"}},
		{"network namespace", []string{"up"}},
		{"(kubelet)", []string{"up"}},
	} {
		r := e.start(c.args...)
		e.until(r, c.at)
		require.NoError(e, r.Process.Kill())
		_ = r.Wait()
		e.down()
	}
}

func (e *e2e) interrupted() {
	r := e.start("up")
	e.until(r, "(etcd)")
	require.NoError(e, r.Process.Signal(os.Interrupt))
	out, code := e.wait(r)
	require.Equal(e, exitInterrupted, code, out)
	require.True(e, strings.HasSuffix(out, "lab: interrupted\n"), out)
	require.Empty(e, e.do("leftovers"))
}

func (e *e2e) up() {
	e.Logf("up:\n%s", e.do("up"))
	require.Equal(e, 2, strings.Count(e.kubectl("get", "nodes", "--no-headers"), " Ready "))
	for file, mode := range map[string]fs.FileMode{"": 0o700, "kubeconfig": 0o600, "pki": 0o700, "logs": 0o700} {
		info, err := os.Stat(filepath.Join(e.state, file))
		require.NoError(e, err)
		require.Equal(e, mode, info.Mode().Perm(), file)
	}
	status := e.do("status")
	for _, want := range []string{"up: 2 nodes", "kubelet-node2", "Kubernetes v1.", "lab.local/dnsmasq:debian", "lab.local/busybox:debian"} {
		require.Contains(e, status, want)
	}
	require.Contains(e, e.kubectl("get", "configmap", "--namespace", "kube-system", "kube-proxy", "-o", "yaml"), "mode: nftables")
}

func (e *e2e) upAgain() {
	out := e.do("up")
	require.Contains(e, out, "the lab is up already")
	require.Contains(e, out, "export KUBECONFIG="+filepath.Join(e.state, "kubeconfig"))
	out, code := e.lab("up", "--nodes", "3")
	require.Equal(e, exitFailure, code)
	require.Contains(e, out, "the lab is up with --nodes 2")

	// Somebody else with another folder.
	other := &e2e{T: e.T, program: e.program, state: e.state + "-other"}
	for _, command := range []string{"up", "down"} {
		out, code = other.lab(command)
		require.Equal(e, exitFailure, code)
		require.Contains(e, out, "use --state "+e.state)
	}
}

func (e *e2e) question() {
	dir := e.TempDir()
	build := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(dir, "asker"), "./testdata/asker")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(e, err, "%s", out)
	tar := filepath.Join(dir, "asker.tar")
	require.NoError(e, image.Write(image.Spec{Binary: filepath.Join(dir, "asker"), Name: "lab.local/asker:test"}, tar))
	require.Contains(e, e.do("load", tar), "loaded asker.tar on 2 nodes")

	e.kubectl("apply", "-f", "testdata/asker.yaml")
	e.kubectl("wait", "--namespace", "lab-test", "--for=condition=Ready", "--timeout=30s", "pod/asker")
	var logs string
	require.Eventually(e, func() bool {
		logs = e.kubectl("logs", "--namespace", "lab-test", "asker")
		return strings.Contains(logs, "done")
	}, 20*time.Second, 100*time.Millisecond)
	require.Contains(e, logs, "answer: [10.96.0.1] <nil>")
	require.Contains(e, logs, "outside name: lookup example.com. on 10.96.0.10:53: no such host")
	require.Regexp(e, "outside address: dial tcp .*(unreachable|timeout)", logs)

	// Through the kubelet's streaming server: exec, and logs that follow until
	// the container ends.
	follow := e.kubectlCommand("logs", "--follow", "--namespace", "lab-test", "asker")
	var followed bytes.Buffer
	follow.Stdout = &followed
	require.NoError(e, follow.Start())
	require.Contains(e, e.kubectl("exec", "--namespace", "lab-test", "asker", "--", "/asker", "kubernetes.default", "once"), "answer: [10.96.0.1]")
	e.kubectl("delete", "namespace", "lab-test", "--wait=false")
	require.NoError(e, follow.Wait())
	require.Contains(e, followed.String(), "done")
}

func (e *e2e) closed() {
	e.refusesStrangers()
	e.keepsToItself()
	// No process of the lab's listens in the host's namespace: each that there
	// is would be in one of the lab's.
	own, err := os.Readlink("/proc/self/ns/net")
	require.NoError(e, err)
	for _, pid := range e.pids() {
		ns, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "ns/net"))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		require.NoError(e, err)
		require.NotEqual(e, own, ns, "process %d", pid)
	}
	for _, ns := range []string{"hjlab-cp", "hjlab-node1", "hjlab-node2"} {
		require.Empty(e, e.command("ip", "-netns", ns, "route", "show", "default"))
	}
}

// pids of everything of the lab that runs.
func (e *e2e) pids() []int {
	out, _ := e.lab("leftovers")
	var pids []int
	for _, line := range strings.Split(out, "\n") {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "process" {
			pid, err := strconv.Atoi(f[1])
			require.NoError(e, err)
			pids = append(pids, pid)
		}
	}
	require.Greater(e, len(pids), 11)
	return pids
}

// downWithoutRecord: with containerd dead and the record gone, there is nothing
// but the kernel to say what is the lab's.
func (e *e2e) downWithoutRecord() {
	for _, line := range strings.Split(e.do("status"), "\n") {
		if f := strings.Fields(line); len(f) == 2 && strings.HasPrefix(f[0], "containerd-") {
			pid, err := strconv.Atoi(f[1])
			require.NoError(e, err)
			require.NoError(e, syscall.Kill(pid, syscall.SIGKILL))
		}
	}
	// What the record alone knows is put back by hand afterwards.
	record, err := os.ReadFile(filepath.Join(e.state, "lab.json"))
	require.NoError(e, err)
	var before struct{ Sysctls map[string]string }
	require.NoError(e, json.Unmarshal(record, &before))
	defer func() {
		for name, value := range before.Sysctls {
			require.NoError(e, os.WriteFile(filepath.Join("/proc/sys", name), []byte(value), 0o644))
		}
	}()
	require.NoError(e, os.Remove(filepath.Join(e.state, "lab.json")))
	out, code := e.lab("status")
	require.Equal(e, exitDown, code)
	require.Contains(e, out, "run `down`")
	e.down()
}

func (e *e2e) run() {
	marker := filepath.Join(e.TempDir(), "started")
	script := `test "$KUBECONFIG" = "` + e.state + `/kubeconfig" || exit 9
kubectl version >/dev/null || exit 10
trap 'echo told to end; exit 7' TERM
touch ` + marker + `
while :; do sleep 0.1; done`
	r := e.start("run", "--nodes", "1", "--cluster-dns", "kubeadm-1.31", "--", "sh", "-c", script)
	require.Eventually(e, func() bool {
		_, err := os.Stat(marker)
		return err == nil
	}, time.Minute, 50*time.Millisecond, "output: %s", r.out)
	require.NotContains(e, e.kubectl("get", "configmap", "--namespace", "kube-system", "coredns", "-o", "yaml"), "disable denial")
	require.NoError(e, r.Process.Signal(syscall.SIGTERM))
	out, code := e.wait(r)
	require.Equal(e, 7, code, out)
	require.Contains(e, out, "told to end")
	require.Contains(e, out, "the lab is down")
	require.Empty(e, e.do("leftovers"))
}
