package scenarios

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// drawShape makes a stage of any shape but a replay.
func drawShape(t *rapid.T) Stage {
	rate := func(name string) *Rate {
		r := Rate(rapid.IntRange(0, 30_000).Draw(t, name)) / 100
		return &r
	}
	s := Stage{Name: "one", For: time.Duration(rapid.Int64Range(1, 20_000).Draw(t, "ms")) * time.Millisecond, Rate: rate("rate")}
	switch rapid.SampledFrom([]string{"constant", "line", "steps", "spike", "sine"}).Draw(t, "shape") {
	case "line":
		s.Rate, s.From, s.To = nil, rate("from"), rate("to")
	case "steps":
		s.Rate, s.From, s.To, s.Steps = nil, rate("from"), rate("to"), rapid.IntRange(2, 20).Draw(t, "steps")
	case "spike":
		at := time.Duration(rapid.Int64Range(0, int64(s.For)).Draw(t, "at"))
		s.Spike = &Spike{At: at, For: time.Duration(rapid.Int64Range(0, int64(s.For-at)).Draw(t, "long")), Rate: *rate("peak")}
	case "sine":
		s.Sine = &Sine{
			Amplitude: *s.Rate * Rate(rapid.IntRange(0, 100).Draw(t, "of 100")) / 100,
			Period:    time.Duration(rapid.Int64Range(10, 30_000).Draw(t, "period ms")) * time.Millisecond,
		}
	}
	return s
}

// rateAt is what the shape of a stage means, written once more.
func rateAt(s Stage, t time.Duration) float64 {
	from, to := s.Rates()
	part := t.Seconds() / s.For.Seconds()
	switch {
	case s.Steps > 1:
		step := min(s.Steps-1, int(part*float64(s.Steps)))
		return float64(from) + float64(to-from)*float64(step)/float64(s.Steps-1)
	case s.Spike != nil && t >= s.Spike.At && t < s.Spike.At+s.Spike.For:
		return float64(s.Spike.Rate)
	case s.Sine != nil:
		return float64(from) + float64(s.Sine.Amplitude)*math.Sin(2*math.Pi*t.Seconds()/s.Sine.Period.Seconds())
	}
	return float64(from) + float64(to-from)*part
}

// A curve grows as its shape says, and when is its inverse.
func TestCurves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawShape(t)
		c, span := s.curve(), s.For.Seconds()
		const parts = 2000
		sum, least, at := 0.0, 0.0, 0.0
		for i := range parts {
			middle := (float64(i) + 0.5) / parts * span
			sum += rateAt(s, time.Duration(middle*1e9)) * span / parts
			got := c.requests(float64(i+1) / parts * span)
			if got < least-1e-9 {
				t.Fatalf("%v requests by part %d, and %v before", got, i, least)
			}
			if tolerance := 1e-6 + 2*float64(s.Peak())*span/parts; math.Abs(got-sum) > tolerance+0.01*sum {
				t.Fatalf("%v requests by part %d, and its rate adds up to %v", got, i, sum)
			}
			least = got
		}
		for i := range 200 {
			n := c.requests(span) * float64(i) / 200
			when := c.when(n)
			if when < at || when > span*(1+1e-12) {
				t.Fatalf("%v requests are due before %v, fewer before %v; the stage ends at %v", n, when, at, span)
			}
			// A nanosecond more or less must be all that separates them.
			slack := 2e-9*(1+float64(s.Peak())) + 1e-9*n
			if math.Abs(c.requests(when)-n) > slack {
				t.Fatalf("%v requests are due before %v, where it should be %v", c.requests(when), when, n)
			}
			at = when
		}
	})
}

// Whatever the shapes and whatever is random, there are as many requests as the
// rates say, in order, each within its stage, and the same for the same seed.
func TestPlansOfAnyShape(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, total := defaults(), 0.0
		for i := range rapid.IntRange(1, 4).Draw(t, "stages") {
			stage := drawShape(t)
			if rapid.Bool().Draw(t, "random") {
				stage.Arrivals = Poisson
			}
			stage.Name = fmt.Sprint("stage", i)
			total += stage.requests()
			s.Load = append(s.Load, stage)
		}
		p, again := NewPlan(s, testRun, 0, 1), NewPlan(s, testRun, 0, 1)
		if n := float64(p.Len()); n < total-1e-5 || n > total+1.001 {
			t.Fatalf("%v requests planned, the rates say %v", n, total)
		}
		before := time.Duration(0)
		for seq := range uint64(p.Len()) {
			due, st := p.Due(seq), p.Stages()[p.Stage(seq)]
			if due < before || due < st.From || due > st.To {
				t.Fatalf("request %d is due at %v, the one before at %v, its stage is %v to %v", seq, due, before, st.From, st.To)
			}
			if seq%53 == 0 && again.Due(seq) != due {
				t.Fatalf("request %d is due at %v, and at %v when asked again", seq, due, again.Due(seq))
			}
			before = due
		}
	})
}

// The gaps of Poisson arrivals are exponential: the share of gaps longer than x
// means is e^-x, and as many fall into any second as into any other, give or take
// the root.
func TestPoissonArrivals(t *testing.T) {
	s := mustParse(t, "load: [{name: a, for: 100s, rate: 1000/s, arrivals: poisson}]\noverload: true\n")
	p := NewPlan(s, testRun, 0, 7)
	const n = 100_000
	if p.Len() != n {
		t.Fatalf("%d requests, want %d", p.Len(), n)
	}
	var longer [4]int
	seconds := make([]int, 100)
	for seq := range uint64(n - 1) {
		gap := (p.Due(seq+1) - p.Due(seq)).Seconds() * 1000
		for x := range longer {
			if gap > float64(x) {
				longer[x]++
			}
		}
		seconds[min(99, int(p.Due(seq)/time.Second))]++
	}
	for x, k := range longer {
		want := math.Exp(-float64(x)) * n
		if math.Abs(float64(k)-want) > 5*math.Sqrt(want)+2 {
			t.Errorf("%d gaps are longer than %d means, want about %.0f", k, x, want)
		}
	}
	spread := 0.0
	for _, k := range seconds {
		spread += math.Pow(float64(k)-1000, 2) / 1000
	}
	if spread < 60 || spread > 140 { // chi-squared of 99 degrees: 60 to 140 but for one in 500
		t.Errorf("chi-squared of the seconds is %.0f, want about 99", spread)
	}
	if NewPlan(s, testRun, 0, 8).Due(50) == p.Due(50) {
		t.Error("another seed has the same arrivals")
	}
}

func TestReplay(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "a.arrivals")
	// 1 s, 1.5 s, 1.5 s and 4 s after midnight, out of order as access logs are.
	text := "# an access log\n2026-01-02T00:00:01.5Z GET /a\n2026-01-02T00:00:01Z GET /b\n\n2026-01-02T01:00:04+01:00 GET /c\n2026-01-02T00:00:01.5Z\n"
	if err := os.WriteFile(log, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	due := func(replay string, set ...string) []time.Duration {
		t.Helper()
		s, err := Parse(filepath.Join(dir, "s.yaml"), []byte("load: [{name: before, for: 1s, rate: 1/s}, {name: a, "+replay+"}]\n"), set)
		if err != nil {
			t.Fatal(err)
		}
		p := NewPlan(s, testRun, 0, 1)
		all := []time.Duration{}
		for seq := uint64(1); seq < uint64(p.Len()); seq++ {
			all = append(all, (p.Due(seq) - time.Second).Round(time.Millisecond))
		}
		kept, files := s.Kept()
		other := t.TempDir()
		for name, data := range files {
			if err := os.WriteFile(filepath.Join(other, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		back, err := Parse(filepath.Join(other, "scenario.yaml"), kept.YAML(), nil)
		if err != nil {
			t.Fatalf("%v\n%s", err, kept.YAML())
		}
		if q := NewPlan(back, testRun, 0, 1); q.Len() != p.Len() || q.Due(2) != p.Due(2) || q.Duration() != p.Duration() {
			t.Error("what was kept is another plan")
		}
		return all
	}
	const ms = time.Millisecond
	for _, tt := range []struct {
		replay string
		set    []string
		want   []time.Duration
	}{
		{"replay: {file: a.arrivals}", nil, []time.Duration{0, 500 * ms, 500 * ms, 3000 * ms}},
		{"for: 2s, replay: {file: a.arrivals}", nil, []time.Duration{0, 500 * ms, 500 * ms}},
		{"replay: {file: a.arrivals, scale: 2}", nil, []time.Duration{0, 0, 500 * ms, 500 * ms, 500 * ms, 500 * ms, 3000 * ms, 3000 * ms}},
		{"replay: {file: a.arrivals}", []string{"load.scale=0.5"}, []time.Duration{500 * ms}}, // the stage before sends one in two seconds
	} {
		got := due(tt.replay, tt.set...)
		if tt.set != nil {
			got = got[len(got)-1:] // 0.5 requests before, then 2: at 0 s and 0.5 s
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s %v: due at %v, want %v", tt.replay, tt.set, got, tt.want)
		}
	}

	if _, err := Parse(filepath.Join(dir, "s.yaml"), []byte("load: [{name: a, replay: {file: a.arrivals, crc: 00000000}}]\n"), nil); err == nil || !strings.Contains(err.Error(), "not the file that it was") {
		t.Errorf("another file than was recorded: %v", err)
	}
}

func TestShapesThatCannotBe(t *testing.T) {
	for stage, want := range map[string]string{
		"for: 1s, rate: 1/s, steps: 3":                                     "load[0].steps: steps lead",
		"for: 1s, from: 1/s, to: 2/s, steps: 1":                            "load[0].steps: 1 is out of range",
		"for: 1s, from: 1/s, to: 2/s, spike: {at: 0s, for: 1s, rate: 9/s}": "load[0].spike: a spike stands on a constant rate",
		"for: 1s, rate: 9/s, spike: {at: 500ms, for: 1s, rate: 9/s}":       "load[0].spike: it ends 1.5s into the stage, which lasts 1s",
		"for: 1s, rate: 9/s, spike: {at: 500ms, rate: 9/s}":                "load[0].spike.for: the spike lasts 0s",
		"for: 1s, rate: 9/s, sine: {amplitude: 10/s, period: 1s}":          "load[0].sine.amplitude: 10/s is more than the rate 9/s",
		"for: 1s, rate: 9/s, sine: {amplitude: 1/s, period: 1ms}":          "load[0].sine.period: 1ms is too short",
		"for: 1s, rate: 9/s, arrivals: poison":                             `load[0].arrivals: "poison" is not known; did you mean poisson?`,
		"for: 1s, rate: 9/s, replay: {file: evening.arrivals}":             "load[0].replay: what is replayed has its own times",
		"replay: {file: nowhere.arrivals}":                                 "load[0].replay.file: ",
		"replay: {}":                                                       "load[0].replay.file: no file",
		"for: 1s, rate: 9/s, expect: ['lost == 0 in a']":                   "load[0].expect[0]: \"lost == 0 in a\": an expectation of a stage",
		"for: 1s, rate: 9/s, expect: ['drain.ms < 1s']":                    "load[0].expect[0]: a stage has no figure",
	} {
		_, err := Parse("s.yaml", []byte("load: [{name: a, "+stage+"}]\n"), nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", stage, err, want)
		}
	}
}

func TestStageExpectations(t *testing.T) {
	s := mustParse(t, "load: [{name: a, for: 1s, rate: 9/s, expect: ['lost == 0']}]\nexpect: ['duplicated == 0']\n")
	var lines []string
	for _, e := range s.Expectations() {
		lines = append(lines, e.String())
	}
	if want := []string{"duplicated == 0", "lost == 0 in a"}; !slices.Equal(lines, want) {
		t.Errorf("expectations %q, want %q", lines, want)
	}
}

func FuzzArrivals(f *testing.F) {
	for _, s := range []string{"1.5s\n0\n", "1\n2\n# x\n", "2026-01-02T00:00:01.5Z GET\n", "1e300", "-1", "\x00", "1700000000.25\t9"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		times, err := parseArrivals(data)
		if err != nil {
			return
		}
		if len(times) == 0 || times[0] != 0 || !slices.IsSorted(times) || times[len(times)-1] > maxDuration {
			t.Errorf("%d times, not in order from 0, or too long", len(times))
		}
	})
}

func BenchmarkDueOfShapes(b *testing.B) {
	for _, shape := range []string{"", ", sine: {amplitude: 900/s, period: 10s}", ", arrivals: poisson"} {
		s, err := Parse("s.yaml", []byte("load: [{name: a, for: 100s, rate: 1000/s"+shape+"}]\noverload: true\n"), nil)
		if err != nil {
			b.Fatal(err)
		}
		p := NewPlan(s, testRun, 0, 1)
		b.Run(strings.Trim(shape, ", "), func(b *testing.B) {
			for i := range b.N {
				p.Due(uint64(i) % 100_000)
			}
		})
	}
}
