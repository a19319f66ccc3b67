package report

// Bench returns every trial's outcomes in the format of Go's benchmarks, for
// benchstat.
func (r *Report) Bench() []byte { return r.analysis.Bench() }
