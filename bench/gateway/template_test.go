package gateway

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestRender(t *testing.T) {
	const body = `{"id":"k1","n":12345678901234567890123456789012345678,"flag":true,"nil":null,"q":"a\"b","apos":"it's",
		"deep":{"a b":[{"x":"in"},2]},"u":"ü😀\n/","list":[1,"two",{"k":[true,null]}],"map":{"z":1,"a":{"y":"v"}},"empty":""}`
	httpRequest := httptest.NewRequest("POST", "http://api.example/items?a=1&a=2&b=x%20y", nil)
	httpRequest.Header.Set("X-Tenant", "blue")
	v := values{body: []byte(body), requestID: "req-1", table: "items", path: "/items", http: httpRequest, now: time.UnixMilli(1_700_000_000_123)}
	tests := []struct{ template, want string }{
		// Text.
		{`plain # $ $5 #1 \x #fff text`, `plain # $ $5 #1 \x #fff text`},
		{`\$input.body \\$context.stage \#set \\#if(true)x#end`, `$input.body \prod #set \x`},
		{"a## note\nb#* c\n *#d #[[ $x #if ]]#", "abd  $x #if "},
		{"  #set($a = 1)  \n$a\n#if(true)\nyes\n#end\nend", "1\nyes\nend"},
		// $input and JSON.
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
		{`$input.path('$.list')`, `[1,"two",{"k":[true,null]}]`},
		{`$input.path('$.map')`, `{z=1, a={y=v}}`},
		{`$input.path('$').map.a.y ${input.path('$').deep.get('a b').get(1)}`, `v 2`},
		{`$input.body`, body},
		// Escapes.
		{`$util.escapeJavaScript($input.path('$.q'))`, `a\"b`},
		{`$util.escapeJavaScript( $input.path('$.apos') )`, `it\'s`},
		{`$util.escapeJavaScript($input.path('$.apos')).replaceAll("\\'","'")`, `it's`},
		{`$util.escapeJavaScript($input.path('$.u'))`, `\u00FC\uD83D\uDE00\n\/`},
		{`$util.base64Encode("ü $input.path('$.id')") $util.base64Decode('w7w=')`, `w7wgazE= ü`},
		{`$util.urlEncode('a b&ü') $util.urlDecode('a+b%26')`, `a+b%26%C3%BC a b&`},
		{`#set($j = $util.parseJson('{"a":[{"b":7}]}'))$j.a[0].b`, `7`},
		// $context, parameters and stage variables.
		{`$context.requestId/$stageVariables.itemsTable/$stageVariables['itemsTable']/$stageVariables.get('itemsTable')`, `req-1/items/items/items`},
		{`$context.extendedRequestId $context.httpMethod $context.resourcePath $context.path $context.stage`, `req-1 POST /items /prod/items prod`},
		{`$context.identity.sourceIp $context.domainPrefix $context.requestTimeEpoch $context.requestTime`, `192.0.2.1 api 1700000000123 14/Nov/2023:22:13:20 +0000`},
		{`<$context.identity.apiKey$context.authorizer.principalId>`, `<>`},
		{`$input.params('a') $input.params('b') $input.params('x-tenant') <$input.params('nope')>`, `2 x y blue <>`},
		{`#foreach($k in $input.params().querystring.keySet())$k=$input.params().querystring.get($k);#end`, `a=2;b=x y;`},
		{`$input.params().header['X-Tenant'] $input.params().path.size()`, `blue 0`},
		// Quiet and formal references.
		{`$!input.path('$.id') ${context.stage}s $!{stageVariables.itemsTable}x <$!input.path('$.missing')>`, `k1 prods itemsx <>`},
		// #set, arithmetic, comparison.
		{`#set($x = 1 + 2 * 3 - 8 / 3 % 2)$x`, `7`},
		{`#set($x = (1 + 2) * 3)$x #set($y = 7 / 2.0)$y #set($z = $x - 4)$z`, `93.55`},
		{`#set($x = 9223372036854775807 + 1)$x`, `9223372036854776000.0`},
		{`#set($x = "a" + 1 + true)$x #set($y = $x.length())$y`, `a1true6`},
		{`#set($x = 1)#set($x = 1 / 0)$x`, `1`}, // nothing is not set
		{`#if(1 < 2 && 2 <= 2 and 3 > 2 && 3 ge 3 && 1 != 2)y#end`, `y`},
		{`#if(!(1 == 1.0) || "a" == 'b' or not true)y#{else}n#end`, `n`},
		{`#if($input.path('$.n') > 5 && $input.path('$.flag') == "true")y#end`, `y`},
		{`#if("a" < "b")y#{else}n#end`, `n`},
		// #if.
		{`#if($input.path('$.missing'))a#elseif($input.path('$.empty'))b#{else}c#end`, `b`},
		{`#if($input.path('$.missing') == $null)none#end#if("$!input.path('$.empty')" == "")empty#end`, `noneempty`},
		{`#if(false)a#{elseif}(false)b#else c#end`, ` c`},
		// #foreach.
		{`[#foreach($e in $input.path('$.list'))$foreach.index:$e#if($foreach.hasNext),#end#end]`, `[0:1,1:two,2:{k=[true,null]}]`},
		{`#foreach($e in [3..1])$velocityCount$e$foreach.first$foreach.last #end`, `13truefalse 22falsefalse 31falsetrue `},
		{`#foreach($v in {"a": 1, "b": [2]})$v#end#foreach($e in $input.path('$.map').entrySet()) $e.key=$e.getValue()#end`, `1[2] z=1 a={y=v}`},
		{`#foreach($a in [1, 2])#foreach($b in ["x"])$foreach.parent.count$b#end#end`, `1x2x`},
		{`#set($e = 0)#foreach($e in [1])$e#end$e<$foreach.index>#foreach($x in 5)no#end`, `10<>`},
		// Methods.
		{`#set($s = " aBc,d ")$s.trim().toUpperCase()|$s.trim().split(",").size()|$s.indexOf("B")|$s.lastIndexOf("z")|$s.isEmpty()`, `ABC,D|2|2|-1|false`},
		{`#set($s = "key#42")$s.substring(4)|$s.substring(0, 3)|$s.charAt(1)|$s.contains("#")|$s.startsWith("key")|$s.endsWith("k")`, `42|key|e|true|true|false`},
		{`#set($s = "a1b22")$s.replaceAll("([0-9]+)", "<$1>")|$s.replaceFirst("[0-9]", "\$")|$s.replace("b", "x")|$s.matches("a.*2")|$s.matches("a")`, `a<1>b<22>|a$b22|a1x22|true|false`},
		{`#set($s = "😀x")$s.length() $s.indexOf("x") $s.equals("😀x") $s.equalsIgnoreCase("😀X") $s.concat("y")`, `3 2 true true 😀xy`},
		{`#set($l = [])#set($void = $l.add("a"))#set($void = $l.add(2))$l $l.size() $l.contains(2) $l.indexOf("q") $l[-1] $l.get(0) $l.isEmpty()`, `[a, 2] 2 true -1 2 a false`},
		{`#set($m = {})#set($m.a = 1)#set($m["b"] = "x")#set($void = $m.put("c", [1]))$m $m.keySet() $m.values() $m.containsKey("a") $m.size()`, `{a=1, b=x, c=[1]} [a, b, c] [1, x, [1]] true 3`},
		{`#set($l = [1, 2, 3])$l.remove(0)$l.set(0, 9)$l #set($l[1] = 8)$l #set($m = {"a": 1})$m.remove("a")$m`, `12[9, 3][9, 8]1{}`},
		{`#set($n = $util.parseJson("1.9"))$n.intValue()$n.substring(1)`, `1`},
	}
	for _, tt := range tests {
		parsed, errs := parseTemplate(tt.template)
		if len(errs) > 0 {
			t.Errorf("%s: %v", tt.template, errs)
			continue
		}
		got, err := parsed.render(v)
		if err != nil || string(got.body) != tt.want {
			t.Errorf("%s: got %s, %v, want %s", tt.template, got.body, err, tt.want)
		}
	}
}

func TestRenderOverride(t *testing.T) {
	parsed, errs := parseTemplate(`#set($context.responseOverride.status = 429)#set($context.responseOverride.header.X-A = "b" + 1)x`)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	got, err := parsed.render(values{})
	if err != nil || got.status != 429 || got.header["X-A"] != "b1" || string(got.body) != "x" {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestRenderFails: errors of the body are told from those of the template.
func TestRenderFails(t *testing.T) {
	double := `#set($s = "0123456789abcdef")` + strings.Repeat(`#set($s = $s + $s)`, 40)
	nested := `#set($l = [1..1000])#foreach($a in $l)#foreach($b in $l)#foreach($c in $l)$c#end#end#end`
	tests := []struct{ template, body, want string }{
		{`$input.json('$')`, `{"a":`, "Could not parse request body into json"},
		{`$input.json('$')`, `{"a":1}{}`, "Could not parse request body into json"},
		{`$input.json('$')`, `nope`, "Could not parse request body into json"},
		{`$util.parseJson($input.body)`, `nope`, "read JSON"},
		{`$util.base64Decode("=")`, ``, "$util.base64Decode"},
		{`#set($s = "ab")$s.substring(3)`, ``, "outside a text of 2 characters"},
		{`#set($p = "(")#set($s = "ab")$s.matches($p)`, ``, "missing closing )"},
		{`#set($s = "ab")$s.replaceAll("b", "$1")`, ``, "names a group"},
		{`#set($context.responseOverride.status = 1)`, ``, "1 is none"},
		{`#set($context.responseOverride.header.X = $input.body)`, "a\nb", "may leave their line"},
		{`#set($l = [1..1000000])`, ``, "more than 10000 numbers"},
		{`#set($l = [])#set($l[0] = 1)`, ``, "no place 0"},
		{`#set($l = [])#set($void = $l.add($l))$l`, ``, "10 MB"},
		{double, ``, "10 MB"},
		{nested, ``, "too much work"},
		{`$input.json("$input.body")`, `"a..b"`, "begins with $"},
	}
	for _, tt := range tests {
		parsed, errs := parseTemplate(tt.template)
		if len(errs) > 0 {
			t.Errorf("%s: %v", tt.template, errs)
			continue
		}
		if _, err := parsed.render(values{body: []byte(tt.body)}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.60s of %s: error %v, want %q in it", tt.template, tt.body, err, tt.want)
		}
	}
}

// TestForeachEndsAfterThousandTurns is the documented limit.
func TestForeachEndsAfterThousandTurns(t *testing.T) {
	parsed, errs := parseTemplate(`#foreach($i in [1..1500])x#end`)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if got, err := parsed.render(values{}); err != nil || len(got.body) != 1000 {
		t.Errorf("%d turns, %v", len(got.body), err)
	}
}

func TestRenderEmptyBody(t *testing.T) {
	for template, want := range map[string]string{`$input.body`: `{}`, `$input.json('$.a')`: `""`, `<$input.path('$')>`: `<>`} {
		parsed, errs := parseTemplate(template)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		if got, err := parsed.render(values{}); err != nil || string(got.body) != want {
			t.Errorf("%s of nothing: %s, %v, want %s", template, got.body, err, want)
		}
	}
}

func TestCheck(t *testing.T) {
	tests := []struct {
		template string
		want     []string
	}{
		{DefaultTemplate, nil},
		{NoTemplate, nil},
		{``, []string{"it is empty"}},
		{"x\n  #set", []string{`line 2, column 7: want "(" behind #set`}},
		{"é #foreach(1)#end\n$nope $input.json('$.a')", []string{"line 1, column 12: want a variable", "line 2, column 1: nothing sets $nope"}},
		{"#if(true)x", []string{"line 1, column 1: an #if without its #end"}},
		{"#foreach($x in [1])x", []string{"a #foreach without its #end"}},
		{"x#end #else", []string{"column 2: #end without its #if or #foreach", "column 7: #else without"}},
		{"#if(true)#else#elseif(true)#end", []string{"#elseif without"}},
		{"#elsewhere", []string{"write #{else} or #{end}"}},
		{"#macro(x)#end", []string{"#macro is not modelled", "#end without"}},
		{"#foo(1)", []string{"the directive #foo is unknown"}},
		{"#@foo()", []string{"macros are not modelled"}},
		{"#* hm", []string{"never ends: want *#"}},
		{"#[[ hm", []string{"never ends: want ]]#"}},
		{"#set($a = )", []string{"is no value"}},
		{"#set($a = 1 +)", []string{"is no value"}},
		{"#set(a = 1)", []string{"want a variable to set"}},
		{"#set($input.body = 1)", []string{"want a variable, a member of one"}},
		{"#set($context.requestOverride.header.x = 1)", []string{"requestOverride is not modelled"}},
		{"#if($a == 1)#end", []string{"nothing sets $a"}},
		{"#set($a = 99999999999999999999)", []string{"no number of 64 bits"}},
		{"#set($a = 'x)", []string{"has no end"}},
		{"#set($a = [1, 2)", []string{"want , or ]"}},
		{"#set($a = {1 2})", []string{`want ":" behind a key`}},
		{"${input.body", []string{"no closing brace"}},
		{"$input", []string{"$input has body"}},
		{"$input.json", []string{"wants one JSONPath"}},
		{"$input.json()", []string{"wants one JSONPath"}},
		{"$input.json('$.a'", []string{"want , or )"}},
		{"$input.json('$.a", []string{"has no end"}},
		{"$input.json('a')", []string{"begins with $"}},
		{"$input.json('$..a')", []string{"plain member names"}},
		{"$input.json('$.a[*]')", []string{"want ['name'] or [0]"}},
		{"$input.json('$.a[-1]')", []string{"want ['name'] or [0]"}},
		{"$input.path('$.a').hashCode()", []string{"the method hashCode() is not modelled"}},
		{"$input.path('$.a').get()", []string{"get() does not take 0 arguments"}},
		{"$input.path('$.a').matches('(?=x)')", []string{"cannot be used"}},
		{"$input.path('$.a').get(1 + 1)", []string{"compute it with #set before"}},
		{"$stageVariables.other", []string{"the stage has one variable"}},
		{"$stageVariables", []string{"the stage has one variable"}},
		{"$context.nope", []string{"$context.nope is not modelled"}},
		{"$util.escapeJavaScript($input.body", []string{"want , or )"}},
		{"$util.escapeJavaScript(", []string{"a value is missing"}},
		{"$util.qr($input.body)", []string{"$util.qr is unknown"}},
		{"#set($a = \"x $b\")", []string{"nothing sets $b"}},
		{strings.Repeat("#if(true)", 100), []string{"nested deeper than 64"}},
		{"#set($a = " + strings.Repeat("(", 100) + "1" + strings.Repeat(")", 100) + ")", []string{"nested deeper than 64"}},
		{"\xff", []string{"not UTF-8"}},
		{strings.Repeat("x", maxTemplate+1), []string{"307201 bytes"}},
	}
	for _, tt := range tests {
		errs := Check(tt.template)
		if len(errs) != len(tt.want) && !strings.HasPrefix(tt.template, "#if(true)#if") {
			t.Errorf("Check(%.40q) = %v, want %d errors", tt.template, errs, len(tt.want))
			continue
		}
		for i, want := range tt.want {
			if !strings.Contains(errs[i].Error(), want) {
				t.Errorf("Check(%.40q): %q, want %q in it", tt.template, errs[i], want)
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
	if err := json.Unmarshal(out.body, &put); err != nil {
		t.Fatalf("body %q renders %s: %v", body, out.body, err)
	}
	if put.TableName != "items" || len(put.Item) != 2 || len(put.Item["id"]) != 1 || len(put.Item["payload"]) != 1 {
		t.Errorf("body %q renders another item than the template's: %s", body, out.body)
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
	if want := `{"Item":{"id":{"S":"a"},"admin":{"S":"yes"}}}`; err != nil || string(out.body) != want {
		t.Errorf("got %s, %v, want %s", out.body, err, want)
	}
}

func FuzzTemplate(f *testing.F) {
	for _, s := range []string{DefaultTemplate, "$", "#", `\`, "$input", "$input.json('$.a[0]['", "$util.escapeJavaScript($input.body)", "#set(", "${", "$input.path('$'))",
		`#set($a = [1..9])#foreach($x in $a)$x#if($foreach.hasNext),#{else}.#end#end`, `#set($s = "$a" + {"b": -1.5}.b)`, `$input.path('$').a[0].replaceAll("(a)", "$1").split(",")`,
		`#set($l = [])#foreach($i in [1..1000])#set($v = $l.add($l))#end$l`, `#if(!$x.a && (1 < 2 || not true))#elseif(true)#end`, "## c\n#* d *##[[ e ]]#"} {
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
		began := time.Now()
		out, err := parsed.render(values{body: []byte(body)})
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("template %q took %v", src, took)
		}
		if err == nil && !strings.ContainsAny(src, `$#\`) && string(out.body) != src {
			t.Errorf("text %q rendered as %q", src, out.body)
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
