package dynamo

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"pgregory.net/rapid"
)

// object is a JSON object of a request.
type object = map[string]any

// scene is the table that a program runs on.
type scene struct {
	pk, sk     string // types of the key; sk may be ""
	local      bool   // an index "lsi" on l2 (N)
	global     string // type of the range key of the index "gsi" on g (S); "-": no such index
	projection string // of both
	view       string // of the stream
}

// program is what is played on two engines: a table, and operations on it.
type program struct {
	scene
	moves []move
}

// move is one operation, and the keys that it may write to.
type move struct {
	name string
	body object
	keys []object
}

func (p program) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "CreateTable %s\n", jsonText(p.create("tab", true)))
	for _, o := range p.moves {
		fmt.Fprintf(&b, "%s %s\n", o.name, jsonText(o.body))
	}
	return b.String()
}

// create is the CreateTable of a scene.
func (s scene) create(name string, stream bool) object {
	types := map[string]string{"pk": s.pk}
	schema := func(names ...string) []any {
		out := []any{object{"AttributeName": names[0], "KeyType": "HASH"}}
		for _, n := range names[1:] {
			out = append(out, object{"AttributeName": n, "KeyType": "RANGE"})
		}
		return out
	}
	projection := object{"ProjectionType": s.projection}
	if s.projection == "INCLUDE" {
		projection["NonKeyAttributes"] = []any{"a", "m"}
	}
	keys := []string{"pk"}
	if s.sk != "" {
		keys, types["sk"] = append(keys, "sk"), s.sk
	}
	body := object{"TableName": name, "BillingMode": "PAY_PER_REQUEST", "KeySchema": schema(keys...)}
	if s.local {
		types["l2"] = "N"
		body["LocalSecondaryIndexes"] = []any{object{"IndexName": "lsi", "KeySchema": schema("pk", "l2"), "Projection": projection}}
	}
	if s.global != "-" {
		types["g"] = "S"
		names := []string{"g"}
		if s.global != "" {
			names, types["h"] = append(names, "h"), s.global
		}
		body["GlobalSecondaryIndexes"] = []any{object{"IndexName": "gsi", "KeySchema": schema(names...), "Projection": projection}}
	}
	var definitions []any
	for _, n := range slices.Sorted(maps.Keys(types)) {
		definitions = append(definitions, object{"AttributeName": n, "AttributeType": types[n]})
	}
	body["AttributeDefinitions"] = definitions
	if stream {
		body["StreamSpecification"] = object{"StreamEnabled": true, "StreamViewType": s.view}
	}
	return body
}

// generator draws programs. Small draws are the plain ones, so that what fails
// shrinks to something that can be read.
type generator struct {
	*rapid.T
	scene
	transactions bool
	mistakes     bool // what a service refuses by looking at the request alone
}

func drawProgram(t *rapid.T, transactions, mistakes bool) program {
	g := generator{T: t, transactions: transactions, mistakes: mistakes}
	g.scene = scene{pk: g.pick("S", "S", "N", "B"), sk: g.pick("", "S", "N", "B"), global: g.pick("-", "", "S", "N", "B"),
		projection: g.pick("ALL", "KEYS_ONLY", "INCLUDE"), view: g.pick("NEW_AND_OLD_IMAGES", "NEW_AND_OLD_IMAGES", "NEW_IMAGE", "OLD_IMAGE", "KEYS_ONLY")}
	g.local = g.sk != "" && g.odds(2)
	return program{g.scene, rapid.SliceOfN(rapid.Custom(func(t *rapid.T) move {
		g := g
		g.T = t
		return g.operation()
	}), 20, 60).Draw(t, "operations")}
}

func (g generator) pick(from ...string) string { return rapid.SampledFrom(from).Draw(g.T, "pick") }
func (g generator) upTo(n int) int             { return rapid.IntRange(0, n).Draw(g.T, "n") }

// odds is true one time in n.
func (g generator) odds(n int) bool { return g.upTo(n-1) == n-1 }

// mistake is true one time in n, where there are to be mistakes.
func (g generator) mistake(n int) bool { return g.mistakes && g.odds(n) }

// Texts of scalars. Among the numbers are those that lose digits elsewhere.
var (
	someStrings = []string{"a", "b", "ab", "abc", "é€", "\U0001F388x", "", "with space", "A"}
	someNumbers = []string{"1", "2", "0", "-1", "1.50", "1e2", "100", "-0", "007", "+5", "0.1", "0.2", ".5", "12345678901234567890123456789012345678", "12345678901234567890123456789012345679",
		"1e125", "1e-130", "-1E-5", "99999999999999999999999999999999999999"}
	badNumbers = []string{"", "abc", "1e126", "1e-131", "123456789012345678901234567890123456789", "1.2.3", "NaN", " 1", "0x1"}
	someBytes  = []string{"AQ==", "AAE=", "/w==", "AQI="}
	keyTexts   = map[string][]string{"S": {"a", "b", "ab", "é"}, "N": {"1", "2.0", "-3", "10"}, "B": {"AQ==", "AQI=", "/w=="}}
)

func (g generator) number() string {
	if g.mistake(60) {
		return g.pick(badNumbers...)
	}
	return g.pick(someNumbers...)
}

func (g generator) scalar(kind string) object {
	switch kind {
	case "S":
		return object{kind: g.pick(someStrings...)}
	case "N":
		return object{kind: g.number()}
	}
	return object{"B": g.pick(someBytes...)}
}

// value draws an attribute value, now and then one that is none.
func (g generator) value(depth int) object {
	kinds := []string{"S", "N", "N", "B", "BOOL", "NULL", "SS", "NS", "BS", "L", "M"}
	if depth == 0 {
		kinds = kinds[:6]
	}
	if g.mistake(150) {
		return rapid.SampledFrom([]object{{}, {"X": "1"}, {"S": "a", "N": "1"}, {"SS": []any{}}, {"NS": []any{"1", "1.0"}}, {"SS": []any{"a", "a"}}, {"BS": []any{"AQ==", "AQ=="}}, {"NULL": false}, {"N": 1}, {"S": nil}}).Draw(g.T, "odd")
	}
	switch kind := g.pick(kinds...); kind {
	case "BOOL":
		return object{kind: g.odds(2)}
	case "NULL":
		return object{kind: true}
	case "SS":
		return object{kind: g.set([]string{"a", "b", "ab", "z"})}
	case "NS":
		return object{kind: g.set([]string{"1", "2.0", "-3", "1e2", "12345678901234567890123456789012345678"})}
	case "BS":
		return object{kind: g.set(someBytes)}
	case "L":
		return object{kind: g.list(depth - 1)}
	case "M":
		return object{kind: g.fields(depth - 1)}
	default:
		return g.scalar(kind)
	}
}

func (g generator) set(from []string) []any {
	var out []any
	for _, s := range rapid.SliceOfNDistinct(rapid.SampledFrom(from), 1, 3, rapid.ID[string]).Draw(g.T, "set") {
		out = append(out, s)
	}
	return out
}

func (g generator) list(depth int) []any {
	out := []any{}
	for range g.upTo(3) {
		out = append(out, g.value(depth))
	}
	return out
}

func (g generator) fields(depth int) object {
	out := object{}
	for range g.upTo(2) {
		out[g.pick("k", "l", "n", "c.d")] = g.value(depth)
	}
	return out
}

// key draws a key, rarely a wrong one.
func (g generator) key() object {
	k := object{"pk": object{g.pk: g.pick(keyTexts[g.pk][:3]...)}}
	if g.sk != "" {
		k["sk"] = object{g.sk: g.pick(keyTexts[g.sk]...)}
	}
	if g.mistake(60) {
		switch g.upTo(4) {
		case 0:
			delete(k, "pk")
		case 1:
			k["pk"] = object{"BOOL": true}
		case 2:
			k["extra"] = object{"S": "x"}
		case 3:
			k["pk"] = object{g.pk: ""}
		default:
			delete(k, "sk")
		}
	}
	return k
}

// item draws an item. The attributes that are keys of indexes have mostly the
// type that they must have.
func (g generator) item() object {
	it := g.key()
	attribute := func(name string, v func() object) {
		if g.odds(2) {
			it[name] = v()
		}
	}
	for _, name := range []string{"a", "b"} {
		attribute(name, func() object { return g.value(1) })
	}
	attribute("n", func() object { return object{"N": g.number()} })
	attribute("s", func() object { return object{"SS": g.set([]string{"a", "b", "z"})} })
	attribute("l", func() object { return object{"L": g.list(1)} })
	attribute("m", func() object { return object{"M": g.fields(2)} })
	attribute("g", func() object { return g.indexKey("S") })
	attribute("h", func() object { return g.indexKey(g.global) })
	attribute("l2", func() object { return g.indexKey("N") })
	if g.odds(6) {
		it["c.d"] = g.value(0)
	}
	return it
}

func (g generator) indexKey(kind string) object {
	if keyTexts[kind] == nil || g.mistake(40) {
		return g.value(1)
	}
	return object{kind: g.pick(keyTexts[kind]...)}
}

// expressions gathers the placeholders of a request.
type expressions struct {
	generator
	names, values object
}

// literal gives a placeholder for a value.
func (x *expressions) literal(v object) string {
	name := fmt.Sprintf(":v%d", len(x.values))
	x.values[name] = v
	return name
}

// name gives an attribute's name as it may be written, with or without a
// placeholder.
func (x *expressions) name(n string) string {
	if n != "c.d" && !x.odds(4) || x.mistake(80) {
		return n
	}
	for p, have := range x.names {
		if have == n {
			return p
		}
	}
	p := fmt.Sprintf("#n%d", len(x.names))
	x.names[p] = n
	return p
}

// docPath draws a document path.
func (x *expressions) docPath() string {
	base := x.pick("a", "b", "n", "s", "l", "m", "g", "h", "l2", "c.d", "nosuch", "pk")
	out := x.name(base)
	switch {
	case base == "l" && x.odds(2), x.odds(20):
		out += fmt.Sprintf("[%d]", x.upTo(4))
		if x.odds(4) {
			out += "." + x.name("k")
		}
	case base == "m" && x.odds(2), x.odds(20):
		out += "." + x.name(x.pick("k", "l", "n", "c.d"))
		if x.odds(4) {
			out += x.pick("[0]", "[1]", ".k", ".n")
		}
	case x.mistake(100):
		out = x.name(x.pick("name", "size", "Status", "_x")) // reserved words, mostly
	}
	return out
}

func (x *expressions) operand() string {
	switch x.upTo(9) {
	case 8:
		return x.docPath()
	case 9:
		return "size(" + x.docPath() + ")"
	}
	return x.literal(x.value(1))
}

// test draws a condition or filter.
func (x *expressions) test(depth int) string {
	if depth > 0 && x.odds(3) {
		switch x.pick("AND", "OR", "NOT", "()", "or") {
		case "AND":
			return x.test(depth-1) + " AND " + x.test(depth-1)
		case "OR":
			return x.test(depth-1) + " OR " + x.test(depth-1)
		case "NOT":
			return "NOT " + x.test(depth-1)
		case "or":
			return "(" + x.test(depth-1) + ") or not(" + x.test(depth-1) + ")"
		}
		return "(" + x.test(depth-1) + ")"
	}
	switch x.pick("exists", "exists", "=", "=", "<", "begins_with", "contains", "attribute_type", "BETWEEN", "IN", "size", "odd") {
	case "exists":
		return x.pick("attribute_exists(", "attribute_not_exists(") + x.docPath() + ")"
	case "=":
		return x.docPath() + x.pick(" = ", " <> ") + x.operand()
	case "<":
		return x.docPath() + x.pick(" < ", " <= ", " > ", " >= ") + x.literal(x.value(0))
	case "begins_with":
		return "begins_with(" + x.docPath() + ", " + x.literal(x.scalar(x.pick("S", "S", "B", "N"))) + ")"
	case "contains":
		return "contains(" + x.docPath() + ", " + x.operand() + ")"
	case "attribute_type":
		return "attribute_type(" + x.docPath() + ", " + x.literal(object{"S": x.pick("S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS", "L", "M", "ZZ")}) + ")"
	case "BETWEEN":
		kind := x.pick("S", "N", "B")
		return x.docPath() + " BETWEEN " + x.literal(x.scalar(kind)) + " AND " + x.literal(x.scalar(kind))
	case "IN":
		return x.docPath() + " IN (" + x.operand() + ", " + x.operand() + ")"
	case "size":
		return "size(" + x.docPath() + ") " + x.pick(">", "=", "<=") + " " + x.literal(object{"N": x.pick("0", "1", "2", "3")})
	}
	if x.mistake(10) {
		return x.pick("a", "a =", "((a = b))", "a = a", "nosuchfunction(a)", "a = :missing", "#missing = a", "a ! b", "size(a)", "begins_with(a)", "a = contains(a, b)", "a.b[x] = b")
	}
	return "attribute_exists(a)"
}

// change draws an update expression.
func (x *expressions) change() string {
	var sections []string
	some := func(action func() string) string {
		out := action()
		for x.odds(3) {
			out += ", " + action()
		}
		return out
	}
	for _, s := range []string{"SET", "REMOVE", "ADD", "DELETE"} {
		if !x.odds(2) {
			continue
		}
		switch s {
		case "SET":
			sections = append(sections, "SET "+some(func() string { return x.docPath() + " = " + x.term(1) }))
		case "REMOVE":
			sections = append(sections, "REMOVE "+some(x.docPath))
		case "ADD":
			sections = append(sections, "ADD "+some(func() string {
				if x.odds(2) {
					return x.docPath() + " " + x.literal(object{"SS": x.set([]string{"a", "b", "z"})})
				}
				return x.docPath() + " " + x.literal(object{"N": x.number()})
			}))
		default:
			sections = append(sections, "DELETE "+some(func() string { return x.docPath() + " " + x.literal(object{"SS": x.set([]string{"a", "b", "z"})}) }))
		}
	}
	if sections == nil {
		if x.mistake(20) {
			return x.pick("SET", "", "SET a", "SET a = b = c", "SET a = size(b)", "REMOVE a REMOVE b", "FOO a")
		}
		return "SET a = " + x.literal(x.value(1))
	}
	return strings.Join(sections, " ")
}

// term draws the right side of a SET.
func (x *expressions) term(depth int) string {
	if depth == 0 {
		return x.operand()
	}
	switch x.upTo(7) {
	case 3:
		return x.docPath() + x.pick(" + ", " - ") + x.literal(object{"N": x.number()})
	case 4:
		return "if_not_exists(" + x.docPath() + ", " + x.term(depth-1) + ")"
	case 5:
		return "list_append(" + x.docPath() + ", " + x.literal(object{"L": x.list(0)}) + ")"
	case 6:
		return "list_append(" + x.literal(object{"L": x.list(0)}) + ", " + x.docPath() + ")"
	case 7:
		return x.docPath()
	}
	return x.literal(x.value(1))
}

func (x *expressions) projections() string {
	out := x.docPath()
	for range x.upTo(3) {
		out += ", " + x.docPath()
	}
	return out
}

// finish adds the placeholders to a request; rarely one that nothing uses.
func (x *expressions) finish(body object) object {
	if x.mistake(100) {
		x.values[":idle"] = object{"S": "x"}
	}
	if len(x.values) > 0 {
		body["ExpressionAttributeValues"] = x.values
	}
	return x.finishNames(body)
}

// finishNames does so for a request that has no values, such as a GetItem.
func (x *expressions) finishNames(body object) object {
	if x.mistake(100) {
		x.names["#idle"] = "x"
	}
	if len(x.names) > 0 {
		body["ExpressionAttributeNames"] = x.names
	}
	return body
}
