package dynamo

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// Seeds of the grammars; each target also tries those of the others.
var expressionSeeds = []string{
	"a = :one AND (NOT begins_with(s, :h) OR m.l[1].y IN (:one, :two))", "a BETWEEN :one AND :two", "size(e) <> :five", "attribute_type(#cd, :S) or not contains(ss, :p)", "((a = :one) OR a = :two) AND (s >= :h)",
	"SET l[5] = list_append(l, :l), a = if_not_exists(z, :one) + :two REMOVE m.k ADD z :five DELETE ss :q", "REMOVE l[0], l[1]", "SET #m.z = :one - a",
	"a, m.l[0], #cd", "pk = :p AND begins_with(sk, :h)", "sk BETWEEN :h AND :x AND pk = :p", "pk = :p and sk < :x",
}

func (q path) text() string {
	out := ""
	for i, s := range q {
		switch {
		case s.name == "":
			out += fmt.Sprintf("[%d]", s.index)
		case i > 0:
			out += "." + s.name
		default:
			out += s.name
		}
	}
	return out
}

func (o operand) text() string {
	switch o.form {
	case formPath:
		return o.path.text()
	case formValue:
		return o.value
	case formPlus, formMinus:
		return o.args[0].text() + " " + formNames[o.form] + " " + o.args[1].text()
	}
	return formNames[o.form] + "(" + texts(o.args) + ")"
}

func texts(args []operand) string {
	var out []string
	for _, a := range args {
		out = append(out, a.text())
	}
	return strings.Join(out, ", ")
}

func (c *condition) text() string {
	kid := func(k *condition) string {
		if k.op == "AND" || k.op == "OR" {
			return "(" + k.text() + ")"
		}
		return k.text()
	}
	switch c.op {
	case "AND", "OR":
		var out []string
		for _, k := range c.kids {
			out = append(out, kid(k))
		}
		return strings.Join(out, " "+c.op+" ")
	case "NOT":
		return "NOT " + kid(c.kids[0])
	case "BETWEEN":
		return c.args[0].text() + " BETWEEN " + c.args[1].text() + " AND " + c.args[2].text()
	case "IN":
		return c.args[0].text() + " IN (" + texts(c.args[1:]) + ")"
	}
	if _, ok := arity[c.op]; ok {
		return c.op + "(" + texts(c.args) + ")"
	}
	return c.args[0].text() + " " + c.op + " " + c.args[1].text()
}

func (u *update) text() string {
	out, section := "", ""
	for _, a := range u.actions {
		switch {
		case a.section != section:
			out += " " + a.section + " "
		default:
			out += ", "
		}
		section = a.section
		switch section {
		case "SET":
			out += a.path.text() + " = " + a.operand.text()
		case "REMOVE":
			out += a.path.text()
		default:
			out += a.path.text() + " " + a.operand.text()
		}
	}
	return out[1:]
}

func (x *parsed) text() string {
	switch {
	case x.condition != nil:
		return x.condition.text()
	case x.update != nil:
		return x.update.text()
	}
	var out []string
	for _, q := range x.paths {
		out = append(out, q.text())
	}
	return strings.Join(out, ", ")
}

// fuzzGrammar gives a target texts of one grammar that parse, an environment
// for them, and an item to run them on; what they parse to must print as
// something that parses to the same. Nothing may change the item.
func fuzzGrammar(f *testing.F, g grammar, run func(t *testing.T, e *env, x *parsed, it item)) {
	for _, text := range expressionSeeds {
		f.Add(text, sample)
	}
	f.Add("a.b[1] = size(l[0].y)", `{"a":{"M":{"b":{"L":[{"SS":["x"]},{"B":"AA=="}]}}},"l":{"L":[{"M":{"y":{"NS":["1","-2"]}}}]}}`)
	f.Fuzz(func(t *testing.T, text, itemText string) {
		x, err := parse(g, text)
		if err != nil {
			if x != nil || err.Code != codeValidation {
				t.Fatalf("%q: %v beside %v", text, x, err)
			}
			return
		}
		if printed := x.text(); len(printed) <= maxExpression {
			again, err := parse(g, printed)
			if err != nil {
				t.Fatalf("%q prints as %q, and that gives %v", text, printed, err)
			}
			if !reflect.DeepEqual(again, x) {
				t.Fatalf("%q prints as %q, which is another expression", text, printed)
			}
		}
		r := &reader{s: itemText}
		it := r.item(1)
		if r.err != nil || r.fault != nil {
			it = readItem(t, sample)
		}
		e := testEnv(t, x)
		if e.check(use{g, x}) != nil {
			return
		}
		before := show(it)
		run(t, e, x, it)
		if show(it) != before {
			t.Fatalf("%q has changed the old item %s", text, before)
		}
	})
}

// holdsOrNot is what is true of each condition: it holds or its opposite does,
// and it holds of an item however often it is asked.
func holdsOrNot(t *testing.T, e *env, x *parsed, it item) {
	opposite := &condition{op: "NOT", kids: []*condition{x.condition}}
	for _, it := range []item{it, nil} {
		if e.holds(it, x.condition) == e.holds(it, opposite) {
			t.Fatalf("%q is as true of %s as its opposite", x.text(), show(it))
		}
	}
	either := &condition{op: "OR", kids: []*condition{x.condition, opposite}}
	both := &condition{op: "AND", kids: []*condition{x.condition, opposite}}
	if !e.holds(it, either) || e.holds(it, both) {
		t.Fatalf("%q: both or neither of it and its opposite", x.text())
	}
}

// FuzzCondition fuzzes condition expressions.
func FuzzCondition(f *testing.F) { fuzzGrammar(f, grammarCondition, holdsOrNot) }

// FuzzFilter fuzzes filter expressions.
func FuzzFilter(f *testing.F) { fuzzGrammar(f, grammarFilter, holdsOrNot) }

// FuzzUpdate fuzzes update expressions: the new item is one that can be written
// out and read back, and updating is a function of the old item alone.
func FuzzUpdate(f *testing.F) {
	fuzzGrammar(f, grammarUpdate, func(t *testing.T, e *env, x *parsed, it item) {
		if x.update.checkKeys(e, func(string) bool { return false }) != nil {
			return
		}
		out, err := x.update.apply(e, it)
		if err != nil {
			return
		}
		if text := show(out); !readItem(t, text).equal(out) {
			t.Fatalf("%q of %s gives %s, which reads back as another item", x.text(), show(it), text)
		}
		again, err := x.update.apply(e, it)
		if err != nil || !again.equal(out) {
			t.Fatalf("%q of %s gives %s and then %s, %v", x.text(), show(it), show(out), show(again), err)
		}
	})
}

// FuzzProjection fuzzes projection expressions: what is projected once is not
// changed by projecting it again, unless a list has lost elements, whose indexes
// then mean others.
func FuzzProjection(f *testing.F) {
	fuzzGrammar(f, grammarProjection, func(t *testing.T, e *env, x *parsed, it item) {
		paths, err := e.paths(x)
		if err != nil {
			return
		}
		once := project(it, paths)
		for _, a := range once {
			if it.get(a.name).kind != a.value.kind {
				t.Fatalf("%q of %s gives %s", x.text(), show(it), show(once))
			}
		}
		if twice := project(once, paths); !strings.Contains(x.text(), "[") && !twice.equal(once) {
			t.Fatalf("%q of %s gives %s, and of that %s", x.text(), show(it), show(once), show(twice))
		}
	})
}

// FuzzKeyCondition fuzzes key conditions: a Query finds what a Scan finds with
// the same text as its filter.
func FuzzKeyCondition(f *testing.F) {
	e := New(Options{Seed: 1})
	call(f, e, "CreateTable", strings.Replace(createItems, `"AttributeName":"sk","AttributeType":"N"`, `"AttributeName":"sk","AttributeType":"S"`, 1))
	for _, pk := range []string{"p", "x"} {
		for _, sk := range []string{"a", "he", "hello", "hf", "x"} {
			call(f, e, "PutItem", fmt.Sprintf(`{"TableName":"items","Item":{"pk":{"S":%q},"sk":{"S":%q}}}`, pk, sk))
		}
	}
	for _, text := range expressionSeeds {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		x, err := parse(grammarKeyCondition, text)
		if err != nil {
			return
		}
		body := object{"TableName": "items"}
		env := testEnv(t, x)
		names, values := object{}, object{}
		for n, v := range env.names {
			names[n] = v
		}
		for v := range env.values {
			values[v] = literalObject(v)
		}
		if len(names) > 0 {
			body["ExpressionAttributeNames"] = names
		}
		if len(values) > 0 {
			body["ExpressionAttributeValues"] = values
		}
		body["KeyConditionExpression"] = text
		found, err := do(e, epoch, "Query", jsonText(body))
		if err != nil {
			if err.Code != codeValidation && err.Code != codeSerialization {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		delete(body, "KeyConditionExpression")
		body["FilterExpression"] = text
		filtered, err := do(e, epoch, "Scan", jsonText(body))
		if err != nil {
			t.Fatalf("%q is a key condition, and as a filter %v", text, err)
		}
		if a, b := readKeys(t, found.Body), readKeys(t, filtered.Body); !reflect.DeepEqual(a, b) {
			t.Fatalf("%q: the query finds %v, the filter %v", text, a, b)
		}
	})
}

// literalObject gives one of the literals of testEnv as it stands in a request.
func literalObject(name string) any {
	var all object
	if err := json.Unmarshal([]byte(literals), &all); err != nil {
		panic(err)
	}
	return all[name]
}

// readKeys gives the items of an answer in an order of their own.
func readKeys(t *testing.T, body []byte) []any {
	var m struct{ Items []any }
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	return sorted(m.Items)
}
