package cluster

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
)

// withheldLimit is how long two short requests may take whose answers are only
// for a sentence.
const withheldLimit = 10 * time.Second

// failedCreate is the reason of the event in which the Job controller says that
// it could not create a pod (k8s.io/kubernetes, pkg/controller, RealPodControl).
const failedCreate = "FailedCreate"

// Withheld returns why a Job has fewer pods than it wants, as far as the Job and
// its events say; empty where they do not, or may not be read: reading events
// is no right that a run takes.
func (c *Client) Withheld(ctx context.Context, namespace, name string) string {
	ctx, stop := context.WithTimeout(ctx, withheldLimit)
	defer stop()
	job, err := c.Kube.BatchV1().Jobs(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return ""
	}
	if job.Spec.Suspend != nil && *job.Spec.Suspend {
		return fmt.Sprintf("job %s/%s is suspended: something in the cluster (a queue such as Kueue) holds it", namespace,
			name)
	}
	events, err := c.Kube.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector("involvedObject.uid", string(job.UID)).String()})
	if err != nil {
		return ""
	}
	var newest corev1.Event
	for _, e := range events.Items {
		if e.Reason == failedCreate && !e.LastTimestamp.Before(&newest.LastTimestamp) {
			newest = e
		}
	}
	if newest.Message == "" {
		return ""
	}
	return fmt.Sprintf("the newest %s event of job %s/%s says %q", failedCreate, namespace, name, OneLine(newest.Message))
}

const (
	// longestQuote bounds, in characters, what is repeated of a text of the
	// cluster's: what an event's message may hold (events API, NoteLengthLimit).
	longestQuote = 1024
	// longestRefusal bounds what says why something was refused. A policy engine
	// that lists every rule it found broken stays below it.
	longestRefusal = 8192
)

// OneLine makes a text of the cluster's fit for one line: nothing but what is
// printed, and not too long.
func OneLine(text string) string { return oneLine(text, longestQuote) }

// Refusal is OneLine for what says why something was refused, which is not cut.
func Refusal(text string) string { return oneLine(text, longestRefusal) }

func oneLine(text string, longest int) string {
	text = strings.Join(strings.Fields(strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return ' '
	}, text)), " ")
	if runes := []rune(text); len(runes) > longest {
		return string(runes[:longest]) + "..."
	}
	return text
}
