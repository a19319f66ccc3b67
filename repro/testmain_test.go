package main

import (
	"flag"
	"os"
	"testing"

	"headless-job-dns/internal/trial"
)

// asProgram has the test's binary be the program: a process that can be killed.
const asProgram = "REPRO_TEST_AS_PROGRAM"

// TestMain lets eight tests stand side by side on any number of cores: they wait
// for a fake API server's watches more than they compute.
func TestMain(m *testing.M) {
	trial.Settle = 0
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() < "8" && len(f.Value.String()) == 1 {
		_ = flag.Set("test.parallel", "8")
	}
	os.Exit(m.Run())
}
