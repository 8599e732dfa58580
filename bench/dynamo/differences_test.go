package dynamo

import (
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/ackproof/ackproof/bench/peer"
)

// difference is a known difference between the embedded engine and others: the
// list is what the comparison forgives, and the documentation of it. A matcher
// is as narrow as it can be said; what it asks for must all hold.
type difference struct {
	name    string   // what they do
	engines []string // they
	right   string   // who is right, and why
	page    string   // of AWS, that says so; "" where nothing documents it

	where        string // answer (the default), item, stream
	operation    string // pattern of the operation's name; "" is any
	ours, theirs string // patterns of "CODE: TEXT", which is ": " for a success
	when         func(disagreement) bool
}

// Pages of AWS that settle most of them.
const (
	pageExpressions  = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.html"
	pageOperators    = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html"
	pageNames        = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.ExpressionAttributeNames.html"
	pageUpdates      = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html"
	pageUpdateItem   = "https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_UpdateItem.html"
	pageQuery        = "https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Query.html"
	pageKeys         = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.KeyConditionExpressions.html"
	pagePaging       = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html"
	pageIndexes      = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html"
	pageLocalIndexes = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/LSI.html"
	pageTransact     = "https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html"
	pageTransactGet  = "https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactGetItems.html"
	pageBatch        = "https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html"
	pageValues       = "https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html"
	pageTypes        = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html"
	pageStreams      = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html"
	pageCapacity     = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html"
)

// laxly is an answer of an engine that has missed a mistake in the request: a
// success, or the outcome of a step that comes after validation.
const laxly = `^: |^(ConditionalCheckFailed|ResourceNotFound|TransactionCanceled)`

var (
	dynoxide = []string{peer.Dynoxide}
	either   = []string{peer.Dynoxide, peer.Dynalite}
	dynalite = []string{peer.Dynalite}
	moto     = []string{peer.Moto}
	everyone = []string{peer.Dynoxide, peer.Dynalite, peer.Moto}
)

// explain finds the rule that explains a difference.
func explain(d disagreement) string {
	for _, k := range known {
		if slices.Contains(k.engines, d.engine) && k.matches(d) {
			return k.name
		}
	}
	return ""
}

func (k difference) matches(d disagreement) bool {
	where := k.where
	if where == "" {
		where = "answer"
	}
	fits := func(pattern, text string) bool {
		return pattern == "" || regexp.MustCompile(pattern).MatchString(text)
	}
	return slices.Contains(strings.Split(where, "|"), d.where) && fits(k.operation, d.move.name) &&
		fits(k.ours, d.ours.Code+": "+d.ours.message) && fits(k.theirs, d.theirs.Code+": "+d.theirs.message) &&
		(k.when == nil || k.when(d))
}

// succeed is when both engines have done as they were asked, and said so in
// different ways.
const succeed = `^: $`

// outcome is that of a write whose condition has been evaluated.
const outcome = `^(: |ConditionalCheckFailed|Validation.*(does not exist in the item|incorrect data type|document path provided))`

var known = []difference{
	{name: "a condition is evaluated though a placeholder is idle, undefined or no value", engines: dynoxide, right: "we: a placeholder that is defined must be used, and the other way round", page: pageNames,
		ours: `^Validation.*(unused in expressions|is not defined; attribute|only be specified when using expressions|contains invalid value)`, theirs: laxly},
	{name: "a literal of a type that the operator never takes", engines: either, right: "we: begins_with takes a string or binary, an order needs a scalar that has one", page: pageOperators,
		ours: `^Validation.*(Incorrect operand type|Invalid attribute type name|BETWEEN operator requires)`, theirs: laxly},
	{name: "an expression that is none is not looked at where a condition fails, or in a transaction is the item's fault", engines: either, right: "we: an expression is checked before any item is", page: pageExpressions,
		ours: `^Validation.*Invalid (Condition|Update|Projection|Filter)Expression: (Syntax error|The expression has redundant|Incorrect number|The function is not allowed|Invalid function name|The first operand|Attribute name is a reserved)`, theirs: laxly},
	{name: "paths that overlap or conflict", engines: dynoxide, right: "we: two paths of an expression must not overlap", page: pageUpdates,
		ours: `^Validation.*Two document paths (overlap|conflict)`, theirs: laxly},
	{name: "a path below a key attribute", engines: either, right: "we: a key attribute is a scalar, on which [] and . are refused", page: pageTypes,
		ours: `^Validation.*Key attributes must be scalars`, theirs: laxly},
	{name: "an update of a key attribute is looked at after the condition, and in a transaction not always", engines: dynoxide, right: "we: key attributes cannot be updated", page: pageUpdateItem,
		ours: `^Validation.*This attribute is part of the key`, theirs: laxly},
	{name: "null instead of a text is no JSON", engines: dynoxide, right: "we: a null member is one that is not given, so the value has no type", page: pageValues,
		ours: `^Validation`, theirs: `^Serialization.*TRUE_VALUE`, when: func(d disagreement) bool { return strings.Contains(jsonText(d.move.body), `{"S":null}`) }},
	{name: "the member of a wrong type is found after others", engines: dynoxide, right: "we: a request is read before it is validated", page: pageValues,
		ours: `^Serialization.*NUMBER_VALUE`, theirs: `^Validation`},
	{name: "the first equality must be the partition's", engines: dynoxide, right: "we: the terms of a key condition may stand in any order", page: pageKeys,
		operation: "Query", ours: succeed, theirs: `missed key schema element`},
	{name: "a query goes on from the item of a table without a range key", engines: dynoxide, right: "we: ExclusiveStartKey is left out itself, else paging never ends", page: pagePaging,
		operation: "Query", ours: succeed, theirs: succeed, when: func(d disagreement) bool { return d.scene.sk == "" && d.move.body["IndexName"] == nil }},
	{name: "a start key that the query cannot have given", engines: dynoxide, right: "we: the key must lie in the range that is read", page: pagePaging,
		operation: "Query|Scan", ours: `^Validation.*The provided starting key`, theirs: succeed},
	{name: "a projection asks a global index for what it does not project", engines: either, right: "we: a global index has only its projection", page: pageIndexes,
		ours: `^Validation.*Global secondary index gsi *does not project`, theirs: succeed},
	{name: "a local index does not fetch what it does not project", engines: everyone, right: "we: it is fetched from the table", page: pageLocalIndexes,
		operation: "Query|Scan", ours: succeed, theirs: succeed, when: func(d disagreement) bool { return d.move.body["IndexName"] == "lsi" }},
	{name: "a projection in a transaction is given the keys too, and an item that it leaves nothing of is as one that is missing", engines: dynoxide, right: "we: an item has the projected attributes and no others", page: pageTransactGet,
		operation: "TransactGetItems", ours: succeed, theirs: succeed, when: keysAdded},
	{name: "duplicates in a batch are found before the table is missed", engines: either, right: "undecided: a batch has two mistakes",
		operation: "Batch", ours: `^ResourceNotFound`, theirs: `^Validation.*contains? duplicates`},
	{name: "two operations on one item, or a value that is none, are found before a key that is none or a table that is missing", engines: dynoxide, right: "undecided: a transaction has two mistakes",
		operation: "Transact", ours: `^(TransactionCanceled|ResourceNotFound)`, theirs: `^Validation`},
	{name: "a transaction goes on to the conditions where a key is none", engines: dynoxide, right: "undecided: which of two reasons are told", page: pageTransact,
		operation: "Transact", ours: `^TransactionCanceled`, theirs: `^TransactionCanceled`, when: reasonsHave("ValidationError")},
	{name: "a mistake of one item of a transaction is the item's reason", engines: dynoxide, right: "we: what can be seen without the items is refused as a whole", page: pageTransact,
		operation: "Transact", ours: `^Validation.*(tableName|empty (string|binary) value|set +may not be empty|contains duplicates|Type mismatch for Index Key|contains invalid value)`, theirs: laxly},
	{name: "a missing table is found before or after a key that is none", engines: dynoxide, right: "undecided: a transaction has two mistakes",
		operation: "Transact", ours: `^(ResourceNotFound|TransactionCanceled)`, theirs: `^(ResourceNotFound|TransactionCanceled)`, when: func(d disagreement) bool { return d.ours.Code != d.theirs.Code }},
	{name: "an update answers the keys of an item that was not there as the old one", engines: dynoxide, right: "we: ALL_OLD gives the item as it was, and it was none", page: pageUpdateItem,
		operation: "UpdateItem", ours: succeed, theirs: succeed, when: func(d disagreement) bool { return d.before == nil && d.move.body["ReturnValues"] == "ALL_OLD" }},
	{name: "an update that only removes makes an item", engines: everyone, right: "we: there is nothing to remove, and nothing happens", page: pageUpdateItem,
		where: "item|answer", operation: "UpdateItem|TransactWriteItems", ours: succeed, theirs: succeed, when: onlyRemoves},
	{name: "an action below what is not there is let through", engines: dynoxide, right: "we: a path must exist but for its last step", page: pageUpdates,
		ours: `^(Validation.*document path provided|TransactionCanceled)`, theirs: `^(: $|TransactionCanceled)`, when: func(d disagreement) bool { return removes(d) || setsElement.MatchString(jsonText(d.move.body)) }},
	{name: "a transaction may have changed a key attribute", engines: dynoxide, right: "we: key attributes cannot be updated", page: pageUpdateItem,
		where: "stream", when: func(d disagreement) bool { return len(d.oldest) == 0 && !isDrawnKey(d) }},
	{name: "an element set beyond the end of a list leaves a gap of NULLs", engines: dynoxide, right: "we: it is appended", page: pageUpdates,
		where: "item|answer", ours: succeed, theirs: succeed, when: func(d disagreement) bool { return setsElement.MatchString(jsonText(d.move.body)) }},
	{name: "UPDATED_OLD answers a list whole where one element of it is removed", engines: dynoxide, right: "we: it answers what was updated", page: pageUpdateItem,
		operation: "UpdateItem", ours: succeed, theirs: succeed, when: func(d disagreement) bool {
			return d.move.body["ReturnValues"] == "UPDATED_OLD" && strings.Contains(jsonText(d.move.body["UpdateExpression"]), "REMOVE")
		}},
	{name: "indexes cost no capacity", engines: dynalite, right: "we: a write that changes an index costs that too", page: pageCapacity,
		operation: "Item$", ours: succeed, theirs: succeed, when: func(d disagreement) bool {
			return d.move.body["ReturnConsumedCapacity"] != nil && sameWithout(d, "ConsumedCapacity")
		}},
	{name: "the item that failed a condition is not answered", engines: dynalite, right: "we: ReturnValuesOnConditionCheckFailure asks for it", page: pageUpdateItem,
		ours: `^ConditionalCheckFailed`, theirs: `^ConditionalCheckFailed`, when: func(d disagreement) bool { return d.theirs.Body["Item"] == nil }},
	{name: "the size of something that has none", engines: dynalite, right: "undecided: they take a comparison with it for false, or for that with nothing", page: pageOperators,
		ours: outcome, theirs: outcome, when: func(d disagreement) bool { return strings.Contains(jsonText(d.move.body), "size(") }},
	{name: "NOT NOT is no expression", engines: dynalite, right: "we: NOT stands before a condition, and that is one", page: pageOperators,
		theirs: `Syntax error; Expected "\("`, when: func(d disagreement) bool { return strings.Contains(jsonText(d.move.body), "NOT NOT") }},
	{name: "a plus before a number", engines: dynalite, right: "undecided: nothing says whether it may stand there", page: pageTypes,
		theirs: `cannot be converted to a numeric value: \+5`},
	{name: "the name of a table has three letters at least", engines: dynalite, right: "we: TableName may be one letter long, and no such table is found", page: pageUpdateItem,
		ours: `^(ResourceNotFound|Validation)`, theirs: `^Validation.*(tableName|requestItems).*failed`, when: func(d disagreement) bool {
			return strings.Contains(jsonText(d.move.body), `"x"`)
		}},
	{name: "an empty text as the key of an index", engines: dynalite, right: "we: a key of an index must not be empty", page: pageTypes,
		ours: `^Validation.*(empty string|empty binary)`, theirs: laxly},
	{name: "Select asks for what does not go with the rest", engines: dynalite, right: "we: SPECIFIC_ATTRIBUTES goes with a projection, ALL_PROJECTED_ATTRIBUTES with an index", page: pageQuery,
		operation: "Query|Scan", ours: `^Validation.*(AttributesToGet or|ALL_PROJECTED_ATTRIBUTES|SPECIFIC_ATTRIBUTES)`},
	{name: "a consistent read of a global index", engines: dynalite, right: "we: it is not supported", page: pageIndexes,
		operation: "Query|Scan", ours: `^Validation.*Consistent reads are not supported`},
	{name: "DELETE from what is not there stores it", engines: dynalite, right: "we: nothing is deleted, and nothing stored", page: pageUpdates,
		operation: "UpdateItem", theirs: `Type mismatch for Index Key`, when: removes},
	{name: "ReturnValues that a put or delete does not have", engines: dynalite, right: "we: a put and a delete have ALL_OLD and NONE", page: pageUpdateItem,
		operation: "PutItem|DeleteItem", ours: `^Validation.*Return values set to invalid`},
	{name: "a sum of more than 38 digits", engines: dynalite, right: "we: a number has 38", page: pageTypes,
		ours: `^Validation.*(Number overflow|38 significant digits)`, theirs: laxly},
	{name: "an update of nothing answers an empty object", engines: dynalite, right: "we: where no attribute was updated, none are answered", page: pageUpdateItem,
		operation: "UpdateItem", ours: succeed, theirs: succeed, when: func(d disagreement) bool {
			attributes, ok := d.theirs.Body["Attributes"].(object)
			return ok && len(attributes) == 0 && d.ours.Body["Attributes"] == nil
		}},
	{name: "REMOVE or DELETE below what is not there, of an item that is not or of a set that is not", engines: dynalite, right: "we: where there is nothing to remove, nothing happens", page: pageUpdates,
		operation: "UpdateItem", ours: succeed, theirs: `^Validation.*document path provided`, when: removes},
	{name: "the update is tried before the condition", engines: dynalite, right: "we: it is done if the condition holds", page: pageUpdateItem,
		operation: "UpdateItem", ours: `^ConditionalCheckFailed`, theirs: `^Validation.*(Type mismatch for Index Key|document path provided)`},
	{name: "two things that are not there are equal", engines: dynalite, right: "we: what is not there is equal to nothing, as dynoxide has it", page: pageOperators,
		ours: outcome, theirs: outcome, when: func(d disagreement) bool { return betweenPaths.MatchString(jsonText(d.move.body)) }},
	{name: "IN with an operand that is no literal ends the server", engines: dynalite, right: "we: the operands of IN may be any", page: pageOperators,
		where: "end", when: func(d disagreement) bool { return strings.Contains(jsonText(d.move.body), " IN (") }},
	{name: "capacity is answered unasked, and without that of indexes", engines: moto, right: "we: ReturnConsumedCapacity asks for it", page: pageCapacity,
		ours: succeed, theirs: succeed, when: func(d disagreement) bool {
			return d.theirs.Body["ConsumedCapacity"] != nil && sameWithout(d, "ConsumedCapacity", "ItemCollectionMetrics")
		}},
	{name: "an operation ends in an error of the server's own", engines: moto, right: "we: it has an answer",
		theirs: `^status 500, no JSON`},
	{name: "a request is hardly checked", engines: moto, right: "we: a mistake is refused", page: pageExpressions,
		ours: `^Validation.*(Two document paths|Key attributes must be scalars|Incorrect operand type|Invalid attribute type name|BETWEEN operator requires|multiple operations on one item|contains duplicates|The first operand|Filter Expression can only contain|does not project|part of the key|Type mismatch for Index Key|document path provided|does not exist in the item|incorrect data type|Select type)`, theirs: laxly},
	{name: "what is not there is a null, and so equal to one and to its like", engines: moto, right: "we: it is equal to nothing and unequal to all, as dynoxide has it", page: pageOperators,
		ours: `^(: |Condition|Transaction)`, theirs: `^(: |Condition|Transaction)`, when: func(d disagreement) bool {
			return nullish.MatchString(jsonText(d.move.body)) && (d.ours.Code != d.theirs.Code || reasonsHave("ConditionalCheckFailed")(d))
		}},
	{name: "errors of Python are the reasons of a transaction", engines: moto, right: "we: they have codes of their own", page: pageTransact,
		operation: "TransactWriteItems", theirs: `^TransactionCanceled`, when: func(d disagreement) bool { return pythonError.MatchString(jsonText(d.theirs.Body)) }},
	{name: "a mistake of one item of a transaction refuses or escapes the whole", engines: moto, right: "we: it is the reason of that item", page: pageTransact,
		operation: "TransactWriteItems", ours: `^TransactionCanceled`, theirs: `^(: |Validation|TransactionCanceled)`, when: reasonsHave("ValidationError")},
	{name: "UPDATED_NEW answers what has changed, the key of a new item with it", engines: moto, right: "we: it answers what was updated, be it to what it was", page: pageUpdateItem,
		operation: "UpdateItem", ours: succeed, theirs: succeed, when: func(d disagreement) bool { return d.move.body["ReturnValues"] == "UPDATED_NEW" }},
	{name: "a key attribute must not be read by an update, and types of index keys are checked before the condition", engines: moto, right: "we: only setting a key attribute is refused, and the condition comes first", page: pageUpdateItem,
		operation: "UpdateItem|TransactWriteItems", theirs: `^Validation.*(This attribute is part of the key|Type mismatch for key)`},
	{name: "an update that is refused is half done", engines: moto, right: "we: an update is done or it is not", page: pageUpdateItem,
		where: "item", operation: "UpdateItem", when: func(d disagreement) bool { return reflect.DeepEqual(d.before, d.ours.Body["Item"]) }},
	{name: "binary keys are encoded twice in the stream", engines: moto, right: "we: Base64 once, as everywhere", page: pageValues,
		where: "stream", when: func(d disagreement) bool {
			return (d.scene.pk == "B" || d.scene.sk == "B") && (d.oldest == nil || d.newest == nil)
		}},
	{name: "a placeholder is seen only as a whole word", engines: moto, right: "we: #a[3] uses #a", page: pageNames,
		theirs: `^Validation.*unused in expressions`},
	{name: "a page that ends with the last item is known to be the last", engines: moto, right: "we: LastEvaluatedKey is given wherever the limit is reached", page: pagePaging,
		operation: "Query", ours: succeed, theirs: succeed, when: func(d disagreement) bool {
			theirs, _ := d.theirs.Body["ends"].([]any)
			return sameWithout(d, "ends") && reflect.DeepEqual(append(slices.Clone(theirs), 0), d.ours.Body["ends"])
		}},
	{name: "filters are evaluated by string matching", engines: moto, right: "we: a filter is as a condition", page: pageOperators,
		operation: "Query|Scan", ours: succeed, theirs: `^(: $|Validation.*Bad Filter Expression)`, when: func(d disagreement) bool { return d.move.body["FilterExpression"] != nil }},
	{name: "a projection in a transaction is overlooked", engines: moto, right: "we: an item has the projected attributes and no others", page: pageTransactGet,
		operation: "TransactGetItems", ours: succeed, theirs: succeed, when: func(d disagreement) bool { return strings.Contains(jsonText(d.move.body), "ProjectionExpression") }},
	{name: "a path of an update is followed before the condition, and REMOVE of what is not there is refused", engines: moto, right: "we: the condition comes first, and there may be nothing to remove", page: pageUpdates,
		operation: "UpdateItem|TransactWriteItems", theirs: `^Validation.*document path provided`},
	{name: "DELETE from what is not there is stored", engines: moto, right: "we: nothing is deleted, and nothing stored", page: pageUpdates,
		where: "answer|item", operation: "UpdateItem|TransactWriteItems", ours: succeed, theirs: succeed, when: removes},
	{name: "a write that changes nothing leaves a record", engines: []string{peer.Dynoxide, peer.Moto}, right: "we: a record is of a modification", page: pageStreams,
		where: "stream", when: noChanges},
	{name: "a transaction that is refused leaves records of what it did and undid", engines: moto, right: "we: all of it is done or nothing", page: pageTransact,
		where: "stream", when: func(d disagreement) bool { return len(d.newest) > len(d.oldest) && has(d.newest, d.oldest) }},
}

// reasonsHave asks for a reason in our answer to a transaction.
func reasonsHave(code string) func(disagreement) bool {
	return func(d disagreement) bool { return strings.Contains(jsonText(d.ours.Body), `"`+code+`"`) }
}

// keysAdded says that the items of both answers differ in the key alone.
func keysAdded(d disagreement) bool {
	ours, theirs := d.ours.Body["Responses"].([]any), d.theirs.Body["Responses"].([]any)
	for i := range ours {
		a, had := ours[i].(object)["Item"].(object)
		b, has := theirs[i].(object)["Item"].(object)
		if had && !has && len(a) > 0 || has && !had || len(ours) != len(theirs) {
			return false
		}
		for name, v := range b {
			if name != "pk" && name != "sk" && !reflect.DeepEqual(a[name], v) {
				return false
			}
		}
		for name := range a {
			if b[name] == nil {
				return false
			}
		}
	}
	return true
}

// sameWithout says that successes are equal but for some members.
func sameWithout(d disagreement, members ...string) bool {
	ours, theirs := copied(d.ours.Body), copied(d.theirs.Body)
	for _, m := range members {
		delete(ours, m)
		delete(theirs, m)
	}
	return reflect.DeepEqual(ours, theirs)
}

// betweenPaths is a comparison of two attributes.
var betweenPaths = regexp.MustCompile(`(=|\\u003e) [a-z#]`)

// nullish is a comparison that may meet with what is not there.
var nullish = regexp.MustCompile(`\\u003c\\u003e| IN \(|"NULL"|[\w\]] = [\w#]`)

var pythonError = regexp.MustCompile(`"(Value|Assertion|Type|Key|Attribute|Index)Error"`)

var setsElement = regexp.MustCompile(`(SET|ADD) .*\[\d\]`)

var setsSomething = regexp.MustCompile(`(?i)\b(SET|ADD) `)

func onlyRemoves(d disagreement) bool {
	if it, ok := d.theirs.Body["Item"].(object); d.where == "item" && (!ok || len(it) > 2 || d.ours.Body["Item"] != nil) {
		return false
	}
	if d.move.name == "TransactWriteItems" {
		return removes(d)
	}
	text, ok := d.move.body["UpdateExpression"].(string)
	return ok && d.before == nil && !setsSomething.MatchString(text)
}

func removes(d disagreement) bool {
	text := jsonText(d.move.body)
	return strings.Contains(text, "REMOVE ") || strings.Contains(text, "DELETE ")
}

// isDrawnKey says whether a key of a stream is one that programs write to.
func isDrawnKey(d disagreement) bool {
	var key map[string]map[string]string
	if json.Unmarshal([]byte(d.move.body["key"].(string)), &key) != nil {
		return false
	}
	for name, kind := range map[string]string{"pk": d.scene.pk, "sk": d.scene.sk} {
		text := key[name][kind]
		known := slices.ContainsFunc(keyTexts[kind], func(s string) bool { return s == text || kind == "N" && normalNumber(s) == text })
		if kind != "" && !known {
			return false
		}
	}
	return true
}

// noChanges says that the other chain is ours once what changes nothing is left
// out of it. A view without both images does not show it; there the others have
// more of the same events.
func noChanges(d disagreement) bool {
	left := slices.DeleteFunc(slices.Clone(d.newest), func(r object) bool {
		return r["event"] == "MODIFY" && r["OldImage"] != nil && reflect.DeepEqual(r["OldImage"], r["NewImage"])
	})
	if d.scene.view == "NEW_AND_OLD_IMAGES" {
		return reflect.DeepEqual(left, d.oldest) || len(left) == 0 && len(d.oldest) == 0
	}
	count := func(chain []object) (n int) {
		for _, r := range chain {
			if r["event"] != "MODIFY" {
				n++
			}
		}
		return n
	}
	return has(d.newest, d.oldest) && count(d.newest) == count(d.oldest)
}

// has says that the records of some are among those of all, in the same order.
func has(all, some []object) bool {
	for _, r := range all {
		if len(some) > 0 && reflect.DeepEqual(r, some[0]) {
			some = some[1:]
		}
	}
	return len(some) == 0
}
