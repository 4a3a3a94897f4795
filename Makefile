# `make` alone lists the targets. They need Go and, for the tests, what
# .ci/install-test-tools installs when it is missing.

GO       ?= go
# How long each fuzz target runs in `make fuzz`; anything `go test -fuzztime` takes.
FUZZTIME ?= 10s
# What `make test` tests; `make test PKG=./eds/...` for a part.
PKG      ?= ./...
# What `make chaos` does: how many events, which seed (0: a new one), how many
# processes it kills (-1: one per 1,000 events), and further flags, such as
# CHAOSFLAGS='-lease -fsync always -redis-kills 10'; see docs/chaos.md.
EVENTS     ?= 100000
SEED       ?= 0
KILLS      ?= -1
CHAOSFLAGS ?=

LINT = .cache/golangci-lint

# The packages with tests against a real Apache Pulsar, which begin with this.
REAL_PULSAR_TEST = TestRealPulsar
REAL_PULSAR_PKGS = $(sort $(dir $(shell grep -rl --include='*_test.go' --exclude-dir=bench '^func $(REAL_PULSAR_TEST)' .)))

.PHONY: help demo chaos test test-tools test-pulsar lint format-check tidy-check docs-check manifests fuzz bench cover build fmt ci clean

help: ## list the targets (this)
	@echo 'usage: make TARGET'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s%s\n", $$1, $$2 }' Makefile

demo: ## run the quickstart: a local service, an app, and a table of what became of each event
	$(GO) run ./examples/quickstart

chaos: test-tools ## kill receivers and workers at random while EVENTS flow, and judge what became of them
	$(GO) run ./internal/chaos -events $(EVENTS) -seed $(SEED) -kills $(KILLS) $(CHAOSFLAGS)

test: test-tools ## run all tests, with the race detector but for the benchmark's; installs redis-server and gcc with apt when missing
	cd bench && $(GO) test -shuffle=on ./...
	CGO_ENABLED=1 $(GO) test -race -shuffle=on $(PKG)

test-tools: ## install what the tests need besides Go: redis-server and a C compiler
	@sh .ci/install-test-tools

test-pulsar: ## run the tests against a real Apache Pulsar; Maven fetches it (245 MB), Java 17 runs it
	home=$$(sh .ci/pulsar) && EDS_PULSAR_HOME=$$home CGO_ENABLED=1 \
		$(GO) test -race -count=1 -timeout 20m -run '^$(REAL_PULSAR_TEST)' $(REAL_PULSAR_PKGS)

lint: $(LINT) format-check ## check format, go vet and golangci-lint (.golangci.yml says why each exception)
	$(GO) vet ./...
	cd bench && $(GO) vet ./...
	$(LINT) run ./...
	cd bench && ../$(LINT) run --config ../.golangci.yml ./...

# The linter has a module of its own, so that its dependencies are not ours.
$(LINT): .ci/tools/go.mod .ci/tools/go.sum
	$(GO) build -C .ci/tools -o ../../$(LINT) github.com/golangci/golangci-lint/v2/cmd/golangci-lint

fmt: ## format all Go files
	gofmt -w .

format-check: ## list Go files that gofmt would change, and fail if there are any
	@files=$$(gofmt -l .); if [ -n "$$files" ]; then echo "not formatted (make fmt mends it):"; echo "$$files"; exit 1; fi

tidy-check: ## fail if go.mod or go.sum would be changed by go mod tidy
	$(GO) mod tidy -diff
	cd bench && $(GO) mod tidy -diff

docs-check: ## check the repository's own rules: package arrows, comments, dependencies, code in docs
	$(GO) test -count=1 ./internal/repo

manifests: build ## check the Kubernetes manifests of examples/, and run the program as they say
	cd .ci/manifests && $(GO) mod tidy -diff && $(GO) vet ./... && $(GO) test ./... && $(GO) run . -eds ../../bin/eds ../../examples/kubernetes

fuzz: ## run each fuzz target for FUZZTIME (make fuzz FUZZTIME=5m)
	@sh .ci/fuzz $(FUZZTIME)

bench: ## print the benchmark table: this framework against a loop by hand
	cd bench && $(GO) run .

cover: test-tools ## run the tests and write coverage.out and a summary by package
	$(GO) test -coverpkg=./... -coverprofile=coverage.out ./...
	$(GO) tool cover -func=coverage.out | tail -n 1

build: ## build bin/eds, reproducibly
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/eds ./cmd/eds

ci: ## run what continuous integration runs
	.ci/run

clean: ## remove what the other targets made
	rm -rf bin .cache coverage.out
