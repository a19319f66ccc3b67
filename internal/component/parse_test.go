package component

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// As the components of a Kubernetes 1.36 and CoreDNS 1.15 wrote them.
func TestParsePages(t *testing.T) {
	for file, tc := range map[string]struct {
		wanted []metric
		want   map[string]float64
	}{
		"coredns.txt": {coreDNS, map[string]float64{
			`coredns_kubernetes_dns_programming_duration_seconds_sum{service_kind="headless_with_selector"}`:   7.050923516,
			`coredns_kubernetes_dns_programming_duration_seconds_count{service_kind="headless_with_selector"}`: 9,
			`coredns_cache_misses_total`:           26,
			`coredns_cache_requests_total`:         26,
			`coredns_dns_requests_total{type="A"}`: 24,
		}},
		"kubelet.txt": {kubelet, map[string]float64{
			`kubelet_pod_start_sli_duration_seconds_sum`:     15.404840035,
			`kubelet_pod_start_sli_duration_seconds_count`:   3,
			`kubelet_pod_status_sync_duration_seconds_sum`:   102.29499999999999,
			`kubelet_pod_status_sync_duration_seconds_count`: 18,
			`kubelet_pleg_relist_interval_seconds_sum`:       263.5772678890002,
			`kubelet_pleg_relist_interval_seconds_count`:     263,
		}},
	} {
		page, err := os.Open("testdata/" + file)
		require.NoError(t, err)
		defer page.Close()
		got, err := parse(page, tc.wanted)
		require.NoError(t, err)
		require.Equal(t, tc.want, got, file)
	}
}

func TestParse(t *testing.T) {
	wanted := []metric{{name: "plain"}, {name: "by", label: "type"}, {name: "of", label: "kind", value: "x"}}
	for name, tc := range map[string]struct {
		page string
		want map[string]float64
	}{
		"nothing":              {"", map[string]float64{}},
		"no end of line":       {"plain 3", map[string]float64{"plain": 3}},
		"a time":               {"plain 3.5e2 1700000000000\n", map[string]float64{"plain": 350}},
		"tabs and blanks":      {"plain\t 3\nby { type=\"a\" , zone=\".\", } 4\n", map[string]float64{"plain": 3, `by{type="a"}`: 4}},
		"added up":             {"by{type=\"a\",zone=\"1\"} 4\nby{zone=\"2\",type=\"a\"} 5\nby{type=\"b\"} 1\n", map[string]float64{`by{type="a"}`: 9, `by{type="b"}`: 1}},
		"one value only":       {"of{kind=\"x\"} 4\nof{kind=\"y\"} 5\nof 6\n", map[string]float64{`of{kind="x"}`: 4}},
		"a label's brackets":   {"by{zone=\"a}\\\" 1{\",type=\"b\"} 4\n", map[string]float64{`by{type="b"}`: 4}},
		"another's name":       {"plainer 3\nplain_total 4\n# plain 5\n", map[string]float64{}},
		"no number":            {"plain x\nplain NaN\nplain +Inf\nplain\nplain 1 2 3\n", map[string]float64{}},
		"beyond a number":      {"plain 1.7e308\nplain 1.7e308\n", map[string]float64{}},
		"labels without end":   {"by{type=\"a\nby{type=\"a\"\nby{type\nby{ 3\nby{type=\"a\\\n", map[string]float64{}},
		"odd label values":     {"by{type=\"<b>\"} 1\nby{type=\"a\\nb\"} 1\nby{type=\"" + strings.Repeat("x", 65) + "\"} 1\n", map[string]float64{}},
		"something else":       {"<html>\n{\"kind\":\"Status\"}\n\x00\xff\n", map[string]float64{}},
		"a label is not there": {"by{zone=\".\"} 1\n", map[string]float64{}},
	} {
		got, err := parse(strings.NewReader(tc.page), wanted)
		require.NoError(t, err, name)
		require.Equal(t, tc.want, got, name)
	}
}

func TestPagesAreBounded(t *testing.T) {
	_, err := parse(endless{}, kubelet) // one line without end
	require.Error(t, err)
	_, err = parse(&lines{}, []metric{{name: "by", label: "type"}})
	require.ErrorContains(t, err, "longer than")

	var b strings.Builder
	for i := range 10 * maxSeries {
		fmt.Fprintf(&b, "by{type=\"t%d\"} 1\n", i)
	}
	got, err := parse(strings.NewReader(b.String()), []metric{{name: "by", label: "type"}})
	require.NoError(t, err)
	require.Len(t, got, maxSeries)
}

type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'x'
	}
	return len(b), nil
}

// lines are short and never end.
type lines struct{ n int }

func (l *lines) Read(b []byte) (int, error) {
	l.n++
	return copy(b, fmt.Sprintf("by{type=\"t%d\"} 1\n", l.n)), nil
}

func FuzzParse(f *testing.F) {
	for _, file := range []string{"coredns.txt", "kubelet.txt"} {
		page, err := os.ReadFile("testdata/" + file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(page))
	}
	f.Add("coredns_cache_hits_total{type=\"a\\\"} 1 2\n")
	f.Add("coredns_cache_hits_total{type=\"\"} 0x1p-2\nkubelet_pleg_relist_interval_seconds_sum -1")
	wanted := slices.Concat(coreDNS, kubelet, controllerManager)
	f.Fuzz(func(t *testing.T, page string) {
		got, err := parse(strings.NewReader(page), wanted)
		if err != nil {
			return
		}
		if len(got) > maxSeries {
			t.Fatalf("%d series", len(got))
		}
		for key, value := range got {
			if math.IsNaN(value) || math.IsInf(value, 0) {
				t.Fatalf("%s is %v, which no JSON holds", key, value)
			}
			name, _, _ := strings.Cut(key, "{")
			if !slices.ContainsFunc(wanted, func(m metric) bool { return m.name == name }) || len(key) > 200 || strings.ContainsAny(key, "\n\\|<") {
				t.Fatalf("%q is not a metric that is wanted", key)
			}
		}
	})
}
