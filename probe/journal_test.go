package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/record"
)

// script feeds a journal with answers of one stream; each word is one answer,
// asked 10 after the one before and answered 3 later: "nx30" a denial with an
// SOA TTL of 30, anything else an address with a TTL of 5.
func script(t *testing.T, j *journal, words string) {
	t.Helper()
	prev := int64(-1)
	for i, w := range strings.Fields(words) {
		a := record.Answer{Peer: 1, View: record.Client, Type: "A", Server: "s", Asked: int64(10 * i), Prev: prev}
		var ttl uint32 = 5
		if _, err := fmt.Sscanf(w, "nx%d", &ttl); err == nil {
			a.Class, a.SOATTL = record.NXDomain, &ttl
		} else {
			a.Class, a.Addrs, a.TTL = record.Address, []string{w}, &ttl
		}
		j.answer(a.Asked+3, a)
		prev = a.Asked
	}
}

func testJournal(t *testing.T) (*journal, func() recorded) {
	out := &output{done: make(chan struct{})}
	j := newJournal(out, func() int64 { return 1000 }, func(err error) { require.NoError(t, err) })
	j.begin(&record.Start{})
	return j, func() recorded {
		j.done(&record.Done{Reason: "complete"})
		return (&pod{t: t, out: out}).log()
	}
}

func TestRunsOfEqualAnswers(t *testing.T) {
	j, end := testJournal(t)
	script(t, j, "nx30 nx30 nx29 nx28 a a")
	log := end()
	runs := answers(log)
	require.Len(t, runs, 2)

	first := closed(log, runs[0].Answer.ID)
	require.Equal(t, 4, first.Count)
	require.EqualValues(t, 30, first.Until)
	require.EqualValues(t, 33, first.Last)
	require.EqualValues(t, 28, *first.SOATTL)
	require.EqualValues(t, 30, *first.TopTTL, "a TTL that counts down is one run")
	require.Equal(t, 2, first.AtTop)
	require.EqualValues(t, 3, first.MinRTT)
	require.EqualValues(t, 3, first.MaxRTT)

	a := runs[1]
	require.EqualValues(t, 40, a.Answer.Asked)
	require.EqualValues(t, 43, a.T)
	require.EqualValues(t, 30, a.Answer.Prev, "the record came in (30, 43]")
	require.Equal(t, 2, closed(log, a.Answer.ID).Count)
}

// Two replicas that disagree are two runs, not one per change; a change that
// lasts ends a run.
func TestRunsOfAlternatingAnswers(t *testing.T) {
	j, end := testJournal(t)
	script(t, j, strings.Repeat("nx30 a ", 50))
	log := end()
	runs := answers(log)
	require.Len(t, runs, 2)
	require.Equal(t, 50, closed(log, runs[0].Answer.ID).Count)
	require.Equal(t, 50, closed(log, runs[1].Answer.ID).Count)

	j, end = testJournal(t)
	script(t, j, "nx30 "+strings.Repeat("a ", patience)+"nx30")
	log = end()
	runs = answers(log)
	require.Len(t, runs, 3)
	require.Equal(t, 1, closed(log, runs[0].Answer.ID).Count)
	require.EqualValues(t, 10*patience, runs[2].Answer.Prev)
}

// A server that makes answers up gets a bounded number of runs.
func TestTooManyAnswers(t *testing.T) {
	j, end := testJournal(t)
	var words []string
	for i := range 1000 {
		words = append(words, fmt.Sprint("a", i))
	}
	script(t, j, strings.Join(words, " "))
	log := end()
	runs := answers(log)
	require.Len(t, runs, maxRuns+1)
	last := runs[maxRuns].Answer
	require.Equal(t, record.Error, last.Class)
	require.Equal(t, "more than 64 different answers", last.Err)
	require.Empty(t, last.Addrs)
	total := 0
	for _, l := range runs {
		total += closed(log, l.Answer.ID).Count
	}
	require.Equal(t, 1000, total, "every answer is counted")
}

// However many streams have much to tell, the log stays below 1 MB and says
// what it left out.
func TestLogIsBounded(t *testing.T) {
	j, _ := testJournal(t)
	for range 60_000 {
		j.answer(3, record.Answer{Peer: rand.N(100), View: record.Client, Type: "A", Server: "s", Class: record.Address,
			Addrs: []string{fmt.Sprint(rand.N(1000)), strings.Repeat("f", 39)}})
		j.dial(3, record.Dial{Peer: rand.N(100), Addr: fmt.Sprint(rand.N(1000)), Outcome: record.ConnRefused})
	}
	j.done(&record.Done{Reason: "deadline"})
	text := j.out.(*output).text()
	require.Less(t, len(text), 1_000_000)
	log := readLog(t, text)
	done, _ := log.Done()
	require.Regexp(t, `^log full: \d+ answers and connects left out$`, done.Err)
}

func TestDialsAreRunsToo(t *testing.T) {
	j, end := testJournal(t)
	for i := range 5 {
		j.dial(int64(10*i+1), record.Dial{Peer: 1, Addr: "x", Asked: int64(10 * i), Outcome: record.DialTimeout})
	}
	j.dial(60, record.Dial{Peer: 1, Addr: "x", Asked: 55, Outcome: record.Connected, Who: &record.Who{Index: 2, Wall: 1}})
	j.dial(70, record.Dial{Peer: 1, Addr: "x", Asked: 65, Outcome: record.Connected, Who: &record.Who{Index: 2, Wall: 9}})
	j.dial(80, record.Dial{Peer: 1, Addr: "x", Asked: 75, Outcome: record.Connected, Who: &record.Who{Index: 1, Wall: 10}})
	j.dial(90, record.Dial{Peer: 1, Addr: "y", Asked: 85, Outcome: record.DialTimeout})
	log := end()
	var counts []int
	for _, l := range dials(log) {
		counts = append(counts, closed(log, l.Dial.ID).Count)
	}
	require.Equal(t, []int{5, 2, 1, 1}, counts)
}

// Whatever is seen before Start is known comes after it in the log.
func TestStartIsFirst(t *testing.T) {
	out := &output{done: make(chan struct{})}
	j := newJournal(out, func() int64 { return 0 }, func(error) {})
	script(t, j, "nx30 a")
	require.Empty(t, out.text())
	j.begin(&record.Start{Job: "flux"})
	require.True(t, strings.HasPrefix(out.text(), `{"v":1,"t":0,"start":{`))
	require.Equal(t, 3, strings.Count(out.text(), "\n"))
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestUnwritableLog(t *testing.T) {
	var got error
	j := newJournal(brokenPipe{}, func() int64 { return 0 }, func(err error) { got = err })
	j.begin(&record.Start{})
	require.EqualError(t, got, "write the log: broken pipe")
}
