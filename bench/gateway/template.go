package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// DefaultTemplate is the mapping template used where the scenario names none.
// It quotes nothing itself: $input.json renders a JSON text with its own
// quotes, so that no value can leave the string it belongs in.
const DefaultTemplate = `{"TableName":"$stageVariables.itemsTable",` +
	`"Item":{"id":{"S":$input.json('$.id')},"payload":{"S":$input.json('$.payload')}}}`

// maxTemplate is API Gateway's bound on a mapping template, in bytes.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
const maxTemplate = 300 << 10

// stageVariable is the one stage variable that the stack sets.
const stageVariable = "itemsTable"

// kind says what a segment of a template renders.
type kind uint8

const (
	kindText      kind = iota
	kindPath           // $input.path('…'): the value as raw text, not quoted and not escaped
	kindJSON           // $input.json('…'): the value as JSON text
	kindBody           // $input.body
	kindRequestID      // $context.requestId
	kindTable          // $stageVariables.itemsTable
)

// segment is a piece of literal text, or one reference.
type segment struct {
	kind   kind
	text   string // of kindText
	path   path   // of kindPath and kindJSON
	escape bool   // inside $util.escapeJavaScript(…)
	tidy   bool   // with .replaceAll("\\'","'") behind it
}

// template is a parsed mapping template: the subset of API Gateway's VTL that
// is text with references in it. It is immutable and safe for concurrent use.
type template struct {
	segments []segment
	needJSON bool // a segment looks into the parsed body
}

// Check reports everything that is wrong with a mapping template, so that a
// scenario can be refused before anything is started. The subset: literal text
// and the references
//
//	$input.path('$.a.b')  $input.json('$.a')  $input.body
//	$context.requestId    $stageVariables.itemsTable
//	$util.escapeJavaScript(REFERENCE)  with or without  .replaceAll("\\'","'")
//
// Directives (#set, #foreach, #if) and other references are not modelled yet.
// https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html
func Check(template string) []error {
	_, errs := parseTemplate(template)
	return errs
}

// parser walks a template once, from left to right, and goes on behind an
// error so that all of them are reported.
type parser struct {
	src  string
	at   int
	out  []segment
	errs []error
}

func parseTemplate(src string) (*template, []error) {
	if len(src) > maxTemplate {
		return nil, []error{fmt.Errorf("parse template: %d bytes, API Gateway takes %d at most", len(src), maxTemplate)}
	}
	if !utf8.ValidString(src) {
		return nil, []error{errors.New("parse template: not UTF-8 text")}
	}
	p := &parser{src: src}
	from := 0
	for p.at < len(src) {
		if c := src[p.at]; c != '$' && c != '#' && c != '\\' {
			p.at++
			continue
		}
		start := p.at
		s, found, err := p.special()
		// What special passes without finding a reference stays in the text.
		if err != nil {
			p.errs = append(p.errs, p.locate(start, err))
		}
		if found {
			p.text(from, start)
			p.out = append(p.out, s)
			from = p.at
		}
	}
	p.text(from, len(src))
	if len(p.errs) == 0 && len(p.out) == 0 {
		p.errs = append(p.errs, errors.New("parse template: it is empty"))
	}
	if len(p.errs) > 0 {
		return nil, p.errs
	}
	t := &template{segments: p.out}
	for _, s := range t.segments {
		t.needJSON = t.needJSON || s.kind == kindPath || s.kind == kindJSON
	}
	return t, nil
}

func (p *parser) text(from, to int) {
	if from < to {
		p.out = append(p.out, segment{kind: kindText, text: p.src[from:to]})
	}
}

// locate puts line and column (in characters, both from 1) in front of an error.
func (p *parser) locate(at int, err error) error {
	before := p.src[:at]
	line := 1 + strings.Count(before, "\n")
	column := 1 + utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])
	return fmt.Errorf("parse template: line %d, column %d: %w", line, column, err)
}

// special reads what stands at a '$', a '#' or a '\'. It always moves on.
func (p *parser) special() (s segment, found bool, err error) {
	rest := p.src[p.at:]
	next := byte(0)
	if len(rest) > 1 {
		next = rest[1]
	}
	switch {
	case rest[0] == '\\':
		// In VTL a backslash takes the meaning from the sign behind it, but
		// only if that sign has one; we refuse rather than guess.
		p.at++
		if next == '$' || next == '#' {
			p.at++
			return s, false, fmt.Errorf(`the escape \%c is not modelled yet`, next)
		}
		return s, false, nil
	case rest[0] == '#':
		p.at++
		if next == '#' || next == '*' || next == '[' {
			p.at++
			return s, false, fmt.Errorf("the comment or literal block #%c is not modelled yet: take it out", next)
		}
		if isLetter(next) || next == '{' || next == '@' {
			directive := name(strings.TrimLeft(rest[1:], "{@"))
			return s, false, fmt.Errorf("the directive #%s is not modelled yet: use references only", directive)
		}
		return s, false, nil
	case isLetter(next):
		s, err = p.reference()
		return s, err == nil, err
	case next == '{' || next == '!':
		p.at += 2
		return s, false, fmt.Errorf("the form $%c… is not modelled yet: write it plain, as in $input.json('$.id')", next)
	}
	p.at++ // a lone dollar is text, as in "$5"
	return s, false, nil
}

// tidySuffix undoes the one escape that JSON does not know: escapeJavaScript
// turns ' into \', and the AWS documentation tells to turn it back like this.
const tidySuffix = `.replaceAll("\\'","'")`

// reference reads one reference at a '$' followed by a letter.
func (p *parser) reference() (segment, error) {
	const escape = "$util.escapeJavaScript("
	if !strings.HasPrefix(p.src[p.at:], escape) {
		return p.plainReference()
	}
	p.at += len(escape)
	p.skipSpace()
	if p.at == len(p.src) || p.src[p.at] != '$' {
		return segment{}, errors.New("$util.escapeJavaScript wants one reference between its parentheses")
	}
	s, err := p.plainReference()
	if err != nil {
		return s, err
	}
	p.skipSpace()
	if !p.accept(")") {
		return s, errors.New("$util.escapeJavaScript wants one reference and then a closing parenthesis")
	}
	s.escape = true
	s.tidy = p.accept(tidySuffix)
	return s, p.noMore()
}

// plainReference reads a reference that is no call of $util.
func (p *parser) plainReference() (segment, error) {
	start := p.at
	p.at++
	word := name(p.src[p.at:])
	p.at += len(word)
	for p.at+1 < len(p.src) && p.src[p.at] == '.' && isLetter(p.src[p.at+1]) {
		p.at += 1 + len(name(p.src[p.at+1:]))
	}
	switch ref := p.src[start:p.at]; ref {
	case "$input.body":
		return segment{kind: kindBody}, p.noMore()
	case "$context.requestId":
		return segment{kind: kindRequestID}, p.noMore()
	case "$stageVariables." + stageVariable:
		return segment{kind: kindTable}, p.noMore()
	case "$input.path", "$input.json":
		arg, err := p.argument(ref)
		if err != nil {
			return segment{}, err
		}
		steps, err := parsePath(arg)
		if err != nil {
			return segment{}, fmt.Errorf("%s('%s'): %w", ref, arg, err)
		}
		s := segment{kind: kindPath, path: steps}
		if ref == "$input.json" {
			s.kind = kindJSON
		}
		return s, p.noMore()
	default:
		if strings.HasPrefix(ref, "$stageVariables.") {
			return segment{}, fmt.Errorf("%s: the stage has one variable, %s", ref, stageVariable)
		}
		return segment{}, fmt.Errorf("the reference %s is not modelled yet; known are $input.path, $input.json, $input.body, "+
			"$context.requestId, $stageVariables.%s and $util.escapeJavaScript", ref, stageVariable)
	}
}

// argument reads ('…') or ("…") behind a function's name.
func (p *parser) argument(function string) (string, error) {
	wrong := fmt.Errorf("%s wants one quoted JSONPath, as in %s('$.id')", function, function)
	if !p.accept("(") {
		return "", wrong
	}
	p.skipSpace()
	if p.at == len(p.src) || (p.src[p.at] != '\'' && p.src[p.at] != '"') {
		return "", wrong
	}
	quote := p.src[p.at]
	p.at++
	end := strings.IndexByte(p.src[p.at:], quote)
	if end < 0 {
		return "", wrong
	}
	arg := p.src[p.at : p.at+end]
	p.at += end + 1
	p.skipSpace()
	if !p.accept(")") {
		return "", wrong
	}
	return arg, nil
}

// noMore refuses a method call or an index behind a complete reference, which
// VTL would apply and we would print.
func (p *parser) noMore() error {
	rest := p.src[p.at:]
	if strings.HasPrefix(rest, "[") || strings.HasPrefix(rest, "(") || (len(rest) > 1 && rest[0] == '.' && isLetter(rest[1])) {
		return fmt.Errorf("what stands behind the reference, %.20q, is not modelled yet", rest)
	}
	return nil
}

func (p *parser) accept(s string) bool {
	if !strings.HasPrefix(p.src[p.at:], s) {
		return false
	}
	p.at += len(s)
	return true
}

func (p *parser) skipSpace() {
	for p.at < len(p.src) && strings.IndexByte(" \t\r\n", p.src[p.at]) >= 0 {
		p.at++
	}
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

// name returns the VTL identifier that s starts with.
func name(s string) string {
	i := 0
	for i < len(s) && (isLetter(s[i]) || '0' <= s[i] && s[i] <= '9' || s[i] == '_' || s[i] == '-') {
		i++
	}
	return s[:i]
}

// values is what the references of one request refer to.
type values struct {
	body      []byte
	requestID string
	table     string
}

// render writes the request body of the integration. Its errors are the
// client's: the body is not JSON, or a value has no text.
func (t *template) render(v values) ([]byte, error) {
	var doc document
	if t.needJSON {
		var err error
		if doc, err = parseDocument(v.body); err != nil {
			return nil, err
		}
	}
	var out bytes.Buffer
	out.Grow(len(v.body) + 256)
	for _, s := range t.segments {
		if s.kind == kindText {
			out.WriteString(s.text)
			continue
		}
		text, err := s.value(v, doc)
		if err != nil {
			return nil, err
		}
		if s.escape {
			text = escapeJavaScript(text)
			if s.tidy {
				text = strings.ReplaceAll(text, `\'`, `'`)
			}
		}
		out.WriteString(text)
	}
	return out.Bytes(), nil
}

// value renders one reference. What is missing is nothing as raw text, and the
// empty string as JSON: $input.json always gives a JSON text.
func (s segment) value(v values, doc document) (string, error) {
	switch s.kind {
	case kindBody:
		// An empty body renders as an empty object, as API Gateway does.
		if len(v.body) == 0 {
			return "{}", nil
		}
		return string(v.body), nil
	case kindRequestID:
		return v.requestID, nil
	case kindTable:
		return v.table, nil
	case kindJSON:
		raw, found := doc.lookup(s.path)
		if !found {
			return `""`, nil
		}
		return string(raw), nil
	case kindPath:
		raw, found := doc.lookup(s.path)
		if !found {
			return "", nil
		}
		return rawText(raw, s.path)
	}
	panic(fmt.Sprintf("gateway: segment of kind %d", s.kind)) // parseTemplate makes no other
}

// escapeJavaScript escapes as $util.escapeJavaScript does, which is how
// JavaScript wants it and not JSON: ' becomes \', which JSON does not know.
func escapeJavaScript(s string) string {
	var b strings.Builder
	b.Grow(len(s) + 16)
	for _, r := range s {
		switch {
		case r == '\'' || r == '"' || r == '\\' || r == '/':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\b':
			b.WriteString(`\b`)
		case r == '\f':
			b.WriteString(`\f`)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r >= 0x10000:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04X\u%04X`, 0xD800+r>>10, 0xDC00+r&0x3FF)
		case r < 0x20 || r > 0x7E:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
