package dynamo

import (
	"slices"
	"time"
)

// Limits of items and keys, in bytes.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
const (
	maxItem    = 400 << 10
	maxHashKey = 2048
	maxRange   = 1024
)

// plan is an action made ready: everything about it that can be wrong without
// looking at the item has been found right. It may then be tried and committed
// under the lock of its stripe.
type plan struct {
	*action
	table     *table
	key       key
	fresh     *row // of a put
	condition *condition
	update    *update
	uses      [2]use // the expressions, and how many
	used      int
	alone     bool // not in a transaction
}

// plan makes an action ready.
func (e *Engine) plan(a *action) (*plan, *Error) {
	p := &plan{}
	return p, p.prepare(e, a)
}

func (p *plan) prepare(e *Engine, a *action) *Error {
	p.action = a
	if err := p.parse(e); err != nil {
		return err
	}
	t, err := e.table(plainName(a.table))
	if err != nil {
		return err
	}
	p.table = t
	if err := t.checkScalars(&a.env, p.uses[:p.used]...); err != nil {
		return err
	}
	if a.verb == verbPut {
		return p.preparePut()
	}
	if p.key, err = t.exactKey(a.key); err != nil {
		return err
	}
	if p.update != nil {
		return p.update.checkKeys(&a.env, t.isKey)
	}
	return nil
}

func (p *plan) parse(e *Engine) *Error {
	if p.action.condition != nil || p.action.update != nil {
		if err := p.env.checkPlaceholders(); err != nil {
			return frameable(err)
		}
	}
	for _, x := range [...]struct {
		g    grammar
		text *string
	}{{grammarUpdate, p.action.update}, {grammarCondition, p.action.condition}} {
		if x.text == nil {
			continue
		}
		parsed, err := e.expressions.parse(x.g, *x.text)
		if err != nil {
			return frameable(err)
		}
		if x.g == grammarUpdate {
			p.update = parsed.update
		} else {
			p.condition = parsed.condition
		}
		p.uses[p.used] = use{x.g, parsed}
		p.used++
	}
	if p.verb == verbCheck && p.condition == nil {
		return badParameter("ConditionExpression is required in a ConditionCheck")
	}
	return frameable(p.env.check(p.uses[:p.used]...))
}

func (p *plan) preparePut() *Error {
	if _, err := keyOf(p.table.keys, p.item); err != nil {
		return err
	}
	// Nothing refers to the body of the request from here on.
	p.item = pack(p.item)
	p.fresh = &row{item: p.item, size: p.item.size()}
	p.fresh.key, _ = keyOf(p.table.keys, p.item)
	p.key = p.fresh.key
	return nil
}

// keyOf takes the key out of an item.
func keyOf(keys []keyAttr, it item) (key, *Error) {
	var k key
	for i, a := range keys {
		v := it.get(a.name)
		if v.kind == kindNone {
			return k, mismatch("One or more parameter values were invalid: Missing the key %s in the item", a.name)
		}
		if v.kind != a.kind {
			return k, mismatch("One or more parameter values were invalid: Type mismatch for key %s expected: %s actual: %s", a.name, a.kind, v.kind)
		}
		if err := checkKey(a, v, i); err != nil {
			return k, err
		}
		if i == 0 {
			k.part = v.text
		} else {
			k.rng = v
		}
	}
	k.hash = hashOf(k.part)
	return k, nil
}

func checkKey(a keyAttr, v value, i int) *Error {
	switch {
	case v.text == "" && v.kind == kindS:
		return invalid("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: %s", a.name)
	case v.text == "":
		return invalid("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty binary value. Key: %s", a.name)
	case v.kind == kindN:
	case i == 0 && len(v.text) > maxHashKey:
		return errHashKey()
	case i > 0 && len(v.text) > maxRange:
		return errRangeKey()
	}
	return nil
}

func errHashKey() *Error {
	return badParameter("Size of hashkey has exceeded the maximum size limit of%d bytes", maxHashKey) // without a space, as the service has it
}

func errRangeKey() *Error {
	return badParameter("Aggregated size of all range keys has exceeded the size limit of %d bytes", maxRange)
}

func (t *table) exactKey(it item) (key, *Error) { return exactKey(t.keys, it) }

// exactKey reads a key that must hold the key attributes and nothing else.
func exactKey(keys []keyAttr, it item) (key, *Error) {
	if len(it) != len(keys) {
		return key{}, errSchema()
	}
	for _, a := range keys {
		if v := it.get(a.name); v.kind != a.kind {
			return key{}, errSchema()
		}
	}
	return keyOf(keys, it)
}

func errSchema() *Error { return mismatch("The provided key element does not match the schema") }

// next decides what the action makes of the row that is there: the new one,
// nil for none, or the old one itself for a ConditionCheck. Nothing changes
// yet.
func (p *plan) next(old *row) (*row, *Error) {
	var it item
	if old != nil {
		it = old.item
	}
	if p.verb == verbPut {
		if err := p.table.checkIndexes(p.item, false); err != nil {
			return nil, err
		}
	}
	if p.condition != nil && !p.env.holds(it, p.condition) {
		if p.onFailure == "ALL_OLD" {
			return nil, conditionFailed(it)
		}
		return nil, conditionFailed(nil)
	}
	switch p.verb {
	case verbPut:
		return p.fresh, nil
	case verbDelete:
		return nil, nil
	case verbCheck:
		return old, nil
	}
	if old == nil { // an update of nothing begins with the key
		if p.update != nil && p.update.onlyTakes() {
			return nil, nil
		}
		it = keyItem(p.table.keys, &p.key)
	}
	if p.update != nil {
		var err *Error
		if it, err = p.update.apply(&p.env, it); err != nil {
			return nil, err
		}
	}
	if err := p.table.checkIndexes(it, true); err != nil {
		return nil, err
	}
	r := &row{key: p.key, item: it, size: it.size()}
	if r.size > maxItem || p.alone && p.written(it) > maxItem {
		return nil, invalid("Item size to update has exceeded the maximum allowed size")
	}
	return r, nil
}

// written is what an UpdateItem is measured by beside its result: what it writes,
// 3 bytes, and 19 for each value set or added and 2 for each taken away. No page
// of the service says so; it is what the limit of 400 KB was found to be.
func (p *plan) written(it item) int {
	if p.update == nil {
		return 0
	}
	size := 3
	var names []string
	for _, a := range p.update.actions {
		if size += 2; a.section == "SET" || a.section == "ADD" {
			size += 17
		}
		if name := p.env.name(a.path[0]); !slices.Contains(names, name) {
			names = append(names, name)
			if v := it.get(name); v.kind != kindNone {
				size += len(name) + v.size()
			}
		}
	}
	return size
}

// try runs a plan by itself: decide and commit in one step.
func (e *Engine) try(now time.Time, p *plan) (old, new *row, units indexUnits, err *Error) {
	s := p.table.stripe(p.key.hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.table.gone {
		return nil, nil, nil, tableNotFound(p.table.name)
	}
	old = s.get(&p.key)
	if new, err = p.next(old); err != nil {
		return old, nil, nil, err
	}
	step := [1]change{{table: p.table, key: &p.key, old: old, new: new}}
	e.commit(now, nil, step[:])
	return old, new, step[0].units, nil
}
