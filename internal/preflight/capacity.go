package preflight

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/pager"

	"headless-job-dns/internal/cluster"
	"headless-job-dns/internal/environment"
)

// counted are the resources that a node's room is counted in.
var counted = []corev1.ResourceName{corev1.ResourcePods, corev1.ResourceCPU, corev1.ResourceMemory}

// amounts are of the counted resources: pods, thousandths of a CPU, bytes.
type amounts [3]int64

func amountsOf(list corev1.ResourceList) amounts {
	return amounts{list.Pods().Value(), list.Cpu().MilliValue(), list.Memory().Value()}
}

func (a amounts) less(b amounts) amounts { return amounts{a[0] - b[0], a[1] - b[1], a[2] - b[2]} }

func (a amounts) holds(b amounts) bool { return a[0] >= b[0] && a[1] >= b[1] && a[2] >= b[2] }

// requests is what the scheduler reckons for a pod.
func requests(spec *corev1.PodSpec) amounts {
	cpu, memory := demand(spec, corev1.ResourceCPU, requested), demand(spec, corev1.ResourceMemory, requested)
	return amounts{1, cpu.MilliValue(), memory.Value()}
}

func requested(r *corev1.ResourceRequirements) corev1.ResourceList { return r.Requests }

func limited(r *corev1.ResourceRequirements) corev1.ResourceList { return r.Limits }

// demand is what a pod counts for of one resource, by its requests or its
// limits: the larger of what its containers and its largest init container ask
// for, with init containers that stay (sidecars) on either side, and its
// overhead. See
// https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers
func demand(spec *corev1.PodSpec, name corev1.ResourceName, list func(*corev1.ResourceRequirements) corev1.ResourceList) resource.Quantity {
	var stay, most resource.Quantity
	for _, c := range spec.InitContainers {
		with := stay.DeepCopy()
		with.Add(list(&c.Resources)[name])
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			stay = with.DeepCopy()
		}
		if with.Cmp(most) > 0 {
			most = with
		}
	}
	sum := stay
	for _, c := range spec.Containers {
		sum.Add(list(&c.Resources)[name])
	}
	if most.Cmp(sum) > 0 {
		sum = most
	}
	if spec.Resources != nil { // what the pod asks for as a whole counts instead
		if v, ok := list(spec.Resources)[name]; ok {
			sum = v.DeepCopy()
		}
	}
	sum.Add(spec.Overhead[name])
	return sum
}

// node is the room on one node.
type node struct {
	arch string
	free amounts
}

// room is what the nodes offer to our pods.
type room struct {
	nodes  []node
	index  map[string]int // of a node, by name
	others int            // nodes that take none: tainted, cordoned, not Ready, not Linux
}

// capacity compares the pods that are there at a time with the room on the
// nodes, and says how they spread.
func (p *preflight) capacity() error {
	if !p.may(grant("", "", "nodes", "list")) {
		return nil
	}
	nodes, err := p.nodes()
	if err != nil {
		p.say(environment.Untold, "capacity", "the nodes could not be listed (%s): whether the pods fit is not known beforehand", reason(err))
		return nil
	}
	r := roomOf(nodes)
	if len(r.nodes) == 0 {
		none := fmt.Sprintf("none of the cluster's %d nodes takes pods (tainted, cordoned, not Ready or not Linux)", len(nodes))
		if len(nodes) == 0 {
			none = "the cluster has no node"
		}
		if p.Grows {
			p.say(environment.Warning, "capacity", "%s: the pods wait for nodes to be added", none)
			return nil
		}
		p.refuse("capacity", "%s: `kubectl get nodes` shows which; free one, choose another cluster with --context, or give one that adds nodes the time with --wait-for-nodes 5m", none)
		return nil
	}
	text := r.String()
	const alone = "would fit if nothing else ran"
	state, unseen, fits := environment.Met, "", "fit"
	if !p.may(grant("", "", "pods", "list")) {
		fits = alone // rights has said that others are not seen
	} else if err := p.pods(r.take); err != nil {
		state, unseen, fits = environment.Untold, "; the pods on them could not be listed ("+reason(err)+")", alone
	}
	fit := r.fit(p.objects.pods, amounts.holds)
	if fit.room < fit.probes {
		p.tooFew(r, fit)
		return nil
	}
	text += fmt.Sprintf("%s; the %d pods that are there at a time %s", unseen, fit.probes+fit.beside, fits)
	if fit.nodes == 1 {
		p.say(environment.Warning, "capacity", "%s: the probes share one node, and no packet between nodes is measured", text)
		return nil
	}
	p.say(state, "capacity", "%s, the probes on %d nodes", text, fit.nodes)
	return nil
}

// nodes lists the cluster's nodes, once: quota and room are reckoned with the
// same ones.
func (p *preflight) nodes() ([]corev1.Node, error) {
	if p.listed == nil {
		list, err := p.Client.Kube.CoreV1().Nodes().List(p.ctx, metav1.ListOptions{})
		if err != nil {
			return nil, err
		}
		p.listed = list
	}
	return p.listed.Items, nil
}

// listPatience is how long listing all pods of the cluster may take: tens of
// thousands are there in that time, and more are not worth waiting for.
const listPatience = 20 * time.Second

// pods shows every pod of the cluster that has not ended, a page at a time: a
// large cluster's together would fill the memory.
func (p *preflight) pods(show func(*corev1.Pod)) error {
	ctx, stop := context.WithTimeout(p.ctx, listPatience)
	defer stop()
	pages := pager.New(func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
		return p.Client.Kube.CoreV1().Pods(metav1.NamespaceAll).List(ctx, o)
	})
	return pages.EachListItem(ctx, metav1.ListOptions{FieldSelector: "status.phase!=Succeeded,status.phase!=Failed"}, func(o runtime.Object) error {
		if pod, ok := o.(*corev1.Pod); ok {
			show(pod)
		}
		return nil
	})
}

// leastPods is how many pods a plan needs, one that asks and one that is asked
// for.
const leastPods = 2

// tooFew refuses a plan whose pods do not fit, unless the user waits for nodes:
// those that an autoscaler starts in the middle of a trial would be part of what
// is measured, so that as many pods as a trial has are started before the first.
func (p *preflight) tooFew(r room, f fit) {
	short := "one resource here and another there"
	for i, name := range counted {
		only := func(a, b amounts) bool { return a[i] >= b[i] }
		if r.fit(p.objects.pods, only).room <= f.room {
			short = string(name)
			break
		}
	}
	pods := p.report.Plan.Settings.Pods
	found := fmt.Sprintf("%d pods are there at a time with what stands beside the probes, and the nodes have room for %d of them (short of %s)", f.probes+f.beside, f.fitting+f.room, short)
	if p.Grows {
		p.say(environment.Warning, "capacity", "%s: the others wait for nodes to be added", found)
		return
	}
	most := f.room * pods / f.probes // without waiting there are twice as many
	accepted := fmt.Sprintf("--pods %d or fewer, or nodes added", most)
	if most < leastPods {
		accepted = "nodes added, or other pods ended"
	}
	p.refuse("capacity", "--pods %d: %s; accepted: %s (--wait-for-nodes 5m where the cluster adds them itself)", pods, found, accepted)
}

// roomOf looks which nodes take our pods.
func roomOf(nodes []corev1.Node) room {
	r := room{index: map[string]int{}}
	for _, n := range nodes {
		if !cluster.Schedulable(&n) {
			r.others++
			continue
		}
		r.index[n.Name] = len(r.nodes)
		r.nodes = append(r.nodes, node{arch: n.Status.NodeInfo.Architecture, free: amountsOf(n.Status.Allocatable)})
	}
	return r
}

// String says how many nodes take pods, and of which architectures they are.
func (r room) String() string {
	var archs []string
	for _, n := range r.nodes {
		if n.arch != "" && !slices.Contains(archs, n.arch) {
			archs = append(archs, n.arch)
		}
	}
	slices.Sort(archs)
	text := "1 node takes pods"
	if n := len(r.nodes); n > 1 {
		text = fmt.Sprintf("%d nodes take pods", n)
	}
	if len(archs) > 0 {
		text += " (" + strings.Join(archs, ", ") + ")"
	}
	if r.others > 0 {
		text += fmt.Sprintf(", %d not (tainted, cordoned, not Ready or not Linux)", r.others)
	}
	return text
}

// take reckons with a pod that is there.
func (r room) take(pod *corev1.Pod) {
	if i, ok := r.index[pod.Spec.NodeName]; ok {
		r.nodes[i].free = r.nodes[i].free.less(requests(&pod.Spec))
	}
}

// fit is how pods fit into a room.
type fit struct {
	probes  int // how many there are
	beside  int // other pods of ours
	fitting int // of those, how many fit
	room    int // for how many probes there is room beside them
	nodes   int // that those probes are on, where others have room too
}

// fit puts pods on the node that has the fewest of them, as the scheduler tends
// to: first what stands beside the probes, then as many probes as fit.
func (r room) fit(sets []podSet, holds func(free, need amounts) bool) fit {
	nodes := slices.Clone(r.nodes)
	have := make([]int, len(nodes))
	put := func(need amounts) (at int) {
		best := -1
		for i, n := range nodes {
			if holds(n.free, need) && (best < 0 || have[i] < have[best]) {
				best = i
			}
		}
		if best >= 0 {
			nodes[best].free = nodes[best].free.less(need)
			have[best]++
		}
		return best
	}
	var f fit
	var probe amounts
	all := true
	for _, s := range sets {
		need := requests(&s.pod.Spec)
		switch {
		case s.probes:
			probe, f.probes = need, s.count
			continue
		case s.each:
			f.beside += len(nodes)
			for i := range nodes {
				if holds(nodes[i].free, need) {
					f.fitting++
				} else {
					all = false
				}
				nodes[i].free = nodes[i].free.less(need)
			}
			continue
		}
		f.beside += s.count
		for range s.count {
			if put(need) >= 0 {
				f.fitting++
			} else {
				all = false
			}
		}
	}
	on := map[int]bool{}
	for all && f.room < f.probes {
		at := put(probe)
		if at < 0 {
			break
		}
		f.room++
		on[at] = true
	}
	f.nodes = len(on)
	return f
}
