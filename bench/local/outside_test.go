package local

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	streamtypes "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/dynamo"
	"github.com/ackproof/ackproof/bench/eventsource"
	"github.com/ackproof/ackproof/bench/sdk"
)

const testRun = bench.RunID("k3v9x2ab")

// commits keeps what it is told.
type commits struct {
	bench.NoObserver
	list   []string
	events []bench.Event
}

func (c *commits) Event(e bench.Event) { c.events = append(c.events, e) }

func (c *commits) Committed(k bench.Commit) { c.list = append(c.list, k.ID) }

// always strikes at every operation that it is asked about.
type always struct{ asked, struck []string }

func (a *always) Ask(op bench.Op) bench.Strike {
	a.asked = append(a.asked, op.Name)
	return bench.Strike{Kind: strikeThrottle}
}

func (a *always) Struck(s bench.Strike) { a.struck = append(a.struck, s.Kind) }

// abroad is a proxy before an engine that plays somebody else's.
type abroad struct {
	proxy  *proxy
	engine *dynamo.Engine
	seen   commits
	wrote  []dynamo.Write
	put    func(id string) (status int, answer string)
	call   func(op, body string) (status int, answer string)
}

// newAbroad starts one. between is called by the engine's server before it
// answers; nil: nothing happens there.
func newAbroad(t *testing.T, between func(http.ResponseWriter, *http.Request, http.Handler)) *abroad {
	t.Helper()
	a := &abroad{engine: dynamo.New(dynamo.Options{Region: Region, Shards: 2, Seed: 1})}
	own := dynamo.NewServer(dynamo.ServerOptions{Engine: a.engine})
	behind := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if between != nil {
			between(w, r, own)
			return
		}
		own.ServeHTTP(w, r)
	}))
	t.Cleanup(behind.Close)
	e, err := sdk.OpenDynamoDB(t.Context(), behind.URL, "", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	db := dynamodb.NewFromConfig(e.Config, func(o *dynamodb.Options) {
		o.BaseEndpoint, o.HTTPClient = &behind.URL, &http.Client{Transport: dynamo.NewTransport(own)}
	})
	_, arn, err := createTables(t.Context(), db, bench.Stack{Run: testRun, Architecture: bench.Streams, ViewType: "NEW_IMAGE"})
	if err != nil {
		t.Fatal(err)
	}
	a.proxy = &proxy{DynamoDB: e, transport: outsideTransport(), signer: v4.NewSigner(), clock: clock.Real{}, injector: bench.NoFaults{},
		items: ItemsTable(testRun), wrote: func(w dynamo.Write) { a.wrote = append(a.wrote, w) }}
	t.Cleanup(a.proxy.transport.CloseIdleConnections)
	a.proxy.tail = newTail(e.Reader(), arn, &a.seen, clock.Real{})
	a.call = func(op, body string) (int, string) {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/", strings.NewReader(body))
		r.Header.Set("X-Amz-Target", "DynamoDB_20120810."+op)
		r.Header.Set("Content-Type", "application/x-amz-json-1.0")
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=ACKPROOFPROC00000007/20260102/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0")
		w := httptest.NewRecorder()
		a.proxy.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	a.put = func(id string) (int, string) {
		return a.call("PutItem", fmt.Sprintf(`{"TableName":%q,"Item":{"id":{"S":%q}}}`, a.proxy.items, id))
	}
	return a
}

// unseen looks at the stream, and gives how many writes are still to be seen.
func (a *abroad) unseen(t *testing.T) int {
	t.Helper()
	if _, err := a.proxy.look(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	_, unseen, writing := a.proxy.position("")
	if writing != 0 {
		t.Errorf("%d writes are under way", writing)
	}
	return unseen
}

func TestTheProxyTellsOfWritesAsTheEngineWould(t *testing.T) {
	a := newAbroad(t, nil)
	results := ResultsTable(testRun)
	for _, c := range []struct{ op, body, want string }{
		{"PutItem", `{"TableName":"ITEMS","Item":{"id":{"S":"a"}}}`, "ITEMS 1"},
		{"PutItem", `{"TableName":"ITEMS","Item":{"id":{"S":"a"}},"ConditionExpression":"attribute_not_exists(id)"}`, ""},
		{"UpdateItem", `{"TableName":"RESULTS","Key":{"id":{"S":"a"}},"UpdateExpression":"ADD n :one","ExpressionAttributeValues":{":one":{"N":"1"}}}`, "RESULTS 1"},
		{"GetItem", `{"TableName":"ITEMS","Key":{"id":{"S":"a"}}}`, ""},
		{"BatchWriteItem", `{"RequestItems":{"ITEMS":[{"PutRequest":{"Item":{"id":{"S":"b"}}}},{"DeleteRequest":{"Key":{"id":{"S":"a"}}}}]}}`, "ITEMS 2"},
		{"TransactWriteItems", `{"TransactItems":[{"Put":{"TableName":"ITEMS","Item":{"id":{"S":"c"}}}},{"Update":{"TableName":"RESULTS","Key":{"id":{"S":"c"}},"UpdateExpression":"SET n = :n","ExpressionAttributeValues":{":n":{"N":"1"}}}},{"ConditionCheck":{"TableName":"ITEMS","Key":{"id":{"S":"b"}},"ConditionExpression":"attribute_exists(id)"}}]}`, "ITEMS 1, RESULTS 1"},
		{"DeleteItem", `{"TableName":"arn:aws:dynamodb:us-east-1:000000000000:table/ITEMS","Key":{"id":{"S":"b"}}}`, "ITEMS 1"},
		{"PutItem", `{"TableName":"ITEMS","Item":{"id":`, ""},
		{"PutItem", `{"TableName":"ITEMS","Item":{"other":{"S":"x"}}}`, ""},
		{"ExecuteStatement", `{"Statement":"DELETE FROM \"ITEMS\" WHERE id='c'"}`, ""},
	} {
		names := strings.NewReplacer("ITEMS", a.proxy.items, "RESULTS", results)
		if c.op == "BatchWriteItem" || c.op == "TransactWriteItems" { // their parameters have the word in them
			c.body = strings.NewReplacer(`"ITEMS"`, `"`+a.proxy.items+`"`, `"RESULTS"`, `"`+results+`"`).Replace(c.body)
		} else {
			c.body = names.Replace(c.body)
		}
		a.wrote = nil
		status, answer := a.call(c.op, c.body)
		var got []string
		for _, w := range a.wrote {
			got = append(got, fmt.Sprint(w.Table, " ", w.Rows))
			if w.AccessKeyID != "ACKPROOFPROC00000007" {
				t.Errorf("%s: the caller is %q", c.op, w.AccessKeyID)
			}
		}
		if list := strings.Join(got, ", "); list != names.Replace(c.want) {
			t.Errorf("%s %s: told of %q, want %q (%d %s)", c.op, c.body, list, names.Replace(c.want), status, answer)
		}
	}
	if n := a.unseen(t); n != 0 {
		t.Errorf("%d writes are not seen in the stream", n)
	}
	// The commits that come out are those that an observer of the engine sees.
	slices.Sort(a.seen.list)
	if got := strings.Join(a.seen.list, ""); got != "aabbc" {
		t.Errorf("commits %q, want those of a, b and c, and that a and b were deleted", got)
	}
}

func TestTheProxyThrottlesTheItemsTableAlone(t *testing.T) {
	var calls atomic.Int64
	a := newAbroad(t, func(w http.ResponseWriter, r *http.Request, own http.Handler) { calls.Add(1); own.ServeHTTP(w, r) })
	strikes := &always{}
	a.proxy.injector = strikes
	status, answer := a.put("a")
	if status != 400 || !strings.Contains(answer, "ProvisionedThroughputExceededException") || calls.Load() != 0 || len(strikes.struck) != 1 {
		t.Errorf("%d %s, %d calls behind, %v", status, answer, calls.Load(), strikes.struck)
	}
	if status, answer := a.call("PutItem", `{"TableName":"`+ResultsTable(testRun)+`","Item":{"id":{"S":"a"}}}`); status != 200 {
		t.Errorf("the results table: %d %s", status, answer)
	}
	if status, answer := a.call("DescribeTable", `{"TableName":"`+a.proxy.items+`"}`); status != 200 {
		t.Errorf("no operation on items: %d %s", status, answer)
	}
	if !slices.Equal(strikes.asked, []string{"PutItem"}) {
		t.Errorf("asked about %v", strikes.asked)
	}
	if a.unseen(t) != 0 {
		t.Error("a put that was throttled is waited for")
	}
}

// TestTheCallerHearsOfAWriteAfterTheCloud: a processor that is killed after its
// tenth write must not have heard of it.
func TestTheCallerHearsOfAWriteAfterTheCloud(t *testing.T) {
	a := newAbroad(t, nil)
	w := httptest.NewRecorder()
	told := false
	a.proxy.wrote = func(dynamo.Write) { told = w.Body.Len() == 0 }
	r := httptest.NewRequestWithContext(t.Context(), "POST", "/", strings.NewReader(`{"TableName":"`+a.proxy.items+`","Item":{"id":{"S":"a"}}}`))
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810.PutItem")
	gone, leave := context.WithCancel(t.Context())
	leave() // the write is finished all the same, as in the service
	a.proxy.ServeHTTP(w, r.WithContext(gone))
	if !told || w.Code != 200 {
		t.Errorf("told before the answer: %v; status %d", told, w.Code)
	}
}

// TestAPutThatTheStreamDoesNotShowIsWaitedFor, whatever the reason: without it
// what is missing in the stream would pass for processed.
func TestAPutThatTheStreamDoesNotShowIsWaitedFor(t *testing.T) {
	hide := false
	a := newAbroad(t, func(w http.ResponseWriter, r *http.Request, own http.Handler) {
		put := strings.HasSuffix(r.Header.Get("X-Amz-Target"), "PutItem")
		if put && hide { // answered, and never stored
			io.WriteString(w, "{}")
			return
		}
		own.ServeHTTP(w, r)
	})
	a.put("a")
	if _, n, _ := a.proxy.position(""); n != 1 {
		t.Errorf("%d unseen before anybody has looked, want 1", n)
	}
	if n := a.unseen(t); n != 0 {
		t.Errorf("%d unseen, want none", n)
	}
	a.put("a")
	a.put("a")
	if n := a.unseen(t); n != 2 { // they change nothing, so they make no record
		t.Errorf("%d unseen of two puts that changed nothing, want 2", n)
	}
	hide = true
	if status, _ := a.put("b"); status != 200 || a.unseen(t) != 3 {
		t.Errorf("status %d, %d unseen, want 3", status, a.unseen(t))
	}
}

func TestAPutWhoseOutcomeNobodyKnowsIsWaitedFor(t *testing.T) {
	apply := true
	a := newAbroad(t, func(w http.ResponseWriter, r *http.Request, own http.Handler) {
		if !strings.HasSuffix(r.Header.Get("X-Amz-Target"), "PutItem") {
			own.ServeHTTP(w, r)
			return
		}
		if apply {
			own.ServeHTTP(httptest.NewRecorder(), r)
		}
		panic(http.ErrAbortHandler) // the connection breaks under the answer
	})
	if status, answer := a.put("a"); status != 500 || !strings.Contains(answer, "InternalServerError") {
		t.Errorf("%d %s", status, answer)
	}
	if n := a.unseen(t); n != 0 || len(a.wrote) != 0 {
		t.Errorf("%d unseen, though the stream has shown it; told of %v", n, a.wrote)
	}
	apply = false
	if a.put("b"); a.unseen(t) != 1 {
		t.Error("a put that may have been applied is not waited for")
	}
	// Where there was no connection there was no put.
	a.proxy.Tables = "http://127.0.0.1:1"
	if a.put("c"); a.unseen(t) != 1 {
		t.Error("a put that was never sent is waited for")
	}
}

// TestTheTailFollowsShards through a split, and goes on behind the last record
// when its iterators are lost.
func TestTheTailFollowsShards(t *testing.T) {
	a := newAbroad(t, nil)
	table := a.proxy.items
	expiring := &expired{Streams: a.proxy.tail.reader.Streams}
	a.proxy.tail.reader.Streams = expiring
	for i := range 300 {
		if i%100 == 50 {
			for _, e := range a.engine.Ends(table) {
				if !e.Closed {
					if _, err := a.engine.Split((clock.Real{}).Now(), table, e.Shard); err != nil {
						t.Fatal(err)
					}
					break
				}
			}
		}
		if i%100 == 70 {
			a.unseen(t)
			expiring.lost = 3
			for ; expiring.lost > 0; a.proxy.look(t.Context(), "") {
			}
		}
		a.put(fmt.Sprint(i))
	}
	if n := a.unseen(t); n != 0 || len(a.seen.list) != 300 {
		t.Errorf("%d unseen, %d commits told, want 300", n, len(a.seen.list))
	}
	want := map[string]string{}
	for _, e := range a.engine.Ends(table) {
		want[e.Shard] = e.Last
	}
	ends, _, _ := a.proxy.position("")
	got := map[string]string{}
	for _, e := range ends {
		got[e.Shard] = e.Last
	}
	if !reflect.DeepEqual(got, want) || len(want) < 5 {
		t.Errorf("ends %v, want %v", got, want)
	}
}

// expired is a stream that has forgotten some iterators.
type expired struct {
	eventsource.Streams
	lost int
}

func (e *expired) GetRecords(ctx context.Context, in *dynamodbstreams.GetRecordsInput, opts ...func(*dynamodbstreams.Options)) (*dynamodbstreams.GetRecordsOutput, error) {
	if e.lost > 0 {
		e.lost--
		return nil, &streamtypes.ExpiredIteratorException{}
	}
	return e.Streams.GetRecords(ctx, in, opts...)
}

// twins is a stream that gives each record the number of the one before it, as
// an engine does that numbers and appends in two steps.
type twins struct{ eventsource.Streams }

func (w twins) GetRecords(ctx context.Context, in *dynamodbstreams.GetRecordsInput, opts ...func(*dynamodbstreams.Options)) (*dynamodbstreams.GetRecordsOutput, error) {
	out, err := w.Streams.GetRecords(ctx, in, opts...)
	if err == nil {
		for i := 1; i < len(out.Records); i += 2 {
			out.Records[i].Dynamodb.SequenceNumber = out.Records[i-1].Dynamodb.SequenceNumber
		}
	}
	return out, err
}

// TestTwoRecordsWithOneNumber: the second one is passed over by every reader, so
// it must not count as seen.
func TestTwoRecordsWithOneNumber(t *testing.T) {
	a := newAbroad(t, nil)
	a.proxy.tail.reader.Streams = twins{a.proxy.tail.reader.Streams}
	for i := range 20 {
		a.put(fmt.Sprint(i))
	}
	n := a.unseen(t)
	if n < 9 || n != a.unseen(t) || n != 20-len(a.seen.list) {
		t.Errorf("%d unseen and %d commits of 20 puts, want 9 or 10 unseen, on two shards", n, len(a.seen.list))
	}
	if len(a.seen.events) != n || !strings.Contains(string(a.seen.events[0].Data), "stream_order") {
		t.Errorf("%d pieces of evidence, want %d: %v", len(a.seen.events), n, a.seen.events)
	}
}

// badStream is a stream whose DescribeStream fails.
type badStream struct{ eventsource.Streams }

func (badStream) DescribeStream(context.Context, *dynamodbstreams.DescribeStreamInput, ...func(*dynamodbstreams.Options)) (*dynamodbstreams.DescribeStreamOutput, error) {
	return nil, fmt.Errorf("no such thing")
}

func TestAStreamThatCannotBeReadProvesNothing(t *testing.T) {
	a := newAbroad(t, nil)
	a.put("a")
	a.unseen(t)
	a.proxy.tail.reader.Streams = badStream{a.proxy.tail.reader.Streams}
	if status, answer := a.call("DeleteItem", `{"TableName":"`+a.proxy.items+`","Key":{"id":{"S":"a"}}}`); status != 200 {
		t.Fatal(answer)
	}
	if _, err := a.proxy.look(t.Context(), ""); err == nil {
		t.Error("no error")
	}
	if _, unseen, _ := a.proxy.position(""); unseen != 1 {
		t.Errorf("%d unseen behind a look that failed, want 1", unseen)
	}
}

func TestOutsideCheck(t *testing.T) {
	for url, want := range map[string]string{
		"":                                         "",
		"http://127.0.0.1:8000":                    "",
		"http://localhost:8000/":                   "",
		"http://[::1]:8000":                        "",
		"127.0.0.1:8000":                           "want scheme, host and port",
		"ftp://127.0.0.1":                          "want scheme, host and port",
		"http://127.0.0.1:8000/local":              "want scheme, host and port",
		"http://a:b@127.0.0.1:8000":                "want scheme, host and port",
		"http://127.0.0.1:8000?x=1":                "want scheme, host and port",
		"http://10.0.0.1:8000":                     "say --yes",
		"http://127.0.0.1.evil.org":                "say --yes",
		"https://dynamodb.eu-west-1.amazonaws.com": "say --yes",
	} {
		err := Outside{URL: url}.Check()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", url, err, want)
		}
		if err := (Outside{URL: url, Yes: true}).Check(); strings.HasPrefix(want, "say") && err != nil {
			t.Errorf("%q with --yes: %v", url, err)
		}
	}
}

// TestBorrowingFromWhatIsNoDynamoDB says what is wrong, and leaves nothing.
func TestBorrowingFromWhatIsNoDynamoDB(t *testing.T) {
	stack := bench.Stack{Run: testRun, Architecture: bench.Streams, ViewType: "NEW_IMAGE"}
	serving := func(h http.HandlerFunc) string {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		return s.URL
	}
	engine := dynamo.NewServer(dynamo.ServerOptions{Engine: dynamo.New(dynamo.Options{Region: Region, Seed: 1})})
	closed := httptest.NewServer(nil)
	closed.Close()
	for name, c := range map[string]struct{ url, want string }{
		"nobody":  {closed.URL, "nobody answers there"},
		"another": {serving(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", 404) }), "what answers there is no DynamoDB"},
		"refusal": {serving(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(400)
			io.WriteString(w, `{"__type":"AccessDeniedException","message":"not you"}`)
		}), "not you"},
		"no streams": {serving(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.Header.Get("X-Amz-Target"), "DynamoDBStreams") {
				w.WriteHeader(400)
				io.WriteString(w, `{"__type":"UnknownOperationException","message":"what?"}`)
				return
			}
			engine.ServeHTTP(w, r)
		}), "its DynamoDB Streams cannot be read"},
		"no stream": {serving(func(w http.ResponseWriter, r *http.Request) {
			var in map[string]any
			json.NewDecoder(r.Body).Decode(&in)
			delete(in, "StreamSpecification")
			b, _ := json.Marshal(in)
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(string(b))), int64(len(b))
			engine.ServeHTTP(w, r)
		}), "it has no DynamoDB Streams"},
	} {
		if _, err := borrow(t.Context(), c.url, stack); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.url) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	// The tables of the last two are gone again: the engine has room for them.
	url := serving(engine.ServeHTTP)
	l, err := borrow(t.Context(), url, stack)
	if err != nil {
		t.Fatal(err)
	}
	// Another run of the same id finds them there, and touches none.
	if _, err := borrow(t.Context(), url, stack); err == nil || !strings.Contains(err.Error(), "ResourceInUseException") {
		t.Errorf("a table that was there before: %v", err)
	}
	list, err := l.DB().ListTables(t.Context(), &dynamodb.ListTablesInput{Limit: aws.Int32(10)})
	if err != nil || len(list.TableNames) != 2 {
		t.Errorf("tables %v (%v), want the two of the first", list, err)
	}
	if err := l.giveBack(); err != nil {
		t.Error(err)
	}
}

func FuzzReadRequest(f *testing.F) {
	for _, op := range []string{"PutItem", "UpdateItem", "BatchWriteItem", "BatchGetItem", "TransactWriteItems", "Scan", "nosuch"} {
		f.Add(op, `{"TableName":"t","Item":{"id":{"S":"a"}},"Key":{"id":{"S":"a"}}}`)
		f.Add(op, `{"RequestItems":{"t":[{"PutRequest":{"Item":{"id":{"S":"a"}}}},{"DeleteRequest":{"Key":{"id":{"S":"b"}}}}],"u":{"Keys":[]}}}`)
		f.Add(op, `{"TransactItems":[{"Put":{"TableName":"t","Item":{"id":{"N":"1"}}}},{"ConditionCheck":{"TableName":"arn:aws:dynamodb:a:b:table/u"}},null]}`)
	}
	f.Fuzz(func(t *testing.T, op, body string) {
		r, ok := readRequest(op, []byte(body))
		if ok && !json.Valid([]byte(body)) {
			t.Error("understood what is no JSON")
		}
		for _, w := range r.writes {
			if !r.touches(w.table) {
				t.Errorf("it writes to %q and does not touch it", w.table)
			}
		}
		if n := len(unprocessed(op, []byte(body))); n > 0 && op != "BatchWriteItem" {
			t.Errorf("%s leaves %d unprocessed", op, n)
		}
	})
}
