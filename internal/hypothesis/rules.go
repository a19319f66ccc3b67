package hypothesis

import (
	"fmt"

	"headless-job-dns/internal/stats"
)

// A rule is read by itself in a table, so each says what it calls delayed. Half
// is in words.
var (
	delayedTrial  = "in a delayed trial (a pod was connected to another " + moreThanLate + ")"
	delayedTrials = "over delayed trials (a pod was connected to another " + moreThanLate + ")"
	moreThanLate  = "more than " + setting(Late) + " after both existed and it was due to ask"
)

const heldWords = "held at least half of such a wait"

// rules are the explanations in order. What they say of thresholds is made
// from the constants.
var rules = []rule{
	{
		id:          "H1",
		claim:       "A pod waits because DNS still answers with the address of the deleted pod that had the same name, and a connect to that address meets silence.",
		observation: "An answer that held an address of the previous run, and how long the connects to it took; there are none with fresh names, or once the record has expired.",
		rule: fmt.Sprintf("By DNS, over trials with reused names. Supported: %s such addresses and the connects to them %s, while the record still had time to live. "+
			"Refuted: in none, although a DNS that keeps addresses was asked while a record was alive; or this DNS keeps no addresses.", delayedTrial, heldWords),
		decide: func(in *Input) finding { return in.byDNS(in.staleRecord) },
	},
	{
		id:          "H2",
		claim:       "An extra pod speeds workers up because it is inside the headless Service: the Service never becomes empty, and Cloud DNS then withdraws the record of a deleted pod promptly.",
		observation: "A pod that the Service selects against no extra object, and against objects that it does not select, with reused names on Cloud DNS.",
		rule: fmt.Sprintf("Where the cluster's DNS is Cloud DNS. Supported: with such a pod workers join sooner (verdict \"%s\") and with no other object they do. "+
			"Refuted: they join no sooner (\"%s\", or \"%s\" and later), or other objects help too. Elsewhere the comparison is shown, but says nothing about Cloud DNS.", stats.Differs, stats.Equivalent, stats.Differs),
		decide: (*Input).memberPod,
	},
	{
		id:          "H3",
		claim:       "An extra object only takes time: the Job starts later after the old one's end, when the old records have expired.",
		observation: "Time from the last old pod gone to the first new question, with and without the object, and whether the old record was still alive then.",
		rule: fmt.Sprintf("Over trials with reused names, with an object against none within a block. Supported: the question comes later (\"%s\"), and for a pair of trials the record had expired with the object and not without. "+
			"Refuted: equally late (\"%s\" with every object), or the record was alive at the first question of every trial with an object.", stats.Differs, stats.Equivalent),
		decide: (*Input).extraDelays,
	},
	{
		id:          "H4",
		claim:       "A pod waits because it asked for a name before the name existed, and DNS keeps the answer that it does not exist.",
		observation: "Denials whose remaining time to live shows that they are old, while the DNS server itself has the name; none where denials are not cached.",
		rule: fmt.Sprintf("By DNS. Supported: %s denials %s after the name was there, and denials are known to be kept (an aged time to live, or the check of this DNS). "+
			"Refuted: in none, although a DNS that keeps denials gave some; or this DNS keeps none.", delayedTrial, heldWords),
		decide: func(in *Input) finding { return in.byDNS(in.cachedDenial) },
	},
	{
		id:          "H5",
		claim:       "Replicas of the DNS disagree, so that what a pod is told depends on the replica that happens to answer.",
		observation: "One pod is told both an old address and that the name does not exist, or replicas that are asked one by one differ.",
		rule: fmt.Sprintf("By DNS, %s. Supported: in one of them a pod was told both, or one replica held an old address while another held a denial, or replicas had a name more than %s apart. "+
			"Refuted: in none, with the replicas known; or there is one replica.", delayedTrials, setting(Late)),
		decide: func(in *Input) finding { return in.byDNS(in.replicasDisagree) },
	},
	{
		id:          "H6",
		claim:       "With a reused name the EndpointSlice controller first fails on its own outdated view and tries again after a pause that doubles, so that the new pods are published late.",
		observation: "Time from a pod's Ready to its entry in an EndpointSlice.",
		rule: fmt.Sprintf("Over trials with reused names. Supported: longer than %s in a trial (the controller's first pause). "+
			"Refuted: never longer.", setting(FirstRetry)),
		decide: (*Input).backoff,
	},
	{
		id:          "H7",
		claim:       "The kubelet reports late that a pod runs.",
		observation: "Time from the process' own start to the report that its pod is Ready; the kubelet's clockwork allows for " + setting(KubeletMost) + ", in every arm alike.",
		rule:        fmt.Sprintf("Over all trials. Supported: %s it %s. Refuted: in none; how often it took longer than %s is shown.", delayedTrial, heldWords, setting(KubeletMost)),
		decide:      (*Input).kubelet,
	},
	{
		id:          "H8",
		claim:       "The network to a new pod is not ready: packets to its right address are lost.",
		observation: "Connects to an address that is the asked pod's own and that end in silence or take a retransmission.",
		rule: fmt.Sprintf("Over all trials. Supported: in a trial such a connect timed out, or a pod was connected more than %s after its right answer (a lost SYN costs that). "+
			"Refuted: in none, and pods were connected.", setting(LostSYN)),
		decide: (*Input).dataplane,
	},
	{
		id:          "H9",
		claim:       "Trials get faster as a run goes on, and an order with all trials of one kind first takes that for an effect.",
		observation: "The control arm's earlier trials against its later ones, in an order drawn at random.",
		rule: fmt.Sprintf("With %d trials of the control arm or more, halved by time. Supported: the halves differ (\"%s\"). Refuted: \"%s\". Neither favours an arm of this run, as the order was random.",
			TrialsForDrift, stats.Differs, stats.Equivalent),
		decide: (*Input).warmUp,
	},
	{
		id:          "H10",
		claim:       "The wait comes from the headless Service being created after the pods, so that first questions find no Service.",
		observation: "The Job created before its Service against after it, all else equal, and the time until the Service was there.",
		rule: fmt.Sprintf("Supported: %s the time until the Service was there %s, or with the Job first pods are connected later (\"%s\") in a comparison. Refuted: \"%s\" or sooner in every one.",
			delayedTrial, heldWords, stats.Differs, stats.Equivalent),
		decide: (*Input).createdLate,
	},
	{
		id:          "H11",
		claim:       "The very first use of a DNS server or zone is slow, and later ones are not.",
		observation: "The first trial that asked each DNS started for this run against the later ones of the same arm.",
		rule: fmt.Sprintf("With %d first uses or more, with fresh names, each against the median of its arm's later trials. Supported: later (\"%s\"). Refuted: \"%s\" or sooner.",
			FirstUses, stats.Differs, stats.Equivalent),
		decide: (*Input).firstUse,
	},
}
