package dynamo

import (
	"maps"
	"slices"
	"strings"
)

// Limits of tags.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Tagging.html
const (
	maxTags     = 50
	maxTagKey   = 128
	maxTagValue = 256
)

func checkTags(tags []tag) *Error {
	var f faults
	for _, t := range tags {
		checkLength(&f, t.key, "tags.1.member.key", 1, maxTagKey)
		checkLength(&f, t.value, "tags.1.member.value", 0, maxTagValue)
	}
	if len(tags) > maxTags {
		return invalid("Too many tags: %d; a table has %d at most", len(tags), maxTags)
	}
	return f.err()
}

func (t *table) tag(tags []tag) {
	if t.tags == nil {
		t.tags = map[string]string{}
	}
	for _, x := range tags {
		t.tags[x.key] = x.value
	}
}

// tagged finds the table that a tag operation is about. The engine is locked.
func (e *Engine) tagged(arn string) (*table, *Error) {
	name, ok := strings.CutPrefix(arn, e.tableARN(""))
	if !ok {
		return nil, invalid("Invalid TableArn: Invalid ResourceArn provided as input %s", arn)
	}
	t := e.tables[name]
	if t == nil {
		return nil, refuse(codeNotFound, "Requested resource not found: ResourcArn: %s not found", arn)
	}
	return t, nil
}

func (e *Engine) tagResource(x *execution) *Error {
	s := &x.req.schema
	var f faults
	if s.resource == "" {
		f.missing("resourceArn")
	}
	if !s.hasTags {
		f.missing("tags")
	}
	if err := f.err(); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	t, err := e.tagged(s.resource)
	if err != nil {
		return err
	}
	if len(s.tags) == 0 {
		return invalid("Atleast one Tag needs to be provided as Input.")
	}
	if err := checkTags(s.tags); err != nil {
		return err
	}
	t.tag(s.tags)
	e.logTags(t)
	return nil // with an empty body, as the service answers
}

func (e *Engine) untagResource(x *execution) *Error {
	s := &x.req.schema
	var f faults
	if s.resource == "" {
		f.missing("resourceArn")
	}
	if !s.hasTags {
		f.missing("tagKeys")
	}
	if err := f.err(); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	t, err := e.tagged(s.resource)
	if err != nil {
		return err
	}
	if len(s.tagKeys) == 0 {
		return invalid("Atleast one Tag Key needs to be provided as Input.")
	}
	for _, k := range s.tagKeys {
		delete(t.tags, k)
	}
	e.logTags(t)
	return nil
}

// logTags logs a table whose tags have changed. The engine is locked.
func (e *Engine) logTags(t *table) {
	t.stripes[0].mu.RLock() // what the stripes guard is written too
	defer t.stripes[0].mu.RUnlock()
	e.logSetup(nil, t)
}

func (e *Engine) listTags(x *execution) *Error {
	if x.req.schema.resource == "" {
		var f faults
		f.missing("resourceArn")
		return f.err()
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	t, err := e.tagged(x.req.schema.resource)
	if err != nil {
		return err
	}
	w := &x.w
	w.open('{')
	w.key("Tags")
	w.open('[')
	for _, k := range slices.Sorted(maps.Keys(t.tags)) {
		w.element()
		w.open('{')
		w.key("Key")
		w.string(k)
		w.key("Value")
		w.string(t.tags[k])
		w.close('}')
	}
	w.close(']')
	w.close('}')
	return nil
}

// describeLimits answers with the default quotas of an account. None of them is
// enforced.
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_DescribeLimits.html
func (e *Engine) describeLimits(x *execution) *Error {
	w := &x.w
	w.open('{')
	for _, m := range []struct {
		name string
		n    int64
	}{
		{"AccountMaxReadCapacityUnits", 80_000}, {"AccountMaxWriteCapacityUnits", 80_000},
		{"TableMaxReadCapacityUnits", 40_000}, {"TableMaxWriteCapacityUnits", 40_000},
	} {
		w.key(m.name)
		w.int(m.n)
	}
	w.close('}')
	return nil
}

// describeEndpoints answers for clients with endpoint discovery switched on.
func (e *Engine) describeEndpoints(x *execution) *Error {
	w := &x.w
	w.open('{')
	w.key("Endpoints")
	w.open('[')
	w.open('{')
	w.key("Address")
	w.string("dynamodb." + e.options.Region + ".amazonaws.com")
	w.key("CachePeriodInMinutes")
	w.int(1440)
	w.close('}')
	w.close(']')
	w.close('}')
	return nil
}

func (e *Engine) updateTimeToLive(x *execution) *Error {
	spec := x.req.schema.ttl
	var f faults
	switch {
	case spec == nil:
		f.missing("timeToLiveSpecification")
	case spec.attribute == "":
		f.add("''", "timeToLiveSpecification.attributeName", "Member must have length greater than or equal to 1")
	default:
		checkLength(&f, spec.attribute, "timeToLiveSpecification.attributeName", 1, 255)
	}
	if err := f.err(); err != nil {
		return err
	}
	e.mu.Lock() // what it guards is logged too
	defer e.mu.Unlock()
	t := e.tables[x.req.table]
	if t == nil {
		return tableNotFound(x.req.table)
	}
	t.lockAll()
	defer t.unlockAll()
	switch {
	case spec.enabled && t.expiry != "":
		return invalid("TimeToLive is already enabled")
	case !spec.enabled && t.expiry == "":
		return invalid("TimeToLive is already disabled")
	case !spec.enabled && t.expiry != spec.attribute:
		return invalid("TimeToLive is active on a different AttributeName: current AttributeName is %s", t.expiry)
	}
	t.expiry = ""
	if spec.enabled {
		t.expiry = spec.attribute
		e.expiring.Store(true)
	}
	t.expectAll()
	e.logSetup(nil, t)
	w := &x.w
	w.open('{')
	w.key("TimeToLiveSpecification")
	w.open('{')
	w.key("Enabled")
	w.bool(spec.enabled)
	w.key("AttributeName")
	w.string(spec.attribute)
	w.close('}')
	w.close('}')
	return nil
}

func (e *Engine) describeTimeToLive(x *execution) *Error {
	t, err := e.table(x.req.table)
	if err != nil {
		return err
	}
	t.stripes[0].mu.RLock()
	name := t.expiry
	t.stripes[0].mu.RUnlock()
	w := &x.w
	w.open('{')
	w.key("TimeToLiveDescription")
	w.open('{')
	w.key("TimeToLiveStatus")
	if name == "" {
		w.string("DISABLED")
	} else {
		w.string("ENABLED")
		w.key("AttributeName")
		w.string(name)
	}
	w.close('}')
	w.close('}')
	return nil
}
