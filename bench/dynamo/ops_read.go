package dynamo

import (
	"math"
	"math/bits"
	"slices"
	"strings"
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
	space
	filter *condition
	paths  []path
	count  bool
	whole  bool // all attributes, be they projected or not

	fetches bool // an index does not have all that it is asked for
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
	if err := v.selects(req); err != nil {
		return nil, err
	}
	return v, v.open(e, req)
}

// open finds the table and the index.
func (v *view) open(e *Engine, req *request) *Error {
	var err *Error
	if v.table, err = e.table(req.table); err != nil || req.index == nil {
		return err
	}
	ix := v.table.index(*req.index)
	switch {
	case ix == nil:
		return invalid("The table does not have the specified index: %s", *req.index)
	case !ix.local && req.consistent:
		return invalid("Consistent reads are not supported on global secondary indexes")
	case !ix.local && req.mode == "ALL_ATTRIBUTES" && ix.shows != nil:
		return badParameter("Select type ALL_ATTRIBUTES is not supported for global secondary index %s because its projection type is not ALL", ix.name)
	}
	v.index = ix
	// What a local index lacks is fetched from the table when it is asked for by
	// name; a global one can only say that it does not have it.
	v.whole = req.mode == "ALL_ATTRIBUTES" || v.paths != nil
	if ix.shows == nil {
		return nil
	}
	var lacking []string
	for _, q := range v.paths {
		if !slices.Contains(ix.shows, q[0].name) {
			lacking = append(lacking, q[0].name)
		}
	}
	if v.fetches = lacking != nil || req.mode == "ALL_ATTRIBUTES"; lacking != nil && !ix.local {
		return badParameter("Global secondary index %s does not project [%s]", ix.name, strings.Join(lacking, ", "))
	}
	return nil
}

func (v *view) selects(req *request) *Error {
	v.count = req.mode == "COUNT"
	switch {
	case req.mode == "ALL_PROJECTED_ATTRIBUTES" && req.index == nil:
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
		it := v.item(r, v.whole)
		if v.filter != nil && !x.req.env.holds(it, v.filter) {
			continue
		}
		count++
		if v.count {
			continue
		}
		w.element()
		if v.paths != nil {
			w.item(project(it, v.paths))
		} else {
			w.item(it)
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
		w.item(v.keyItem(p.rows[len(p.rows)-1]))
	}
	if x.wantsCapacity() {
		x.consumed(v.used(p, x.req.consistent))
	}
	w.close('}')
}

// used gives the units to whom they were read from. What a local index fetches
// from its table costs a read for each row, beside that of the index.
func (v *view) used(p *page, consistent bool) usage {
	units := readUnits(p.bytes, consistent)
	u := usage{{name: v.table.name, table: units, read: units}}
	if v.index == nil {
		return u
	}
	u[0].table, u[0].indexes = 0, indexUnits{{v.index, units}}
	if v.fetches {
		for _, r := range p.rows {
			n := readUnits(r.item.size(), consistent)
			u[0].table += n
			u[0].read += n
		}
	}
	return u
}

func (e *Engine) scan(x *execution) *Error {
	req := &x.req
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
		k, err := v.startKey(req.startKey)
		if err != nil {
			return invalid("The provided starting key is invalid: %s", err.Message)
		}
		if k.hash < first || k.hash > last {
			return invalid("The provided starting key is outside query boundaries based on provided conditions")
		}
		after = k
	}
	p := newPage(req)
	for i := stripeOf(after.hash); i <= stripeOf(last); i++ {
		on := false
		v.read(i, func(s *stripe) { on = s.ascend(after, last, p.add) })
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
	switch {
	case req.segment == nil && req.segments == nil:
		return 0, math.MaxUint64, nil
	case req.segment == nil:
		return 0, 0, invalid("The Segment parameter is required but was not present in the request when parameter TotalSegments is present")
	case req.segments == nil:
		return 0, 0, invalid("The TotalSegments parameter is required but was not present in the request when Segment parameter is present")
	}
	i, n := *req.segment, *req.segments
	if i >= n {
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
	req := &x.req
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
	kc, err := req.env.keyCondition(v.space, parsed.condition)
	if err != nil {
		return err
	}
	if err := v.checkFilter(&req.env); err != nil {
		return err
	}
	p := newPage(req)
	if err := kc.collect(v.space, req, p); err != nil {
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
			if len(a.path) > 0 && v.isKey(e.name(a.path[0])) && err == nil {
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

func (e *env) keyCondition(sp space, c *condition) (*keyCondition, *Error) {
	terms := []*condition{c}
	if c.op == "AND" {
		terms = c.kids
	}
	keys := sp.keys()
	kc := &keyCondition{env: e}
	for _, term := range terms {
		term = term.turned()
		name, err := e.keyTerm(keys, term)
		if err != nil {
			return nil, err
		}
		switch {
		case name == keys[0].name && term.op == "=" && kc.part.kind == kindNone:
			kc.part = e.values[term.args[1].value]
		case len(keys) > 1 && name == keys[1].name && kc.rng == nil:
			kc.rng = term
		case !sp.isKey(name):
			missed := keys[0].name
			if kc.part.kind != kindNone {
				missed = keys[len(keys)-1].name
			}
			return nil, invalid("Query condition missed key schema element: %s", missed)
		default:
			return nil, errKeyCondition()
		}
	}
	if kc.part.kind == kindNone {
		return nil, invalid("Query condition missed key schema element: %s", keys[0].name)
	}
	if err := checkKey(keys[0], kc.part, 0); err != nil {
		return nil, err
	}
	kc.bounds()
	return kc, nil
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
func (kc *keyCondition) collect(sp space, req *request, p *page) *Error {
	k := &key{hash: hashOf(kc.part.text), part: kc.part.text}
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
		if kc.rng != nil && !kc.env.holds(req.startKey, kc.rng) {
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
		if kc.rng != nil && !kc.env.holds(r.item, kc.rng) {
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
