package dynamo

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench/clock"
)

// TestReplayOf64Clients lets 64 clients write through the HTTP face to few keys,
// with conditions, batches, transactions and items that expire, while shards
// split and roll and readers follow the stream. Then it replays the stream, as a
// consumer would by its public operations, into a copy: at every record the copy
// must hold the old image, and at the end it must be the table, and each index
// must be what the copy says.
func TestReplayOf64Clients(t *testing.T) {
	const clients, writes = 64, 40
	seed := clock.Entropy()
	t.Logf("seed %d", seed)
	e := New(Options{Shards: 3, Seed: seed})
	now := clock.NewVirtual(epoch)
	h := &http.Client{Transport: NewTransport(NewServer(ServerOptions{Engine: e, Clock: now}))}
	s := &side{name: "embedded", url: "http://embedded.test", client: h, table: "tab"}
	call(t, e, "CreateTable", indexed)
	call(t, e, "UpdateTimeToLive", `{"TableName":"tab","TimeToLiveSpecification":{"Enabled":true,"AttributeName":"ttl"}}`)

	var done, refused atomic.Int64
	var writers, others sync.WaitGroup
	stop := make(chan struct{})
	for c := range clients {
		writers.Go(func() {
			s := *s // sides count
			for i := range writes {
				m := replayMove(seed, c, i)
				if a := s.call(m.name, m.body); a.Code != "" {
					refused.Add(1)
				}
				done.Add(1)
			}
		})
	}
	// during calls f again and again, each time that so many more writes are done.
	during := func(every int64, f func(n int64)) {
		others.Go(func() {
			for n := int64(1); ; n++ {
				for done.Load() < n*every {
					select {
					case <-stop:
						return
					case <-time.After(time.Millisecond):
					}
				}
				f(n)
			}
		})
	}
	during(100, func(n int64) { // time passes, items expire, shards come and go
		now.Advance(time.Second)
		for i, end := range e.Ends("tab") {
			if end.Closed {
				continue
			}
			if (int64(i)+n)%2 == 0 {
				e.Split(now.Now(), "tab", end.Shard)
			} else {
				e.RollShard(now.Now(), "tab", end.Shard)
			}
			break
		}
	})
	reader := *s
	during(600, func(int64) { reader.chains() })
	writers.Wait()
	close(stop)
	others.Wait()
	if n := refused.Load(); n == 0 || n > clients*writes/2 {
		t.Errorf("%d of %d writes refused: the conditions do not bite, or nothing else is written", n, done.Load())
	}
	now.Advance(time.Hour) // whatever is to expire does
	s.call("ListTables", object{})
	records, err := checkReplay(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d records, %d writes of which %d refused", records, done.Load(), refused.Load())
}

// replayMove draws what a client does.
func replayMove(seed uint64, client, i int) move {
	r := clock.Rand(seed, fmt.Sprintf("client %d write %d", client, i))
	key := func() object {
		return object{"pk": object{"S": fmt.Sprintf("p%d", r.IntN(6))}, "sk": object{"S": fmt.Sprintf("s%d", r.IntN(6))}}
	}
	item := func() object {
		it := key()
		it["writer"] = object{"N": fmt.Sprint(client)}
		it["l"] = object{"N": fmt.Sprint(r.IntN(9))}
		for _, name := range []string{"o", "st", "note"} {
			if r.IntN(2) == 0 {
				it[name] = object{"S": fmt.Sprintf("%s%d", name, r.IntN(3))}
			}
		}
		if it["n"] = (object{"N": fmt.Sprint(r.IntN(5))}); r.IntN(4) == 0 {
			it["ttl"] = object{"N": fmt.Sprint(epoch.Unix() + int64(r.IntN(30)))}
		}
		return it
	}
	update := func() object {
		return object{"TableName": "tab", "Key": key(), "UpdateExpression": "ADD n :one SET note = :w REMOVE o", "ConditionExpression": "attribute_not_exists(n) OR n < :most",
			"ExpressionAttributeValues": object{":one": object{"N": "1"}, ":w": object{"S": fmt.Sprint("w", client)}, ":most": object{"N": "6"}}}
	}
	switch r.IntN(6) {
	case 0:
		return move{name: "UpdateItem", body: update()}
	case 1:
		return move{name: "DeleteItem", body: object{"TableName": "tab", "Key": key()}}
	case 2:
		return move{name: "BatchWriteItem", body: object{"RequestItems": object{"tab": []any{object{"PutRequest": object{"Item": item()}}, object{"DeleteRequest": object{"Key": key()}}}}}}
	case 3:
		return move{name: "TransactWriteItems", body: object{"TransactItems": []any{object{"Put": object{"TableName": "tab", "Item": item()}}, object{"Update": update()}}}}
	}
	return move{name: "PutItem", body: object{"TableName": "tab", "Item": item()}}
}

// checkReplay replays the stream of the table and compares table and indexes
// with the copy. It returns the number of records, which is not 0.
func checkReplay(s *side) (records int, err error) {
	copied := map[string]any{}
	for key, chain := range s.chains() {
		for _, r := range chain {
			records++
			if old := r["OldImage"]; !reflect.DeepEqual(old, copied[key]) {
				return 0, fmt.Errorf("%s: the old image is %s, the copy has %s", key, jsonText(old), jsonText(copied[key]))
			}
			if want := map[bool]any{true: "INSERT", false: "MODIFY"}[r["OldImage"] == nil]; r["NewImage"] != nil && r["event"] != want {
				return 0, fmt.Errorf("%s: %s is called %s", key, jsonText(r), r["event"])
			}
			if delete(copied, key); r["NewImage"] != nil {
				copied[key] = r["NewImage"]
			}
		}
	}
	if records == 0 {
		return 0, errors.New("no records")
	}
	compare := func(index string, want []any) error {
		body := object{"TableName": "tab"}
		if index != "" {
			body["IndexName"] = index
		}
		got := s.run(move{name: "Scan", body: body})
		if got.Code != "" || !reflect.DeepEqual(got.Body["Items"], sorted(want)) {
			return fmt.Errorf("table or index %q has\n%s %s\nthe copy says\n%s", index, got.Code, jsonText(got.Body["Items"]), jsonText(sorted(want)))
		}
		return nil
	}
	items := []any{}
	for _, it := range copied {
		items = append(items, it)
	}
	return records, errors.Join(
		compare("", items),
		compare("local", projected(items, []string{"l"}, nil)),
		compare("owner", projected(items, []string{"o"}, nil)),
		compare("state", projected(items, []string{"st", "n"}, []string{"note"})))
}

// projected gives the entries of an index on the named attributes.
func projected(items []any, keys, more []string) []any {
	out := []any{}
	for _, it := range items {
		entry, in := object{}, true
		for _, name := range append([]string{"pk", "sk"}, keys...) {
			if entry[name] = it.(object)[name]; entry[name] == nil {
				in = false
			}
		}
		for _, name := range more {
			if v := it.(object)[name]; v != nil {
				entry[name] = v
			}
		}
		if in {
			out = append(out, entry)
		}
	}
	return out
}

// TestReplayFindsLies holds checkReplay against streams that lie: an honest one
// passes, and no other does.
func TestReplayFindsLies(t *testing.T) {
	for name, lie := range map[string]func([]any) []any{
		"":               func(r []any) []any { return r },
		"a lost record":  func(r []any) []any { return append(r[:1:1], r[2:]...) },
		"the last lost":  func(r []any) []any { return r[:len(r)-1] },
		"wrong order":    func(r []any) []any { return append([]any{r[1], r[0]}, r[2:]...) },
		"a record twice": func(r []any) []any { return append(r[:2:2], r[1:]...) },
	} {
		h := NewServer(ServerOptions{Engine: New(Options{Shards: 1, Seed: 1}), Clock: clock.NewVirtual(epoch)})
		lying := liarOf(h, func(text string) string {
			var m object
			if json.Unmarshal([]byte(text), &m) == nil {
				if records, ok := m["Records"].([]any); ok && len(records) > 2 {
					m["Records"] = lie(records)
					return jsonText(m)
				}
			}
			return text
		})
		s := &side{name: "liar", url: "http://liar.test", table: "tab", client: &http.Client{Transport: NewTransport(lying)}}
		var create object
		if err := json.Unmarshal([]byte(indexed), &create); err != nil {
			t.Fatal(err)
		}
		s.call("CreateTable", create)
		for i := range 4 {
			s.call("PutItem", object{"TableName": "tab", "Item": object{"pk": object{"S": "p"}, "sk": object{"S": "s"}, "i": object{"N": fmt.Sprint(i)}}})
		}
		if _, err := checkReplay(s); (err == nil) != (name == "") {
			t.Errorf("lie %q: %v", name, err)
		}
	}
}
