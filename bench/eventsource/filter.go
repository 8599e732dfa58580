package eventsource

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Limits of FilterCriteria
// (https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html,
// https://docs.aws.amazon.com/lambda/latest/api/API_Filter.html).
const (
	maxFilters       = 5
	maxPatternLength = 4096
)

// patternError has the words with which the service refuses a pattern, whatever
// is wrong with it, and then says what that is.
type patternError struct{ detail string }

func (e *patternError) Error() string {
	return "InvalidParameterValueException: Invalid filter pattern definition. (" + e.detail + ")"
}

// filter holds the event patterns of a mapping. A record passes if one of them
// matches; without patterns every record passes.
//
// A pattern has the shape of the record, with lists of alternatives as leaves.
// All fields of an object must match; what a pattern does not name does not
// matter (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html).
type filter []*objectPattern

// mustFilter compiles patterns that have passed Validate.
func mustFilter(patterns []string) filter {
	var f filter
	for _, text := range patterns {
		p, err := parsePattern(text)
		if err != nil {
			panic("eventsource: a pattern was not validated: " + err.Error())
		}
		f = append(f, p)
	}
	return f
}

// match reports whether a record, as the function would see it, passes.
func (f filter) match(record []byte) bool {
	if len(f) == 0 {
		return true
	}
	value, err := decodeJSON(record)
	if err != nil {
		panic("eventsource: a record that was encoded here is no JSON: " + err.Error())
	}
	return slices.ContainsFunc(f, func(p *objectPattern) bool { return p.match(value, true) })
}

// decodeJSON reads one JSON value and leaves numbers as they are spelled.
func decodeJSON(text []byte) (value any, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("more than one JSON value")
	}
	return value, nil
}

// pattern matches a value, or the absence of one.
type pattern interface {
	match(value any, present bool) bool
}

// objectPattern matches an object: each field, and for each $or one of its
// alternatives.
type objectPattern struct {
	names  []string
	fields []pattern // beside names
	or     []*objectPattern
}

func (p *objectPattern) match(value any, present bool) bool {
	if list, ok := value.([]any); ok {
		return slices.ContainsFunc(list, func(element any) bool { return p.match(element, true) })
	}
	// In anything but an object all fields are absent; only exists: false
	// can match that.
	object, _ := value.(map[string]any)
	for i, name := range p.names {
		child, has := object[name]
		if !p.fields[i].match(child, has) {
			return false
		}
	}
	return len(p.or) == 0 || slices.ContainsFunc(p.or, func(q *objectPattern) bool { return q.match(value, present) })
}

// leafPattern matches a value if one of its tests does; of a list, one element
// is enough.
type leafPattern []test

type test func(value any, present bool) bool

func (p leafPattern) match(value any, present bool) bool {
	switch v := value.(type) {
	case []any:
		if len(v) > 0 {
			return slices.ContainsFunc(v, func(element any) bool { return p.match(element, true) })
		}
		present = false // an empty list has no leaf
	case map[string]any:
		present = false // tests look at leaves only, and here is none
	}
	return slices.ContainsFunc(p, func(t test) bool { return t(value, present) })
}

// parsePattern compiles one pattern. Operators that EventBridge has and mappings
// have not (cidr, wildcard, what anything-but takes beside values) are refused.
func parsePattern(text string) (*objectPattern, error) {
	if len(text) > maxPatternLength {
		return nil, &patternError{fmt.Sprintf("%d characters, at most %d", len(text), maxPatternLength)}
	}
	value, err := decodeJSON([]byte(text))
	if err != nil {
		return nil, &patternError{err.Error()}
	}
	p, err := parseObject("", value)
	if err != nil {
		return nil, &patternError{err.Error()}
	}
	return p, nil
}

func parseObject(path string, value any) (*objectPattern, error) {
	object, ok := value.(map[string]any)
	if !ok || len(object) == 0 {
		return nil, fmt.Errorf("%s: want an object with at least one field", orElse(path, "the pattern"))
	}
	p := &objectPattern{}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		inner := strings.TrimPrefix(path+"."+name, ".")
		list, isList := object[name].([]any)
		switch {
		case name == "$or":
			if len(list) == 0 {
				return nil, fmt.Errorf("%s: want a list of objects", inner)
			}
			for _, alternative := range list {
				q, err := parseObject(inner, alternative)
				if err != nil {
					return nil, err
				}
				p.or = append(p.or, q)
			}
		case isList:
			leaf, err := parseLeaf(inner, list)
			if err != nil {
				return nil, err
			}
			p.names, p.fields = append(p.names, name), append(p.fields, leaf)
		default:
			child, err := parseObject(inner, object[name])
			if err != nil {
				return nil, fmt.Errorf("%w, or a list of values", err)
			}
			p.names, p.fields = append(p.names, name), append(p.fields, child)
		}
	}
	return p, nil
}

func parseLeaf(path string, list []any) (leafPattern, error) {
	if len(list) == 0 {
		return nil, fmt.Errorf("%s: an empty list matches nothing", path)
	}
	var leaf leafPattern
	for _, element := range list {
		t, err := parseTest(element)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		leaf = append(leaf, t)
	}
	return leaf, nil
}

// parseTest compiles one alternative: a value, or an object with one operator.
func parseTest(element any) (test, error) {
	object, ok := element.(map[string]any)
	if !ok {
		if !isScalar(element) {
			return nil, errors.New("a list within a list of values")
		}
		return equals(element), nil
	}
	if len(object) != 1 {
		return nil, fmt.Errorf("an operator is an object with one member, not with %d", len(object))
	}
	for operator, argument := range object {
		switch operator {
		case "exists":
			if want, ok := argument.(bool); ok {
				return func(_ any, present bool) bool { return present == want }, nil
			}
		case "prefix":
			return parseText(operator, argument, strings.HasPrefix)
		case "suffix":
			return parseText(operator, argument, strings.HasSuffix)
		case "equals-ignore-case":
			if want, ok := argument.(string); ok {
				return onText(func(s string) bool { return strings.EqualFold(s, want) }), nil
			}
		case "anything-but":
			return parseAnythingBut(argument)
		case "numeric":
			return parseNumeric(argument)
		}
		return nil, fmt.Errorf("the operator %q is not known, or does not take %v", operator, argument)
	}
	panic("unreachable: the object has one member")
}

func isScalar(v any) bool {
	switch v.(type) {
	case nil, string, bool, json.Number:
		return true
	}
	return false
}

// equals compares a value as it is spelled: 300 and 3.0e2 are two values.
func equals(want any) test {
	return func(value any, present bool) bool { return present && isScalar(value) && value == want }
}

func onText(holds func(string) bool) test {
	return func(value any, present bool) bool {
		s, ok := value.(string)
		return present && ok && holds(s)
	}
}

// parseText reads the argument of prefix and suffix: a text, or a text whose
// case does not matter.
func parseText(operator string, argument any, holds func(s, part string) bool) (test, error) {
	if want, ok := argument.(string); ok {
		return onText(func(s string) bool { return holds(s, want) }), nil
	}
	if object, ok := argument.(map[string]any); ok && len(object) == 1 {
		if want, ok := object["equals-ignore-case"].(string); ok {
			want = strings.ToLower(want)
			return onText(func(s string) bool { return holds(strings.ToLower(s), want) }), nil
		}
	}
	return nil, fmt.Errorf("%s takes a text", operator)
}

func parseAnythingBut(argument any) (test, error) {
	list, ok := argument.([]any)
	if !ok {
		list = []any{argument}
	}
	for _, v := range list {
		switch v.(type) {
		case string, json.Number:
		default:
			return nil, errors.New("anything-but takes texts or numbers")
		}
	}
	if len(list) == 0 {
		return nil, errors.New("anything-but takes at least one value")
	}
	return func(value any, present bool) bool { return present && isScalar(value) && !slices.Contains(list, value) }, nil
}

// parseNumeric reads ["=", 5] or up to two bounds such as [">", 0, "<=", 5]. It
// is for JSON numbers: DynamoDB's are texts in a record, and never match.
func parseNumeric(argument any) (test, error) {
	list, _ := argument.([]any)
	if len(list) != 2 && len(list) != 4 {
		return nil, errors.New(`numeric takes one or two comparisons, such as [">", 0, "<=", 5]`)
	}
	var bounds []func(float64) bool
	var kinds string
	for i := 0; i < len(list); i += 2 {
		operator, _ := list[i].(string)
		number, _ := list[i+1].(json.Number)
		n, err := strconv.ParseFloat(string(number), 64)
		bound := comparison(operator, n)
		if err != nil || bound == nil {
			return nil, fmt.Errorf("numeric: %v %v is no comparison", list[i], list[i+1])
		}
		bounds = append(bounds, bound)
		kinds += operator[:1]
	}
	if len(bounds) == 2 && kinds != "><" {
		return nil, errors.New("numeric: a range is a lower bound and an upper bound, in this order")
	}
	return func(value any, present bool) bool {
		number, ok := value.(json.Number)
		n, err := strconv.ParseFloat(string(number), 64)
		return present && ok && err == nil && !slices.ContainsFunc(bounds, func(holds func(float64) bool) bool { return !holds(n) })
	}, nil
}

func comparison(operator string, bound float64) func(float64) bool {
	switch operator {
	case "=":
		return func(n float64) bool { return n == bound }
	case ">":
		return func(n float64) bool { return n > bound }
	case ">=":
		return func(n float64) bool { return n >= bound }
	case "<":
		return func(n float64) bool { return n < bound }
	case "<=":
		return func(n float64) bool { return n <= bound }
	}
	return nil
}
