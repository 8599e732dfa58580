package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/scenarios"
)

// real is virtual in a bubble of synctest.
var real clock.Real

// fakeTable is a table of n items with a price each, and a log of what was used.
type fakeTable struct {
	plan  *scenarios.Plan
	price func(i int) float64 // nil: the table does not say
	left  func(ask, keys int) int
	slow  time.Duration // of an answer

	mu   sync.Mutex
	used []pageUsed
	asks int
}

type pageUsed struct {
	at           time.Time
	items, limit int
	units        float64
}

func (f *fakeTable) item(i int) attributes {
	return attributes{"id": &types.AttributeValueMemberS{Value: f.plan.ID(uint64(i)).String()}}
}

func (f *fakeTable) page(limit int, items []int) (all []attributes, capacity *types.ConsumedCapacity) {
	at, units := real.Now(), 0.0
	for _, i := range items {
		all = append(all, f.item(i))
		if f.price != nil {
			units += f.price(i)
		}
	}
	time.Sleep(f.slow)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.used = append(f.used, pageUsed{at, len(items), limit, units})
	if f.price == nil {
		return all, nil
	}
	return all, &types.ConsumedCapacity{CapacityUnits: &units}
}

func (f *fakeTable) Scan(_ context.Context, in *dynamodb.ScanInput, _ ...func(*dynamodb.Options)) (*dynamodb.ScanOutput, error) {
	first := int(*in.Segment)
	if v, ok := in.ExclusiveStartKey["next"].(*types.AttributeValueMemberN); ok {
		fmt.Sscan(v.Value, &first)
	}
	limit := 1000
	if in.Limit != nil {
		limit = int(*in.Limit)
	}
	var items []int
	for ; first < int(f.plan.Len()) && len(items) < limit; first += int(*in.TotalSegments) {
		items = append(items, first)
	}
	all, capacity := f.page(limit, items)
	out := &dynamodb.ScanOutput{Items: all, ScannedCount: int32(len(all)), ConsumedCapacity: capacity}
	if first < int(f.plan.Len()) {
		out.LastEvaluatedKey = attributes{"next": &types.AttributeValueMemberN{Value: fmt.Sprint(first)}}
	}
	return out, nil
}

func (f *fakeTable) BatchGetItem(_ context.Context, in *dynamodb.BatchGetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error) {
	asked := in.RequestItems["t"]
	if len(asked.Keys) > maxKeys || !*asked.ConsistentRead {
		return nil, fmt.Errorf("asked for %d keys", len(asked.Keys))
	}
	f.mu.Lock()
	f.asks++
	left := 0
	if f.left != nil {
		left = f.left(f.asks, len(asked.Keys))
	}
	f.mu.Unlock()
	var items []int
	for _, key := range asked.Keys[left:] {
		id, err := bench.ParseID(key["id"].(*types.AttributeValueMemberS).Value)
		if err != nil {
			return nil, err
		}
		items = append(items, int(id.Seq))
	}
	all, capacity := f.page(len(asked.Keys), items)
	out := &dynamodb.BatchGetItemOutput{Responses: map[string][]attributes{"t": all}}
	if capacity != nil {
		out.ConsumedCapacity = []types.ConsumedCapacity{*capacity}
	}
	if left > 0 {
		out.UnprocessedKeys = map[string]types.KeysAndAttributes{"t": {Keys: asked.Keys[:left]}}
	}
	return out, nil
}

// readsAll reads the table and checks that each item came once.
func readsAll(t *testing.T, f *fakeTable, settings scenarios.Read) error {
	t.Helper()
	r := &reader{db: f, plan: f.plan, by: settings.By, budget: newBudget(settings.Capacity, real)}
	items := source{"t", []string{"id"}}
	got := map[string]int{}
	err := r.rows(t.Context(), items, func(item attributes) error { got[text(items.values(item)[rowID])]++; return nil })
	if err != nil {
		return err
	}
	want := map[string]int{}
	for i := range f.plan.Len() {
		want[f.plan.ID(uint64(i)).String()] = 1
	}
	if !maps.Equal(got, want) {
		t.Errorf("%d of %d items read, or some twice", len(got), len(want))
	}
	return nil
}

func planOf(t *testing.T, n int) *scenarios.Plan {
	t.Helper()
	s, err := scenarios.Parse("x.yaml", fmt.Appendf(nil, "name: x\nload: [{name: a, for: 1s, rate: %d/s}]\noverload: true\n", n), nil)
	if err != nil {
		t.Fatal(err)
	}
	return scenarios.NewPlan(s, "abcd1234", 0, 1)
}

// TestABudgetIsNeverExceededByMoreThanAPage reads tables of every price on virtual
// time, by scan and by get.
func TestABudgetIsNeverExceededByMoreThanAPage(t *testing.T) {
	const capacity = 200
	prices := map[string]func(i int) float64{
		"small":   func(int) float64 { return 0.5 },
		"large":   func(int) float64 { return 100 }, // 400 KB each
		"changes": func(i int) float64 { return []float64{1, 60}[i/500%2] },
	}
	for name, price := range prices {
		for _, by := range []string{scenarios.ReadScan, scenarios.ReadGet} {
			for _, slow := range []time.Duration{0, 30 * time.Millisecond, time.Second} {
				t.Run(fmt.Sprintf("%s by %s in %v", name, by, slow), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						f := &fakeTable{plan: planOf(t, 2000), price: price, slow: slow}
						began := real.Now()
						err := readsAll(t, f, scenarios.Read{By: by, Capacity: capacity})
						if err != nil {
							t.Fatal(err)
						}
						used := 0.0
						for i, page := range f.used {
							if allowed := capacity * page.at.Sub(began).Seconds(); used > allowed+1e-3 {
								t.Fatalf("page %d was asked for when %.0f units had been used and %.0f were allowed", i, used, allowed)
							}
							used += page.units
						}
						if took := real.Now().Sub(began).Seconds(); slow == 0 && took > used/capacity+0.01 {
							t.Errorf("%.0f units took %.2f s: the budget is not used", used, took)
						}
					})
				})
			}
		}
	}
}

// TestPagesFollowThePrice: with a page of a megabyte each, a small budget would be
// spent in bursts.
func TestPagesFollowThePrice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTable{plan: planOf(t, 4000), price: func(int) float64 { return 2 }}
		err := readsAll(t, f, scenarios.Read{By: scenarios.ReadScan, Capacity: 400})
		if err != nil {
			t.Fatal(err)
		}
		for i, page := range f.used[4:] {
			if page.limit != 400/pagesPerSecond/2 {
				t.Fatalf("page %d has %d items, %d of them make a quarter of a second", i+4, page.limit, 400/pagesPerSecond/2)
			}
		}
	})
}

func TestABudgetNeedsPrices(t *testing.T) {
	for _, by := range []string{scenarios.ReadScan, scenarios.ReadGet} {
		err := readsAll(t, &fakeTable{plan: planOf(t, 10)}, scenarios.Read{By: by, Capacity: 10})
		if !errors.Is(err, errNoCost) || strings.Count(err.Error(), "ConsumedCapacity") != 1 {
			t.Errorf("by %s: %v", by, err)
		}
	}
}

func TestUnprocessedKeysAreAskedForAgain(t *testing.T) {
	for name, c := range map[string]struct {
		left  func(ask, keys int) int
		took  time.Duration // at least
		fails string
	}{
		"some":         {func(ask, keys int) int { return keys / 2 }, 0, ""},
		"none, thrice": {func(ask, keys int) int { return map[bool]int{true: keys}[ask <= 3*readSegments] }, 7 * firstBackOff, ""},
		"none ever":    {func(ask, keys int) int { return keys }, 31 * firstBackOff, "keys were left unprocessed 6 times"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fakeTable{plan: planOf(t, 1234), left: c.left, price: func(int) float64 { return 1 }, slow: time.Millisecond}
				began := real.Now()
				err := readsAll(t, f, scenarios.Read{By: scenarios.ReadGet})
				if took := real.Now().Sub(began); took < c.took || took > c.took+time.Second {
					t.Errorf("took %v, want the waits of %v", took, c.took)
				}
				if c.fails == "" && err != nil || c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)) {
					t.Errorf("says %v, want %q", err, c.fails)
				}
			})
		})
	}
}
