package plot

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/analysis"
	"headless-job-dns/internal/judge"
	"headless-job-dns/internal/judge/synth"
	"headless-job-dns/internal/plan"
	"headless-job-dns/internal/record"
	"headless-job-dns/internal/results"
	"headless-job-dns/internal/stats"
	"headless-job-dns/records/published"
)

var update = flag.Bool("update", false, "write the golden files anew")

// check compares a picture with its golden file, and reads it: it is XML, and no
// text leaves the picture or runs into another, in any font.
func check(t *testing.T, name string, svg []byte) {
	t.Helper()
	readable(t, svg)
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, svg, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(svg))
}

// readable fails where text leaves the picture or runs into other text.
func readable(t *testing.T, svg []byte) {
	t.Helper()
	type box struct {
		text                     string
		left, right, top, bottom float64
	}
	var boxes []box
	var height float64
	d := xml.NewDecoder(bytes.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		e, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		attr := map[string]string{}
		for _, a := range e.Attr {
			attr[a.Name.Local] = a.Value
		}
		number := func(name string) float64 {
			v, err := strconv.ParseFloat(attr[name], 64)
			require.NoError(t, err)
			return v
		}
		switch e.Name.Local {
		case "svg":
			height = number("height")
		case "text":
			var b box
			require.NoError(t, d.DecodeElement(&b.text, &e))
			w := letter * float64(utf8.RuneCountInString(b.text))
			if attr["font-weight"] == "bold" {
				w *= 1.1
			}
			b.left = number("x")
			switch anchor(attr["text-anchor"]) {
			case middle:
				b.left -= w / 2
			case end:
				b.left -= w
			}
			b.right, b.top, b.bottom = b.left+w, number("y")-0.8*fontSize, number("y")+0.2*fontSize
			boxes = append(boxes, b)
		}
	}
	require.NotEmpty(t, boxes)
	for i, b := range boxes {
		inside := b.left >= 0 && b.right <= width && b.top >= 0 && b.bottom <= height
		require.True(t, inside, "%q leaves the picture: %+v", b.text, b)
		for _, o := range boxes[:i] {
			apart := b.right <= o.left || o.right <= b.left || b.bottom <= o.top || o.bottom <= b.top
			require.True(t, apart, "%q runs into %q", b.text, o.text)
		}
	}
}

func outcome(dns plan.DNS, scenario string, at float64, censored bool) analysis.Outcome {
	return analysis.Outcome{DNS: dns, Scenario: scenario, Late: at > 1, Lag: &stats.Time{At: at, Censored: censored}}
}

func TestTrials(t *testing.T) {
	const who = "new names, all look up all"
	const used = "names of a previous Job that ran, beside it a pod that the headless Service selects, " +
		"its Service deleted 1.4s after its end"
	s := analysis.Summary{
		LateS: 1,
		Cells: []*analysis.Cell{
			{DNS: plan.ClusterDNS, Scenario: who, Trials: 4, Late: 3},
			{DNS: plan.Uncached, Scenario: who, Trials: 2},
			{DNS: plan.ClusterDNS, Scenario: used, Trials: 2, Late: 2},
		},
		Trials: []analysis.Outcome{
			outcome(plan.ClusterDNS, who, 0.2, false), outcome(plan.ClusterDNS, who, 29.9, false),
			outcome(plan.ClusterDNS, who, 29.8, false), outcome(plan.ClusterDNS, who, 30.1, false),
			outcome(plan.Uncached, who, 0, false), outcome(plan.Uncached, who, 0.05, false),
			outcome(plan.ClusterDNS, used, 134.3, false), outcome(plan.ClusterDNS, used, 39.9, true),
			{DNS: plan.ClusterDNS, Scenario: used, Invalid: "lost"}, // not drawn
		},
	}
	svg := Trials(s)
	check(t, "trials.svg", svg)
	require.Equal(t, 8, bytes.Count(svg, []byte("<circle"))+bytes.Count(svg, []byte("<polygon"))-3) // three explain
	readable(t, Trials(analysis.Summary{}))
}

func TestClients(t *testing.T) {
	for name, w := range map[string]synth.World{
		"denied.svg": synth.Denied("t001", record.PeersServer, 3),
		"old.svg":    synth.Stale("t002", plan.Cache30, 5*time.Second, 0),
		"many.svg":   synth.Denied("t003", record.PeersServer, 20),
	} {
		trial := w.Trial().End()
		check(t, name, Clients(analysis.NewTimeline(trial, judge.Judge(trial))))
	}
}

var original = Published{"As published with the original report", "another zero than above", published.Joins()}

func TestJoins(t *testing.T) {
	join := func(extra plan.Extra, timeout time.Duration, times ...float64) analysis.Join {
		j := analysis.Join{Timeout: plan.Duration(timeout)}
		j.Arm = plan.Arm{DNS: plan.Cache30, Names: plan.Reused, Extra: extra, Observer: record.Solo}
		for _, at := range times {
			j.Times = append(j.Times, stats.Time{At: at, Censored: at == 40})
		}
		return j
	}
	const one, five = time.Second, 5 * time.Second
	s := analysis.Sweep{DNS: plan.Cache30, Old: 22, Joins: []analysis.Join{
		join(plan.ExtraNone, 0, 40, 134), join(plan.ExtraNone, five, 20.6, 25.8), join(plan.ExtraNone, one, 23),
		join(plan.ExtraMemberPod, 0, 40), join(plan.ExtraMemberPod, five, 25.7), join(plan.ExtraMemberPod, one, 22),
	}}
	check(t, "joins.svg", Joins([]analysis.Sweep{s, s}))
	check(t, "joins-published.svg", Joins([]analysis.Sweep{s}, original))
	readable(t, Joins([]analysis.Sweep{{}}))
}

// TestDoses: shares with their intervals, and the model where it says something.
func TestDoses(t *testing.T) {
	trend := func(extra plan.Extra, doses ...stats.Dose) analysis.Trend {
		return analysis.Trend{DNS: plan.RecordWriter, Extra: extra, Trend: stats.Trend{Doses: doses}}
	}
	svg := Doses([]analysis.Trend{
		trend(plan.ExtraMemberPod, stats.Dose{Score: 600, K: 1, N: 10}, stats.Dose{Score: 5000, K: 10, N: 10}),
		trend(plan.ExtraNone, stats.Dose{Score: 600, K: 0, N: 10}, stats.Dose{Score: 2000}),
	}, published.Withdrawn())
	check(t, "doses.svg", svg)
	require.Equal(t, len(published.Withdrawn())+2, bytes.Count(svg, []byte(orange)), "the model once, and twice in legends")
}

// TestHostile: names of a plan's file and what pods said stay text.
func TestHostile(t *testing.T) {
	evil := "</text><script>alert(1)</script>&\x1b\u202e" + string(bytes.Repeat([]byte("W"), 300))
	svg := Trials(analysis.Summary{Cells: []*analysis.Cell{{DNS: plan.DNS(evil), Scenario: evil}}})
	readable(t, svg)
	require.NotContains(t, string(svg), "<script")
	require.NotContains(t, string(svg), "\x1b")
	require.NotContains(t, string(svg), "\u202e")
}

// TestRecords: the pictures of recorded runs can be read.
func TestRecords(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "records", "*", results.TrialsFile))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		records, err := results.Load(filepath.Dir(file))
		require.NoError(t, err)
		a := analysis.New(records.Plan)
		for trial, err := range records.Trials() {
			require.NoError(t, err)
			v := judge.Judge(&trial)
			a.Add(v)
			if line := analysis.NewTimeline(&trial, v); line != nil {
				readable(t, Clients(line))
			}
		}
		readable(t, Trials(a.Summary()))
		readable(t, Joins(a.Sweeps(), original, Published{"Workers on Cloud DNS", "seconds", published.CloudDNS()}))
	}
}
