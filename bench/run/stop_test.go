package run

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/cost"
	"github.com/ackproof/ackproof/bench/load"
	"github.com/ackproof/ackproof/bench/tableexport"
	"github.com/ackproof/ackproof/scenarios"
)

func TestStops(t *testing.T) {
	ten := load.Counts{Acknowledged: 10}
	for name, c := range map[string]struct {
		s        stops
		seen     []load.Counts
		attempts int64 // at the last look
		want     string
	}{
		"no condition":           {stops{}, []load.Counts{{}, {Unknown: 1000}}, 1e6, ""},
		"all goes well":          {stops{errors: 0.5, limit: 5, attempt: 0.01}, []load.Counts{{}, {Acknowledged: 100}}, 500, ""},
		"half fails":             {stops{errors: 0.5}, []load.Counts{{}, {Acknowledged: 10, Unknown: 10}}, 20, "50 % of the 20 requests"},
		"too few to tell":        {stops{errors: 0.5}, []load.Counts{{}, {Unknown: 19}}, 19, ""},
		"it failed long ago":     {stops{errors: 0.5}, append([]load.Counts{{Unknown: 100}}, repeat(load.Counts{Unknown: 100, Acknowledged: 60}, 10)...), 0, ""},
		"more than was allowed":  {stops{limit: 5, attempt: 0.01}, []load.Counts{ten}, 501, "501 attempts were sent, which cost 5.01 USD by the estimate, and target.limits.cost is 5 USD"},
		"as much as was allowed": {stops{limit: 5, attempt: 0.01}, []load.Counts{ten}, 499, ""},
	} {
		why := ""
		for i, counts := range c.seen {
			attempts := int64(0)
			if i == len(c.seen)-1 {
				attempts = c.attempts
			}
			why = c.s.look(counts, attempts)
		}
		if c.want == "" && why != "" || !strings.Contains(why, c.want) {
			t.Errorf("%s: %q, want %q", name, why, c.want)
		}
	}
}

func repeat(c load.Counts, n int) (all []load.Counts) {
	for range n {
		all = append(all, c)
	}
	return all
}

// alarms is an account with one alarm.
type alarms struct{ read func() (bench.Alarm, error) }

func (a alarms) Alarm(context.Context, string) (bench.Alarm, error) { return a.read() }
func (a alarms) SeeBucket(context.Context, string) error            { return nil }
func (a alarms) Export(string, string) tableexport.Store            { return nil }

func TestAnAlarmEndsTheLoad(t *testing.T) {
	began := time.Time{}
	since := func() time.Duration { return clock.Real{}.Now().Sub(began) }
	on := bench.Alarm{On: true, State: "ALARM", Reason: "7 errors"}
	for name, c := range map[string]struct {
		read func() (bench.Alarm, error)
		want string
		by   time.Duration // when it must have ended; 0: it must not
	}{
		"it stays off": {func() (bench.Alarm, error) { return bench.Alarm{State: "INSUFFICIENT_DATA"}, nil }, "", 0},
		"it goes off": {func() (bench.Alarm, error) {
			if since() < 12*time.Second {
				return bench.Alarm{State: "OK"}, nil
			}
			return on, nil
		}, "the alarm a went off: 7 errors", 15 * time.Second},
		"it is not read for a while": {func() (bench.Alarm, error) {
			if since() < 20*time.Second {
				return bench.Alarm{}, errors.New("throttled")
			}
			return bench.Alarm{State: "OK"}, nil
		}, "", 0},
		"it cannot be read any more": {func() (bench.Alarm, error) { return bench.Alarm{}, errors.New("access denied") }, "could not be read, and an alarm that nobody sees guards nothing: access denied", 40 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began = clock.Real{}.Now()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				why, at := "", time.Duration(0)
				r := &Run{opts: Options{Cloud: alarms{c.read}, Clock: clock.Real{}}}
				r.guardByAlarm(ctx, "a", func(w string) { why, at = w, since() })
				if (c.by == 0) != (why == "") || at > c.by || !strings.Contains(why, c.want) {
					t.Errorf("ended after %v: %q; want %q by %v", at, why, c.want, c.by)
				}
			})
		})
	}
}

// TestAPlanMustNotCostMoreThanIsAllowed: of all agents together, and what an attempt may
// cost follows from it.
func TestAPlanMustNotCostMoreThanIsAllowed(t *testing.T) {
	_, prices := cost.List()
	check := func(limit string, share bench.Share) (*Run, error) {
		t.Helper()
		s, err := scenarios.Parse("x.yaml", []byte(`load: [{name: steady, for: 500s, rate: 1000/s}]
processor: {concurrency: 100, work: 0ms}
table: {shards: 100}
target: {url: "http://x", items: {table: i}, results: {table: r}, limits: {cost: `+limit+`}}
`), nil)
		if err != nil {
			t.Fatal(err)
		}
		r := &Run{opts: Options{Scenario: s, Prices: prices, Share: share}, id: "k3v9x2ab"}
		r.plan = scenarios.NewPlan(s, r.id, 0, 0).Share(share)
		return r, r.checkCost()
	}
	// Half a million: API Gateway 1.75, writes 0.625, invocations and their time 0.10, reads by id 0.25.
	r, err := check("5 USD", bench.Share{})
	if err != nil || r.attemptCost*500_000 < 2.5 || r.attemptCost*500_000 > 3 || r.costLimit != 5 {
		t.Errorf("%v; %.3f USD in all, limit %v", err, r.attemptCost*500_000, r.costLimit)
	}
	if _, err := check("2 USD", bench.Share{}); err == nil || !strings.Contains(err.Error(), "the plan of 500000 requests costs 2.") || !strings.Contains(err.Error(), "over the limit of 2 USD") {
		t.Errorf("over the limit: %v", err)
	}
	if _, err := check("2 USD", bench.Share{Agent: 1, Of: 2}); err == nil {
		t.Error("half of what is too much is let pass")
	}
	if r, err := check("5 USD", bench.Share{Agent: 2, Of: 2}); err != nil || r.costLimit != 2.5 {
		t.Errorf("%v; half of the load may cost %v", err, r.costLimit)
	}
}
