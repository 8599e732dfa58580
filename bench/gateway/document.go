package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// path is a parsed JSONPath of the definite kind: it names at most one value.
// Wildcards, slices, filters and deep scans are refused.
type path []step

// step goes from a value to one of its children: a member by name, or, where
// name is nil, an element by index.
type step struct {
	name  *string
	index int
}

// parsePath reads $, $.a.b, $['a b'] and $.a[0].
func parsePath(s string) (path, error) {
	rest, ok := strings.CutPrefix(s, "$")
	if !ok {
		return nil, errors.New("a JSONPath begins with $")
	}
	var p path
	for rest != "" {
		var st step
		var err error
		switch {
		case rest[0] == '.':
			n := strings.IndexAny(rest[1:], ".[")
			if n < 0 {
				n = len(rest) - 1
			}
			member := rest[1 : 1+n]
			if member == "" || strings.ContainsAny(member, "*()?'\" \t\n]") {
				return nil, fmt.Errorf("%q: only plain member names are modelled, as in $.a.b", rest)
			}
			st, rest = step{name: &member}, rest[1+n:]
		case rest[0] == '[':
			if st, rest, err = parseBracket(rest); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("%q: want .name or [index] here", rest)
		}
		p = append(p, st)
	}
	return p, nil
}

// parseBracket reads ['name'] or [0] and returns what follows it.
func parseBracket(s string) (step, string, error) {
	wrong := fmt.Errorf("%q: want ['name'] or [0] here", s)
	if len(s) > 1 && (s[1] == '\'' || s[1] == '"') {
		member, rest, ok := strings.Cut(s[2:], s[1:2]+"]")
		if !ok {
			return step{}, "", wrong
		}
		return step{name: &member}, rest, nil
	}
	digits, rest, ok := strings.Cut(s[1:], "]")
	n, err := strconv.ParseUint(digits, 10, 31)
	if !ok || err != nil {
		return step{}, "", wrong
	}
	return step{index: int(n)}, rest, nil
}

// String prints the path as JSONPath.
func (p path) String() string {
	var b strings.Builder
	b.WriteByte('$')
	for _, s := range p {
		if s.name == nil {
			fmt.Fprintf(&b, "[%d]", s.index)
			continue
		}
		fmt.Fprintf(&b, "['%s']", *s.name)
	}
	return b.String()
}

// document is a request body that is known to be JSON. The top level is split
// once, since every reference of a usual template begins there; values keep
// the client's own text, so that a number of 38 digits stays what it was.
type document struct {
	raw     json.RawMessage
	members map[string]json.RawMessage // nil unless the document is an object
}

// errNotJSON is how API Gateway refuses a body that its template looks into.
var errNotJSON = errors.New("Could not parse request body into json") //lint:ignore ST1005 the service's own words

func parseDocument(body []byte) (document, error) {
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return document{}, nil // no value is found in it
	}
	d := document{raw: body}
	if body[0] == '{' {
		if err := json.Unmarshal(body, &d.members); err != nil {
			return document{}, fmt.Errorf("%w: %w", errNotJSON, err)
		}
	} else if !json.Valid(body) {
		return document{}, errNotJSON
	}
	return d, nil
}

// lookup finds the value at a path; false where there is none.
func (d document) lookup(p path) (json.RawMessage, bool) {
	if d.raw == nil {
		return nil, false
	}
	if len(p) == 0 {
		return d.raw, true
	}
	if p[0].name == nil {
		return descend(d.raw, p)
	}
	v, ok := d.members[*p[0].name]
	if !ok {
		return nil, false
	}
	return descend(v, p[1:])
}

// size is the length of what a path's first step leads to, in bytes.
func (d document) size(first step) int {
	if first.name == nil {
		return len(d.raw)
	}
	return len(d.members[*first.name])
}

func descend(v json.RawMessage, p path) (json.RawMessage, bool) {
	for _, s := range p {
		if s.name != nil {
			var members map[string]json.RawMessage
			if json.Unmarshal(v, &members) != nil {
				return nil, false // not an object
			}
			child, ok := members[*s.name]
			if !ok {
				return nil, false
			}
			v = child
			continue
		}
		var elements []json.RawMessage
		if json.Unmarshal(v, &elements) != nil || s.index >= len(elements) {
			return nil, false
		}
		v = elements[s.index]
	}
	return v, true
}
