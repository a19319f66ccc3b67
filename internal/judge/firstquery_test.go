package judge

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"headless-job-dns/internal/record"
)

func TestFirstQueryDelay(t *testing.T) {
	const ms = int64(time.Millisecond)
	pod := func(age, delay int64, asked ...int64) *podLog {
		l := &podLog{start: &record.Start{Age: age * ms, FirstQueryAfter: delay * ms}}
		for _, at := range asked {
			l.answers = append(l.answers, answer{Answer: &record.Answer{View: record.Client, Asked: at * ms}})
		}
		return l
	}
	for name, tc := range map[string]struct {
		logs []*podLog
		want int64
	}{
		"the slowest pod":                  {[]*podLog{pod(30, 0, 9, 5), pod(80, 0, 2, 40), pod(10, 0, 1)}, 82},
		"a delay of the plan's":            {[]*podLog{pod(30, 5000, 5002)}, 32},
		"who asks nothing":                 {[]*podLog{pod(500, 0), pod(30, 0, 3)}, 33},
		"whose creation is not known":      {[]*podLog{pod(0, 0, 700)}, 0},
		"who wrote nothing that is usable": {[]*podLog{{}, pod(30, 0, 3)}, 33},
		"nobody":                           {nil, 0},
	} {
		j := &judgement{logs: tc.logs}
		require.Equal(t, time.Duration(tc.want*ms), j.firstQueryDelay(), name)
	}
}
