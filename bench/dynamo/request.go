package dynamo

import (
	"slices"
	"strings"
	"time"
)

// operation is one operation of the service.
type operation struct {
	name    string
	streams bool   // of DynamoDB Streams
	data    bool   // reads or writes items: a place where faults strike
	verb    verb   // of PutItem, UpdateItem, DeleteItem
	fields  string // parameters that it takes; any other is refused by name
	named   bool   // takes the name of a table
	takes   map[string]bool
	run     func(*Engine, *execution) *Error
}

const (
	writeFields = "TableName ConditionExpression ExpressionAttributeNames ExpressionAttributeValues ReturnValues ReturnConsumedCapacity ReturnItemCollectionMetrics ReturnValuesOnConditionCheckFailure "
	// legacyFields are the parameters from before expressions.
	legacyFields = "Expected AttributeUpdates AttributesToGet QueryFilter ScanFilter KeyConditions ConditionalOperator"
	tableFields  = "TableName AttributeDefinitions BillingMode ProvisionedThroughput OnDemandThroughput StreamSpecification SSESpecification TableClass DeletionProtectionEnabled "
	pageFields   = "TableName IndexName Select FilterExpression ProjectionExpression ExpressionAttributeNames ExpressionAttributeValues ExclusiveStartKey Limit ConsistentRead ReturnConsumedCapacity "
)

// operations is the whole list.
var operations map[string]*operation

func init() { // breaks the cycle: running an operation may decode another
	operations = map[string]*operation{}
	for _, op := range []operation{
		{name: "CreateTable", fields: tableFields + "KeySchema LocalSecondaryIndexes GlobalSecondaryIndexes Tags", run: (*Engine).createTable},
		{name: "DescribeTable", fields: "TableName", run: (*Engine).describeTable},
		{name: "ListTables", fields: "ExclusiveStartTableName Limit", run: (*Engine).listTables},
		{name: "UpdateTable", fields: tableFields + "GlobalSecondaryIndexUpdates", run: (*Engine).updateTable},
		{name: "DeleteTable", fields: "TableName", run: (*Engine).deleteTable},
		{name: "UpdateTimeToLive", fields: "TableName TimeToLiveSpecification", run: (*Engine).updateTimeToLive},
		{name: "DescribeTimeToLive", fields: "TableName", run: (*Engine).describeTimeToLive},
		{name: "TagResource", fields: "ResourceArn Tags", run: (*Engine).tagResource},
		{name: "UntagResource", fields: "ResourceArn TagKeys", run: (*Engine).untagResource},
		{name: "ListTagsOfResource", fields: "ResourceArn NextToken", run: (*Engine).listTags},
		{name: "DescribeLimits", run: (*Engine).describeLimits},
		{name: "DescribeEndpoints", run: (*Engine).describeEndpoints},

		{name: "PutItem", data: true, verb: verbPut, fields: writeFields + "Item", run: (*Engine).write},
		{name: "UpdateItem", data: true, verb: verbUpdate, fields: writeFields + "Key UpdateExpression", run: (*Engine).write},
		{name: "DeleteItem", data: true, verb: verbDelete, fields: writeFields + "Key", run: (*Engine).write},
		{name: "GetItem", data: true, fields: "TableName Key ProjectionExpression ExpressionAttributeNames ConsistentRead ReturnConsumedCapacity", run: (*Engine).getItem},
		{name: "BatchWriteItem", data: true, fields: "RequestItems ReturnConsumedCapacity ReturnItemCollectionMetrics", run: (*Engine).batchWrite},
		{name: "BatchGetItem", data: true, fields: "RequestItems ReturnConsumedCapacity", run: (*Engine).batchGet},
		{name: "TransactWriteItems", data: true, fields: "TransactItems ClientRequestToken ReturnConsumedCapacity ReturnItemCollectionMetrics", run: (*Engine).transactWrite},
		{name: "TransactGetItems", data: true, fields: "TransactItems ReturnConsumedCapacity", run: (*Engine).transactGet},
		{name: "Query", data: true, fields: pageFields + "KeyConditionExpression ScanIndexForward", run: (*Engine).query},
		{name: "Scan", data: true, fields: pageFields + "Segment TotalSegments", run: (*Engine).scan},

		{name: "ListStreams", streams: true, fields: "TableName Limit ExclusiveStartStreamArn", run: (*Engine).listStreams},
		{name: "DescribeStream", streams: true, fields: "StreamArn Limit ExclusiveStartShardId ShardFilter", run: (*Engine).describeStream},
		{name: "GetShardIterator", streams: true, fields: "StreamArn ShardId ShardIteratorType SequenceNumber Timestamp", run: (*Engine).getShardIterator},
		{name: "GetRecords", streams: true, fields: "ShardIterator Limit", run: (*Engine).getRecords},
	} {
		op.takes = map[string]bool{}
		for f := range strings.FieldsSeq(op.fields) {
			op.takes[f] = true
		}
		op.named = op.takes["TableName"] && !op.streams
		operations[op.name] = &op
	}
}

// takes reports whether a list of parameters has the name.
func takes(fields, name string) bool {
	for f := range strings.FieldsSeq(fields) {
		if f == name {
			return true
		}
	}
	return false
}

// request is a decoded call: the parameters of all operations in one struct,
// of which each operation takes its own.
type request struct {
	op     *operation
	reader reader
	room   [8]attr // for the item of a put, before it is packed

	action                     // of PutItem, UpdateItem and DeleteItem; its table is that of all
	legacy            []string // parameters from before expressions that were given
	named             bool     // TableName was given
	returnCapacity    string   // ReturnConsumedCapacity
	returnCollections string   // ReturnItemCollectionMetrics: without indexes there are none
	actions           []action // of BatchWriteItem and TransactWriteItems
	token             *string  // ClientRequestToken
	gets              []get    // of GetItem, BatchGetItem and TransactGetItems

	filter, projection, keyCondition *string
	mode                             string  // Select
	index                            *string // IndexName
	startKey                         item
	limit, segment, segments         *int
	backward                         bool

	schema   schema
	streamAt streamPlace
}

// get is a read of items of one table by key.
type get struct {
	table      string
	keys       []item
	projection *string
	names      map[string]string
	consistent bool
}

// streamPlace holds the parameters of the operations on streams.
type streamPlace struct {
	arn, startARN, shard, startShard, kind, sequence, iterator string
	childrenOf                                                 *string
	filtered                                                   bool   // by a ShardFilter
	filter                                                     string // its Type
	timestamp                                                  *time.Time
}

// decode reads a call. Errors are of the protocol or of single values; what
// parameters mean together is checked by the operation.
func decode(c Call) (*request, *Error) {
	op := operations[c.Operation]
	if op == nil {
		return nil, refuse(codeUnknownOperation, "The embedded DynamoDB has no operation %.60q", c.Operation)
	}
	req := &request{}
	return req, req.decode(op, c.Body)
}

// decode reads a call into an empty request. The body is not changed, and must
// not change while the request is in use.
func (req *request) decode(op *operation, body []byte) *Error {
	req.op = op
	req.action.verb = op.verb
	r := &req.reader
	*r = reader{s: textIn(body), attrs: req.room[:0]}
	for name := range r.members() {
		if !op.takes[name] && takes(legacyFields, name) {
			req.legacy = append(req.legacy, name)
			r.skip(0)
			continue
		}
		if !op.takes[name] {
			r.fail(unsupported(op.name + " parameter " + name))
			break
		}
		req.named = req.named || name == "TableName"
		switch {
		case req.action.member(r, name), req.readMember(r, name), req.schema.member(r, name), req.streamAt.member(r, name):
		case name == "RequestItems" && op.name == "BatchWriteItem":
			req.actions = r.batchActions()
		case name == "RequestItems":
			req.gets = r.batchGets()
		case name == "TransactItems" && op.name == "TransactWriteItems":
			req.actions = r.transactActions()
		case name == "TransactItems":
			req.gets = r.transactGets()
		default:
			r.fail(unsupported(op.name + " parameter " + name))
		}
	}
	if r.err == nil && (r.next() != 0 || r.i < len(r.s)) {
		r.malformed("nothing behind the request")
	}
	if r.err != nil {
		return r.err
	}
	return req.check()
}

// touches reports whether the request is about items of the table.
func (req *request) touches(table string) bool {
	return req.table == table ||
		slices.ContainsFunc(req.actions, func(a action) bool { return plainName(a.table) == table }) ||
		slices.ContainsFunc(req.gets, func(g get) bool { return plainName(g.table) == table })
}

// text reads a borrowed string that may be absent.
func (r *reader) text() *string {
	s := r.borrowed()
	return &s
}

func (r *reader) strp() *string {
	s := r.str()
	return &s
}

func (r *reader) intp() *int {
	n := r.int()
	return &n
}

func (r *reader) names() map[string]string {
	m := map[string]string{}
	for name := range r.members() {
		name = strings.Clone(name)
		m[name] = r.str()
	}
	return m
}

// readValues reads ExpressionAttributeValues. What is wrong with one of them is the
// expressions' fault, and found with theirs.
func (e *env) readValues(r *reader) {
	e.values = map[string]value{}
	before := r.fault
	for name := range r.members() {
		name = strings.Clone(name)
		r.fault = nil
		e.values[name] = r.value(1)
		if r.fault != nil && e.fault == nil {
			e.fault = r.fault
			e.fault.Message = "ExpressionAttributeValues contains invalid value: " + e.fault.Message + " for key " + name
		}
	}
	r.fault = before
}

// start reads an ExclusiveStartKey.
func (r *reader) start() item {
	before := r.fault
	r.fault = nil
	key := r.item(1)
	// Of numbers and duplicates the service says only what is wrong with them.
	if f := r.fault; f != nil && !strings.Contains(f.Message, "umber") && !strings.Contains(f.Message, "duplicates") && !strings.Contains(f.Message, "numeric") {
		f.Message = "The provided starting key is invalid: " + f.Message
	}
	if before != nil {
		r.fault = before
	}
	return key
}

func (req *request) readMember(r *reader, name string) bool {
	switch name {
	case "ReturnConsumedCapacity":
		req.returnCapacity = r.borrowed()
	case "ReturnItemCollectionMetrics":
		req.returnCollections = r.borrowed()
	case "ClientRequestToken":
		req.token = r.strp()
	case "FilterExpression":
		req.filter = r.text()
	case "ProjectionExpression":
		req.projection = r.text()
	case "KeyConditionExpression":
		req.keyCondition = r.text()
	case "IndexName":
		req.index = r.strp()
	case "Select":
		req.mode = r.borrowed()
	case "ExclusiveStartKey":
		req.startKey = r.start()
	case "Limit":
		req.limit = r.intp()
	case "Segment":
		req.segment = r.intp()
	case "TotalSegments":
		req.segments = r.intp()
	case "ScanIndexForward":
		req.backward = !r.bool()
	case "ConsistentRead":
		req.consistent = r.bool()
	default:
		return false
	}
	return true
}

func (r *reader) unknown(where, name string) { r.fail(unsupported(where + " parameter " + name)) }

func (p *streamPlace) member(r *reader, name string) bool {
	switch name {
	case "StreamArn":
		p.arn = r.str()
	case "ExclusiveStartStreamArn":
		p.startARN = r.str()
	case "ShardId":
		p.shard = r.str()
	case "ExclusiveStartShardId":
		p.startShard = r.str()
	case "ShardIteratorType":
		p.kind = r.str()
	case "SequenceNumber":
		p.sequence = r.str()
	case "ShardIterator":
		p.iterator = r.str()
	case "Timestamp":
		t := time.UnixMilli(int64(r.float() * 1000))
		p.timestamp = &t
	case "ShardFilter":
		p.filtered = true
		for n := range r.members() {
			switch n {
			case "Type":
				p.filter = r.str()
			case "ShardId":
				p.childrenOf = r.strp()
			default:
				r.unknown(name, n)
			}
		}
	default:
		return false
	}
	return true
}
