package main

import (
	"testing"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/record"
)

// TestEmptyService: pod 0 of another Job is asked for until ten answers in a row
// had no address; before the first one, and between two, that ends nothing.
func TestEmptyService(t *testing.T) {
	t.Parallel()
	n := 0
	s := serveDNS(t, func(w dns.ResponseWriter, q *dns.Msg) {
		n++
		r := new(dns.Msg).SetRcode(q, dns.RcodeNameError)
		r.Ns = []dns.RR{soa(30)}
		if 15 < n && n < 20 || n == 25 {
			r = new(dns.Msg).SetReply(q)
			r.Answer = []dns.RR{addressRecord(q.Question[0].Name, podAddr(0), 30)}
		}
		w.WriteMsg(r)
	})
	flags := args(t, 0, 1, freePort(t), s.addr)
	p := start(t, append(flags, "--observer=empty-service", "--interval=5ms", "--deadline=20s")...)
	p.says(`"done"`)
	p.release()
	log := p.log()
	done, _ := log.Done()
	require.Equal(t, "complete", done.Reason)
	asked := s.questions()
	require.Len(t, asked, 35)
	for _, a := range asked {
		require.Equal(t, fqdn(0)+" A", a.String())
	}
	all := answers(log)
	require.Equal(t, record.Address, all[1].Answer.Class)
	require.Equal(t, 5, closed(log, all[1].Answer.ID).Count)
}
