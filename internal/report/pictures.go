package report

import "headless-job-dns/internal/picture"

// Pictures is what there is to draw of the trials, for picture.Write. Nothing
// that is written refers to them.
func (r *Report) Pictures() picture.Input { return picture.Of(r.plan, r.analysis, r.slowest) }
