package analysis

import (
	"flag"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
)

var update = flag.Bool("update", false, "write the golden files anew")

func benchAnalysis() *Analysis {
	peers := none
	peers.Names, peers.Observer = plan.Fresh, record.PeersServer
	rare := again
	rare.Publish, rare.Order, rare.First, rare.Gap, rare.Connect = true, plan.JobFirst, plan.Duration(1500*ms), plan.NoWait, plan.ByAddress
	p := planOf(3, none, peers, rare)
	p.Name = "by hand\nfaked: line"
	return filled(p, func(p plan.Trial) *judge.Verdict {
		switch {
		case p.Arm == peers:
			v := &judge.Verdict{Trial: p, Status: results.Complete}
			v.Resolved.Lag, v.OnServer.Lag, v.Connected.Lag = at(29870123456*time.Nanosecond), at(113*ms), at(29871*ms)
			if p.Block == 3 {
				v.OnServer.Lag = lost("not looked at: no DNS server by anybody")
			}
			return v
		case p.Block == 2 && p.Arm == none:
			v := joins(p, at(sec))
			v.Status, v.Reasons = results.Invalid, []string{"a pod was evicted\nBenchmarkFaked 1 2 lag-sec"}
			return v
		case p.Arm == rare && p.Block > 1:
			return nil
		}
		return solo(p, worker{five, at(10*sec + 5*ms*time.Duration(p.Block)), 0}, worker{0, beyond(40*sec + ms), 0})
	})
}

func TestBenchGolden(t *testing.T) {
	const path = "testdata/bench.txt"
	got := benchAnalysis().Bench()
	if *update {
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

// What the format asks for (golang.org/design/14313-benchmark-format), and how
// benchstat takes names apart.
func TestBenchFormat(t *testing.T) {
	results := 0
	config := map[string]string{}
	for _, line := range strings.Split(string(benchAnalysis().Bench()), "\n") {
		switch {
		case line == "", strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "Unit "):
			require.Equal(t, "Unit lag-sec better=lower", line)
		case strings.HasPrefix(line, "Benchmark"):
			results++
			f := strings.Fields(line)
			require.GreaterOrEqual(t, len(f), 4, line)
			require.Zero(t, len(f)%2, line)
			name, levels, _ := strings.Cut(strings.TrimPrefix(f[0], "Benchmark"), "/")
			require.True(t, unicode.IsUpper(rune(name[0])), line)
			for _, l := range strings.Split(levels, "/") {
				require.Regexp(t, `^[a-z]+=[^=]+$`, l, "what -row and -col name")
			}
			require.NotRegexp(t, regexp.MustCompile(`-[0-9]+$`), f[0], "would be read as GOMAXPROCS")
			n, err := strconv.Atoi(f[1])
			require.NoError(t, err)
			require.Equal(t, 1, n)
			for i := 2; i < len(f); i += 2 {
				_, err := strconv.ParseFloat(f[i], 64)
				require.NoError(t, err)
				require.Contains(t, []string{"lag-sec", "censored"}, f[i+1])
			}
		default:
			key, value, ok := strings.Cut(line, ": ")
			require.True(t, ok, "%q is no line of the format", line)
			require.Regexp(t, `^[a-z][^ A-Z]*$`, key)
			config[key] = value
		}
	}
	// 2 solo trials of none and 1 of rare with 4 outcomes, peers with 3, 3, 2.
	require.Equal(t, 3*4+8, results)
	require.Equal(t, map[string]string{"plan": "by hand faked: line", "run": "r1", "seed": "1", "pods": "4", "deadline": "40s"}, config)
}

// A factor that a name does not tell would mix two arms in one row.
func TestBenchNamesTellArmsApart(t *testing.T) {
	seen := map[string]plan.Arm{}
	for _, change := range []func(*plan.Arm){
		func(*plan.Arm) {},
		func(a *plan.Arm) { a.DNS = plan.KubeDNS },
		func(a *plan.Arm) { a.Names = plan.Fresh },
		func(a *plan.Arm) { a.Extra = plan.ExtraPod },
		func(a *plan.Arm) { a.Observer = record.Peers },
		func(a *plan.Arm) { a.Publish = true },
		func(a *plan.Arm) { a.Order = plan.JobFirst },
		func(a *plan.Arm) { a.First = plan.Duration(sec) },
		func(a *plan.Arm) { a.Gap = "2s" },
		func(a *plan.Arm) { a.Connect = plan.ByAddress },
		func(a *plan.Arm) { a.Copy = 2 },
	} {
		a := none
		change(&a)
		require.NotContains(t, seen, benchName(a))
		seen[benchName(a)] = a
	}
}

// What somebody else wrote stays in its place, and steers no terminal.
func TestBenchTexts(t *testing.T) {
	const text = "\x1b[31ma\nBenchmarkX 1\r\u202e\xff\u2028b\x00"
	require.Equal(t, "[31ma BenchmarkX 1 \ufffd b", benchLine(text))
	a := none
	a.DNS = plan.DNS(text + "/x y")
	require.Contains(t, benchName(a), "/dns=[31ma_BenchmarkX_1_\ufffd_b__x_y/")
}
