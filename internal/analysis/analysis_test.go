package analysis

import (
	"testing"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
)

func TestScenarioOf(t *testing.T) {
	for want, arm := range map[string]plan.Arm{
		"new names, all look up pod 0":                         {Names: plan.Fresh, Observer: record.Solo},
		"new names, all look up all":                           {Names: plan.Fresh, Observer: record.PeersServer},
		"names of the previous Job":                            {Names: plan.Reused, Observer: record.Solo},
		"new names, all look up pod 0, Job before Service":     {Observer: record.Solo, Order: plan.JobFirst},
		"new names, all look up all, publishNotReadyAddresses": {Observer: record.PeersServer, Publish: true},
		"names of the previous Job, created before the old one was gone": {
			Names: plan.Reused, Observer: record.Solo, Gap: plan.NoWait},
	} {
		require.Equal(t, want, ScenarioOf(arm).String())
	}
}
