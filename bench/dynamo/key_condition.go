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

// keyTerm is a term of a key condition: NAME OP literal.
type keyTerm struct {
	name string
	*condition
}

// keyTerms cuts a key condition into its terms. That needs no table, and the service
// does it before it looks for one.
func (e *env) keyTerms(c *condition) ([]keyTerm, *Error) {
	kids := []*condition{c}
	if c.op == "AND" {
		kids = c.kids
	}
	var terms []keyTerm
	for _, k := range kids {
		if k.op == "AND" {
			more, err := e.keyTerms(k)
			if err != nil {
				return nil, err
			}
			terms = append(terms, more...)
			continue
		}
		k = k.turned()
		if err := e.checkKeyTerm(k); err != nil {
			return nil, err
		}
		terms = append(terms, keyTerm{e.name(k.args[0].path[0]), k})
	}
	for i, t := range terms {
		if slices.ContainsFunc(terms[:i], func(u keyTerm) bool { return u.name == t.name }) {
			return nil, invalid("KeyConditionExpressions must only contain one condition per key")
		}
	}
	return terms, nil
}

// checkKeyTerm refuses what parses as a condition and is none on a key.
func (e *env) checkKeyTerm(c *condition) *Error {
	_, function := arity[c.op]
	switch {
	case slices.Contains([]string{"OR", "NOT", "<>", "IN"}, c.op), function && c.op != "begins_with":
		return invalid("Invalid operator used in KeyConditionExpression: %s", c.op)
	case (c.op == "BETWEEN" || c.op == "begins_with") && c.args[0].form == formValue:
		return invalid("Invalid condition in KeyConditionExpression: %s operator must have the key attribute as its first operand", c.op)
	}
	paths := 0
	for _, a := range c.args {
		switch {
		case a.form == formSize:
			return invalid("KeyConditionExpressions cannot contain nested operations")
		case a.form != formPath:
			continue
		case paths > 0:
			return invalid("Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition")
		case len(a.path) > 1:
			return invalid("KeyConditionExpressions cannot have conditions on nested attributes")
		}
		paths++
	}
	if paths == 0 {
		return invalid("Invalid condition in KeyConditionExpression: No key attribute specified")
	}
	if c.args[0].form != formPath {
		return errKeyCondition()
	}
	return nil
}

// keyCondition holds the terms against the keys of what is read.
func (e *env) keyCondition(sp space, terms []keyTerm) (*keyCondition, *Error) {
	keys, hashes := sp.keys(), sp.hashes()
	given := make([]*condition, len(keys)) // the term on each key attribute
	strange := ""
	for _, term := range terms {
		i := slices.IndexFunc(keys, func(a keyAttr) bool { return a.name == term.name })
		if i < 0 {
			strange = term.name
			continue
		}
		for _, a := range term.args[1:] {
			if e.literal(a) != keys[i].kind {
				return nil, badParameter("Condition parameter type does not match schema type")
			}
		}
		given[i] = term.condition
	}
	if err := checkHashes(keys[:hashes], given[:hashes], len(keys) == 1 && len(terms) > 1); err != nil {
		return nil, err
	}
	if strange != "" {
		missed := slices.IndexFunc(given, func(c *condition) bool { return c == nil })
		if missed < 0 {
			return nil, errKeyCondition()
		}
		return nil, invalid("Query condition missed key schema element: %s", keys[missed].name)
	}
	kc := &keyCondition{env: e}
	var parts []value
	for i, term := range given[:hashes] {
		v := e.values[term.args[1].value]
		if err := checkKey(keys[i], v, 0); err != nil {
			return nil, err
		}
		parts = append(parts, v)
	}
	kc.part = partitionText(parts)
	return kc, kc.rangeOf(keys[hashes:], given[hashes:])
}

// checkHashes demands one value of each attribute of the partition key. foreign says
// that there is a term too many, on an attribute that is no key.
func checkHashes(keys []keyAttr, given []*condition, foreign bool) *Error {
	var loose []string
	for i, term := range given {
		if term == nil || term.op != "=" {
			loose = append(loose, keys[i].name)
		}
	}
	switch {
	case foreign:
		return errKeyCondition()
	case loose == nil:
		return nil
	case len(keys) > 1:
		return invalid("HASH key attributes %s must have equality conditions specified in the query", strings.Join(loose, ", "))
	case given[0] == nil:
		return invalid("Query condition missed key schema element: %s", keys[0].name)
	}
	return errKeyCondition()
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
