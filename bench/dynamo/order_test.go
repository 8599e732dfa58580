package dynamo

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

const (
	keyA  = `"Key":{"id":{"S":"a"}}`
	withV = `"ExpressionAttributeValues":{":v":{"S":"x"}}`
)

// TestOrderOfChecks gives requests with two faults or more, and holds which of them
// is told: the model of the parameters before values, values before expressions, of
// an expression syntax before meaning, and all of it before the table.
func TestOrderOfChecks(t *testing.T) {
	e := New(Options{})
	call(t, e, "CreateTable", createItems)
	call(t, e, "CreateTable", strings.Replace(benchTable, `"items"`, `"plain"`, 1))
	big := strings.Repeat("x", maxItem)
	for _, c := range []struct{ op, body, want string }{
		{"PutItem", `{"TableName":"plain","Item":{"id":{"N":"x"}},"ReturnConsumedCapacity":"Y"}`, "at 'returnConsumedCapacity'"},
		{"PutItem", `{"TableName":"plain","Item":{"id":{"N":"x"}},"ConditionExpression":"a ="}`, "cannot be converted to a numeric value: x"},
		{"PutItem", `{"TableName":"plain","Item":{"id":{"NULL":false}}}`, oneError + "One or more parameter values were invalid: Null attribute value types must have the value of true"},
		{"PutItem", `{"TableName":"plain","Item":{"id":{"X":"x"}}}`, "Supplied AttributeValue is empty"},
		{"PutItem", `{"TableName":"plain","Item":{"id":{"N":"x","S":"x"}}}`, "numeric value"},
		{"PutItem", `{"TableName":"plain","Item":{"id":{"S":"a"},"":{"S":"x"}}}`, "Empty attribute name"},
		{"PutItem", `{"TableName":"plain","Item":{"id":{"S":"a"},"` + strings.Repeat("n", maxAttribute+1) + `":{"S":"x"}}}`, "must be less than 65536 bytes"},
		{"PutItem", `{"TableName":"nosuch","Item":{"id":{"S":"a"},"p":{"S":"` + big + `"}}}`, "Item size has exceeded the maximum allowed size"},
		{"PutItem", `{"TableName":"nosuch","Item":{"id":{"S":"a"}},"ConditionExpression":"a ="}`, "Syntax error"},
		{"BatchWriteItem", `{"RequestItems":{"nosuch":[{"PutRequest":{"Item":{"id":{"S":"` + big + `"}}}}]}}`, "Item size has exceeded"},
		{"BatchWriteItem", `{"RequestItems":{"plain":[{"PutRequest":{"Item":{"id":{"N":"1"}}}}]}}`, "The provided key element does not match the schema"},

		{"UpdateItem", `{"TableName":"plain",` + keyA + `,"UpdateExpression":"SET","ExpressionAttributeNames":{}}`, "ExpressionAttributeNames must not be empty"},
		{"UpdateItem", `{"TableName":"plain",` + keyA + `,"UpdateExpression":"SET","ExpressionAttributeNames":{"#n":""}}`, "ExpressionAttributeNames contains invalid value: "},
		{"UpdateItem", `{"TableName":"plain",` + keyA + `,"UpdateExpression":"SET","ExpressionAttributeValues":{"v":{"S":"x"}}}`, `contains invalid key: Syntax error; key: "v"`},
		{"UpdateItem", `{"TableName":"plain",` + keyA + `,"UpdateExpression":"SET","ExpressionAttributeValues":{":v":{"NS":["1","1.0"]}}}`, "ExpressionAttributeValues contains invalid value: Input collection contains duplicates for key :v"},
		{"UpdateItem", `{"TableName":"plain",` + keyA + `,"UpdateExpression":"SET name = f(a), b ="}`, "Syntax error"},
		{"UpdateItem", `{"TableName":"plain",` + keyA + `,"UpdateExpression":"SET b = f(a), name = b"}`, "reserved keyword: name"},
		{"UpdateItem", `{"TableName":"plain",` + keyA + `,"UpdateExpression":"SET id = s, x.y = s, x = s"}`, "overlap"},
		{"UpdateItem", `{"TableName":"plain",` + keyA + `,"UpdateExpression":"SET _x = s"}`, `Syntax error; token: "_", near: "SET _x"`},
		{"UpdateItem", `{"TableName":"plain",` + keyA + `,"UpdateExpression":"SET x = list_append(list_append(a, b), c)"}`, "not allowed to be used this way in an expression; function: list_append"},
		{"UpdateItem", `{"TableName":"plain",` + keyA + `,"UpdateExpression":"SET x = if_not_exists(a, b + c)"}`, "Syntax error"},
		{"UpdateItem", `{"TableName":"plain",` + keyA + `,"UpdateExpression":"SET x = if_not_exists(a)"}`, "operator or function: if_not_exists, number of operands: 1"},
		{"UpdateItem", `{"TableName":"plain",` + keyA + `,"UpdateExpression":"SET x = if_not_exists(:v, a)",` + withV + `}`, "requires a document path"},
		{"UpdateItem", `{"TableName":"plain",` + keyA + `,"UpdateExpression":"ADD x :v",` + withV + `}`, "operator: ADD, operand type: STRING"},
		{"UpdateItem", `{"TableName":"plain",` + keyA + `,"UpdateExpression":"SET x = x[99999999999]"}`, "List index is not within the allowable range; index: [99999999999]"},
		{"UpdateItem", `{"TableName":"plain",` + keyA + `,"UpdateExpression":"SET x = s","ConditionExpression":"id.a = s"}`, "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: id"},

		{"DeleteItem", `{"TableName":"plain",` + keyA + `,"ConditionExpression":"f(a) AND name = ((b))"}`, "redundant parentheses"},
		{"DeleteItem", `{"TableName":"plain",` + keyA + `,"ConditionExpression":"name = b AND f(a)"}`, "Invalid function name; function: f"},
		{"DeleteItem", `{"TableName":"plain",` + keyA + `,"ConditionExpression":"contains(a, b) = c"}`, "not allowed to be used this way in an expression; function: contains"},
		{"DeleteItem", `{"TableName":"plain",` + keyA + `,"ConditionExpression":"between = c"}`, "Syntax error"},
		{"DeleteItem", `{"TableName":"plain",` + keyA + `,"ConditionExpression":"size(:v) > :v","ExpressionAttributeValues":{":v":{"N":"1"}}}`, "operator or function: size, operand type: N"},

		{"Query", `{"TableName":"nosuch","KeyConditionExpression":"pk = :v OR sk = :v",` + withV + `}`, "Invalid operator used in KeyConditionExpression: OR"},
		{"Query", `{"TableName":"nosuch","KeyConditionExpression":"attribute_exists(pk)"}`, "Invalid operator used in KeyConditionExpression: attribute_exists"},
		{"Query", `{"TableName":"nosuch","KeyConditionExpression":"pk = :v AND pk = :v",` + withV + `}`, "must only contain one condition per key"},
		{"Query", `{"TableName":"nosuch","KeyConditionExpression":"pk = sk"}`, "Multiple attribute names used in one condition"},
		{"Query", `{"TableName":"nosuch","KeyConditionExpression":":v = :v",` + withV + `}`, "No key attribute specified"},
		{"Query", `{"TableName":"nosuch","KeyConditionExpression":"size(pk) = :v",` + withV + `}`, "cannot contain nested operations"},
		{"Query", `{"TableName":"items","KeyConditionExpression":"pk = :v AND another = :v",` + withV + `}`, "Query condition missed key schema element: sk"},
		{"Query", `{"TableName":"plain","KeyConditionExpression":"id = :v AND another = :v",` + withV + `}`, "Query key condition not supported"},
		{"Query", `{"TableName":"plain","KeyConditionExpression":"id = :v",` + withV + `,"ExclusiveStartKey":{"id":{}}}`, "The provided starting key is invalid: Supplied AttributeValue is empty"},
		{"Query", `{"TableName":"plain"}`, "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request."},

		{"TransactWriteItems", `{"TransactItems":[{"Put":{"TableName":"plain","Item":{"id":{"N":"1"}}}},{"Put":{"TableName":"plain","Item":{"id":{"N":"2"}}}}]}`, "[ValidationError, None]"},
		{"TransactWriteItems", `{"TransactItems":[{"Delete":{"TableName":"plain",` + keyA + `,"ReturnValuesOnConditionCheckFailure":"all_old"}}]}`, "at 'transactItems.1.member.delete.returnValuesOnConditionCheckFailure'"},
		{"TransactWriteItems", `{"TransactItems":[{"Update":{"TableName":"plain"}}]}`, "2 validation errors detected: Value null at 'transactItems.1.member.update.key'"},

		{"UpdateTimeToLive", `{"TableName":"plain","TimeToLiveSpecification":{}}`, "2 validation errors detected"},
		{"TagResource", `{"ResourceArn":"plain","Tags":[]}`, "ARNs must start with 'arn:'"},
		{"TagResource", `{"ResourceArn":"` + e.tableARN("plain") + `","Tags":[{"Key":"a!","Value":"b"},{"Key":"c"}]}`, "2 validation errors detected"},
		{"TagResource", `{"ResourceArn":"` + e.tableARN("plain") + `/index/i","Tags":[{"Key":"a","Value":"b"}]}`, "Invalid ResourceArn"},
		{"TagResource", `{"ResourceArn":"arn:aws:dynamodb:us-east-1:999999999999:table/plain","Tags":[{"Key":"a","Value":"b"}]}`, "another account"},
		{"DescribeStream", `{"StreamArn":"` + strings.Repeat("x", 40) + `"}`, "Invalid StreamArn"},
		{"DescribeStream", `{"StreamArn":"x","ShardFilter":{}}`, "Value null at 'shardFilter.type'"},
		{"GetRecords", `{"ShardIterator":"x","Limit":0}`, "Value '0' at 'limit'"},

		{"PutItem", `{"TableName":7}`, "NUMBER_VALUE cannot be converted to String"},
		{"PutItem", `{"TableName":"plain","Item":"x"}`, "Unexpected field type"},
		{"PutItem", `{"TableName":{}}`, "Start of structure or map found where not expected"},
		{"PutItem", `{"TableName":[]}`, "Unrecognized collection type class java.lang.String"},
		{"Scan", `{"TableName":"plain","Limit":true}`, "TRUE_VALUE cannot be converted to Integer"},
		{"Scan", `{"TableName":"plain","ConsistentRead":"dog"}`, "Unexpected token received from parser"},
		{"Scan", `{"TableName":"plain","ConsistentRead":1.5}`, "DECIMAL_VALUE cannot be converted to Boolean"},
	} {
		_, err := do(e, epoch, c.op, c.body)
		if err == nil || !strings.Contains(err.Message, c.want) {
			t.Errorf("%s %.200s:\ngot  %v\nwant %s", c.op, c.body, err, c.want)
		}
	}
}

// TestParentheses holds where they may stand: round an operand, a sum and its parts.
func TestParentheses(t *testing.T) {
	it := readItem(t, sample)
	for _, text := range []string{"(a) = (:one)", "((a) = :one)", "(a) BETWEEN (:one) AND (:two)", "NOT ((a) = (:two))", "(size(s)) = :five", "(a = :one) AND (a) IN (:one)"} {
		x, err := parse(grammarCondition, text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if e := testEnv(t, x); e.check(use{grammarCondition, x}) != nil || !e.holds(it, x.condition) {
			t.Errorf("%s does not hold", text)
		}
	}
	for text, want := range map[string]string{"SET a = (a + :two)": "3", "SET a = (a) + (:two)": "3", "SET a = (a) - :two": "-1", "SET a = (:two)": "2", "SET a = if_not_exists(z, if_not_exists(a, :two)) + :two": "3"} {
		x, err := parse(grammarUpdate, text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, err := x.update.apply(testEnv(t, x), it); err != nil || got.get("a").text != want {
			t.Errorf("%s: %v, %v", text, got.get("a"), err)
		}
	}
}

// TestUpdateOfNothing: an update that only takes away makes no item, and leaves no
// record; one that says nothing does make one.
func TestUpdateOfNothing(t *testing.T) {
	e := New(Options{Shards: 1})
	call(t, e, "CreateTable", strings.Replace(benchTable, "{", `{"StreamSpecification":{"StreamEnabled":true,"StreamViewType":"KEYS_ONLY"},`, 1))
	for update, made := range map[string]bool{
		`"UpdateExpression":"REMOVE x"`: false, `"UpdateExpression":"REMOVE x.y, l[0]"`: false,
		`"UpdateExpression":"DELETE x :v","ExpressionAttributeValues":{":v":{"SS":["x"]}}`: false,
		`"ReturnValues":"ALL_NEW"`: true, `"UpdateExpression":"SET x = :v REMOVE y",` + withV: true,
	} {
		id := fmt.Sprintf(`"TableName":"items","Key":{"id":{"S":"%x"}}`, update)
		before := e.Ends("items")[0].Records
		out := call(t, e, "UpdateItem", `{`+id+`,`+update+`}`)
		got := call(t, e, "GetItem", `{`+id+`}`)["Item"] != nil
		if got != made || (e.Ends("items")[0].Records > before) != made {
			t.Errorf("%s: made %v, want %v; %v", update, got, made, out)
		}
	}
}

// TestIndexKeys: of a batch with one value that no key of an index can be, nothing is
// written; items that have had such a value are not in an index made later.
func TestIndexKeys(t *testing.T) {
	e := New(Options{})
	call(t, e, "CreateTable", benchTable)
	for id, x := range map[string]string{"a": "x", "empty": "", "long": strings.Repeat("x", maxHashKey+1)} {
		call(t, e, "PutItem", fmt.Sprintf(`{"TableName":"items","Item":{"id":{"S":"%s"},"x":{"S":"%s"}}}`, id, x))
	}
	create := `"GlobalSecondaryIndexUpdates":[{"Create":{"IndexName":"byX","KeySchema":[{"AttributeName":"x","KeyType":"HASH"}],"Projection":{"ProjectionType":"ALL"}}}]`
	if _, err := do(e, epoch, "UpdateTable", `{"TableName":"items",`+create+`}`); err == nil || !strings.Contains(err.Message, "not defined in AttributeDefinitions") {
		t.Errorf("an index on what is not defined: %v", err)
	}
	if _, err := do(e, epoch, "UpdateTable", `{"TableName":"items","AttributeDefinitions":[{"AttributeName":"id","AttributeType":"N"}],`+create+`}`); err == nil || !strings.Contains(err.Message, "key{id:S}] New") {
		t.Errorf("a key defined anew: %v", err)
	}
	call(t, e, "UpdateTable", `{"TableName":"items","AttributeDefinitions":[{"AttributeName":"x","AttributeType":"S"}],`+create+`}`)
	if n := call(t, e, "Scan", `{"TableName":"items","IndexName":"byX"}`)["Count"]; n != 1.0 {
		t.Errorf("the index has %v items, want 1", n)
	}
	for _, x := range []string{`{"N":"1"}`, `{"S":""}`} {
		_, err := do(e, epoch, "BatchWriteItem", `{"RequestItems":{"items":[{"PutRequest":{"Item":{"id":{"S":"b"}}}},{"PutRequest":{"Item":{"id":{"S":"c"},"x":`+x+`}}}]}}`)
		if err == nil || call(t, e, "GetItem", `{"TableName":"items","Key":{"id":{"S":"b"}}}`)["Item"] != nil {
			t.Errorf("a batch with %s as the key of an index: %v", x, err)
		}
	}
}

// TestDeletedTable holds what DeleteTable says, and since when a table is on demand.
func TestDeletedTable(t *testing.T) {
	e := New(Options{})
	made := call(t, e, "CreateTable", benchTable)["TableDescription"].(map[string]any)
	gone := call(t, e, "DeleteTable", `{"TableName":"items"}`)["TableDescription"].(map[string]any)
	for _, m := range []string{"KeySchema", "AttributeDefinitions", "CreationDateTime"} {
		if made[m] == nil || gone[m] != nil {
			t.Errorf("%s: %v when made, %v when gone", m, made[m], gone[m])
		}
	}
	if gone["TableStatus"] != "DELETING" || gone["TableId"] != made["TableId"] || made["BillingModeSummary"].(map[string]any)["LastUpdateToPayPerRequestDateTime"] != made["CreationDateTime"] {
		t.Errorf("made %v\ngone %v", made, gone)
	}
}

// TestCompressedRequests sends bodies as a client may that compresses them, whole and
// broken.
func TestCompressedRequests(t *testing.T) {
	w := newWorld(t, false, Options{}, ServerOptions{})
	w.create("items", "", "")
	body := []byte(`{"TableName":"items","Key":{"pk":{"S":"a"}}}`)
	zip := func(encoding string, b []byte) []byte {
		var out bytes.Buffer
		var z io.WriteCloser = gzip.NewWriter(&out)
		if encoding == "deflate" {
			z = zlib.NewWriter(&out)
		}
		_, err := z.Write(b)
		w.must(err)
		w.must(z.Close())
		return out.Bytes()
	}
	for _, c := range []struct {
		encoding string
		body     []byte
		status   int
	}{
		{"gzip", zip("gzip", body), 200}, {"deflate", zip("deflate", body), 200}, {"identity", body, 200},
		{"gzip", slices.Concat(zip("gzip", body[:9]), zip("gzip", body[9:])), 200},
		{"gzip", body, 500}, {"deflate", body, 500}, {"br", body, 500}, {"gzip", nil, 500}, {"gzip", zip("gzip", body)[:40], 500},
		{"gzip", zip("gzip", append(bytes.Repeat([]byte(" "), maxBody), body...)), 413},
	} {
		r, _ := http.NewRequestWithContext(w.ctx, "POST", "http://dynamodb.test/", bytes.NewReader(c.body))
		r.Header.Set("X-Amz-Target", "DynamoDB_20120810.GetItem")
		r.Header.Set("Authorization", someone)
		r.Header.Set("Content-Encoding", c.encoding)
		resp, err := NewTransport(w.handler).RoundTrip(r)
		w.must(err)
		if resp.StatusCode != c.status {
			t.Errorf("%s of %d bytes: status %d, want %d", c.encoding, len(c.body), resp.StatusCode, c.status)
		}
	}
}
