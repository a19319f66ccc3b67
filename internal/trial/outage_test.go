package trial

import (
	"context"
	"errors"
	"net"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	k8stesting "k8s.io/client-go/testing"

	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

// during runs a trial on a fake cluster whose API server is away for a while,
// from the first request of a kind on.
func during(t *testing.T, verb, resource string, away time.Duration) (results.Trial, *fakeCluster, error) {
	t.Helper()
	r, pt := runner(record.Solo)
	f := newFakeCluster()
	var began time.Time
	on(t, r, f)
	f.PrependReactor("*", "*", func(a k8stesting.Action) (bool, runtime.Object, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		if began.IsZero() && a.Matches(verb, resource) {
			began = time.Now()
		}
		// Streams that are open stay open.
		gone := !began.IsZero() && time.Since(began) < away && a.GetVerb() != "watch"
		return gone, nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	})
	pt.Arm = plan.Arm{DNS: plan.Cache30, Names: plan.Fresh, Extra: plan.ExtraNone, Observer: record.Solo}
	got, err := r.Run(t.Context(), pt)
	return got, f, err
}

// An API server that is away while a trial is created spoils that trial, and no
// more; what was created is deleted once it is back.
func TestOutageWhileCreating(t *testing.T) {
	t.Parallel()
	got, f, err := during(t, "create", "jobs", 1200*time.Millisecond)
	require.NoError(t, err, "the plan goes on")
	require.Equal(t, results.Invalid, got.Status)
	require.Contains(t, got.Reason, "cannot create job ")
	require.Contains(t, got.Reason, "connection refused")
	require.Contains(t, f.happened(), "delete jobs")
}

// One that is away while a trial is deleted costs nothing but time.
func TestOutageWhileDeleting(t *testing.T) {
	t.Parallel()
	got, f, err := during(t, "delete-collection", "jobs", 1200*time.Millisecond)
	require.NoError(t, err)
	require.Equal(t, results.Complete, got.Status, got.Reason)
	require.Contains(t, f.happened(), "delete jobs")
}

// A replica that was restarted spoils one trial; the next one is measured with
// those that are there then.
func TestDNSIsRenewed(t *testing.T) {
	t.Parallel()
	r, pt := runner(record.PeersServer)
	f := newFakeCluster()
	on(t, r, f)
	pt.Arm = plan.Arm{DNS: plan.Cache30, Names: plan.Fresh, Extra: plan.ExtraNone, Observer: record.PeersServer}
	was, lost := r.Resolvers[plan.Cache30], errors.New("a replica was restarted")
	changed := true
	was.Unchanged = func(context.Context) error { return lost }
	was.Renew = func(context.Context) (Resolver, error) {
		now := was
		now.Replicas = []string{"10.0.0.9:1053"}
		now.Unchanged = func(context.Context) error { return nil }
		changed = false
		return now, nil
	}
	r.Resolvers[plan.Cache30] = was
	got, err := r.Run(t.Context(), pt)
	require.NoError(t, err)
	require.Equal(t, results.Invalid, got.Status)
	require.Equal(t, lost.Error(), got.Reason)
	require.False(t, changed)
	pt.ID = "t002"
	pt = pt.Renamed("-2")
	got, err = r.Run(t.Context(), pt)
	require.NoError(t, err)
	require.Equal(t, results.Complete, got.Status, got.Reason)
	require.True(t, slices.Contains(r.Resolvers[plan.Cache30].Replicas, "10.0.0.9:1053"))
}

// A Service that somebody deletes takes its names along: whatever the probes
// found, it is not what the trial is about.
func TestServiceIsDeletedUnderUs(t *testing.T) {
	t.Parallel()
	r, pt := runner(record.Solo)
	f := newFakeCluster()
	f.PrependReactor("create", "jobs", func(k8stesting.Action) (bool, runtime.Object, error) {
		f.Tracker().Delete(schema.GroupVersionResource{Version: "v1", Resource: "services"}, r.Namespace, pt.Service)
		time.Sleep(300 * time.Millisecond) // the watch tells it before the pods, which are done at once
		return false, nil, nil
	})
	on(t, r, f)
	pt.Arm = plan.Arm{DNS: plan.Cache30, Names: plan.Fresh, Extra: plan.ExtraNone, Observer: record.Solo}
	got, err := r.Run(t.Context(), pt)
	require.NoError(t, err)
	require.Equal(t, results.Invalid, got.Status)
	require.Equal(t, "service "+pt.Service+" in namespace "+r.Namespace+" was deleted by somebody while it was needed", got.Reason)
}

// Whatever happens to a primer whose pods ran costs its trial, and no more.
func TestPrimerIsDisturbed(t *testing.T) {
	t.Parallel()
	r, pt := runner(record.Solo)
	f := newFakeCluster()
	primer := true
	f.PrependReactor("create", "jobs", func(k8stesting.Action) (bool, runtime.Object, error) {
		if primer {
			f.Tracker().Delete(schema.GroupVersionResource{Version: "v1", Resource: "services"}, r.Namespace, pt.Service)
		}
		primer = false
		return false, nil, nil
	})
	on(t, r, f)
	pt.Arm = plan.Arm{DNS: plan.Cache30, Names: plan.Reused, Extra: plan.ExtraNone, Observer: record.Solo}
	got, err := r.Run(t.Context(), pt)
	require.NoError(t, err, "the plan goes on")
	require.Equal(t, results.Invalid, got.Status)
	require.Contains(t, got.Reason, "was deleted by somebody")
	require.NotEmpty(t, got.Primer.Pods)
	require.Nil(t, got.Run.Pods)
}

// Pods that are not gone in time cost the plan nothing but that, whichever life
// they are of: after an outage they may go a while later.
func TestPodsAreNotGoneInTime(t *testing.T) {
	for names, want := range map[plan.Names]struct {
		status results.Status
		left   bool
	}{
		plan.Fresh:  {results.Complete, true},
		plan.Reused: {results.Invalid, false},
	} {
		t.Run(string(names), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, pt := runner(record.Solo)
				f := newFakeCluster()
				f.PrependReactor("delete-collection", "*", func(k8stesting.Action) (bool, runtime.Object, error) { return true, nil, nil })
				on(t, r, f)
				pt.Arm = plan.Arm{DNS: plan.Cache30, Names: names, Extra: plan.ExtraNone, Observer: record.Solo}
				got, err := r.Run(t.Context(), pt)
				require.Equal(t, want.left, errors.Is(err, ErrLeft), "%v", err)
				require.Equal(t, want.left, err != nil, "%v", err)
				require.Equal(t, want.status, got.Status, got.Reason)
				require.Zero(t, got.Run.Gone, "nobody saw it")
				if !want.left {
					require.Contains(t, got.Reason, "were not gone")
				}
			})
		})
	}
}

// A trial whose run was whole when the user interrupted is judged like any
// other; one that was cut short says nothing.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	lost := errors.New("a replica was restarted")
	for name, tc := range map[string]struct {
		verb   string // the request with which the interrupt comes
		now    error  // what is found of the DNS
		cut    bool
		status results.Status
	}{
		"while creating":             {verb: "create", cut: true},
		"while deleting":             {verb: "delete-collection", status: results.Complete},
		"while deleting, DNS is new": {verb: "delete-collection", now: lost, status: results.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, pt := runner(record.Solo)
			f := newFakeCluster()
			ctx, interrupt := context.WithCancel(t.Context())
			defer interrupt()
			f.PrependReactor(tc.verb, "jobs", func(k8stesting.Action) (bool, runtime.Object, error) {
				interrupt()
				return false, nil, nil
			})
			on(t, r, f)
			resolver := r.Resolvers[plan.Cache30]
			resolver.Unchanged = func(ctx context.Context) error {
				require.NoError(t, ctx.Err(), "it is to be asked")
				return tc.now
			}
			resolver.Renew = func(context.Context) (Resolver, error) {
				require.Fail(t, "there is no next trial")
				return resolver, nil
			}
			r.Resolvers[plan.Cache30] = resolver
			pt.Arm = plan.Arm{DNS: plan.Cache30, Names: plan.Fresh, Extra: plan.ExtraNone, Observer: record.Solo}
			got, err := r.Run(ctx, pt)
			require.Contains(t, f.happened(), "delete jobs")
			if tc.cut {
				require.ErrorIs(t, err, context.Canceled)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.status, got.Status, got.Reason)
			require.Positive(t, got.Run.Gone)
		})
	}
}

// A clock that is set back in the primer, or a log that lies, does not make the
// gap longer.
func TestClockIsSetBack(t *testing.T) {
	t.Parallel()
	r, pt := runner(record.Solo)
	f := newFakeCluster()
	f.clock = -time.Hour
	on(t, r, f)
	pt.Arm = plan.Arm{DNS: plan.Cache30, Names: plan.Reused, Extra: plan.ExtraNone, Observer: record.Solo, Gap: "1s"}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute) // of the hour that it must not wait
	defer stop()
	got, err := r.Run(ctx, pt)
	require.NoError(t, err)
	require.Equal(t, results.Complete, got.Status, got.Reason)
}
