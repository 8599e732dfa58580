package dynamo

import (
	"fmt"
	"slices"
	"strings"
)

// faults gathers the violations of a request's model, which the service reports
// all at once, before it looks at what the parameters mean together.
type faults []string

// add notes a value that fails a constraint; what is '...' quoted, or null.
func (f *faults) add(value, at, constraint string, args ...any) {
	*f = append(*f, fmt.Sprintf("Value %s at '%s' failed to satisfy constraint: %s", value, at, fmt.Sprintf(constraint, args...)))
}

// enum notes a value outside an enumeration; "" stands for one not given.
func (f *faults) enum(value, at string, allowed ...string) {
	if value != "" && !slices.Contains(allowed, value) {
		f.add(quoted(value), at, "Member must satisfy enum value set: [%s]", strings.Join(allowed, ", "))
	}
}

// missing notes a parameter that is required.
func (f *faults) missing(at string) { f.add("null", at, "Member must not be null") }

func (f faults) err() *Error {
	switch len(f) {
	case 0:
		return nil
	case 1:
		return invalid("1 validation error detected: %s", f[0])
	}
	return invalid("%d validation errors detected: %s", len(f), strings.Join(f, "; "))
}

func quoted(s string) string { return "'" + s + "'" }

// checkModel holds the parameters of CreateTable and UpdateTable against their
// model, one by one.
func (s *schema) checkModel(create bool) *Error {
	var f faults
	if create && s.definitions == nil {
		f.missing("attributeDefinitions")
	}
	if create && s.keys == nil {
		f.missing("keySchema")
	}
	for i, a := range s.definitions {
		at := fmt.Sprintf("attributeDefinitions.%d.member.", i+1)
		checkLength(&f, a.name, at+"attributeName", 1, maxKeyName)
		if s.types[i] == "" {
			f.missing(at + "attributeType")
		}
		f.enum(s.types[i], at+"attributeType", "B", "N", "S")
	}
	f.enum(s.billing, "billingMode", "PROVISIONED", "PAY_PER_REQUEST")
	checkKeys(&f, s.keys, "keySchema", 2)
	checkThroughput(&f, s.capacity, "provisionedThroughput")
	if s.stream != nil {
		f.enum(s.stream.view, "streamSpecification.streamViewType", "NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES", "KEYS_ONLY")
	}
	f.enum(s.class, "tableClass", "STANDARD", "STANDARD_INFREQUENT_ACCESS")
	f.enum(s.encryption, "sSESpecification.sSEType", "AES256", "KMS")
	for i, x := range s.locals {
		checkIndexModel(&f, &x, fmt.Sprintf("localSecondaryIndexes.%d.member", i+1), 2)
	}
	for i, x := range s.globals {
		checkIndexModel(&f, &x, fmt.Sprintf("globalSecondaryIndexes.%d.member", i+1), 2*maxAttributes)
	}
	for i, u := range s.updates {
		at := fmt.Sprintf("globalSecondaryIndexUpdates.%d.member.%s", i+1, strings.ToLower(u.action))
		switch u.action {
		case "Create":
			checkIndexModel(&f, &u.spec, at, 2*maxAttributes)
		case "Update", "Delete":
			checkIndexName(&f, u.spec.name, at+".indexName")
		}
	}
	return f.err()
}

func checkLength(f *faults, text, at string, least, most int) {
	switch {
	case len(text) < least:
		f.add(quoted(text), at, "Member must have length greater than or equal to %d", least)
	case len(text) > most:
		f.add(quoted(text), at, "Member must have length less than or equal to %d", most)
	}
}

func checkIndexName(f *faults, name, at string) {
	if name == "" {
		f.missing(at)
		return
	}
	checkLength(f, name, at, 3, 255)
	if !isName(name) {
		f.add(quoted(name), at, "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+")
	}
}

func checkKeys(f *faults, keys []keySchema, at string, most int) {
	if len(keys) > most {
		var texts []string
		for _, k := range keys {
			texts = append(texts, fmt.Sprintf("KeySchemaElement(attributeName=%s, keyType=%s)", k.name, k.role))
		}
		f.add("'["+strings.Join(texts, ", ")+"]'", at, "Member must have length less than or equal to %d", most)
	}
	if keys != nil && len(keys) == 0 {
		f.add("'[]'", at, "Member must have length greater than or equal to 1")
	}
	for i, k := range keys {
		at := fmt.Sprintf("%s.%d.member.", at, i+1)
		if k.name == "" {
			f.missing(at + "attributeName")
		} else {
			checkLength(f, k.name, at+"attributeName", 1, maxKeyName)
		}
		if k.role == "" {
			f.missing(at + "keyType")
		}
		f.enum(k.role, at+"keyType", "HASH", "RANGE")
	}
}

func checkThroughput(f *faults, c *[2]int, at string) {
	if c == nil {
		return
	}
	for i, name := range [...]string{".readCapacityUnits", ".writeCapacityUnits"} {
		if c[i] < 1 {
			f.add(quoted(fmt.Sprint(c[i])), at+name, "Member must have value greater than or equal to 1")
		}
	}
}

func checkIndexModel(f *faults, x *indexSpec, at string, most int) {
	checkIndexName(f, x.name, at+".indexName")
	if x.keys == nil {
		f.missing(at + ".keySchema")
	}
	checkKeys(f, x.keys, at+".keySchema", most)
	f.enum(x.projection, at+".projection.projectionType", "ALL", "KEYS_ONLY", "INCLUDE")
	if x.include != nil && len(x.include) == 0 {
		f.add("'[]'", at+".projection.nonKeyAttributes", "Member must have length greater than or equal to 1")
	} else if len(x.include) > maxInclude {
		f.add("'["+strings.Join(x.include, ", ")+"]'", at+".projection.nonKeyAttributes", "Member must have length less than or equal to %d", maxInclude)
	}
	for i, name := range x.include {
		checkLength(f, name, fmt.Sprintf("%s.projection.nonKeyAttributes.%d.member", at, i+1), 1, maxKeyName)
	}
	checkThroughput(f, x.capacity, at+".provisionedThroughput")
}

// countHashes counts the attributes of a partition key, which come first.
func countHashes(keys []keySchema) int {
	n := 0
	for n < len(keys) && keys[n].role == "HASH" {
		n++
	}
	return n
}

// resolve joins a key schema and the attribute definitions. Only a global index
// may have several attributes of one KeyType.
func (s *schema) resolve(keys []keySchema, several bool) ([]keyAttr, *Error) {
	var names, defined []string
	for _, k := range keys {
		names = append(names, k.name)
	}
	for _, a := range s.definitions {
		defined = append(defined, a.name)
	}
	for _, n := range names {
		if !slices.Contains(defined, n) {
			return nil, badParameter("Some index key attributes are not defined in AttributeDefinitions. Keys: [%s], AttributeDefinitions: [%s]",
				strings.Join(names, ", "), strings.Join(defined, ", "))
		}
	}
	for i, n := range names {
		if slices.Contains(names[:i], n) {
			return nil, invalid("Both the Hash Key and the Range Key element in the KeySchema have the same name")
		}
	}
	if keys[0].role != "HASH" {
		return nil, invalid("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")
	}
	hashes := countHashes(keys)
	switch {
	case len(keys) == 2 && hashes == 2 && !several:
		return nil, invalid("Invalid KeySchema: The second KeySchemaElement is not a RANGE key type")
	case slices.ContainsFunc(keys[hashes:], func(k keySchema) bool { return k.role == "HASH" }):
		return nil, invalid("Invalid KeySchema: All HASH key elements must precede all RANGE key elements")
	case hashes > maxAttributes:
		return nil, invalid("Invalid KeySchema: The number of HASH key elements %d exceeds the limit of %d", hashes, maxAttributes)
	case len(keys)-hashes > maxAttributes:
		return nil, invalid("Invalid KeySchema: The number of RANGE key elements %d exceeds the limit of %d", len(keys)-hashes, maxAttributes)
	}
	out := make([]keyAttr, len(keys))
	for i, k := range keys {
		out[i], _ = attribute(s.definitions, k.name)
	}
	return out, nil
}

// build makes the table that a CreateTable asks for, still without a name.
func (s *schema) build(t *table) *Error {
	for i, a := range s.definitions {
		if _, twice := attribute(s.definitions[:i], a.name); twice {
			return badParameter("Duplicate AttributeName in AttributeDefinitions: %s", a.name)
		}
	}
	if len(s.keys) > len(s.definitions) {
		return invalid("Invalid KeySchema: Some index key attribute have no definition")
	}
	var err *Error
	if t.keys, err = s.resolve(s.keys, false); err != nil {
		return err
	}
	if !s.hasLocals && !s.hasGlobals && len(s.keys) != len(s.definitions) {
		return badParameter("Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions")
	}
	t.definition = s.definitions
	if err := s.buildLocals(t); err != nil {
		return err
	}
	if err := s.buildGlobals(t); err != nil {
		return err
	}
	slices.SortFunc(t.indexes, func(a, b *index) int { return strings.Compare(a.name, b.name) })
	return checkUsed(t)
}

func (s *schema) buildLocals(t *table) *Error {
	switch {
	case !s.hasLocals:
		return nil
	case len(s.locals) == 0:
		return badParameter("List of LocalSecondaryIndexes is empty")
	case len(s.keys) != 2:
		return badParameter("Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex")
	}
	for i := range s.locals {
		x := &s.locals[i]
		ix, err := s.buildIndex(t, x, true)
		if err != nil {
			return err
		}
		switch {
		case len(ix.keys) != 2:
			return badParameter("Index KeySchema does not have a range key for index: %s", x.name)
		case ix.keys[0].name != t.keys[0].name:
			return badParameter("Index KeySchema does not have the same leading hash key as table KeySchema for index: %s. index hash key: %s, table hash key: %s", x.name, ix.keys[0].name, t.keys[0].name)
		}
		t.indexes = append(t.indexes, ix)
	}
	if len(s.locals) > maxLocals {
		return badParameter("Number of LocalSecondaryIndexes exceeds per-table limit of %d", maxLocals)
	}
	return nil
}

// Limits of secondary indexes.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
const (
	maxLocals  = 5
	maxGlobals = 20
	maxInclude = 20  // NonKeyAttributes of one index
	maxShown   = 100 // and of all indexes of a table
	maxKeyName = 255 // bytes of the name of an attribute of a key or of NonKeyAttributes

	// of the partition key and of the range key of a global index
	maxAttributes = 4
)

func (s *schema) buildGlobals(t *table) *Error {
	if !s.hasGlobals {
		return nil
	}
	if len(s.globals) == 0 {
		return badParameter("List of GlobalSecondaryIndexes is empty")
	}
	for i := range s.globals {
		ix, err := s.buildIndex(t, &s.globals[i], false)
		if err != nil {
			return err
		}
		if err := billIndex(ix, &s.globals[i], s.billing == "PAY_PER_REQUEST"); err != nil {
			return err
		}
		t.indexes = append(t.indexes, ix)
	}
	if len(s.globals) > maxGlobals {
		return badParameter("GlobalSecondaryIndex count exceeds the per-table limit of %d", maxGlobals)
	}
	return nil
}

func billIndex(ix *index, x *indexSpec, onDemand bool) *Error {
	switch {
	case onDemand && x.capacity != nil:
		return badParameter("ProvisionedThroughput should not be specified for index: %s when BillingMode is PAY_PER_REQUEST", x.name)
	case !onDemand && x.capacity == nil:
		return badParameter("ProvisionedThroughput must be specified for index: %s", x.name)
	case x.capacity != nil:
		ix.capacity = *x.capacity
	}
	return nil
}

// buildIndex makes an index that is not in the table yet.
func (s *schema) buildIndex(t *table, x *indexSpec, local bool) (*index, *Error) {
	keys, err := s.resolve(x.keys, !local)
	if err != nil {
		return nil, err
	}
	switch {
	case x.projection == "":
		return nil, badParameter("Unknown ProjectionType: null")
	case x.include != nil && x.projection != "INCLUDE":
		return nil, badParameter("ProjectionType is %s, but NonKeyAttributes is specified", x.projection)
	case x.include == nil && x.projection == "INCLUDE":
		return nil, badParameter("ProjectionType is INCLUDE, but NonKeyAttributes is not specified")
	}
	for i, name := range x.include {
		if slices.Contains(x.include[:i], name) {
			return nil, badParameter("Duplicate attribute name in NonKeyAttributes: %s", name)
		}
	}
	shown := len(x.include)
	for _, other := range t.indexes {
		if other.name == x.name {
			return nil, badParameter("Duplicate index name: %s", x.name)
		}
		shown += len(other.include)
	}
	if shown > maxShown {
		return nil, badParameter("Number of NonKeyAttributes of all indexes exceeds the limit of %d", maxShown)
	}
	ix := &index{name: x.name, keys: keys, hashes: countHashes(x.keys), local: local, projection: x.projection, include: x.include}
	ix.prepare(t)
	return ix, nil
}

// checkUsed refuses definitions of attributes that are no keys.
func checkUsed(t *table) *Error {
	var defined, used []string
	add := func(keys []keyAttr) {
		for _, a := range keys {
			if !slices.Contains(used, a.name) {
				used = append(used, a.name)
			}
		}
	}
	add(t.keys)
	for _, ix := range t.indexes {
		add(ix.keys)
	}
	for _, a := range t.definition {
		defined = append(defined, a.name)
	}
	if len(defined) != len(used) {
		return badParameter("Some AttributeDefinitions are not used. AttributeDefinitions: [%s], keys used: [%s]", strings.Join(defined, ", "), strings.Join(used, ", "))
	}
	return nil
}

func (s *schema) checkBilling() *Error {
	switch {
	case s.billing == "PAY_PER_REQUEST" && s.capacity != nil:
		return badParameter("Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST")
	case s.billing != "PAY_PER_REQUEST" && s.capacity == nil:
		return badParameter("ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED")
	}
	return nil
}

func (s *schema) checkStream() *Error {
	switch {
	case s.stream == nil:
	case s.stream.enabled && s.stream.view == "":
		return badParameter("StreamSpecification.StreamViewType is required when StreamEnabled is true")
	case !s.stream.enabled && s.stream.view != "":
		return badParameter("StreamSpecification.StreamViewType must not be set when StreamEnabled is false")
	}
	return nil
}
