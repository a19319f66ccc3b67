package cluster

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"headless-job-dns/manifests"
)

// Stuck returns a sentence about a pod that cannot start, and what to do;
// empty while there is none. The cluster may take so long to add nodes.
func (o *Observation) Stuck(nodes time.Duration) string {
	for _, p := range o.Pods() {
		if o.unschedulableFor(p) > nodes+unschedulablePatience {
			return fmt.Sprintf("pod %s/%s is %s", p.Namespace, p.Name, Waiting(p))
		}
		name := p.Namespace + "/" + p.Name
		for _, cs := range append(slices.Clone(p.Status.InitContainerStatuses), p.Status.ContainerStatuses...) {
			w := cs.State.Waiting
			if w == nil {
				continue
			}
			switch w.Reason {
			case "ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName":
				return fmt.Sprintf("pod %s "+lacksImage+" %s (%s)%s", name, cs.Image, w.Reason, otherImage(p, cs.Name))
			case "CreateContainerConfigError", "CreateContainerError", "RunContainerError", "PostStartHookError",
				"CrashLoopBackOff":
				why := w.Message
				// What a container that ended said of it, if anything.
				if last := cs.LastTerminationState.Terminated; last != nil && last.Message != "" {
					why = strings.TrimSpace(last.Message)
				}
				return fmt.Sprintf("pod %s cannot start its container %s: %s: %s; `kubectl describe pod %s -n %s` says more", name,
					cs.Name, w.Reason, why, p.Name, p.Namespace)
			}
		}
	}
	return ""
}

func (o *Observation) unschedulableFor(p *corev1.Pod) time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	if s := o.pods[string(p.UID)]; !s.unscheduled.IsZero() && s.deleted.IsZero() {
		return time.Since(s.unscheduled)
	}
	return 0
}

// unschedulable is why no node takes a pod, in the scheduler's words; empty: one
// does, or that is not known yet.
func unschedulable(p *corev1.Pod) string {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return c.Message
		}
	}
	return ""
}

const lacksImage = "cannot get the image"

// LacksImage tells whether an error is that a node cannot get an image.
func LacksImage(err error) bool { return err != nil && strings.Contains(err.Error(), lacksImage) }

// otherImage ends a sentence about an image that a container of ours cannot get
// with how to name another.
func otherImage(p *corev1.Pod, container string) string {
	switch container {
	case manifests.ProbeContainer:
		if manifests.Delivered(&p.Spec) {
			return ", on which the probe is unpacked: name one that has a shell and that the nodes can pull with --base-image"
		}
		return " of the probe: load it onto the nodes (`make image` builds it), name one they can pull with --image, or " +
			"let --deliver configmap do without"
	case manifests.CoreDNSContainer:
		return " of a private DNS: name one of CoreDNS that the nodes have or can pull with --dns-image, or do without by " +
			"--dns cluster"
	case manifests.DnsmasqContainer:
		return " of a private DNS: name one with /usr/sbin/dnsmasq that the nodes have or can pull with --dnsmasq-image, " +
			"or leave kube-dns out of --dns"
	}
	return " of container " + container + ", which the cluster added to it: have that mended or switched off for the " +
		"namespace, or name another with -n"
}

// Waiting says, for a pod whose probe is not running, what it waits for.
func Waiting(p *corev1.Pod) string {
	if why := unschedulable(p); why != "" {
		return "not scheduled: " + Refusal(why)
	}
	if cs := ProbeStatus(p); cs != nil && cs.State.Waiting != nil {
		return "waiting: " + cs.State.Waiting.Reason
	}
	return "phase " + string(p.Status.Phase)
}
