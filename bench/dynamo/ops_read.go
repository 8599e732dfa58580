package dynamo

import (
	"math"
	"math/bits"
	"slices"
)

// maxPage is how many bytes of items one Query or Scan reads, before filters.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html
const maxPage = 1 << 20

// page gathers the rows of one Query or Scan. Rows are gathered under a lock
// and filtered and encoded after it.
type page struct {
	limit int // 0: none
	rows  []*row
	bytes int
	more  bool // stopped by a limit, so there may be more
}

// add takes a row and reports whether the page wants another. A page that is
// full to the row says that there may be more, as the service does: it has not
// looked.
func (p *page) add(r *row) bool {
	if p.bytes+r.size > maxPage && len(p.rows) > 0 {
		p.more = true
		return false
	}
	p.rows = append(p.rows, r)
	p.bytes += r.size
	p.more = len(p.rows) == p.limit
	return !p.more
}

// view is what Query and Scan share: which rows are shown and how.
type view struct {
	table  *table
	filter *condition
	paths  []path
	count  bool
}

// view checks the parameters that Query and Scan share.
func (e *Engine) view(req *request, keyCondition *parsed) (*view, *Error) {
	v := &view{}
	var uses []use
	if keyCondition != nil {
		uses = append(uses, use{grammarKeyCondition, keyCondition})
	}
	if req.filter != nil {
		x, err := e.expressions.parse(grammarFilter, *req.filter)
		if err != nil {
			return nil, err
		}
		v.filter = x.condition
		uses = append(uses, use{grammarFilter, x})
	}
	var shown *parsed
	if req.projection != nil {
		x, err := e.expressions.parse(grammarProjection, *req.projection)
		if err != nil {
			return nil, err
		}
		shown = x
		uses = append(uses, use{grammarProjection, x})
	}
	if err := req.env.check(uses...); err != nil {
		return nil, err
	}
	if shown != nil {
		var err *Error
		if v.paths, err = req.env.paths(shown); err != nil {
			return nil, err
		}
	}
	if req.limit != nil && *req.limit < 1 {
		return nil, invalid("1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1", *req.limit)
	}
	if err := v.selects(req); err != nil {
		return nil, err
	}
	var err *Error
	v.table, err = e.table(req.table)
	return v, err
}

func (v *view) selects(req *request) *Error {
	if err := oneOf("select", req.mode, "SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES"); err != nil {
		return err
	}
	v.count = req.mode == "COUNT"
	switch {
	case req.mode == "ALL_PROJECTED_ATTRIBUTES":
		return badParameter("ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName")
	case req.mode == "SPECIFIC_ATTRIBUTES" && req.projection == nil:
		return badParameter("Must specify the ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES")
	case req.projection != nil && req.mode != "" && req.mode != "SPECIFIC_ATTRIBUTES":
		return invalid("Cannot specify the ProjectionExpression when choosing to get %s", req.mode)
	}
	return nil
}

func newPage(req *request) *page {
	p := &page{}
	if req.limit != nil {
		p.limit = *req.limit
	}
	return p
}

// answer writes a page.
func (v *view) answer(x *execution, p *page) {
	w := &x.w
	w.open('{')
	if !v.count {
		w.key("Items")
		w.open('[')
	}
	count := 0
	for _, r := range p.rows {
		if v.filter != nil && !x.req.env.holds(r.item, v.filter) {
			continue
		}
		count++
		if v.count {
			continue
		}
		w.element()
		if v.paths != nil {
			w.item(project(r.item, v.paths))
		} else {
			w.item(r.item)
		}
	}
	if !v.count {
		w.close(']')
	}
	w.key("Count")
	w.int(int64(count))
	w.key("ScannedCount")
	w.int(int64(len(p.rows)))
	if p.more {
		w.key("LastEvaluatedKey")
		w.item(keyItem(v.table.keys, p.rows[len(p.rows)-1].key))
	}
	x.consumed(v.table.name, readUnits(p.bytes, x.req.consistent))
	w.close('}')
}

func (e *Engine) scan(x *execution) *Error {
	req := x.req
	v, err := e.view(req, nil)
	if err != nil {
		return err
	}
	first, last, err := segment(req)
	if err != nil {
		return err
	}
	after := &key{hash: first}
	if req.startKey != nil {
		k, err := v.table.exactKey(req.startKey)
		if err != nil {
			return invalid("The provided starting key is invalid: %s", err.Message)
		}
		if k.hash < first || k.hash > last {
			return invalid("The provided starting key is outside query boundaries based on provided conditions")
		}
		after = &k
	}
	p := newPage(req)
	for i := stripeOf(after.hash); i <= stripeOf(last); i++ {
		s := &v.table.stripes[i]
		s.mu.RLock()
		on := s.ascend(after, last, p.add)
		s.mu.RUnlock()
		if !on {
			break
		}
		after = nil // it lay in the first stripe
	}
	v.answer(x, p)
	return nil
}

// segment gives the hashes that a parallel scan's segment covers. The segments
// are equal parts of the range, to the last hash.
func segment(req *request) (first, last uint64, err *Error) {
	if (req.segment == nil) != (req.segments == nil) {
		return 0, 0, invalid("The Segment parameter is required but was not present in the request when parameter TotalSegments is present, and the other way round")
	}
	if req.segment == nil {
		return 0, math.MaxUint64, nil
	}
	i, n := *req.segment, *req.segments
	if n < 1 || n > 1_000_000 {
		return 0, 0, invalid("1 validation error detected: Value '%d' at 'totalSegments' failed to satisfy constraint: Member must have value between 1 and 1000000", n)
	}
	if i < 0 || i >= n {
		return 0, 0, invalid("The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: %d is not less than TotalSegments: %d", i, n)
	}
	last = math.MaxUint64
	if i < n-1 {
		last = segmentStart(i+1, n) - 1
	}
	return segmentStart(i, n), last, nil
}

// segmentStart is ⌈i·2^64/n⌉.
func segmentStart(i, n int) uint64 {
	q, rem := bits.Div64(uint64(i), 0, uint64(n))
	if rem > 0 {
		q++
	}
	return q
}

func (e *Engine) query(x *execution) *Error {
	req := x.req
	if req.keyCondition == nil {
		return invalid("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
	}
	parsed, err := e.expressions.parse(grammarKeyCondition, *req.keyCondition)
	if err != nil {
		return err
	}
	v, err := e.view(req, parsed)
	if err != nil {
		return err
	}
	kc, err := req.env.keyCondition(v.table, parsed.condition)
	if err != nil {
		return err
	}
	if err := v.checkFilter(&req.env); err != nil {
		return err
	}
	p := newPage(req)
	if err := kc.collect(v.table, req, p); err != nil {
		return err
	}
	v.answer(x, p)
	return nil
}

// checkFilter refuses a Query's filter on key attributes: those belong in the
// key condition.
func (v *view) checkFilter(e *env) *Error {
	if v.filter == nil {
		return nil
	}
	var err *Error
	v.filter.walk(func(c *condition) {
		for _, a := range c.args {
			if len(a.path) > 0 && v.table.isKey(e.name(a.path[0])) && err == nil {
				err = invalid("Filter Expression can only contain non-primary key attributes: Primary key attribute: %s", e.name(a.path[0]))
			}
		}
	})
	return err
}

// keyCondition is a key condition made ready: one partition, and a contiguous
// part of its range keys.
type keyCondition struct {
	part   value
	rng    *condition // nil: all
	lo, hi value      // range keys outside lo..hi cannot match; kindNone: open
	env    *env
}

func errKeyCondition() *Error { return invalid("Query key condition not supported") }

func (e *env) keyCondition(t *table, c *condition) (*keyCondition, *Error) {
	terms := []*condition{c}
	if c.op == "AND" {
		terms = c.kids
	}
	kc := &keyCondition{env: e}
	for _, term := range terms {
		name, err := e.keyTerm(t, term)
		if err != nil {
			return nil, err
		}
		switch {
		case name == t.keys[0].name && term.op == "=" && kc.part.kind == kindNone:
			kc.part = e.values[term.args[1].value]
		case len(t.keys) > 1 && name == t.keys[1].name && kc.rng == nil:
			kc.rng = term
		case !t.isKey(name):
			return nil, invalid("Query condition missed key schema element: %s", t.keys[len(t.keys)-1].name)
		default:
			return nil, errKeyCondition()
		}
	}
	if kc.part.kind == kindNone {
		return nil, invalid("Query condition missed key schema element: %s", t.keys[0].name)
	}
	if err := checkKey(t.keys[0], kc.part, 0); err != nil {
		return nil, err
	}
	kc.bounds()
	return kc, nil
}

// keyTerm checks one term, NAME OP literal, and gives the name.
func (e *env) keyTerm(t *table, c *condition) (string, *Error) {
	if c.op == "<>" || c.op == "IN" || c.op == "contains" || len(c.args) < 2 || c.args[0].form != formPath || len(c.args[0].path) != 1 {
		return "", errKeyCondition()
	}
	name := e.name(c.args[0].path[0])
	i := slices.IndexFunc(t.keys, func(a keyAttr) bool { return a.name == name })
	for _, a := range c.args[1:] {
		if a.form != formValue {
			return "", errKeyCondition()
		}
		if i >= 0 && e.literal(a) != t.keys[i].kind {
			return "", badParameter("Condition parameter type does not match schema type")
		}
	}
	return name, nil
}

// bounds narrows the range keys to be looked at. They may be wider than the
// condition, which is tested on each row.
func (kc *keyCondition) bounds() {
	if kc.rng == nil {
		return
	}
	v := kc.env.values[kc.rng.args[1].value]
	switch kc.rng.op {
	case "=":
		kc.lo, kc.hi = v, v
	case "<", "<=":
		kc.hi = v
	case ">", ">=":
		kc.lo = v
	case "BETWEEN":
		kc.lo, kc.hi = v, kc.env.values[kc.rng.args[2].value]
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
func (kc *keyCondition) collect(t *table, req *request, p *page) *Error {
	k := key{hash: hashOf(kc.part.text), part: kc.part}
	lo, hi := kc.lo, kc.hi
	var start *key
	if req.startKey != nil {
		s, err := t.exactKey(req.startKey)
		if err != nil {
			return invalid("The provided starting key is invalid: %s", err.Message)
		}
		if !s.part.equal(k.part) {
			return invalid("The provided starting key is outside query boundaries based on provided conditions")
		}
		start = &s
		if c, ok := s.rng.compare(lo); !req.backward && (!ok || c > 0) {
			lo = s.rng
		}
		if c, ok := s.rng.compare(hi); req.backward && (!ok || c < 0) {
			hi = s.rng
		}
	}
	matched := false
	visit := func(r *row) bool {
		if start != nil && r.key.compare(*start) == 0 {
			return true
		}
		if kc.rng != nil && !kc.env.holds(r.item, kc.rng) {
			return !matched // the matching rows lie together
		}
		matched = true
		return p.add(r)
	}
	s := t.stripe(k.hash)
	s.mu.RLock()
	defer s.mu.RUnlock()
	part := s.partition(k)
	switch {
	case part == nil:
	case req.backward:
		part.descend(hi, visit)
	default:
		part.ascend(lo, visit)
	}
	return nil
}
