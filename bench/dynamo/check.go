package dynamo

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// The enumerations of the parameters of writes and reads, in the order in which
// the service prints them.
var (
	capacities  = []string{"INDEXES", "TOTAL", "NONE"}
	collections = []string{"SIZE", "NONE"}
	returns     = []string{"ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW"}
	selects     = []string{"SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES"}
)

// check holds single parameters against their model. As at the service, a bad
// table name is reported alone, and all other faults at once.
func (req *request) check() *Error {
	if req.op.named {
		if err := req.checkTable(); err != nil {
			return err
		}
	}
	if req.op.verb == verbUpdate && req.returns != "" && !slices.Contains(returns, req.returns) {
		// UpdateItem stops at this one, and has words of its own for it.
		return invalid("1 validation error detected: Failed to satisfy constraint: Member must satisfy enum value set: [ALL_OLD, UPDATED_OLD, ALL_NEW, UPDATE_NEW, NONE]")
	}
	var f faults
	f.enum(req.returnCapacity, "returnConsumedCapacity", capacities...)
	f.enum(req.returnCollections, "returnItemCollectionMetrics", collections...)
	f.enum(req.returns, "returnValues", returns...)
	f.enum(req.onFailure, "returnValuesOnConditionCheckFailure", "ALL_OLD", "NONE")
	f.enum(req.mode, "select", selects...)
	switch {
	case req.op.verb == verbPut && req.item == nil:
		f.missing("item")
	case (req.op.verb != verbNone && req.op.verb != verbPut || req.op.name == "GetItem") && req.key == nil:
		f.missing("key")
	}
	req.checkPage(&f)
	if err := f.err(); err != nil {
		return err
	}
	req.table = plainName(req.table)
	if err := req.checkExpressions(); err != nil {
		return err
	}
	switch {
	case req.reader.fault != nil:
		return req.reader.fault
	case req.op.verb != verbUpdate && req.returns != "" && req.returns != "NONE" && req.returns != "ALL_OLD":
		return invalid("Return values set to invalid value")
	case req.op.name == "Query" && req.keyCondition == nil:
		return invalid("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
	}
	return req.checkSizes()
}

// checkSizes refuses items that are too large. The service does so before it looks
// for the table.
func (req *request) checkSizes() *Error {
	if req.op.verb == verbPut && req.item.size() > maxItem || slices.ContainsFunc(req.actions, func(a action) bool { return a.verb == verbPut && a.item.size() > maxItem }) {
		return invalid("Item size has exceeded the maximum allowed size")
	}
	return nil
}

// checkExpressions refuses the parameters from before expressions, and values
// without an expression to use them in.
func (req *request) checkExpressions() *Error {
	if req.legacy == nil && req.env.values == nil && req.env.names == nil {
		return nil
	}
	var given, lacking []string
	for _, x := range []struct {
		name   string
		text   *string
		values bool // may use ExpressionAttributeValues
	}{
		{"UpdateExpression", req.update, true}, {"ConditionExpression", req.condition, true}, {"ProjectionExpression", req.projection, false},
		{"FilterExpression", req.filter, true}, {"KeyConditionExpression", req.keyCondition, true},
	} {
		switch {
		case !req.op.takes[x.name]:
		case x.text != nil:
			given = append(given, x.name)
		case x.values:
			lacking = append(lacking, x.name)
		}
	}
	if req.legacy != nil && given != nil {
		return frameable(invalid("Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {%s} Expression parameters: {%s}",
			strings.Join(req.legacy, ", "), strings.Join(given, ", ")))
	}
	if req.legacy != nil {
		return unsupported(req.op.name + " parameter " + req.legacy[0])
	}
	if req.env.names != nil && given == nil {
		return frameable(invalid("ExpressionAttributeNames can only be specified when using expressions"))
	}
	if req.env.values == nil || lacking == nil || slices.ContainsFunc(given, func(n string) bool { return n != "ProjectionExpression" }) {
		return nil
	}
	verb := "is"
	if len(lacking) > 1 {
		verb = "are"
	}
	return frameable(invalid("ExpressionAttributeValues can only be specified when using expressions: %s %s null", strings.Join(lacking, " and "), verb))
}

func (req *request) checkPage(f *faults) {
	if req.limit != nil && *req.limit < 1 {
		switch {
		case req.op.name == "Query": // the service words this one in its own way
			*f = append(*f, "Value at 'Limit' failed to satisfy constraint: Member must have value greater than or equal to 1")
		case req.op.name == "Scan": // the others look at it with their own bounds
			checkValue(f, *req.limit, "limit", 1, math.MaxInt)
		}
	}
	if req.segments != nil {
		checkValue(f, *req.segments, "totalSegments", 1, 1_000_000)
	}
	if req.segment != nil {
		checkValue(f, *req.segment, "segment", 0, 999_999)
	}
}

func checkValue(f *faults, n int, at string, least, most int) {
	switch {
	case n < least:
		f.add(quoted(fmt.Sprint(n)), at, "Member must have value greater than or equal to %d", least)
	case n > most:
		f.add(quoted(fmt.Sprint(n)), at, "Member must have value less than or equal to %d", most)
	}
}

func (req *request) checkTable() *Error {
	switch {
	case !req.named && req.op.name == "CreateTable":
		return invalid("The parameter 'TableName' is required but was not present in the request")
	case !req.named:
		var f faults
		f.missing("tableName")
		return f.err()
	case req.op.name == "CreateTable":
		return checkName(req.table, 3)
	case req.table == "" && (req.op.verb == verbPut || req.op.verb == verbUpdate):
		return invalid("1 validation error detected: Value at 'TableName' failed to satisfy constraint: Member must have length greater than or equal to 1")
	}
	return checkName(req.table, 1)
}

// checkName refuses what is no name of a table, nor an ARN of one. The shortest
// name is one of 3 bytes, but only CreateTable says so.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
func checkName(name string, least int) *Error {
	var f faults
	plain := plainName(name)
	if checkLength(&f, plain, "tableName", least, 255); f == nil && !isName(plain) {
		f.add(quoted(name), "tableName", "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+")
	}
	return f.err()
}

func isName(name string) bool {
	for _, c := range []byte(name) {
		if !isLetter(c) && (c < '0' || c > '9') && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

// plainName gives the name of a table that may be named by its ARN. Region and
// account are not looked at: there is one of each here.
func plainName(name string) string {
	if strings.HasPrefix(name, "arn:") {
		if _, plain, ok := strings.Cut(name, ":table/"); ok {
			return plain
		}
	}
	return name
}

// checkTables refuses what can be no name of a table in a batch or transaction.
// The service says where in the request it stands, in words of its own for each
// operation; here it is named alone.
func (req *request) checkTables() *Error {
	for _, a := range req.actions {
		if err := checkName(a.table, 1); err != nil {
			return err
		}
	}
	for _, g := range req.gets {
		if err := checkName(g.table, 1); err != nil {
			return err
		}
	}
	return nil
}

// checkBatch holds the size of a batch against its limits. shown is what the
// service prints of the request: its values as Java prints them, here without
// their attributes.
func (req *request) checkBatch() *Error {
	if req.op.name == "BatchWriteItem" {
		if len(req.actions) == 0 {
			return invalid("The requestItems parameter is required for BatchWriteItem")
		}
		count := map[string]int{}
		for _, a := range req.actions {
			if count[a.table]++; count[a.table] > maxBatchWrites {
				return errBatchList(a.table, "[WriteRequest(...)]")
			}
		}
		if len(req.actions) > maxBatchWrites {
			return invalid("Too many items requested for the BatchWriteItem call")
		}
		return nil
	}
	total := 0
	for _, g := range req.gets {
		total += len(g.keys)
		var f faults
		switch {
		case len(g.keys) == 0:
			f.add("'[]'", "requestItems."+g.table+".member.keys", "Member must have length greater than or equal to 1")
		case len(g.keys) > maxBatchReads:
			f = append(f, "Value at 'RequestItems."+g.table+".member.Keys' failed to satisfy constraint: Member must have length less than or equal to 100")
		}
		if err := f.err(); err != nil {
			return err
		}
	}
	switch {
	case total == 0:
		return invalid("The requestItems parameter is required for BatchGetItem")
	case total > maxBatchReads:
		return invalid("Too many items requested for the BatchGetItem call")
	}
	return nil
}

func errBatchList(table, list string) *Error {
	var f faults
	f.add(fmt.Sprintf("'{%s=%s}'", table, list), "requestItems", "Map value must satisfy constraint: [Member must have length less than or equal to %d, Member must have length greater than or equal to 1]", maxBatchWrites)
	return f.err()
}

// checkTransaction holds the size of a transaction against its limits.
func checkTransaction(n int) *Error {
	var f faults
	switch {
	case n == 0:
		f.add("'[]'", "transactItems", "Member must have length greater than or equal to 1")
	case n > maxTransact:
		f.add("'[TransactItem(...)]'", "transactItems", "Member must have length less than or equal to %d", maxTransact)
	}
	return f.err()
}

// checkActions holds the actions of a transaction against their model, and all
// together against the limit of size: that of what the request brings along, not of
// the items that it changes.
func checkActions(actions []action) *Error {
	var f faults
	size := 0
	for i := range actions {
		a := &actions[i]
		at := fmt.Sprintf("transactItems.%d.member.%s.", i+1, verbWords[a.verb])
		switch {
		case a.verb == verbPut && a.item == nil:
			f.missing(at + "item")
		case a.verb != verbPut && a.key == nil:
			f.missing(at + "key")
		}
		if a.table == "" {
			f.missing(at + "tableName")
		}
		if a.verb == verbUpdate && a.update == nil {
			f.missing(at + "updateExpression")
		}
		if a.verb == verbCheck && a.condition == nil {
			f.missing(at + "conditionExpression")
		}
		f.enum(a.onFailure, at+"returnValuesOnConditionCheckFailure", "ALL_OLD", "NONE")
		size += a.item.size() + a.key.size()
		for _, v := range a.env.values {
			size += v.size()
		}
	}
	if err := f.err(); err != nil {
		return err
	}
	if size > maxTransactBytes {
		return invalid("Transaction payload size cannot exceed 4MB")
	}
	return nil
}

var verbWords = map[verb]string{verbPut: "put", verbUpdate: "update", verbDelete: "delete", verbCheck: "conditionCheck"}
