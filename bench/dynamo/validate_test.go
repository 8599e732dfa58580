package dynamo

import (
	"fmt"
	"strings"
	"testing"
)

const oneError = "1 validation error detected: "

// TestRefusals holds the texts of refusals, whole, as the service words them.
func TestRefusals(t *testing.T) {
	e := New(Options{})
	call(t, e, "CreateTable", createItems)
	call(t, e, "CreateTable", strings.Replace(benchTable, `"items"`, `"plain"`, 1))
	call(t, e, "PutItem", `{"TableName":"plain","Item":{"id":{"S":"a"},"s":{"S":"x"}}}`)
	for _, c := range []struct{ op, body, want string }{
		{"PutItem", `{"Item":{}}`, oneError + "Value null at 'tableName' failed to satisfy constraint: Member must not be null"},
		{"PutItem", `{"TableName":"","ReturnValues":"X"}`, oneError + "Value at 'TableName' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"PutItem", `{"TableName":"a b!","Item":{}}`, oneError + "Value 'a b!' at 'tableName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"},
		{"BatchWriteItem", `{"RequestItems":{"a b!":[{"DeleteRequest":{"Key":{"id":{"S":"x"}}}}]}}`, oneError + "Value 'a b!' at 'tableName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"},
		{"BatchGetItem", `{"RequestItems":{"a b!":{"Keys":[{"id":{"S":"x"}}]}}}`, oneError + "Value 'a b!' at 'tableName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"},
		{"TransactWriteItems", `{"TransactItems":[{"Delete":{"TableName":"a b!","Key":{"id":{"S":"x"}}}}]}`, oneError + "Value 'a b!' at 'tableName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"},
		{"TransactGetItems", `{"TransactItems":[{"Get":{"TableName":"a b!","Key":{"id":{"S":"x"}}}}]}`, oneError + "Value 'a b!' at 'tableName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"},
		{"PutItem", `{"TableName":"plain","Item":{},"ReturnValues":"X","ReturnConsumedCapacity":"Y"}`,
			"2 validation errors detected: Value 'Y' at 'returnConsumedCapacity' failed to satisfy constraint: Member must satisfy enum value set: [INDEXES, TOTAL, NONE]; Value 'X' at 'returnValues' failed to satisfy constraint: Member must satisfy enum value set: [ALL_NEW, UPDATED_OLD, ALL_OLD, NONE, UPDATED_NEW]"},
		{"PutItem", `{"TableName":"plain","Item":{},"ReturnValues":"ALL_NEW"}`, "Return values set to invalid value"},
		{"PutItem", `{"TableName":"plain"}`, oneError + "Value null at 'item' failed to satisfy constraint: Member must not be null"},
		{"PutItem", `{"TableName":"plain","Item":{"x":{"S":""}}}`, "One or more parameter values were invalid: Missing the key id in the item"},
		{"PutItem", `{"TableName":"plain","Item":{"id":{"N":"1"}}}`, "One or more parameter values were invalid: Type mismatch for key id expected: S actual: N"},
		{"PutItem", `{"TableName":"plain","Item":{"id":{"S":""}}}`, "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: id"},
		{"PutItem", `{"TableName":"plain","Item":{"id":{"S":"a"},"x":{"NS":["1","1.0"]}}}`, oneError + "Input collection contains duplicates"},
		{"PutItem", `{"TableName":"plain","Item":{"id":{"S":"a"}},"Expected":{"a":{"Exists":false}},"ConditionExpression":"a = b"}`,
			oneError + "Can not use both expression and non-expression parameters in the same request: Non-expression parameters: {Expected} Expression parameters: {ConditionExpression}"},
		{"PutItem", `{"TableName":"plain","Item":{"id":{"S":"a"}},"ExpressionAttributeValues":{":v":{"S":"x"}}}`, oneError + "ExpressionAttributeValues can only be specified when using expressions: ConditionExpression is null"},
		{"UpdateItem", `{"TableName":"plain","Key":{"id":{"S":"a"}},"ExpressionAttributeValues":{":v":{"S":"x"}}}`, oneError + "ExpressionAttributeValues can only be specified when using expressions: UpdateExpression and ConditionExpression are null"},
		{"UpdateItem", `{"TableName":"plain","Key":{"id":{"S":"a"}},"UpdateExpression":"INVALID SYNTAX HERE"}`, oneError + `Invalid UpdateExpression: Syntax error; token: "INVALID", near: "INVALID SYNTAX"`},
		{"UpdateItem", `{"TableName":"plain","Key":{"id":{"S":"a"}},"UpdateExpression":"SET x = :v"}`, oneError + "Invalid UpdateExpression: An expression attribute value used in expression is not defined; attribute value: :v"},
		{"UpdateItem", `{"TableName":"plain","Key":{"id":{"S":"a"}},"UpdateExpression":"SET id = s"}`, "One or more parameter values were invalid: Cannot update attribute id. This attribute is part of the key"},
		{"DeleteItem", `{"TableName":"plain","Key":{"id":{"S":"a"}},"ConditionExpression":"a ="}`, `Invalid ConditionExpression: Syntax error; token: "<EOF>", near: "="`},
		{"UpdateItem", `{"TableName":"plain","Key":{"id":{"S":"a"}},"ReturnValues":"X","ReturnConsumedCapacity":"Y"}`, oneError + "Failed to satisfy constraint: Member must satisfy enum value set: [ALL_OLD, UPDATED_OLD, ALL_NEW, UPDATE_NEW, NONE]"},
		{"Scan", `{"TableName":"plain","Select":"SPECIFIC_ATTRIBUTES"}`, "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES"},
		{"GetItem", `{"TableName":"items","Key":{"pk":{"S":"a"}}}`, "The provided key element does not match the schema"},
		{"GetItem", `{"TableName":"nosuch","Key":{"pk":{"S":"a"}}}`, "Requested resource not found"},
		{"GetItem", `{"TableName":"plain","Key":{"id":{"S":"a"}},"ProjectionExpression":"!!! INVALID"}`, `Invalid ProjectionExpression: Syntax error; token: "!", near: "!!"`},
		{"DescribeTable", `{"TableName":"nosuch"}`, "Requested resource not found: Table: nosuch not found"},
		{"DeleteTable", `{"TableName":"nosuch"}`, "Requested resource not found: Table: nosuch not found"},
		{"CreateTable", createItems, "Table already exists: items"},
		{"Scan", `{"TableName":"plain","Limit":0}`, oneError + "Value '0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1"},
		{"Scan", `{"TableName":"plain","Segment":0}`, "The TotalSegments parameter is required but was not present in the request when Segment parameter is present"},
		{"Scan", `{"TableName":"plain","TotalSegments":4}`, "The Segment parameter is required but was not present in the request when parameter TotalSegments is present"},
		{"Scan", `{"TableName":"plain","Segment":5,"TotalSegments":5}`, "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: 5 is not less than TotalSegments: 5"},
		{"Query", `{"TableName":"items","KeyConditionExpression":"sk = :v","ExpressionAttributeValues":{":v":{"N":"1"}}}`, "Query condition missed key schema element: pk"},
		{"BatchWriteItem", `{"RequestItems":{}}`, "The requestItems parameter is required for BatchWriteItem"},
		{"BatchGetItem", `{"RequestItems":{"plain":{"Keys":[{"id":{"S":"a"}},{"id":{"S":"a"}}]}}}`, "Provided list of item keys contains duplicates"},
		{"TransactWriteItems", `{"TransactItems":[]}`, oneError + "Value '[]' at 'transactItems' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"TransactGetItems", `{"TransactItems":[{"Get":{"TableName":"plain","Key":{}}}]}`, "Transaction cancelled, please refer cancellation reasons for specific reasons [ValidationError]"},
		{"TransactWriteItems", `{"TransactItems":[{"Put":{"TableName":"plain","Item":{"id":{"S":"b"}}}},{"Put":{"TableName":"plain","Item":{"id":{"N":"5"}}}}]}`, "Transaction cancelled, please refer cancellation reasons for specific reasons [None, ValidationError]"},
		{"TransactWriteItems", `{"TransactItems":[{"Put":{"TableName":"plain","Item":{"id":{"S":""}}}}]}`, "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: id"},
		{"CreateTable", `{"TableName":"new","AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"X"}],"KeySchema":[{"AttributeName":"pk","KeyType":"Y"}]}`,
			"2 validation errors detected: Value 'X' at 'attributeDefinitions.1.member.attributeType' failed to satisfy constraint: Member must satisfy enum value set: [B, N, S]; Value 'Y' at 'keySchema.1.member.keyType' failed to satisfy constraint: Member must satisfy enum value set: [HASH, RANGE]"},
		{"CreateTable", `{"AttributeDefinitions":[]}`, "The parameter 'TableName' is required but was not present in the request"},
	} {
		_, err := do(e, epoch, c.op, c.body)
		if err == nil || err.Message != c.want {
			t.Errorf("%s %s:\ngot  %v\nwant %s", c.op, c.body, err, c.want)
		}
	}
}

// TestItemSizes holds the size of an item to the byte: of 400 KB, it is taken,
// and of one more it is not.
func TestItemSizes(t *testing.T) {
	e := New(Options{})
	call(t, e, "CreateTable", benchTable)
	for number, size := range map[string]int{
		"0": 1, "-0": 1, "1": 2, "12": 2, "123": 3, "100": 2, "1010": 3, "0.0000001": 2, "1E125": 2, "1E-100": 2, "1.5": 3, "3.14159": 5, "123456": 4, "100.5": 4, "0.15": 2, "-42": 3,
		"12345678901234567890123456789012345678": 20,
	} {
		for _, over := range []int{0, 1} {
			padding := strings.Repeat("x", maxItem-len("idan")-size-len("p")+over)
			_, err := do(e, epoch, "PutItem", fmt.Sprintf(`{"TableName":"items","Item":{"id":{"S":"a"},"n":{"N":"%s"},"p":{"S":"%s"}}}`, number, padding))
			if (err != nil) != (over == 1) {
				t.Errorf("number %s, %d bytes over: %v", number, over, err)
			}
		}
	}
	// An UpdateItem is measured by what it writes too.
	for over, want := range map[int]bool{0: true, 1: false} {
		body := fmt.Sprintf(`{"TableName":"items","Key":{"id":{"S":"b"}},"UpdateExpression":"SET p = :p","ExpressionAttributeValues":{":p":{"S":"%s"}}}`, strings.Repeat("x", maxItem-len("p")-22+over))
		if _, err := do(e, epoch, "UpdateItem", body); (err == nil) != want {
			t.Errorf("update of the limit and %d bytes: %v", over, err)
		}
	}
}

// TestUnprocessedKeys asks for more than an answer can hold.
func TestUnprocessedKeys(t *testing.T) {
	e := New(Options{})
	call(t, e, "CreateTable", benchTable)
	var keys []string
	for i := range 50 {
		call(t, e, "PutItem", fmt.Sprintf(`{"TableName":"items","Item":{"id":{"S":"%d"},"p":{"S":"%s"}}}`, i, strings.Repeat("x", 390_000)))
		keys = append(keys, fmt.Sprintf(`{"id":{"S":"%d"}}`, i))
	}
	m := call(t, e, "BatchGetItem", `{"RequestItems":{"items":{"Keys":[`+strings.Join(keys, ",")+`],"ConsistentRead":true}}}`)
	got := m["Responses"].(map[string]any)["items"].([]any)
	left := m["UnprocessedKeys"].(map[string]any)["items"].(map[string]any)
	if n := len(got) + len(left["Keys"].([]any)); len(got) != maxBatchBytes/390_000 || n != 50 || left["ConsistentRead"] != true {
		t.Errorf("%d items read and %d in all", len(got), n)
	}
}
