package scenarios

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"pgregory.net/rapid"
)

const testRun = bench.RunID("k3v9x2ab")

func TestPlanOfCrash(t *testing.T) {
	s, err := Load(Default, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := NewPlan(s, testRun, 0, 1)
	if p.Len() != 600+6000+3250 || p.Duration() != 20*time.Second {
		t.Errorf("%d requests in %s", p.Len(), p.Duration())
	}
	st := p.Stages()
	for i, want := range []StageInfo{
		{"warm-up", 0, 3 * time.Second, true, 0, 600},
		{"steady", 3 * time.Second, 15 * time.Second, false, 600, 6000},
		{"ramp", 15 * time.Second, 20 * time.Second, false, 6600, 3250},
	} {
		if st[i] != want {
			t.Errorf("stage %d: %+v, want %+v", i, st[i], want)
		}
	}
	for seq, want := range map[uint64]time.Duration{
		0: 0, 1: 5 * time.Millisecond, 600: 3 * time.Second, 601: 3002 * time.Millisecond, 6600: 15 * time.Second,
		// t seconds into the ramp 500·t + 30·t² requests are due: one after 1.99976 ms.
		6600 + 1: 15*time.Second + 1999760*time.Nanosecond, 9850: 20 * time.Second, 1 << 40: 20 * time.Second,
	} {
		if got := p.Due(seq); (got - want).Abs() > 100*time.Nanosecond {
			t.Errorf("request %d is due at %s, want %s", seq, got, want)
		}
	}
}

// drawPlan makes any plan, with its stages.
func drawPlan(t *rapid.T) (*Scenario, *Plan) {
	s := defaults()
	for range rapid.IntRange(1, 5).Draw(t, "stages") {
		stage := Stage{For: time.Duration(rapid.Int64Range(1, 20_000).Draw(t, "ms")) * time.Millisecond}
		from := Rate(rapid.IntRange(0, 30_000).Draw(t, "from")) / 100
		to := Rate(rapid.IntRange(0, 30_000).Draw(t, "to")) / 100
		if rapid.Bool().Draw(t, "constant") {
			stage.Rate = &from
		} else {
			stage.From, stage.To = &from, &to
		}
		s.Load = append(s.Load, stage)
	}
	return s, NewPlan(s, testRun, 0, 1)
}

// area integrates the rate numerically enough for a check: exactly, stage by
// stage, written independently of the plan's solution for time.
func area(s *Scenario, t time.Duration) float64 {
	sum := 0.0
	for _, stage := range s.Load {
		from, to := stage.Rates()
		d := min(t, stage.For).Seconds()
		at := float64(from) + (float64(to)-float64(from))*d/stage.For.Seconds()
		sum += (float64(from) + at) / 2 * d
		if t -= stage.For; t <= 0 {
			break
		}
	}
	return sum
}

func TestPlanProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, p := drawPlan(t)
		if got, want := float64(p.Len()), area(s, p.Duration()); math.Abs(got-want) > 1.001 || got < want-1e-5 {
			t.Fatalf("%v requests, the area is %v", got, want)
		}
		first := int64(0)
		for i, st := range p.Stages() {
			if int64(st.First) != first || st.Count < 0 {
				t.Fatalf("stage %d begins at %d with %d requests, want %d", i, st.First, st.Count, first)
			}
			first += st.Count
		}
		if first != p.Len() {
			t.Fatalf("the stages have %d requests, the plan %d", first, p.Len())
		}
		before := time.Duration(0)
		for seq := range uint64(p.Len()) {
			due := p.Due(seq)
			if due < before {
				t.Fatalf("request %d is due at %s, the one before at %s", seq, due, before)
			}
			before = due
			st := p.Stages()[p.Stage(seq)]
			if due < st.From || due > st.To || seq < st.First || seq >= st.First+uint64(st.Count) {
				t.Fatalf("request %d, due at %s, is outside its stage %+v", seq, due, st)
			}
			if got := area(s, due); math.Abs(got-float64(seq)) > 1e-4 {
				t.Fatalf("request %d is due at %s, where the area is %v", seq, due, got)
			}
			if seq%97 == 0 && (p.DueBefore(due) > int64(seq) || p.DueBefore(due+1) <= int64(seq)) {
				t.Fatalf("request %d is due at %s: %d before, %d just after", seq, due, p.DueBefore(due), p.DueBefore(due+1))
			}
		}
		if p.DueBefore(p.Duration()+time.Nanosecond) != p.Len() {
			t.Fatal("not all are due at the end")
		}
	})
}

func TestRequest(t *testing.T) {
	s := mustParse(t, minimal+"workload: {payload: 333B, poison: [7]}\n"+`request: {body: '{"id":"{{.ID}}","k":"{{ .Key }}","n":{{.Seq}},"p":"{{.Payload}}"}'}`)
	p := NewPlan(s, testRun, 3, 99)
	seen := map[string]bool{}
	for seq := range uint64(1000) {
		r := p.Request(seq)
		if len(r.Payload) != 333 || seen[string(r.Payload)] {
			t.Fatalf("request %d: payload of %d bytes, seen before: %v", seq, len(r.Payload), seen[string(r.Payload)])
		}
		seen[string(r.Payload)] = true
		if got := bytes.HasPrefix(r.Payload, []byte(PoisonPrefix)); got != (seq == 7) {
			t.Errorf("request %d: poisoned %v", seq, got)
		}
		if p.Digest(seq) != bench.DigestOf(r.Payload) {
			t.Errorf("request %d: the digest is not that of its payload", seq)
		}
		var body struct {
			ID, K, P string
			N        uint64
		}
		if err := json.Unmarshal(p.Body(seq), &body); err != nil {
			t.Fatal(err)
		}
		want := bench.ID{Run: testRun, Agent: 3, Seq: seq}
		if body.ID != want.String() || body.K != body.ID || body.N != seq || body.P != string(r.Payload) || r.ID != want || r.Due != p.Due(seq) {
			t.Fatalf("request %d: %+v, body %+v", seq, r, body)
		}
	}
	again, other := NewPlan(s, testRun, 3, 99), NewPlan(s, testRun, 3, 100)
	if !bytes.Equal(again.Body(5), p.Body(5)) || bytes.Equal(other.Body(5), p.Body(5)) {
		t.Error("a body is not a function of its seed")
	}
}

func TestBodyErrors(t *testing.T) {
	for text, want := range map[string]string{"ab{{.Id}}": "character 3", "{{.ID": `"{{" without "}}"`, "{{range}}": "unknown placeholder"} {
		if _, err := parseBody(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func benchPlan(b *testing.B) *Plan {
	s, err := Load(Default, nil)
	if err != nil {
		b.Fatal(err)
	}
	return NewPlan(s, testRun, 0, 1)
}

func BenchmarkBody(b *testing.B) {
	p := benchPlan(b)
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for seq := uint64(0); b.Loop(); seq++ {
		buf = p.AppendBody(buf[:0], seq%9850, 0)
	}
}

func BenchmarkDigest(b *testing.B) {
	p := benchPlan(b)
	for seq := uint64(0); b.Loop(); seq++ {
		p.Digest(seq % 9850)
	}
}

func BenchmarkDue(b *testing.B) {
	p := benchPlan(b)
	for seq := uint64(0); b.Loop(); seq++ {
		p.Due(seq % 9850)
	}
}

// A payload is six bits of chance a character: this is the definition, which no
// faster way of making it may change, since digests of old runs hang on it.
func TestPayloadsAreWhatTheyWere(t *testing.T) {
	for _, size := range []int{0, 1, 9, 10, 11, 32, 256, 1001} {
		s := mustParse(t, fmt.Sprintf("name: x\nload: [{name: a, for: 1s, rate: 10/s}]\nworkload: {payload: %dB, poison: [3]}\n", max(size, 20)))
		s.Workload.Payload = Size(size)
		plan := NewPlan(s, "k3v9x2ab", 0, 99)
		for _, seq := range []uint64{0, 1, 7, 1 << 40} {
			var want []byte
			for i := range size {
				want = append(want, payloadAlphabet[clock.Bits(99, "payload", seq*maxDraws+uint64(i/10))>>(6*(i%10))&63])
			}
			if got := plan.AppendPayload([]byte("x"), seq); string(got) != "x"+string(want) {
				t.Errorf("payload of %d bytes, request %d: %q, want %q", size, seq, got[1:], want)
			}
			if plan.Digest(seq) != bench.DigestOf(want) {
				t.Errorf("payload of %d bytes, request %d: another digest", size, seq)
			}
		}
	}
}
