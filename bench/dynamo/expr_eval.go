package dynamo

import (
	"encoding/base64"
	"slices"
	"strings"
)

// env is what a request brings along for its expressions: the meaning of
// their placeholders.
type env struct {
	names  map[string]string
	values map[string]value
	fault  *Error // of a value that no attribute can have
}

// use is an expression in the parameter that it came in.
type use struct {
	grammar grammar
	*parsed
}

// check holds a request's placeholders against the expressions that it came
// with: each one used must be defined and each one defined must be used.
func (e *env) check(uses ...use) *Error {
	if len(uses) == 0 {
		switch {
		case e.names != nil:
			return invalid("ExpressionAttributeNames can only be specified when using expressions")
		case e.values != nil:
			return invalid("ExpressionAttributeValues can only be specified when using expressions")
		}
		return nil
	}
	if err := e.checkPlaceholders(); err != nil {
		return err
	}
	for _, x := range uses {
		if err := e.checkUse(x); err != nil {
			return err
		}
	}
	if err := unused("ExpressionAttributeNames", e.names, uses, func(u use) []string { return u.names }); err != nil {
		return err
	}
	return unused("ExpressionAttributeValues", e.values, uses, func(u use) []string { return u.values })
}

// checkPlaceholders holds the placeholders by themselves against their rules, before
// any expression is read.
func (e *env) checkPlaceholders() *Error {
	if err := checkNames("ExpressionAttributeNames", '#', e.names); err != nil {
		return err
	}
	for name, meaning := range e.names {
		if err := checkAttribute(meaning); err != nil {
			err.Message = "ExpressionAttributeNames contains invalid value: " + err.Message + " for key " + name
			return err
		}
	}
	if err := checkNames("ExpressionAttributeValues", ':', e.values); err != nil {
		return err
	}
	return e.fault
}

func checkNames[V any](parameter string, mark byte, defined map[string]V) *Error {
	if defined != nil && len(defined) == 0 {
		return invalid("%s must not be empty", parameter)
	}
	for name := range defined {
		if len(name) < 2 || name[0] != mark || span(name[1:]) != len(name)-1 {
			return invalid("%s contains invalid key: Syntax error; key: %q", parameter, name)
		}
	}
	return nil
}

// checkUse holds one expression against the placeholders: that they are defined, and
// that no operator is given a literal that it can never take, which the service
// finds before it looks at any item.
func (e *env) checkUse(x use) *Error {
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
	var err *Error
	switch {
	case x.condition != nil:
		x.condition.walk(func(c *condition) {
			if err == nil && len(c.kids) == 0 {
				err = e.checkCondition(x.grammar, c)
			}
		})
	case x.update != nil:
		err = e.checkUpdate(x.update)
	}
	return err
}

func unused[V any](parameter string, defined map[string]V, uses []use, of func(use) []string) *Error {
	var idle []string
	for name := range defined {
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

func errOperands(g grammar, op string, n int) *Error {
	return invalid("Invalid %s: Incorrect number of operands for operator or function; operator or function: %s, number of operands: %d", g, op, n)
}

func errNoPath(g grammar, op string) *Error {
	return invalid("Invalid %s: Operator or function requires a document path; operator or function: %s", g, op)
}

func errOperand(g grammar, op string, k kind) *Error {
	return invalid("Invalid %s: Incorrect operand type for operator or function; operator or function: %s, operand type: %s", g, op, k)
}

func (c *condition) walk(visit func(*condition)) {
	visit(c)
	for _, k := range c.kids {
		k.walk(visit)
	}
}

// literal gives the type of an operand that is one, else kindNone. That of size is
// known too.
func (e *env) literal(o operand) kind {
	switch o.form {
	case formValue:
		return e.values[o.value].kind
	case formSize:
		return kindN
	}
	return kindNone
}

func (e *env) checkCondition(g grammar, c *condition) *Error {
	if want, ok := arity[c.op]; ok && len(c.args) != want {
		return errOperands(g, c.op, len(c.args))
	}
	for _, a := range c.args {
		if err := e.checkSize(g, a); err != nil {
			return err
		}
	}
	if err := e.checkDistinct(g, c); err != nil {
		return err
	}
	switch c.op {
	case "attribute_exists", "attribute_not_exists", "attribute_type":
		if c.args[0].form != formPath {
			return errNoPath(g, c.op)
		}
	case "<", "<=", ">", ">=", "BETWEEN":
		for _, a := range c.args {
			if k := e.literal(a); k > kindB {
				return errOperand(g, c.op, k)
			}
		}
	case "begins_with":
		for _, a := range c.args {
			if k := e.literal(a); k != kindNone && k != kindS && k != kindB {
				return errOperand(g, c.op, k)
			}
		}
	}
	switch c.op {
	case "attribute_type":
		return e.checkType(g, c)
	case "BETWEEN":
		return e.checkBounds(g, c)
	}
	return nil
}

func (e *env) checkSize(g grammar, o operand) *Error {
	if o.form != formSize {
		return nil
	}
	if len(o.args) != 1 {
		return errOperands(g, "size", len(o.args))
	}
	if k := e.literal(o.args[0]); k == kindN || k == kindBOOL || k == kindNULL {
		return errOperand(g, "size", k)
	}
	return e.checkSize(g, o.args[0])
}

// checkDistinct refuses a comparison of a path with itself.
func (e *env) checkDistinct(g grammar, c *condition) *Error {
	if len(c.args) != 2 || c.args[0].form != formPath || c.args[1].form != formPath {
		return nil
	}
	first := e.resolve(c.args[0].path)
	if slices.Equal(first, e.resolve(c.args[1].path)) {
		return invalid("Invalid %s: The first operand must be distinct from the remaining operands for this operator or function; operator: %s, first operand: %s", g, c.op, first)
	}
	return nil
}

// checkType holds the second operand of attribute_type against the names of types.
func (e *env) checkType(g grammar, c *condition) *Error {
	v := e.values[c.args[1].value]
	switch {
	case c.args[1].form != formValue:
		return invalid("Invalid %s: Incorrect operand type for operator or function; operator or function: attribute_type, operand type: {NS,SS,L,BS,N,M,B,BOOL,NULL,S}", g)
	case v.kind != kindS:
		return errOperand(g, c.op, v.kind)
	case kindOf(v.text) == kindNone:
		return invalid("Invalid %s: Invalid attribute type name found; type: %s, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}", g, v.text)
	}
	return nil
}

func (e *env) checkBounds(g grammar, c *condition) *Error {
	lo, hi := c.args[1], c.args[2]
	if lo.form != formValue || hi.form != formValue {
		return nil
	}
	a, b := e.values[lo.value], e.values[hi.value]
	switch order, ok := a.compare(b); {
	case !ok:
		return invalid("Invalid %s: The BETWEEN operator requires same data type for lower and upper bounds; lower bound operand: AttributeValue: {%s}, upper bound operand: AttributeValue: {%s}", g, quote(a), quote(b))
	case order > 0:
		return invalid("Invalid %s: The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: {%s}, upper bound operand: AttributeValue: {%s}", g, quote(a), quote(b))
	}
	return nil
}

// quote prints a scalar as the service does in a message.
func quote(v value) string {
	if v.kind == kindB {
		return "B:" + base64.StdEncoding.EncodeToString([]byte(v.text))
	}
	return v.kind.String() + ":" + v.text
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
		if n, ok := e.operand(it, o.args[0]).length(); ok {
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
