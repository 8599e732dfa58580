package eventsource

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
)

// relay drives machines one after the other over a closed shard of which every
// batch fails. Each dies after a few answers, and the next goes on at its
// checkpoint, with its trials.
type relay struct {
	settings bench.Mapping
	log      []types.Record
	seed     uint64
	calls    []string // "records/attempt"
	gave     int      // records given up
}

func (r *relay) run(t *testing.T) {
	t.Helper()
	now, from, list := epoch, From{}, []Trial(nil)
	for life := range 1000 {
		config := newTestMachine(r.settings).config
		config.From, config.Trials = from, list
		m := NewMachine(config)
		if r.live(t, m, &now, 1+int(clock.Bits(r.seed, "answers", uint64(life))%4)) {
			return
		}
		p := m.Position()
		if from = (From{}); p.Checkpoint != "" {
			from = From{Kind: AfterSequence, Sequence: p.Checkpoint}
		}
		var err error
		if list, err = nil, error(nil); encodeTrials(m.Trials()) != "" {
			list, err = decodeTrials(encodeTrials(m.Trials()))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("no end after 1,000 lives")
}

// live drives one machine until the end, which it reports, or some answers.
func (r *relay) live(t *testing.T, m *Machine, now *time.Time, answers int) (ended bool) {
	t.Helper()
	at := 0
	for range 10_000 {
		switch a := m.Next(*now).(type) {
		case Poll:
			if a.From.Kind == AfterSequence {
				at = 1 + slices.IndexFunc(r.log, func(one types.Record) bool { return *one.Dynamodb.SequenceNumber == a.From.Sequence })
			}
			end := min(at+a.Limit, len(r.log))
			if err := m.Polled(*now, r.log[at:end], end == len(r.log)); err != nil {
				t.Fatal(err)
			}
			at = end
		case Invoke:
			r.calls = append(r.calls, fmt.Sprintf("%s/%d", numbers(a.Records), a.Attempt))
			m.Answered(*now, a.Lane, failure(*now))
			if answers--; answers == 0 {
				return false
			}
		case Send:
			r.gave += len(a.Records)
			m.Sent(a.Lane, nil)
		case Wait:
			if !a.Until.After(*now) {
				t.Fatalf("wait until %v, which is not after %v", a.Until, *now)
			}
			*now = a.Until
		case End:
			return true
		}
	}
	t.Fatal("no end after 10,000 steps")
	return false
}

// TestTheBudgetOutlivesTheMachine: whenever a machine dies, N retries are N+1
// invocations of the same records, and what comes after them is a batch of its own.
func TestTheBudgetOutlivesTheMachine(t *testing.T) {
	seed := clock.Entropy()
	t.Logf("seed %d", seed)
	for i := range uint64(200) {
		r := relay{settings: defaults(), log: records(1, 10, epoch), seed: clock.Bits(seed, "relay", i)}
		retries := int(clock.Bits(r.seed, "retries", 0) % 6)
		r.settings.BatchSize, r.settings.MaximumRetryAttempts, r.settings.OnFailure = 4, retries, "payload"
		r.run(t)
		var want []string
		for _, batch := range []string{"1 2 3 4", "5 6 7 8", "9 10"} {
			for attempt := range retries + 1 {
				want = append(want, fmt.Sprintf("%s/%d", batch, attempt+1))
			}
		}
		if !slices.Equal(r.calls, want) || r.gave != len(r.log) {
			t.Fatalf("relay %d, %d retries, %d records given up: %s", i, retries, r.gave, strings.Join(r.calls, ", "))
		}
	}
}

// TestTrialsOfSeveralLanes: what other lanes have settled beyond the checkpoint
// comes again, but no lane waits for ever for the rest of its trial, and nothing is
// tried more often than it may be.
func TestTrialsOfSeveralLanes(t *testing.T) {
	seed := clock.Entropy()
	t.Logf("seed %d", seed)
	for i := range uint64(200) {
		r := relay{settings: defaults(), log: records(1, 60, epoch), seed: clock.Bits(seed, "relay", i)}
		r.settings.OnFailure = "metadata"
		r.settings.BatchSize = 1 + int(clock.Bits(r.seed, "size", 0)%8)
		r.settings.ParallelizationFactor = 1 + int(clock.Bits(r.seed, "lanes", 0)%4)
		r.settings.MaximumRetryAttempts = int(clock.Bits(r.seed, "retries", 0) % 4)
		r.run(t)
		if r.gave < len(r.log) {
			t.Errorf("relay %d: %d records given up of %d", i, r.gave, len(r.log))
		}
		for _, call := range r.calls {
			var attempt int
			fmt.Sscanf(call[strings.Index(call, "/")+1:], "%d", &attempt)
			if attempt < 1 || attempt > r.settings.MaximumRetryAttempts+1 {
				t.Errorf("relay %d: %s with %d retries", i, call, r.settings.MaximumRetryAttempts)
			}
		}
	}
}

// TestATrialGoesAlone: the checkpoint may lie before it, and the stream may have
// lost its end.
func TestATrialGoesAlone(t *testing.T) {
	for _, c := range []struct {
		name  string
		trial Trial
		pages [][]types.Record
		size  int
		want  string
	}{
		{"checkpoint behind", Trial{sequenceText(4), sequenceText(6), 2, "Boom", true}, [][]types.Record{records(1, 10, epoch)}, 10, "1 2 3/1, 4 5 6/3, 7 8 9 10/1"},
		{"read in two pages", Trial{sequenceText(3), sequenceText(6), 1, "Boom", true}, [][]types.Record{records(1, 4, epoch), records(5, 8, epoch)}, 4, "1 2/1, 3 4 5 6/2, 7 8/1"},
		{"end lost", Trial{sequenceText(1), sequenceText(9), 1, "Boom", true}, [][]types.Record{records(1, 3, epoch)}, 10, "1 2 3/2"},
		{"end lost, and not closed", Trial{sequenceText(1), sequenceText(3), 1, "Boom", true}, [][]types.Record{records(1, 2, epoch), nil, records(4, 5, epoch)}, 10, "1 2/2, 4 5/1"},
		{"smaller batches", Trial{sequenceText(1), sequenceText(9), 1, "Boom", true}, [][]types.Record{records(1, 4, epoch), records(5, 9, epoch)}, 4, "1 2 3 4/2, 5 6 7 8/1, 9/1"},
		{"forgotten by the stream", Trial{sequenceText(1), sequenceText(2), 1, "Boom", true}, [][]types.Record{records(3, 5, epoch)}, 10, "3 4 5/1"},
	} {
		s := defaults()
		s.BatchSize = c.size
		config := newTestMachine(s).config
		config.Trials = []Trial{c.trial}
		tr := &trace{machine: NewMachine(config), pages: c.pages, answer: always(success)}
		tr.run(t)
		var calls []string
		for _, in := range tr.invokes {
			calls = append(calls, fmt.Sprintf("%s/%d", numbers(in.Records), in.Attempt))
		}
		if got := strings.Join(calls, ", "); got != c.want || !tr.ended {
			t.Errorf("%s: %s, ended %v; want %s", c.name, got, tr.ended, c.want)
		}
		if left := tr.machine.Trials(); len(left) != 0 {
			t.Errorf("%s: %v is still on trial", c.name, left)
		}
	}
}

// notes is a Keeper in memory.
type notes struct {
	mu sync.Mutex
	m  map[string]string
}

func (n *notes) Keep(key, text string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.m[key] = text; text == "" {
		delete(n.m, key)
	}
	return nil
}

func (n *notes) Kept(string) map[string]string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return maps.Clone(n.m)
}

// TestTheBudgetOutlivesTheMapping cuts a mapping off, and the next one goes on with
// the same budget; one that begins anew, or is made anew, has a whole one.
func TestTheBudgetOutlivesTheMapping(t *testing.T) {
	for _, c := range []struct {
		name      string
		positions map[string]string
		recreated bool
		want      string
	}{
		{"goes on", map[string]string{}, false, "1/1/error 1/2/error 1/3/error 1/4/error"},
		{"begins anew", nil, false, "1/1/error 1/2/error 1/1/error 1/2/error 1/3/error 1/4/error"},
		{"is recreated", map[string]string{}, true, "1/1/error 1/2/error 1/1/error 1/2/error 1/3/error 1/4/error"},
	} {
		synctest.Test(t, func(t *testing.T) {
			j, kept := &journal{}, &notes{m: map[string]string{}}
			config := testConfig(oneShard(records(1, 1, epoch)...), func(context.Context, bench.Invocation) bench.Answer { return failure(time.Now()) }, j)
			config.Keeper, config.Settings.MaximumRetryAttempts = kept, 3
			if c.recreated {
				config.Settings.StartDelay = time.Second
			}
			ctx, kill := context.WithCancel(t.Context())
			first, err := Start(ctx, config)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(config.Settings.StartDelay + 300*time.Millisecond) // two attempts, 200 ms apart
			kill()
			first.Stop()
			if len(kept.m) != 1 {
				t.Errorf("%s: kept %v", c.name, kept.m)
			}
			config.Positions = c.positions
			next := start(t, config)
			if c.recreated {
				if err := next.Recreate(config.Settings); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			if got := j.told(); got != c.want || len(kept.m) != 0 {
				t.Errorf("%s: deliveries %s, want %s; kept %v", c.name, got, c.want, kept.m)
			}
		})
	}
}

// FuzzTrials: what was kept is read as it was, and anything else is an error or
// harmless.
func FuzzTrials(f *testing.F) {
	f.Add(encodeTrials([]Trial{{"1", "3", 2, "Boom: no luck", true}, {"12", "12", 1, "", false}}))
	f.Add(`[{"first":"2","last":"1","failed":1}]`)
	f.Fuzz(func(t *testing.T, text string) {
		list, err := decodeTrials(text)
		if err != nil || len(list) == 0 {
			return
		}
		again, err := decodeTrials(encodeTrials(list))
		if err != nil || !reflect.DeepEqual(again, list) {
			t.Errorf("%v is read as %v, %v", list, again, err)
		}
		config := newTestMachine(defaults()).config
		config.Trials = list
		tr := &trace{machine: NewMachine(config), pages: [][]types.Record{records(1, 3, epoch), records(4, 9, epoch)}, answer: always(success)}
		if tr.run(t); !tr.ended {
			t.Error("no end")
		}
	})
}
