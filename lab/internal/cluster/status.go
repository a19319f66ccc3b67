package cluster

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"headless-job-dns/lab/internal/api"
	"headless-job-dns/lab/internal/cgroup"
	"headless-job-dns/lab/internal/layout"
)

// Status is how the lab is.
type Status struct {
	Record  Record
	Known   bool // there is a record of this boot
	Running map[string][]int
	Missing []string // daemons that have ended
}

// Up says whether the lab came up and all of it is still running.
func (s Status) Up() bool { return s.Known && s.Record.Phase == up && len(s.Missing) == 0 }

// Tools is the folder of the programs that the lab runs, kubectl among them.
func (l *Lab) Tools() string {
	record, _ := l.record()
	return record.Tools
}

func (l *Lab) look() Status {
	var s Status
	s.Record, s.Known = l.record()
	tree, err := cgroup.Detect()
	if err != nil {
		return s
	}
	s.Running = tree.Running()
	if s.Known {
		for _, name := range layout.Daemons(l.State.Nodes(s.Record.Nodes)) {
			if len(s.Running[name]) == 0 {
				s.Missing = append(s.Missing, name)
			}
		}
	}
	return s
}

// Status prints how the lab is, and returns whether it is up.
func (l *Lab) Status(ctx context.Context, w io.Writer) (bool, error) {
	s := l.look()
	switch {
	case s.Record.Phase == failed:
		fmt.Fprintf(w, "down; the last `up` failed, its logs are in %s\n", l.State.Logs())
		return false, nil
	case !s.Known && len(s.Running) == 0:
		fmt.Fprintln(w, "down")
		return false, nil
	case !s.Known:
		fmt.Fprintf(w, "processes of a lab are running, but %s has no record of it: run `down`\n", l.State)
		return false, nil
	case !s.Up():
		fmt.Fprintf(w, "%s, and not running: %s\nrun `down`; the logs are in %s\n",
			s.Record.Phase, strings.Join(s.Missing, ", "), l.State.Logs())
		return false, nil
	}
	fmt.Fprintf(w, "up: %d nodes, cluster DNS %s\nkubeconfig %s\nprograms   %s\nlogs       %s\n",
		s.Record.Nodes, s.Record.ClusterDNS, l.State.Kubeconfig(), l.Tools(), l.State.Logs())
	if t, ok, err := l.Builder.Ready(); err == nil && ok {
		v := t.Versions
		fmt.Fprintf(w, "versions   Kubernetes %s, etcd %s, CoreDNS %s, CNI plugins %s\n",
			v.Kubernetes, v.Etcd, v.CoreDNS, v.CNI)
		fmt.Fprintf(w, "images     %s, %s, %s\n", t.CoreDNSImage(), DnsmasqImage, BusyboxImage)
	}
	client, err := api.New(l.State)
	if err != nil {
		return false, err
	}
	defer client.Close()
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nNODE\tREADY\tADDRESS\tPODS")
	healthy := true
	for _, n := range l.State.Nodes(s.Record.Nodes) {
		ready, err := client.NodeReady(ctx, n.Name)
		state := fmt.Sprint(ready)
		if err != nil {
			state = err.Error()
		}
		healthy = healthy && ready
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", n.Name, state, n.Addr, n.Pods)
	}
	fmt.Fprintln(t, "\nPROCESS\tID")
	for _, name := range layout.Daemons(l.State.Nodes(s.Record.Nodes)) {
		// A containerd's group holds its shims too; its own id is the least.
		fmt.Fprintf(t, "%s\t%d\n", name, slices.Min(s.Running[name]))
	}
	return healthy, t.Flush()
}
