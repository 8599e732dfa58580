package dynamo

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// operationText draws one operation on the indexed table. The keys are few, so
// that writers race for them.
func operationText(t *rapid.T) [2]string {
	num := func(label string, n int) int { return rapid.IntRange(0, n).Draw(t, label) }
	key := func() string {
		return fmt.Sprintf(`"pk":{"S":"p%d"},"sk":{"S":"s%d"}`, num("pk", 2), num("sk", 2))
	}
	attrs := func() string {
		out := ""
		for _, a := range []string{`,"l":{"N":"%d"}`, `,"o":{"S":"o%d"}`, `,"st":{"S":"s%d"}`, `,"n":{"N":"%d"}`, `,"note":{"S":"x%d"}`} {
			if num("has", 2) > 0 {
				out += fmt.Sprintf(a, num("value", 2))
			}
		}
		if num("has", 2) > 0 { // expires while the programs run
			out += fmt.Sprintf(`,"ttl":{"N":"%d"}`, epoch.Unix()+int64(num("ttl", 9)))
		}
		return out
	}
	put := func() string { return `"TableName":"tab","Item":{` + key() + attrs() + `}` }
	values := fmt.Sprintf(`"ExpressionAttributeValues":{":v":{"N":"%d"},":s":{"S":"s%d"}}`, num("v", 2), num("s", 2))
	switch rapid.SampledFrom([]string{"put", "put", "update", "remove", "delete", "condition", "transaction", "batch"}).Draw(t, "operation") {
	case "put":
		return [2]string{"PutItem", "{" + put() + "}"}
	case "update":
		return [2]string{"UpdateItem", `{"TableName":"tab","Key":{` + key() + `},"UpdateExpression":"SET st = :s, l = :v ADD n :v",` + values + `}`}
	case "remove":
		return [2]string{"UpdateItem", `{"TableName":"tab","Key":{` + key() + `},"UpdateExpression":"REMOVE o, st"}`}
	case "delete":
		return [2]string{"DeleteItem", `{"TableName":"tab","Key":{` + key() + `}}`}
	case "condition":
		return [2]string{"PutItem", "{" + put() + `,"ConditionExpression":"attribute_not_exists(pk) OR l = :v","ExpressionAttributeValues":{":v":{"N":"1"}}}`}
	case "transaction":
		return [2]string{"TransactWriteItems", `{"TransactItems":[{"Put":{` + put() + `}},{"Delete":{"TableName":"tab","Key":{` + key() + `}}}]}`}
	}
	return [2]string{"BatchWriteItem", `{"RequestItems":{"tab":[{"PutRequest":{"Item":{` + key() + attrs() + `}}},{"DeleteRequest":{"Key":{` + key() + `}}}]}}`}
}

// TestModelUnderRace lets many goroutines write to few keys while shards split
// and items expire. Then the stream, replayed parents first, must give the table,
// and each index must hold what the table says.
func TestModelUnderRace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := New(Options{Shards: rapid.IntRange(1, 3).Draw(t, "shards"), Seed: rapid.Uint64().Draw(t, "seed")})
		call(t, e, "CreateTable", indexed)
		call(t, e, "UpdateTimeToLive", `{"TableName":"tab","TimeToLiveSpecification":{"Enabled":true,"AttributeName":"ttl"}}`)
		programs := rapid.SliceOfN(rapid.SliceOfN(rapid.Custom(operationText), 1, 12), 2, 8).Draw(t, "programs")
		splits := rapid.SliceOfN(rapid.IntRange(0, 9), 0, 3).Draw(t, "splits")
		var wg sync.WaitGroup
		for _, program := range programs {
			wg.Go(func() {
				for i, op := range program {
					// Refusals are part of the game; what they leave is checked below.
					do(e, epoch.Add(time.Duration(i)*time.Second), op[0], op[1])
				}
			})
		}
		wg.Go(func() {
			for i, n := range splits {
				ends := slices.DeleteFunc(e.Ends("tab"), func(s ShardEnd) bool { return s.Closed })
				id := ends[n%len(ends)].Shard
				if n%2 == 0 {
					e.Split(epoch.Add(time.Duration(i)*time.Second), "tab", id)
				} else {
					e.RollShard(epoch.Add(time.Duration(i)*time.Second), "tab", id)
				}
			}
		})
		wg.Wait()
		checkModel(t, e)
	})
}

func checkModel(t *rapid.T, e *Engine) {
	tab := e.tables["tab"]
	copied := map[string]item{}
	for _, sh := range tab.stream.kept(epoch, e.options.Retention) {
		records, _, err := sh.read(epoch, e.options.Retention, iterator{}, maxRecords, new(atomic.Int64))
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range records {
			if i > 0 && r.off <= records[i-1].off || r.off <= sh.start && sh.parent != "" {
				t.Fatalf("sequence number %d is not after the one before", r.off)
			}
			id := show(keyItem(tab.keys, &r.row().key))
			var old item
			if r.old != nil {
				old = r.old.item
			}
			if !copied[id].equal(old) {
				t.Fatalf("%s: old image %s, the copy has %s", id, show(old), show(copied[id]))
			}
			delete(copied, id)
			if r.new != nil {
				copied[id] = r.new.item
			}
		}
	}
	var rows []*row
	size := 0
	for i := range tab.stripes {
		tab.stripes[i].ascend(nil, math.MaxUint64, func(r *row) bool {
			rows = append(rows, r)
			size += r.size
			if id := show(keyItem(tab.keys, &r.key)); !copied[id].equal(r.item) {
				t.Fatalf("%s: the table has %s, the copy %s", id, show(r.item), show(copied[id]))
			}
			return true
		})
	}
	if len(rows) != len(copied) || int64(len(rows)) != tab.items.Load() || int64(size) != tab.bytes.Load() {
		t.Fatalf("%d rows of %d bytes; the copy has %d, the count is %d of %d bytes", len(rows), size, len(copied), tab.items.Load(), tab.bytes.Load())
	}
	for _, ix := range tab.indexes {
		want, got := map[string]string{}, map[string]string{}
		for _, r := range rows {
			if x := ix.entry(r); x != nil {
				want[show(space{tab, ix}.keyItem(x))] = show(ix.shown(x.item))
			}
		}
		for i := range ix.stripes {
			ix.stripes[i].ascend(nil, math.MaxUint64, func(x *row) bool {
				got[show(space{tab, ix}.keyItem(x))] = show(ix.shown(x.item))
				return true
			})
		}
		if !maps.Equal(got, want) || int64(len(want)) != ix.items.Load() {
			t.Fatalf("index %s has\n%v, want\n%v; its count is %d", ix.name, got, want, ix.items.Load())
		}
		checkQueries(t, e, ix, want)
	}
}

// checkQueries finds every entry of an index by a Query for its partition.
func checkQueries(t *rapid.T, e *Engine, ix *index, entries map[string]string) {
	found := 0
	for _, part := range []string{"p0", "p1", "p2", "o0", "o1", "o2", "s0", "s1", "s2"} {
		r, err := do(e, epoch, "Query", fmt.Sprintf(`{"TableName":"tab","IndexName":"%s","KeyConditionExpression":"%s = :p","ExpressionAttributeValues":{":p":{"S":"%s"}}}`, ix.name, ix.keys[0].name, part))
		if err != nil {
			t.Fatal(err)
		}
		for _, shown := range entries {
			if strings.Contains(shown, fmt.Sprintf(`"%s":{"S":"%s"}`, ix.keys[0].name, part)) {
				found++
				if !strings.Contains(string(r.Body), shown) {
					t.Fatalf("the query of %s for %s gives %s, without %s", ix.name, part, r.Body, shown)
				}
			}
		}
	}
	if found != len(entries) {
		t.Fatalf("%d entries of %s found, want %d", found, ix.name, len(entries))
	}
}
