package dynamo

import (
	"strings"
	"testing"
)

// read parses the JSON form of an item.
func readItem(t testing.TB, text string) item {
	t.Helper()
	r := &reader{s: text}
	it := r.item(1)
	if r.err != nil {
		t.Fatalf("item %s: %v", text, r.err)
	}
	return it
}

func show(it item) string {
	var w writer
	w.item(it)
	return string(w.b)
}

const sample = `{"a":{"N":"1"},"s":{"S":"hello"},"b":{"B":"AAE="},"t":{"BOOL":true},"nul":{"NULL":true},
	"m":{"M":{"k":{"N":"5"},"l":{"L":[{"S":"x"},{"M":{"y":{"N":"2"}}}]}}},"l":{"L":[{"N":"1"},{"N":"2"},{"N":"3"}]},
	"ss":{"SS":["p","q"]},"ns":{"NS":["1","2.0"]},"big":{"N":"12345678901234567890123456789012345678"},"c.d":{"S":"dot"},"e":{"S":"hé€🎈"}}`

const literals = `{":one":{"N":"1.0"},":two":{"N":"2"},":five":{"N":"5"},":h":{"S":"he"},":x":{"S":"x"},":p":{"S":"p"},":S":{"S":"S"},":t":{"BOOL":true},
	":big":{"N":"12345678901234567890123456789012345679"},":ss":{"SS":["q","p"]},":l":{"L":[{"N":"9"}]},":q":{"SS":["q","z"]},":all":{"SS":["p","q"]},":nul":{"NULL":true},":bad":{"S":"ZZ"}}`

// testEnv holds only the placeholders that the expression uses, as a request
// must.
func testEnv(t testing.TB, x *parsed) *env {
	all := readItem(t, literals)
	e := &env{}
	for _, v := range x.values {
		if e.values == nil {
			e.values = map[string]value{}
		}
		if lit := all.get(v); lit.kind != kindNone {
			e.values[v] = lit
		}
	}
	for _, n := range x.names {
		if e.names == nil {
			e.names = map[string]string{}
		}
		e.names[n] = map[string]string{"#cd": "c.d", "#m": "m", "#a": "a"}[n]
	}
	return e
}

func TestConditions(t *testing.T) {
	it := readItem(t, sample)
	for text, want := range map[string]bool{
		"a = :one": true, "a <> :one": false, "nosuch <> :one": true, "nosuch = :one": false, "nosuch < :one": false, "NOT nosuch < :one": true,
		"a < :two": true, "a <= :one": true, "a > :one": false, "s < :one": false, "s >= :h": true, "big = :big": false, "big < :big": true,
		"a BETWEEN :one AND :two": true, "a between :two and :five": false, "a IN (:two, :one)": true, "a IN (:two)": false,
		"a = :two OR a = :one AND s = :h": false, "(a = :two OR a = :one) AND s >= :h": true, "NOT a = :two AND a = :one": true,
		"attribute_exists(m.k)": true, "attribute_exists(m.l[1].y)": true, "attribute_exists(m.l[9])": false, "attribute_not_exists(m.z)": true,
		"attribute_exists(#cd)": true, "attribute_exists(a.b)": false, "#m.k = :five": true, "attribute_type(s, :S)": true, "attribute_type(a, :S)": false,
		"begins_with(s, :h)": true, "begins_with(a, :h)": false, "contains(s, :h)": true, "contains(ss, :p)": true, "contains(ns, :two)": true, "contains(l, :two)": true,
		"contains(m.l, :x)": true, "contains(ss, :x)": false, "size(s) = :five": true, "size(ss) = :two": true, "size(a) = :one": false, "size(l) > :two": true,
		"size(e) = :five": true, "ss = :ss": true, "t = :t": true, "nul = :nul": true, "m.l[0] = :x": true, "a = l[0]": true, ":one = a": true,
		"((a = :one) OR a = :two) AND (s >= :h)": true,
	} {
		x, err := parse(grammarCondition, text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		e := testEnv(t, x)
		if err := e.check(use{grammarCondition, x}); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := e.holds(it, x.condition); got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}

func TestConditionErrors(t *testing.T) {
	for text, want := range map[string]string{
		"": "can not be empty", "a": "Syntax error", "a = ": "Syntax error", "a = :one b": "Syntax error", "a == :one": "Syntax error", "a = :one)": "Syntax error", "(a = :one": "Syntax error",
		"a ! :one": "Syntax error", "a[x] = :one": "Syntax error", "a = 1": "Syntax error", "((a = :one))": "redundant parentheses", "foo(a)": "Invalid function name",
		"begins_with(a)": "Incorrect number of operands", "attribute_exists(:one)": "document path", "size(a)": "not allowed to be used this way", "a = contains(a, :one)": "not allowed to be used this way",
		"a = a": "must be distinct", "a = :one OR a = :none": "not defined", "if_not_exists(a, :one)": "not allowed", "a < :t": "Incorrect operand type", "begins_with(s, :one)": "Incorrect operand type",
		"a BETWEEN :two AND :one": "upper bound to be greater", "a BETWEEN :one AND :h": "same data type", "attribute_type(a, :bad)": "Invalid attribute type name found; type: ZZ",
		strings.Repeat("a", 5000) + " = :one": "maximum allowed size", "size = :one": "reserved keyword", "m.name = :one": "reserved keyword",
	} {
		x, err := parse(grammarCondition, text)
		if err == nil {
			err = testEnv(t, x).check(use{grammarCondition, x})
		}
		if err == nil || err.Code != codeValidation || !strings.Contains(err.Message, want) {
			t.Errorf("%.60s: got %v, want %q", text, err, want)
		}
	}
}

func TestUpdates(t *testing.T) {
	const old = `{"a":{"N":"1"},"l":{"L":[{"N":"1"},{"N":"2"},{"N":"3"}]},"m":{"M":{"k":{"N":"5"}}},"pk":{"S":"p"},"ss":{"SS":["p","q"]}}`
	for _, c := range []struct{ text, want string }{
		{"SET b = :one", `"b":{"N":"1"}`},
		{"SET a = a + :two, c = a", `"a":{"N":"3"},"c":{"N":"1"}`},
		{"SET a = a - :five", `"a":{"N":"-4"}`},
		{"SET a = if_not_exists(z, :two) + :one", `"a":{"N":"3"}`},
		{"SET l = list_append(l, :l)", `"l":{"L":[{"N":"1"},{"N":"2"},{"N":"3"},{"N":"9"}]}`},
		{"SET l = list_append(:l, l)", `"l":{"L":[{"N":"9"},{"N":"1"},{"N":"2"},{"N":"3"}]}`},
		{"SET l[9] = :two, l[5] = :one", `"l":{"L":[{"N":"1"},{"N":"2"},{"N":"3"},{"N":"1"},{"N":"2"}]}`},
		{"REMOVE l[0], l[1]", `"l":{"L":[{"N":"3"}]}`},
		{"SET l[1] = :five REMOVE l[0], l[9]", `"l":{"L":[{"N":"5"},{"N":"3"}]}`},
		{"SET #m.z.y = :one", "error: document path"},
		{"SET #m.z = :one REMOVE #m.k", `"m":{"M":{"z":{"N":"1"}}}`},
		{"REMOVE z.y", "error: document path"},
		{"REMOVE z, m.z", `"m":{"M":{"k":{"N":"5"}}}`},
		{"ADD a :two, z :five, ss :q", `"a":{"N":"3"},"l":{"L":[{"N":"1"},{"N":"2"},{"N":"3"}]},"m":{"M":{"k":{"N":"5"}}},"pk":{"S":"p"},"ss":{"SS":["p","q","z"]},"z":{"N":"5"}`},
		{"DELETE ss :q", `"ss":{"SS":["p"]}`},
		{"DELETE ss :all", `"pk":{"S":"p"}}`},
		{"DELETE z :all", `"ss":{"SS":["p","q"]}}`},
		{"ADD l :one", "error: incorrect data type"}, {"ADD a :h", "error: Incorrect operand type"}, {"DELETE a :ss", "error: incorrect data type"}, {"SET a = s", "error: does not exist"},
		{"SET a = ss + :one", "error: incorrect data type"}, {"SET a = :h + :one", "error: Incorrect operand type"}, {"SET pk = :one", "error: part of the key"},
		{"SET a = :one, a = :two", "error: overlap"}, {"SET #m.k = :one REMOVE m", "error: overlap"}, {"SET m.k = :one, m[0] = :two", "error: conflict"},
		{"SET a = :one SET b = :two", "error: only be used once"}, {"SET a = size(b)", "error: not allowed"}, {"FOO a", "error: Syntax"}, {"SET a", "error: Syntax"}, {"REMOVE", "error: Syntax"},
		{"SET a = a + a + a", "error: Syntax"},
	} {
		before := readItem(t, old)
		got := func() string {
			x, err := parse(grammarUpdate, c.text)
			if err == nil {
				e := testEnv(t, x)
				if err = e.check(use{grammarUpdate, x}); err == nil {
					if err = x.update.checkKeys(e, func(n string) bool { return n == "pk" }); err == nil {
						var it item
						if it, err = x.update.apply(e, before); err == nil {
							return show(it)
						}
					}
				}
			}
			return "error: " + err.Message
		}()
		ok := strings.Contains(got, c.want)
		if want, isErr := strings.CutPrefix(c.want, "error: "); isErr {
			ok = strings.HasPrefix(got, "error: ") && strings.Contains(got, want)
		}
		if !ok {
			t.Errorf("%s: got %s, want %s", c.text, got, c.want)
		}
		if show(before) != show(readItem(t, old)) {
			t.Fatalf("%s: the old item has changed", c.text)
		}
	}
}

func TestUnusedPlaceholders(t *testing.T) {
	x, err := parse(grammarCondition, "a = :one")
	if err != nil {
		t.Fatal(err)
	}
	u := use{grammarCondition, x}
	one := readItem(t, literals).get(":one")
	for _, c := range []struct {
		env  env
		uses []use
		want string
	}{
		{env{values: map[string]value{":one": one, ":z": one}}, []use{u}, "unused in expressions: keys: {:z}"},
		{env{values: map[string]value{":one": one}, names: map[string]string{"#z": "z"}}, []use{u}, "unused in expressions: keys: {#z}"},
		{env{values: map[string]value{":one": one}, names: map[string]string{}}, []use{u}, "must not be empty"},
		{env{values: map[string]value{":one": one}}, nil, "only be specified when using expressions"},
	} {
		if err := c.env.check(c.uses...); err == nil || !strings.Contains(err.Message, c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}

func TestProjection(t *testing.T) {
	x, err := parse(grammarProjection, "a, m.l[1].y, l[2], l[0], nosuch, m.nosuch")
	if err != nil {
		t.Fatal(err)
	}
	paths, err := (&env{}).paths(x)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"a":{"N":"1"},"l":{"L":[{"N":"1"},{"N":"3"}]},"m":{"M":{"l":{"L":[{"M":{"y":{"N":"2"}}}]}}}}`
	if got := show(project(readItem(t, sample), paths)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestNumbers(t *testing.T) {
	for in, want := range map[string]string{
		"0": "0", "-0": "0", "0.0": "0", "007": "7", "+5": "5", "1.50": "1.5", ".5": "0.5", "5.": "5", "1e3": "1000", "1E-3": "0.001", "-12.5e1": "-125", "100": "100", "1.0": "1",
		"12345678901234567890123456789012345678": "12345678901234567890123456789012345678", "123456789012345678901234567890123456789": "error", "1e125": "1" + strings.Repeat("0", 125),
		"1e126": "error", "1e-130": "0." + strings.Repeat("0", 129) + "1", "1e-131": "error", "": "error", "-": "error", "1e": "error", "1.2.3": "error", "NaN": "error", "Infinity": "error", "0x1": "error",
		" 1": "error", "1e99999999999": "error", ".": "error", "1234567890123456789012345678901234567800": "1234567890123456789012345678901234567800",
	} {
		got, err := canonicalNumber(in)
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
	ascending := []string{"-1000", "-10", "-9.5", "-9", "-0.5", "-0.05", "0", "0.001", "0.01", "0.1", "1", "1.5", "2", "10", "99"}
	for i, a := range ascending {
		for j, b := range ascending {
			if got, want := compareNumbers(a, b), min(1, max(-1, i-j)); got != want {
				t.Errorf("%s and %s: got %d, want %d", a, b, got, want)
			}
		}
	}
	for _, c := range [][3]string{{"0.1", "0.2", "0.3"}, {"99999999999999999999999999999999999999", "1", "1" + strings.Repeat("0", 38)}, {"1e30", "1e-10", "error"}, {"5", "-5", "0"}} {
		a, _ := canonicalNumber(c[0])
		b, _ := canonicalNumber(c[1])
		got, err := addNumbers(a, b, false)
		if err != nil {
			got = "error"
		}
		if got != c[2] {
			t.Errorf("%s + %s: got %s, want %s", c[0], c[1], got, c[2])
		}
	}
}
