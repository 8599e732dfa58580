package dynamo

import (
	"slices"
	"strconv"
	"strings"
)

// Limits of expressions.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
const (
	maxExpression = 4096 // bytes
	maxOperators  = 300
	maxInOperands = 100
	maxIndex      = 1<<31 - 1 // of an element of a list
)

// step is one step of a document path: a name, which may be a placeholder, or
// an index of a list.
type step struct {
	name  string // "" for an index
	index int
}

// path is a document path as written; its first step is a name.
type path []step

// form says what an operand is.
type form uint8

const (
	formPath form = iota
	formValue
	formSize
	formIfNotExists
	formListAppend
	formPlus
	formMinus
)

var formNames = [...]string{"path", "value", "size", "if_not_exists", "list_append", "+", "-"}

// operand is something that has a value when an item is at hand.
type operand struct {
	form  form
	path  path      // of formPath
	value string    // placeholder of formValue
	args  []operand // of size (1), if_not_exists, list_append, plus and minus (2)
}

// condition is a node of a condition, filter or key condition.
type condition struct {
	op   string // AND OR NOT = <> < <= > >= BETWEEN IN, or the name of a function
	kids []*condition
	args []operand
}

// parsed is an expression ready for use: one of the three trees, and the
// placeholders that it uses. It is independent of the request it came with, so
// that the text alone is the key of the cache.
type parsed struct {
	condition *condition
	update    *update
	paths     []path // of a projection
	names     []string
	values    []string
	nested    []step // the first steps of its paths that have more than one
}

// grammar is the kind of an expression, named as the parameter it came in.
type grammar string

const (
	grammarCondition    grammar = "ConditionExpression"
	grammarUpdate       grammar = "UpdateExpression"
	grammarFilter       grammar = "FilterExpression"
	grammarProjection   grammar = "ProjectionExpression"
	grammarKeyCondition grammar = "KeyConditionExpression"
)

type parser struct {
	grammar   grammar
	text      string
	tokens    []token
	i         int
	operators int
	grouped   *condition // what the last pair of parentheses held
	out       parsed
	err       *Error // of syntax: the end
	fault     *Error // of another kind, the first by stage
	stage     stage
}

// stage is when the service looks for a kind of fault. It reads an expression to
// its end before it looks for any, and for all of one kind before the next.
type stage uint8

const (
	stageReservedFirst stage = iota // reserved words, in updates and projections
	stageParentheses
	stageFunction // functions that do not exist
	stageMisuse   // functions in places where they may not stand
	stageReserved // reserved words, in conditions
	stageRest
)

// parse reads an expression of the given grammar.
func parse(g grammar, text string) (*parsed, *Error) {
	if strings.TrimSpace(text) == "" {
		return nil, invalid("Invalid %s: The expression can not be empty;", g)
	}
	if len(text) > maxExpression {
		return nil, invalid("Invalid %s: Expression size has exceeded the maximum allowed size; expression size: %d", g, len(text))
	}
	p := &parser{grammar: g, text: text, tokens: lex(text)}
	switch g {
	case grammarUpdate:
		p.out.update = p.update()
	case grammarProjection:
		p.out.paths = p.projection()
	default:
		p.out.condition = p.or()
	}
	if p.err == nil && p.peek().kind != tokenEnd {
		p.syntax()
	}
	if p.operators > maxOperators {
		p.doubt(stageRest, "The expression contains too many operators; number of operators: %d", p.operators)
	}
	switch {
	case p.err != nil:
		return nil, p.err
	case p.fault != nil:
		return nil, p.fault
	}
	return &p.out, nil
}

// peek gives the next token; after an error the end, so that every loop ends.
func (p *parser) peek() token {
	if p.err != nil {
		return token{kind: tokenEnd}
	}
	return p.tokens[p.i]
}

func (p *parser) advance() token {
	t := p.peek()
	if t.kind != tokenEnd && t.kind != tokenBad {
		p.i++
	}
	return t
}

func (p *parser) doubt(s stage, format string, args ...any) {
	if p.fault == nil || s < p.stage {
		p.stage, p.fault = s, invalid("Invalid "+string(p.grammar)+": "+format, args...)
	}
}

func (p *parser) syntax() {
	if p.err == nil {
		p.err = invalid("Invalid %s: Syntax error; token: %q, near: %q", p.grammar, p.peek().text, near(p.text, p.tokens, p.i))
	}
}

func (p *parser) acceptSign(s string) bool {
	if p.peek().sign(s) {
		p.i++
		return true
	}
	return false
}

func (p *parser) expectSign(s string) {
	if !p.acceptSign(s) {
		p.syntax()
	}
}

func (p *parser) acceptWord(w string) bool {
	if p.peek().keyword(w) {
		p.i++
		return true
	}
	return false
}

// or := and {OR and}
func (p *parser) or() *condition { return p.chain("OR", p.and) }

// and := not {AND not}
func (p *parser) and() *condition { return p.chain("AND", p.not) }

func (p *parser) chain(op string, next func() *condition) *condition {
	first := next()
	if !p.peek().keyword(op) {
		return first
	}
	c := &condition{op: op, kids: []*condition{first}}
	for p.acceptWord(op) {
		p.operators++
		c.kids = append(c.kids, next())
	}
	return c
}

// not := NOT not | '(' or ')' | function | comparison
func (p *parser) not() *condition {
	switch {
	case p.acceptWord("NOT"):
		p.operators++
		return &condition{op: "NOT", kids: []*condition{p.not()}}
	case p.peek().sign("("):
		if t := p.behind(); t.compares() || t.keyword("BETWEEN") || t.keyword("IN") { // (a) = :b
			return p.comparison()
		}
		return p.parenthesis()
	case p.atFunction() && p.peek().text != "size":
		return p.predicate()
	}
	return p.comparison()
}

func (p *parser) parenthesis() *condition {
	p.expectSign("(")
	c := p.or()
	p.expectSign(")")
	// Every other way to go on makes a new node, so the same node means that
	// nothing stood between the two pairs: ((a = b)).
	if c != nil && c == p.grouped {
		p.doubt(stageParentheses, "The expression has redundant parentheses;")
	}
	p.grouped = c
	return c
}

// behind gives the token behind the parenthesis that ends the one that comes next.
func (p *parser) behind() token {
	depth := 0
	for i := p.i; i < len(p.tokens)-1; i++ {
		switch t := p.tokens[i]; {
		case t.sign("("):
			depth++
		case t.sign(")"):
			depth--
		}
		if depth == 0 {
			return p.tokens[i+1]
		}
	}
	return p.tokens[len(p.tokens)-1]
}

// compared := '(' compared ')' | operand
func (p *parser) compared() operand {
	if !p.acceptSign("(") {
		return p.operand()
	}
	if p.peek().sign("(") {
		p.doubt(stageParentheses, "The expression has redundant parentheses;")
	}
	o := p.compared()
	p.expectSign(")")
	return o
}

func (p *parser) atFunction() bool {
	return p.err == nil && p.peek().kind == tokenWord && p.tokens[p.i+1].sign("(")
}

// arity of the functions that are conditions by themselves.
var arity = map[string]int{
	"attribute_exists": 1, "attribute_not_exists": 1, "attribute_type": 2, "begins_with": 2, "contains": 2,
}

func (p *parser) predicate() *condition {
	c := &condition{op: p.advance().text}
	p.operators++
	c.args = p.arguments()
	switch _, known := arity[c.op]; {
	case known:
	case c.op == "if_not_exists" || c.op == "list_append":
		p.doubt(stageFunction, "The function is not allowed in a condition expression; function: %s", c.op)
	default:
		p.doubt(stageFunction, "Invalid function name; function: %s", c.op)
	}
	if p.peek().compares() { // it has no value to compare
		p.doubt(stageMisuse, "The function is not allowed to be used this way in an expression; function: %s", c.op)
		p.i++
		p.operand()
	}
	return c
}

// arguments := '(' operand {',' operand} ')'
func (p *parser) arguments() []operand {
	p.expectSign("(")
	args := []operand{p.operand()}
	for p.acceptSign(",") {
		args = append(args, p.operand())
	}
	p.expectSign(")")
	return args
}

func (t token) compares() bool {
	return t.kind == tokenSign && slices.Contains([]string{"=", "<>", "<", "<=", ">", ">="}, t.text)
}

// comparison := compared (comparator compared | BETWEEN compared AND compared | IN '(' operand {',' operand} ')')
func (p *parser) comparison() *condition {
	c := &condition{args: []operand{p.compared()}}
	p.operators++
	switch t := p.peek(); {
	case t.compares():
		p.i++
		c.op = t.text
		c.args = append(c.args, p.compared())
	case p.acceptWord("BETWEEN"):
		c.op = "BETWEEN"
		c.args = append(c.args, p.compared())
		if !p.acceptWord("AND") {
			p.syntax()
		}
		c.args = append(c.args, p.compared())
	case p.acceptWord("IN"):
		c.op = "IN"
		c.args = append(c.args, p.arguments()...)
		if n := len(c.args) - 1; n > maxInOperands {
			p.doubt(stageRest, "The IN operator has too many operands; number of operands: %d", n)
		}
	case c.args[0].form == formSize && (t.kind == tokenEnd || t.kind == tokenWord || t.sign(")")):
		p.doubt(stageMisuse, "The function is not allowed to be used this way in an expression; function: size")
	default:
		p.syntax()
	}
	return c
}

// operand := ':'value | 'size' '(' operand ')' | path
func (p *parser) operand() operand {
	t := p.peek()
	if t.kind == tokenValue {
		p.i++
		return operand{form: formValue, value: p.useValue(t.text)}
	}
	if !p.atFunction() {
		return operand{form: formPath, path: p.path()}
	}
	p.i++
	o := operand{form: formSize, args: p.arguments()}
	if t.text == "size" {
		return o
	}
	if _, known := arity[t.text]; known {
		p.doubt(stageMisuse, "The function is not allowed to be used this way in an expression; function: %s", t.text)
	} else {
		p.doubt(stageFunction, "Invalid function name; function: %s", t.text)
	}
	return o
}

// path := (word | '#'name) {'.' (word | '#'name) | '[' number ']'}
func (p *parser) path() path {
	out := path{p.pathName()}
	for p.err == nil {
		switch {
		case p.acceptSign("."):
			out = append(out, p.pathName())
		case p.acceptSign("["):
			t := p.peek()
			if t.kind != tokenNumber {
				p.syntax()
				return nil
			}
			n, err := strconv.Atoi(t.text)
			if err != nil || n > maxIndex {
				n = maxIndex
				p.doubt(stageRest, "List index is not within the allowable range; index: [%s]", t.text)
			}
			p.i++
			p.expectSign("]")
			out = append(out, step{index: n})
		default:
			if len(out) > 1 {
				p.out.nested = append(p.out.nested, out[0])
			}
			if len(out) > maxDepth {
				p.doubt(stageRest, "The document path has too many nesting elements; nesting levels: %d", len(out))
			}
			return out
		}
	}
	return nil
}

func (p *parser) pathName() step {
	t := p.peek()
	switch t.kind {
	case tokenWord:
		when := stageReserved
		switch {
		case p.grammar == grammarUpdate || p.grammar == grammarProjection:
			when = stageReservedFirst
		case slices.ContainsFunc([]string{"AND", "OR", "NOT", "BETWEEN", "IN"}, t.keyword):
			p.syntax()
			return step{}
		}
		if isReserved(t.text) {
			p.doubt(when, "Attribute name is a reserved keyword; reserved keyword: %s", t.text)
		}
	case tokenName:
		if !slices.Contains(p.out.names, t.text) {
			p.out.names = append(p.out.names, t.text)
		}
	default:
		p.syntax()
		return step{}
	}
	p.i++
	return step{name: t.text}
}

func (p *parser) useValue(name string) string {
	if !slices.Contains(p.out.values, name) {
		p.out.values = append(p.out.values, name)
	}
	return name
}

// projection := path {',' path}
func (p *parser) projection() []path {
	paths := []path{p.path()}
	for p.acceptSign(",") {
		paths = append(paths, p.path())
	}
	return paths
}

// String prints the path as the service quotes it: [a, b, [0]].
func (q path) String() string {
	words := make([]string, len(q))
	for i, s := range q {
		words[i] = s.name
		if s.name == "" {
			words[i] = "[" + strconv.Itoa(s.index) + "]"
		}
	}
	return "[" + strings.Join(words, ", ") + "]"
}
