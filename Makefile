# Everything works on a machine with Go, Node and make: servers and tools are
# brought up or built on the way. ARGS are handed to the program that is run.

SHELL := bash
.DEFAULT_GOAL := help
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

services := scripts/services run
tool := go tool -modfile=tools/go.mod

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build api, worker, wosool and sandbox into bin/
	@go build -o bin/ ./cmd/...

.PHONY: demo
demo: build ## the whole of Wosool with three sandbox stores (ARGS="--once --json --rate=documented")
	@exec $(services) -- ./bin/sandbox demo $(ARGS)

.PHONY: up
up: ## the compose file's services, built anew (docs/compose.md; ARGS="-d --scale worker=4")
	@exec docker compose up --build $(ARGS)

.PHONY: test
test: generated lint compiler browser ## all that CI runs: generated code, linters, tests with the race detector
	@exec $(services) --fast -- $(tool) gotestsum --format=pkgname -- -race -vet=off -ldflags=-w -shuffle=on -count=1 -timeout=40m $(ARGS) ./...

.PHONY: faults
faults: compiler ## kills, outages and misbehaving vendors against whole systems (part of test)
	@RACE_PROGRAMS=1 exec $(services) --fast -- $(tool) gotestsum --format=pkgname -- -race -shuffle=on -count=1 -timeout=9m -parallel=4 -run '^TestFault' $(ARGS) \
		$$(grep -rl --include='*_test.go' '^func TestFault' ./cmd ./internal | xargs -n1 dirname | sort -u)

.PHONY: soak
soak: compiler ## imports of lists that shift, 200 seeds each; 10,000 contended refreshes; then the same as faults, at random until the time is over (MINUTES=30 SEED=7)
	@SHIFT_SEEDS=$${SHIFT_SEEDS:-200} $(services) --fast -- go test -race -count=1 -timeout=0 -run '^Test(PageShift|ReconcileFindsWhatWasMissed)$$' ./internal/imports
	@REFRESHES=$${REFRESHES:-10000} $(services) --fast -- go test -race -count=1 -timeout=0 -run '^TestFaultContendedRefreshes$$' ./internal/vault
	@RACE_PROGRAMS=1 SOAK_MINUTES=$(MINUTES) SOAK_SEED=$(SEED) exec $(services) --fast -- go test -race -tags=soak -count=1 -timeout=0 -v -run '^TestSoak$$' $(ARGS) ./internal/systemtest

.PHONY: test-short
test-short: ## the tests without the race detector and without the long ones
	@exec $(services) --fast -- go test -short $(ARGS) ./...

.PHONY: faults-mutants
faults-mutants: ## each protection removed in turn; its tests must fail (ARGS="--only=lease,page_fence")
	@exec $(services) --fast -- go run ./internal/protect/mutants $(ARGS)

.PHONY: lint
lint: ## formatting, vet, import rules and the other linters of .golangci.yml
	@CGO_ENABLED=0 exec $(tool) golangci-lint run --allow-parallel-runners $(LINT_ARGS)

.PHONY: generate
generate: ## generate code anew
	@go generate ./...

.PHONY: generated
generated: # is the generated code that is committed what generate makes?
	@scripts/check-generated

.PHONY: compiler
compiler: # the race detector needs one
	@scripts/need-compiler

.PHONY: browser
browser: # the console's tests look at it in Chromium
	@scripts/need-chromium

.PHONY: bench
bench: ## what is promised of speed, measured (ARGS="--json --only=console")
	@exec $(services) -- go run ./internal/bench $(ARGS)

.PHONY: clean
clean: ## remove what was built
	@rm -rf bin
