package dynamo

import (
	"slices"
	"strconv"
	"strings"
)

// update is a parsed update expression.
type update struct {
	actions []updateAction
}

// updateAction is one action; its operand is unused by REMOVE.
type updateAction struct {
	section string // SET, REMOVE, ADD, DELETE
	path    path
	operand operand
}

// update := section {section}; each section at most once.
func (p *parser) update() *update {
	u := &update{}
	var seen []string
	for p.err == nil && p.peek().kind != tokenEnd {
		section := strings.ToUpper(p.peek().text)
		if p.peek().kind != tokenWord || !slices.Contains([]string{"SET", "REMOVE", "ADD", "DELETE"}, section) {
			p.syntax()
			break
		}
		if slices.Contains(seen, section) {
			p.doubt(stageMisuse, "The %q section can only be used once in an update expression;", section)
		}
		seen = append(seen, section)
		p.i++
		u.actions = append(u.actions, p.updateAction(section))
		for p.acceptSign(",") {
			u.actions = append(u.actions, p.updateAction(section))
		}
	}
	return u
}

func (p *parser) updateAction(section string) updateAction {
	a := updateAction{section: section, path: p.path()}
	p.operators++
	switch section {
	case "SET":
		p.expectSign("=")
		a.operand = p.sum()
	case "ADD", "DELETE":
		t := p.peek()
		if t.kind != tokenValue {
			p.syntax()
			return a
		}
		p.i++
		a.operand = operand{form: formValue, value: p.useValue(t.text)}
	}
	return a
}

// sum := '(' sum ')' | group ['+' group | '-' group]
func (p *parser) sum() operand {
	if after := p.behind(); p.peek().sign("(") && !after.sign("+") && !after.sign("-") { // (a + b), and not (a) + b
		p.i++
		o := p.sum()
		p.expectSign(")")
		return o
	}
	left := p.group()
	f := formPath
	switch {
	case p.acceptSign("+"):
		f = formPlus
	case p.acceptSign("-"):
		f = formMinus
	default:
		return left
	}
	p.operators++
	return operand{form: f, args: []operand{left, p.group()}}
}

// group := '(' term ')' | term
func (p *parser) group() operand {
	if !p.acceptSign("(") {
		return p.term()
	}
	o := p.term()
	p.expectSign(")")
	return o
}

// updateFunctions are the functions of SET.
var updateFunctions = map[string]form{"if_not_exists": formIfNotExists, "list_append": formListAppend}

// term := ':'value | path | function '(' term {',' term} ')'
func (p *parser) term() operand {
	if !p.atFunction() {
		return p.operand()
	}
	name := p.advance().text
	o := operand{form: updateFunctions[name]}
	p.expectSign("(")
	o.args = append(o.args, p.term())
	for p.acceptSign(",") {
		o.args = append(o.args, p.term())
	}
	p.expectSign(")")
	for _, a := range o.args {
		if a.form == formListAppend { // only if_not_exists may stand within another
			p.doubt(stageMisuse, "The function is not allowed to be used this way in an expression; function: list_append")
		}
	}
	switch _, known := arity[name]; {
	case o.form != formPath:
	case known || name == "size":
		p.doubt(stageFunction, "The function is not allowed in an update expression; function: %s", name)
	default:
		p.doubt(stageFunction, "Invalid function name; function: %s", name)
	}
	return o
}

// kindWords are the names of types in what the service says of ADD and DELETE.
var kindWords = map[kind]string{kindS: "STRING", kindN: "NUMBER", kindB: "BINARY", kindNULL: "NULL", kindBOOL: "BOOLEAN", kindL: "LIST", kindM: "MAP"}

// checkUpdate refuses actions whose paths overlap, and literals of a type that an
// action or function can never take.
func (e *env) checkUpdate(u *update) *Error {
	resolved := make([]path, len(u.actions))
	for i, a := range u.actions {
		resolved[i] = e.resolve(a.path)
	}
	if err := checkOverlap(grammarUpdate, resolved); err != nil {
		return err
	}
	for _, a := range u.actions {
		k := e.literal(a.operand)
		if a.section == "SET" {
			if err := e.checkSum(a.operand); err != nil {
				return err
			}
		} else if a.section != "REMOVE" && k.member() == kindNone && (k != kindN || a.section == "DELETE") {
			return invalid("Invalid UpdateExpression: Incorrect operand type for operator or function; operator: %s, operand type: %s", a.section, kindWords[k])
		}
	}
	return nil
}

func (e *env) checkSum(o operand) *Error {
	if len(o.args) == 0 {
		return nil
	}
	if len(o.args) != 2 {
		return errOperands(grammarUpdate, formNames[o.form], len(o.args))
	}
	if o.form == formIfNotExists && o.args[0].form != formPath {
		return errNoPath(grammarUpdate, formNames[o.form])
	}
	for _, arg := range o.args {
		k := e.literal(arg)
		switch {
		case k == kindNone:
		case (o.form == formPlus || o.form == formMinus) && k != kindN, o.form == formListAppend && k != kindL:
			return errOperand(grammarUpdate, formNames[o.form], k)
		}
		if err := e.checkSum(arg); err != nil {
			return err
		}
	}
	return nil
}

// checkKeys refuses actions on key attributes.
func (u *update) checkKeys(e *env, isKey func(string) bool) *Error {
	for _, a := range u.actions {
		if name := e.name(a.path[0]); isKey(name) {
			return badParameter("Cannot update attribute %s. This attribute is part of the key", name)
		}
	}
	return nil
}

// checkOverlap refuses two paths one of which contains the other, or which
// disagree about what a node is.
func checkOverlap(g grammar, paths []path) *Error {
	var conflict *Error
	for i, a := range paths {
		for _, b := range paths[:i] {
			n := 0
			for n < min(len(a), len(b)) && a[n] == b[n] {
				n++
			}
			switch {
			case n == len(a) || n == len(b):
				return invalid("Invalid %s: Two document paths overlap with each other; must remove or rewrite one of these paths; path one: %s, path two: %s", g, b, a)
			case conflict == nil && n > 0 && (a[n].name == "") != (b[n].name == ""):
				conflict = invalid("Invalid %s: Two document paths conflict with each other; must remove or rewrite one of these paths; path one: %s, path two: %s", g, b, a)
			}
		}
	}
	return conflict
}

// apply runs the update on an item and returns the new one; the old is left as
// it was. Every operand is read from the old item, and every index counts in
// the old lists: so sets come first, and removals last, from the back.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html
func (u *update) apply(e *env, old item) (item, *Error) {
	out := old
	var removals []path
	for _, a := range u.inPathOrder(e) {
		if a.section == "REMOVE" {
			if a.path.in(old).kind != kindNone {
				removals = append(removals, a.path)
			} else if _, err := removeIn(old, a.path); err != nil {
				return nil, err
			}
			continue
		}
		v, err := a.result(e, old)
		if err != nil {
			return nil, err
		}
		if v.kind == kindNone { // DELETE of the last member, or of nothing
			if a.path.in(old).kind != kindNone {
				removals = append(removals, a.path)
			}
			continue
		}
		if out, err = setIn(out, a.path, v); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(removals, func(a, b path) int { return comparePaths(b, a) })
	for _, q := range removals {
		var err *Error
		if out, err = removeIn(out, q); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// onlyTakes reports whether the update gives no attribute a value. Of an item that is
// not there, it makes none.
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateItem.html
func (u *update) onlyTakes() bool {
	return !slices.ContainsFunc(u.actions, func(a updateAction) bool { return a.section == "SET" || a.section == "ADD" })
}

// inPathOrder resolves the actions and sorts them by path, so that two values
// set beyond the end of a list are appended in the order of their indexes.
func (u *update) inPathOrder(e *env) []updateAction {
	out := slices.Clone(u.actions)
	for i := range out {
		out[i].path = e.resolve(out[i].path)
	}
	slices.SortStableFunc(out, func(a, b updateAction) int { return comparePaths(a.path, b.path) })
	return out
}

func comparePaths(a, b path) int {
	return slices.CompareFunc(a, b, func(s, t step) int {
		if s.index != t.index {
			return s.index - t.index
		}
		return strings.Compare(s.name, t.name)
	})
}

// result is the value that the action gives to its path.
func (a updateAction) result(e *env, old item) (value, *Error) {
	switch a.section {
	case "SET":
		return e.sum(old, a.operand)
	case "ADD":
		return add(a.path.in(old), e.values[a.operand.value])
	}
	have, drop := a.path.in(old), e.values[a.operand.value]
	switch have.kind {
	case kindNone:
		return value{}, nil
	case drop.kind:
		left := slices.DeleteFunc(slices.Clone(have.list()), drop.has)
		if len(left) == 0 {
			return value{}, nil
		}
		return listOf(have.kind, left), nil
	}
	return value{}, errOperandType()
}

func errOperandType() *Error {
	return invalid("An operand in the update expression has an incorrect data type")
}

func add(have, more value) (value, *Error) {
	switch {
	case have.kind == kindNone:
		return more, nil
	case have.kind != more.kind:
		return value{}, errOperandType()
	case more.kind == kindN:
		text, err := addNumbers(have.text, more.text, false)
		return value{kind: kindN, text: text}, err
	}
	return newSet(have.kind, slices.Concat(have.list(), more.list())), nil
}

// sum gives the value of the right side of a SET.
func (e *env) sum(old item, o operand) (value, *Error) {
	switch o.form {
	case formValue:
		return e.values[o.value], nil
	case formIfNotExists:
		if v := e.get(old, o.args[0].path); v.kind != kindNone {
			return v, nil
		}
		return e.sum(old, o.args[1])
	case formPath:
		v := e.get(old, o.path)
		if v.kind == kindNone {
			return v, invalid("The provided expression refers to an attribute that does not exist in the item")
		}
		return v, nil
	}
	left, err := e.sum(old, o.args[0])
	if err != nil {
		return value{}, err
	}
	right, err := e.sum(old, o.args[1])
	if err != nil {
		return value{}, err
	}
	want := kindN
	if o.form == formListAppend {
		want = kindL
	}
	if left.kind != want || right.kind != want {
		return value{}, errOperandType()
	}
	if want == kindL {
		return listOf(kindL, slices.Concat(left.list(), right.list())), nil
	}
	text, err := addNumbers(left.text, right.text, o.form == formMinus)
	return value{kind: kindN, text: text}, err
}

func errPath() *Error {
	return invalid("The document path provided in the update expression is invalid for update")
}

// setIn returns a copy of the item in which the path has the value. All but
// the last step must exist.
func setIn(it item, q path, v value) (item, *Error) {
	if len(q) == 1 {
		return it.with(q[0].name, v), nil
	}
	inner, err := setInValue(it.get(q[0].name), q[1:], v)
	if err != nil {
		return nil, err
	}
	return it.with(q[0].name, inner), nil
}

func setInValue(at value, q path, v value) (value, *Error) {
	if len(q) == 0 {
		return v, nil
	}
	if s := q[0]; s.name != "" {
		if at.kind != kindM {
			return value{}, errPath()
		}
		attrs, err := setIn(at.attrs(), q, v)
		return mapOf(attrs), err
	}
	if at.kind != kindL {
		return value{}, errPath()
	}
	i := q[0].index
	if i >= len(at.list()) {
		if len(q) > 1 {
			return value{}, errPath()
		}
		// Beyond the end is at the end: lists have no holes.
		return listOf(kindL, append(slices.Clip(at.list()), v)), nil
	}
	inner, err := setInValue(at.list()[i], q[1:], v)
	list := slices.Clone(at.list())
	list[i] = inner
	return listOf(kindL, list), err
}

// removeIn returns a copy of the item without what the path leads to. The way
// there must exist; the last step need not.
func removeIn(it item, q path) (item, *Error) {
	if len(q) == 1 {
		return it.without(q[0].name), nil
	}
	inner, err := removeInValue(it.get(q[0].name), q[1:])
	if err != nil {
		return nil, err
	}
	return it.with(q[0].name, inner), nil
}

func removeInValue(at value, q path) (value, *Error) {
	s := q[0]
	if s.name != "" {
		if at.kind != kindM {
			return value{}, errPath()
		}
		attrs, err := removeIn(at.attrs(), q)
		return mapOf(attrs), err
	}
	if at.kind != kindL {
		return value{}, errPath()
	}
	if s.index >= len(at.list()) {
		if len(q) > 1 {
			return value{}, errPath()
		}
		return at, nil
	}
	list := slices.Clone(at.list())
	if len(q) == 1 {
		return listOf(kindL, slices.Delete(list, s.index, s.index+1)), nil
	}
	inner, err := removeInValue(list[s.index], q[1:])
	list[s.index] = inner
	return listOf(kindL, list), err
}

func intValue(n int) value { return value{kind: kindN, text: strconv.Itoa(n)} }
