# `make help` lists the targets.

PLAN     ?= tour
KEEP_LAB ?=
ARGS     ?=
BENCH    ?= ^TestBench
# As manifests/job.yaml names it.
IMAGE    := localhost/headless-job-dns-probe:dev
# What the nodes of a cluster may be.
ARCHS    := amd64 arm64
TIME     ?= 60s
RUNS     ?= 100
# kind's own where they are empty.
NODE_IMAGE  ?=
KIND_CONFIG ?=
SOAK     ?= 200

GO      ?= go
# For what runs in pods, and for what runs on this machine: the latter as the lab
# builds the cluster's programs, so that what they share is compiled once.
PODBUILD  := CGO_ENABLED=0 GOOS=linux $(GO) build -trimpath -ldflags "-s -w"
HOSTBUILD := CGO_ENABLED=0 GOGC=400 $(GO) build -trimpath "-gcflags=all=-l -dwarf=false"
KEEP    := $(if $(filter-out 0,$(KEEP_LAB)),--keep)

# The lab needs root on Linux; elsewhere what would run on it runs without.
# Tests compare what is attributed with the apiserver's audit log.
ON_LAB := $(if $(filter Linux0,$(shell uname)$(shell id -u)),LAB_E2E=1 bin/lab run --audit --load bin/probe.tar --)

# The lab has no registry: it makes this image from Debian's dnsmasq. Nodes take
# up to a minute to say which images they were given.
LAB_FLAGS := --deliver preloaded --dnsmasq-image lab.local/dnsmasq:debian

.DEFAULT_GOAL := help
.PHONY: help kubectl repro kind-repro image lab-up lab-down lab-status test test-all test-unit test-race test-lab e2e-short e2e chaos soak fuzz lint bench clean FORCE

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo '  variables:  PLAN=tour|cluster|quick|empty-service|seed|seed-timeouts|seed-dose|cloud-dns|extras|timeouts|standard  KEEP_LAB=1  ARGS="--pods 8 ..."  TIME=60s  RUNS=100  SOAK=200  NODE_IMAGE= KIND_CONFIG='

repro: bin/lab bin/repro bin/lab-probe.tar ## bring up a throw-away cluster, run PLAN on it, report, take it down
	bin/lab run $(KEEP) --cluster-dns kubeadm-1.31 --load bin/lab-probe.tar -- bin/repro --plan $(PLAN) $(LAB_FLAGS) $(ARGS)

kind-repro: bin/repro image ## run PLAN on a cluster that kind makes (docker, podman or nerdctl) and deletes again
	bin/repro kind --plan $(PLAN) --probe-archive bin/probe.tar $(if $(NODE_IMAGE),--node-image $(NODE_IMAGE)) $(if $(KIND_CONFIG),--kind-config $(KIND_CONFIG)) $(ARGS)

image: bin/image $(ARCHS:%=bin/%/probe) ## build the probe's image for all architectures: bin/probe.tar to load, bin/probe.oci to push
	bin/image --name $(IMAGE) -o bin/probe.tar --layout bin/probe.oci $(ARCHS:%=bin/%/probe)

lab-up: bin/lab bin/lab-probe.tar ## bring up the throw-away cluster (root, Linux), probe image loaded
	bin/lab up
	bin/lab load bin/lab-probe.tar

lab-down: bin/lab ## remove it, whatever state it is in
	bin/lab down

lab-status: bin/lab ## say what runs
	bin/lab status

# The lab end to end in its shortest honest form.
SHORT := ^Test(NewNames|PreviousJob|CtrlC)$$

test: ## gofmt, vet, unit tests, and the lab end to end in short (a few minutes once the cluster is built)
	MAKE="$(MAKE)" .ci/parts lint test-unit e2e-short

test-all: ## the rest: the race detector, every end to end test, chaos and soak in short, the lab's own test
	MAKE="$(MAKE)" .ci/parts test-race e2e test-lab

test-unit: ## unit tests of both modules (no lab, no root, any system)
	.ci/gotest -count=1 $$($(GO) list ./... | grep -v /internal/e2e)
	cd lab && ../.ci/gotest -count=1 -skip '^TestLab$$' ./...

# Go's own limit of 10 minutes a package is too near where the machine is busy.
test-race: ## the same with the race detector
	.ci/gotest -race -timeout 30m $$($(GO) list ./... | grep -v /internal/e2e)
	cd lab && ../.ci/gotest -race -timeout 30m -skip '^TestLab$$' ./...

test-lab: ## the lab's own end to end test: up, down, crashes, leftovers (root, Linux)
	cd lab && LAB_E2E=1 ../.ci/gotest -count=1 -timeout 30m -v -run '^TestLab$$' .

# Where there is no lab the tests skip and say why, or fail where CI is set.
e2e-short: bin/lab bin/repro image ## new names, names of a previous Job and Ctrl-C on the lab (root, Linux)
	$(ON_LAB) .ci/gotest -count=1 -v -run '$(SHORT)' ./internal/e2e
	$(if $(ON_LAB),bin/lab leftovers)

# The soak is a short one: enough to see the runner grow by the trial. Those that
# mostly wait run side by side.
e2e: bin/lab bin/repro image kubectl ## the other end to end tests on the lab (root, Linux)
	LAB_SOAK=20 $(ON_LAB) .ci/gotest -count=1 -timeout 50m -parallel 4 -v -skip '$(SHORT)|^(TestBench|TestChaos$$)' ./internal/e2e
	$(if $(ON_LAB),bin/lab leftovers)

chaos: bin/lab bin/repro image ## RUNS runs with a fault each, at a moment drawn from a printed seed (an hour for 100)
	LAB_CHAOS=$(RUNS) $(ON_LAB) $(GO) test -count=1 -timeout 3h -v -run '^TestChaos$$' ./internal/e2e

soak: bin/lab bin/repro image ## SOAK quick trials, one after another: does the runner grow? (a quarter of an hour for 200)
	LAB_SOAK=$(SOAK) $(ON_LAB) $(GO) test -count=1 -timeout 3h -v -run '^TestSoak$$' ./internal/e2e

bench: bin/lab bin/repro image ## measure what is promised about speed (half an hour)
	$(GO) test -run '^$$' -bench . ./probe ./internal/judge ./internal/report
	@for i in 1 2 3; do \
	  a=$$(date +%s%N); bin/lab up >/dev/null; b=$$(date +%s%N); bin/lab down >/dev/null; c=$$(date +%s%N); \
	  echo "BENCH lab up, warm: $$(( (b-a)/1000000 )) ms (target 25 s); lab down: $$(( (c-b)/1000000 )) ms (target 10 s)"; done
	LAB_BENCH=1 $(ON_LAB) $(GO) test -count=1 -timeout 60m -v -run '$(BENCH)' ./internal/e2e

# A crash leaves its input in the package's testdata/fuzz, where `go test` finds
# it again: keep it with the correction. Go 1.26 sometimes fails because the time was
# up, with that error and no input (golang/go#75804, mended in Go 1.27).
fuzz: ## run every fuzz test for TIME, one after another
	@list=$$($(GO) test -list '^Fuzz' ./...) || { echo "$$list"; exit 1; }; out=$$(mktemp); trap 'rm -f '"$$out" EXIT; \
	echo "$$list" | awk '/^Fuzz/ {name[++n] = $$1} $$1 == "ok" {for (i = 1; i <= n; i++) print name[i], $$2; n = 0}' | \
	while read -r name package; do \
	  echo "== $$name ($$package)"; \
	  $(GO) test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(TIME) -fuzzminimizetime 2s "$$package" </dev/null >$$out 2>&1; code=$$?; tail -n 6 $$out; \
	  test $$code = 0 || { grep -q '^    context deadline exceeded$$' $$out && ! grep -q 'Failing input' $$out; } || { cat $$out; exit 1; }; \
	done

lint: ## gofmt and vet
	@out=$$(gofmt -l . ); test -z "$$out" || { echo "gofmt would change:"; echo "$$out"; exit 1; }
	$(GO) vet ./...
	$(GO) -C lab vet ./...

clean: ## remove what was built
	rm -rf bin

# Some tests and CI's kind go by what people type. The cluster runs without.
kubectl: bin/lab
	$(if $(ON_LAB),bin/lab build)

# Go's own cache decides what has to be rebuilt.
bin/lab: FORCE
	cd lab && $(HOSTBUILD) -o ../bin/lab .

bin/image: FORCE
	cd lab && $(HOSTBUILD) -o ../bin/image ./image

# With the commit in it, where there is one to be had.
bin/repro: FORCE
	$(HOSTBUILD) -buildvcs=$(if $(shell git rev-parse --git-dir 2>/dev/null),true,false) -o bin/repro ./repro

bin/%/probe: FORCE
	GOARCH=$* $(PODBUILD) -o $@ ./probe

# The lab's nodes are this machine; the probe for another takes half a minute.
HOSTARCH := $(shell $(GO) env GOARCH)
bin/lab-probe.tar: bin/image bin/$(HOSTARCH)/probe
	bin/image --name $(IMAGE) -o $@ bin/$(HOSTARCH)/probe

FORCE:
