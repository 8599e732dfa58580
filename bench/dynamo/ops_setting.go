package dynamo

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of tags.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Tagging.html
const (
	maxTags     = 50
	maxTagKey   = 128
	maxTagValue = 256
)

// checkTags holds tags against their model, and against the characters that they may
// have.
func checkTags(tags []tag) *Error {
	var f faults
	for i, t := range tags {
		at := fmt.Sprintf("tags.%d.member.", i+1)
		for _, m := range [...]struct {
			text        *string
			name        string
			least, most int
		}{{t.key, "key", 1, maxTagKey}, {t.value, "value", 0, maxTagValue}} {
			if m.text == nil {
				f.missing(at + m.name)
				continue
			}
			switch n := utf8.RuneCountInString(*m.text); {
			case n < m.least:
				f.add(quoted(*m.text), at+m.name, "Member must have length greater than or equal to %d", m.least)
			case n > m.most:
				f.add(quoted(*m.text), at+m.name, "Member must have length less than or equal to %d", m.most)
			case strings.ContainsFunc(*m.text, func(c rune) bool { return !isTagRune(c) }):
				f.add(quoted(*m.text), at+m.name, `Member must satisfy regular expression pattern: ^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$`)
			}
		}
	}
	return f.err()
}

func isTagRune(c rune) bool {
	return unicode.In(c, unicode.L, unicode.Z, unicode.N) || strings.ContainsRune("_.:/=+-@", c)
}

// tag adds to the tags of a table, or changes none if they would be too many.
func (t *table) tag(tags []tag) *Error {
	more := map[string]string{}
	maps.Copy(more, t.tags)
	for _, x := range tags {
		more[*x.key] = *x.value
	}
	if len(more) > maxTags {
		return badParameter("Too many tags: a resource has at most %d", maxTags)
	}
	t.tags = more
	return nil
}

// tagged finds the table that a tag operation is about. The engine is locked.
func (e *Engine) tagged(arn string) (*table, *Error) {
	part := strings.SplitN(arn, ":", 6)
	switch {
	case part[0] != "arn":
		return nil, invalid("ARNs must start with 'arn:': %s", arn)
	case len(part) < 6 || part[2] != "dynamodb" || !strings.HasPrefix(part[5], "table/") || strings.Count(part[5], "/") > 1:
		return nil, invalid("Invalid TableArn: Invalid ResourceArn provided as input %s", arn)
	}
	name, own := strings.CutPrefix(arn, e.tableARN(""))
	if !own {
		return nil, refuse(codeAccessDenied, "Access to the resource %s is denied: it is of another account or region", arn)
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
	return t.tag(s.tags) // with an empty body, as the service answers
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
	return nil
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
	default:
		if spec.attribute == nil {
			f.missing("timeToLiveSpecification.attributeName")
		} else {
			checkLength(&f, *spec.attribute, "timeToLiveSpecification.attributeName", 1, 255)
		}
		if spec.enabled == nil {
			f.missing("timeToLiveSpecification.enabled")
		}
	}
	if err := f.err(); err != nil {
		return err
	}
	t, err := e.table(x.req.table)
	if err != nil {
		return noSuchTable(x.req.table)
	}
	t.lockAll()
	defer t.unlockAll()
	switch {
	case t.gone:
		return tableNotFound(t.name)
	case *spec.enabled && t.expiry != "":
		return invalid("TimeToLive is already enabled")
	case !*spec.enabled && t.expiry == "":
		return invalid("TimeToLive is already disabled")
	case !*spec.enabled && t.expiry != *spec.attribute:
		return invalid("TimeToLive is active on a different AttributeName: current AttributeName is %s", t.expiry)
	}
	t.expiry = ""
	if *spec.enabled {
		t.expiry = *spec.attribute
		e.expiring.Store(true)
	}
	t.expectAll()
	w := &x.w
	w.open('{')
	w.key("TimeToLiveSpecification")
	w.open('{')
	w.key("Enabled")
	w.bool(*spec.enabled)
	w.key("AttributeName")
	w.string(*spec.attribute)
	w.close('}')
	w.close('}')
	return nil
}

func (e *Engine) describeTimeToLive(x *execution) *Error {
	t, err := e.table(x.req.table)
	if err != nil {
		return noSuchTable(x.req.table)
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
