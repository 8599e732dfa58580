package dynamo

import (
	"slices"
	"strings"
)

// keyCondition is a key condition made ready: one partition, and a contiguous
// part of its range keys.
type keyCondition struct {
	part   string
	ranges []*condition // on the range key; none: all
	lo, hi value        // range keys outside lo..hi cannot match; kindNone: open
	env    *env
}

func (kc *keyCondition) holds(it item) bool {
	for _, c := range kc.ranges {
		if !kc.env.holds(it, c) {
			return false
		}
	}
	return true
}

func errKeyCondition() *Error { return invalid("Query key condition not supported") }

func (e *env) keyCondition(sp space, c *condition) (*keyCondition, *Error) {
	terms := []*condition{c}
	if c.op == "AND" {
		terms = c.kids
	}
	keys, hashes := sp.keys(), sp.hashes()
	given := make([]*condition, len(keys)) // the term on each key attribute
	for _, term := range terms {
		term = term.turned()
		name, err := e.keyTerm(keys, term)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(keys, func(a keyAttr) bool { return a.name == name })
		switch {
		case i < 0:
			missed := keys[0].name
			if given[0] != nil {
				missed = keys[len(keys)-1].name
			}
			return nil, invalid("Query condition missed key schema element: %s", missed)
		case given[i] != nil || i < hashes && term.op != "=":
			return nil, errKeyCondition()
		}
		given[i] = term
	}
	kc := &keyCondition{env: e}
	var parts []value
	for i, term := range given[:hashes] {
		if term == nil {
			return nil, invalid("Query condition missed key schema element: %s", keys[i].name)
		}
		v := e.values[term.args[1].value]
		if err := checkKey(keys[i], v, 0); err != nil {
			return nil, err
		}
		parts = append(parts, v)
	}
	kc.part = partitionText(parts)
	return kc, kc.rangeOf(keys[hashes:], given[hashes:])
}

// rangeOf takes the terms on the attributes of the range key. Of several
// attributes, all before the last one with a term must be given by equality.
func (kc *keyCondition) rangeOf(keys []keyAttr, given []*condition) *Error {
	var loose []string
	for i, term := range given {
		if term == nil {
			loose = append(loose, keys[i].name)
			continue
		}
		if loose != nil {
			return invalid("RANGE key attributes %s must have equality conditions specified in the query because a condition is present on key attribute %s", strings.Join(loose, ", "), keys[i].name)
		}
		if term.op != "=" {
			loose = append(loose, keys[i].name)
		}
		kc.ranges = append(kc.ranges, term)
	}
	if len(keys) == 1 && len(kc.ranges) == 1 {
		kc.bounds(kc.ranges[0])
	}
	return nil
}

// turned puts the name of a comparison before the value: :v < a becomes a > :v.
func (c *condition) turned() *condition {
	mirror := map[string]string{"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}[c.op]
	if mirror == "" || c.args[0].form != formValue || c.args[1].form != formPath {
		return c
	}
	return &condition{op: mirror, args: []operand{c.args[1], c.args[0]}}
}

// keyTerm checks one term, NAME OP literal, and gives the name.
func (e *env) keyTerm(keys []keyAttr, c *condition) (string, *Error) {
	for _, a := range c.args {
		if a.form == formPath && len(a.path) > 1 {
			return "", invalid("KeyConditionExpressions cannot have conditions on nested attributes")
		}
	}
	if c.op == "<>" || c.op == "IN" || c.op == "contains" || len(c.args) < 2 || c.args[0].form != formPath || len(c.args[0].path) != 1 {
		return "", errKeyCondition()
	}
	name := e.name(c.args[0].path[0])
	i := slices.IndexFunc(keys, func(a keyAttr) bool { return a.name == name })
	for _, a := range c.args[1:] {
		if a.form != formValue {
			return "", errKeyCondition()
		}
		if i >= 0 && e.literal(a) != keys[i].kind {
			return "", badParameter("Condition parameter type does not match schema type")
		}
	}
	return name, nil
}

// bounds narrows the range keys to be looked at. They may be wider than the
// condition, which is tested on each row.
func (kc *keyCondition) bounds(c *condition) {
	v := kc.env.values[c.args[1].value]
	switch c.op {
	case "=":
		kc.lo, kc.hi = v, v
	case "<", "<=":
		kc.hi = v
	case ">", ">=":
		kc.lo = v
	case "BETWEEN":
		kc.lo, kc.hi = v, kc.env.values[c.args[2].value]
	case "begins_with":
		kc.lo = v
		// The least text above all that begin with v.
		for b := []byte(v.text); len(b) > 0; b = b[:len(b)-1] {
			if b[len(b)-1] < 0xFF {
				b[len(b)-1]++
				kc.hi = value{kind: v.kind, text: string(b)}
				break
			}
		}
	}
}

// collect gathers the rows of a page in the order asked for.
func (kc *keyCondition) collect(sp space, req *request, p *page) *Error {
	k := &key{hash: hashOf(kc.part), part: kc.part}
	var lo, hi, start *key // rows from lo on, rows before hi
	if kc.lo.kind != kindNone {
		lo = &key{rng: kc.lo}
	}
	if kc.hi.kind != kindNone {
		hi = &key{rng: kc.hi, base: lastBase}
	}
	if req.startKey != nil {
		var err *Error
		if start, err = sp.startKey(req.startKey); err != nil {
			return invalid("The provided starting key is invalid: %s", err.Message)
		}
		if start.part != k.part {
			return invalid("The provided starting key is outside query boundaries based on provided conditions")
		}
		if !kc.holds(req.startKey) {
			return invalid("The provided starting key does not match the range key predicate")
		}
		if lo == nil || start.compareRanges(lo) > 0 {
			lo = start
		}
		if hi == nil || start.compareRanges(hi) < 0 {
			hi = start
		}
	}
	matched := false
	visit := func(r *row) bool {
		if start != nil && r.key.compareRanges(start) == 0 {
			return true
		}
		if !kc.holds(r.item) {
			return !matched // the matching rows lie together
		}
		matched = true
		return p.add(r)
	}
	sp.read(stripeOf(k.hash), func(s *stripe) {
		part := s.partition(k)
		switch {
		case part == nil:
		case req.backward:
			part.descend(hi, visit)
		default:
			part.ascend(lo, visit)
		}
	})
	return nil
}
