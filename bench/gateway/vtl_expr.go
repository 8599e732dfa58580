package gateway

import (
	"slices"
	"strconv"
	"strings"
)

// reference reads $name, $!name, ${name} or $!{name} with all that follows:
// .member, .method(arguments) and [index].
func (p *parser) reference() (*reference, bool) {
	start := p.at
	p.at++
	p.accept("!")
	formal := p.accept("{")
	word := name(p.src[p.at:p.end])
	p.at += len(word)
	steps, ok := p.steps()
	if ok && formal && !p.accept("}") {
		p.fail(start, "%s… has no closing brace", p.src[start:p.at])
		ok = false
	}
	r := &reference{src: p.src[start:p.at]}
	if !ok {
		return nil, false
	}
	var err error
	if r.root, r.steps, err = builtin(word, steps); err != nil {
		p.fail(start, "%s", err)
		return nil, false
	}
	if v, isVariable := r.root.(variable); isVariable {
		p.used = append(p.used, use{string(v), start})
	}
	return r, true
}

// steps reads what follows the name of a reference.
func (p *parser) steps() (all []access, ok bool) {
	for p.at < p.end {
		start := p.at
		rest := p.src[p.at:p.end]
		switch {
		case rest[0] == '.' && len(rest) > 1 && startsName(rest[1]):
			s := access{kind: isMember, name: name(rest[1:])}
			p.at += 1 + len(s.name)
			if p.accept("(") {
				s.kind = isMethod
				if s.args, ok = p.arguments(")"); !ok {
					return nil, false
				}
			}
			all = append(all, s)
		case rest[0] == '[' && startsIndex(rest[1:]):
			p.at++
			index, ok := p.argument()
			if !ok || !p.expect("]", "behind an index") {
				return nil, false
			}
			all = append(all, access{kind: isIndex, args: []expression{index}})
		default:
			return all, true
		}
		if len(all) > maxDepth {
			p.fail(start, "a chain of more than %d members and methods", maxDepth)
			return nil, false
		}
	}
	return all, true
}

// startsIndex tells an index from a bracket that is text.
func startsIndex(s string) bool {
	s = strings.TrimLeft(s, " ")
	return s != "" && strings.IndexByte(`0123456789-'"$`, s[0]) >= 0
}

// arguments reads a list, separated by commas, up to its closing sign.
func (p *parser) arguments(closing string) (all []expression, ok bool) {
	p.skipSpace()
	if p.accept(closing) {
		return nil, true
	}
	for {
		e, ok := p.argument()
		if !ok {
			return nil, false
		}
		all = append(all, e)
		p.skipSpace()
		switch {
		case p.accept(closing):
			return all, true
		case !p.accept(","):
			p.fail(p.at, "want , or %s here: an argument is a reference, a literal, a list or a map; compute it with #set before", closing)
			return nil, false
		}
	}
}

// operators lists VTL's by binding, the loosest first, each with its word.
var operators = [][]struct{ sign, word string }{
	{{"||", "or"}},
	{{"&&", "and"}},
	{{"==", "eq"}, {"!=", "ne"}},
	{{"<=", "le"}, {">=", "ge"}, {"<", "lt"}, {">", "gt"}},
	{{"+", ""}, {"-", ""}},
	{{"*", ""}, {"/", ""}, {"%", ""}},
}

// expression reads what may stand in #set, #if and parentheses.
func (p *parser) expression() (expression, bool) {
	if p.depth++; p.depth > maxDepth {
		p.fail(p.at, "nested deeper than %d", maxDepth)
		return nil, false
	}
	defer func() { p.depth-- }()
	return p.binary(0)
}

// maxChain bounds how many operators of one binding follow each other: they
// make a tree as deep as they are many.
const maxChain = 1000

func (p *parser) binary(level int) (expression, bool) {
	if level == len(operators) {
		return p.unary()
	}
	left, ok := p.binary(level + 1)
	for n := 0; ok; n++ {
		sign := p.operator(level)
		if sign == "" {
			return left, true
		}
		if n == maxChain {
			p.fail(p.at, "more than %d operators in a row", maxChain)
			return nil, false
		}
		var right expression
		if right, ok = p.binary(level + 1); ok {
			left = &binaryExpr{sign: sign, left: left, right: right}
		}
	}
	return nil, false
}

// operator reads one of a binding, and gives its sign; "" for none.
func (p *parser) operator(level int) string {
	p.skipSpace()
	for _, o := range operators[level] {
		if p.accept(o.sign) {
			return o.sign
		}
		if o.word != "" && name(p.src[p.at:p.end]) == o.word {
			p.at += len(o.word)
			return o.sign
		}
	}
	return ""
}

func (p *parser) unary() (expression, bool) {
	p.skipSpace()
	negations := 0
	for {
		switch {
		case p.accept("!"):
		case name(p.src[p.at:p.end]) == "not":
			p.at += len("not")
		default:
			e, ok := p.primary()
			if !ok || negations == 0 {
				return e, ok
			}
			return notExpr{e, negations%2 == 1}, true
		}
		negations++
		p.skipSpace()
	}
}

func (p *parser) primary() (expression, bool) {
	p.skipSpace()
	if !p.accept("(") {
		return p.argument()
	}
	e, ok := p.expression()
	if !ok || !p.expect(")", "to close the parenthesis") {
		return nil, false
	}
	return e, true
}

// argument reads a reference, a literal, a list, a range or a map: what may
// stand between the parentheses of a method.
func (p *parser) argument() (expression, bool) {
	p.skipSpace()
	rest := p.src[p.at:p.end]
	switch {
	case rest == "":
		p.fail(p.at, "a value is missing here")
		return nil, false
	case p.startsReference(p.at):
		r, ok := p.reference()
		if !ok {
			return nil, false
		}
		return r.value(), true
	case rest[0] == '\'' || rest[0] == '"':
		return p.quoted()
	case rest[0] == '-' || '0' <= rest[0] && rest[0] <= '9':
		return p.number()
	case rest[0] == '[':
		return p.list()
	case rest[0] == '{':
		return p.mapping()
	}
	switch word := name(rest); word {
	case "true", "false":
		p.at += len(word)
		return literal{word == "true"}, true
	}
	p.fail(p.at, "%.20q is no value: want a reference, a text in quotes, a number, true, false, a list or a map", rest)
	return nil, false
}

// quoted reads a text. Between double quotes references and directives are
// rendered; a backslash has no meaning of its own in either.
func (p *parser) quoted() (expression, bool) {
	start := p.at
	quote := p.src[start]
	length := strings.IndexByte(p.src[start+1:p.end], quote)
	if length < 0 {
		p.fail(start, "the text that begins with %c has no end", quote)
		p.at = p.end
		return nil, false
	}
	from, to := start+1, start+1+length
	inner := p.src[from:to]
	if quote == '\'' || !strings.ContainsAny(inner, "$#") {
		p.at = to + 1
		return literal{inner}, true
	}
	end := p.end
	p.at, p.end = from, to
	nodes, _ := p.block()
	p.at, p.end = to+1, end
	return interpolated(nodes), true
}

// number reads 12, -12 or 1.5.
func (p *parser) number() (expression, bool) {
	start := p.at
	digits := func() {
		for p.at < p.end && '0' <= p.src[p.at] && p.src[p.at] <= '9' {
			p.at++
		}
	}
	p.accept("-")
	digits()
	whole := true
	if rest := p.src[p.at:p.end]; len(rest) > 1 && rest[0] == '.' && '0' <= rest[1] && rest[1] <= '9' {
		whole = false
		p.at++
		digits()
	}
	s := p.src[start:p.at]
	if whole {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return literal{n}, true
		}
	} else if f, err := strconv.ParseFloat(s, 64); err == nil {
		return literal{f}, true
	}
	p.fail(start, "%q is no number of 64 bits", s)
	return nil, false
}

// list reads [a, b] or [from..to].
func (p *parser) list() (expression, bool) {
	if p.depth++; p.depth > maxDepth {
		p.fail(p.at, "nested deeper than %d", maxDepth)
		return nil, false
	}
	defer func() { p.depth-- }()
	p.at++
	p.skipSpace()
	if p.accept("]") {
		return listExpr(nil), true
	}
	first, ok := p.argument()
	if !ok {
		return nil, false
	}
	p.skipSpace()
	switch {
	case p.accept(".."):
		last, ok := p.argument()
		if !ok || !p.expect("]", "at the end of a range") {
			return nil, false
		}
		return rangeExpr{first, last}, true
	case p.accept("]"):
		return listExpr{first}, true
	case !p.accept(","):
		p.fail(p.at, "want , or .. or ] in a list")
		return nil, false
	}
	rest, ok := p.arguments("]")
	return listExpr(slices.Concat([]expression{first}, rest)), ok
}

// mapping reads {"a": 1, "b": 2}.
func (p *parser) mapping() (expression, bool) {
	if p.depth++; p.depth > maxDepth {
		p.fail(p.at, "nested deeper than %d", maxDepth)
		return nil, false
	}
	defer func() { p.depth-- }()
	p.at++
	var m mapExpr
	p.skipSpace()
	if p.accept("}") {
		return m, true
	}
	for {
		key, ok := p.argument()
		if !ok || !p.expect(":", "behind a key of a map") {
			return nil, false
		}
		value, ok := p.argument()
		if !ok {
			return nil, false
		}
		m = append(m, [2]expression{key, value})
		p.skipSpace()
		if p.accept("}") {
			return m, true
		}
		if !p.expect(",", "or } in a map") {
			return nil, false
		}
	}
}
