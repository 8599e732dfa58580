package dynamo

import (
	"slices"
	"strings"
)

// env is what a request brings along for its expressions: the meaning of
// their placeholders.
type env struct {
	names  map[string]string
	values map[string]value
}

// use is an expression in the parameter that it came in.
type use struct {
	grammar grammar
	*parsed
}

// check holds a request's placeholders against the expressions that it came
// with: each one used must be defined and each one defined must be used.
func (e *env) check(uses ...use) *Error {
	for _, x := range uses {
		for _, n := range x.names {
			if _, ok := e.names[n]; !ok {
				return invalid("Invalid %s: An expression attribute name used in the document path is not defined; attribute name: %s", x.grammar, n)
			}
		}
		for _, v := range x.values {
			if _, ok := e.values[v]; !ok {
				return invalid("Invalid %s: An expression attribute value used in expression is not defined; attribute value: %s", x.grammar, v)
			}
		}
	}
	if err := unused("ExpressionAttributeNames", '#', e.names, uses, func(u use) []string { return u.names }); err != nil {
		return err
	}
	if err := unused("ExpressionAttributeValues", ':', e.values, uses, func(u use) []string { return u.values }); err != nil {
		return err
	}
	for _, x := range uses {
		if err := e.checkTypes(x.grammar, x.parsed); err != nil {
			return err
		}
	}
	return nil
}

func unused[V any](parameter string, mark byte, defined map[string]V, uses []use, of func(use) []string) *Error {
	if defined == nil {
		return nil
	}
	if len(uses) == 0 {
		return invalid("%s can only be specified when using expressions", parameter)
	}
	if len(defined) == 0 {
		return invalid("%s must not be empty", parameter)
	}
	var idle []string
	for name := range defined {
		if len(name) < 2 || name[0] != mark || span(name[1:]) != len(name)-1 {
			return invalid("%s contains invalid key: Syntax error; key: %q", parameter, name)
		}
		if !slices.ContainsFunc(uses, func(u use) bool { return slices.Contains(of(u), name) }) {
			idle = append(idle, name)
		}
	}
	if idle != nil {
		slices.Sort(idle)
		return invalid("Value provided in %s unused in expressions: keys: {%s}", parameter, strings.Join(idle, ", "))
	}
	return nil
}

// checkTypes refuses literals of a type that an operator can never take. The
// service does so before it looks at any item.
func (e *env) checkTypes(g grammar, x *parsed) *Error {
	var err *Error
	bad := func(op string, k kind) {
		if err == nil {
			err = invalid("Invalid %s: Incorrect operand type for operator or function; operator or function: %s, operand type: %s", g, op, k)
		}
	}
	if x.condition != nil {
		x.condition.walk(func(c *condition) {
			e.checkCondition(c, bad)
			if c.op == "BETWEEN" && err == nil {
				err = e.checkBounds(g, c)
			}
		})
	}
	if x.update != nil {
		e.checkUpdate(x.update, bad)
	}
	return err
}

func (c *condition) walk(visit func(*condition)) {
	visit(c)
	for _, k := range c.kids {
		k.walk(visit)
	}
}

// literal gives the type of an operand that is one, else kindNone.
func (e *env) literal(o operand) kind {
	if o.form == formValue {
		return e.values[o.value].kind
	}
	return kindNone
}

func (e *env) checkCondition(c *condition, bad func(string, kind)) {
	switch c.op {
	case "<", "<=", ">", ">=", "BETWEEN":
		for _, a := range c.args {
			if k := e.literal(a); k > kindB {
				bad(c.op, k)
			}
		}
	case "begins_with":
		for _, a := range c.args {
			if k := e.literal(a); k != kindNone && k != kindS && k != kindB {
				bad(c.op, k)
			}
		}
	case "attribute_type":
		v := e.values[c.args[1].value]
		if v.kind != kindS || kindOf(v.text) == kindNone {
			bad(c.op, v.kind)
		}
	}
}

func (e *env) checkBounds(g grammar, c *condition) *Error {
	lo, hi := c.args[1], c.args[2]
	if e.literal(lo) == kindNone || e.literal(hi) == kindNone {
		return nil
	}
	order, ok := e.values[lo.value].compare(e.values[hi.value])
	switch {
	case !ok:
		return invalid("Invalid %s: The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: AttributeValue: {%s}, upper bound operand: AttributeValue: {%s}",
			g, e.literal(lo), e.literal(hi))
	case order > 0:
		return invalid("Invalid %s: The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: %s, upper bound operand: %s",
			g, lo.value, hi.value)
	}
	return nil
}

func (e *env) name(s step) string {
	if s.name != "" && s.name[0] == '#' {
		return e.names[s.name]
	}
	return s.name
}

// resolve replaces the placeholders of a path.
func (e *env) resolve(q path) path {
	out := slices.Clone(q)
	for i := range out {
		out[i].name = e.name(out[i])
	}
	return out
}

// get follows a path as written.
func (e *env) get(it item, q path) value {
	if e.names == nil {
		return q.in(it)
	}
	return e.resolve(q).in(it)
}

// in follows a resolved path in an item; kindNone where it leads nowhere.
func (q path) in(it item) value {
	v := it.get(q[0].name)
	for _, s := range q[1:] {
		switch {
		case s.name != "" && v.kind == kindM:
			v = v.attrs().get(s.name)
		case s.name == "" && v.kind == kindL && s.index < len(v.list()):
			v = v.list()[s.index]
		default:
			return value{}
		}
	}
	return v
}

// operand gives the value of an operand that may stand in a condition.
func (e *env) operand(it item, o operand) value {
	switch o.form {
	case formValue:
		return e.values[o.value]
	case formSize:
		if n, ok := e.get(it, o.path).length(); ok {
			return intValue(n)
		}
		return value{}
	}
	return e.get(it, o.path)
}

// holds evaluates a condition against an item, nil standing for one that does
// not exist. A comparison with an attribute that is missing or of another type
// is false, and so only <> and NOT are true of it.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html
func (e *env) holds(it item, c *condition) bool {
	switch c.op {
	case "AND":
		for _, k := range c.kids {
			if !e.holds(it, k) {
				return false
			}
		}
		return true
	case "OR":
		return slices.ContainsFunc(c.kids, func(k *condition) bool { return e.holds(it, k) })
	case "NOT":
		return !e.holds(it, c.kids[0])
	}
	a := e.operand(it, c.args[0])
	switch c.op {
	case "attribute_exists":
		return a.kind != kindNone
	case "attribute_not_exists":
		return a.kind == kindNone
	case "IN":
		return slices.ContainsFunc(c.args[1:], func(o operand) bool { return equalOperands(a, e.operand(it, o)) })
	case "BETWEEN":
		return ordered(">=", a, e.operand(it, c.args[1])) && ordered("<=", a, e.operand(it, c.args[2]))
	}
	b := e.operand(it, c.args[1])
	switch c.op {
	case "=":
		return equalOperands(a, b)
	case "<>":
		return !equalOperands(a, b)
	case "attribute_type":
		return a.kind != kindNone && a.kind == kindOf(b.text)
	case "begins_with":
		return a.kind == b.kind && (a.kind == kindS || a.kind == kindB) && strings.HasPrefix(a.text, b.text)
	case "contains":
		return contains(a, b)
	}
	return ordered(c.op, a, b)
}

func equalOperands(a, b value) bool { return a.kind != kindNone && a.equal(b) }

func ordered(op string, a, b value) bool {
	c, ok := a.compare(b)
	if !ok {
		return false
	}
	switch op {
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	}
	return c >= 0
}

func contains(a, b value) bool {
	switch a.kind {
	case kindS, kindB:
		return a.kind == b.kind && strings.Contains(a.text, b.text)
	case kindL, kindSS, kindNS, kindBS:
		return b.kind != kindNone && a.has(b)
	}
	return false
}
