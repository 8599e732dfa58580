package faults

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func mustParse(t testing.TB, text string) Fault {
	t.Helper()
	f, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestKinds(t *testing.T) {
	for _, k := range Kinds() {
		f := mustParse(t, k.Example)
		if f.Kind != k {
			t.Errorf("%s: its example is of kind %s", k.Name, f.Kind.Name)
		}
		if f.String() != k.Example {
			t.Errorf("%s: example %q prints as %q", k.Name, k.Example, f)
		}
		if place, _, _ := strings.Cut(string(k.Place), "."); !strings.HasPrefix(k.Name, place+".") {
			t.Errorf("%s is not at place %s", k.Name, k.Place)
		}
		if k.About == "" || k.Correct == "" || k.Exposes == "" || (len(k.Ops) == 0) != k.Lever {
			t.Errorf("%s is not described in full", k.Name)
		}
		if s := k.Site(); s.Where == "" || s.Counted == "" || s.Undone == "" {
			t.Errorf("%s: nothing is told of its place %s", k.Name, k.Place)
		}
	}
}

func TestParse(t *testing.T) {
	for _, tt := range []struct{ text, prints string }{
		{"at 5s: processor.kill", "at 5s: processor.kill"},
		{"  at 0s:processor.kill before ", "at 0s: processor.kill"},
		{"at 90s for 60s every 1000ms : processor.kill 50% after-write 3", "at 1m30s for 1m every 1s: processor.kill 50% after-write 3"},
		{"at 1s every 1s for 2s: processor.error after-effects 20%", "at 1s for 2s every 1s: processor.error 20% after-effects"},
		{"at 1h for 1h: invoke.fail 100%", "at 1h for 1h: invoke.fail"},
		{"at 1s: processor.slow by=0.5s", "at 1s: processor.slow by=500ms"},
		{"on Write 25: processor.kill", "on Write 25: processor.kill"},
		{"on PutItem 3 to 9: table.throttle 12.5%", "on PutItem 3 to 9: table.throttle 12.5%"},
		{"on Request 7 to 7: gateway.cut", "on Request 7: gateway.cut"},
		{"on PutItem 7: table.cut mid-answer", "on PutItem 7: table.cut mid-answer"},
		{"at 1s for 2s: results.cut before 5%", "at 1s for 2s: results.cut 5% before"},
		{"at 1s for 2s: exec.run command=block-it", "at 1s for 2s: exec.run command=block-it"},
	} {
		if got := mustParse(t, tt.text).String(); got != tt.prints {
			t.Errorf("%q prints as %q, want %q", tt.text, got, tt.prints)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, tt := range []struct {
		text string
		want []string // each in the error
	}{
		{"", []string{"no colon"}},
		{":", []string{"nothing before the colon", "nothing after the colon"}},
		{"at 5s: procesor.kill", []string{"column 8", `did you mean processor.kill?`}},
		{"at 5s: zzzzzzzzzzzz", []string{"known: processor.kill, processor.error"}},
		{"after 5s: processor.kill", []string{`"after" is no start`}},
		{"at: processor.kill", []string{`"at" wants a duration`}},
		{"at 5: processor.kill", []string{"column 4", `write 5s or 5ms`}},
		{"at -5s: processor.kill", []string{"negative"}},
		{"at 99999h: processor.kill", []string{"longer than 720h"}},
		{"at 5s for 0s: invoke.fail", []string{"zero"}},
		{"at 5s for 6s every 0s: processor.kill", []string{"zero"}},
		{"at 5s every 1s: processor.kill", []string{`"every" wants a "for"`}},
		{"at 5s for 1s every 2s: processor.kill", []string{"longer than for"}},
		{"at 5s for 1s every 1ns: processor.kill", []string{"more than 100000 strikes"}},
		{"at 5s at 6s: processor.kill", []string{`"at" is given twice`}},
		{"at 5s until 6s: processor.kill", []string{`unknown word "until"`}},
		{"at 5s: processor.kill 0%", []string{"above 0%"}},
		{"at 5s: processor.kill 101%", []string{"not above 100%"}},
		{"at 5s: processor.kill 1e1%", []string{"is no share"}},
		{"at 5s: processor.kill 10% 20%", []string{"share is given twice"}},
		{"at 5s: processor.kill after-write", []string{"after-write wants a number"}},
		{"at 5s: processor.kill after-write 0", []string{"from 1 up"}},
		{"at 5s: processor.kill after-writes 1", []string{"did you mean after-write?"}},
		{"at 5s: processor.error after-write 1", []string{"placement of processor.error"}},
		{"at 5s: table.throttle before", []string{"has no placement"}},
		{"at 5s for 1s: processor.slow", []string{"wants by=DURATION"}},
		{"at 5s for 1s: processor.slow bye=1s", []string{"did you mean by?", "wants by=DURATION"}},
		{"at 5s: processor.kill by=1s", []string{`unknown key of processor.kill "by"`}},
		{"on PutItm 5: table.throttle", []string{"did you mean PutItem?"}},
		{"on Invoke 5: mapping.disable", []string{"column 1", "mapping.disable waits for no operation"}},
		{"at 1s: clock.skip", []string{"wants by=DURATION"}},
		{"at 1s for 2s: exec.run", []string{"wants command=NAME"}},
		{"at 1s: exec.run command=a", []string{`wants a "for"`}},
		{"at 1s for 2s every 1s: exec.run command=a", []string{`neither "every" nor a share`}},
		{"at 1s for 2s: exec.run command=a 50%", []string{`neither "every" nor a share`}},
		{"at 1s for 2s: exec.run command=../x", []string{"is no name"}},
		{"on PutItem: table.throttle", []string{"want \"on OPERATION NUMBER\""}},
		{"on PutItem 0: table.throttle", []string{"from 1 up"}},
		{"on PutItem 5 to 4: table.throttle", []string{"4 is below 5"}},
		{"on PutItem 1 to 9999999: table.throttle", []string{"more than 1000000"}},
		{"on Write 5: processor.kill after-write 5", []string{"already where it strikes"}},
		{"at 5 for -1s: processor.kill 200% sideways", []string{"write 5s", "negative", "not above 100%", "sideways"}},
	} {
		_, err := Parse(tt.text)
		if err == nil {
			t.Errorf("%q: no error", tt.text)
			continue
		}
		for _, want := range tt.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q: error lacks %q:\n%v", tt.text, want, err)
			}
		}
	}
}

// drawFault makes any fault that Parse could return.
func drawFault(t *rapid.T) Fault {
	k := rapid.SampledFrom(Kinds()).Draw(t, "kind")
	f := Fault{Kind: k, Share: 100}
	if !k.Whole && rapid.Bool().Draw(t, "partial") {
		f.Share = float64(rapid.IntRange(1, 10_000).Draw(t, "share")) / 100
	}
	for _, key := range k.Keys {
		if key.Word {
			f.Named = rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9._-]{0,9}`).Draw(t, "named")
		} else {
			f.By = time.Duration(rapid.Int64Range(1, int64(time.Hour)).Draw(t, "by"))
		}
	}
	if !k.Lever && rapid.Bool().Draw(t, "numbered") {
		f.On = rapid.SampledFrom(k.Ops).Draw(t, "op")
		f.First = rapid.Uint64Range(1, 1000).Draw(t, "first")
		f.Last = f.First + rapid.Uint64Range(0, 100).Draw(t, "more")
		if len(k.Placements) > 0 && !f.atProcessor() {
			f.Placement = rapid.SampledFrom(k.Placements).Draw(t, "placement")
		}
		return f
	}
	f.At = time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "at"))
	if k.Whole || rapid.Bool().Draw(t, "lasting") {
		f.For = time.Duration(rapid.Int64Range(int64(time.Millisecond), int64(time.Hour)).Draw(t, "for"))
		if !k.Whole && rapid.Bool().Draw(t, "repeated") {
			f.Every = f.For / time.Duration(rapid.Int64Range(1, 50).Draw(t, "times"))
		}
	}
	if len(k.Placements) > 0 {
		f.Placement = rapid.SampledFrom(k.Placements).Draw(t, "placement")
		if f.Placement == AfterWrite {
			f.Writes = rapid.IntRange(1, 1000).Draw(t, "writes")
		}
	}
	return f
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawFault(t)
		back, err := Parse(f.String())
		if err != nil {
			t.Fatal(err)
		}
		if back != f {
			t.Fatalf("%s came back as %s", describe(f), describe(back))
		}
	})
}

func describe(f Fault) string { return fmt.Sprintf("%q %+v", f.String(), f) }

func FuzzParse(f *testing.F) {
	for _, k := range Kinds() {
		f.Add(k.Example)
	}
	f.Add("on Write 5 to 9: processor.kill 3.5%")
	f.Add("at 5 for -1s every: nothing.known 0% =")
	f.Fuzz(func(t *testing.T, text string) {
		fault, err := Parse(text)
		if err != nil {
			return
		}
		back, err := Parse(fault.String())
		if err != nil {
			t.Fatalf("%q prints as %q, which does not parse: %v", text, fault, err)
		}
		if back != fault || back.String() != fault.String() {
			t.Fatalf("%q: %s came back as %s", text, describe(fault), describe(back))
		}
		if len(fault.Strikes()) == 0 {
			t.Fatalf("%q never strikes", text)
		}
	})
}

func TestNearest(t *testing.T) {
	known := []string{"batchSize", "retryCap", "retryBase"}
	for word, want := range map[string]string{"batchsize": "batchSize", "retryBse": "retryBase", "wholly": "", "": ""} {
		if got := Nearest(word, known); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
