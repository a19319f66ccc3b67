package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	k8stesting "k8s.io/client-go/testing"

	"headless-job-dns/internal/cluster"
	"headless-job-dns/manifests"
)

// left makes the metadata of an object that a run left behind.
func left(run, namespace, name string, ago time.Duration) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: namespace, UID: types.UID(namespace + "/" + name), Labels: manifests.Owner{Run: run}.Labels(),
		CreationTimestamp: metav1.NewTime(time.Now().Add(-ago))}
}

// killed is what a run leaves that was killed in its own namespace, and one
// that was killed in somebody's.
func killed() []runtime.Object {
	job := &batchv1.Job{ObjectMeta: left("b2", "work", "lag-b2-t003", 20*time.Minute)}
	job.Status.Active = 2
	yes := true
	pod := func(name string) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: left("b2", "work", name, 20*time.Minute)}
		p.OwnerReferences = []metav1.OwnerReference{{UID: job.UID, Controller: &yes}}
		return p
	}
	dying := &corev1.Pod{ObjectMeta: left("b2", "work", "extra-b2-t003", 20*time.Minute)}
	now := metav1.Now()
	dying.DeletionTimestamp = &now
	return []runtime.Object{
		&corev1.Namespace{ObjectMeta: left("b1", "", "lag-b1", 3*time.Hour)},
		&rbacv1.ClusterRole{ObjectMeta: left("b1", "", "headless-job-dns:b1:dns", 3*time.Hour)},
		&rbacv1.ClusterRoleBinding{ObjectMeta: left("b1", "", "headless-job-dns:b1:dns", 3*time.Hour)},
		&corev1.ConfigMap{ObjectMeta: left("b1", "lag-b1", "dns", 2*time.Hour)},
		job, pod("lag-b2-t003-0"), pod("lag-b2-t003-1"), dying,
		&corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "theirs", Namespace: "work", UID: "t"}},
	}
}

const killedList = `run b1, 3h old
  cluster-wide: clusterrolebinding headless-job-dns:b1:dns, clusterrole headless-job-dns:b1:dns, namespace lag-b1 and all that is in it
  in namespace lag-b1: configmap dns
run b2, 20m old, MAY STILL BE RUNNING: job work/lag-b2-t003 is active
  in namespace work: job lag-b2-t003, 3 pods (1 being deleted)
`

func answer(a string) question {
	return func(ctx context.Context, question string) (bool, error) {
		return ask(ctx, strings.NewReader(a), &bytes.Buffer{}, question)
	}
}

// forbidden refuses like RBAC; every namespace but those named.
func forbidden(kube *fake.Clientset, verb, resource string, but ...string) {
	kube.PrependReactor(verb, resource, func(a k8stesting.Action) (bool, runtime.Object, error) {
		for _, ns := range but {
			if a.GetNamespace() == ns {
				return false, nil, nil
			}
		}
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: a.GetResource().Resource}, "", errors.New("no rights"))
	})
}

func TestClean(t *testing.T) {
	noAnswer := func(context.Context, string) (bool, error) {
		t.Error("it asked")
		return false, nil
	}
	for _, tc := range []struct {
		name    string
		run     string
		yes     bool
		ask     question
		empty   bool
		change  func(*fake.Clientset)
		code    int
		stdout  string // all of it
		stderr  string // a part
		deletes int
	}{
		{name: "nothing", empty: true, ask: noAnswer, stdout: "nothing is left\n"},
		{name: "no terminal", code: 1, stdout: killedList,
			stderr: "repro: 8 objects left, nothing was deleted: nobody is at a terminal to ask; --yes deletes without asking"},
		{name: "no", ask: answer("n\n"), code: 1, stdout: killedList, stderr: "repro: 8 objects left, nothing was deleted\n"},
		{name: "only return", ask: answer("\n"), code: 1, stdout: killedList, stderr: "nothing was deleted"},
		{name: "end of input", ask: answer(""), code: 1, stdout: killedList, stderr: "nothing was deleted"},
		{name: "yes", ask: answer("Y\n"), change: stubborn, code: 1, stderr: "repro: 1 object left: remove what holds them", deletes: 7,
			stdout: killedList + "left: pod work/extra-b2-t003: its deletion was accepted, but it is still there\n"},
		{name: "--yes, one run", run: "b1", yes: true, ask: noAnswer, deletes: 4,
			stdout: killedList[:strings.Index(killedList, "run b2")] + "4 objects deleted; nothing is left\n"},
		{name: "--yes, no such run", run: "b", yes: true, stdout: "nothing is left\n"},
		{name: "may not delete", run: "b1", yes: true, change: func(k *fake.Clientset) { forbidden(k, "delete", "clusterroles") }, code: 1, deletes: 4,
			stdout: killedList[:strings.Index(killedList, "run b2")] + "left: clusterrole headless-job-dns:b1:dns: cannot delete it: clusterroles is forbidden: no rights\n",
			stderr: "repro: 1 object left"},
		{name: "a namespace's admin", run: "b1", yes: true, change: func(k *fake.Clientset) { forbidden(k, "list", "*", "lag-b1") }, deletes: 1,
			stdout: "run b1, 120m old\n  in namespace lag-b1: configmap dns\n1 object deleted; nothing is left of what can be seen\n",
			stderr: "in all namespaces: looked for them in namespace lag-b1 only"},
		{name: "may see nothing", change: func(k *fake.Clientset) { forbidden(k, "list", "*") }, code: 1, stderr: "repro: this user may list nothing"},
		{name: "no answer from the API server", code: 1, stderr: "repro: cannot list pods in all namespaces: ill", change: func(k *fake.Clientset) {
			k.PrependReactor("list", "pods", func(k8stesting.Action) (bool, runtime.Object, error) { return true, nil, errors.New("ill") })
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				kube := fake.NewClientset()
				if !tc.empty {
					kube = fake.NewClientset(killed()...)
				}
				if tc.change != nil {
					tc.change(kube)
				}
				o := &cleaning{c: &cluster.Client{Kube: kube}, scope: cluster.Scope{Run: tc.run, Namespace: "lag-b1"}, yes: tc.yes, question: tc.ask}
				var out, errs bytes.Buffer
				err := o.run(t.Context(), &out, &errs)
				if err != nil {
					fmt.Fprintln(&errs, "repro:", err)
				}
				require.Equal(t, tc.code, exitCode(err), errs.String())
				require.Equal(t, tc.stdout, out.String())
				require.Contains(t, errs.String(), tc.stderr)
				tried := map[string]bool{}
				for _, a := range kube.Actions() {
					if d, ok := a.(k8stesting.DeleteActionImpl); ok {
						require.NotNil(t, d.GetDeleteOptions().Preconditions.UID)
						tried[d.GetResource().Resource+"/"+d.GetName()] = true
					}
				}
				require.Len(t, tried, tc.deletes)
				if !tc.empty {
					_, err = kube.Tracker().Get(corev1.SchemeGroupVersion.WithResource("services"), "work", "theirs")
					require.NoError(t, err)
				}
			})
		})
	}
}

// stubborn keeps what is being deleted already, as a dead node does.
func stubborn(kube *fake.Clientset) {
	kube.PrependReactor("delete", "pods", func(a k8stesting.Action) (bool, runtime.Object, error) {
		return a.(k8stesting.DeleteActionImpl).GetName() == "extra-b2-t003", nil, nil
	})
}

func TestCleanIsInterrupted(t *testing.T) {
	run := func(t *testing.T, yes bool, question question) (string, int) {
		ctx, interrupt := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, interrupt)
		kube := fake.NewClientset(killed()...)
		kube.PrependReactor("delete", "*", func(k8stesting.Action) (bool, runtime.Object, error) { return true, nil, nil })
		o := &cleaning{c: &cluster.Client{Kube: kube}, scope: cluster.Scope{Run: "b1"}, yes: yes, question: question}
		var out bytes.Buffer
		err := o.run(ctx, &out, &out)
		return out.String(), exitCode(err)
	}
	synctest.Test(t, func(t *testing.T) {
		out, code := run(t, true, nil)
		require.Equal(t, 130, code)
		require.Contains(t, out, "left: namespace lag-b1: its deletion was accepted")
	})
	synctest.Test(t, func(t *testing.T) {
		silent, end := newSilence()
		defer end()
		out, code := run(t, false, func(ctx context.Context, q string) (bool, error) { return ask(ctx, silent, &bytes.Buffer{}, q) })
		require.Equal(t, 130, code)
		require.NotContains(t, out, "left:")
	})
}

// silence is a person who does not answer.
type silence chan struct{}

func newSilence() (silence, func()) {
	s := make(silence)
	return s, func() { close(s) }
}

func (s silence) Read([]byte) (int, error) {
	<-s
	return 0, errors.New("closed")
}

func TestTheQuestionNamesWhatMayBeAlive(t *testing.T) {
	kube := fake.NewClientset(killed()...)
	asked := ""
	o := &cleaning{c: &cluster.Client{Kube: kube}, question: func(_ context.Context, q string) (bool, error) {
		asked = q
		return false, nil
	}}
	err := o.run(t.Context(), &bytes.Buffer{}, &bytes.Buffer{})
	require.Error(t, err)
	require.Equal(t, "delete 8 objects of 2 runs, also where it may still be running (1)?", asked)
	require.Nil(t, questionAt(os.Stdin, &bytes.Buffer{}), "a buffer is no terminal")
}

func TestCleanRefusesBadInput(t *testing.T) {
	t.Setenv("KUBECONFIG", "/nonexistent")
	for args, want := range map[string]string{
		"clean everything":    `clean takes no argument "everything"; accepted: flags only`,
		"clean --run a/b":     `--run "a/b" is not a run id; accepted: an id as`,
		"clean --run=":        `--run "" is not a run id; accepted: an id as`,
		"clean --all":         "unknown flag: --all; `repro clean --help` lists the flags",
		"clean --run x -- -y": `clean takes no argument "-y"`,
	} {
		stdout, stderr, code := try(t, strings.Fields(args)...)
		require.Equal(t, 2, code, args)
		require.Contains(t, stderr, want)
		require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
		require.Empty(t, stdout)
	}
	stdout, _, code := try(t, "clean", "--help")
	require.Equal(t, 0, code)
	for _, want := range []string{"--run", "--yes", "--kubeconfig", "--context", "-n, --namespace", "Exit codes: 0", "130", manifests.LabelRun} {
		require.Contains(t, stdout, want)
	}
	stdout, _, _ = try(t, "--help")
	require.Contains(t, stdout, "repro clean")
}

func TestCleanWithoutCluster(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	t.Setenv("KUBECONFIG", "")
	_, stderr, code := try(t, "clean", "--yes")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "no cluster is configured")
}

func TestNoticeIsOneLine(t *testing.T) {
	now := time.Now()
	run := func(id string, ago time.Duration) cluster.Run {
		at := now.Add(-ago)
		return cluster.Run{ID: id, Since: at, Items: []cluster.Leftover{{Kind: "namespace", Name: "lag-" + id, Run: id, Created: at}}}
	}
	day := 24 * time.Hour
	for _, tc := range []struct {
		runs []cluster.Run
		want string
	}{
		{nil, ""},
		{[]cluster.Run{run("x", 3*time.Hour)}, "leftovers of run x (3h old): `repro clean` removes them\n"},
		{[]cluster.Run{run("y", 3*day), run("x", time.Minute)}, "leftovers of run y (3d old), x (60s old, may still be running): `repro clean` removes them, but look first\n"},
		{[]cluster.Run{run("a", 9*day), run("b", 8*day), run("c", 47*time.Hour), run("d", 100*time.Minute), run("e", 99*time.Minute)},
			"leftovers of run a (9d old), b (8d old), c (47h old) and 2 more: `repro clean` removes them\n"},
	} {
		require.Equal(t, tc.want, notice(tc.runs, now))
	}
}

// The notice is a courtesy: a cluster that does not answer costs little.
func TestNoticeDoesNotHoldUpTheRun(t *testing.T) {
	t.Parallel()
	done := make(chan struct{})
	hanging := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-done:
		case <-r.Context().Done():
		}
	}))
	defer hanging.Close()
	defer close(done)
	kube, err := kubernetes.NewForConfig(&rest.Config{Host: hanging.URL, TLSClientConfig: rest.TLSClientConfig{Insecure: true}})
	require.NoError(t, err)
	var out bytes.Buffer
	s := &session{c: &cluster.Client{Kube: kube}, say: newProgress(&out, 1)}
	s.warnOfLeftovers(t.Context())
	require.Empty(t, out.String())
}
