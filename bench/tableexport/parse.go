package tableexport

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
)

// Value is an attribute: of type S or N its text, of any other its type alone.
// The zero Value is an attribute that the item does not have.
type Value struct {
	Type string
	Text []byte
}

// maxDepth is how deep an attribute may nest, with room to spare: DynamoDB allows
// 32 levels, of which each is two of JSON's.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
const maxDepth = 100

// parser reads one line at a time. It goes through the line once and keeps what
// was asked for, which is several times faster than building all of it. What it
// accepts is what encoding/json accepts of that shape, and reads the same in it.
type parser struct {
	names  []string
	values []Value
	line   []byte
	at     int
}

func newParser(names []string) *parser {
	return &parser{names: names, values: make([]Value, len(names))}
}

var errShape = errors.New(`want {"Item":{"name":{"TYPE":value},...}}`)

// item reads a line. The values point into it, and are valid until the next call.
func (p *parser) item(line []byte) ([]Value, error) {
	p.line, p.at = line, 0
	clear(p.values)
	items := 0
	err := p.object(func(key []byte) error {
		if string(key) != "Item" {
			return errShape
		}
		items++
		return p.object(p.attribute)
	})
	if err == nil {
		p.space()
		if p.at != len(p.line) || items != 1 {
			err = errShape
		}
	}
	if err != nil {
		return nil, fmt.Errorf("byte %d: %w", p.at, err)
	}
	return p.values, nil
}

// attribute reads one {"TYPE":value}.
func (p *parser) attribute(name []byte) error {
	wanted := -1
	for i, n := range p.names {
		if string(name) == n {
			wanted = i
			break
		}
	}
	types := 0
	err := p.object(func(key []byte) error {
		if types++; types > 1 {
			return errShape
		}
		if wanted < 0 {
			return p.skip(0)
		}
		return p.value(wanted, key)
	})
	if err == nil && types == 0 {
		err = errShape
	}
	return err
}

// value reads the value of an attribute that was asked for.
func (p *parser) value(wanted int, kind []byte) (err error) {
	v := &p.values[wanted]
	if v.Type != "" {
		return fmt.Errorf("attribute %q stands there twice", p.names[wanted])
	}
	switch string(kind) {
	case "S":
		v.Type = "S" // without an allocation
	case "N":
		v.Type = "N"
	default:
		v.Type = string(kind)
		return p.skip(0)
	}
	if p.space() != '"' {
		return errShape
	}
	v.Text, err = p.text()
	return err
}

var errSyntax = errors.New("no JSON")

// space goes past white space and gives the byte behind it; 0: the end.
func (p *parser) space() byte {
	for ; p.at < len(p.line); p.at++ {
		switch c := p.line[p.at]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

// take goes past one byte, after white space.
func (p *parser) take(c byte) error {
	if p.space() != c {
		return errSyntax
	}
	p.at++
	return nil
}

// object reads an object and calls member behind each colon.
func (p *parser) object(member func(key []byte) error) error {
	if p.space() != '{' {
		return errShape
	}
	p.at++
	if p.space() == '}' {
		p.at++
		return nil
	}
	for {
		if p.space() != '"' {
			return errSyntax
		}
		key, err := p.text()
		if err == nil {
			err = p.take(':')
		}
		if err == nil {
			err = member(key)
		}
		if err != nil {
			return err
		}
		if p.space() == '}' {
			p.at++
			return nil
		}
		if err := p.take(','); err != nil {
			return err
		}
	}
}

// text reads a string. One that is plain ASCII without escapes, as ids, digests
// and numbers are, is given as it stands; another one is left to encoding/json.
func (p *parser) text() ([]byte, error) {
	from := p.at
	plain, err := p.skipText()
	if err != nil {
		return nil, err
	}
	if plain {
		return p.line[from+1 : p.at-1], nil
	}
	var s string
	if err := json.Unmarshal(p.line[from:p.at], &s); err != nil {
		return nil, errSyntax
	}
	return []byte(s), nil
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special has a bit set where one of eight bytes is a control character, a quote,
// a backslash or not ASCII. A byte above one that is special may be marked too:
// the lowest mark is right.
func special(w uint64) uint64 {
	quote, slash := w^ones*'"', w^ones*'\\'
	return (w | (w - ones*' ') | (quote-ones)&^quote | (slash-ones)&^slash) & highs
}

// skipText goes past a string, and reports whether what stands in it is what it
// means. Whether its escapes are sound is looked at where they are.
func (p *parser) skipText() (plain bool, err error) {
	plain = true
	p.at++
	for {
		for p.at+8 <= len(p.line) && special(binary.LittleEndian.Uint64(p.line[p.at:])) == 0 {
			p.at += 8
		}
		if p.at >= len(p.line) {
			return false, errSyntax
		}
		switch c := p.line[p.at]; {
		case c == '"':
			p.at++
			return plain, nil
		case c < ' ':
			return false, errSyntax
		case c == '\\':
			if err := p.escape(); err != nil {
				return false, err
			}
			plain = false
		default:
			plain = plain && c < 0x80
			p.at++
		}
	}
}

// escape goes past a backslash and what belongs to it.
func (p *parser) escape() error {
	n := 2
	if p.at+1 >= len(p.line) {
		return errSyntax
	}
	switch p.line[p.at+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
	case 'u':
		n = 6
		if p.at+n > len(p.line) {
			return errSyntax
		}
		for _, c := range p.line[p.at+2 : p.at+n] {
			if c-'0' > 9 && c|0x20-'a' > 5 {
				return errSyntax
			}
		}
	default:
		return errSyntax
	}
	p.at += n
	return nil
}

// skip goes past any value.
func (p *parser) skip(depth int) error {
	if depth > maxDepth {
		return errors.New("nested too deeply")
	}
	switch c := p.space(); {
	case c == '"':
		_, err := p.skipText()
		return err
	case c == '{':
		return p.object(func([]byte) error { return p.skip(depth + 1) })
	case c == '[':
		return p.array(depth)
	}
	// A number, true, false or null: short and rare.
	from := p.at
	for p.at < len(p.line) && !ends(p.line[p.at]) {
		p.at++
	}
	if !json.Valid(p.line[from:p.at]) {
		return errSyntax
	}
	return nil
}

func ends(c byte) bool {
	switch c {
	case ',', ']', '}', ' ', '\t', '\r', '\n':
		return true
	}
	return false
}

func (p *parser) array(depth int) error {
	p.at++
	if p.space() == ']' {
		p.at++
		return nil
	}
	for {
		if err := p.skip(depth + 1); err != nil {
			return err
		}
		if p.space() == ']' {
			p.at++
			return nil
		}
		if err := p.take(','); err != nil {
			return err
		}
	}
}
