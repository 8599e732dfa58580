package scenarios

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/google/go-cmp/cmp"
)

const minimal = "load: [{name: steady, for: 10s, rate: 100/s}]\n"

func mustParse(t testing.TB, text string, set ...string) *Scenario {
	t.Helper()
	s, err := Parse("test.yaml", []byte(text), set)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestBuiltins(t *testing.T) {
	want := []string{
		"article", "article-corrected", "background", "baseline", "big-batch", "bisected", "crash", "done-twice", "escape",
		"event-dropped", "event-letter", "event-refused", "gateway-limit", "given-up", "hot-keys",
		"ignored-answer", "insert-only", "lanes", "late-answer", "late-letter", "late-start", "lossy", "lost-answer", "marked-first", "naive-mapping",
		"narrow-filter", "new-id", "new-stream", "old-version", "outage", "overwrite", "own-update", "partial-answer", "passthrough", "paused", "poison",
		"poison-bisect", "poison-expired", "power-cycle", "refused-letter", "replaced", "replayed", "retention", "retried-batch", "same-again", "sent-again", "sent-anew", "shapes", "short-life", "stale-overwrite",
		"throttled", "too-old", "updated", "versions",
	}
	if got := Builtins(); !slices.Equal(got, want) {
		t.Fatalf("built in are %v, want %v", got, want)
	}
	for _, name := range want {
		s, err := Load(name, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if s.Name != name || s.About == "" {
			t.Errorf("%s: named %q, about %q", name, s.Name, s.About)
		}
		if source, err := Source(name); err != nil || !strings.HasPrefix(string(source), "# ") || !strings.Contains(string(source), "exit code") {
			t.Errorf("%s does not tell its reader what it shows (%v)", name, err)
		}
		own := s.Architecture
		for _, architecture := range bench.Architectures() {
			other, err := s.WithArchitecture(architecture)
			if err != nil {
				t.Errorf("%s as %s: %v", name, architecture, err)
			} else if other.Architecture != architecture || s.Architecture != own {
				t.Errorf("%s: %s and %s after WithArchitecture(%s)", name, s.Architecture, other.Architecture, architecture)
			}
		}
	}
}

func TestYAMLRoundTrip(t *testing.T) {
	hostile := "load: [{name: a, for: 1s, rate: 100/m}, {name: b, for: 1500ms, from: 0/s, to: 7.3/s}]\n" +
		"about: \"yes: \\u0001 #no 'x' \\\"y\\\" \\n z\"\n" +
		"request: {headers: {X-A: 'true', x-b: \"a: b\", X-C: '007', X-D: ''}}\nprocessor: {env: {MODE: 'null', OTHER: '- x'}}\n" +
		"guarantee: {deadline: 30s}\nworkload: {payload: 4KB, poison: [1]}\nfaults: ['at 1s: processor.kill']\nexpect: ['requests.unknown < 0.5%']\n"
	gateway := minimal + "gateway:\n  template: |\n    #set($x = \"a: b\")\n    {\"$x\": 1} # no comment\n  responses: [{pattern: '2\\d{2}', status: 200, template: \"a\\n'b'\"}, {status: 500}]\n" +
		"  methodResponses: [200, 500]\n  passthroughBehavior: WHEN_NO_MATCH\n  integrationTimeout: 50ms\n  throttle: {rate: 90/m, burst: 1}\n"
	texts := map[string]string{"minimal": minimal, "hostile": hostile, "gateway": gateway}
	for _, name := range Builtins() {
		source, _ := Source(name)
		texts[name] = string(source)
	}
	for name, text := range texts {
		s := mustParse(t, text)
		back, err := Parse("back.yaml", s.YAML(), nil)
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, s.YAML())
		} else if diff := cmp.Diff(s, back); diff != "" {
			t.Errorf("%s came back different:\n%s\n%s", name, diff, s.YAML())
		}
	}
}

// TestDesignExample: the example of the documentation is read as it stands.
func TestDesignExample(t *testing.T) {
	s := mustParse(t, `
name: crash
about: The processor is killed in mid-batch, again and again, while requests keep coming.
architecture: streams
load:                                    # stages one after the other
  - {name: warm-up, for: 3s, rate: 200/s, warmup: true}
  - {name: steady, for: 12s, rate: 500/s}
  - {name: ramp, for: 5s, from: 500/s, to: 800/s}
workload: {kind: unique, payload: 256B}
request: {method: POST, path: /items, headers: {}, body: '{"id":"{{.ID}}","payload":"{{.Payload}}"}', ack: [200, 202], refused: [400, 429],
          timeout: 10s, connections: 128, retries: {max: 0, on: [unknown], sameId: true}, sign: none}
table: {shards: 4, streamViewType: NEW_AND_OLD_IMAGES}
processor: {work: 2ms, burn: 0ms, timeout: 3s, concurrency: 4, env: {}, accepts: [stream]}
mapping: {batchSize: 100, parallelizationFactor: 1, maximumRetryAttempts: -1, bisectBatchOnFunctionError: false}
async: {maximumRetryAttempts: 2, maximumEventAgeInSeconds: 21600, retryDelays: [60s, 120s]}
faults:
  - "at 5s for 6s every 1s: processor.kill after-write 10"
  - "at 12s for 2s: table.throttle 30%"
guarantee: {effects: exactly-once, deadLetters: fail, deadline: none}
drain: {timeout: 60s, quiet: 30s}
gates: {rateKept: 95%}
expect: ["lost == 0", "duplicated == 0", "recovery < 20s"]
`)
	stack := s.Stack(42)
	want := bench.Stack{
		Seed: 42, Architecture: bench.Streams, Shards: 4, ViewType: "NEW_AND_OLD_IMAGES",
		Processor: bench.Processor{Work: 2 * time.Millisecond, Timeout: 3 * time.Second, Concurrency: 4},
		Mapping: bench.Mapping{BatchSize: 100, ParallelizationFactor: 1, MaximumRetryAttempts: -1, MaximumRecordAgeInSeconds: -1,
			StartingPosition: "TRIM_HORIZON", PollInterval: 250 * time.Millisecond, RetryBase: 200 * time.Millisecond, RetryCap: 20 * time.Second},
		Async: bench.Async{MaximumRetryAttempts: 2, MaximumEventAgeInSeconds: 21600, RetryDelays: []time.Duration{time.Minute, 2 * time.Minute}},
		Gateway: bench.Gateway{Path: "/items", StatusMapping: "mapped", Passthrough: "NEVER", IntegrationTimeout: 29 * time.Second,
			Throttle: bench.Throttle{Rate: 10_000, Burst: 5_000}},
		Faults: []string{"at 5s for 6s every 1s: processor.kill after-write 10", "at 12s for 2s: table.throttle 30%"},
	}
	if diff := cmp.Diff(want, stack); diff != "" {
		t.Error(diff)
	}
}

// TestProblems: each text has exactly the problems named, by a part of each.
func TestProblems(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"syntax", "load: [1", []string{"test.yaml:1:7: no valid YAML"}},
		{"no map", "crash", []string{"test.yaml:1:1: want a map"}},
		{"empty", "", []string{"test.yaml: load: there is none"}},
		{"second document", minimal + "---\na: 1\n", []string{"a second document"}},
		{"all at once", `
nmae: x
load:
  - {name: a, for: 10, rate: 500}
  - {name: a, for: 5s, from: 1/s}
workload: {payload: 4kb}
processor:
  wrok: 3ms
mapping: {batchsize: 5, retryCap: 1ms}
faults: ["at 5s: procesor.kill", "at 1s: processor.kill 0%"]
expect: [lots == 0]
`, []string{
			`test.yaml:2:1: nmae: unknown key "nmae"; did you mean name?`,
			`test.yaml:4:20: load[0].for: "10" has no unit: write 10s or 10ms`,
			`test.yaml:4:30: load[0].rate: "500" has no unit: write 500/s`,
			`test.yaml:6:21: workload.payload: "4kb" is no size`,
			`test.yaml:8:3: processor.wrok: unknown key "wrok"; did you mean work?`,
			`test.yaml:9:11: mapping.batchsize: unknown key "batchsize"; did you mean batchSize?`,
			`test.yaml:10:10: faults[0]: parse fault "at 5s: procesor.kill", column 8`,
			`test.yaml:10:34: faults[1]: parse fault`,
			`test.yaml:11:10: expect[0]: parse expectation "lots == 0": unknown path "lots"; did you mean lost?`,
			`load[1].name: "a" is the name of an earlier stage`,
			`test.yaml:5:6: load[1].rate: the stage has no rate`,
			`test.yaml:9:35: mapping.retryCap: 1ms is below mapping.retryBase 200ms`,
		}},
		{"twice", minimal + minimal, []string{"test.yaml:2:1: load: the key is given twice"}},
		{"anchors", minimal + "name: &a b\n", []string{"anchors, aliases and tags"}},
		{"null", minimal + "request:\n", []string{"request: no value"}},
		{"kinds", minimal + "request: [1]\nfaults: {a: b}\nname: [x]\noverload: maybe\ntable: {shards: many}\n",
			[]string{"request: want a map", "faults: want a list", "name: want one value", "neither true nor false", `"many" is no whole number`}},
		{"article without its table", minimal + "processor: {env: {ACKPROOF_ARTICLE: printed}}\ntable: {timeToLive: " + strings.Repeat("x", 256) + "}\n",
			[]string{"processor.env.ACKPROOF_ARTICLE: the article's processor writes onto the items", "table.timeToLive: a name of 256 characters"}},
		{"read", minimal + "read: {by: query, capacity: -1}\n", []string{`read.by: "query" is not known; want scan or get or export`, "read.capacity: -1 is out of range"}},
		{"two destinations", minimal + "target: {url: \"http://x\", deadLetters: {queue: q, bucket: bbb}}\n", []string{"target.deadLetters: it names a queue and a bucket", "cannot be seen without a results table"}},
		{"no destination", minimal + "target: {url: \"http://x\", deadLetters: {bucket: B}}\n", []string{`"B" is no name of an S3 bucket`, "cannot be seen without a results table"}},
		{"an export to nowhere", minimal + "read: {by: export, prefix: /x, timeout: 1ms}\n", []string{"read.bucket: it is missing", "read.prefix:", "read.timeout:"}},
		{"an export of no table", minimal + "guarantee: {effects: none}\ntarget: {url: \"http://x\"}\nread: {by: export, bucket: bbb}\n", []string{"read.by: no table is named"}},
		{"a bucket for no export", minimal + "read: {bucket: b, prefix: p, timeout: 1h}\n", []string{"read.bucket: it belongs to an export", "read.prefix: it belongs", "read.timeout: it belongs"}},
		{"read by get of keys that the API makes", minimal + "read: {by: get}\ngateway: {template: '\"$id#$context.requestId\"'}\n", []string{"read.by: get asks for the ids of the requests"}},
		{"not built", minimal + `
request: {method: PUT}
table: {streamViewType: KEYS_ONLY}
`, slices.Repeat([]string{"not supported yet"}, 2)},
		{"target", minimal + `
request: {headers: {Authorization: "Bearer ${env:TO KEN}", X-Key: "${env:KEY"}}
target: {url: "ftp://user:secret@example.com/prod/", dynamodb: {endpoint: "http://127.0.0.1:8000/x"}, items: {id: x}, results: {count: n, version: v, perKey: true}, stream: yes, deadLetters: {queue: "q.fifo"}, stop: {alarm: "a\x01b"}, canary: 1ms, limits: {rate: 1/s, for: 1s, cost: 5}}
`, []string{`"TO KEN" is no name of an environment variable`, "${env: without its }", "want scheme and host", "target.dynamodb.endpoint", "target.items.table: it is missing", "target.results.table: it is missing", "cannot be seen without a results table", `"yes" is no stream`, "target.canary", "over the limit of 1/s", "over the limit of 1s", "target.results.perKey: it belongs to requests that share keys", "target.results.version: it belongs to requests that share keys", `"q.fifo" is no queue`, "target.stop.alarm", `"5" has no currency: write 5 USD`}},
		{"target without an API", minimal + "target: {items: {table: x}, results: {table: x}}\n", []string{"nobody knows where to send", "it is the items table"}},
		{"versions", minimal + `
workload: {kind: versions, keys: 2000000, skew: zipf 11}
request: {body: '{"id":"{{.Key}}"}'}
table: {oneTable: true, timeToLive: ttl}
read: {by: get}
`, []string{`"zipf 11" is no skew: write uniform, zipf, or zipf with an exponent above 0 and at most 10`, "workload.keys: 2000000 is out of range",
			"table.oneTable: with versions", "table.timeToLive: an item of several versions", "request.body: with versions it carries {{.Key}}"}},
		{"one row for all versions", `
load: [{name: a, for: 1s, rate: 1/s, expect: ["items.duplicated == 0"]}]
workload: {kind: versions}
guarantee: {deadline: 1s}
target: {url: "http://x", results: {table: r, count: n, perKey: true}}
expect: ["duplicated == 0", "lost == 0", "recovery < 1s"]
`, []string{"target.items.table: it is missing: with perKey", "target.results.version: it is missing: with perKey", "target.results.count: with perKey", "target.results.processedAt: it is missing",
			"guarantee.effects: exactly-once cannot be seen", "guarantee.deadline: with target.results.perKey", "expect[0]: duplicated cannot be observed",
			"expect[2]: recovery cannot be observed", "load[0].expect[0]: items.duplicated cannot be observed"}},
		{"versions by sequence numbers of a stream that is not read", minimal + `
workload: {kind: versions}
guarantee: {effects: at-least-once}
target: {url: "http://x", items: {table: i}, results: {table: r, sequence: s, perKey: true}, stream: none}
`, []string{"target.results.sequence: a sequence number tells which version a row shows only where the stream is read"}},
		{"versions with a row each, of a system that is not ours", minimal + `
workload: {kind: versions}
target: {url: "http://x", items: {table: i}, results: {table: r}}
`, []string{"target.results.perKey: how the results table shows versions nobody has told"}},
		{"retries", minimal + `
request: {retries: {max: 101, on: [unknwon, acknowledged], backOff: 1h, sameId: false}}
read: {by: get}
`, []string{"request.retries.max: 101 is out of range", "request.retries.backOff: 1h0m0s is out of range", "did you mean unknown?", `"acknowledged" is not known`, "retries with sameId: false have ids of their own"}},
		{"retries of nothing", minimal + "request: {retries: {max: 2, on: []}}\n", []string{"request.retries.on: nothing is sent again"}},
		{"keys without versions", minimal + `
workload: {keys: 10, skew: zipf}
`, []string{"workload.keys: it belongs to the kind versions", "workload.skew: it belongs to the kind versions"}},
		{"limits", minimal + `
name: a b
architecture: stream
workload: {payload: 1MB}
request: {path: items, body: "{{.Paylod}}", ack: [200, 99], refused: [200], connections: 0, timeout: 0s, headers: {Idempotency-Key: x}}
processor: {timeout: 20m, concurrency: 0, memory: 64, env: {LAMBDA_TASK_ROOT: x, AWS_REGION: x, "a b": c}, accepts: [strem]}
table: {shards: 0}
mapping: {batchSize: 10001, maximumBatchingWindowInSeconds: 301, maximumRetryAttempts: -2, maximumRecordAgeInSeconds: 59, onFailure: sqs, startingPosition: latest,
          parallelizationFactor: 11, tumblingWindowInSeconds: 901, functionResponseTypes: [ReportBatch], filterCriteria: ['{"a":[1]}', INSERT], startDelay: 2h}
async: {maximumRetryAttempts: 3, maximumEventAgeInSeconds: 59}
guarantee: {effects: twice, deadLetters: ok, deadline: 0s}
drain: {timeout: 0s}
gates: {rateKept: 101%, evidence: 0, generatorCPU: 0%}
`, []string{
			"deadline of zero", `"101%" is more than 100%`, `name: "a b" is no name`, `architecture: "stream" is not known; did you mean streams?`,
			"workload.payload: 1MB is out of range", `request.path: "items" is no path`, `gateway.path: "items" is no path`, "did you mean {{.Payload}}?",
			"request.headers.Idempotency-Key: with this header", "request.ack[1]: 99 is out of range", "request.refused[0]: 200 is in request.ack too",
			"request.timeout: 0s is out of range", "request.connections: 0 is out of range", "table.shards: 0", "processor.timeout: 20m0s", "processor.concurrency: 0", "processor.memory: 64",
			`processor.env.AWS_REGION: ackproof sets it`, `processor.env.LAMBDA_TASK_ROOT: ackproof sets it`, `processor.env.a b: "a b" is no name`, "processor.accepts[0]", "mapping.batchSize: 10001", "mapping.maximumBatchingWindowInSeconds: 301",
			"mapping.maximumRetryAttempts: -2", "mapping.maximumRecordAgeInSeconds: 59", "mapping.onFailure", `mapping.startingPosition: "latest" is not known; did you mean LATEST?`,
			"mapping.parallelizationFactor: 11", "mapping.tumblingWindowInSeconds: 901", "mapping.functionResponseTypes[0]", "mapping.filterCriteria[1]: Invalid filter pattern definition", "mapping.startDelay: 2h0m0s",
			"async.maximumRetryAttempts: 3", "async.maximumEventAgeInSeconds: 59",
			"async.retryDelays: 2 delays for 3 retries", "guarantee.effects", "guarantee.deadLetters", "drain.timeout: 0s", "gates.generatorCPU", "gates.evidence: 0",
		}},
		{"async", minimal + "async: {onFailure: metadata, retryDelays: [-1s, 61m]}\n", []string{"async.onFailure: the destination of an asynchronous event is given the event itself, be it a queue or a bucket; say payload",
			`async.retryDelays[0]: "-1s" is negative`, "async.retryDelays[1]: 1h1m0s is out of range"}},
		{"async destination", minimal + "async: {onFailure: sqs}\n", []string{`async.onFailure: "sqs" is not known`}},
		{"window beside lanes", minimal + "mapping: {tumblingWindowInSeconds: 5, parallelizationFactor: 2}\n", []string{"mapping.tumblingWindowInSeconds: AWS refuses"}},
		{"six filters", minimal + "mapping: {filterCriteria: ['{\"a\":[1]}', '{\"a\":[1]}', '{\"a\":[1]}', '{\"a\":[1]}', '{\"a\":[1]}', '{\"a\":[1]}']}\n", []string{"mapping.filterCriteria: 6 patterns"}},
		{"gateway", minimal + `
gateway:
  statusMapping: naiv
  responses: [{status: 199}, {status: 200, pattern: "("}, {status: 200}, {status: 201}]
  methodResponses: [600]
  passthroughBehavior: never
  integrationTimeout: 30s
  throttle: {rate: 0/s, burst: 0}
`, []string{`gateway.statusMapping: "naiv" is not known; did you mean naive?`, "gateway.responses[0].status: 199", "gateway.responses[1].pattern", "gateway.responses[2].status: 200 is that of an earlier",
			"gateway.responses[3].pattern: a second response", "gateway.methodResponses[0]: 600", "gateway.passthroughBehavior", "gateway.integrationTimeout: 30s is out of range",
			"gateway.throttle.rate: 0/s", "gateway.throttle.burst: 0"}},
		{"gateway mapping", minimal + "gateway: {statusMapping: mapped, responses: [{status: 200}]}\n", []string{`"mapped" excludes gateway.responses`}},
		{"gateway no responses", minimal + "gateway: {statusMapping: responses}\n", []string{"gateway.responses: there are none"}},
		{"quiet", minimal + "drain: {quiet: 23s}\n", []string{"test.yaml:2:16: drain.quiet: 23s is too short: a pipeline that still works can be silent for 23s"}},
		{"poison", minimal + "workload: {payload: 3B, poison: [1000, 3, 3]}\n", []string{"is too small for the prefix", "1000 is beyond the plan: the load sends requests 0 to 999", "3 is given twice"}},
		{"faults beyond", minimal + "faults: ['at 10s: processor.kill', 'at 8s for 3s: invoke.fail', 'at 0s for 10s: gateway.cut']\n",
			[]string{"faults[0]: it strikes at 10s, and the load ends at 10s", "faults[1]: it ends at 11s, after the load (10s)"}},
		{"expectations", minimal + "expect: [lost == 0 in ramp, recovery < 5s, bitten > 0 for processor.kill]\n",
			[]string{`no stage of the load is named "ramp"`, "no fault to recover from", `no fault of this scenario is "processor.kill"`}},
		{"busy", minimal + "processor: {work: 50ms, timeout: 10s}\n", []string{"busy 125% of the time (4 at once), over 80%: lower load or processor.work, raise table.shards and processor.concurrency, or say overload: true"}},
		{"busy lanes", minimal + "processor: {work: 40ms, timeout: 10s, concurrency: 9}\n", []string{"busy 100% of the time (4 at once), over 80%: lower load or processor.work, raise table.shards,"}},
		{"busy sync", minimal + "architecture: sync\nprocessor: {work: 30ms, burn: 10ms, concurrency: 4}\ntable: {shards: 90}\n", []string{"busy 100% of the time (4 at once), over 80%: lower load or processor.work, raise processor.concurrency"}},
		{"batch", "load: [{name: a, for: 10s, rate: 10/s}]\nprocessor: {work: 30ms}\n", []string{"a full batch of 100 takes 3s, and processor.timeout is 3s"}},
		{"load", "load: [{name: a b, for: 1s, rate: 1/s}, {for: 1s, rate: 1/s}, {name: c, for: 0s, rate: 1/s}, {name: d, for: 1s, rate: 1/s, to: 2/s}]",
			[]string{`"a b" is no name for a stage`, "has no name", "lasts 0s", "rate excludes from and to"}},
		{"no request", "load: [{name: a, for: 1s, rate: 0/s}]", []string{"it sends no request"}},
		{"warm-up only", "load: [{name: a, for: 1s, rate: 5/s, warmup: true}]", []string{"every stage is warm-up"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("test.yaml", []byte(tt.text), nil)
			problems := problemsOf(t, err)
			for _, want := range tt.want {
				if !slices.ContainsFunc(problems, func(p string) bool { return strings.Contains(p, want) }) {
					t.Errorf("nothing says %q", want)
				}
			}
			if len(problems) != len(tt.want) {
				t.Errorf("%d problems, want %d", len(problems), len(tt.want))
			}
			if t.Failed() {
				t.Log(strings.Join(problems, "\n"))
			}
		})
	}
}

// problemsOf lists the problems that an error joins.
func problemsOf(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return []string{err.Error()}
	}
	var all []string
	for _, e := range joined.Unwrap() {
		var p Problem
		if !errors.As(e, &p) {
			t.Errorf("%v is no Problem", e)
		}
		all = append(all, e.Error())
	}
	return all
}

func TestOverload(t *testing.T) {
	mustParse(t, minimal+"processor: {work: 50ms, timeout: 1s}\noverload: true\n")
}

func TestSet(t *testing.T) {
	s := mustParse(t, minimal+"faults: ['at 1s: processor.kill']\n",
		"processor.work=5ms", "load[0].rate=50/s", "mapping.onFailure=payload", "request.headers.X-Tenant.Id=a: b", "about=one: two",
		"faults=['at 2s: invoke.fail', 'at 3s: processor.error']", "faults[1]=at 4s: table.throttle", "async.retryDelays=[1s, 2s]",
		"guarantee.deadline=5s", "workload={payload: 1KB}", "gates.rateKept=90%", "load[0].warmup=false", "processor.env.MODE=null")
	from, _ := s.Load[0].Rates()
	got := []any{s.Processor.Work, from, s.Mapping.OnFailure, s.Request.Headers["X-Tenant.Id"], s.About, len(s.Faults), s.Faults[1].String(), s.Async.RetryDelays[1],
		s.Guarantee.Deadline, s.Workload.Payload, s.Workload.Kind, s.Gates.RateKept, s.Processor.Env["MODE"]}
	want := []any{5 * time.Millisecond, Rate(50), "payload", "a: b", "one: two", 2, "at 4s: table.throttle", 2 * time.Second,
		Deadline(5 * time.Second), Size(1024), "unique", Percent(90), "null"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestSetLoadScale: every rate is scaled and nothing else, whatever the order of
// the assignments, and what is kept has the products.
func TestSetLoadScale(t *testing.T) {
	text := "load: [{name: a, for: 10s, rate: 300/s}, {name: b, for: 5s, from: 90/m, to: 700/s}]\n" +
		"overload: true\ngateway: {throttle: {rate: 900/s}}\nfaults: ['at 2s for 3s: table.throttle 30%']\n"
	scaled := mustParse(t, text, "load.scale=3", "load.scale=0.1", "load[0].rate=30/s")
	want := mustParse(t, text, "load[0].rate=3/s", "load[1].from=0.15/s", "load[1].to=70/s")
	if diff := cmp.Diff(want, scaled); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(scaled, mustParse(t, string(scaled.YAML()))); diff != "" {
		t.Errorf("kept is another load:\n%s", diff)
	}
	if !strings.Contains(string(scaled.YAML()), "rate: 3/s") {
		t.Errorf("not as people write it:\n%s", scaled.YAML())
	}
}

func TestWithOneShard(t *testing.T) {
	if s, err := mustParse(t, minimal).WithOneShard(); err != nil || s.Table.Shards != 1 {
		t.Errorf("%v, %v", s, err)
	}
	_, err := mustParse(t, "load: [{name: steady, for: 10s, rate: 500/s}]\n").WithOneShard()
	if err == nil || !strings.Contains(err.Error(), "busy 100%") || !strings.Contains(err.Error(), "load.scale") {
		t.Errorf("a plan that one shard cannot follow: %v", err)
	}
}

func TestSetErrors(t *testing.T) {
	for set, want := range map[string]string{
		"processor.work":       "--set processor.work: want path=value",
		"procesor.work=1s":     `did you mean processor?`,
		"processor.work.x=1s":  `"x" is too much`,
		"load[3].rate=1/s":     "the list has 1 elements",
		"load[x].rate=1/s":     "is no index",
		"load.rate=1/s":        "nothing lies under it",
		"load[0]rate=1/s":      "does not continue a path",
		"load[0].rate=5":       `--set load[0].rate=5: load[0].rate: "5" has no unit: write 5/s`,
		"processor.work=200ms": "processor: at 100/s and 200ms a record the processor would be busy 500%",
		"drain.quiet=1s":       "--set drain.quiet=1s: drain.quiet: 1s is too short",
		"faults=[":             "--set faults=[: no valid YAML",
		"expect=[1 2]":         "want PATH OP VALUE",
		"load.scale":           "want path=value",
		"load.scale=0":         `--set load.scale=0: load.scale: "0" is no factor`,
		"load.scale=-1":        "is no factor",
		"load.scale=10%":       "is no factor",
		"load.scale=100000":    "load[0]: 100/s times 100000 is more than 1000000/s",
	} {
		_, err := Parse("test.yaml", []byte(minimal), []string{set})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("--set %s: %v, want %q", set, err, want)
		}
	}
	// What is wrong in the file and replaced is wrong no more.
	mustParse(t, minimal+"processor: {work: 5}\n", "processor.work=5ms")
}

func TestLoad(t *testing.T) {
	for name, want := range map[string]string{"carsh": "did you mean crash?", "quite-unlike-them": "built in are article,", "./missing.yaml": "no such file", t.TempDir(): "is a directory"} {
		if _, err := Load(name, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Load(%q): %v, want %q", name, err, want)
		}
	}
	file := filepath.Join(t.TempDir(), "mine.yaml")
	if err := os.WriteFile(file, []byte(minimal), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Load(file, []string{"processor.work=1ms"})
	if err != nil || s.Name != "mine" || s.Processor.Work != time.Millisecond {
		t.Errorf("Load(%s): %+v, %v", file, s, err)
	}
	if err := os.WriteFile(file, make([]byte, maxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(file, nil); err == nil || !strings.Contains(err.Error(), "larger than 32 KB") {
		t.Errorf("a huge file: %v", err)
	}
}

func TestWith(t *testing.T) {
	s := mustParse(t, minimal+"drain: {quiet: 30s}\nfaults: ['at 5s for 2s: invoke.fail']\n")
	faf, err := s.WithArchitecture(bench.FireAndForget)
	if err != nil || faf.Drain.Quiet <= 123*time.Second || s.Drain.Quiet != 30*time.Second {
		t.Errorf("quiet is %v beside %v (%v): AWS retries after two minutes", faf.Drain.Quiet, s.Drain.Quiet, err)
	}
	if len(s.Notes()) != 0 {
		t.Errorf("notes on nothing: %v", s.Notes())
	}
	if notes := faf.Notes(); len(notes) != 1 || strings.Contains(notes[0], "stand for") {
		t.Errorf("notes where nothing is scaled: %v", notes)
	}
	if _, err := s.WithArchitecture("batch"); err == nil {
		t.Error("an architecture that does not exist was taken")
	}
	loaded, err := s.WithLoad(20, 8*time.Second)
	if err != nil || NewPlan(loaded, "", 0, 0).Len() != 160 {
		t.Errorf("WithLoad: %v", err)
	}
	if _, err := s.WithLoad(20, 6*time.Second); err == nil || !strings.Contains(err.Error(), "it ends at 7s, after the load") {
		t.Errorf("a fault outside the new load: %v", err)
	}
	crash, err := Load("crash", nil)
	if err != nil {
		t.Fatal(err)
	}
	crash, err = crash.WithArchitecture(bench.FireAndForget)
	if err != nil || len(crash.Notes()) != 1 || !strings.Contains(crash.Notes()[0], "6s of a fault here stand for 6m0s there") {
		t.Errorf("notes: %v (%v)", crash.Notes(), err)
	}
}

func TestUnits(t *testing.T) {
	for text, want := range map[string]string{"500/s": "500/s", "90/m": "1.5/s", "90/min": "1.5/s", "36/h": "0.01/s", "0/s": "0/s", "1.25/s": "1.25/s"} {
		var r Rate
		if err := r.UnmarshalText([]byte(text)); err != nil || r.String() != want {
			t.Errorf("rate %s: %s, %v", text, r, err)
		}
	}
	for text, want := range map[string]string{"256B": "256B", "4KB": "4KB", "4096B": "4KB", "1MB": "1MB", "1025B": "1025B", "0KB": "0B"} {
		var z Size
		if err := z.UnmarshalText([]byte(text)); err != nil || z.String() != want {
			t.Errorf("size %s: %s, %v", text, z, err)
		}
	}
	for _, text := range []string{"", "/s", "-1/s", "1e3/s", "NaN/s", "2000000/s", "5", "5/d", "1.5.2/s"} {
		if err := new(Rate).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("rate %q was taken", text)
		}
	}
	for _, text := range []string{"", "B", "-1B", "1.5KB", "99999999999999KB", "5", "5GB", "5b"} {
		if err := new(Size).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("size %q was taken", text)
		}
	}
}

func TestCommandsAreWholeAndNamed(t *testing.T) {
	const whole = "do: {run: [a], timeout: 2s}, undo: {run: [b]}, confirm: {run: [c]}, count: {run: [d, -e, \"!\"]}"
	const load = "load: [{name: one, for: 9s, rate: 10/s}]\n"
	good := load + "faults: [\"at 1s for 2s: exec.run command=x\"]\ncommands: [{name: x, " + whole + "}]\n"
	s, err := Parse("good.yaml", []byte(good), nil)
	if err != nil {
		t.Fatal(err)
	}
	if c := s.Commands[0]; c.Do.Timeout != 2*time.Second || c.Undo.Timeout != DefaultTimeout {
		t.Errorf("timeouts %s and %s", c.Do.Timeout, c.Undo.Timeout)
	}
	again, err := Parse("good.yaml", s.YAML(), nil)
	if err != nil || !cmp.Equal(s, again) {
		t.Errorf("it does not come back: %v\n%s", err, s.YAML())
	}
	for text, want := range map[string]string{
		"commands: [{name: x, " + whole + "}]":                                                                                       "no fault runs them",
		"faults: [\"at 1s for 2s: exec.run command=y\"]":                                                                             `no commands are named "y": add`,
		"faults: [\"at 1s for 2s: exec.run command=blok\"]\ncommands: [{name: block, " + whole + "}]":                                "did you mean block?",
		"faults: [\"at 1s for 2s: exec.run command=x\"]\ncommands: [{name: x, do: {run: [a]}}]":                                      "commands[0].undo: no command",
		"faults: [\"at 1s for 2s: exec.run command=x\"]\ncommands: [{name: x, do: {run: [a], timeout: 2h}}]":                         "commands[0].do.timeout: 2h0m0s is out of range",
		"faults: [\"at 1s for 2s: exec.run command=x\"]\ncommands: [{name: x, " + whole + "}, {name: x, " + whole + "}]":             "is the name of earlier commands",
		"faults: [\"at 1s for 2s: exec.run command=x\", \"at 4s for 1s: exec.run command=x\"]\ncommands: [{name: x, " + whole + "}]": "one undoing would undo both",
		"faults: [\"at 1s for 2s: exec.run command=x\"]\ncommands: [{name: x, do: touch}]":                                           "want a map",
	} {
		_, err := Parse("bad.yaml", []byte(load+text), nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\nwant %q, got %v", text, want, err)
		}
	}
}
