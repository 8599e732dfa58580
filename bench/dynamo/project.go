package dynamo

// project returns the parts of an item that the paths lead to, in their
// places: maps keep their shape, lists close up. The paths are resolved and do
// not overlap.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.ProjectionExpressions.html
func project(it item, paths []path) item {
	out := item{}
	for _, a := range it {
		if rest, whole := below(paths, step{name: a.name}); whole {
			out = append(out, a)
		} else if v := projectValue(a.value, rest); v.kind != kindNone {
			out = append(out, attr{a.name, v})
		}
	}
	return out
}

// below gives what remains of the paths that begin with the step; whole, if
// one of them ends there.
func below(paths []path, s step) (rest []path, whole bool) {
	for _, q := range paths {
		if q[0] != s {
			continue
		}
		if len(q) == 1 {
			return nil, true
		}
		rest = append(rest, q[1:])
	}
	return rest, false
}

// projectValue returns a value of kindNone where nothing is left.
func projectValue(v value, paths []path) value {
	if len(paths) == 0 {
		return value{}
	}
	switch v.kind {
	case kindM:
		if attrs := project(v.attrs(), paths); len(attrs) > 0 {
			return mapOf(attrs)
		}
	case kindL:
		var list []value
		for i, e := range v.list() {
			if rest, whole := below(paths, step{index: i}); whole {
				list = append(list, e)
			} else if part := projectValue(e, rest); part.kind != kindNone {
				list = append(list, part)
			}
		}
		if len(list) > 0 {
			return listOf(kindL, list)
		}
	}
	return value{}
}
