package scenarios

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/ackproof/ackproof/bench"
)

func versionsPlan(t *testing.T, workload string, seed uint64) *Plan {
	t.Helper()
	s, err := Parse("test.yaml", []byte(minimal+"workload: "+workload+"\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return NewPlan(s, testRun, 0, seed)
}

// TestSkew compares how often each key is drawn with what the law says.
func TestSkew(t *testing.T) {
	const n, keys = 200_000, 20
	for skew, exponent := range map[string]float64{"uniform": 0, "zipf": 1, "zipf 0.5": 0.5, "zipf 2": 2} {
		p := versionsPlan(t, fmt.Sprintf("{kind: versions, keys: %d, skew: %s}", keys, skew), 7)
		var drawn [keys]float64
		for seq := range uint64(n) {
			drawn[p.KeyNumber(seq)]++
		}
		sum := 0.0
		for k := range keys {
			sum += math.Pow(float64(k+1), -exponent)
		}
		for k, got := range drawn {
			share := math.Pow(float64(k+1), -exponent) / sum
			if d := math.Abs(got - share*n); d > 5*math.Sqrt(share*n) {
				t.Errorf("%s: key %d was drawn %.0f times, want %.0f", skew, k, got, share*n)
			}
		}
	}
}

// TestKeys: keys are a function of seed and number, and of nothing else; a plan of
// unique items has none.
func TestKeys(t *testing.T) {
	const workload = "{kind: versions, keys: 1000, skew: zipf}"
	draw := func(p *Plan) (all []string) {
		for seq := range uint64(20) {
			all = append(all, p.Key(seq))
		}
		return all
	}
	first, again, other := draw(versionsPlan(t, workload, 1)), draw(versionsPlan(t, workload, 1)), draw(versionsPlan(t, workload, 2))
	if !slices.Equal(first, again) || slices.Equal(first, other) {
		t.Errorf("seed 1 draws %v and %v, seed 2 %v", first, again, other)
	}
	for _, key := range first {
		if k, ok := bench.ParseSharedKey(key); !ok || k.Run != testRun || k.Number >= 1000 || k.String() != key {
			t.Errorf("key %q is read as %+v, %v", key, k, ok)
		}
	}
	p := versionsPlan(t, workload, 1)
	want := fmt.Sprintf(`{"id":"%s","version":"%s","payload":"%s"}`, p.Key(3), p.ID(3), p.Request(3).Payload)
	if got := string(p.Body(3)); got != want {
		t.Errorf("body %s, want %s", got, want)
	}
	if p := versionsPlan(t, "{kind: unique}", 1); p.Keys() != 0 || p.Key(3) != p.ID(3).String() {
		t.Errorf("a plan of unique items has %d keys, and request 3 writes %s", p.Keys(), p.Key(3))
	}
}

func TestSkewText(t *testing.T) {
	for text, want := range map[string]Skew{"uniform": 0, "zipf": 1, "zipf 0.99": 0.99, "zipf 1": 1} {
		var s Skew
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%q is read as %v, %v", text, s, err)
		}
		printed, err := s.MarshalText()
		var again Skew
		if err != nil || again.UnmarshalText(printed) != nil || again != s {
			t.Errorf("%v is printed as %q, %v, and read as %v", s, printed, err, again)
		}
	}
	for _, text := range []string{"", "zipf 0", "zipf -1", "zipf NaN", "zipf +Inf", "zipf  1", "uniform 1", "Zipf", "pareto"} {
		var s Skew
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is read as %v", text, s)
		}
	}
}
