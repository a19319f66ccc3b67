package manifests

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// minimal returns the objects that `kubectl apply -k` makes of a folder.
func minimal(t *testing.T, folder string) []Object {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "kustomization.yaml"))
	require.NoError(t, err)
	require.Contains(t, string(text), "kubectl apply -k manifests/"+filepath.ToSlash(folder))
	var k struct {
		APIVersion, Kind string
		Resources        []string
	}
	require.NoError(t, yaml.UnmarshalStrict(text, &k), "nothing here changes what the files say")
	require.Equal(t, "kustomize.config.k8s.io/v1beta1 Kustomization", k.APIVersion+" "+k.Kind)
	var objs []Object
	for _, file := range k.Resources {
		text, err := os.ReadFile(filepath.Join(folder, file))
		require.NoError(t, err)
		require.LessOrEqual(t, bytes.Count(text, []byte("\n")), 2*oneScreen, "lines")
		require.True(t, bytes.HasPrefix(text, []byte("# ")), "no header comment")
		for line := range strings.Lines(string(text)) {
			require.LessOrEqual(t, len(line), 101, line)
		}
		of, err := decode(file, text)
		require.NoError(t, err)
		objs = append(objs, of...)
	}
	return objs
}

// minimalJob returns the Job of minimal/ and the script of its pods.
func minimalJob(t *testing.T) (*batchv1.Job, string) {
	t.Helper()
	objs := minimal(t, "minimal")
	require.Len(t, objs, 2)
	require.IsType(t, &corev1.Service{}, objs[0], "the names are there before those who ask for them")
	require.IsType(t, &batchv1.Job{}, objs[1])
	job := objs[1].(*batchv1.Job)
	return job, job.Spec.Template.Spec.Containers[0].Command[2]
}

// TestMinimalNeedsNothing: no rights, no namespace of its own, no image that is
// not public, nothing that `restricted` forbids.
func TestMinimalNeedsNothing(t *testing.T) {
	base, err := BaseImage()
	require.NoError(t, err)
	private, err := load("kinds/dns", "shared-coredns")
	require.NoError(t, err)
	coredns := private[0].(*appsv1.Deployment).Spec.Template.Spec.Containers[0].Image
	kinds := map[string]int{}
	for _, obj := range append(minimal(t, "minimal"), minimal(t, filepath.Join("minimal", "caching-dns"))...) {
		require.Empty(t, obj.GetNamespace())
		kinds[obj.GetObjectKind().GroupVersionKind().Kind]++
		meta, spec := PodSpec(obj)
		if spec == nil {
			continue
		}
		requireRestricted(t, meta, spec)
		require.False(t, *spec.AutomountServiceAccountToken)
		requireAnyLinux(t, spec)
		require.Equal(t, int64(1), *spec.TerminationGracePeriodSeconds)
		for _, c := range spec.Containers {
			require.Contains(t, []string{base, coredns}, c.Image, "the other files name the same")
			require.NotContains(t, c.Resources.Limits, corev1.ResourceCPU)
			require.Contains(t, c.Resources.Limits, corev1.ResourceMemory)
			require.Contains(t, c.Resources.Requests, corev1.ResourceCPU)
		}
	}
	require.Equal(t, map[string]int{"Service": 2, "Job": 1, "ConfigMap": 1, "Deployment": 1}, kinds)
}

// TestMinimalIsTheReportedOne: what the report says of its objects, as job.yaml
// and service.yaml have it.
func TestMinimalIsTheReportedOne(t *testing.T) {
	job, script := minimalJob(t)
	full, err := one[*batchv1.Job]("job")
	require.NoError(t, err)
	service, err := one[*corev1.Service]("service")
	require.NoError(t, err)
	require.Equal(t, service, minimal(t, "minimal")[0])
	got, want := job.Spec.DeepCopy(), full.Spec.DeepCopy()
	require.Equal(t, want.Template.Spec.Subdomain, got.Template.Spec.Subdomain)
	require.Equal(t, want.Template.Spec.RestartPolicy, got.Template.Spec.RestartPolicy)
	require.Nil(t, got.Template.Spec.Containers[0].ReadinessProbe)
	got.Template, want.Template = corev1.PodTemplateSpec{}, corev1.PodTemplateSpec{}
	require.Equal(t, want, got)
	for i := range *job.Spec.Completions {
		require.Regexp(t, fmt.Sprintf(`for peer in [^;]*\b%s-%d\b`, job.Name, i), script)
	}
	require.Contains(t, script, "."+job.Spec.Template.Spec.Subdomain+".")
}

// TestMinimalFindsTheCachingDNS by the environment variable that the kubelet
// makes of the Service's name.
func TestMinimalFindsTheCachingDNS(t *testing.T) {
	job, script := minimalJob(t)
	require.True(t, *job.Spec.Template.Spec.EnableServiceLinks)
	var names []string
	for _, obj := range minimal(t, filepath.Join("minimal", "caching-dns")) {
		if s, ok := obj.(*corev1.Service); ok {
			names = append(names, s.Name)
			require.Empty(t, s.Spec.ClusterIP)
			require.Equal(t, int32(53), s.Spec.Ports[0].Port)
		}
	}
	require.Len(t, names, 1)
	variable := strings.ToUpper(strings.ReplaceAll(names[0], "-", "_")) + "_SERVICE_HOST"
	require.Contains(t, script, "${"+variable+":-}")
}

// minimalPrograms are what the image of minimal/ must have beside a shell's own.
// The Kubernetes project's busybox is Docker's: 1.37.0 with the default
// configuration. Debian's differs in nc, of which the script uses what both have.
var minimalPrograms = []string{"sh", "awk", "hostname", "nc", "nslookup", "sleep"}

// TestMinimalScript runs the pods' script with a DNS that says one thing after
// the other: no such name, a failure, no address, a dead address, a living one.
func TestMinimalScript(t *testing.T) {
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		lacking(t, "the script is busybox's: `apt-get install busybox-static`")
	}
	for _, tc := range []struct {
		family, resolv, self, living string
		dead                         string // TCP connects to no broadcast or multicast, and sends nothing there
		qtype                        uint16
	}{
		{"ipv4", "nameserver 127.0.0.1\nsearch ns1.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n",
			"10.1.2.3", "127.0.0.1", "255.255.255.255", dns.TypeA},
		{"ipv6", "search ns1.svc.corp.example svc.corp.example\nnameserver ::1\n",
			"fd00::3", "::1", "ff02::1", dns.TypeAAAA},
	} {
		t.Run(tc.family, func(t *testing.T) {
			if l, err := net.Listen("tcp", net.JoinHostPort(tc.living, "0")); err != nil {
				lacking(t, "no loopback of this family: "+err.Error())
			} else {
				require.NoError(t, l.Close())
			}
			t.Parallel()
			stages := []string{"NXDOMAIN", "SERVFAIL", "no address", tc.dead, tc.living}
			var stage atomic.Int32
			questions := make(chan dns.Question, 1000)
			server := minimalDNS(t, func(w dns.ResponseWriter, r *dns.Msg) {
				m := new(dns.Msg).SetReply(r)
				q := r.Question[0]
				select {
				case questions <- q:
				default:
				}
				switch now := stages[stage.Load()]; now {
				case "NXDOMAIN", "SERVFAIL":
					m.Rcode = dns.StringToRcode[now]
				case "no address": // the name exists, and has no such record
				default:
					rr, err := dns.NewRR(fmt.Sprintf("%s 30 IN %s %s", q.Name, dns.TypeToString[tc.qtype], now))
					if err != nil {
						panic(err)
					}
					m.Answer = []dns.RR{rr}
				}
				_ = w.WriteMsg(m)
			})

			dir := t.TempDir()
			for _, name := range minimalPrograms {
				require.NoError(t, os.Symlink(busybox, filepath.Join(dir, name)))
			}
			resolv := filepath.Join(dir, "resolv.conf")
			require.NoError(t, os.WriteFile(resolv, []byte(tc.resolv), 0o600))
			_, script := minimalJob(t)
			script = strings.ReplaceAll(script, "/etc/resolv.conf", resolv)
			script = strings.ReplaceAll(script, " 8050", fmt.Sprintf(" %d", freePort(t)))
			// The shell calls itself lag-2, the program at the door what the machine
			// is called: lag-3 is made to be found, and lag-0 and lag-1 to be others.
			machine, err := os.Hostname()
			require.NoError(t, err)
			script = "hostname() { echo lag-2; }\n" + strings.ReplaceAll(script, "lag-3", machine)

			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			cmd := exec.CommandContext(ctx, filepath.Join(dir, "sh"), "-uc", script)
			cmd.Env = []string{"PATH=" + dir, "POD_IP=" + tc.self, "CACHING_DNS_SERVICE_HOST=" + server}
			log := filepath.Join(dir, "log")
			out, err := os.Create(log)
			require.NoError(t, err)
			defer out.Close()
			cmd.Stdout, cmd.Stderr = out, out
			// What it started ends with it.
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
			began := time.Now()
			require.NoError(t, cmd.Start())
			lines := func() []string {
				text, err := os.ReadFile(log)
				require.NoError(t, err)
				return slices.Collect(strings.Lines(string(text)))
			}
			for i := range int32(len(stages)) {
				stage.Store(i)
				for len(lines()) < 1+3*int(i+1) && ctx.Err() == nil {
					time.Sleep(50 * time.Millisecond)
				}
			}
			time.Sleep(1100 * time.Millisecond) // two rounds in which nothing changes
			took := time.Since(began)
			require.NoError(t, ctx.Err(), "%q", lines())
			cancel()
			_ = cmd.Wait()
			t.Logf("%s", strings.Join(lines(), ""))

			said := map[string][]string{}
			times := regexp.MustCompile(`^ *(\d+\.\d\d) s  (.*)$`)
			last := ""
			for _, line := range lines() {
				m := times.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
				require.NotNil(t, m, line)
				last = m[1]
				if who, what, ok := strings.Cut(m[2], ": "); ok {
					said[who] = append(said[who], what)
				} else {
					require.Equal(t, fmt.Sprintf("I am lag-2, %s; I ask %s", tc.self, server), m[2])
				}
			}
			seconds, err := strconv.ParseFloat(last, 64)
			require.NoError(t, err)
			require.Greater(t, seconds, 1., "each stage was seen in a later round")
			require.Less(t, seconds, took.Seconds())
			require.Len(t, said, 3, "everybody else")
			for who, what := range said {
				there := "connected"
				if who != machine {
					there = "this is " + machine
				}
				require.Equal(t, []string{"NXDOMAIN", "SERVFAIL", "no address", tc.dead + ": refused", tc.living + ": " + there}, what,
					"%s: everything that was said, each only once", who)
			}
			domain := strings.Fields(tc.resolv[strings.Index(tc.resolv, "search"):])[1]
			names := map[string]bool{}
			for range len(questions) { // a server that still answers may add to it
				q := <-questions
				require.Equal(t, tc.qtype, q.Qtype)
				names[q.Name] = true
			}
			for _, who := range []string{"lag-0", "lag-1", machine} {
				require.True(t, names[who+".headless."+domain+"."], "%v", names)
			}
			require.Len(t, names, 3, "no search list: %v", names)
		})
	}
}

// lacking skips a test for want of something, which is a failure in CI.
func lacking(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// minimalDNS serves DNS on a port of the loopback until the test ends, and
// returns its address.
func minimalDNS(t *testing.T, answer dns.HandlerFunc) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	started := make(chan struct{})
	server := &dns.Server{PacketConn: conn, Handler: answer, NotifyStartedFunc: func() { close(started) }}
	ended := make(chan error, 1)
	go func() { ended <- server.ActivateAndServe() }()
	<-started
	t.Cleanup(func() {
		require.NoError(t, server.Shutdown())
		require.NoError(t, <-ended)
	})
	return conn.LocalAddr().String()
}

// freePort is a TCP port that nobody has.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// TestMinimalIsExplained: the README has the commands, and its log, which the
// test on the lab writes, is what the script prints.
func TestMinimalIsExplained(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("minimal", "README.md"))
	require.NoError(t, err)
	readme := string(text)
	for _, want := range []string{"kubectl apply -k manifests/minimal\n", "kubectl apply -k manifests/minimal/caching-dns\n",
		"kubectl delete -k manifests/minimal && kubectl apply -k manifests/minimal\n", "`cache 30`"} {
		require.Contains(t, readme, want)
	}
	_, log, found := strings.Cut(readme, "```text\n")
	require.True(t, found)
	log, _, found = strings.Cut(log, "```")
	require.True(t, found)
	line := regexp.MustCompile(`^( +\d+\.\d\d s  (I am lag-\d, [\d.]+; I ask .*|lag-\d: ([\d.]+: (connected|refused|timed out|this is lag-\d)|NXDOMAIN))|\$ kubectl .*)$`)
	for l := range strings.Lines(log) {
		require.Regexp(t, line, strings.TrimSuffix(l, "\n"))
	}
}
