package lambda

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ackproof/ackproof/bench"
)

var (
	noon      = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	success   = bench.Answer{}
	failure   = failed("X", "x", bench.DeliveryError)
	throttled = bench.Answer{Throttled: true}
)

// TestQueueTraces follows one event through a list of answers and checks when
// each attempt is due, in seconds after it was queued.
func TestQueueTraces(t *testing.T) {
	scaled := []time.Duration{time.Second, 3 * time.Second}
	for _, test := range []struct {
		name    string
		async   bench.Async
		answers []bench.Answer
		at      []int      // of the attempts
		drop    DropReason // "": the event succeeded
	}{
		{"first try", bench.Async{MaximumRetryAttempts: 2}, []bench.Answer{success}, []int{0}, ""},
		{"default delays", bench.Async{MaximumRetryAttempts: 2}, []bench.Answer{failure, failure, success}, []int{0, 60, 180}, ""},
		{"exhausted", bench.Async{MaximumRetryAttempts: 2}, []bench.Answer{failure, failure, failure}, []int{0, 60, 180}, RetriesExhausted},
		{"one retry", bench.Async{MaximumRetryAttempts: 1}, []bench.Answer{failure, failure}, []int{0, 60}, RetriesExhausted},
		{"no retry", bench.Async{}, []bench.Answer{failure}, []int{0}, RetriesExhausted},
		{"scaled", bench.Async{MaximumRetryAttempts: 2, RetryDelays: scaled}, []bench.Answer{failure, failure, success}, []int{0, 1, 4}, ""},
		{"last delay serves on", bench.Async{MaximumRetryAttempts: 2, RetryDelays: scaled[:1]}, []bench.Answer{failure, failure, success}, []int{0, 1, 2}, ""},
		{"throttles spend no attempt", bench.Async{}, []bench.Answer{throttled, throttled, throttled, success}, []int{0, 1, 3, 7}, ""},
		{"throttle delay starts anew", bench.Async{MaximumRetryAttempts: 1, RetryDelays: scaled}, []bench.Answer{throttled, throttled, failure, throttled, success}, []int{0, 1, 3, 4, 5}, ""},
		{"too old for the retry", bench.Async{MaximumRetryAttempts: 2, MaximumEventAgeInSeconds: 100}, []bench.Answer{failure, failure}, []int{0, 60}, EventAgeExceeded},
		{"age limit exactly", bench.Async{MaximumRetryAttempts: 2, MaximumEventAgeInSeconds: 180}, []bench.Answer{failure, failure, success}, []int{0, 60, 180}, ""},
		{"throttled until too old", bench.Async{MaximumEventAgeInSeconds: 10}, []bench.Answer{throttled, throttled, throttled, throttled}, []int{0, 1, 3, 7}, EventAgeExceeded},
	} {
		t.Run(test.name, func(t *testing.T) {
			q, err := NewQueue(test.async)
			if err != nil {
				t.Fatal(err)
			}
			q.Push(noon, bench.Invocation{RequestID: "r"})
			now := noon
			var drop *Drop
			for i, answer := range test.answers {
				want := noon.Add(time.Duration(test.at[i]) * time.Second)
				if want.After(now) {
					_, ok, wait, _ := q.Next(now)
					if ok || wait != want.Sub(now) {
						t.Fatalf("attempt %d: ok %v, wait %v; want %v", i+1, ok, wait, want.Sub(now))
					}
					now = want
				}
				event, ok, _, drops := q.Next(now)
				if !ok || len(drops) > 0 || event.Invocation.RequestID != "r" {
					t.Fatalf("attempt %d at %v: %+v, %v, drops %v", i+1, now.Sub(noon), event, ok, drops)
				}
				drop = q.Done(now, event, answer)
			}
			if (drop == nil) != (test.drop == "") || drop != nil && drop.Reason != test.drop {
				t.Errorf("drop %+v, want %q", drop, test.drop)
			}
			if _, ok, wait, _ := q.Next(now.Add(24 * time.Hour)); ok || wait >= 0 || q.Len() != 0 {
				t.Errorf("something is left: ok %v, wait %v, len %d", ok, wait, q.Len())
			}
			if dropped := q.Counters().AsyncEventsDropped; dropped != int64(map[bool]int{true: 1}[test.drop != ""]) {
				t.Errorf("%d dropped", dropped)
			}
		})
	}
}

// TestQueueThrottleCap: a day of throttles is retried every five minutes.
func TestQueueThrottleCap(t *testing.T) {
	for n, want := range map[int]time.Duration{0: time.Second, 1: 2 * time.Second, 8: 256 * time.Second, 9: 5 * time.Minute, 1000: 5 * time.Minute} {
		if d := throttleDelay(n); d != want {
			t.Errorf("after %d throttles: %v, want %v", n, d, want)
		}
	}
}

// TestQueueDropsWhatWaitedTooLong: nobody took it in time.
func TestQueueDropsWhatWaitedTooLong(t *testing.T) {
	q, err := NewQueue(bench.Async{MaximumEventAgeInSeconds: 60})
	if err != nil {
		t.Fatal(err)
	}
	q.Push(noon, bench.Invocation{RequestID: "old"})
	q.Push(noon.Add(time.Second), bench.Invocation{RequestID: "young"})
	event, ok, _, drops := q.Next(noon.Add(61 * time.Second))
	if !ok || event.Invocation.RequestID != "young" || len(drops) != 1 || drops[0].Event.Invocation.RequestID != "old" || drops[0].Reason != EventAgeExceeded {
		t.Errorf("got %+v, %v; drops %+v", event, ok, drops)
	}
}

// TestQueueProperties: whatever happens in whatever order, each event ends
// exactly once, is never tried more often than its retries allow or after its
// age limit, and is never handed out early or twice at once.
func TestQueueProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		retries := rapid.IntRange(0, 2).Draw(t, "retries")
		age := rapid.IntRange(1, 600).Draw(t, "age")
		q, err := NewQueue(bench.Async{MaximumRetryAttempts: retries, MaximumEventAgeInSeconds: age})
		if err != nil {
			t.Fatal(err)
		}
		type fate struct {
			queued   time.Time
			failures int
			leased   bool
			ended    bool
		}
		fates := map[string]*fate{}
		var leased []AsyncEvent
		var dropped int64
		now := noon
		drop := func(d Drop) {
			f := fates[d.Event.Invocation.RequestID]
			if f.ended {
				t.Fatalf("%s ended twice", d.Event.Invocation.RequestID)
			}
			if d.Reason == RetriesExhausted && f.failures != retries+1 {
				t.Fatalf("given up after %d failures, %d retries allowed", f.failures, retries)
			}
			f.ended = true
			dropped++
		}
		steps := map[string]func(*rapid.T){
			"push": func(*rapid.T) {
				id := fmt.Sprint(len(fates))
				fates[id] = &fate{queued: now}
				q.Push(now, bench.Invocation{RequestID: id})
			},
			"pass": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(0, 100_000).Draw(t, "ms")) * time.Millisecond)
			},
			"next": func(*rapid.T) {
				event, ok, wait, drops := q.Next(now)
				for _, d := range drops {
					drop(d)
				}
				if !ok {
					if wait == 0 {
						t.Fatal("nothing is due, and nothing is to be waited for")
					}
					return
				}
				f := fates[event.Invocation.RequestID]
				if f.ended || f.leased || f.failures > retries || now.Sub(f.queued) > time.Duration(age)*time.Second {
					t.Fatalf("handed out %s: %+v at age %v", event.Invocation.RequestID, *f, now.Sub(f.queued))
				}
				f.leased = true
				leased = append(leased, event)
			},
			"done": func(t *rapid.T) {
				if len(leased) == 0 {
					return
				}
				event := leased[0]
				leased = leased[1:]
				f := fates[event.Invocation.RequestID]
				f.leased = false
				answer := rapid.SampledFrom([]bench.Answer{success, failure, throttled}).Draw(t, "answer")
				if answer.Error != nil {
					f.failures++
				}
				if d := q.Done(now, event, answer); d != nil {
					drop(*d)
				} else if !answer.Throttled && answer.Error == nil {
					f.ended = true
				}
			},
			"": func(t *rapid.T) {
				unsettled := 0
				for _, f := range fates {
					if !f.ended {
						unsettled++
					}
				}
				if q.Len() != unsettled || q.Counters().AsyncEventsDropped != dropped {
					t.Fatalf("len %d, dropped %d; want %d, %d", q.Len(), q.Counters().AsyncEventsDropped, unsettled, dropped)
				}
			},
		}
		t.Repeat(steps)
	})
}

func BenchmarkQueue(b *testing.B) {
	q, err := NewQueue(bench.Async{MaximumRetryAttempts: 2})
	if err != nil {
		b.Fatal(err)
	}
	for range 10_000 { // waiting for a retry
		q.Push(noon, bench.Invocation{})
		event, _, _, _ := q.Next(noon)
		q.Done(noon, event, failure)
	}
	b.ReportAllocs()
	for b.Loop() {
		q.Push(noon, bench.Invocation{})
		event, _, _, _ := q.Next(noon)
		q.Done(noon, event, success)
	}
}
