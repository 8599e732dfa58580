package lambda

import (
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
)

// table stands for the DynamoDB face: each request is one committed write.
func table(t *testing.T, h func() *Host) (url string, writes *atomic.Int64) {
	writes = new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key, _ := io.ReadAll(r.Body)
		writes.Add(1)
		h().Wrote(string(key), 1)
	}))
	t.Cleanup(server.Close)
	return server.URL, writes
}

// TestStrikes has a row for each kind at each place. Every invocation writes
// once, so that the effects show on which side of the write the strike was.
func TestStrikes(t *testing.T) {
	for _, test := range []struct {
		op, kind string
		delay    time.Duration
		timeout  time.Duration

		want      string // type of the error; "": success, "throttled"
		outcome   bench.DeliveryOutcome
		handed    bool
		writes    int64 // of the struck invocation
		struck    int
		death     bool
		atLeast   time.Duration
		messageOf string
	}{
		{op: "Invoke", kind: "invoke.throttle", want: "throttled", struck: 1},
		{op: "Invoke", kind: "invoke.fail", want: TypeRuntimeUnknown, outcome: bench.DeliveryError, struck: 1},
		{op: bench.OpHandOver, kind: "processor.kill", want: TypeExitError, outcome: bench.DeliveryCrash, handed: true, struck: 1, death: true, messageOf: "signal: killed"},
		{op: bench.OpHandOver, kind: "processor.error", want: TypeFunctionUnknown, outcome: bench.DeliveryError, struck: 1},
		{op: bench.OpHandOver, kind: "processor.slow", delay: 100 * time.Millisecond, handed: true, writes: 1, struck: 1, atLeast: 100 * time.Millisecond},
		{op: bench.OpHandOver, kind: "processor.slow", delay: time.Minute, timeout: 700 * time.Millisecond, want: TypeTimedout, outcome: bench.DeliveryTimeout, struck: 1, death: true},
		{op: bench.OpWrite, kind: "processor.kill", want: TypeExitError, outcome: bench.DeliveryCrash, handed: true, writes: 1, struck: 1, death: true, messageOf: "signal: killed"},
		{op: bench.OpAnswer, kind: "processor.kill", want: TypeExitError, outcome: bench.DeliveryCrash, handed: true, writes: 1, struck: 1, death: true},
		{op: bench.OpAnswer, kind: "processor.error", want: TypeFunctionUnknown, outcome: bench.DeliveryError, handed: true, writes: 1, struck: 1},
		{op: bench.OpAnswer, kind: "processor.slow", delay: 100 * time.Millisecond, handed: true, writes: 1, struck: 1, atLeast: 100 * time.Millisecond},
		{op: bench.OpAnswer, kind: "processor.slow", delay: time.Minute, timeout: 700 * time.Millisecond, want: TypeTimedout, outcome: bench.DeliveryTimeout, handed: true, writes: 1, struck: 1, death: true},
		{op: "Invoke", kind: "processor.kill", want: TypeUnknownStrike, outcome: bench.DeliveryError},
		{op: bench.OpHandOver, kind: "table.throttle", want: TypeUnknownStrike, outcome: bench.DeliveryError, messageOf: "table.throttle"},
		{op: bench.OpWrite, kind: "table.throttle", want: TypeUnknownStrike, outcome: bench.DeliveryError, handed: true, writes: 1},
		{op: bench.OpAnswer, kind: "table.throttle", want: TypeUnknownStrike, outcome: bench.DeliveryError, handed: true, writes: 1},
	} {
		name := test.op + " " + test.kind
		if test.want == TypeTimedout {
			name += " into the time-out"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			faults := strikeAt(test.op, 2, test.kind, test.delay) // the first one goes through
			var events diary
			cfg := config(t, "go")
			cfg.Injector, cfg.Observer = faults, &events
			if test.timeout > 0 {
				cfg.Timeout = test.timeout
			}
			var h *Host
			url, writes := table(t, func() *Host { return h })
			h = startHost(t, cfg)
			if a := invoke(t, h, goEvent{Write: url}); a.Error != nil || a.Throttled || writes.Load() != 1 {
				t.Fatalf("first invocation: %+v, %d writes", a, writes.Load())
			}
			began := time.Now()
			answer := invoke(t, h, goEvent{Write: url})
			if took := time.Since(began); took < test.atLeast {
				t.Errorf("took %v, want at least %v", took, test.atLeast)
			}
			switch {
			case answer.Throttled != (test.want == "throttled"):
				t.Errorf("throttled: %v", answer.Throttled)
			case answer.Throttled:
			case answer.Error == nil && test.want != "":
				t.Errorf("success, want %s", test.want)
			case answer.Error == nil:
			case answer.Error.Type != test.want || answer.Error.Outcome != test.outcome || !strings.Contains(answer.Error.Message, test.messageOf):
				t.Errorf("error %+v, want %s, %v", *answer.Error, test.want, test.outcome)
			}
			if handed := !answer.HandedAt.IsZero(); handed != test.handed {
				t.Errorf("handed over: %v, want %v", handed, test.handed)
			}
			if n := writes.Load() - 1; n != test.writes {
				t.Errorf("%d writes, want %d", n, test.writes)
			}
			checkStruck(t, faults, &events, test.struck, test.kind)
			deaths := events.of(bench.EventProcessorDeath)
			if (len(deaths) == 1) != test.death {
				t.Errorf("%d deaths: %+v", len(deaths), deaths)
			}
			// The environment serves on, in the old process or in a new one.
			if a := invoke(t, h, goEvent{Write: url}); a.Error != nil || a.Throttled {
				t.Errorf("next invocation: %+v", a)
			}
		})
	}
}

func checkStruck(t *testing.T, faults *script, events *diary, want int, kind string) {
	t.Helper()
	if n := faults.counted(); n != want {
		t.Errorf("Struck was called %d times, want %d", n, want)
	}
	strikes := events.of(bench.EventStrike)
	if len(strikes) != want {
		t.Fatalf("%d strike events, want %d", len(strikes), want)
	}
	for _, e := range strikes {
		if e.Fault == nil || *e.Fault != 7 || e.Text != kind {
			t.Errorf("strike event %+v, want fault 7 and %s", e, kind)
		}
		if strings.HasPrefix(kind, "processor.") == (e.PID == 0) {
			t.Errorf("strike event of %s with process %d", kind, e.PID)
		}
	}
}

func TestKilledHasSuccessor(t *testing.T) {
	var events diary
	cfg := config(t, "go")
	cfg.Injector, cfg.Observer = strikeAt(bench.OpAnswer, 1, "processor.kill", 0), &events
	h := startHost(t, cfg)
	if !h.Recovered() {
		t.Error("not recovered before anything happened")
	}
	if a := invoke(t, h, goEvent{}); a.Error == nil {
		t.Fatal("the kill did not strike")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := h.Settled(ctx); err != nil {
		t.Fatal(err)
	}
	// The start event follows the first request for work by a moment.
	poll(t, "the successor's start", func() bool { return len(events.of(bench.EventProcessorStart)) == 2 })
	death := events.of(bench.EventProcessorDeath)[0]
	if death.Fault == nil || *death.Fault != 7 || !strings.Contains(death.Text, "killed by fault processor.kill") {
		t.Errorf("death %+v, want that of fault 7", death)
	}
	if starts := events.of(bench.EventProcessorStart); starts[0].PID == starts[1].PID || starts[0].PID != death.PID {
		t.Errorf("starts of %d and %d, death of %d", starts[0].PID, starts[1].PID, death.PID)
	}
}

// TestSettledTellsWhyNot: the successor cannot start.
func TestSettledTellsWhyNot(t *testing.T) {
	cfg := config(t, "go")
	cfg.Injector = strikeAt(bench.OpAnswer, 1, "processor.kill", 0)
	h := startHost(t, cfg)
	if err := h.Warm(context.Background(), 1); err != nil {
		t.Fatal(err)
	}
	h.mu.Lock()
	h.cfg.Env = []string{roleVariable + "=exit-in-init"}
	h.mu.Unlock()
	invoke(t, h, goEvent{})
	poll(t, "two failed starts", func() bool { h.mu.Lock(); defer h.mu.Unlock(); return h.failures >= 2 })
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	err := h.Settled(ctx)
	if err == nil || !strings.Contains(err.Error(), "1 missing") || !strings.Contains(err.Error(), "exit status 4") {
		t.Errorf("error %v, want how many are missing and why", err)
	}
}

// TestWroteIgnoresStrangers: a key that is nobody's, and rows none.
func TestWroteIgnoresStrangers(t *testing.T) {
	faults := strikeAt(bench.OpWrite, 1, "processor.kill", 0)
	cfg := config(t, "go")
	cfg.Injector = faults
	h := startHost(t, cfg)
	if err := h.Warm(context.Background(), 1); err != nil {
		t.Fatal(err)
	}
	h.Wrote("AKIAIOSFODNN7EXAMPLE", 1)
	h.Wrote(keyOf(99), 1)
	h.Wrote(keyOf(1), 0)
	if faults.asked[bench.OpWrite] != 0 {
		t.Errorf("asked %d times for writes of nobody", faults.asked[bench.OpWrite])
	}
	h.Wrote(keyOf(1), 3) // the first row kills
	if faults.asked[bench.OpWrite] != 1 || faults.counted() != 1 {
		t.Errorf("asked %d times, struck %d times; want once each", faults.asked[bench.OpWrite], faults.counted())
	}
}

// chance kills at random placements.
type chance struct {
	mu     sync.Mutex
	random *rand.Rand
	share  float64
	struck int
}

func (c *chance) Ask(op bench.Op) bench.Strike {
	c.mu.Lock()
	defer c.mu.Unlock()
	if op.Place == bench.PlaceProcessor && c.random.Float64() < c.share {
		return bench.Strike{Kind: strikeKill}
	}
	return bench.Strike{}
}

func (c *chance) Struck(bench.Strike) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.struck++
}

// TestRandomKills: every invocation is answered, and each kill is one crash.
func TestRandomKills(t *testing.T) {
	seed := clock.Entropy()
	t.Logf("seed %d", seed)
	faults := &chance{random: clock.Rand(seed, "random kills"), share: 0.08}
	cfg := config(t, "go")
	cfg.Injector, cfg.Concurrency = faults, 3
	var events diary
	cfg.Observer = &events
	var h *Host
	url, writes := table(t, func() *Host { return h })
	h = startHost(t, cfg)
	const total = 100
	var next, crashes, ok atomic.Int64
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			for next.Add(1) <= total {
				switch a := invoke(t, h, goEvent{Write: url}); {
				case a.Throttled:
					t.Error("throttled by as many callers as places")
				case a.Error == nil:
					ok.Add(1)
				case a.Error.Outcome == bench.DeliveryCrash:
					crashes.Add(1)
				default:
					t.Errorf("error %+v", a.Error)
				}
			}
		})
	}
	group.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := h.Settled(ctx); err != nil {
		t.Error(err)
	}
	if ok.Load()+crashes.Load() != total {
		t.Errorf("%d successes and %d crashes of %d", ok.Load(), crashes.Load(), total)
	}
	if n := int64(faults.struck); n != crashes.Load() || n == 0 {
		t.Errorf("%d kills struck, %d invocations crashed", n, crashes.Load())
	}
	if n := len(events.of(bench.EventProcessorDeath)); n != faults.struck {
		t.Errorf("%d deaths, %d kills", n, faults.struck)
	}
	if writes.Load() < ok.Load() {
		t.Errorf("%d writes of %d successes", writes.Load(), ok.Load())
	}
	poll(t, "no invocation open", func() bool { return h.Open() == 0 })
	t.Logf("%d crashes, %d writes", crashes.Load(), writes.Load())
}

func TestAnswerPayloadIsKept(t *testing.T) {
	h := startHost(t, config(t, "go"))
	big := strings.Repeat("ü", 1<<20)
	a := invoke(t, h, goEvent{Say: big})
	var got struct{ Said string }
	if err := json.Unmarshal(a.Payload, &got); err != nil || got.Said != big {
		t.Errorf("2 MiB came back as %d bytes, %v, %+v", len(got.Said), err, a.Error)
	}
}
