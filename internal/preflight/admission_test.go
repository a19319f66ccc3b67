package preflight

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"

	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/trial"
	"headless-job-dns/manifests"
)

// TestImageThatIsNotAllowed: a refusal because of an image says which flag
// chooses it.
func TestImageThatIsNotAllowed(t *testing.T) {
	const (
		allowed   = "have that allowed, or name another namespace with -n"
		imageOf   = "choose another image for "
		without   = ", leave the private DNS out with --dns cluster, "
		probe     = imageOf + "probe with --image, "
		delivered = imageOf + "probe with --base-image, "
		coredns   = imageOf + "coredns with --dns-image" + without
		dnsmasq   = imageOf + "dnsmasq with --dnsmasq-image" + without
		both      = imageOf + "dnsmasq with --dnsmasq-image, " + imageOf + "coredns with --dns-image" + without
	)
	private := func(dns plan.DNS) plan.Levels {
		return with(onCluster, plan.Levels{"dns": string(dns)})
	}
	isPod := func(o manifests.Object) bool { _, pod := o.(*corev1.Pod); return pod }
	denied := func(text string) error {
		return apierrors.NewBadRequest(`admission webhook "images.example.com" denied the request: ` + text)
	}
	inPieces := func(s *Subject) {
		s.Trial = func(tr plan.Trial) ([]manifests.Object, error) {
			return (&trial.Runner{Plan: s.Plan, Namespace: "demo", Probe: manifests.Probe{Pieces: []string{"p"}}}).Objects(tr)
		}
	}
	for name, tc := range map[string]struct {
		options plan.Levels
		change  func(s *Subject)
		of      func(o manifests.Object) bool // what is refused
		err     error
		want    string // how the refusal ends
	}{
		"registry":      {onCluster, nil, isPod, denied("container <probe> is from a registry that is not allowed"), probe + allowed},
		"no word of it": {onCluster, nil, isPod, denied("localhost/headless-job-dns-probe:dev is not signed"), probe + allowed},
		"in the template": {onCluster, nil, func(o manifests.Object) bool { _, job := o.(*batchv1.Job); return job },
			denied("Images of docker.io are refused"), probe + allowed},
		"by an image policy": {onCluster, nil, isPod, forbidden("pods", "one or more images rejected by webhook backend"), probe + allowed},
		"delivered":          {onCluster, inPieces, isPod, denied("image is not allowed"), delivered + allowed},
		"CoreDNS":            {private(plan.Cache30), nil, isPod, denied("image is not allowed"), coredns + allowed},
		"CoreDNS on each node": {private(plan.NodeLocalCache30), nil, func(o manifests.Object) bool { _, set := o.(*appsv1.DaemonSet); return set },
			denied("image is not allowed"), coredns + allowed},
		"kube-dns":                    {private(plan.KubeDNS), nil, isPod, denied("image is not allowed"), both + allowed},
		"kube-dns' dnsmasq":           {private(plan.KubeDNS), nil, isPod, denied("image registry.k8s.io/dns/k8s-dns-dnsmasq-nanny:1.26.7 is not allowed"), dnsmasq + allowed},
		"how it is pulled":            {onCluster, nil, isPod, denied("imagePullPolicy must be Always, and imagePullSecrets set"), allowed},
		"a webhook's name":            {onCluster, nil, isPod, denied("the label team is missing"), allowed},
		"a webhook's silence":         {onCluster, nil, isPod, apierrors.NewInternalError(errors.New(`failed calling webhook "images.example.com": no endpoints available`)), allowed},
		"no pod":                      {onCluster, nil, func(o manifests.Object) bool { _, svc := o.(*corev1.Service); return svc }, denied("image"), allowed},
		"CoreDNS of a plan to resume": {private(plan.Cache30), func(s *Subject) { s.Fixed = true }, isPod, denied("image is not allowed"), imageOf + "coredns with --dns-image, " + allowed},
	} {
		t.Run(name, func(t *testing.T) {
			w := theWorld(t, tc.options)
			if tc.change != nil {
				tc.change(&w.s)
			}
			w.refuse = func(o manifests.Object) error {
				if tc.of(o) {
					return tc.err
				}
				return nil
			}
			_, err := Run(t.Context(), w.s)
			require.ErrorAs(t, err, new(*plan.InputError))
			quoted := reason(tc.err)
			_, end, found := strings.Cut(err.Error(), quoted+"; ")
			require.True(t, found, err.Error())
			require.Equal(t, tc.want, end)
		})
	}
}

// TestRoleBindingsAreNotTried: a dry run of their Role leaves nothing to bind, and who
// is no admin is told so.
func TestRoleBindingsAreNotTried(t *testing.T) {
	w := theWorld(t, with(onCluster, plan.Levels{"dns": string(plan.RecordWriter)}))
	w.refuse = func(o manifests.Object) error {
		if _, binding := o.(*rbacv1.RoleBinding); binding {
			return apierrors.NewNotFound(rbacv1.Resource("rolebindings"), o.GetName())
		}
		return nil
	}
	r, err := Run(t.Context(), w.s)
	require.NoError(t, err)
	require.Equal(t, []plan.DNS{plan.RecordWriter}, r.Plan.PrivateDNS())
}

// TestSuspendedJobs: a queue lets a Job begin when it is its turn, if ever.
func TestSuspendedJobs(t *testing.T) {
	w := theWorld(t, onCluster)
	w.admit = func(o manifests.Object) {
		if job, ok := o.(*batchv1.Job); ok {
			suspend := true
			job.Spec.Suspend = &suspend
		}
	}
	for _, made := range []bool{false, true} {
		look := Run
		if made {
			w.make(t)
			look = Admit
		}
		r, err := look(t.Context(), w.s)
		require.NoError(t, err)
		require.Contains(t, lines(r), "warning   admission: jobs in namespace demo are suspended when they are created (by a queue, as Kueue's?): pods that wait for their turn start when it comes; let these Jobs run at once, or name another namespace with -n")
	}
}

// TestCPULimit: of a limit range, which gives it to pods, or of a webhook, which
// may give it to what makes them.
func TestCPULimit(t *testing.T) {
	limit := func(spec *corev1.PodSpec, container, cpu string) {
		for i := range spec.Containers {
			if c := &spec.Containers[i]; c.Name == container {
				c.Resources.Limits[corev1.ResourceCPU] = resource.MustParse(cpu)
			}
		}
	}
	const end = ": throttling delays its clock by up to 100 ms at a time, and numbers near that are not to be trusted; have it taken away, or name another namespace with -n"
	member := with(onCluster, plan.Levels{"extra": "member-pod"})
	for name, tc := range map[string]struct {
		options plan.Levels
		admit   func(o manifests.Object)
		want    string // empty: none
	}{
		"pods": {onCluster, func(o manifests.Object) {
			if pod, ok := o.(*corev1.Pod); ok {
				limit(&pod.Spec, "probe", "500m")
			}
		}, "500m"},
		"templates": {onCluster, func(o manifests.Object) {
			if job, ok := o.(*batchv1.Job); ok {
				limit(&job.Spec.Template.Spec, "probe", "1")
			}
		}, "1"},
		"both": {onCluster, func(o manifests.Object) {
			switch o := o.(type) {
			case *batchv1.Job:
				limit(&o.Spec.Template.Spec, "probe", "1")
			case *corev1.Pod:
				limit(&o.Spec, "probe", "250m")
			}
		}, "250m"},
		"a pod beside the Job": {member, func(o manifests.Object) {
			if pod, ok := o.(*corev1.Pod); ok && len(pod.OwnerReferences) == 0 {
				limit(&pod.Spec, "probe", "500m")
			}
		}, "500m"},
		"a private DNS": {with(onCluster, plan.Levels{"dns": "cache-30"}), func(o manifests.Object) {
			if pod, ok := o.(*corev1.Pod); ok {
				limit(&pod.Spec, "coredns", "500m")
			}
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := theWorld(t, tc.options)
			w.admit = tc.admit
			r, err := Run(t.Context(), w.s)
			require.NoError(t, err)
			got := slices.DeleteFunc(lines(r), func(l string) bool { return !strings.Contains(l, "CPU limit") })
			if tc.want == "" {
				require.Empty(t, got)
				return
			}
			require.Equal(t, []string{"warning   admission: the probe has a CPU limit of " + tc.want + end}, got)
		})
	}
}
