package harness_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/harness"
	"github.com/ackproof/ackproof/bench/processor"
	"github.com/ackproof/ackproof/scenarios"
)

const kill = "testdata/kill.yaml" // 540 requests in 9 s, three kills

// calm are the options of the same load without a fault.
var calm = harness.Options{Scenario: kill, Set: []string{"faults=[]"}}

type handler = harness.Handler[events.DynamoDBEvent, any]

// builtIn is the built-in StreamProcessor as a handler.
func builtIn(env harness.Env) harness.Handler[json.RawMessage, any] {
	cfg, err := processor.FromEnv(env.Getenv)
	if err != nil {
		panic(err)
	}
	return processor.New(cfg, dynamodb.NewFromConfig(env.AWS), clock.Real{}).Handle
}

// play runs a scenario in a bubble. That nothing is left of it when it returns
// is the bubble's to say: it does not end before each of its goroutines has.
func play[E, R any](t *testing.T, newHandler func(harness.Env) harness.Handler[E, R], o harness.Options) (r *bench.Result) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var err error
		if r, err = harness.Run(t.Context(), newHandler, o); err != nil {
			t.Fatal(err)
		}
		t.Logf("seed %d: %s %v", r.Run.Seed, r.Verdict, r.Reasons)
	})
	return r
}

// set is a set of ids, filled by handlers.
type set struct {
	mu  sync.Mutex
	ids map[string]int
}

// add adds an id and tells how often it has been added.
func (s *set) add(id string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ids == nil {
		s.ids = map[string]int{}
	}
	s.ids[id]++
	return s.ids[id]
}

// expectFound checks that the run has failed over exactly these ids.
func expectFound(t *testing.T, r *bench.Result, verdict bench.ItemVerdict, want []string) {
	t.Helper()
	if r.Verdict != bench.Fail || len(want) == 0 {
		t.Errorf("verdict %s with %d ids to be found", r.Verdict, len(want))
	}
	var got []string
	for _, f := range r.Findings {
		if f.Verdict != verdict {
			t.Errorf("%s is %s, want %s", f.ID, f.Verdict, verdict)
		}
		got = append(got, f.ID)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("found %v, planted %v", got, want)
	}
}

func id(r events.DynamoDBEventRecord) string { return r.Change.Keys["id"].String() }

func TestAGoodHandlerPasses(t *testing.T) {
	var made set
	r := play(t, func(env harness.Env) handler {
		made.add(env.Getenv("AWS_ACCESS_KEY_ID"))
		h := newOrders(env)
		return func(ctx context.Context, e events.DynamoDBEvent) (any, error) {
			if lc, ok := lambdacontext.FromContext(ctx); !ok || lc.AwsRequestID == "" {
				t.Error("the context tells no request id")
			}
			if _, ok := ctx.Deadline(); !ok {
				t.Error("the context has no deadline")
			}
			return h(ctx, e)
		}
	}, harness.Options{Scenario: kill})
	if r.Verdict != bench.Pass || r.Items.Processed != 540 {
		t.Errorf("verdict %s, %d processed; want a pass and 540", r.Verdict, r.Items.Processed)
	}
	if n := r.Faults[0].Bitten; n != 3 || len(made.ids) != 4+3 {
		t.Errorf("%d kills and %d sandboxes with keys of their own, want 3 and 7", n, len(made.ids))
	}
	if r.Deliveries.Redelivered == nil || *r.Deliveries.Redelivered == 0 {
		t.Error("three killed sandboxes, and nothing was delivered again")
	}
	if r.Run.Target != "in-process" {
		t.Errorf("the target calls itself %q", r.Run.Target)
	}
}

func TestArchitecturesWithProxyEvents(t *testing.T) {
	for _, architecture := range []string{bench.Sync, bench.FireAndForget} {
		r := play(t, func(env harness.Env) harness.Handler[events.APIGatewayProxyRequest, any] {
			h := builtIn(env)
			return func(ctx context.Context, e events.APIGatewayProxyRequest) (any, error) {
				b, err := json.Marshal(e)
				if err != nil {
					return nil, err
				}
				return h(ctx, b)
			}
		}, harness.Options{Scenario: kill, Architecture: architecture, Set: []string{"faults=[]", "async.retryDelays=[1s, 2s]"}})
		if r.Verdict != bench.Pass || r.Items.Processed != 540 {
			t.Errorf("%s: verdict %s %v, %d processed", architecture, r.Verdict, r.Reasons, r.Items.Processed)
		}
	}
}

// Requests that share keys, where nothing orders them but the API: each version is
// done once, and the item is its latest; a handler that does not look does it twice.
func TestVersionsWithoutAStream(t *testing.T) {
	for _, tt := range []struct {
		architecture, defect string
		duplicated           bool
	}{
		{bench.Sync, "", false},
		{bench.FireAndForget, "", false},
		{bench.FireAndForget, processor.DefectNonIdempotent, true},
	} {
		r := play(t, withDefect(tt.defect), harness.Options{Scenario: kill, Architecture: tt.architecture, Set: []string{
			"workload={kind: versions, keys: 20, skew: zipf}", "async.retryDelays=[1s, 2s]", `faults=["at 3s for 3s every 1s: processor.kill after-write 5"]`,
		}})
		if want := map[bool]bench.Verdict{false: bench.Pass, true: bench.Fail}[tt.duplicated]; r.Verdict != want {
			t.Errorf("%s %s: verdict %s, want %s", tt.architecture, tt.defect, r.Verdict, want)
		}
		if (*r.Items.Duplicated > 0) != tt.duplicated || r.Items.Lost() != 0 || *r.Items.WrongEffect != 0 || r.Items.Processed < 500 || r.Faults[0].Bitten != 3 {
			t.Errorf("%s %s: bitten %d, %+v", tt.architecture, tt.defect, r.Faults[0].Bitten, r.Items)
		}
	}
}

// A handler whose answer has a type of its own, which the mapping reads.
func TestAPartialAnswer(t *testing.T) {
	var failed set
	r := play(t, func(env harness.Env) harness.Handler[events.DynamoDBEvent, events.DynamoDBEventResponse] {
		o := &orders{db: dynamodb.NewFromConfig(env.AWS), results: env.ResultsTable}
		return func(ctx context.Context, e events.DynamoDBEvent) (out events.DynamoDBEventResponse, err error) {
			for _, record := range e.Records {
				if strings.HasSuffix(id(record), "5") && failed.add(id(record)) == 1 {
					out.BatchItemFailures = append(out.BatchItemFailures, events.DynamoDBBatchItemFailure{ItemIdentifier: record.Change.SequenceNumber})
					return out, nil
				}
				if err := o.apply(ctx, record.Change); err != nil {
					return out, err
				}
			}
			return out, nil
		}
	}, harness.Options{Scenario: kill, Set: []string{"faults=[]", "mapping.functionResponseTypes=[ReportBatchItemFailures]"}})
	if r.Verdict != bench.Pass || r.Items.Processed != 540 || len(failed.ids) != 54 {
		t.Errorf("verdict %s, %d processed, %d reported as failed; want a pass, 540 and 54", r.Verdict, r.Items.Processed, len(failed.ids))
	}
}

// A handler that logs an error and goes on has lost the record.
func TestASwallowedErrorIsFound(t *testing.T) {
	var swallowed set
	r := play(t, func(env harness.Env) handler {
		o := &orders{db: dynamodb.NewFromConfig(env.AWS), results: env.ResultsTable}
		return func(ctx context.Context, e events.DynamoDBEvent) (any, error) {
			for _, record := range e.Records {
				table := o.results
				if strings.HasSuffix(id(record), "7") {
					table = "no-such-table"
				}
				if err := (&orders{db: o.db, results: table}).apply(ctx, record.Change); err != nil {
					swallowed.add(id(record))
				}
			}
			return nil, nil
		}
	}, calm)
	expectFound(t, r, bench.LostProcessing, slices.Collect(maps.Keys(swallowed.ids)))
}

// A handler that does not look whether the work was done does it twice when it
// is killed in the middle of a batch.
func TestADuplicateIsFound(t *testing.T) {
	var written set
	r := play(t, func(env harness.Env) handler {
		o := &orders{db: dynamodb.NewFromConfig(env.AWS), results: env.ResultsTable}
		return func(ctx context.Context, e events.DynamoDBEvent) (any, error) {
			for _, record := range e.Records {
				done, err := o.row(record.Change)
				if err != nil {
					return nil, err
				}
				written.add(id(record))
				if _, err := o.db.UpdateItem(ctx, done); err != nil {
					return nil, err
				}
			}
			return nil, nil
		}
	}, harness.Options{Scenario: kill})
	var twice []string
	for id, n := range written.ids {
		if n > 1 {
			twice = append(twice, id)
		}
	}
	expectFound(t, r, bench.Duplicated, twice)
}

// A panic is an error of the invocation, and the end of the sandbox.
func TestAPanicEndsTheSandbox(t *testing.T) {
	var made, seen set
	panics := 0
	r := play(t, func(env harness.Env) handler {
		made.add("")
		h := newOrders(env)
		return func(ctx context.Context, e events.DynamoDBEvent) (any, error) {
			for _, record := range e.Records {
				if strings.HasSuffix(id(record), "99") && seen.add(id(record)) == 1 {
					panics++ // one writer at a time: the next one comes seconds later
					panic(errors.New("nil pointer, or so"))
				}
			}
			return h(ctx, e)
		}
	}, calm)
	if r.Verdict != bench.Pass || r.Items.Processed != 540 {
		t.Errorf("verdict %s, %d processed: what panics once is tried again", r.Verdict, r.Items.Processed)
	}
	if panics != 5 || made.ids[""] < 4+1 {
		t.Errorf("%d panics, %d sandboxes; want 5, and more than the first four", panics, made.ids[""])
	}
}

// t.FailNow and the like end the handler's goroutine. That is the end of its
// process, and not of the run.
func TestAHandlerThatEndsItsGoroutine(t *testing.T) {
	var seen set
	r := play(t, func(env harness.Env) handler {
		h := newOrders(env)
		return func(ctx context.Context, e events.DynamoDBEvent) (any, error) {
			if seen.add("") == 1 {
				runtime.Goexit()
			}
			return h(ctx, e)
		}
	}, calm)
	if r.Verdict != bench.Pass || seen.ids[""] < 2 {
		t.Errorf("verdict %s after %d invocations", r.Verdict, seen.ids[""])
	}
}

// A handler that never returns is given up at its time-out, and what it does
// afterwards has no effect, whatever context it uses.
func TestAHandlerThatNeverReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hung set
		release := make(chan struct{})
		late := make(chan error, 2)
		r, err := harness.Run(t.Context(), func(env harness.Env) handler {
			o := &orders{db: dynamodb.NewFromConfig(env.AWS), results: env.ResultsTable}
			return func(ctx context.Context, e events.DynamoDBEvent) (any, error) {
				if hung.add("") > 2 {
					return o.handle(ctx, e)
				}
				<-ctx.Done()
				time.Sleep(10 * time.Millisecond) // the sandbox has ended by now
				_, err := o.db.PutItem(context.Background(), &dynamodb.PutItemInput{
					TableName: &o.results, Item: map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: id(e.Records[0]) + "-late"}},
				}, func(o *dynamodb.Options) { o.Retryer = aws.NopRetryer{} })
				late <- err
				<-release
				return nil, nil
			}
		}, calm)
		if err != nil {
			t.Fatal(err)
		}
		if r.Verdict != bench.Pass || r.Items.Processed != 540 {
			t.Errorf("verdict %s %v, %d processed", r.Verdict, r.Reasons, r.Items.Processed)
		}
		for range 2 {
			if err := <-late; err == nil || !strings.Contains(err.Error(), "sandbox") {
				t.Errorf("a write of a sandbox that has timed out: %v", err)
			}
		}
		close(release) // else the bubble would not end
	})
}

func TestMisuseIsToldAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "runs")
	_, err := harness.Run(t.Context(), func(harness.Env) handler { return nil }, harness.Options{
		Dir: dir, Rate: "fast", For: time.Second, Architecture: "peer-to-peer", Scenario: "testdata/nowhere.yaml",
	})
	for _, want := range []string{"fast", "peer-to-peer", "nowhere.yaml"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not tell of %q: %v", want, err)
		}
	}
	_, err = harness.Run(t.Context(), newOrders, harness.Options{Scenario: kill, Architecture: bench.Sync, Dir: dir, Set: []string{"faults=[]"}})
	if err == nil || !strings.Contains(err.Error(), "events.APIGatewayProxyRequest") {
		t.Errorf("a handler of stream events behind a gateway: %v", err)
	}
	if _, err = harness.Run[events.DynamoDBEvent, any](t.Context(), nil, calm); err == nil || !strings.Contains(err.Error(), "nil") {
		t.Errorf("no handler: %v", err)
	}
	// What the target lacks, and what fails before the first request.
	_, err = harness.Run(t.Context(), newOrders, harness.Options{Scenario: kill, Dir: dir, Set: []string{"mapping.filterCriteria=['{\"x\":[{\"cidr\":\"10.0.0.0/8\"}]}']"}})
	if err == nil || !strings.Contains(err.Error(), "cidr") {
		t.Errorf("a filter that AWS refuses: %v", err)
	}
	_, err = harness.Run(t.Context(), func(harness.Env) handler { panic("no configuration") }, harness.Options{Scenario: kill, Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "no configuration (harness_test.go:") {
		t.Errorf("a function that cannot be made: %v", err)
	}
	if left, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestAnInterruptIsNeverAPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		r, err := harness.Run(ctx, newOrders, calm)
		if r == nil || r.Verdict != bench.VerdictUnknown || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("result %v, error %v", r, err)
		}
	})
}

func TestNothingIsLeftBehind(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	open := func() int {
		fds, err := os.ReadDir("/dev/fd")
		if err != nil {
			t.Skip(err)
		}
		return len(fds)
	}
	before := open()
	play(t, newOrders, harness.Options{Scenario: kill})
	if n := open(); n > before {
		t.Errorf("%d files and sockets are open, %d were", n, before)
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		t.Errorf("left in the temporary folder: %v, %v", left, err)
	}
}

// failing is a test that takes down how it fails.
type failing struct {
	testing.TB
	text     string
	failed   bool
	cleanups []func()
}

func (f *failing) Helper()          {}
func (f *failing) Failed() bool     { return f.failed }
func (f *failing) Cleanup(c func()) { f.cleanups = append(f.cleanups, c) }
func (f *failing) Error(a ...any)   { f.failed = true; f.text += fmt.Sprintln(a...) }
func (f *failing) Fatal(a ...any)   { f.Error(a...); runtime.Goexit() }
func (f *failing) Fatalf(format string, a ...any) {
	f.Fatal(fmt.Sprintf(format, a...))
}

func TestCheck(t *testing.T) {
	lossy := func(env harness.Env) handler {
		h := newOrders(env)
		return func(ctx context.Context, e events.DynamoDBEvent) (any, error) {
			e.Records = slices.DeleteFunc(e.Records, func(r events.DynamoDBEventRecord) bool { return strings.HasSuffix(id(r), "123") })
			return h(ctx, e)
		}
	}
	check := func(newHandler func(harness.Env) handler) (f *failing, left []os.DirEntry) {
		temp := t.TempDir()
		t.Setenv("TMPDIR", temp)
		synctest.Test(t, func(t *testing.T) {
			f = &failing{TB: t}
			done := make(chan struct{})
			go func() {
				defer close(done)
				harness.Check(f, newHandler, calm)
			}()
			<-done
			for _, c := range f.cleanups {
				c()
			}
		})
		left, err := os.ReadDir(temp)
		if err != nil {
			t.Fatal(err)
		}
		return f, left
	}
	if f, left := check(newOrders); f.failed || len(left) > 0 {
		t.Errorf("a pass failed: %s; left: %v", f.text, left)
	}
	f, left := check(lossy)
	reports, _ := filepath.Glob(filepath.Join(os.TempDir(), "*", "*-kill-*", "report.html"))
	if !f.failed || len(left) != 1 || len(reports) != 1 {
		t.Fatalf("failed: %v, left %v, reports %v", f.failed, left, reports)
	}
	for _, want := range []string{"FAIL", "-0000000123", "seed ", filepath.Dir(reports[0])} {
		if !strings.Contains(f.text, want) {
			t.Errorf("the failure does not tell of %q:\n%s", want, f.text)
		}
	}
}

// long skips a test of many runs where -short asks for that, as the race detector
// does: it makes each run ten times as long, and sees nothing in them that it does not
// see in one.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("many runs: without -short")
	}
}

// conformance skips what takes long, and much longer under the race detector.
func conformance(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("ACKPROOF_CONFORMANCE") == "" {
		t.Skip(what + ": set ACKPROOF_CONFORMANCE=1")
	}
}

// TestConformance plays every built-in scenario in virtual time. Each says in
// its own text how it ends.
func TestConformance(t *testing.T) {
	conformance(t, "all scenarios, in about 15 s")
	for _, name := range scenarios.Builtins() {
		t.Run(name, func(t *testing.T) {
			source, err := scenarios.Source(name)
			if err != nil {
				t.Fatal(err)
			}
			_, rest, ok := strings.Cut(string(source), "# Expected: ")
			if !ok {
				t.Fatal("it does not say how it ends")
			}
			r := play(t, builtIn, harness.Options{Scenario: name})
			if want := rest[:strings.IndexAny(rest, " ,")]; string(r.Verdict) != want {
				t.Errorf("verdict %s, its text says %s", r.Verdict, want)
			}
		})
	}
}
