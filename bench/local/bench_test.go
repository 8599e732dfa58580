package local

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/lambda"
	"github.com/ackproof/ackproof/bench/ledger"
)

// benchStack has one shard, whose records go in batches of 100 to a function
// that does nothing.
func benchStack(b *testing.B) bench.Stack {
	return bench.Stack{
		Run: "r1", Seed: 1, Architecture: bench.Streams, Shards: 1, ViewType: "NEW_AND_OLD_IMAGES", Dir: b.TempDir(),
		Processor: bench.Processor{Path: "null", Env: []string{nullEnv + "=1"}, Timeout: 10 * time.Second, Concurrency: 1},
		Mapping: bench.Mapping{
			BatchSize: 100, ParallelizationFactor: 1, MaximumRetryAttempts: -1, MaximumRecordAgeInSeconds: -1, StartingPosition: "TRIM_HORIZON",
			PollInterval: 5 * time.Millisecond, RetryBase: 200 * time.Millisecond, RetryCap: time.Minute,
		},
	}
}

// benchCloud is a cloud with a warm function and without a mapping yet,
// whose store and mapping tell an observer, which may wrap the cloud's own.
func benchCloud(b *testing.B, wrap func(bench.Observer) bench.Observer) (*cloud, *dynamodbstreams.Client, bench.Observer) {
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	stack := benchStack(b)
	c := &cloud{
		cfg:   cloudConfig{Stack: stack, Processor: lambda.Program{Command: []string{self}}},
		clock: clock.Real{}, time: &skippedClock{real: clock.Real{}}, faults: &oneFault{},
	}
	b.Cleanup(func() {
		if err := c.stop(nil); err != nil {
			b.Error(err)
		}
	})
	deliveries, err := ledger.CreateDeliveries(stack.Dir)
	if err != nil {
		b.Fatal(err)
	}
	events := &eventWriter{out: io.Discard}
	events.first(ready{})
	c.watch = newWatch(deliveries, events)
	c.onStop(c.watch.close)
	observer := wrap(realTime{c.watch, c.time})
	if err := c.openStore(b.Context(), bench.NoFaults{}, observer); err != nil {
		b.Fatal(err)
	}
	srv, url, err := c.cfg.site.serve(0, c.store)
	if err != nil {
		b.Fatal(err)
	}
	c.onStop(srv.Close)
	config := sdkConfig(aws.String(url), nil)
	c.db = dynamodb.NewFromConfig(config)
	if _, c.stream, err = createTables(b.Context(), c.db, stack); err != nil {
		b.Fatal(err)
	}
	if err := c.startHost(b.Context(), url, bench.NoFaults{}); err != nil {
		b.Fatal(err)
	}
	return c, dynamodbstreams.NewFromConfig(config), observer
}

// put writes item i straight into the store, as the gateway's template does.
func (c *cloud) put(b *testing.B, i int) {
	body := fmt.Sprintf(`{"TableName":%q,"Item":{"id":{"S":%q},"payload":{"S":%q},"n":{"N":"%d"}}}`,
		ItemsTable(c.cfg.Stack.Run), bench.ID{Run: c.cfg.Stack.Run, Seq: uint64(i)}, strings.Repeat("x", 256), i)
	c.call(b, "DynamoDB_20120810.PutItem", body)
}

// call makes a call of the store, without a socket.
func (c *cloud) call(b *testing.B, target, body string) []byte {
	r := httptest.NewRequest("POST", "/", strings.NewReader(body))
	r.Header.Set("X-Amz-Target", target)
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=bench/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0")
	w := httptest.NewRecorder()
	c.store.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		b.Fatal(w.Body)
	}
	return w.Body.Bytes()
}

// cpu is what this process has used so far, in user mode and in the kernel.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // cannot be: the kernel knows us
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkRecordCPU is the CPU time of the cloud process that a record costs on
// its way from the stream to a function and back, in batches of 100: GetRecords,
// on the engine's side and on the mapping's, the event, its invocation, and the
// log of deliveries. It is the process's own, kernel and garbage collector
// included; the function is a process of its own that does nothing. Beside it,
// on the same pages, a bare loop with encoding/json: decode the answer of
// GetRecords, encode the event.
func BenchmarkRecordCPU(b *testing.B) {
	c, client, observer := benchCloud(b, func(o bench.Observer) bench.Observer { return o })
	for i := range b.N {
		c.put(b, i)
	}
	pages := readPages(b, c, client)
	b.ResetTimer()
	began := cpu()
	if err := c.startMapping(b.Context(), client, bench.NoFaults{}, observer); err != nil {
		b.Fatal(err)
	}
	for c.mapping.Metrics().Settled < int64(b.N) {
		time.Sleep(5 * time.Millisecond)
	}
	spent := cpu() - began
	b.StopTimer()
	if m := c.mapping.Metrics(); m.Settled != int64(b.N) || m.Retries != 0 {
		b.Fatalf("%d records, and %+v", b.N, m)
	}
	began = cpu()
	for _, page := range pages {
		bareLoop(b, page)
	}
	bare := cpu() - began
	b.ReportMetric(float64(spent.Microseconds())/float64(b.N), "cpu-µs/record")
	b.ReportMetric(float64(bare.Microseconds())/float64(b.N), "bare-cpu-µs/record")
	b.ReportMetric(float64(spent)/float64(bare), "bare-loops/record")
}

// stopwatch notes when records are committed, and how much later they are handed
// to the function.
type stopwatch struct {
	bench.Observer
	mu        sync.Mutex
	committed map[string]time.Time
	lags      []time.Duration
}

// Committed notes a commit.
func (s *stopwatch) Committed(c bench.Commit) {
	s.mu.Lock()
	s.committed[c.ID] = c.At
	s.mu.Unlock()
	s.Observer.Committed(c)
}

// Delivered notes the lags of a batch.
func (s *stopwatch) Delivered(batch []bench.Delivery) {
	s.mu.Lock()
	for _, d := range batch {
		s.lags = append(s.lags, d.At.Sub(s.committed[d.ID]))
	}
	s.mu.Unlock()
	s.Observer.Delivered(batch)
}

// BenchmarkDispatchLag is the time from a record's commit until the function is
// handed its event, at 1,000 records a second and a poll every 5 ms. A record
// waits half an interval for its poll, on average: the floor is 2.5 ms.
func BenchmarkDispatchLag(b *testing.B) {
	watch := &stopwatch{committed: map[string]time.Time{}}
	c, client, _ := benchCloud(b, func(o bench.Observer) bench.Observer { watch.Observer = o; return watch })
	if err := c.startMapping(b.Context(), client, bench.NoFaults{}, watch); err != nil {
		b.Fatal(err)
	}
	n, began := 0, time.Now()
	for b.Loop() {
		time.Sleep(time.Until(began.Add(time.Duration(n) * time.Millisecond)))
		c.put(b, n)
		n++
	}
	for c.mapping.Metrics().Settled < int64(n) {
		time.Sleep(5 * time.Millisecond)
	}
	watch.mu.Lock()
	defer watch.mu.Unlock()
	if len(watch.lags) != n {
		b.Fatalf("%d of %d records handed over", len(watch.lags), n)
	}
	slices.Sort(watch.lags)
	b.ReportMetric(float64(watch.lags[n/2].Microseconds())/1e3, "median-ms")
	b.ReportMetric(float64(watch.lags[n*99/100].Microseconds())/1e3, "p99-ms")
}

// readPages gives the answers of GetRecords that hold all records of the stream.
func readPages(b *testing.B, c *cloud, client *dynamodbstreams.Client) (pages [][]byte) {
	d, err := client.DescribeStream(b.Context(), &dynamodbstreams.DescribeStreamInput{StreamArn: &c.stream})
	if err != nil {
		b.Fatal(err)
	}
	it, err := client.GetShardIterator(b.Context(), &dynamodbstreams.GetShardIteratorInput{
		StreamArn: &c.stream, ShardId: d.StreamDescription.Shards[0].ShardId, ShardIteratorType: "TRIM_HORIZON",
	})
	if err != nil {
		b.Fatal(err)
	}
	for next := *it.ShardIterator; ; {
		page := c.call(b, "DynamoDBStreams_20120810.GetRecords", fmt.Sprintf(`{"ShardIterator":%q}`, next))
		var got struct {
			Records           []json.RawMessage
			NextShardIterator string
		}
		if err := json.Unmarshal(page, &got); err != nil {
			b.Fatal(err)
		}
		if len(got.Records) == 0 {
			return pages
		}
		pages, next = append(pages, page), got.NextShardIterator
	}
}

// bareLoop is the least that anybody would write: a page in, events of 100
// records out.
func bareLoop(b *testing.B, page []byte) {
	type record struct {
		EventID, EventName, EventVersion, EventSource, AwsRegion string
		Dynamodb                                                 struct {
			ApproximateCreationDateTime float64
			Keys, NewImage, OldImage    map[string]map[string]any `json:",omitempty"`
			SequenceNumber              string
			SizeBytes                   int64
			StreamViewType              string
		}
	}
	var in struct {
		Records           []record
		NextShardIterator string
	}
	if err := json.Unmarshal(page, &in); err != nil {
		b.Fatal(err)
	}
	for batch := range slices.Chunk(in.Records, 100) {
		if _, err := json.Marshal(struct{ Records []record }{batch}); err != nil {
			b.Fatal(err)
		}
	}
}
