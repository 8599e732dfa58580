package scenarios

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func FuzzScenario(f *testing.F) {
	for _, name := range Builtins() {
		source, err := Source(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(source))
	}
	f.Add(minimal)
	f.Add(minimal + "about: |\n  two\n  lines\nrequest: {headers: {X-A: \"\\u2028\"}}\n")
	f.Add("load: &x [*x]\n<<: {a: b}\n? {a: b}\n: !!str c")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse("fuzz.yaml", []byte(text), nil)
		if err != nil {
			return
		}
		back, err := Parse("back.yaml", s.YAML(), nil)
		if err != nil {
			t.Fatalf("%v\n%s", err, s.YAML())
		}
		if diff := cmp.Diff(s, back); diff != "" {
			t.Fatalf("came back different:\n%s\n%s", diff, s.YAML())
		}
	})
}

func FuzzSet(f *testing.F) {
	f.Add("processor.work=5ms")
	f.Add("load[0].rate=1/s")
	f.Add("load.scale=0.1")
	f.Add("request.headers.X=y")
	f.Add("faults=['at 1s: processor.kill']")
	f.Fuzz(func(t *testing.T, assignment string) {
		if s, err := Parse("fuzz.yaml", []byte(minimal), []string{assignment}); err == nil {
			if _, err := Parse("back.yaml", s.YAML(), nil); err != nil {
				t.Fatalf("%v\n%s", err, s.YAML())
			}
		}
	})
}

func FuzzExpectation(f *testing.F) {
	for _, s := range []string{"lost == 0", "recovery < 20s", "requests.unknown <= 1.5%", "lost == 0 in steady", "bitten > 1 for at 5s: processor.kill", "load.offered_rps > 90/m"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := ParseExpectation(text)
		if err != nil {
			return
		}
		back, err := ParseExpectation(e.String())
		if err != nil || back != e {
			t.Fatalf("%q: %+v came back as %+v, %v", text, e, back, err)
		}
		e.Eval(evalResult())
	})
}

func FuzzUnits(f *testing.F) {
	for _, s := range []string{"500/s", "90/m", "4KB", "95%", "10s", "none"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var r, r2 Rate
		if r.UnmarshalText([]byte(text)) == nil {
			if err := r2.UnmarshalText([]byte(r.String())); err != nil || r2 != r {
				t.Fatalf("rate %q: %v, %v, %v", text, r, r2, err)
			}
		}
		var z, z2 Size
		if z.UnmarshalText([]byte(text)) == nil {
			if err := z2.UnmarshalText([]byte(z.String())); err != nil || z2 != z || z < 0 {
				t.Fatalf("size %q: %v, %v, %v", text, z, z2, err)
			}
		}
		var p, p2 Percent
		if p.UnmarshalText([]byte(text)) == nil {
			if err := p2.UnmarshalText([]byte(p.String())); err != nil || p2 != p {
				t.Fatalf("share %q: %v, %v, %v", text, p, p2, err)
			}
		}
		var d, d2 Deadline
		if d.UnmarshalText([]byte(text)) == nil {
			if err := d2.UnmarshalText([]byte(d.String())); err != nil || d2 != d {
				t.Fatalf("deadline %q: %v, %v, %v", text, d, d2, err)
			}
		}
	})
}
