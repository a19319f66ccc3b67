package e2e

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/analysis"
	"headless-job-dns/internal/environment"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/recordwriter"
	"headless-job-dns/internal/results"
)

// dnsmasqImage is what `lab up` makes of Debian's dnsmasq; the lab has no
// registry for the one in manifests/.
const dnsmasqImage = "lab.local/dnsmasq:debian"

// TestEveryDNS runs a trial with each private DNS that the other tests do not
// run, and holds what a pod saw of its caches against its documentation. That
// the program itself refuses a DNS that behaves otherwise does not count here.
func TestEveryDNS(t *testing.T) {
	beside(t)
	o := repro(t, "--dns", "nodelocal-cache-30,nodelocal-uncached,kube-dns,no-denial-cache,no-success-cache,forwarding",
		"--names", "fresh", "--extra", "none", "--observer", "solo",
		"--pods", "3", "--connect-timeouts", "5s", "--deadline", "20s", "--dnsmasq-image", dnsmasqImage)
	require.Equal(t, 0, o.code)
	o.nothingLeft(t)

	r, err := results.Load(o.dir)
	require.NoError(t, err)
	var env environment.Environment
	require.NoError(t, json.Unmarshal(r.Environment, &env))
	require.NotEmpty(t, env.ClusterID)
	require.Equal(t, "nftables", env.KubeProxy)
	// For how long a fresh answer is kept, in seconds; 0: it is not.
	for dns, want := range map[plan.DNS]struct{ address, denial uint32 }{
		plan.ClusterDNS:        {0, 0}, // the lab's: kubeadm-1.32
		plan.NoDenialCache:     {30, 0},
		plan.NoSuccessCache:    {0, 30},
		plan.NodeLocalCache30:  {30, 5},
		plan.NodeLocalUncached: {30, 5},
		plan.KubeDNS:           {30, 0},
		plan.Forwarding:        {30, 30},
	} {
		f := env.Caching[dns]
		require.Len(t, f.Servers, 3, "%s: the Service and what is behind it on two nodes", dns)
		require.True(t, f.Uncached, dns)
		require.Equal(t, want.address > 0, f.Positive, dns)
		require.Equal(t, want.denial > 0, f.Negative, dns)
		if want.denial > 0 {
			require.Equal(t, want.denial, f.NegativeTTL, dns)
		}
		if want.address > 0 {
			require.LessOrEqual(t, f.PositiveTTL, want.address, dns)
		}
		require.Equal(t, dns.Private(), env.Corefiles[dns] != "", dns)
	}
	for _, v := range verdicts(t, o.dir) {
		require.NotEqual(t, results.Invalid, v.Status, v.Reasons)
		var most time.Duration
		switch v.Trial.Arm.DNS {
		case plan.KubeDNS, plan.NoDenialCache:
			most = isLate // whoever asks too early is told better 0.2 s later
			require.Zero(t, v.Counts.ProvenCached)
		case plan.NodeLocalUncached:
			most = 15 * time.Second // a denial is kept for 5 s
		default:
			continue // one kept for 30 s, if they were unlucky
		}
		require.Len(t, v.Workers, 2)
		for _, w := range v.Workers {
			require.True(t, w.Joined.Lag.Known() && !w.Joined.Lag.Censored)
			require.Less(t, w.Joined.Lag.Value, most, v.Trial.Arm)
		}
	}
}

// TestEmptyService tells for how long each DNS answers the address of a Service's
// last pod after that pod is gone, as it is configured.
func TestEmptyService(t *testing.T) {
	beside(t)
	o := repro(t, "--plan", "empty-service", "--deadline", "10s", "--dnsmasq-image", dnsmasqImage,
		"--dns", "cluster,uncached,cache-30,nodelocal-cache-30,kube-dns,record-writer,record-writer-publish")
	require.Equal(t, 0, o.code)
	o.nothingLeft(t)
	r, err := results.Load(o.dir)
	require.NoError(t, err)
	dns := map[string]plan.DNS{}
	for tr, err := range r.Trials() {
		require.NoError(t, err)
		dns[tr.Plan.ID] = tr.Plan.Arm.DNS
		// What the DNS did is a check of what was seen.
		did := map[string]int{}
		for _, line := range tr.DNSLog {
			var e recordwriter.Entry
			require.NoError(t, json.Unmarshal(line, &e))
			did[e.What]++
		}
		switch tr.Plan.Arm.DNS {
		case plan.RecordWriter:
			require.Equal(t, []int{1, 0, 1}, []int{did["written"], did["withdrawn"], did["forgotten"]}, did)
			require.Positive(t, did["skipped"])
			require.Greater(t, did["question"], 20)
		case plan.RecordWriterPublish:
			require.Equal(t, []int{1, 1, 0}, []int{did["written"], did["withdrawn"], did["skipped"]}, did)
		default:
			require.Empty(t, did)
		}
	}
	for _, v := range verdicts(t, o.dir) {
		e := analysis.NewEmptied(v)
		require.Empty(t, e.Invalid, e.DNS)
		require.EqualValues(t, 30, e.TTL, e.DNS)
		want := analysis.WithdrawnAtOnce // the lab's own caches nothing either
		switch dns[e.ID] {
		case plan.Cache30, plan.NodeLocalCache30, plan.KubeDNS:
			want = analysis.KeptByCache
		case plan.RecordWriter:
			want = analysis.NeverWithdrawn
		}
		require.Equal(t, want, e.PodGone.Ending, e.DNS)
		if want == analysis.WithdrawnAtOnce {
			require.Nil(t, e.ServiceGone, e.DNS)
		} else {
			require.Equal(t, want, e.ServiceGone.Ending, e.DNS)
		}
	}
}

// TestRecordWriterUnderTheRole: a record writer takes no more than manifests/rbac.yaml
// and the probe in ConfigMaps.
func TestRecordWriterUnderTheRole(t *testing.T) {
	beside(t)
	theirNamespace(t, "their-writer")
	o := repro(t, "-n", "their-writer", "--as", somebody, "--deliver", "configmap", "--base-image", busyboxImage,
		"--plan", "empty-service", "--deadline", "5s", "--dns", "record-writer")
	require.Equal(t, 0, o.code)
	o.nothingLeft(t)
	list := verdicts(t, o.dir)
	require.Len(t, list, 1)
	require.Equal(t, analysis.NeverWithdrawn, analysis.NewEmptied(list[0]).PodGone.Ending)
}
