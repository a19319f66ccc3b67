package main

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"

	"headless-job-dns/internal/cluster"
	"headless-job-dns/internal/experiment"
	"headless-job-dns/internal/result"
	"headless-job-dns/manifests"
)

// granting is a session on a cluster that answers the creation of a kind of
// object with an error.
func granting(t *testing.T, resource string, refuse error, args ...string) (*session, *fake.Clientset, *bytes.Buffer) {
	t.Helper()
	o, err := parse(args, &bytes.Buffer{})
	require.NoError(t, err)
	k := fake.NewClientset()
	k.PrependReactor("create", "*", func(a k8stesting.Action) (bool, runtime.Object, error) {
		create, ok := a.(k8stesting.CreateActionImpl)
		require.True(t, ok)
		require.Equal(t, []string{"All"}, create.GetCreateOptions().DryRun, "nothing is created")
		if a.GetResource().Resource == resource {
			return true, nil, refuse
		}
		return true, create.GetObject(), nil
	})
	var said bytes.Buffer
	s := &session{options: o, c: &cluster.Client{Kube: k}, say: newProgress(&said, len(o.plan.Trials))}
	s.owner = manifests.Owner{Run: o.plan.Run, Namespace: o.namespaceName()}
	return s, k, &said
}

func TestWithoutTheRightToReadServices(t *testing.T) {
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "clusterroles"}, "x", errors.New("user \"u\" cannot"))
	gone := apierrors.NewNotFound(schema.GroupResource{Resource: "clusterroles"}, "x")
	for name, tc := range map[string]struct {
		resource string
		refuse   error
		args     []string
		dns      []experiment.DNS // afterwards
		want     string           // error
	}{
		"granted":            {"none", nil, []string{"--plan", "quick"}, []experiment.DNS{experiment.Kubeadm131, experiment.Kubeadm132}, ""},
		"not asked for":      {"clusterroles", forbidden, []string{"--dns", "cluster,forwarding"}, []experiment.DNS{experiment.Forwarding}, ""},
		"no role":            {"clusterroles", forbidden, []string{"--plan", "quick"}, []experiment.DNS{experiment.Forwarding}, ""},
		"no binding":         {"clusterrolebindings", forbidden, []string{"--plan", "standard"}, []experiment.DNS{experiment.Forwarding}, ""},
		"cannot be told":     {"clusterrolebindings", gone, []string{"--plan", "quick"}, []experiment.DNS{experiment.Kubeadm131, experiment.Kubeadm132}, ""},
		"cluster's stays":    {"clusterroles", forbidden, []string{"--dns", "cluster,kubeadm-1.32"}, nil, ""},
		"nothing that is up": {"clusterroles", forbidden, []string{"--dns", "kubeadm-1.32,nodelocal-1.31"}, nil, "none of its 18 arms can be had here: a private DNS needs a right that this user does not have: creating a clusterrole is forbidden; accepted: --dns cluster or forwarding"},
	} {
		t.Run(name, func(t *testing.T) {
			s, _, said := granting(t, tc.resource, tc.refuse, tc.args...)
			was := s.plan
			var stderr bytes.Buffer
			err := s.permitted(context.Background(), &stderr)
			if tc.want != "" {
				var in *experiment.InputError
				require.ErrorAs(t, err, &in)
				require.ErrorContains(t, err, tc.want)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.dns, s.plan.PrivateDNS())
			require.NoError(t, experiment.Check(s.plan))
			if len(s.plan.Trials) == len(was.Trials) {
				require.Empty(t, s.env.Notes)
				require.Equal(t, was, s.plan)
				return
			}
			require.Len(t, s.env.Notes, 1)
			require.Contains(t, said.String(), s.env.Notes[0])
			require.NotContains(t, s.env.Notes[0], `"u"`, "reports are published")
			require.Contains(t, stderr.String(), "plan "+s.plan.Name, "the new plan is printed")
		})
	}
}

// TestResumedPlansAreNotChanged: neither by missing rights nor by an image.
func TestResumedPlansAreNotChanged(t *testing.T) {
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "clusterroles"}, "x", errors.New("no"))
	s, _, _ := granting(t, "clusterroles", forbidden, "--plan", "quick")
	s.resume = "dir"
	require.ErrorContains(t, s.permitted(context.Background(), &bytes.Buffer{}), "--resume dir: the plan's private DNS needs a right that this user does not have")
	require.False(t, s.optional(experiment.KubeDNS))
}

// TestKubeDNSIsOptional where nobody asked for it.
func TestKubeDNSIsOptional(t *testing.T) {
	for args, want := range map[string]bool{
		"--plan=standard":                  true,
		"--plan=quick":                     true,
		"--dns=kube-dns":                   false,
		"--plan=../records/providers.yaml": false,
	} {
		s, _, _ := granting(t, "none", nil, args)
		require.Equal(t, want, s.optional(experiment.KubeDNS), args)
		require.False(t, s.optional(experiment.Kubeadm131))
	}

	s, _, _ := granting(t, "none", nil, "--plan=standard")
	var err error
	s.folder, err = result.Create(t.TempDir(), s.env.Collected)
	require.NoError(t, err)
	s.runner = s.newRunner(nil)
	require.NoError(t, s.without(experiment.KubeDNS, errors.New("no image")))
	require.NotContains(t, s.plan.PrivateDNS(), experiment.KubeDNS)
	require.NoError(t, experiment.Check(s.plan))
	require.Equal(t, s.plan, s.runner.Plan)
	require.Equal(t, []string{"The plan's arms with dns kube-dns were left out: no image."}, s.env.Notes)
	r, err := result.Load(s.folder.Dir())
	require.NoError(t, err)
	require.Equal(t, s.plan, r.Plan)
	require.NoError(t, s.folder.Close())
}
