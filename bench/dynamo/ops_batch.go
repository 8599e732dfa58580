package dynamo

import "strings"

// Limits of batches.
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html
const (
	maxBatchWrites = 25
	maxBatchReads  = 100
	maxBatchBytes  = 16 << 20 // of a BatchGetItem's answer
)

// itemID tells the items of one request apart.
type itemID struct {
	table, part, rng string
}

func (t *table) itemID(k key) itemID { return itemID{t.name, k.part, k.rng.text} }

// duplicate reports whether one item occurs twice.
func duplicate(ids []itemID) bool {
	seen := make(map[itemID]bool, len(ids))
	for _, id := range ids {
		if seen[id] {
			return true
		}
		seen[id] = true
	}
	return false
}

// batchWrite puts and deletes items one by one: a batch is no transaction.
// All of it is checked before any of it is done, and nothing is left
// unprocessed.
func (e *Engine) batchWrite(x *execution) *Error {
	actions := x.req.actions
	if err := x.req.checkBatch(); err != nil {
		return err
	}
	if err := x.req.checkTables(); err != nil {
		return err
	}
	plans := make([]*plan, len(actions))
	ids := make([]itemID, len(actions))
	for i := range actions {
		p, err := e.plan(&actions[i])
		switch {
		case err != nil && strings.Contains(err.Message, "Type mismatch for key"):
			return errSchema() // in a batch, the service has no more to say of it
		case err != nil:
			return err
		}
		if err := p.checkIndexes(); err != nil {
			return err
		}
		plans[i], ids[i] = p, p.table.itemID(p.key)
	}
	if duplicate(ids) {
		return invalid("Provided list of item keys contains duplicates")
	}
	var used usage
	for _, p := range plans {
		old, new, units, err := e.try(x.now, p)
		if err != nil { // only a table deleted meanwhile; what went before stays
			return err
		}
		x.wrote(p.table.name)
		used.write(p.table.name, writeUnits(old, new), units)
	}
	x.w.open('{')
	x.w.key("UnprocessedItems")
	x.w.open('{')
	x.w.close('}')
	x.collectionsAll(plans)
	x.consumedAll(used, false)
	x.w.close('}')
	return nil
}

// checkIndexes sees whether an item may lie in the indexes as they are now, so that
// nothing of a batch is done if anything is wrong. A write looks again.
func (p *plan) checkIndexes() *Error {
	if p.verb != verbPut {
		return nil
	}
	p.table.stripes[0].mu.RLock()
	defer p.table.stripes[0].mu.RUnlock()
	return p.table.checkIndexes(p.item, false)
}

// batchGet reads items one by one. What does not fit into an answer is
// returned as unprocessed.
func (e *Engine) batchGet(x *execution) *Error {
	if err := x.req.checkBatch(); err != nil {
		return err
	}
	if err := x.req.checkTables(); err != nil {
		return err
	}
	lookups, err := e.lookups(x.req.gets)
	if err != nil {
		return err
	}
	w := &x.w
	var used usage
	size := 0
	left := make([]int, len(lookups)) // keys read of each table
	w.open('{')
	w.key("Responses")
	w.open('{')
	for i, l := range lookups {
		w.key(x.req.gets[i].table)
		w.open('[')
		for _, k := range l.keys {
			r := l.table.read(&k)
			if r != nil && size+r.size > maxBatchBytes {
				size = maxBatchBytes // nothing more fits
				break
			}
			left[i]++
			bytes := 0
			if r != nil {
				bytes = r.size
				w.element()
				w.item(l.shown(r))
			}
			size += bytes
			used.read(l.table.name, readUnits(bytes, x.req.gets[i].consistent))
		}
		w.close(']')
	}
	w.close('}')
	w.key("UnprocessedKeys")
	w.open('{')
	for i := range lookups {
		if g := &x.req.gets[i]; left[i] < len(g.keys) {
			w.unprocessed(g, g.keys[left[i]:])
		}
	}
	w.close('}')
	x.consumedAll(used, false)
	w.close('}')
	return nil
}

// unprocessed writes what a client sends again as it is.
func (w *writer) unprocessed(g *get, keys []item) {
	w.key(g.table)
	w.open('{')
	w.key("Keys")
	w.open('[')
	for _, k := range keys {
		w.element()
		w.item(k)
	}
	w.close(']')
	w.key("ConsistentRead")
	w.bool(g.consistent)
	if g.projection != nil {
		w.key("ProjectionExpression")
		w.string(*g.projection)
	}
	if g.names != nil {
		w.key("ExpressionAttributeNames")
		w.open('{')
		for name, meaning := range g.names {
			w.key(name)
			w.string(meaning)
		}
		w.close('}')
	}
	w.close('}')
}

// lookups makes the reads of a batch ready.
func (e *Engine) lookups(gets []get) ([]*lookup, *Error) {
	var out []*lookup
	var ids []itemID
	for i := range gets {
		l, err := e.lookup(&gets[i])
		if err != nil {
			return nil, err
		}
		for _, k := range l.keys {
			ids = append(ids, l.table.itemID(k))
		}
		out = append(out, l)
	}
	if duplicate(ids) {
		return nil, invalid("Provided list of item keys contains duplicates")
	}
	return out, nil
}
