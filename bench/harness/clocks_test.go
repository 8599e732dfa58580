package harness_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/harness"
	"github.com/ackproof/ackproof/bench/processor"
)

// ahead is a clock that is wrong.
type ahead time.Duration

func (a ahead) Now() time.Time { return clock.Real{}.Now().Add(time.Duration(a)) }

// TestAWrongClock: a processor whose clock is wrong makes no other lags than one whose
// clock is right.
func TestAWrongClock(t *testing.T) {
	played := func(off time.Duration) (p50, offset, bound float64, corrected bool) {
		r := play(t, func(env harness.Env) harness.Handler[json.RawMessage, any] {
			cfg, err := processor.FromEnv(env.Getenv)
			if err != nil {
				panic(err)
			}
			return processor.New(cfg, dynamodb.NewFromConfig(env.AWS), ahead(off)).Handle
		}, harness.Options{Scenario: kill, Set: []string{"faults=[]"}, Seed: 7})
		if r.Clock.OffsetMs == nil || r.Lag == nil || r.Lag.P50 == nil {
			t.Fatalf("off by %v: clock %+v, lag %+v", off, r.Clock, r.Lag)
		}
		return *r.Lag.P50, *r.Clock.OffsetMs, *r.Clock.ErrorMs, r.Clock.Corrected
	}
	right, offset, bound, corrected := played(0)
	if math.Abs(offset) > bound || corrected {
		t.Errorf("a right clock: offset %v ± %v ms, corrected %v", offset, bound, corrected)
	}
	for _, off := range []time.Duration{2 * time.Second, -time.Minute} {
		p50, offset, bound, corrected := played(off)
		want := float64(off.Milliseconds())
		if math.Abs(offset-want) > bound || !corrected {
			t.Errorf("a clock off by %v: offset %v ± %v ms, corrected %v", off, offset, bound, corrected)
		}
		if math.Abs(p50-right) > 2*bound {
			t.Errorf("a clock off by %v: a lag of %v ms, that of a right one is %v", off, p50, right)
		}
		t.Logf("off by %v: offset %.1f ± %.1f ms; lag p50 %.1f, with a right clock %.1f", off, offset, bound, p50, right)
	}
}
