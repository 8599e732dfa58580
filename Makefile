# Everything a contributor types. Go is all that is needed, except for
# conformance, which installs what it needs.
.PHONY: all build test race lint bench bench-load bench-peers conformance conformance-live conformance-computed conformance-all soak scale

all: lint test

build:
	go build -o bin/ackproof ./cmd/ackproof
	go build -o bin/bootstrap ./cmd/streamprocessor

# All packages, those first that take longest: the last one then waits for nobody.
ALL = ./cmd/ackproof ./bench/run ./bench/harness ./...

test:
	go test $(ALL)

# All tests under the race detector. With SHORT=-short those that it makes last many
# minutes, and cannot see more in than in others, are left out.
race:
	go test -race $(SHORT) -timeout 30m $(ALL)

lint:
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$unformatted" ]; then echo "not gofmt-ed:"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	go tool staticcheck ./...

bench:
	go test -run '^$$' -bench . -benchmem ./...

# What a request costs the load generator, what measuring adds to it, and what
# vegeta's own command takes, in one run; then how well 80 % of the highest rate is
# kept. Wants a quiet machine. ACKPROOF_K6 may name a k6 to run beside them.
bench-load:
	ACKPROOF_BENCH_LOAD=1 go test -run '^TestBenchLoad$$' -count 1 -timeout 30m -v ./bench/load

# What a PutItem costs the embedded engine, the bare HTTP server beneath it, and
# the DynamoDB stand-ins of others, in one run. Wants a quiet machine; needs npm.
bench-peers:
	ACKPROOF_BENCH_PEERS=1 go test -run '^TestBenchPeers$$' -count 1 -timeout 2h -v ./bench/dynamo

# What needs more than Go, or minutes. Live is what has real time in it and mostly waits,
# four at a time: the README's commands in a clone, all built-in scenarios at full
# length, the selftest on real processes. Computed is what takes the processors for
# itself: the selftest in virtual time, mutants of the judge, report pages in a real
# browser (chromium), the embedded DynamoDB against those of others (npm, python3), the
# ledger read by a script of Python. BEHIND may begin its command, so that it takes what
# the other leaves where make has two jobs.
CONFORMANCE = go test -run 'README|Conformance' -timeout 60m -v
conformance: conformance-live conformance-computed

conformance-live:
	ACKPROOF_CONFORMANCE=1 $(CONFORMANCE) -parallel 4 ./cmd/ackproof

conformance-computed:
	ACKPROOF_CONFORMANCE=1 $(BEHIND) $(CONFORMANCE) ./bench/dynamo ./bench/reconcile ./bench/suite ./reports ./bench/run ./bench/harness ./bench/peer ./bench/gateway ./bench/ledger ./bench/capacity

# And what takes half an hour more: the scenarios on the DynamoDB stand-ins
# of others, a stack of somebody else's on one machine (serverless-offline), functions
# on the runtime clients of Node.js and Python, exports read by vegeta, DuckDB and
# pandas, stacks on moto and their templates before cfn-lint. The Node.js client has a
# native part, whose build wants cmake, g++, make, autoconf and libtool.
conformance-all:
	ACKPROOF_CONFORMANCE=all $(CONFORMANCE) -p 1 -parallel 2 ./cmd/ackproof ./bench/aws

# Long seeded campaigns. ACKPROOF_SOAK is how many runs each makes.
soak:
	ACKPROOF_SOAK=$${ACKPROOF_SOAK:-200} go test -run SoakAKilledRun -timeout 2h -v -parallel 3 ./cmd/ackproof
	ACKPROOF_SOAK=$${ACKPROOF_SOAK:-100} go test -run Soak -skip SoakAKilledRun -timeout 6h -v -p 1 -parallel 3 ./cmd/ackproof ./bench/dynamo

# The judge at a hundred million requests: memory held, time, its line, all planted
# findings found by id; and what a map of strings and DuckDB take for a part of the
# answer, at ten million (python3). Needs 10 GB of disk; wants a quiet machine.
scale:
	ACKPROOF_SCALE=$${ACKPROOF_SCALE:-1e6,1e7,1e8} go test -run ConformanceScale -timeout 2h -v ./bench/run ./reports
