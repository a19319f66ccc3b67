package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"headless-job-dns/internal/cluster"
	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/results"
	"headless-job-dns/manifests"
)

// steers is what a terminal would act upon: a title, the clipboard, colours, a
// line written over, text the other way round, eight-bit control.
const steers = "\x1b]0;title\x07\x1b]52;c;cm0gLXJm\x1b\\\x1b[31m\rcomplete\u202eetelpmoc\u009b2J\x00"

func requireTame(t *testing.T, text string) {
	t.Helper()
	require.NotEmpty(t, text)
	require.NotContains(t, text, "\x1b")
	require.NotContains(t, text, "\r")
	require.NotContains(t, text, "\u202e")
	require.NotContains(t, text, "\u009b")
	require.NotContains(t, text, "\x00")
	require.Contains(t, text, "]0;title", "what was said can still be read")
}

// What a pod or a cluster says does not steer the terminal.
func TestNothingSteersTheTerminal(t *testing.T) {
	var said bytes.Buffer
	p := newProgress(&said, 1)
	p.begin(plan.Trial{ID: "t001"}, 1, time.Second)
	p.end(results.Trial{Status: results.Invalid, Reason: "log of pod x: " + steers}, &judge.Verdict{Status: results.Invalid, Reasons: []string{"log of pod x: " + steers}})
	p.line("%s is left: %s", "pod", steers)
	require.Equal(t, 3, strings.Count(said.String(), "\n"))
	requireTame(t, said.String())

	said.Reset()
	printError(&said, errors.New("cannot create job: admission webhook: "+steers))
	require.True(t, strings.HasPrefix(said.String(), "repro: cannot create job"))
	requireTame(t, said.String())

	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "lag-x" + steers, UID: "1",
		Labels: map[string]string{manifests.LabelManagedBy: manifests.ManagedBy, manifests.LabelRun: "x"}}}
	o := &cleaning{c: &cluster.Client{Kube: fake.NewClientset(ns)}}
	said.Reset()
	err := o.run(t.Context(), printable{&said}, printable{&said})
	require.Error(t, err, "nobody is there to ask")
	requireTame(t, said.String())
}
