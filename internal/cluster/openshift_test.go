package cluster

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"

	"headless-job-dns/internal/plan"
	"headless-job-dns/manifests"
)

func TestUserIDsAreTheClusters(t *testing.T) {
	owner := manifests.Owner{Run: "r", Trial: "t001", Namespace: "n"}
	job, err := manifests.Job(manifests.JobParams{Owner: owner, Name: "lag", Service: "svc", Pods: 2})
	require.NoError(t, err)
	objs, err := manifests.PrivateDNS(plan.KubeDNS, manifests.PrivateDNSParams{Owner: owner, Name: "dns"})
	require.NoError(t, err)
	daemons, err := manifests.PrivateDNS(plan.NodeLocalCache30, manifests.PrivateDNSParams{Owner: owner, Name: "local"})
	require.NoError(t, err)
	pods, err := manifests.Extra(plan.ExtraPod, manifests.ExtraParams{Owner: owner, Name: "extra", Job: "lag", Service: "svc"})
	require.NoError(t, err)
	objs = append(append(append(objs, daemons...), pods...), job)

	for groups, want := range map[string]bool{"apps": true, assigner: false} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			json.NewEncoder(w).Encode(metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}, Groups: []metav1.APIGroup{{Name: groups}}})
		}))
		kube, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL})
		require.NoError(t, err)
		c := &Client{Kube: kube}
		require.Equal(t, !want, c.FindAssigner(t.Context()))
		server.Close()
		c.Kube = fake.NewClientset()
		named := 0
		for _, o := range objs {
			require.NoError(t, c.Create(t.Context(), o))
		}
		check := func(name string, s *corev1.PodSecurityContext) {
			require.True(t, *s.RunAsNonRoot, name)
			require.Equal(t, want, s.RunAsUser != nil, name)
			named++
		}
		jobs, err := c.Kube.BatchV1().Jobs("n").List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		deployments, err := c.Kube.AppsV1().Deployments("n").List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		sets, err := c.Kube.AppsV1().DaemonSets("n").List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		bare, err := c.Kube.CoreV1().Pods("n").List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		for _, o := range jobs.Items {
			check(o.Name, o.Spec.Template.Spec.SecurityContext)
		}
		for _, o := range deployments.Items {
			check(o.Name, o.Spec.Template.Spec.SecurityContext)
		}
		for _, o := range sets.Items {
			check(o.Name, o.Spec.Template.Spec.SecurityContext)
		}
		for _, o := range bare.Items {
			check(o.Name, o.Spec.SecurityContext)
		}
		require.GreaterOrEqual(t, named, 4)
		require.NotNil(t, job.Spec.Template.Spec.SecurityContext.RunAsUser, "what is created again is the whole object")
	}
}
