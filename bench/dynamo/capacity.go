package dynamo

import "slices"

// writeUnits is the capacity that a write costs: one unit for each KB begun,
// of the larger of both versions.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
func writeUnits(old, new *row) float64 {
	size := 1
	if old != nil {
		size = max(size, old.size)
	}
	if new != nil {
		size = max(size, new.size)
	}
	return float64((size + 1023) / 1024)
}

// readUnits is the capacity that reading so many bytes costs: half a unit for
// each 4 KB begun, a whole one where the read was to be consistent.
func readUnits(size int, consistent bool) float64 {
	units := float64(max(1, (size+4095)/4096))
	if !consistent {
		units /= 2
	}
	return units
}

// usage adds up the capacity that a request has used, table by table in the
// order in which they were met.
type usage []tableUsage

type tableUsage struct {
	name        string
	table       float64 // units of the table itself
	indexes     indexUnits
	read, write float64 // total of each sort
}

func (u *usage) of(table string) *tableUsage {
	i := slices.IndexFunc(*u, func(t tableUsage) bool { return t.name == table })
	if i < 0 {
		i = len(*u)
		*u = append(*u, tableUsage{name: table})
	}
	return &(*u)[i]
}

func (u *usage) read(table string, units float64) {
	t := u.of(table)
	t.table += units
	t.read += units
}

func (u *usage) write(table string, units float64, indexes indexUnits) {
	t := u.of(table)
	t.table += units
	t.write += units
	for _, x := range indexes {
		t.write += x.units
		t.index(x)
	}
}

func (t *tableUsage) index(x indexUnit) {
	for i := range t.indexes {
		if t.indexes[i].index == x.index {
			t.indexes[i].units += x.units
			return
		}
	}
	t.indexes = append(t.indexes, x)
}

func (x *execution) wantsCapacity() bool {
	return x.req.returnCapacity != "" && x.req.returnCapacity != "NONE"
}

// consumed writes ConsumedCapacity of a request on one table, if it wants it.
func (x *execution) consumed(u usage) {
	if x.wantsCapacity() && len(u) > 0 {
		x.w.key("ConsumedCapacity")
		x.capacity(&u[0], false)
	}
}

// consumedAll writes ConsumedCapacity as a list, if the request wants it. That
// of a transaction tells reads from writes.
func (x *execution) consumedAll(u usage, transaction bool) {
	if !x.wantsCapacity() {
		return
	}
	x.w.key("ConsumedCapacity")
	x.w.open('[')
	for i := range u {
		x.w.element()
		x.capacity(&u[i], transaction)
	}
	x.w.close(']')
}

func (x *execution) capacity(u *tableUsage, transaction bool) {
	w := &x.w
	w.open('{')
	w.key("TableName")
	w.string(u.name)
	w.units("CapacityUnits", u.read+u.write)
	if transaction && u.read > 0 {
		w.units("ReadCapacityUnits", u.read)
	}
	if transaction && u.write > 0 {
		w.units("WriteCapacityUnits", u.write)
	}
	if x.req.returnCapacity == "INDEXES" {
		w.key("Table")
		w.open('{')
		w.units("CapacityUnits", u.table)
		w.close('}')
		w.indexUnits("LocalSecondaryIndexes", u.indexes, true)
		w.indexUnits("GlobalSecondaryIndexes", u.indexes, false)
	}
	w.close('}')
}

func (w *writer) units(name string, units float64) {
	w.key(name)
	w.float(units)
}

func (w *writer) indexUnits(name string, all indexUnits, local bool) {
	begun := false
	for _, x := range all {
		if x.index.local != local {
			continue
		}
		if !begun {
			w.key(name)
			w.open('{')
			begun = true
		}
		w.key(x.index.name)
		w.open('{')
		w.units("CapacityUnits", x.units)
		w.close('}')
	}
	if begun {
		w.close('}')
	}
}

// collections writes ItemCollectionMetrics of a write, if the request wants
// them and the table has local indexes, without which there are none. The size
// is an estimate at the service, between whole gigabytes.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/LSI.html
func (x *execution) collections(p *plan) {
	if x.req.returnCollections == "SIZE" && p.table.hasLocals() {
		x.w.key("ItemCollectionMetrics")
		x.w.collection(p)
	}
}

func (w *writer) collection(p *plan) {
	w.open('{')
	w.key("ItemCollectionKey")
	w.item(keyItem(p.table.keys[:1], &p.key))
	w.key("SizeEstimateRangeGB")
	w.open('[')
	w.int(0)
	w.element()
	w.int(1)
	w.close(']')
	w.close('}')
}

// collectionsAll writes ItemCollectionMetrics of several writes, by table.
func (x *execution) collectionsAll(plans []*plan) {
	if x.req.returnCollections != "SIZE" {
		return
	}
	x.w.key("ItemCollectionMetrics")
	x.w.open('{')
	var told []string
	for i, p := range plans {
		if !p.table.hasLocals() || slices.Contains(told, p.table.name) {
			continue
		}
		told = append(told, p.table.name)
		x.w.key(p.table.name)
		x.w.open('[')
		var parts []string
		for _, q := range plans[i:] {
			if q.table == p.table && !slices.Contains(parts, q.key.part) {
				parts = append(parts, q.key.part)
				x.w.element()
				x.w.collection(q)
			}
		}
		x.w.close(']')
	}
	x.w.close('}')
}

func (t *table) hasLocals() bool {
	t.stripes[0].mu.RLock()
	defer t.stripes[0].mu.RUnlock()
	return slices.ContainsFunc(t.indexes, func(ix *index) bool { return ix.local })
}
