package gateway

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestRender(t *testing.T) {
	const body = `{"id":"k1","n":12345678901234567890123456789012345678,"flag":true,"nil":null,"q":"a\"b","apos":"it's",
		"deep":{"a b":[{"x":"in"},2]},"u":"ü😀\n/"}`
	v := values{body: []byte(body), requestID: "req-1", table: "items"}
	tests := []struct{ template, want string }{
		{`plain # $ $5 #1 \x text`, `plain # $ $5 #1 \x text`},
		{`$input.json('$.id')`, `"k1"`},
		{`$input.json("$.id")`, `"k1"`},
		{`$input.path('$.id')`, `k1`},
		{`$input.path('$.id').`, `k1.`},
		{`[$input.path( '$.n' )]`, `[12345678901234567890123456789012345678]`},
		{`$input.json('$.n')`, `12345678901234567890123456789012345678`},
		{`$input.path('$.flag')`, `true`},
		{`<$input.path('$.nil')>`, `<>`},
		{`$input.json('$.nil')`, `null`},
		{`<$input.path('$.missing.too')>`, `<>`},
		{`$input.json('$.missing')`, `""`},
		{`$input.json('$.deep["a b"][0].x')`, `"in"`},
		{`$input.json("$['deep']['a b'][1]")`, `2`},
		{`$input.json('$.deep["a b"][2]')`, `""`},
		{`$input.json('$.id.x')`, `""`},
		{`$input.path('$.q')`, `a"b`},
		{`$util.escapeJavaScript($input.path('$.q'))`, `a\"b`},
		{`$util.escapeJavaScript( $input.path('$.apos') )`, `it\'s`},
		{`$util.escapeJavaScript($input.path('$.apos')).replaceAll("\\'","'")`, `it's`},
		{`$util.escapeJavaScript($input.path('$.u'))`, `\u00FC\uD83D\uDE00\n\/`},
		{`$input.body`, body},
		{`$context.requestId/$stageVariables.itemsTable`, `req-1/items`},
	}
	for _, tt := range tests {
		parsed, errs := parseTemplate(tt.template)
		if len(errs) > 0 {
			t.Errorf("%s: %v", tt.template, errs)
			continue
		}
		got, err := parsed.render(v)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: got %s, %v, want %s", tt.template, got, err, tt.want)
		}
	}
}

func TestRenderRefusesTheBody(t *testing.T) {
	tests := []struct{ template, body, want string }{
		{`$input.json('$')`, `{"a":`, "Could not parse request body into json"},
		{`$input.json('$')`, `{"a":1}{}`, "Could not parse request body into json"},
		{`$input.json('$')`, `nope`, "Could not parse request body into json"},
		{`$input.path('$')`, `{"a":1}`, "use $input.json"},
		{`$input.path('$.a')`, `{"a":[1]}`, "use $input.json"},
	}
	for _, tt := range tests {
		parsed, errs := parseTemplate(tt.template)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		if _, err := parsed.render(values{body: []byte(tt.body)}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s of %s: error %v, want %q in it", tt.template, tt.body, err, tt.want)
		}
	}
}

func TestRenderEmptyBody(t *testing.T) {
	for template, want := range map[string]string{`$input.body`: `{}`, `$input.json('$.a')`: `""`, `<$input.path('$')>`: `<>`} {
		parsed, errs := parseTemplate(template)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		if got, err := parsed.render(values{}); err != nil || string(got) != want {
			t.Errorf("%s of nothing: %s, %v, want %s", template, got, err, want)
		}
	}
}

func TestCheck(t *testing.T) {
	tests := []struct {
		template string
		want     []string
	}{
		{DefaultTemplate, nil},
		{``, []string{"it is empty"}},
		{"x\n  #set", []string{"line 2, column 3: the directive #set"}},
		{"#{if}", []string{"the directive #if"}},
		{"é #foreach(1)\n$nope $input.json('$.a')", []string{"line 1, column 3: the directive #foreach", "line 2, column 1: the reference $nope"}},
		{"## hm", []string{"##"}},
		{`\$input.body`, []string{`the escape \$`}},
		{"${input.body}", []string{"the form ${"}},
		{"$!input.body", []string{"the form $!"}},
		{"$input.params('a')", []string{"$input.params is not modelled"}},
		{"$input.json", []string{"wants one quoted JSONPath"}},
		{"$input.json()", []string{"wants one quoted JSONPath"}},
		{"$input.json('$.a'", []string{"wants one quoted JSONPath"}},
		{"$input.json('$.a", []string{"wants one quoted JSONPath"}},
		{"$input.json('a')", []string{"begins with $"}},
		{"$input.json('$..a')", []string{"plain member names"}},
		{"$input.json('$.a[*]')", []string{"want ['name'] or [0]"}},
		{"$input.json('$.a[-1]')", []string{"want ['name'] or [0]"}},
		{"$input.path('$.a').b", []string{"behind the reference"}},
		{"$input.path('$.a').size()", []string{"behind the reference"}},
		{"$input.path('$.a')[0]", []string{"behind the reference"}},
		{"$stageVariables.other", []string{"one variable, itemsTable"}},
		{"$stageVariables", []string{"$stageVariables is not modelled"}},
		{"$util.escapeJavaScript('x')", []string{"wants one reference"}},
		{"$util.escapeJavaScript($input.body", []string{"closing parenthesis"}},
		{"$util.escapeJavaScript(", []string{"wants one reference"}},
		{"$util.urlEncode($input.body)", []string{"$util.urlEncode is not modelled"}},
		{"\xff", []string{"not UTF-8"}},
		{strings.Repeat("x", maxTemplate+1), []string{"307201 bytes"}},
	}
	for _, tt := range tests {
		errs := Check(tt.template)
		if len(errs) != len(tt.want) {
			t.Errorf("Check(%.40q) = %v, want %d errors", tt.template, errs, len(tt.want))
			continue
		}
		for i, err := range errs {
			if !strings.Contains(err.Error(), tt.want[i]) {
				t.Errorf("Check(%.40q): %q, want %q in it", tt.template, err, tt.want[i])
			}
		}
	}
}

// hostile are bodies that try to break out of the string they are put in.
var hostile = []string{
	`{"id":"a","payload":"b"}`,
	`{"id":"a\"},\"admin\":{\"BOOL\":true},\"x\":{\"S\":\"","payload":"b"}`,
	`{"id":"line\nbreak\u0000\u2028","payload":"\\\\\""}`,
	`{"id":"ünï😀","payload":"\ud83d"}`,
	`{"payload":"no id"}`,
	`{"id":{"S":"x"},"payload":["a"]}`,
	`{"id":1,"payload":null}`,
	`[]`, `"text"`, `null`, `7`, ``, ` `, `{}`,
	`{"id":"a","id":"b"}`,
	"{\"id\":\"\t\"}", `not json`, `{"id":`,
	`{"id":"$input.body #set($a=1)","payload":"$context.requestId"}`,
}

// checkDefault says what must hold of the default template for any body: the
// request is refused, or it is JSON with the two attributes and no third.
func checkDefault(t *testing.T, body string) {
	parsed, errs := parseTemplate(DefaultTemplate)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	out, err := parsed.render(values{body: []byte(body), table: "items"})
	if err != nil {
		if !errors.Is(err, errNotJSON) {
			t.Errorf("body %q: %v", body, err)
		}
		return
	}
	var put struct {
		TableName string
		Item      map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(out, &put); err != nil {
		t.Fatalf("body %q renders %s: %v", body, out, err)
	}
	if put.TableName != "items" || len(put.Item) != 2 || len(put.Item["id"]) != 1 || len(put.Item["payload"]) != 1 {
		t.Errorf("body %q renders another item than the template's: %s", body, out)
	}
	var in map[string]any
	_ = json.Unmarshal([]byte(body), &in) // not an object: no id, hence the empty one
	if id, ok := in["id"].(string); ok {
		var got string
		if err := json.Unmarshal(put.Item["id"]["S"], &got); err != nil || got != id {
			t.Errorf("body %q: id %q became %q, %v", body, id, got, err)
		}
	}
}

func TestDefaultTemplateHostileBodies(t *testing.T) {
	for _, body := range hostile {
		checkDefault(t, body)
	}
}

// TestPathInjects shows why the default template does not use $input.path: the
// trap is modelled, so that a scenario can fall into it as on AWS.
func TestPathInjects(t *testing.T) {
	parsed, errs := parseTemplate(`{"Item":{"id":{"S":"$input.path('$.id')"}}}`)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	out, err := parsed.render(values{body: []byte(`{"id":"a\"},\"admin\":{\"S\":\"yes"}`)})
	if want := `{"Item":{"id":{"S":"a"},"admin":{"S":"yes"}}}`; err != nil || string(out) != want {
		t.Errorf("got %s, %v, want %s", out, err, want)
	}
}

func FuzzTemplate(f *testing.F) {
	for _, s := range []string{DefaultTemplate, "$", "#", `\`, "$input", "$input.json('$.a[0]['", "$util.escapeJavaScript($input.body)", "#set(", "${", "$input.path('$'))"} {
		f.Add(s, `{"a":["b"]}`)
	}
	f.Fuzz(func(t *testing.T, src, body string) {
		parsed, errs := parseTemplate(src)
		if (parsed == nil) == (len(errs) == 0) {
			t.Fatalf("template %v with errors %v", parsed, errs)
		}
		if parsed == nil {
			return
		}
		out, err := parsed.render(values{body: []byte(body)})
		if err != nil {
			return
		}
		if !slices.ContainsFunc(parsed.segments, func(s segment) bool { return s.kind != kindText }) && string(out) != src {
			t.Errorf("text %q rendered as %q", src, out)
		}
	})
}

func FuzzDefaultTemplateBody(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(checkDefault)
}

func FuzzPath(f *testing.F) {
	for _, s := range []string{"$", "$.a.b", "$['a b'][0]", "$[", "$..", "$.a]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parsePath(s)
		if err != nil {
			return
		}
		for _, st := range p {
			if st.name != nil && strings.Contains(*st.name, "'") {
				return // the printed form has single quotes
			}
		}
		q, err := parsePath(p.String())
		if err != nil || q.String() != p.String() {
			t.Errorf("%q prints as %s, which reads as %s, %v", s, p, q, err)
		}
	})
}
