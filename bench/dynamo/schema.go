package dynamo

// schema holds the parameters of the operations on tables.
type schema struct {
	definitions []keyAttr
	types       []string // of the definitions, as given
	keys        []keySchema
	billing     string
	capacity    *[2]int
	ceiling     *[2]int // OnDemandThroughput
	stream      *streamSpec
	startTable  string

	locals, globals       []indexSpec
	hasLocals, hasGlobals bool // given, be it empty
	updates               []indexUpdate
	class                 string
	encrypted             *bool
	masterKey, encryption string
	protected             *bool
	ttl                   *ttlSpec
	resource              string // ResourceArn
	tags                  []tag
	tagKeys               []string
	hasTags               bool
	nextToken             string
}

type keySchema struct{ name, role string }

type streamSpec struct {
	enabled bool
	view    string
}

// indexSpec is an index as it was asked for.
type indexSpec struct {
	name       string
	keys       []keySchema
	projection string
	include    []string
	capacity   *[2]int
}

// indexUpdate is one entry of GlobalSecondaryIndexUpdates.
type indexUpdate struct {
	action string // Create, Update, Delete
	spec   indexSpec
}

type ttlSpec struct {
	enabled   *bool
	attribute *string
}

// tag is one of Tags; nil is what was not given.
type tag struct{ key, value *string }

// member reads a parameter, if it is one of a table's.
func (s *schema) member(r *reader, name string) bool {
	switch name {
	case "AttributeDefinitions":
		for range r.elements() {
			s.definition(r)
		}
	case "KeySchema":
		s.keys = r.keySchema()
	case "BillingMode":
		s.billing = r.str()
	case "ProvisionedThroughput":
		s.capacity = r.throughput()
	case "OnDemandThroughput":
		s.ceiling = r.ceiling()
	case "StreamSpecification":
		s.stream = r.streamSpec()
	case "ExclusiveStartTableName":
		s.startTable = r.str()
	case "LocalSecondaryIndexes":
		s.hasLocals, s.locals = true, r.indexSpecs(name)
	case "GlobalSecondaryIndexes":
		s.hasGlobals, s.globals = true, r.indexSpecs(name)
	case "GlobalSecondaryIndexUpdates":
		for range r.elements() {
			s.updates = append(s.updates, r.indexUpdate())
		}
	case "TableClass":
		s.class = r.str()
	case "DeletionProtectionEnabled":
		b := r.bool()
		s.protected = &b
	case "SSESpecification":
		s.sse(r)
	default:
		return s.tagMember(r, name)
	}
	return true
}

func (s *schema) tagMember(r *reader, name string) bool {
	switch name {
	case "TimeToLiveSpecification":
		s.ttl = &ttlSpec{}
		for n := range r.members() {
			switch n {
			case "Enabled":
				b := r.bool()
				s.ttl.enabled = &b
			case "AttributeName":
				s.ttl.attribute = r.strp()
			default:
				r.unknown(name, n)
			}
		}
	case "ResourceArn":
		s.resource = r.str()
	case "NextToken":
		s.nextToken = r.str()
	case "TagKeys":
		s.hasTags = true
		for range r.elements() {
			s.tagKeys = append(s.tagKeys, r.str())
		}
	case "Tags":
		s.hasTags = true
		for range r.elements() {
			var t tag
			for n := range r.members() {
				switch n {
				case "Key":
					t.key = r.strp()
				case "Value":
					t.value = r.strp()
				default:
					r.unknown(name, n)
				}
			}
			s.tags = append(s.tags, t)
		}
	default:
		return false
	}
	return true
}

func (s *schema) definition(r *reader) {
	var a keyAttr
	var text string
	for n := range r.members() {
		switch n {
		case "AttributeName":
			a.name = r.str()
		case "AttributeType":
			text = r.str()
		default:
			r.unknown("AttributeDefinitions", n)
		}
	}
	a.kind = kindOf(text)
	s.definitions = append(s.definitions, a)
	s.types = append(s.types, text)
}

func (s *schema) sse(r *reader) {
	for n := range r.members() {
		switch n {
		case "Enabled":
			b := r.bool()
			s.encrypted = &b
		case "SSEType":
			s.encryption = r.str()
		case "KMSMasterKeyId":
			s.masterKey = r.str()
		default:
			r.unknown("SSESpecification", n)
		}
	}
}

func (r *reader) keySchema() []keySchema {
	var out []keySchema
	for range r.elements() {
		var k keySchema
		for n := range r.members() {
			switch n {
			case "AttributeName":
				k.name = r.str()
			case "KeyType":
				k.role = r.str()
			default:
				r.unknown("KeySchema", n)
			}
		}
		out = append(out, k)
	}
	return out
}

func (r *reader) indexSpecs(parameter string) []indexSpec {
	var out []indexSpec
	for range r.elements() {
		out = append(out, r.indexSpec(parameter))
	}
	return out
}

func (r *reader) indexSpec(parameter string) indexSpec {
	var x indexSpec
	for n := range r.members() {
		switch n {
		case "IndexName":
			x.name = r.str()
		case "KeySchema":
			x.keys = r.keySchema()
		case "ProvisionedThroughput":
			x.capacity = r.throughput()
		case "OnDemandThroughput":
			r.ceiling() // of an index it has no use, and nobody asks for it again
		case "Projection":
			for m := range r.members() {
				switch m {
				case "ProjectionType":
					x.projection = r.str()
				case "NonKeyAttributes":
					x.include = []string{}
					for range r.elements() {
						x.include = append(x.include, r.str())
					}
				default:
					r.unknown("Projection", m)
				}
			}
		default:
			r.unknown(parameter, n)
		}
	}
	return x
}

func (r *reader) indexUpdate() indexUpdate {
	var u indexUpdate
	for n := range r.members() {
		switch n {
		case "Create", "Update", "Delete":
			if u.action != "" {
				r.doubt(badParameter("Only one of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, GlobalSecondaryIndexUpdate.Delete may be given"))
			}
			u = indexUpdate{n, r.indexSpec(n)}
		default:
			r.unknown("GlobalSecondaryIndexUpdates", n)
		}
	}
	return u
}

func (r *reader) throughput() *[2]int {
	var c [2]int
	for n := range r.members() {
		switch n {
		case "ReadCapacityUnits":
			c[0] = r.int()
		case "WriteCapacityUnits":
			c[1] = r.int()
		default:
			r.unknown("ProvisionedThroughput", n)
		}
	}
	return &c
}

// ceiling reads an OnDemandThroughput; 0 stands for a part not given.
func (r *reader) ceiling() *[2]int {
	var c [2]int
	for n := range r.members() {
		switch n {
		case "MaxReadRequestUnits":
			c[0] = r.int()
		case "MaxWriteRequestUnits":
			c[1] = r.int()
		default:
			r.unknown("OnDemandThroughput", n)
		}
	}
	return &c
}

func (r *reader) streamSpec() *streamSpec {
	var s streamSpec
	for n := range r.members() {
		switch n {
		case "StreamEnabled":
			s.enabled = r.bool()
		case "StreamViewType":
			s.view = r.str()
		default:
			r.unknown("StreamSpecification", n)
		}
	}
	return &s
}
