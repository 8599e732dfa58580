package gateway

import "strings"

// directive reads what stands at a '#'.
func (p *parser) directive() (node, found) {
	start := p.at
	rest := p.src[p.at:p.end]
	switch {
	case strings.HasPrefix(rest, "##"):
		if i := strings.IndexByte(rest, '\n'); i >= 0 {
			p.at += i + 1
		} else {
			p.at = p.end
		}
		return nil, isNode
	case strings.HasPrefix(rest, "#*"):
		return nil, p.until("*#", "a comment begins with #* and never ends: want *#")
	case strings.HasPrefix(rest, "#[["):
		found := p.until("]]#", "a literal block begins with #[[ and never ends: want ]]#")
		if found != isNode || p.at < start+6 {
			return nil, found
		}
		return text(p.src[start+3 : p.at-3]), isNode
	case strings.HasPrefix(rest, "#@"):
		p.at += 2
		p.fail(start, "macros are not modelled: write the text out")
		return nil, isNode
	}
	word, after := p.directiveName(start)
	if word == "" {
		p.at++ // a lone '#' is text, as in "#1"
		return nil, isText
	}
	p.at = after
	switch word {
	case "set":
		return p.set(), isSet
	case "if":
		return p.cond(start), isNode
	case "foreach":
		return p.foreach(start), isNode
	case "end", "else", "elseif":
		if word != "elseif" {
			p.skipLineEnd()
		}
		return nil, isStop
	case "macro", "define", "parse", "include", "evaluate", "stop", "break":
		p.fail(start, "the directive #%s is not modelled: known are #set, #if, #elseif, #else, #end and #foreach", word)
		return nil, isNode
	}
	if strings.HasPrefix(word, "else") || strings.HasPrefix(word, "end") {
		p.fail(start, "#%s is no directive: where text follows at once, write #{else} or #{end}", word)
	} else if p.at < p.end && p.src[p.at] == '(' {
		p.fail(start, "the directive #%s is unknown: known are #set, #if, #elseif, #else, #end and #foreach", word)
	}
	return nil, isText // as in "#fff"
}

// until moves behind the end of a comment or literal block.
func (p *parser) until(end, wrong string) found {
	i := strings.Index(p.src[p.at+2:p.end], end)
	if i < 0 {
		p.fail(p.at, "%s", wrong)
		p.at = p.end
		return isNode
	}
	p.at += 2 + i + len(end)
	return isNode
}

// set reads ( $name = VALUE ) behind #set.
func (p *parser) set() node {
	if !p.expect("(", "behind #set, as in #set($a = 1)") {
		return nil
	}
	p.skipSpace()
	target, ok := p.target()
	if !ok || !p.expect("=", "in #set, as in #set($a = 1)") {
		p.leave()
		return nil
	}
	value, ok := p.expression()
	if !ok || !p.expect(")", "at the end of #set") {
		p.leave()
		return nil
	}
	p.skipLineEnd()
	return &setNode{target: target, value: value}
}

// leave moves out of a directive that could not be read, behind its parenthesis
// or to the end of the line: what follows within it would be reported again.
func (p *parser) leave() {
	for p.at < p.end && p.src[p.at] != '\n' {
		p.at++
		if p.src[p.at-1] == ')' {
			return
		}
	}
}

// target reads what #set assigns to: a variable, a member of one, or the
// answer's status or a header of it.
func (p *parser) target() (*reference, bool) {
	if !p.startsReference(p.at) {
		p.fail(p.at, "want a variable to set, as in #set($a = 1)")
		return nil, false
	}
	start := p.at
	uses := len(p.used)
	r, ok := p.reference()
	if !ok {
		return nil, false
	}
	if v, isVariable := r.root.(variable); isVariable && len(r.steps) == 0 {
		p.used = p.used[:uses] // it is set here, not read
		p.assigned[string(v)] = true
		return r, true
	}
	last := len(r.steps) - 1
	switch _, isOverride := r.root.(override); {
	case isOverride:
		return r, true
	case last < 0 || r.steps[last].kind == isMethod:
		p.fail(start, "%s cannot be set: want a variable, a member of one, or $context.responseOverride", r.src)
		return nil, false
	}
	return r, true
}

// condition reads ( EXPRESSION ).
func (p *parser) condition(word string) expression {
	if !p.expect("(", "behind #"+word) {
		return literal{}
	}
	e, ok := p.expression()
	if !ok || !p.expect(")", "at the end of #"+word) {
		p.leave()
		return literal{}
	}
	p.skipLineEnd()
	return e
}

// cond reads an #if to its #end.
func (p *parser) cond(start int) node {
	c := &condNode{}
	word := "if"
	for {
		var test expression
		if word != "else" {
			test = p.condition(word)
		}
		stops := []string{"end"}
		if word != "else" {
			stops = []string{"end", "else", "elseif"}
		}
		body, stop := p.block(stops...)
		c.branches = append(c.branches, branch{test: test, body: body})
		switch stop {
		case "end":
			return c
		case "":
			p.fail(start, "an #if without its #end")
			return c
		}
		word = stop
	}
}

// foreach reads ( $x in LIST ) and the body behind it, to its #end.
func (p *parser) foreach(start int) node {
	f := &loopNode{list: literal{}}
	head := func() bool {
		if !p.expect("(", "behind #foreach, as in #foreach($x in $list)") {
			return false
		}
		p.skipSpace()
		t, ok := p.target()
		if !ok {
			return false
		}
		v, isVariable := t.root.(variable)
		if !isVariable || len(t.steps) > 0 {
			p.fail(start, "#foreach wants a plain variable, as in #foreach($x in $list)")
			return false
		}
		f.name = string(v)
		if !p.expect("in", "in #foreach, as in #foreach($x in $list)") {
			return false
		}
		f.list, ok = p.argument()
		return ok && p.expect(")", "at the end of #foreach")
	}
	if head() {
		p.skipLineEnd()
	} else {
		p.leave()
	}
	var stop string
	if f.body, stop = p.block("end"); stop == "" {
		p.fail(start, "a #foreach without its #end")
	}
	return f
}
