// Package targettest is the suite that every bench.Target passes: what the run
// may rely on, whatever the target is.
//
// It talks to a target as the run does, and looks at its tables through the
// public DynamoDB API with a client of its own.
package targettest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/sdk"
)

// requests is how many requests a case sends: enough for a batch on every shard.
const requests = 40

// patience bounds every wait.
const patience = 30 * time.Second

// Run runs the suite. newTarget makes a fresh target; the suite stops it. without
// names the kinds of faults that are accepted not to be there: the target must
// then say that it lacks them.
func Run(t *testing.T, newTarget func(t *testing.T) bench.Target, without ...string) {
	needs := func(kind string, test func(*testing.T, bench.Target)) func(*testing.T) {
		if !slices.Contains(without, kind) {
			return func(t *testing.T) { test(t, newTarget(t)) }
		}
		return func(t *testing.T) {
			stack := bench.Stack{Architecture: bench.Streams, Faults: []string{example[kind]}}
			if lacks := newTarget(t).Lacks(stack); !slices.ContainsFunc(lacks, func(l string) bool { return strings.Contains(l, kind) }) {
				t.Errorf("the target lacks %q, and nothing for want of %s", lacks, kind)
			}
		}
	}
	for _, architecture := range bench.Architectures() {
		t.Run(architecture, func(t *testing.T) { keepsEveryItem(t, newTarget(t), architecture) })
	}
	t.Run("a killed processor has a successor", func(t *testing.T) { killedAndBack(t, newTarget(t)) })
	t.Run("what is given up is a dead letter", func(t *testing.T) { givenUp(t, newTarget(t)) })
	t.Run("a cut answer loses nothing", func(t *testing.T) { cutAnswer(t, newTarget(t)) })
	t.Run("a throttled table refuses", func(t *testing.T) { throttled(t, newTarget(t)) })
	t.Run("a disabled mapping goes on where it stood", func(t *testing.T) { disabled(t, newTarget(t)) })
	t.Run("what the stream has forgotten is not waited for", needs(clockSkip, forgotten))
	t.Run("another stream is not the mapping's", needs(streamRestart, anotherStream))
	for _, architecture := range bench.Architectures() {
		t.Run("what is acknowledged outlives its processes/"+architecture, needs(cloudKill, func(t *testing.T, target bench.Target) { outlives(t, target, architecture) }))
	}
	t.Run("dead letters outlive their process", needs(cloudKill, lettersOutlive))
	t.Run("faults outlive the process in which they strike", needs(cloudKill, faultsOutlive))
	t.Run("tables in memory do not outlive their process", func(t *testing.T) {
		lacks := newTarget(t).Lacks(bench.Stack{Architecture: bench.Streams, Faults: []string{example[cloudKill]}})
		if !slices.ContainsFunc(lacks, func(l string) bool { return strings.Contains(l, cloudKill) }) {
			t.Errorf("the target lacks %q, and would kill what it cannot bring back", lacks)
		}
	})
	t.Run("an unknown fault is lacking", func(t *testing.T) {
		if lacks := newTarget(t).Lacks(bench.Stack{Faults: []string{"at 1s : moon.fall"}}); len(lacks) == 0 {
			t.Error("the target says that it can make the moon fall")
		}
	})
}

// Kinds of faults that not every target can do, and a text of each.
const (
	clockSkip     = "clock.skip"
	streamRestart = "stream.restart"
	cloudKill     = "cloud.kill"
)

var example = map[string]string{
	clockSkip:     "at 0s: clock.skip by=24h",
	streamRestart: "at 0s for 10s: stream.restart",
	cloudKill:     "at 0s: cloud.kill",
}

// system is a started target with what the suite saw of it.
type system struct {
	t         *testing.T
	target    bench.Target
	run       bench.RunID
	endpoints bench.Endpoints
	db        *dynamodb.Client
	http      *http.Client
	sign      func(*http.Request, []byte, time.Time) error // nil: requests are not signed

	mu     sync.Mutex
	events []bench.Event
}

// Stack is one with settings that make a short test of it.
func Stack(t *testing.T) bench.Stack {
	stack := bench.Stack{
		Run: bench.NewRunID(clock.Entropy()), Seed: clock.Entropy(), Architecture: bench.Streams, Shards: 2, ViewType: "NEW_AND_OLD_IMAGES", Dir: t.TempDir(),
		Processor: bench.Processor{Timeout: 3 * time.Second, Concurrency: 2},
		Mapping: bench.Mapping{
			BatchSize: 100, ParallelizationFactor: 1, MaximumRetryAttempts: -1, MaximumRecordAgeInSeconds: -1,
			StartingPosition: "TRIM_HORIZON", PollInterval: 20 * time.Millisecond, RetryBase: 20 * time.Millisecond, RetryCap: time.Second,
		},
		Async:   bench.Async{MaximumRetryAttempts: 2, MaximumEventAgeInSeconds: 21600, RetryDelays: []time.Duration{50 * time.Millisecond, 50 * time.Millisecond}},
		Gateway: bench.Gateway{Path: "/items"},
	}
	t.Logf("seed %d", stack.Seed)
	return stack
}

// start brings a target up.
func start(t *testing.T, target bench.Target, change func(*bench.Stack)) *system {
	t.Helper()
	stack := Stack(t)
	if change != nil {
		change(&stack)
	}
	s := &system{t: t, target: target, run: stack.Run}
	if lacks := target.Lacks(stack); len(lacks) > 0 {
		t.Fatalf("the target lacks: %v", lacks)
	}
	t.Cleanup(func() {
		if err := target.Stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	endpoints, err := target.Start(t.Context(), stack, func(e bench.Event) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.events = append(s.events, e)
	})
	if err != nil {
		t.Fatal(err)
	}
	s.endpoints, s.http = endpoints, sdk.HTTPClient(nil)
	if d, ok := target.(bench.Dialer); ok {
		s.http = sdk.HTTPClient(d.DialContext)
	}
	t.Cleanup(s.http.CloseIdleConnections)
	s.db = dynamodb.New(dynamodb.Options{
		Region: endpoints.Region, BaseEndpoint: aws.String(endpoints.DynamoDB),
		Credentials: sdk.Local(endpoints.Region, nil).Credentials, // a stand-in for AWS knows them
		HTTPClient:  s.http,
	})
	return s
}

func payload(seq uint64) string { return fmt.Sprintf("payload of %d, with \"quotes\" and ü", seq) }

func (s *system) id(seq uint64) string { return bench.ID{Run: s.run, Seq: seq}.String() }

// post sends one request and returns its status; 0: no answer.
func (s *system) post(seq uint64) int {
	body, err := json.Marshal(map[string]string{"id": s.id(seq), "payload": payload(seq)})
	if err != nil {
		s.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.endpoints.API+"/items", bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if s.sign != nil {
		if err := s.sign(r, body, clock.Real{}.Now()); err != nil {
			s.t.Fatal(err)
		}
	}
	resp, err := s.http.Do(r)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

// postAll sends all requests and returns how many had each status.
func (s *system) postAll() map[int]int {
	statuses := map[int]int{}
	for seq := range uint64(requests) {
		statuses[s.post(seq)]++
	}
	return statuses
}

// drain waits until the pipeline is empty.
func (s *system) drain() {
	s.t.Helper()
	s.until("the pipeline is drained", func() bool {
		p, err := s.target.Position(s.t.Context())
		if err != nil {
			s.t.Fatal(err)
		}
		return p.Drained()
	})
}

// until polls a condition with a deadline.
func (s *system) until(what string, condition func() bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			s.t.Fatalf("after %v it is not so that %s", patience, what)
		}
	}
}

// rows reads a whole table by id.
func (s *system) rows(table string) map[string]map[string]types.AttributeValue {
	s.t.Helper()
	rows := map[string]map[string]types.AttributeValue{}
	pages := dynamodb.NewScanPaginator(s.db, &dynamodb.ScanInput{TableName: &table, ConsistentRead: aws.Bool(true)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(s.t.Context())
		if err != nil {
			s.t.Fatal(err)
		}
		for _, item := range page.Items {
			rows[item["id"].(*types.AttributeValueMemberS).Value] = item
		}
	}
	return rows
}

// expectOnce checks that every request is stored, and processed exactly once
// with the right digest.
func (s *system) expectOnce() {
	s.t.Helper()
	if items, effects := s.ours(s.endpoints.ItemsTable), s.ours(s.endpoints.ResultsTable); items != requests || effects != requests {
		s.t.Errorf("%d items and %d effects, want %d each", items, effects, requests)
	}
	items, effects := s.rows(s.endpoints.ItemsTable), s.rows(s.endpoints.ResultsTable)
	for seq := range uint64(requests) {
		id := s.id(seq)
		if got, ok := items[id]["payload"].(*types.AttributeValueMemberS); !ok || got.Value != payload(seq) {
			s.t.Errorf("item %s is %v", id, items[id])
		}
		digest, _ := effects[id]["digest"].(*types.AttributeValueMemberS)
		count, _ := effects[id]["count"].(*types.AttributeValueMemberN)
		if digest == nil || digest.Value != bench.DigestOf([]byte(payload(seq))).String() || count == nil || count.Value != "1" {
			s.t.Errorf("effect %s is %v", id, effects[id])
		}
	}
}

// seen reports whether an event of a kind came, with a process id.
func (s *system) seen(kind bench.EventKind) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.events, func(e bench.Event) bool { return e.Kind == kind && e.PID > 0 })
}

func (s *system) begin(fault int) {
	s.t.Helper()
	if err := s.target.Begin(s.t.Context(), fault); err != nil {
		s.t.Fatal(err)
	}
}

func (s *system) end(fault int) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	if err := s.target.End(ctx, fault); err != nil {
		s.t.Fatal(err)
	}
}

func (s *system) bitten(fault int) int64 {
	s.t.Helper()
	bites, err := s.target.Bites(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return bites[fault].Bitten
}
