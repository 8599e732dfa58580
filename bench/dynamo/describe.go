package dynamo

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
	w.keySchema(t.keys, 1)
	w.sizes(t)
	w.billing(t)
	w.indexes(t, true)
	w.indexes(t, false)
	w.settings(t)
	if t.stream != nil {
		w.tableStream(t.stream)
	}
	w.close('}')
	w.close('}')
}

// describeGone writes what DeleteTable says of a table: it has no keys and no
// indexes any more.
func (x *execution) describeGone(t *table) {
	w := &x.w
	w.open('{')
	w.key("TableDescription")
	w.open('{')
	for _, m := range [...][2]string{{"TableName", t.name}, {"TableArn", t.arn}, {"TableId", t.id}, {"TableStatus", "DELETING"}} {
		w.key(m[0])
		w.string(m[1])
	}
	w.sizes(t)
	w.billing(t)
	w.settings(t)
	w.close('}')
	w.close('}')
}

func (w *writer) sizes(t *table) {
	w.key("ItemCount")
	w.int(t.items.Load())
	w.key("TableSizeBytes")
	w.int(t.bytes.Load())
}

func (w *writer) keySchema(keys []keyAttr, hashes int) {
	w.key("KeySchema")
	w.open('[')
	for i, a := range keys {
		w.element()
		w.open('{')
		w.key("AttributeName")
		w.string(a.name)
		w.key("KeyType")
		if i < hashes {
			w.string("HASH")
		} else {
			w.string("RANGE")
		}
		w.close('}')
	}
	w.close(']')
}

func (w *writer) billing(t *table) {
	if !t.onDemand.IsZero() {
		w.key("BillingModeSummary")
		w.open('{')
		w.key("BillingMode")
		w.string(t.billing)
		w.key("LastUpdateToPayPerRequestDateTime")
		w.seconds(t.onDemand)
		w.close('}')
	}
	w.throughput(t.capacity)
}

func (w *writer) throughput(c [2]int) {
	w.key("ProvisionedThroughput")
	w.open('{')
	w.key("NumberOfDecreasesToday")
	w.int(0)
	w.key("ReadCapacityUnits")
	w.int(int64(c[0]))
	w.key("WriteCapacityUnits")
	w.int(int64(c[1]))
	w.close('}')
}

// indexes describes the local or the global indexes.
func (w *writer) indexes(t *table, local bool) {
	var some []*index
	for _, ix := range t.indexes {
		if ix.local == local {
			some = append(some, ix)
		}
	}
	if some == nil {
		return
	}
	w.key(map[bool]string{true: "LocalSecondaryIndexes", false: "GlobalSecondaryIndexes"}[local])
	w.open('[')
	for _, ix := range some {
		w.element()
		w.index(ix)
	}
	w.close(']')
}

func (w *writer) index(ix *index) {
	w.open('{')
	w.key("IndexName")
	w.string(ix.name)
	w.key("IndexArn")
	w.string(ix.arn)
	w.keySchema(ix.keys, ix.hashes)
	w.key("Projection")
	w.open('{')
	w.key("ProjectionType")
	w.string(ix.projection)
	if ix.include != nil {
		w.key("NonKeyAttributes")
		w.open('[')
		for _, a := range ix.include {
			w.element()
			w.string(a)
		}
		w.close(']')
	}
	w.close('}')
	w.key("ItemCount")
	w.int(ix.items.Load())
	w.key("IndexSizeBytes")
	w.int(ix.bytes.Load())
	if !ix.local {
		w.key("IndexStatus")
		w.string("ACTIVE")
		w.throughput(ix.capacity)
	}
	w.close('}')
}

// settings shows what the table was told of.
func (w *writer) settings(t *table) {
	w.key("DeletionProtectionEnabled")
	w.bool(t.settings.protected)
	if t.settings.class != "" {
		w.key("TableClassSummary")
		w.open('{')
		w.key("TableClass")
		w.string(t.settings.class)
		w.close('}')
	}
	if c := t.settings.ceiling; c != [2]int{} {
		w.key("OnDemandThroughput")
		w.open('{')
		for i, name := range [...]string{"MaxReadRequestUnits", "MaxWriteRequestUnits"} {
			if c[i] == 0 {
				c[i] = -1
			}
			w.key(name)
			w.int(int64(c[i]))
		}
		w.close('}')
	}
	if t.settings.encrypted {
		w.key("SSEDescription")
		w.open('{')
		w.key("Status")
		w.string("ENABLED")
		w.key("SSEType")
		w.string("KMS")
		w.key("KMSMasterKeyArn")
		w.string(t.settings.masterKey)
		w.close('}')
	}
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
