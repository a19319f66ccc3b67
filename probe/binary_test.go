package main

import (
	"bytes"
	"context"
	"debug/elf"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// program builds the program once, as its image does.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "probe")
	if err != nil {
		return "", err
	}
	built = dir
	path := filepath.Join(dir, "probe")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

// built is the folder that program made.
var built string

func TestMain(m *testing.M) {
	// Most tests wait most of the time.
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	code := m.Run()
	if built != "" {
		os.RemoveAll(built)
	}
	os.Exit(code)
}

// process is a probe that runs as it does in a pod.
type process struct {
	cmd    *exec.Cmd
	out    *output
	stderr bytes.Buffer
	began  time.Time
}

func startProcess(t testing.TB, args ...string) *process {
	t.Helper()
	path, err := program()
	require.NoError(t, err)
	p := &process{cmd: exec.Command(path, args...), out: &output{done: make(chan struct{})}}
	p.cmd.Stdout, p.cmd.Stderr = p.out, &p.stderr
	p.cmd.Env = []string{"POD_NAME=flux-1-x", "POD_UID=u1", "NODE_NAME=n1"}
	p.began = time.Now()
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() { p.cmd.Process.Kill() })
	return p
}

func (p *process) log(t testing.TB) recorded {
	t.Helper()
	return (&pod{t: t, out: p.out, ended: make(chan error)}).log()
}

// release sends SIGTERM and returns how long the process took to end.
func (p *process) release(t testing.TB) time.Duration {
	t.Helper()
	began := time.Now()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, p.cmd.Wait(), p.stderr.String())
	return time.Since(began)
}

func TestBinaryIsSmallAndStatic(t *testing.T) {
	path, err := program()
	require.NoError(t, err)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Less(t, info.Size(), int64(10_000_000))
	f, err := elf.Open(path)
	require.NoError(t, err)
	defer f.Close()
	libs, err := f.ImportedLibraries()
	require.NoError(t, err)
	require.Empty(t, libs)
}

// The process in a pod: it asks soon, notes its facts, and ends with 0 when it
// is told to, before and after it is done.
func TestProcess(t *testing.T) {
	z := newZone()
	z.set(fqdn(0), podAddr(0))
	s := serveDNS(t, z.handle)
	port := freePort(t)
	listenAs(t, podAddr(0), port, leader)
	p := startProcess(t, append(args(t, 1, 2, port, s.addr), "--observer=solo")...)
	log := p.log(t)
	start := log.Start()
	require.Equal(t, []string{"flux-1-x", "u1", "n1"}, []string{start.Pod, start.UID, start.Node})
	require.NotEmpty(t, start.Boot)
	require.NotEmpty(t, start.Kernel)
	require.NotNil(t, start.SynRetries)
	require.InDelta(t, p.began.UnixNano(), start.Wall, float64(patient))
	done, _ := log.Done()
	require.Equal(t, "complete", done.Reason)
	require.NotZero(t, done.RSS)
	require.Less(t, p.release(t), patient)

	p = startProcess(t, append(args(t, 1, 3, port, s.addr), "--observer=peers")...) // pod 2 has no name
	require.Eventually(t, func() bool { return p.out.text() != "" }, patient, time.Millisecond)
	p.release(t)
	log = p.log(t)
	done, _ = log.Done()
	require.Equal(t, "released", done.Reason)

	// It says nothing, so when its signal handler is there can only be guessed.
	for wait := 100 * time.Millisecond; ; wait *= 2 {
		p = startProcess(t, "--idle")
		time.Sleep(wait)
		require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
		err := p.cmd.Wait()
		require.Empty(t, p.out.text())
		if err == nil {
			break
		}
		require.Less(t, wait, patient/10, "%v: %s", err, p.stderr.String())
	}
}

func TestProcessExitCodes(t *testing.T) {
	s := serveDNS(t, newZone().handle)
	port := freePort(t)
	listenAs(t, podAddr(1), port, leader)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	require.NoError(t, err)
	defer full.Close()
	path, err := program()
	require.NoError(t, err)
	for _, c := range []struct {
		name   string
		args   []string
		stdout *os.File
		code   int
		stderr string
	}{
		{"help", []string{"--help"}, nil, 0, ""},
		{"bad flag", []string{"--pods=x"}, nil, 2, "probe: invalid value \"x\" for flag -pods: want a whole number from 1 to 1000\n"},
		{"port in use", args(t, 1, 2, port, s.addr), nil, 1, "address already in use\n"},
		{"no room for the log", args(t, 0, 2, port, s.addr), full, 1, "probe: write the log: write /dev/stdout: no space left on device\n"},
		{"completes", []string{"--exit-after=10ms"}, nil, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, stop := context.WithTimeout(context.Background(), patient)
			defer stop()
			cmd := exec.CommandContext(ctx, path, c.args...)
			var stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = nil, &stderr
			if c.stdout != nil {
				cmd.Stdout = c.stdout
			}
			cmd.Run()
			require.Equal(t, c.code, cmd.ProcessState.ExitCode(), stderr.String())
			require.True(t, strings.HasSuffix(stderr.String(), c.stderr), stderr.String())
			require.LessOrEqual(t, strings.Count(stderr.String(), "\n"), 1)
		})
	}
}

// firstQuestion returns how long it took from before the fork until the DNS
// server had the first question, and what of it passed before main began.
func firstQuestion(t testing.TB, s *dnsServer) (all, own time.Duration) {
	before := len(s.questions())
	p := startProcess(t, append(args(t, 1, 16, freePort(t), s.addr), "--observer=peers", "--interval=1s")...)
	require.Eventually(t, func() bool { return len(s.questions()) > before && strings.Contains(p.out.text(), `"answer":`) }, patient, 100*time.Microsecond)
	all = s.questions()[before].at.Sub(p.began)
	p.release(t)
	log := p.log(t)
	own = time.Duration(answers(log)[0].Answer.Asked)
	for _, l := range answers(log) {
		own = min(own, time.Duration(l.Answer.Asked))
	}
	return all, own
}

// The first question is to leave within 20 ms of the process's start.
func BenchmarkFirstQuestion(b *testing.B) {
	s := serveDNS(b, newZone().handle)
	_, err := program()
	require.NoError(b, err)
	var all, own []time.Duration
	for b.Loop() {
		a, o := firstQuestion(b, s)
		all, own = append(all, a), append(own, o)
	}
	slices.Sort(all)
	slices.Sort(own)
	b.ReportMetric(all[len(all)/2].Seconds()*1e3, "median-ms-from-fork")
	b.ReportMetric(all[len(all)-1].Seconds()*1e3, "max-ms-from-fork")
	b.ReportMetric(own[len(own)/2].Seconds()*1e3, "median-ms-from-main")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkResident runs 16 probes that find each other after two seconds of
// denials, as processes, and reports their memory, binary and log.
func BenchmarkResident(b *testing.B) {
	for b.Loop() {
		z := newZone()
		s := serveDNS(b, z.handle)
		port := freePort(b)
		var pods []*process
		for i := range 16 {
			pods = append(pods, startProcess(b, append(args(b, i, 16, port, s.addr), "--observer=peers+server", "--dns-replicas="+s.addr, "--interval=256ms")...))
		}
		time.Sleep(2 * time.Second)
		for i := range 16 {
			z.set(fqdn(i), podAddr(i))
		}
		var rss, size int64
		for _, p := range pods {
			done, _ := p.log(b).Done()
			require.Equal(b, "complete", done.Reason)
			rss, size = max(rss, done.RSS), max(size, int64(len(p.out.text())))
		}
		var exit time.Duration
		for _, p := range pods {
			exit = max(exit, p.release(b))
		}
		path, _ := program()
		info, err := os.Stat(path)
		require.NoError(b, err)
		b.ReportMetric(float64(rss)/1e6, "max-MB-resident")
		b.ReportMetric(float64(size)/1e3, "max-kB-log")
		b.ReportMetric(float64(info.Size())/1e6, "MB-binary")
		b.ReportMetric(exit.Seconds()*1e3, "max-ms-to-exit")
		b.ReportMetric(0, "ns/op")
	}
}
