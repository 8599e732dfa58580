package dynamo

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ackproof/ackproof/bench/clock"
)

func (e *Engine) createTable(x *execution) *Error {
	s := &x.req.schema
	if err := s.checkModel(true); err != nil {
		return err
	}
	if err := s.checkBilling(); err != nil {
		return err
	}
	if err := s.checkStream(); err != nil {
		return err
	}
	name := strings.Clone(x.req.table)
	t := &table{name: name, arn: e.tableARN(name), created: x.now, billing: "PROVISIONED"}
	if err := s.build(t); err != nil {
		return err
	}
	if err := checkTags(s.tags); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.tables[name] != nil {
		return refuse("ResourceInUseException", "Table already exists: %s", name)
	}
	hi, lo := clock.Bits(e.options.Seed, t.arn, 0), clock.Bits(e.options.Seed, t.arn, uint64(x.now.UnixNano()))
	// A UUID of version 4, which is one of random bits.
	t.id = fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", hi>>32, hi>>16&0xffff, hi&0xfff, lo>>48&0x3fff|0x8000, lo&(1<<48-1))
	s.set(t, x.now)
	if err := t.tag(s.tags); err != nil {
		return err
	}
	if s.stream != nil && s.stream.enabled {
		e.openStream(t, s.stream.view, x.now)
	}
	e.tables[name] = t
	x.describe("TableDescription", t, "CREATING")
	return nil
}

// set gives a table what a request says about its billing and settings.
func (s *schema) set(t *table, now time.Time) {
	if s.billing != "" {
		if s.billing == "PAY_PER_REQUEST" && t.billing != s.billing {
			t.onDemand = now
		}
		t.billing = s.billing
	}
	switch {
	case s.capacity != nil:
		t.capacity = *s.capacity
	case s.billing == "PAY_PER_REQUEST":
		t.capacity = [2]int{}
	}
	if s.protected != nil {
		t.settings.protected = *s.protected
	}
	if s.ceiling != nil {
		for i, n := range s.ceiling {
			if n != 0 { // -1 takes a ceiling away
				t.settings.ceiling[i] = max(n, 0)
			}
		}
	}
	if s.class != "" {
		t.settings.class = s.class
	}
	if s.encrypted != nil {
		t.settings.encrypted, t.settings.masterKey = *s.encrypted, s.masterKey
		if !strings.HasPrefix(s.masterKey, "arn:") {
			// The service shows the ARN of the key, be it named otherwise or its own.
			prefix, _, _ := strings.Cut(t.arn, ":table/")
			t.settings.masterKey = strings.Replace(prefix, ":dynamodb:", ":kms:", 1) + ":key/" + cmp.Or(s.masterKey, t.id)
		}
	}
}

// openStream gives the table a new stream. The engine is locked, and the
// table's stripes are, unless nobody knows it yet.
func (e *Engine) openStream(t *table, view string, now time.Time) {
	t.stream = newStream(t, view, now, e.options)
	e.streams[t.stream.arn] = t.stream
}

func (e *Engine) updateTable(x *execution) *Error {
	s := &x.req.schema
	if err := s.checkModel(false); err != nil {
		return err
	}
	if s.billing == "" && s.capacity == nil && s.stream == nil && s.updates == nil && s.class == "" && s.protected == nil && s.encrypted == nil && s.ceiling == nil {
		return invalid("At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or SSESpecification or ReplicaUpdates is required")
	}
	switch {
	case s.billing == "PAY_PER_REQUEST" && s.capacity != nil:
		return s.checkBilling()
	case s.billing == "PROVISIONED" && s.capacity == nil:
		return badParameter("ProvisionedThroughput must be specified when BillingMode is PROVISIONED")
	}
	if err := s.checkStream(); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.tables[x.req.table]
	if t == nil {
		return noSuchTable(x.req.table)
	}
	t.lockAll()
	defer t.unlockAll()
	if err := s.checkUpdate(t); err != nil {
		return err
	}
	if s.stream != nil {
		if s.stream.enabled {
			e.openStream(t, s.stream.view, x.now)
		} else {
			t.stream.close(x.now)
		}
	}
	s.set(t, x.now)
	x.describe("TableDescription", t, "UPDATING")
	return nil
}

// checkUpdate refuses what cannot be done to the table as it is, and changes its
// indexes where nothing is wrong. The table is locked as a whole.
func (s *schema) checkUpdate(t *table) *Error {
	if s.stream != nil {
		open := t.stream != nil && t.stream.closed.IsZero()
		switch {
		case s.stream.enabled && open:
			return invalid("Table already has an enabled stream: TableName: %s", t.name)
		case !s.stream.enabled && !open:
			return invalid("Table has no stream to disable: TableName: %s", t.name)
		}
	}
	if s.capacity != nil && s.billing == "" && t.billing == "PAY_PER_REQUEST" {
		return badParameter("Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST")
	}
	if s.capacity != nil && s.billing != "PAY_PER_REQUEST" && t.billing == "PROVISIONED" && *s.capacity == t.capacity && s.updates == nil {
		return invalid("The provisioned throughput for the table will not change. The requested value equals the current value. Current ReadCapacityUnits provisioned for the table: %d. Requested ReadCapacityUnits: %d. Current WriteCapacityUnits provisioned for the table: %d. Requested WriteCapacityUnits: %d. Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits.",
			t.capacity[0], s.capacity[0], t.capacity[1], s.capacity[1])
	}
	return s.updateIndexes(t)
}

// updateIndexes creates, changes and deletes global indexes. A new one is full
// when the call returns; the service fills it in the background.
func (s *schema) updateIndexes(t *table) *Error {
	changes := 0
	for _, u := range s.updates {
		if u.action == "Create" || u.action == "Delete" {
			changes++
		}
	}
	if changes > 1 {
		return refuse(codeLimit, "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table")
	}
	for _, u := range s.updates {
		i := slices.IndexFunc(t.indexes, func(ix *index) bool { return ix.name == u.spec.name && !ix.local })
		switch {
		case u.action == "":
			return badParameter("One of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, GlobalSecondaryIndexUpdate.Delete must not be null")
		case u.action == "Create":
			if err := s.createIndex(t, &u.spec); err != nil {
				return err
			}
		case i < 0:
			return refuse(codeNotFound, "Requested resource not found: Index: %s not found", u.spec.name)
		case u.action == "Delete":
			t.indexes = slices.Delete(slices.Clone(t.indexes), i, i+1)
			t.forgetDefinitions()
		case u.spec.capacity != nil:
			t.indexes[i].capacity = *u.spec.capacity
		}
	}
	return nil
}

func (s *schema) createIndex(t *table, spec *indexSpec) *Error {
	globals := 0
	for _, ix := range t.indexes {
		if ix.name == spec.name {
			return invalid("Attempting to create an index which already exists")
		}
		if !ix.local {
			globals++
		}
	}
	if globals == maxGlobals {
		return refuse(codeLimit, "Subscriber limit exceeded: Number of GlobalSecondaryIndexes exceeds per-table limit of %d", maxGlobals)
	}
	for _, a := range s.definitions { // also of those that the table has
		if old, ok := attribute(t.definition, a.name); ok && old.kind != a.kind {
			return badParameter("Attributes cannot be redefined. Please check that your attribute has the same type as previously defined. Existing schema: Schema:[SchemaElement: key{%[1]s:%[2]s}] New schema: Schema:[SchemaElement: key{%[1]s:%[3]s}]", a.name, old.kind, a.kind)
		}
	}
	ix, err := s.buildIndex(t, spec, false)
	if err != nil {
		return err
	}
	billing := t.billing
	if s.billing != "" {
		billing = s.billing
	}
	if err := billIndex(ix, spec, billing == "PAY_PER_REQUEST"); err != nil {
		return err
	}
	for _, a := range ix.keys {
		if _, ok := attribute(t.definition, a.name); !ok {
			t.definition = append(slices.Clip(t.definition), a)
		}
	}
	ix.fill(t)
	t.indexes = append(slices.Clip(t.indexes), ix)
	slices.SortFunc(t.indexes, func(a, b *index) int { return strings.Compare(a.name, b.name) })
	return nil
}

// forgetDefinitions drops the definitions of attributes that are no keys any
// more.
func (t *table) forgetDefinitions() {
	t.definition = slices.DeleteFunc(slices.Clone(t.definition), func(a keyAttr) bool {
		return !t.isKey(a.name) && !slices.ContainsFunc(t.indexes, func(ix *index) bool { return ix.isKey(a.name) })
	})
}

func (e *Engine) deleteTable(x *execution) *Error {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.tables[x.req.table]
	if t == nil {
		return noSuchTable(x.req.table)
	}
	if t.settings.protected {
		return invalid("Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.")
	}
	t.lockAll()
	defer t.unlockAll()
	t.gone = true
	if t.stream != nil && t.stream.closed.IsZero() {
		t.stream.close(x.now)
	}
	delete(e.tables, t.name)
	x.describeGone(t)
	return nil
}

func (e *Engine) describeTable(x *execution) *Error {
	e.mu.RLock()
	defer e.mu.RUnlock()
	t := e.tables[x.req.table]
	if t == nil {
		return noSuchTable(x.req.table)
	}
	x.describe("Table", t, "ACTIVE")
	return nil
}

func (e *Engine) listTables(x *execution) *Error {
	limit, err := pageLimit(x.req.limit, 100)
	if err != nil {
		return err
	}
	e.mu.RLock()
	names := slices.Sorted(maps.Keys(e.tables))
	e.mu.RUnlock()
	from, found := slices.BinarySearch(names, x.req.schema.startTable)
	if found {
		from++
	}
	names = names[from:]
	w := &x.w
	w.open('{')
	w.key("TableNames")
	w.open('[')
	for _, n := range names[:min(limit, len(names))] {
		w.element()
		w.string(n)
	}
	w.close(']')
	if len(names) > limit {
		w.key("LastEvaluatedTableName")
		w.string(names[limit-1])
	}
	w.close('}')
	return nil
}

// pageLimit reads the Limit of a list, which is also its default.
func pageLimit(limit *int, most int) (int, *Error) {
	if limit == nil {
		return most, nil
	}
	var f faults
	checkValue(&f, *limit, "limit", 1, most)
	return *limit, f.err()
}
