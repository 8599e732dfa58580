package gateway

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// parser reads a template into its tree, from left to right, and goes on behind
// an error so that as many as possible are reported. What VTL knows and we do
// not model is refused; only what is text to VTL is text to us.
//
// The grammar is that of Velocity 1.7, which API Gateway's behaviour points to:
// https://velocity.apache.org/engine/1.7/vtl-reference.html
type parser struct {
	src      string
	at, end  int // the part that is read: all, or a string between quotes
	depth    int
	errs     []error
	assigned map[string]bool // variables that the template sets somewhere
	used     []use           // variables that it reads
}

// use is a place at which a variable is read.
type use struct {
	name string
	at   int
}

// maxDepth bounds how deep blocks, lists and strings may lie in each other, so
// that reading a template takes a bounded stack.
const maxDepth = 64

// fail notes an error at a place. Only the first one at a place is kept.
func (p *parser) fail(at int, format string, args ...any) {
	err := p.locate(at, fmt.Errorf(format, args...))
	for _, other := range p.errs {
		if other.Error() == err.Error() {
			return
		}
	}
	p.errs = append(p.errs, err)
}

// locate puts line and column (in characters, both from 1) in front of an error.
func (p *parser) locate(at int, err error) error {
	before := p.src[:min(at, len(p.src))]
	line := 1 + strings.Count(before, "\n")
	column := 1 + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
	return fmt.Errorf("parse template: line %d, column %d: %w", line, column, err)
}

// parseTemplate reads a template; nil with what is wrong with it.
func parseTemplate(src string) (*template, []error) {
	if len(src) > maxTemplate {
		return nil, []error{fmt.Errorf("parse template: %d bytes, API Gateway takes %d at most", len(src), maxTemplate)}
	}
	if !utf8.ValidString(src) {
		return nil, []error{errors.New("parse template: not UTF-8 text")}
	}
	p := &parser{src: src, end: len(src), assigned: map[string]bool{}}
	nodes, _ := p.block()
	for _, u := range p.used {
		if !p.assigned[u.name] && !slices.Contains(loopVariables, u.name) {
			p.fail(u.at, "nothing sets $%s; what every template has are $input, $util, $context and $stageVariables", u.name)
		}
	}
	if len(p.errs) == 0 && len(nodes) == 0 {
		p.errs = append(p.errs, errors.New("parse template: it is empty"))
	}
	if len(p.errs) > 0 {
		return nil, p.errs
	}
	return &template{nodes: nodes}, nil
}

// loopVariables need no #set: #foreach makes them, and $null is what templates
// compare with to ask whether there is a value.
var loopVariables = []string{"foreach", "velocityCount", "velocityHasNext", "null"}

// block reads nodes up to one of the directives that end it, or to the end of
// the text. It returns the directive, which has been read.
func (p *parser) block(stops ...string) (nodes []node, stop string) {
	if p.depth++; p.depth > maxDepth {
		p.fail(p.at, "nested deeper than %d", maxDepth)
		p.at = p.end
	}
	defer func() { p.depth-- }()
	from := p.at
	flush := func(to int) {
		if from < to {
			nodes = append(nodes, text(p.src[from:to]))
		}
	}
	for p.at < p.end {
		if c := p.src[p.at]; c != '$' && c != '#' && c != '\\' {
			p.at++
			continue
		}
		start := p.at
		n, kind := p.special()
		switch {
		case kind == isText:
			continue
		case kind == isSet: // takes the blanks before it, as Velocity does
			for start > from && (p.src[start-1] == ' ' || p.src[start-1] == '\t') {
				start--
			}
		}
		flush(start)
		from = p.at
		if n != nil {
			nodes = append(nodes, n)
		}
		if kind == isStop {
			word, _ := p.directiveName(start)
			if slices.Contains(stops, word) {
				return nodes, word
			}
			p.fail(start, "#%s without its #if or #foreach", word)
		}
	}
	flush(p.end)
	return nodes, ""
}

// found says what stood at a special character.
type found uint8

const (
	isText found = iota // nothing special: it stays in the text around it
	isNode              // a node, or nothing that renders
	isSet               // a node, and the blanks before it go
	isStop              // the end of a block
)

// special reads what stands at a '$', a '#' or a '\'. It always moves on.
func (p *parser) special() (node, found) {
	switch p.src[p.at] {
	case '\\':
		return p.backslashes()
	case '#':
		return p.directive()
	}
	if !p.startsReference(p.at) {
		p.at++ // a lone dollar is text, as in "$5"
		return nil, isText
	}
	r, ok := p.reference()
	if !ok {
		return nil, isNode
	}
	return r, isNode
}

// startsReference reports whether $name, $!name, ${name} or $!{name} begins at
// a place.
func (p *parser) startsReference(at int) bool {
	rest := p.src[at:p.end]
	if rest == "" || rest[0] != '$' {
		return false
	}
	rest = strings.TrimPrefix(rest[1:], "!")
	rest = strings.TrimPrefix(rest, "{")
	return rest != "" && startsName(rest[0])
}

// backslashes reads a row of them. Before what has a meaning in VTL each pair
// stands for one, and a single one takes the meaning away; elsewhere they are
// text.
func (p *parser) backslashes() (node, found) {
	start := p.at
	for p.at < p.end && p.src[p.at] == '\\' {
		p.at++
	}
	n := p.at - start
	word, after := p.directiveName(p.at)
	if !p.startsReference(p.at) && (word == "" || !slices.Contains(directives, word)) {
		return nil, isText
	}
	escaped := strings.Repeat(`\`, n/2)
	if n%2 == 1 {
		escaped += p.src[p.at : p.at+1]
		p.at++
		if after > p.at {
			escaped += p.src[p.at:after]
			p.at = after
		}
	}
	return text(escaped), isNode
}

// directives are the words of VTL, those that are not modelled included.
var directives = []string{"set", "if", "elseif", "else", "end", "foreach", "macro", "define", "parse", "include", "evaluate", "stop", "break"}

// directiveName reads #name or #{name} at a place; "" where there is none. It
// also returns the place behind it.
func (p *parser) directiveName(at int) (word string, after int) {
	if at >= p.end || p.src[at] != '#' {
		return "", at
	}
	rest := p.src[at+1 : p.end]
	if inner, formal := strings.CutPrefix(rest, "{"); formal {
		word = name(inner)
		if len(word) == len(inner) || inner[len(word)] != '}' {
			return "", at
		}
		return word, at + 1 + len(word) + 2
	}
	i := 0
	for i < len(rest) && isLetter(rest[i]) {
		i++
	}
	return rest[:i], at + 1 + i
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

func startsName(c byte) bool { return isLetter(c) || c == '_' }

// name returns the VTL identifier that s starts with; "" for none.
func name(s string) string {
	i := 0
	for i < len(s) && (startsName(s[i]) || i > 0 && ('0' <= s[i] && s[i] <= '9' || s[i] == '-')) {
		i++
	}
	return s[:i]
}

// skipSpace moves over white space, line ends included.
func (p *parser) skipSpace() {
	for p.at < p.end && strings.IndexByte(" \t\r\n", p.src[p.at]) >= 0 {
		p.at++
	}
}

// skipLineEnd moves over blanks and a line end behind a directive, if nothing
// else stands there: such a line leaves no empty line behind.
func (p *parser) skipLineEnd() {
	i := p.at
	for i < p.end && (p.src[i] == ' ' || p.src[i] == '\t') {
		i++
	}
	switch rest := p.src[i:p.end]; {
	case strings.HasPrefix(rest, "\r\n"):
		p.at = i + 2
	case strings.HasPrefix(rest, "\n"):
		p.at = i + 1
	}
}

// accept moves over a text if it stands here.
func (p *parser) accept(s string) bool {
	if !strings.HasPrefix(p.src[p.at:p.end], s) {
		return false
	}
	p.at += len(s)
	return true
}

// expect is accept behind white space, and an error where it fails.
func (p *parser) expect(s, where string) bool {
	p.skipSpace()
	if p.accept(s) {
		return true
	}
	p.fail(p.at, "want %q %s", s, where)
	return false
}
