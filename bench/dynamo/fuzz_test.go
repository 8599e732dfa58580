package dynamo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// FuzzDecode holds that whatever is decoded is JSON, and that an item is stored
// as it came: what is written out reads back equal.
func FuzzDecode(f *testing.F) {
	f.Add("PutItem", `{"TableName":"items","Item":{"pk":{"S":"a\u00e9\ud83c\udf88"},"n":{"N":"-1.50e3"},"b":{"B":"AAE="}}}`)
	f.Add("PutItem", `{"TableName":"items","Item":`+sample+`}`)
	f.Add("TransactWriteItems", `{"TransactItems":[{"Put":{"TableName":"items","Item":{"pk":{"S":"a"}}}}],"ClientRequestToken":"x"}`)
	f.Add("BatchGetItem", `{"RequestItems":{"items":{"Keys":[{"pk":{"S":"a"}}]}}}`)
	f.Add("GetShardIterator", `{"StreamArn":"x","ShardId":"y","ShardIteratorType":"LATEST","Timestamp":1.5}`)
	f.Add("CreateTable", indexed)
	f.Add("UpdateTable", `{"TableName":"items","GlobalSecondaryIndexUpdates":[{"Delete":{"IndexName":"byg"}}],"StreamSpecification":{"StreamEnabled":false},"SSESpecification":{"Enabled":true}}`)
	f.Add("TagResource", `{"ResourceArn":"a","Tags":[{"Key":"k","Value":"v"}]}`)
	f.Add("UpdateTimeToLive", `{"TableName":"items","TimeToLiveSpecification":{"Enabled":true,"AttributeName":"ttl"}}`)
	f.Add("Query", `{"TableName":"items","IndexName":"i","KeyConditions":{"a":[1,true,null]}}`)
	f.Fuzz(func(t *testing.T, op, body string) {
		req, err := decode(Call{Operation: op, Body: []byte(body)})
		if err != nil {
			return
		}
		if !json.Valid([]byte(body)) {
			t.Fatalf("%s: decoded what is no JSON: %q", op, body)
		}
		for _, it := range []item{req.item, pack(req.item), req.key, req.startKey} {
			text := show(it)
			if !json.Valid([]byte(text)) || !readItem(t, text).equal(it) {
				t.Fatalf("item %q does not read back", text)
			}
		}
	})
}

// do runs an operation and then overwrites its body, as a server does with the
// next request: whatever still lies in it would show.
func do(e *Engine, now time.Time, op, body string) (Reply, *Error) {
	b := []byte(body)
	defer func() {
		for i := range b {
			b[i] = '#'
		}
	}()
	return e.Do(now, Call{Operation: op, Body: b})
}

// call runs an operation on an engine and returns the decoded answer.
func call(t interface{ Fatalf(string, ...any) }, e *Engine, op, body string) map[string]any {
	r, err := do(e, epoch, op, body)
	if err != nil {
		t.Fatalf("%s %s: %v", op, body, err)
	}
	var m map[string]any
	if len(r.Body) == 0 {
		return nil
	}
	if err := json.Unmarshal(r.Body, &m); err != nil {
		t.Fatalf("%s answered %s: %v", op, r.Body, err)
	}
	return m
}

const createItems = `{"TableName":"items","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"},{"AttributeName":"sk","AttributeType":"N"}],
	"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"sk","KeyType":"RANGE"}],"StreamSpecification":{"StreamEnabled":true,"StreamViewType":"NEW_AND_OLD_IMAGES"}}`

// TestReplay holds the stream against the table: records replayed into a copy
// give the table, each record's old image being what the copy holds, and the
// table agrees with a plain map at every step.
func TestReplay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := New(Options{Shards: rapid.IntRange(1, 3).Draw(t, "shards"), Seed: 1})
		call(t, e, "CreateTable", createItems)
		model := map[string]int{}
		changes := 0
		for range rapid.IntRange(1, 60).Draw(t, "operations") {
			pk, sk := rapid.IntRange(0, 2).Draw(t, "pk"), rapid.IntRange(0, 3).Draw(t, "sk")
			v := rapid.IntRange(0, 2).Draw(t, "v")
			key := fmt.Sprintf(`"pk":{"S":"%d"},"sk":{"N":"%d"}`, pk, sk)
			old, there := model[key]
			switch rapid.SampledFrom([]string{"put", "delete", "add", "tx"}).Draw(t, "op") {
			case "put":
				call(t, e, "PutItem", fmt.Sprintf(`{"TableName":"items","Item":{%s,"v":{"N":"%d"}}}`, key, v))
				model[key] = v
			case "delete":
				call(t, e, "DeleteItem", fmt.Sprintf(`{"TableName":"items","Key":{%s}}`, key))
				delete(model, key)
			case "add":
				call(t, e, "UpdateItem", fmt.Sprintf(`{"TableName":"items","Key":{%s},"UpdateExpression":"ADD v :v","ExpressionAttributeValues":{":v":{"N":"%d"}}}`, key, v))
				model[key] = old + v
			case "tx":
				call(t, e, "TransactWriteItems", fmt.Sprintf(`{"TransactItems":[{"Put":{"TableName":"items","Item":{%s,"v":{"N":"%d"}}}}]}`, key, v))
				model[key] = v
			}
			if now, is := model[key]; is != there || now != old {
				changes++
			}
		}
		replica := map[string]string{}
		records := 0
		tab := e.tables["items"]
		for _, sh := range tab.stream.shards {
			rs, _, _ := sh.read(epoch, e.options.Retention, iterator{}, 1000, new(atomic.Int64))
			for _, r := range rs {
				records++
				key := show(keyItem(tab.keys, &r.row().key))
				was := ""
				if r.old != nil {
					was = show(r.old.item)
				}
				if replica[key] != was {
					t.Fatalf("%s: old image %s, want %s", key, was, replica[key])
				}
				if delete(replica, key); r.new != nil {
					replica[key] = show(r.new.item)
				}
			}
		}
		if records != changes {
			t.Fatalf("%d records for %d changes", records, changes)
		}
		items := call(t, e, "Scan", `{"TableName":"items"}`)["Items"].([]any)
		if len(items) != len(model) || len(replica) != len(model) {
			t.Fatalf("%d items, %d in the replica, %d in the model", len(items), len(replica), len(model))
		}
		for key, v := range model {
			if got, want := replica["{"+key+"}"], fmt.Sprintf(`{%s,"v":{"N":"%d"}}`, key, v); got != want {
				t.Fatalf("replica has %s, want %s", got, want)
			}
		}
	})
}

func benchEngine(b testing.TB) *Engine {
	e := New(Options{})
	call(b, e, "CreateTable", benchTable)
	if b, ok := b.(*testing.B); ok {
		b.ReportAllocs()
	}
	return e
}

func putBody(i int) string {
	return fmt.Sprintf(`{"TableName":"items","Item":{"id":{"S":"k3v9x2ab-00-%010d"},"payload":{"S":"%s"}},"ConditionExpression":"attribute_not_exists(id)"}`, i, strings.Repeat("x", 64))
}

func BenchmarkPutItem(b *testing.B) {
	e := benchEngine(b)
	i := 0
	for b.Loop() {
		if _, err := e.Do(epoch, Call{Operation: "PutItem", Body: []byte(putBody(i))}); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

// BenchmarkUpdateItem changes an item under a condition, for the comparison with
// a put.
func BenchmarkUpdateItem(b *testing.B) {
	e := benchEngine(b)
	for i := range 1000 {
		call(b, e, "PutItem", strings.Replace(putBody(i), `,"ConditionExpression":"attribute_not_exists(id)"`, "", 1))
	}
	i := 0
	for b.Loop() {
		body := fmt.Sprintf(`{"TableName":"items","Key":{"id":{"S":"k3v9x2ab-00-%010d"}},"UpdateExpression":"SET #n = :n","ConditionExpression":"attribute_exists(id) AND begins_with(payload, :x)","ExpressionAttributeNames":{"#n":"number"},"ExpressionAttributeValues":{":n":{"N":"%d"},":x":{"S":"xx"}}}`, i%1000, i)
		if _, err := e.Do(epoch, Call{Operation: "UpdateItem", Body: []byte(body)}); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

func BenchmarkGetRecords(b *testing.B) {
	e := benchEngine(b)
	for i := range 10_000 {
		call(b, e, "PutItem", putBody(i))
	}
	s := e.tables["items"].stream
	it := iterator{arn: s.arn, shard: s.shards[0].id, issued: epoch}
	body := []byte(`{"ShardIterator":"` + it.String() + `"}`)
	records := 0
	for b.Loop() {
		r, err := e.Do(epoch, Call{Operation: "GetRecords", Body: body})
		if err != nil {
			b.Fatal(err)
		}
		records += bytes.Count(r.Body, []byte(`"eventID"`))
	}
	b.ReportMetric(float64(records)/b.Elapsed().Seconds(), "records/s")
}

func BenchmarkScan(b *testing.B) {
	e := benchEngine(b)
	for i := range 10_000 {
		call(b, e, "PutItem", putBody(i))
	}
	items := 0
	for b.Loop() {
		r, err := e.Do(epoch, Call{Operation: "Scan", Body: []byte(`{"TableName":"items"}`)})
		if err != nil {
			b.Fatal(err)
		}
		items += bytes.Count(r.Body, []byte(`"payload"`))
	}
	b.ReportMetric(float64(items)/b.Elapsed().Seconds(), "items/s")
}
