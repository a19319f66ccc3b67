package cluster

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"
)

func TestWithheld(t *testing.T) {
	job := func(suspend *bool) *batchv1.Job {
		return &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "lag", Namespace: "ns", UID: "j"}, Spec: batchv1.JobSpec{Suspend: suspend}}
	}
	events := 0
	event := func(reason, message string, after time.Duration) *corev1.Event {
		events++
		return &corev1.Event{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("e", events), Namespace: "ns"},
			Reason: reason, Message: message, LastTimestamp: metav1.NewTime(time.Unix(1000, 0).Add(after))}
	}
	const refused = `Error creating: admission webhook "policy" denied the request`
	for _, tc := range []struct {
		name    string
		objects []runtime.Object
		refuse  string // requests for this resource are refused
		want    string
	}{
		{"no job", nil, "", ""},
		{"no right to get it", []runtime.Object{job(nil)}, "jobs", ""},
		{"no events", []runtime.Object{job(nil)}, "", ""},
		{"no right to list events", []runtime.Object{job(nil), event("FailedCreate", refused, 0)}, "events", ""},
		{"other events", []runtime.Object{job(new(false)), event("SuccessfulCreate", "Created pod: lag-0-x", 0)}, "", ""},
		{"the newest", []runtime.Object{job(nil), event("FailedCreate", "older", 0), event("FailedCreate", refused, 2*time.Second),
			event("SuccessfulCreate", "Created pod: lag-0-x", 3*time.Second), event("FailedCreate", "old", time.Second)}, "",
			`the newest FailedCreate event of job ns/lag says "Error creating: admission webhook \"policy\" denied the request"`},
		{"not for a terminal", []runtime.Object{job(nil), event("FailedCreate", "a\x1b[2J\r\n \u202eb"+strings.Repeat("é", 5000), 0)}, "",
			`the newest FailedCreate event of job ns/lag says "a [2J b` + strings.Repeat("é", longestQuote-len("a [2J b")) + `..."`},
		{"suspended", []runtime.Object{job(new(true)), event("FailedCreate", refused, 0)}, "events",
			"job ns/lag is suspended: something in the cluster (a queue such as Kueue) holds it"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			kube := fake.NewClientset(tc.objects...)
			kube.PrependReactor("*", "*", func(a k8stesting.Action) (bool, runtime.Object, error) {
				if list, ok := a.(k8stesting.ListAction); ok {
					require.Equal(t, "involvedObject.uid=j", list.GetListRestrictions().Fields.String())
				}
				return a.GetResource().Resource == tc.refuse, nil, errors.New("refused")
			})
			require.Equal(t, tc.want, (&Client{Kube: kube}).Withheld(t.Context(), "ns", "lag"))
		})
	}
}
