package dynamo

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ackproof/ackproof/bench/clock"
)

var viewTypes = []string{"NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES", "KEYS_ONLY"}

func (e *Engine) createTable(x *execution) *Error {
	s := &x.req.schema
	keys, err := s.keyAttrs()
	if err != nil {
		return err
	}
	if err := s.checkBilling(); err != nil {
		return err
	}
	if err := s.checkStream(); err != nil {
		return err
	}
	name := x.req.table
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.tables[name] != nil {
		return refuse("ResourceInUseException", "Table already exists: %s", name)
	}
	arn := e.tableARN(name)
	t := &table{name: name, arn: arn, created: x.now, keys: keys, definition: s.definitions, billing: "PROVISIONED"}
	hi, lo := clock.Bits(e.options.Seed, arn, 0), clock.Bits(e.options.Seed, arn, uint64(x.now.UnixNano()))
	t.id = fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", hi>>32, hi>>16&0xffff, hi&0xffff, lo>>48, lo&(1<<48-1))
	s.bill(t)
	if s.stream != nil && s.stream.enabled {
		e.openStream(t, s.stream.view, x.now)
	}
	e.tables[name] = t
	x.describe("TableDescription", t, "ACTIVE")
	return nil
}

// keyAttrs joins key schema and attribute definitions.
func (s *schema) keyAttrs() ([]keyAttr, *Error) {
	roles := [...]string{"HASH", "RANGE"}
	if len(s.keys) < 1 || len(s.keys) > 2 {
		return nil, invalid("1 validation error detected: Value at 'keySchema' failed to satisfy constraint: Member must have length between 1 and 2")
	}
	var keys []keyAttr
	for i, k := range s.keys {
		if k.role != roles[i] {
			return nil, invalid("Invalid KeySchema: element %d must have the KeyType %s, not %.20q", i+1, roles[i], k.role)
		}
		j := slices.IndexFunc(s.definitions, func(a keyAttr) bool { return a.name == k.name })
		if j < 0 {
			return nil, badParameter("Some index key attributes are not defined in AttributeDefinitions. Keys: [%s]", k.name)
		}
		keys = append(keys, s.definitions[j])
	}
	for _, a := range s.definitions {
		if a.name == "" || len(a.name) > 255 || a.kind < kindS || a.kind > kindB {
			return nil, invalid("1 validation error detected: attribute definition %.60q failed to satisfy constraint: a name of 1 to 255 bytes and the type S, N or B", a.name)
		}
	}
	if len(s.definitions) != len(keys) || len(keys) == 2 && keys[0].name == keys[1].name {
		return nil, badParameter("Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions")
	}
	return keys, nil
}

func (s *schema) checkBilling() *Error {
	if err := oneOf("billingMode", s.billing, "PROVISIONED", "PAY_PER_REQUEST"); err != nil {
		return err
	}
	switch {
	case s.billing == "PAY_PER_REQUEST" && s.capacity != nil:
		return badParameter("Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST")
	case s.billing != "PAY_PER_REQUEST" && s.capacity == nil:
		return badParameter("ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED")
	case s.capacity != nil && (s.capacity[0] < 1 || s.capacity[1] < 1):
		return badParameter("ReadCapacityUnits and WriteCapacityUnits must be at least 1")
	}
	return nil
}

func (s *schema) checkStream() *Error {
	switch {
	case s.stream == nil:
		return nil
	case s.stream.enabled && s.stream.view == "":
		return badParameter("StreamEnabled is true, so StreamViewType must be specified")
	case !s.stream.enabled && s.stream.view != "":
		return badParameter("StreamEnabled is false, so StreamViewType must not be specified")
	}
	return oneOf("streamSpecification.streamViewType", s.stream.view, viewTypes...)
}

func (s *schema) bill(t *table) {
	if s.billing != "" {
		t.billing = s.billing
	}
	t.capacity = [2]int{}
	if s.capacity != nil {
		t.capacity = *s.capacity
	}
}

// openStream gives the table a new stream. The engine is locked, and the
// table's stripes are, unless nobody knows it yet.
func (e *Engine) openStream(t *table, view string, now time.Time) {
	t.stream = newStream(t, view, now, e.options)
	e.streams[t.stream.arn] = t.stream
}

// close ends a stream: its shards are closed and can be read until retention
// ends.
func (s *stream) close(now time.Time) {
	s.closed = now
	for _, sh := range s.shards {
		sh.mu.Lock()
		sh.closed = true
		sh.mu.Unlock()
	}
}

func (e *Engine) updateTable(x *execution) *Error {
	s := &x.req.schema
	if s.billing == "" && s.capacity == nil && s.stream == nil {
		return invalid("At least one of ProvisionedThroughput, BillingMode, StreamSpecification or UpdateStreamEnabled is required")
	}
	if s.billing != "" || s.capacity != nil {
		if err := s.checkBilling(); err != nil {
			return err
		}
	}
	if err := s.checkStream(); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.tables[x.req.table]
	if t == nil {
		return tableNotFound(x.req.table)
	}
	t.lockAll()
	defer t.unlockAll()
	if s.stream != nil {
		open := t.stream != nil && t.stream.closed.IsZero()
		switch {
		case s.stream.enabled && open:
			return invalid("Table already has an enabled stream: TableName: %s", t.name)
		case !s.stream.enabled && !open:
			return invalid("Table has no stream to disable: TableName: %s", t.name)
		case s.stream.enabled:
			e.openStream(t, s.stream.view, x.now)
		default:
			t.stream.close(x.now)
		}
	}
	if s.billing != "" || s.capacity != nil {
		s.bill(t)
	}
	x.describe("TableDescription", t, "ACTIVE")
	return nil
}

func (e *Engine) deleteTable(x *execution) *Error {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.tables[x.req.table]
	if t == nil {
		return tableNotFound(x.req.table)
	}
	t.lockAll()
	defer t.unlockAll()
	t.gone = true
	if t.stream != nil && t.stream.closed.IsZero() {
		t.stream.close(x.now)
	}
	delete(e.tables, t.name)
	x.describe("TableDescription", t, "DELETING")
	return nil
}

func (e *Engine) describeTable(x *execution) *Error {
	e.mu.RLock()
	defer e.mu.RUnlock()
	t := e.tables[x.req.table]
	if t == nil {
		return refuse(codeNotFound, "Requested resource not found: Table: %s not found", x.req.table)
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
	if *limit < 1 || *limit > most {
		return 0, invalid("1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must have value between 1 and %d", *limit, most)
	}
	return *limit, nil
}

// describe writes a table's description. The engine is locked, so the stream
// stands still.
func (x *execution) describe(member string, t *table, status string) {
	w := &x.w
	w.open('{')
	w.key(member)
	w.open('{')
	w.key("TableName")
	w.string(t.name)
	w.key("TableArn")
	w.string(t.arn)
	w.key("TableId")
	w.string(t.id)
	w.key("TableStatus")
	w.string(status)
	w.key("CreationDateTime")
	w.seconds(t.created)
	w.key("AttributeDefinitions")
	w.open('[')
	for _, a := range t.definition {
		w.element()
		w.open('{')
		w.key("AttributeName")
		w.string(a.name)
		w.key("AttributeType")
		w.string(a.kind.String())
		w.close('}')
	}
	w.close(']')
	w.keySchema(t.keys)
	w.key("ItemCount")
	w.int(t.items.Load())
	w.key("TableSizeBytes")
	w.int(t.bytes.Load())
	w.billing(t)
	if t.stream != nil {
		w.tableStream(t.stream)
	}
	w.close('}')
	w.close('}')
}

func (w *writer) keySchema(keys []keyAttr) {
	w.key("KeySchema")
	w.open('[')
	for i, a := range keys {
		w.element()
		w.open('{')
		w.key("AttributeName")
		w.string(a.name)
		w.key("KeyType")
		w.string([...]string{"HASH", "RANGE"}[i])
		w.close('}')
	}
	w.close(']')
}

func (w *writer) billing(t *table) {
	if t.billing == "PAY_PER_REQUEST" {
		w.key("BillingModeSummary")
		w.open('{')
		w.key("BillingMode")
		w.string(t.billing)
		w.close('}')
	}
	w.key("ProvisionedThroughput")
	w.open('{')
	w.key("NumberOfDecreasesToday")
	w.int(0)
	w.key("ReadCapacityUnits")
	w.int(int64(t.capacity[0]))
	w.key("WriteCapacityUnits")
	w.int(int64(t.capacity[1]))
	w.close('}')
}

func (w *writer) tableStream(s *stream) {
	if s.closed.IsZero() {
		w.key("StreamSpecification")
		w.open('{')
		w.key("StreamEnabled")
		w.bool(true)
		w.key("StreamViewType")
		w.string(s.view)
		w.close('}')
	}
	w.key("LatestStreamLabel")
	w.string(s.label)
	w.key("LatestStreamArn")
	w.string(s.arn)
}
