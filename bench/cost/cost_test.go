package cost

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ackproof/ackproof/bench"
)

// simple are prices with which a bill can be worked out in the head.
const simple = `{"date": "2026-01-02", "region": "nowhere", "source": "made up", "usdPerMillion":
 {"apiGatewayRequests": 4, "dynamodbWrites": 1, "dynamodbReads": 0.5, "lambdaRequests": 2, "lambdaGBSeconds": 10, "sqsRequests": 3, "s3Puts": 5, "dynamodbExportedGB": 7}}`

func parsed(t testing.TB, text string) *Prices {
	t.Helper()
	p, err := ParsePrices([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func ptr(n int64) *int64 { return &n }

// clean is a million requests of one architecture, all of them acknowledged and done.
func clean(architecture string) *Work {
	const n = 1_000_000
	w := &Work{
		Architecture: architecture, BuiltIn: true, IDBytes: 22, Payload: 256, Requests: n, Attempts: n, Acknowledged: n,
		Applied: ptr(n), BatchSize: 1, Tries: 3, PerRecord: 2 * time.Millisecond, Timeout: 3 * time.Second, MemoryMB: 512,
		ReadRows: Rows{Items: 2 * n, Effects: 2 * n, Complete: true},
	}
	if architecture == bench.Streams {
		w.Stored, w.BatchSize = ptr(n), 100
		w.Handed = NewTally(w.PerRecord, w.Timeout)
		w.Handed.invocations, w.Handed.written, w.Handed.seconds = n/100, Exactly(n), Exactly(n/100*0.2) // see TestTally
	}
	return w
}

// TestByHand holds bills that were worked out by hand.
func TestByHand(t *testing.T) {
	const inf = -1 // no upper bound
	type bound [2]float64
	for _, c := range []struct {
		name       string
		work       *Work
		spoil      func(*Work)
		perMillion bound
		services   map[string]bound
	}{
		// 4 + 1 + 1, and 10,000 invocations of 200 ms at half a GB: 0.02 + 1,000 GB-s × 10/M = 0.01.
		{"streams", clean(bench.Streams), nil, bound{6.03, 6.03}, map[string]bound{"API Gateway": {4, 4}, "DynamoDB": {2, 2}, "Lambda": {0.03, 0.03}}},
		// 4, twice two units, and a million invocations of 2 ms: 2 + 1,000 GB-s.
		{"sync", clean(bench.Sync), nil, bound{10.01, 10.01}, map[string]bound{"API Gateway": {4, 4}, "DynamoDB": {4, 4}, "Lambda": {2.01, 2.01}}},
		{"fire-and-forget", clean(bench.FireAndForget), nil, bound{10.01, 10.01}, nil},
		// 1,100 bytes of payload take two units in the items table alone.
		{"larger items", clean(bench.Streams), func(w *Work) { w.Payload = 1100 }, bound{7.03, 7.03}, nil},
		{"larger items in a transaction", clean(bench.Sync), func(w *Work) { w.Payload = 1100 }, bound{12.01, 12.01}, nil},
		{"versions", clean(bench.Streams), func(w *Work) { w.Versions = true }, bound{7.03, 7.03}, nil},
		{"one table", clean(bench.Streams), func(w *Work) { w.OneTable, w.Stored = true, ptr(2e6) }, bound{6.03, 6.03}, nil},
		// A tenth was refused, by whom is not known: 3.6 to 4.
		{"refused", clean(bench.Streams), func(w *Work) { w.Refused = 1e5 }, bound{5.63, 6.03}, nil},
		// A tenth not acknowledged: may not have run, or 3 s of half a GB each.
		{"sync, unknown", clean(bench.Sync), func(w *Work) { w.Acknowledged = 9e5 },
			bound{4 + 3.6 + 1.8 + 0.009, 4 + 4 + 2 + 0.009 + 1.5}, nil},
		// Up to three attempts of 3 s: 3 M × 2/M, 4.5 M GB-s, 12 M units.
		{"fire-and-forget, broken", clean(bench.FireAndForget), func(w *Work) { w.Disturbed = true }, bound{10.01, 4 + 12 + 6 + 45}, nil},
		{"somebody's processor", clean(bench.Streams), func(w *Work) { w.BuiltIn = false }, bound{4 + 1 + 1 + 0.02 + 0.00005, inf}, map[string]bound{"API Gateway": {4, 4}, "DynamoDB": {2, inf}, "Lambda": {0.02005, inf}}},
		{"nobody saw the function", clean(bench.Streams), func(w *Work) { w.Handed = nil }, bound{6.03, inf}, nil},
		{"nobody saw the stream", clean(bench.Streams), func(w *Work) { w.Stored = nil }, bound{6.03, inf}, nil},
		{"a template of their own", clean(bench.Streams), func(w *Work) { w.Payload = -1 }, bound{6.03, inf}, nil},
		// 1,000 records in batches of 100: 10 to 1,000 documents.
		{"a bucket", clean(bench.Streams), func(w *Work) { w.OnFailure, w.Letters = Bucket, ptr(1000) }, bound{6.03005, 6.035}, map[string]bound{"S3": {0.00005, 0.005}}},
		{"a queue", clean(bench.FireAndForget), func(w *Work) { w.OnFailure, w.Letters = Queue, ptr(1000) }, bound{10.013, 10.013}, nil},
		{"a queue that nobody saw", clean(bench.FireAndForget), func(w *Work) { w.OnFailure = Queue }, bound{10.01, inf}, nil},
		{"retrying clients", clean(bench.Streams), func(w *Work) { w.Attempts *= 2 }, bound{10.03, 10.03}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.spoil != nil {
				c.spoil(c.work)
			}
			got := c.work.Cost(parsed(t, simple))
			hold := func(what string, got *bench.Estimate, want bound) {
				if got == nil || !near(got.Low, want[0]) || (got.High == nil) != (want[1] == inf) || got.High != nil && !near(*got.High, want[1]) {
					t.Errorf("%s: %s, want %v", what, show(got), want)
				}
			}
			hold("per million", got.PerMillion, c.perMillion)
			for _, s := range got.Services {
				if want, ok := c.services[s.Service]; ok {
					hold(s.Service, s.PerMillion, want)
					delete(c.services, s.Service)
				}
			}
			if len(c.services) > 0 && c.spoil == nil {
				t.Errorf("no row of %v", c.services)
			}
			if len(got.Assumptions) < 4 || len(got.LeftOut) < 3 {
				t.Errorf("it does not say what it takes for granted: %v, %v", got.Assumptions, got.LeftOut)
			}
		})
	}
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(1, math.Abs(b)) }

func show(e *bench.Estimate) string {
	if e == nil {
		return "null"
	}
	b := strings.Builder{}
	b.WriteString(fmt.Sprint(e.Low) + " to ")
	if e.High == nil {
		return b.String() + "nobody knows"
	}
	return b.String() + fmt.Sprint(*e.High)
}

// TestReadsAreOfTheMeasurement: what the final reads take is in the cost of the run, and
// not in that of a million requests.
func TestReadsAreOfTheMeasurement(t *testing.T) {
	c := clean(bench.Streams).Cost(parsed(t, simple))
	// Items of 287 bytes and effects of 99: 2 M × 287/4096 and 2 M × 99/4096 units, at 0.5.
	w := clean(bench.Streams)
	reads := math.Ceil(2e6*float64(w.itemBytes())/4096) + math.Ceil(2e6*float64(w.effectBytes())/4096)
	if w.itemBytes() != 287 {
		t.Errorf("an item has %d bytes, want id+22 and payload+256", w.itemBytes())
	}
	if want := 6.03 + reads*0.5/1e6; !near(c.Run.Low, want) || c.Run.High == nil || !near(*c.Run.High, want) {
		t.Errorf("the run: %s, want %v", show(&c.Run), want)
	}
	w.ReadRows.Asked = 2e6
	if c := w.Cost(parsed(t, simple)); !near(c.Run.Low, 6.03+4e6*0.5/1e6) {
		t.Errorf("asked one by one: %s", show(&c.Run))
	}
	w.ReadRows.Complete = false
	if c := w.Cost(parsed(t, simple)); c.Run.High != nil || c.PerMillion.High == nil {
		t.Errorf("cut-off reads: run %s, a million %s", show(&c.Run), show(c.PerMillion))
	}
}

// TestNothingSent: no requests, no price of a million.
func TestNothingSent(t *testing.T) {
	for _, a := range bench.Architectures() {
		c := (&Work{Architecture: a, BuiltIn: true, ReadRows: Rows{Complete: true}}).Cost(parsed(t, simple))
		if c.PerMillion != nil || c.Run.Low != 0 || c.Run.High == nil || *c.Run.High != 0 {
			t.Errorf("%s: %+v", a, c)
		}
	}
}

func TestTally(t *testing.T) {
	tally := NewTally(1500*time.Microsecond, 50*time.Millisecond)
	add := func(shard string, batch uint64, attempt, records int, how bench.DeliveryOutcome) {
		for range records {
			tally.Add(bench.Delivery{Shard: shard, Batch: batch, Attempt: attempt, Outcome: how})
		}
	}
	add("a", 1, 1, 3, bench.Delivered)       // 4.5 ms: 5
	add("b", 1, 1, 1, bench.DeliveryCrash)   // 1 to 2 ms, 0 or 1 written
	add("b", 1, 2, 1, bench.Delivered)       // 2 ms
	add("b", 2, 1, 9, bench.DeliveryTimeout) // 50 ms
	add("b", 3, 1, 99, bench.DeliveryError)  // 1 ms to the time-out
	n, written, seconds := tally.sums()
	if n != Exactly(5) || written != Between(4, 4+1+9+99) || !near(seconds.Low, 0.059) || !near(seconds.High, 0.109) {
		t.Errorf("%v invocations, %v written, %v s", n, written, seconds)
	}
}

func drawAmount(t *rapid.T, name string) Amount {
	low := float64(rapid.IntRange(0, 1e9).Draw(t, name))
	return rapid.SampledFrom([]Amount{{}, Exactly(low), Between(low, low+float64(rapid.IntRange(0, 1e6).Draw(t, name+" more"))), AtLeast(low)}).Draw(t, name+" kind")
}

func drawQuantities(t *rapid.T, name string) Quantities {
	d := func(what string) Amount { return drawAmount(t, name+what) }
	return Quantities{d("calls"), d("items"), d("effects"), d("together"), d("invocations"), d("seconds"), d("puts"), d("messages"), d("reads"), d("exported")}
}

// TestCostAddsUp: two runs cost what each costs, services add up to the run, lines to
// their service, and more never costs less.
func TestCostAddsUp(t *testing.T) {
	prices, _ := List()
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawQuantities(t, "a "), drawQuantities(t, "b ")
		one, two, both := prices.Of(a, 10), prices.Of(b, 10), prices.Of(a.Plus(b), 20)
		sum := func(what string, got bench.Estimate, parts ...bench.Estimate) {
			var want Amount
			for _, p := range parts {
				high := math.Inf(1)
				if p.High != nil {
					high = *p.High
				}
				want = want.Plus(Amount{p.Low, high})
			}
			w := want.json()
			if !near(got.Low, w.Low) || (got.High == nil) != (w.High == nil) || got.High != nil && !near(*got.High, *w.High) {
				t.Fatalf("%s: %s, want %s", what, show(&got), show(&w))
			}
		}
		sum("both", both.Run, one.Run, two.Run)
		if both.Run.Low < one.Run.Low || both.Run.High != nil && (one.Run.High == nil || *both.Run.High < *one.Run.High) {
			t.Fatalf("more costs less: %s, and a part of it %s", show(&both.Run), show(&one.Run))
		}
		var services []bench.Estimate
		for _, s := range both.Services {
			services = append(services, s.Run)
			var lines []bench.Estimate
			for _, l := range s.Lines {
				lines = append(lines, l.USD)
				if l.USD.High != nil && *l.USD.High < l.USD.Low {
					t.Fatalf("%s: %s", l.What, show(&l.USD))
				}
			}
			sum(s.Service, s.Run, lines...)
		}
		sum("services", both.Run, services...)
	})
}

// TestMoreWorkCostsNoLess changes one thing at a time.
func TestMoreWorkCostsNoLess(t *testing.T) {
	prices, _ := List()
	for _, a := range bench.Architectures() {
		base := clean(a).Cost(prices)
		for name, more := range map[string]func(*Work){
			"payload": func(w *Work) { w.Payload += 5000 }, "memory": func(w *Work) { w.MemoryMB *= 2 },
			"attempts": func(w *Work) { w.Attempts++ }, "rows": func(w *Work) { w.ReadRows.Items += 1000 }, "disturbed": func(w *Work) { w.Disturbed = true },
		} {
			w := clean(a)
			more(w)
			if c := w.Cost(prices); c.Run.Low < base.Run.Low || *c.Run.High < *base.Run.High {
				t.Errorf("%s, more %s: %s, without %s", a, name, show(&c.Run), show(&base.Run))
			}
		}
	}
}

func TestParsePrices(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"nothing":        {"", "date: want a text"},
		"no mapping":     {"[1]", "read prices"},
		"a bad day":      {strings.Replace(simple, "2026-01-02", "yesterday", 1), `"yesterday" is no day`},
		"negative":       {strings.Replace(simple, `"dynamodbReads": 0.5`, `"dynamodbReads": -1`, 1), "usdPerMillion.dynamodbReads: want US dollars"},
		"a text":         {strings.Replace(simple, `"dynamodbReads": 0.5`, `"dynamodbReads": "much"`, 1), "usdPerMillion.dynamodbReads: want US dollars"},
		"missing":        {strings.Replace(simple, `"dynamodbReads": 0.5,`, "", 1), "usdPerMillion.dynamodbReads: missing"},
		"unknown":        {strings.Replace(simple, `"s3Puts"`, `"s3Gets": 1, "s3Puts"`, 1), `usdPerMillion."s3Gets": no such key`},
		"unknown at top": {strings.Replace(simple, `"date"`, `"currency": "EUR", "date"`, 1), `"currency": no such key`},
		"twice":          {strings.Replace(simple, `"s3Puts": 5`, `"s3Puts": 5, "s3Puts": 6`, 1), "read prices"},
		"no number":      {strings.Replace(strings.ReplaceAll(simple, `"`, ""), "s3Puts: 5", "s3Puts: .nan", 1), "usdPerMillion.s3Puts"},
	} {
		_, err := ParsePrices([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	_, err := ParsePrices([]byte(`{"date": "soon", "usdPerMillion": {"s3Puts": -1}}`))
	for _, want := range []string{"soon", "region", "source", "s3Puts", "lambdaRequests"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("all at once: %q is not in %v", want, err)
		}
	}
}

// TestTheDocs holds docs/aws.md to what is computed: its table, and its price file.
func TestTheDocs(t *testing.T) {
	b, err := os.ReadFile("../../docs/aws.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	prices, _ := List()
	for _, a := range bench.Architectures() {
		w := clean(a)
		w.MemoryMB = 256
		if w.Handed != nil {
			w.Handed.seconds = Exactly(10_000 * 0.2)
		}
		c := w.Cost(prices)
		lambda := c.Services[2].PerMillion.Low
		digits := 2
		if lambda < 0.1 {
			digits = 4
		}
		row := fmt.Sprintf("| `%s` | %.2f | %.2f | %.*f | %.2f USD |\n", a, c.Services[0].PerMillion.Low, c.Services[1].PerMillion.Low, digits, lambda, c.PerMillion.Low)
		if !strings.Contains(page, row) {
			t.Errorf("docs/aws.md has no row %s", row)
		}
	}
	_, file, _ := strings.Cut(page, "```yaml\ndate:")
	file, _, found := strings.Cut(file, "```")
	if _, err := ParsePrices([]byte("date:" + file)); err != nil || !found {
		t.Errorf("the price file of docs/aws.md: %v", err)
	}
}

func FuzzPrices(f *testing.F) {
	_, file := List()
	f.Add(file)
	f.Add([]byte(simple))
	f.Add([]byte("date: &x [*x]\n? {a: b}\n: c"))
	f.Add([]byte("usdPerMillion: {s3Puts: 1e999}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParsePrices(b)
		if err != nil {
			return
		}
		c := p.Of(Quantities{Calls: Exactly(1e6), ItemWrites: Exactly(1e6), EffectWrites: Exactly(1e6), Together: Exactly(1e6), Invocations: Exactly(1e6),
			GBSeconds: Exactly(1e6), Puts: Exactly(1e6), Messages: Exactly(1e6), Reads: Exactly(1e6)}, 1) // exports may have no price
		if c.Run.High == nil || math.IsNaN(c.Run.Low) || c.Run.Low < 0 || c.Run.Low > maxPrice*float64(len(bill)) {
			t.Errorf("%q: %s", b, show(&c.Run))
		}
	})
}

// TestForecast holds what is foreseen of a plan to what its work costs when it is done,
// if all goes well: the one lies in the bounds of the other.
func TestForecast(t *testing.T) {
	prices, _ := List()
	for _, architecture := range bench.Architectures() {
		n := int64(1000)
		settings := Work{Architecture: architecture, IDBytes: 22, Payload: 256, BatchSize: 1, Tries: 3, PerRecord: 2 * time.Millisecond, Timeout: 3 * time.Second, MemoryMB: 256}
		done := settings
		done.BuiltIn, done.Requests, done.Attempts, done.Acknowledged, done.Stored, done.Applied = true, n, n, n, &n, &n
		done.ReadRows = Rows{Items: 2 * n, Effects: 2 * n, Complete: true}
		if architecture == bench.Streams {
			settings.BatchSize, done.BatchSize = 100, 100
			done.Handed = NewTally(settings.PerRecord, settings.Timeout)
			for i := range n { // batches of 10
				done.Handed.Add(bench.Delivery{Shard: "s", Batch: uint64(i / 10), Attempt: 1, Outcome: bench.Delivered})
			}
		}
		foreseen, cost := settings.Forecast(n, false, false).Cost(prices), done.Cost(prices)
		if foreseen.Run.High == nil || cost.Run.High == nil || foreseen.Run.Low > cost.Run.Low || *foreseen.Run.High < *cost.Run.High {
			t.Errorf("%s: foreseen %s, cost %s", architecture, show(&foreseen.Run), show(&cost.Run))
		}
		if *foreseen.Run.High > 1.2**cost.Run.High {
			t.Errorf("%s: foreseen %s, far above %s", architecture, show(&foreseen.Run), show(&cost.Run))
		}
	}
	whole := Work{Architecture: bench.Streams, IDBytes: 22, Payload: 256, BatchSize: 100, MemoryMB: 256}
	scan, get, export := whole.Forecast(1e6, false, false).Cost(prices), whole.Forecast(1e6, true, false).Cost(prices), whole.Forecast(1e6, false, true).Cost(prices)
	gb := 2e6 * float64(whole.itemBytes()+whole.effectBytes()) / 1e9
	if read := export.Run.Low - export.PerMillion.Low; *get.Run.High <= *scan.Run.High || !near(read, gb*0.10) {
		t.Errorf("scan %s, get %s, export %s: %g USD for %g GB", show(&scan.Run), show(&get.Run), show(&export.Run), read, gb)
	}
	older, err := ParsePrices([]byte(strings.Replace(simple, `, "dynamodbExportedGB": 7`, "", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if c := whole.Forecast(1e6, false, true).Cost(older); c.Run.High != nil || c.PerMillion.High == nil {
		t.Errorf("an export of which nobody knows the price costs %s", show(&c.Run))
	}
}

// TestForecastOfSomebodysProcessor: what a processor of the user's own will take nobody
// can say, and no bound is made up.
func TestForecastOfSomebodysProcessor(t *testing.T) {
	prices, _ := List()
	for _, architecture := range bench.Architectures() {
		w := (Work{Architecture: architecture, IDBytes: 22, Payload: 256, BatchSize: 100, Tries: 3, Timeout: 3 * time.Second, MemoryMB: 256}).Forecast(1e6, false, false)
		if c := w.Cost(prices); c.PerMillion.High == nil {
			t.Errorf("%s: ours has no bound: %s", architecture, show(c.PerMillion))
		}
		w.BuiltIn = false
		if c := w.Cost(prices); c.PerMillion.High != nil || c.PerMillion.Low < 4 {
			t.Errorf("%s: somebody's processor costs %s", architecture, show(c.PerMillion))
		}
	}
}
