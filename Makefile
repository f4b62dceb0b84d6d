# Needs Go alone; the race detector needs a C compiler too. Every target works on all modules of go.work.

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME    ?= 30s
BENCHTIME   ?= 1s
KILLS       ?= 10000
IDLE        ?= 60

MODULES = $$(go list -m -f '{{.Dir}}')
GOFMT   = "$$(go env GOROOT)/bin/gofmt"
# -race where cgo and its compiler are there.
RACE    = $$(if [ "$$(go env CGO_ENABLED)" = 1 ] && command -v "$$(go env CC | cut -d' ' -f1)" >/dev/null; then echo -race; \
	else echo 'NOTE: no cgo or no C compiler: the tests run WITHOUT the race detector' >&2; fi)

# each runs a command in every module, goes on after a failure and fails in the end.
each = failed=; for dir in $(MODULES); do echo "--- $$dir: $(1)"; (cd "$$dir" && $(1)) || failed="$$failed $$dir"; done; \
	if [ -n "$$failed" ]; then echo "FAILED in:$$failed" >&2; exit 1; fi

.PHONY: help
help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

.PHONY: test
test: ## the everyday suite: every module, with the race detector
	@race=$(RACE); $(call each,go test $$race ./...)

.PHONY: race
race: ## the suite three times in random order, nothing cached, to shake out races
	@race=$(RACE); $(call each,go test $$race -count=3 -shuffle=on ./...)

.PHONY: lint
lint: ## gofmt, go vet and staticcheck
	@files="$$($(GOFMT) -l .)"; if [ -n "$$files" ]; then echo "not formatted (make fmt):" $$files >&2; exit 1; fi
	@$(call each,go vet ./...)
	@$(call each,go run $(STATICCHECK) ./...)

.PHONY: bench
bench: ## every benchmark (BENCHTIME=1s)
	@for dir in $$(grep -rlE --include='*_test.go' '^func Benchmark' . | xargs -r -n1 dirname | sort -u); do \
		echo "--- $$dir"; (cd "$$dir" && go test -run='^$$' -bench=. -benchmem -benchtime=$(BENCHTIME) .) || exit 1; done

.PHONY: bench-compare
bench-compare: ## the benchmarks of another commit and of this tree in turns (REF=main BENCH=. PKGS=./... COUNT=6 BENCHTIME=1s)
	@exec env REF='$(REF)' BENCH='$(BENCH)' PKGS='$(PKGS)' COUNT='$(COUNT)' BENCHTIME='$(BENCHTIME)' internal/tools/bench-compare.sh

.PHONY: benchmarks
benchmarks: ## our engines beside the raw limit and the peers, half an hour (see benchmarks/README.md)
	@cd benchmarks && go run .

.PHONY: fuzz
fuzz: ## every fuzz test (FUZZTIME=30s each)
	@grep -rHoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | sed 's/:func /:/' | sort -u | while IFS=: read -r file name; do \
		echo "--- $$file $$name"; (cd "$$(dirname "$$file")" && go test -run='^$$' -fuzz="^$$name\$$" -fuzztime=$(FUZZTIME) .) || exit 1; done

.PHONY: kill
kill: ## kill -9 real processes at random moments and check every invariant (KILLS=10000, about ten minutes)
	@cd integration && STILLWATER_KILLS=$(KILLS) go test -count=1 -timeout=0 -v -run=Kill ./...

.PHONY: idle
idle: ## what a hundred idle workflows do in a minute: CPU, wake-ups, calls of the store (IDLE=60)
	@cd integration && STILLWATER_IDLE=$(IDLE) go test -count=1 -timeout=0 -v -run=Idle ./...

.PHONY: proof
proof: lint race fuzz idle kill ## all the evidence, one after the other: takes hours

.PHONY: tidy
tidy: ## go mod tidy where a module can be resolved alone, then the rules of the repository
	@for dir in $(MODULES); do case "$$dir" in */cmd/*) continue;; esac; echo "--- $$dir"; (cd "$$dir" && go mod tidy) || exit 1; done
	@go test -count=1 ./internal/tidy

.PHONY: fmt
fmt: ## format every Go file
	@$(GOFMT) -l -w .

.PHONY: cover
cover: ## coverage per module, by function in cover.out
	@$(call each,go test -coverprofile=cover.out ./... && go tool cover -func=cover.out | tail -n 1)
