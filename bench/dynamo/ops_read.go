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
	uses   []use     // the expressions
	terms  []keyTerm // of a Query
	filter *condition
	paths  []path
	count  bool
	whole  bool // all attributes, be they projected or not

	fetches bool // an index does not have all that it is asked for
}

// view checks the parameters that Query and Scan share.
func (e *Engine) view(req *request) (*view, *Error) {
	v := &view{}
	if req.keyCondition != nil || req.filter != nil || req.projection != nil {
		if err := req.env.checkPlaceholders(); err != nil {
			return nil, err
		}
	}
	var uses []use
	for _, x := range [...]struct {
		g    grammar
		text *string
	}{{grammarKeyCondition, req.keyCondition}, {grammarFilter, req.filter}, {grammarProjection, req.projection}} {
		if x.text == nil {
			continue
		}
		p, err := e.expressions.parse(x.g, *x.text)
		if err != nil {
			return nil, err
		}
		uses = append(uses, use{x.g, p})
	}
	if err := req.env.check(uses...); err != nil {
		return nil, err
	}
	v.uses = uses
	for _, u := range uses {
		var err *Error
		switch u.grammar {
		case grammarKeyCondition:
			v.terms, err = req.env.keyTerms(u.condition)
		case grammarFilter:
			v.filter = u.condition
		default:
			v.paths, err = req.env.paths(u.parsed)
		}
		if err != nil {
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
	if v.table, err = e.table(req.table); err != nil {
		return err
	}
	if req.index == nil {
		return nil
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
		err := invalid("Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES")
		if req.op.name == "Query" {
			err.Message = "1 validation error detected: " + err.Message
		}
		return err
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
	first, last, err := segment(req)
	if err != nil {
		return err
	}
	v, err := e.view(req)
	if err != nil {
		return err
	}
	if err := v.table.checkScalars(&req.env, v.uses...); err != nil {
		return err
	}
	after := &key{hash: first}
	if req.startKey != nil {
		k, err := v.startKey(req.startKey)
		if err != nil {
			return invalid("The provided starting key is invalid: %s", err.Message)
		}
		if k.hash < first || k.hash > last {
			return invalid("The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with correct Segment. TotalSegments: %d Segment: %d", *req.segments, *req.segment)
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
	v, err := e.view(req)
	if err != nil {
		return err
	}
	kc, err := req.env.keyCondition(v.space, v.terms)
	if err != nil {
		return err
	}
	if err := v.checkFilter(&req.env); err != nil {
		return err
	}
	if err := v.table.checkScalars(&req.env, v.uses...); err != nil {
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
			for a.form == formSize {
				a = a.args[0]
			}
			if a.form == formPath && v.isKey(e.name(a.path[0])) && err == nil {
				err = invalid("Filter Expression can only contain non-primary key attributes: Primary key attribute: %s", e.name(a.path[0]))
			}
		}
	})
	return err
}
