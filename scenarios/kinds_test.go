package scenarios

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

const mixed = minimal + `workload: {payload: 100B}
request:
  headers: {X-All: "1"}
  kinds:
    - {name: read-back, weight: 0.5, headers: {X-One: "2"}, body: '{"id":"{{.ID}}","n":{{.Seq}}}'}
    - {name: plain}
    - {name: large, weight: 2.5, payload: 1KB}
`

func TestRequestKinds(t *testing.T) {
	s := mustParse(t, mixed)
	all := s.RequestKinds()
	if h := all[0].Headers; h["X-All"] != "1" || h["X-One"] != "2" || len(s.Request.Headers) != 2 {
		t.Errorf("headers %v of the first kind, %v of all", h, s.Request.Headers)
	}
	p, again, other := NewPlan(s, testRun, 0, 1), NewPlan(s, testRun, 0, 1), NewPlan(s, testRun, 0, 2)
	const n = 20_000
	counts, differ := [3]float64{}, 0
	for seq := range uint64(n) {
		kind := p.Kind(seq)
		counts[kind]++
		if again.Kind(seq) != kind {
			t.Fatalf("request %d is of another kind when asked again", seq)
		}
		if other.Kind(seq) != kind {
			differ++
		}
		if seq > 200 {
			continue
		}
		size := map[int]int{0: 100, 1: 100, 2: 1024}[kind]
		if got := len(p.Request(seq).Payload); got != size {
			t.Errorf("request %d, of kind %d, has a payload of %d bytes, want %d", seq, kind, got, size)
		}
		body := string(p.Body(seq))
		if has := strings.Contains(body, `"n":`); has != (kind == 0) {
			t.Errorf("request %d, of kind %d, has the body %s", seq, kind, body)
		}
	}
	for kind, share := range []float64{0.125, 0.25, 0.625} {
		if want := share * n; math.Abs(counts[kind]-want) > 5*math.Sqrt(want) {
			t.Errorf("%v requests of kind %d, want about %v", counts[kind], kind, want)
		}
	}
	if differ < n/4 {
		t.Errorf("another seed draws the same kinds: %d of %d differ", differ, n)
	}
	if one := mustParse(t, minimal).RequestKinds(); len(one) != 1 || one[0].Name != "" || one[0].Path != "/items" {
		t.Errorf("kinds %+v where none is told apart", one)
	}
	if back := mustParse(t, string(s.YAML())); len(back.Request.Kinds) != 3 || back.Request.Kinds[2].Payload != 1024 {
		t.Errorf("kinds came back as %+v", back.Request.Kinds)
	}
}

// A system of somebody else takes what it takes; only what is looked for in tables
// must be able to get there.
func TestKindsOfASystemOfSomebodyElse(t *testing.T) {
	const kinds = "name: t\nload: [{name: all, for: 5s, rate: 10/s}]\nrequest: {kinds: [{name: a, path: /a, method: PUT}, {name: b, path: /b/c, method: %s}]}\n" +
		"guarantee: {effects: none}\ntarget: {url: 'http://127.0.0.1:1'%s}\nexpect: [response_time.p99 < 1s of b, acknowledged == 100%% of a]\n"
	s, err := Parse("s.yaml", fmt.Appendf(nil, kinds, "GET", ""), nil)
	if err != nil {
		t.Fatal(err)
	}
	if all := s.RequestKinds(); all[0].Method != "PUT" || all[0].Path != "/a" || all[1].Method != "GET" || all[1].Path != "/b/c" {
		t.Errorf("kinds %+v", all)
	}
	_, err = Parse("s.yaml", fmt.Appendf(nil, kinds, "GET", ", items: {table: x}"), nil)
	if err == nil || !strings.Contains(err.Error(), "request.kinds[1].method: GET writes nothing that could be looked for") {
		t.Errorf("%v", err)
	}
	_, err = Parse("s.yaml", fmt.Appendf(nil, strings.ReplaceAll(kinds, "of b", "of c"), "GET", ""), nil)
	if err == nil || !strings.Contains(err.Error(), `no kind of request.kinds is named "c"`) {
		t.Errorf("%v", err)
	}
}

func TestKindsThatCannotBe(t *testing.T) {
	for kinds, want := range map[string]string{
		"{weight: 1}":                    "request.kinds[0].name: \"\" is no name",
		"{name: a}, {name: a}":           "request.kinds[1].name: \"a\" is the name of an earlier kind",
		"{name: a, body: 'x'}":           "request.kinds[0].body: it carries neither",
		"{name: a, path: /other}":        "request.kinds[0].path: \"/other\" is not gateway.path",
		"{name: a, method: PUT}":         "request.kinds[0].method: PUT: the API that ackproof starts takes POST alone",
		"{name: a, method: FETCH}":       "request.kinds[0].method: \"FETCH\" is no method",
		"{name: a, payload: 1MB}":        "request.kinds[0].payload: 1MB is out of range",
		"{name: a, headers: {'a b': x}}": "request.kinds[0].headers.a b: no valid HTTP header",
		"{name: a, wieght: 2}":           "did you mean weight?",
		"{name: a, weight: x}":           "request.kinds[0].weight: \"x\" is no number",
	} {
		_, err := Parse("s.yaml", []byte(minimal+"request: {kinds: ["+kinds+"]}\n"), nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", kinds, err, want)
		}
	}
}
