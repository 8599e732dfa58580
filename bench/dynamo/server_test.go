package dynamo

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/ackproof/ackproof/bench"
)

// post sends a raw request, signed by nobody in particular.
func (w *world) post(target, auth, body string) (int, string) {
	w.Helper()
	r, _ := http.NewRequestWithContext(w.ctx, "POST", "http://dynamodb.test/", strings.NewReader(body))
	r.Header.Set("X-Amz-Target", target)
	if auth != "" {
		r.Header.Set("Authorization", auth)
	}
	resp, err := NewTransport(w.handler).RoundTrip(r)
	w.must(err)
	b, err := io.ReadAll(resp.Body)
	w.must(err)
	if resp.Header.Get("X-Amz-Crc32") == "" || len(resp.Header.Get("X-Amzn-RequestId")) != 52 {
		w.Errorf("headers %v", resp.Header)
	}
	return resp.StatusCode, string(b)
}

const someone = "AWS4-HMAC-SHA256 Credential=AKID/20260102/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0"

func TestProtocolErrors(t *testing.T) {
	w := newWorld(t, false, Options{}, ServerOptions{})
	w.create("items", "", "")
	const db = "DynamoDB_20120810."
	for _, c := range []struct{ target, auth, body, want string }{
		{db + "ListTables", "", "{}", "MissingAuthenticationTokenException"},
		{db + "ListTables", "Bearer x", "{}", "IncompleteSignatureException"},
		{db + "ListTable", someone, "{}", "UnknownOperationException"},
		{db + "GetRecords", someone, "{}", "UnknownOperationException"},
		{db + "ListTables", someone, "{", "SerializationException"},
		{db + "ListTables", someone, "{} x", "SerializationException"},
		{db + "ListTables", someone, `{"Limit":1.5}`, "SerializationException"},
		{db + "PutItem", someone, `{"TableName":"items","Item":{"pk":{"S":"\ud800"}}}`, "SerializationException"},
		{db + "PutItem", someone, `{"TableName":"items","Item":{"pk":{"S":"a"},"pk":{"S":"b"}}}`, "is given twice"},
		{db + "PutItem", someone, `{"TableName":"items","Item":{"pk":{"S":"a"}},"Expected":{}}`, "PutItem parameter Expected is not supported"},
		{db + "UpdateItem", someone, `{"TableName":"items","Key":{"pk":{"S":"a"}},"AttributeUpdates":{}}`, "AttributeUpdates is not supported"},
		{db + "Query", someone, `{"TableName":"items","QueryFilter":{}}`, "QueryFilter is not supported"},
		{db + "CreateTable", someone, `{"TableName":"other","WarmThroughput":{}}`, "WarmThroughput is not supported"},
		{db + "PutItem", someone, `{"TableName":"items","Item":{"pk":{"S":"a","N":"1"}}}`, "more than one datatypes"},
		{db + "PutItem", someone, `{"TableName":"items","Item":{"pk":{}}}`, "Supplied AttributeValue is empty"},
		{db + "PutItem", someone, `{"TableName":"items","Item":{"pk":{"S":"a"},"x":{"SS":["a","a"]}}}`, "duplicates"},
		{db + "PutItem", someone, `{"TableName":"items","Item":{"pk":{"S":"a"},"x":{"SS":[]}}}`, "may not be empty"},
		{db + "PutItem", someone, `{"TableName":"items","Item":{"pk":{"S":""}}}`, "empty string value"},
		{db + "PutItem", someone, `{"TableName":"items","Item":{"pk":{"N":"1"}}}`, "Type mismatch for key pk"},
		{db + "PutItem", someone, `{"TableName":"items","Item":{"x":{"N":"1"}}}`, "Missing the key pk"},
		{db + "GetItem", someone, `{"TableName":"items","Key":{"pk":{"S":"a"},"x":{"S":"a"}}}`, "does not match the schema"},
		{db + "PutItem", someone, `{"TableName":"items","Item":{"pk":{"S":"` + strings.Repeat("x", 2049) + `"}}}`, "maximum size limit of2048"},
		{db + "PutItem", someone, `{"TableName":"items","Item":{"pk":{"S":"a"},"x":{"S":"` + strings.Repeat("x", 400<<10) + `"}}}`, "Item size has exceeded"},
		{db + "PutItem", someone, `{"TableName":"items","Item":{"pk":{"S":"a"},"x":` + strings.Repeat(`{"L":[`, 40) + `{"S":""}` + strings.Repeat("]}", 40) + `}}`, "Nesting Levels"},
	} {
		status, body := w.post(c.target, c.auth, c.body)
		if status != 400 || !strings.Contains(body, c.want) {
			t.Errorf("%s %.80s: got %d %s, want %q", c.target, c.body, status, body, c.want)
		}
	}
	if _, body := w.post(db+"GetItem", someone, `{"TableName":"items","Key":{"pk":{"S":"a"}}}`); body != "{}" {
		t.Errorf("a refused put has stored %s", body)
	}
}

// fate strikes every operation of the given name.
type fate struct {
	mu     sync.Mutex
	strike bench.Strike
	asked  []bench.Op
	struck []bench.Strike
}

func (f *fate) Ask(op bench.Op) bench.Strike {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, op)
	return f.strike
}

func (f *fate) Struck(s bench.Strike) { f.struck = append(f.struck, s) }

func TestStrikes(t *testing.T) {
	f := &fate{strike: bench.Strike{Fault: 3, Kind: "table.throttle"}}
	wrote := 0
	w := newWorld(t, true, Options{}, ServerOptions{Injector: f, ItemsTable: "items", Wrote: func(Write) { wrote++ }})
	w.create("items", "", "")
	w.create("other", "", "")
	w.put("other", avMap{"pk": s("a")})
	put := &dynamodb.PutItemInput{TableName: aws.String("items"), Item: avMap{"pk": s("a")}}
	_, err := w.db.PutItem(w.ctx, put)
	wantError[*types.ProvisionedThroughputExceededException](t, err)
	if len(f.asked) != 1 || f.asked[0] != (bench.Op{Place: bench.PlaceTable, Name: "PutItem"}) || len(f.struck) != 1 || f.struck[0].Fault != 3 {
		t.Fatalf("asked %v, struck %v", f.asked, f.struck)
	}
	f.strike = bench.Strike{Kind: "table.melt"}
	_, err = w.db.PutItem(w.ctx, put)
	if e := wantError[*types.InternalServerError](t, err); !strings.Contains(e.ErrorMessage(), "table.melt") || len(f.struck) != 1 {
		t.Errorf("error %v, struck %v", e, f.struck)
	}
	f.strike = bench.Strike{}
	if w.get("items", avMap{"pk": s("a")}) != nil || wrote != 1 {
		t.Errorf("a struck put has written; %d writes told", wrote)
	}
	_, err = w.db.BatchWriteItem(w.ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{"items": {{PutRequest: &types.PutRequest{Item: avMap{"pk": s("b")}}}}}})
	w.must(err)
	if got := f.asked[len(f.asked)-1].Name; got != "BatchWriteItem" {
		t.Errorf("asked about %s", got)
	}
}

func TestScan(t *testing.T) {
	for _, rangeType := range []string{"", "S"} {
		w := newWorld(t, false, Options{}, ServerOptions{})
		w.create("items", rangeType, "")
		const there = 1000
		big := strings.Repeat("x", 3000) // 3 MB in all: several pages
		item := func(i int) avMap {
			it := avMap{"pk": s(fmt.Sprint("k", i)), "v": n(i % 2), "big": s(big)}
			if rangeType != "" {
				it["pk"], it["sk"] = s(fmt.Sprint("k", i/700)), s(fmt.Sprint(i))
			}
			return it
		}
		for i := range there {
			w.put("items", item(i))
		}
		stop := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() { // others come and go meanwhile
			for i := there; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				w.put("items", item(i))
				if i%3 == 0 {
					it := item(i)
					delete(it, "v")
					delete(it, "big")
					w.db.DeleteItem(w.ctx, &dynamodb.DeleteItemInput{TableName: aws.String("items"), Key: it})
				}
			}
		})
		for _, segments := range []int32{1, 7} {
			seen := map[string]int{}
			for seg := range segments {
				in := &dynamodb.ScanInput{TableName: aws.String("items"), Segment: aws.Int32(seg), TotalSegments: aws.Int32(segments),
					FilterExpression: aws.String("v = :one"), ExpressionAttributeValues: avMap{":one": n(1)}, ProjectionExpression: aws.String("pk, sk")}
				for {
					out, err := w.db.Scan(w.ctx, in)
					w.must(err)
					for _, it := range out.Items {
						seen[fmt.Sprint(it["pk"], it["sk"])]++
						if it["big"] != nil {
							t.Fatal("the projection shows all")
						}
					}
					if in.ExclusiveStartKey = out.LastEvaluatedKey; in.ExclusiveStartKey == nil {
						break
					}
				}
			}
			for i := 1; i < there; i += 2 {
				it := item(i)
				if k := fmt.Sprint(it["pk"], it["sk"]); seen[k] != 1 {
					t.Fatalf("%d segments: item %d seen %d times", segments, i, seen[k])
				}
			}
		}
		close(stop)
		wg.Wait()
	}
}
