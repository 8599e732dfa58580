package dynamo

// write runs PutItem, UpdateItem and DeleteItem.
func (e *Engine) write(x *execution) *Error {
	p := &x.plan
	if err := p.prepare(e, &x.req.action); err != nil {
		return err
	}
	p.alone = true
	old, new, units, err := e.try(x.now, p)
	if err != nil {
		return err
	}
	x.wrote(p.table.name)
	x.w.open('{')
	if it := p.returned(old, new); it != nil {
		x.w.key("Attributes")
		x.w.item(it)
	}
	if x.wantsCapacity() {
		var used usage
		used.write(p.table.name, writeUnits(old, new), units)
		x.consumed(used)
	}
	x.collections(p)
	x.w.close('}')
	return nil
}

// returned is what ReturnValues asks for, nil for nothing.
func (p *plan) returned(old, new *row) item {
	r := old
	switch p.returns {
	case "ALL_NEW", "UPDATED_NEW":
		r = new
	case "ALL_OLD", "UPDATED_OLD":
	default:
		return nil
	}
	if r == nil {
		return nil
	}
	if p.returns == "ALL_NEW" || p.returns == "ALL_OLD" {
		return r.item
	}
	if p.update == nil {
		return nil
	}
	var paths []path
	for _, a := range p.update.actions {
		paths = append(paths, p.env.resolve(a.path))
	}
	if it := project(r.item, paths); len(it) > 0 {
		return it
	}
	return nil
}

// lookup is a get made ready.
type lookup struct {
	table *table
	keys  []key
	paths []path // resolved projection; nil: whole items
}

func (e *Engine) lookup(g *get) (*lookup, *Error) {
	en := &env{names: g.names}
	shown, paths, err := e.projection(g.projection, en)
	if err != nil {
		return nil, err
	}
	t, err := e.table(plainName(g.table))
	if err != nil {
		return nil, err
	}
	if shown != nil {
		if err := t.checkScalars(en, use{grammarProjection, shown}); err != nil {
			return nil, err
		}
	}
	l := &lookup{table: t, paths: paths}
	for _, it := range g.keys {
		k, err := t.exactKey(it)
		if err != nil {
			return nil, err
		}
		l.keys = append(l.keys, k)
	}
	return l, nil
}

// projection parses and resolves a ProjectionExpression that is alone in its
// request; nil for none.
func (e *Engine) projection(text *string, en *env) (*parsed, []path, *Error) {
	if text == nil {
		return nil, nil, en.check()
	}
	if err := en.checkPlaceholders(); err != nil {
		return nil, nil, err
	}
	x, err := e.expressions.parse(grammarProjection, *text)
	if err != nil {
		return nil, nil, err
	}
	if err := en.check(use{grammarProjection, x}); err != nil {
		return nil, nil, err
	}
	paths, err := en.paths(x)
	return x, paths, err
}

// paths resolves the paths of a projection.
func (e *env) paths(x *parsed) ([]path, *Error) {
	out := make([]path, len(x.paths))
	for i, q := range x.paths {
		out[i] = e.resolve(q)
	}
	return out, checkOverlap(grammarProjection, out)
}

// read returns the row of a key, or nil.
func (t *table) read(k *key) *row {
	s := t.stripe(k.hash)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.get(k)
}

func (l *lookup) shown(r *row) item {
	if l.paths == nil {
		return r.item
	}
	return project(r.item, l.paths)
}

func (e *Engine) getItem(x *execution) *Error {
	req := &x.req
	l, err := e.lookup(&get{table: req.table, keys: []item{req.key}, projection: req.projection, names: req.env.names})
	if err != nil {
		return err
	}
	r := l.table.read(&l.keys[0])
	x.w.open('{')
	size := 0
	if r != nil {
		size = r.size
		x.w.key("Item")
		x.w.item(l.shown(r))
	}
	if x.wantsCapacity() {
		var used usage
		used.read(l.table.name, readUnits(size, req.consistent))
		x.consumed(used)
	}
	x.w.close('}')
	return nil
}
