package dynamo

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// indexed is a table with a local index that shows all and two global ones: one
// by owner that shows only keys, and one by state and number that includes note.
const indexed = `{"TableName":"tab","BillingMode":"PAY_PER_REQUEST",
	"AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"},{"AttributeName":"sk","AttributeType":"S"},{"AttributeName":"l","AttributeType":"N"},{"AttributeName":"o","AttributeType":"S"},{"AttributeName":"st","AttributeType":"S"},{"AttributeName":"n","AttributeType":"N"}],
	"KeySchema":[{"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"sk","KeyType":"RANGE"}],
	"LocalSecondaryIndexes":[{"IndexName":"local","KeySchema":[{"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"l","KeyType":"RANGE"}],"Projection":{"ProjectionType":"KEYS_ONLY"}}],
	"GlobalSecondaryIndexes":[
		{"IndexName":"owner","KeySchema":[{"AttributeName":"o","KeyType":"HASH"}],"Projection":{"ProjectionType":"KEYS_ONLY"}},
		{"IndexName":"state","KeySchema":[{"AttributeName":"st","KeyType":"HASH"},{"AttributeName":"n","KeyType":"RANGE"}],"Projection":{"ProjectionType":"INCLUDE","NonKeyAttributes":["note"]}}],
	"StreamSpecification":{"StreamEnabled":true,"StreamViewType":"NEW_AND_OLD_IMAGES"}}`

// answers runs an operation and returns the body of its answer or the error.
func answers(e *Engine, now time.Time, op, body string) string {
	r, err := do(e, now, op, body)
	if err != nil {
		return err.Error()
	}
	return string(r.Body)
}

func TestIndexes(t *testing.T) {
	e := New(Options{})
	call(t, e, "CreateTable", indexed)
	for _, it := range []string{
		`"pk":{"S":"a"},"sk":{"S":"1"},"l":{"N":"5"},"o":{"S":"ann"},"st":{"S":"new"},"n":{"N":"2"},"note":{"S":"x"},"more":{"S":"y"}`,
		`"pk":{"S":"a"},"sk":{"S":"2"},"l":{"N":"3"},"o":{"S":"ann"},"st":{"S":"new"},"n":{"N":"1"}`,
		`"pk":{"S":"a"},"sk":{"S":"3"},"st":{"S":"new"}`, // in no index: state wants n too
		`"pk":{"S":"b"},"sk":{"S":"1"},"l":{"N":"4"},"o":{"S":"bob"},"st":{"S":"new"},"n":{"N":"1"}`,
	} {
		call(t, e, "PutItem", `{"TableName":"tab","Item":{`+it+`}}`)
	}
	for _, c := range []struct{ op, body, want string }{
		{"Query", `"IndexName":"local","KeyConditionExpression":"pk = :a","ExpressionAttributeValues":{":a":{"S":"a"}}`,
			`{"Items":[{"l":{"N":"3"},"pk":{"S":"a"},"sk":{"S":"2"}},{"l":{"N":"5"},"pk":{"S":"a"},"sk":{"S":"1"}}],"Count":2,"ScannedCount":2}`},
		{"Query", `"IndexName":"local","KeyConditionExpression":"pk = :a AND :four < l","ExpressionAttributeValues":{":a":{"S":"a"},":four":{"N":"4"}},"ProjectionExpression":"more","ConsistentRead":true,"ReturnConsumedCapacity":"INDEXES"`,
			`{"Items":[{"more":{"S":"y"}}],"Count":1,"ScannedCount":1,"ConsumedCapacity":{"TableName":"tab","CapacityUnits":2,"Table":{"CapacityUnits":1},"LocalSecondaryIndexes":{"local":{"CapacityUnits":1}}}}`},
		{"Query", `"IndexName":"owner","KeyConditionExpression":"o = :o","ExpressionAttributeValues":{":o":{"S":"bob"}}`,
			`{"Items":[{"o":{"S":"bob"},"pk":{"S":"b"},"sk":{"S":"1"}}],"Count":1,"ScannedCount":1}`},
		{"Query", `"IndexName":"state","KeyConditionExpression":"st = :s AND n BETWEEN :one AND :two","ExpressionAttributeValues":{":s":{"S":"new"},":one":{"N":"2"},":two":{"N":"9"}},"ReturnConsumedCapacity":"INDEXES"`,
			`{"Items":[{"n":{"N":"2"},"note":{"S":"x"},"pk":{"S":"a"},"sk":{"S":"1"},"st":{"S":"new"}}],"Count":1,"ScannedCount":1,"ConsumedCapacity":{"TableName":"tab","CapacityUnits":0.5,"Table":{"CapacityUnits":0},"GlobalSecondaryIndexes":{"state":{"CapacityUnits":0.5}}}}`},
		{"Query", `"IndexName":"owner","KeyConditionExpression":"o = :o","ExpressionAttributeValues":{":o":{"S":"bob"}},"ProjectionExpression":"note"`, "does not project [note]"},
		{"Query", `"IndexName":"owner","KeyConditionExpression":"o = :o","ExpressionAttributeValues":{":o":{"S":"bob"}},"Select":"ALL_ATTRIBUTES"`, "Select type ALL_ATTRIBUTES is not supported for global secondary index owner"},
		{"Query", `"IndexName":"owner","KeyConditionExpression":"o = :o","ExpressionAttributeValues":{":o":{"S":"bob"}},"ConsistentRead":true`, "Consistent reads are not supported"},
		{"Query", `"IndexName":"nosuch","KeyConditionExpression":"o = :o","ExpressionAttributeValues":{":o":{"S":"bob"}}`, "The table does not have the specified index: nosuch"},
		{"Query", `"KeyConditionExpression":"pk = :o AND sk.x = :o","ExpressionAttributeValues":{":o":{"S":"bob"}}`, "cannot have conditions on nested attributes"},
		{"Scan", `"IndexName":"owner","Select":"COUNT"`, `{"Count":3,"ScannedCount":3}`},
		{"PutItem", `"Item":{"pk":{"S":"c"},"sk":{"S":"1"},"o":{"N":"1"}}`, "Type mismatch for Index Key o Expected: S Actual: N IndexName: owner"},
		{"PutItem", `"Item":{"pk":{"S":"c"},"sk":{"S":"1"},"o":{"S":""}}`, "IndexName: owner, IndexKey: o"},
		{"UpdateItem", `"Key":{"pk":{"S":"a"},"sk":{"S":"1"}},"UpdateExpression":"SET n = :n","ExpressionAttributeValues":{":n":{"N":"7"}},"ReturnConsumedCapacity":"INDEXES","ReturnItemCollectionMetrics":"SIZE"`,
			`{"ConsumedCapacity":{"TableName":"tab","CapacityUnits":3,"Table":{"CapacityUnits":1},"GlobalSecondaryIndexes":{"state":{"CapacityUnits":2}}},"ItemCollectionMetrics":{"ItemCollectionKey":{"pk":{"S":"a"}},"SizeEstimateRangeGB":[0,1]}}`},
		{"UpdateItem", `"Key":{"pk":{"S":"a"},"sk":{"S":"1"}},"UpdateExpression":"REMOVE o"`, `{}`},
		{"Scan", `"IndexName":"owner","Select":"COUNT"`, `{"Count":2,"ScannedCount":2}`},
	} {
		if got := answers(e, epoch, c.op, `{"TableName":"tab",`+c.body+`}`); !strings.Contains(got, c.want) {
			t.Errorf("%s %s:\ngot  %s\nwant %s", c.op, c.body, got, c.want)
		}
	}
}

// TestIndexPages walks an index with many entries of one key, forwards and
// backwards, in pages of every size.
func TestIndexPages(t *testing.T) {
	e := New(Options{})
	call(t, e, "CreateTable", indexed)
	const many = 30
	for i := range many {
		call(t, e, "PutItem", fmt.Sprintf(`{"TableName":"tab","Item":{"pk":{"S":"p%d"},"sk":{"S":"x"},"st":{"S":"s"},"n":{"N":"%d"}}}`, i, i/10))
	}
	for _, op := range []string{"Query forward", "Query backward", "Scan"} {
		for _, limit := range []int{1, 7, many} {
			seen := map[string]bool{}
			last, start := -1.0, ""
			for {
				extra := ""
				if op != "Scan" {
					extra = `,"KeyConditionExpression":"st = :s","ExpressionAttributeValues":{":s":{"S":"s"}},"ScanIndexForward":` + fmt.Sprint(op == "Query forward")
				}
				name, _, _ := strings.Cut(op, " ")
				r, err := do(e, epoch, name, fmt.Sprintf(`{"TableName":"tab","IndexName":"state","Limit":%d%s%s}`, limit, extra, start))
				if err != nil {
					t.Fatal(err)
				}
				req := &reader{s: string(r.Body)}
				var next item
				for member := range req.members() {
					switch member {
					case "Items":
						for range req.elements() {
							it := req.item(1)
							pk := it.get("pk").text
							if seen[pk] {
								t.Fatalf("%s limit %d: %s twice", op, limit, pk)
							}
							seen[pk] = true
							n := float64(it.get("n").text[0] - '0')
							if op == "Query backward" {
								n = -n
							}
							if op != "Scan" && n < last && last != -1 {
								t.Fatalf("%s limit %d: %v after %v", op, limit, n, last)
							}
							last = n
						}
					case "LastEvaluatedKey":
						next = req.item(1)
					default:
						req.skip(0)
					}
				}
				if next == nil {
					break
				}
				start = `,"ExclusiveStartKey":` + show(next)
			}
			if len(seen) != many {
				t.Errorf("%s limit %d: %d entries, want %d", op, limit, len(seen), many)
			}
		}
	}
}

func TestUpdateTable(t *testing.T) {
	e := New(Options{})
	call(t, e, "CreateTable", createItems)
	call(t, e, "PutItem", `{"TableName":"items","Item":{"pk":{"S":"a"},"sk":{"N":"1"},"g":{"S":"x"}}}`)
	call(t, e, "PutItem", `{"TableName":"items","Item":{"pk":{"S":"a"},"sk":{"N":"2"},"g":{"N":"1"}}}`)
	create := `{"TableName":"items","AttributeDefinitions":[{"AttributeName":"g","AttributeType":"S"}],"GlobalSecondaryIndexUpdates":[{"Create":{"IndexName":"byg","KeySchema":[{"AttributeName":"g","KeyType":"HASH"}],"Projection":{"ProjectionType":"ALL"}}}]}`
	for _, c := range []struct{ op, body, want string }{
		{"UpdateTable", `{"TableName":"items"}`, "At least one of ProvisionedThroughput"},
		{"UpdateTable", create, `"IndexName":"byg"`},
		{"Scan", `{"TableName":"items","IndexName":"byg"}`, `"Count":1,`}, // the other one is of the wrong type
		{"UpdateTable", create, "already exists"},
		{"UpdateTable", `{"TableName":"items","GlobalSecondaryIndexUpdates":[{"Delete":{"IndexName":"nosuch"}}]}`, "ResourceNotFoundException"},
		{"UpdateTable", `{"TableName":"items","GlobalSecondaryIndexUpdates":[{"Delete":{"IndexName":"byg"}}]}`, `"TableStatus":"UPDATING"`},
		{"Scan", `{"TableName":"items","IndexName":"byg"}`, "does not have the specified index"},
		{"UpdateTable", `{"TableName":"items","DeletionProtectionEnabled":true,"TableClass":"STANDARD_INFREQUENT_ACCESS","SSESpecification":{"Enabled":true}}`, `"DeletionProtectionEnabled":true,"TableClassSummary":{"TableClass":"STANDARD_INFREQUENT_ACCESS"},"SSEDescription":{"Status":"ENABLED","SSEType":"KMS","KMSMasterKeyArn":"arn:aws:kms:us-east-1:000000000000:key/`},
		{"UpdateTable", `{"TableName":"items","OnDemandThroughput":{"MaxReadRequestUnits":10}}`, `"OnDemandThroughput":{"MaxReadRequestUnits":10,"MaxWriteRequestUnits":-1}`},
		{"DeleteTable", `{"TableName":"items"}`, "protected against deletion"},
		{"UpdateTable", `{"TableName":"items","BillingMode":"PROVISIONED","ProvisionedThroughput":{"ReadCapacityUnits":5,"WriteCapacityUnits":6}}`, `"ReadCapacityUnits":5,"WriteCapacityUnits":6`},
		{"DescribeTable", `{"TableName":"arn:aws:dynamodb:us-east-1:000000000000:table/items"}`, `"TableStatus":"ACTIVE"`},
		{"TagResource", `{"ResourceArn":"arn:aws:dynamodb:us-east-1:000000000000:table/items","Tags":[{"Key":"b","Value":"2"},{"Key":"a","Value":"1"}]}`, ""},
		{"UntagResource", `{"ResourceArn":"arn:aws:dynamodb:us-east-1:000000000000:table/items","TagKeys":["b"]}`, ""},
		{"ListTagsOfResource", `{"ResourceArn":"arn:aws:dynamodb:us-east-1:000000000000:table/items"}`, `{"Tags":[{"Key":"a","Value":"1"}]}`},
		{"DescribeLimits", `{}`, `"TableMaxWriteCapacityUnits":40000`},
		{"DescribeEndpoints", `{}`, `"CachePeriodInMinutes":1440`},
	} {
		if got := answers(e, epoch, c.op, c.body); !strings.Contains(got, c.want) {
			t.Errorf("%s %s:\ngot  %s\nwant %s", c.op, c.body, got, c.want)
		}
	}
}

// TestTimeToLive lets items expire, under virtual time.
func TestTimeToLive(t *testing.T) {
	e := New(Options{Shards: 1})
	call(t, e, "CreateTable", createItems)
	put := func(sk int, ttl string) {
		call(t, e, "PutItem", fmt.Sprintf(`{"TableName":"items","Item":{"pk":{"S":"a"},"sk":{"N":"%d"},"ttl":%s}}`, sk, ttl))
	}
	soon := epoch.Add(time.Minute).Unix()
	put(1, fmt.Sprintf(`{"N":"%d"}`, soon)) // before it is switched on
	ttl := func(on bool) string {
		return answers(e, epoch, "UpdateTimeToLive", fmt.Sprintf(`{"TableName":"items","TimeToLiveSpecification":{"Enabled":%v,"AttributeName":"ttl"}}`, on))
	}
	if got := ttl(false); !strings.Contains(got, "already disabled") {
		t.Error(got)
	}
	ttl(true)
	if got := ttl(true); !strings.Contains(got, "already enabled") {
		t.Error(got)
	}
	put(2, fmt.Sprintf(`{"N":"%d"}`, soon))
	put(3, fmt.Sprintf(`{"S":"%d"}`, soon))                           // no number
	put(4, fmt.Sprintf(`{"N":"%d"}`, epoch.AddDate(-6, 0, 0).Unix())) // too old to be meant
	put(5, fmt.Sprintf(`{"N":"%d"}`, soon))                           // replaced below
	put(5, fmt.Sprintf(`{"N":"%d"}`, epoch.Add(48*time.Hour).Unix())) // by one that lives on
	if n := e.Tick(time.Unix(soon, 0)); n != 0 {
		t.Errorf("%d items expired before their time", n)
	}
	// An operation does it by itself.
	got := answers(e, time.Unix(soon+1, 0), "Scan", `{"TableName":"items","ProjectionExpression":"sk"}`)
	if want := `{"Items":[{"sk":{"N":"3"}},{"sk":{"N":"4"}},{"sk":{"N":"5"}}],"Count":3,"ScannedCount":3}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	s := e.tables["items"].stream
	it := iterator{arn: s.arn, shard: s.shards[0].id, issued: epoch}
	records := answers(e, time.Unix(soon+1, 0), "GetRecords", `{"ShardIterator":"`+it.String()+`"}`)
	const service = `"eventName":"REMOVE","eventVersion":"1.1","eventSource":"aws:dynamodb","awsRegion":"us-east-1","userIdentity":{"PrincipalId":"dynamodb.amazonaws.com","Type":"Service"}`
	if n := strings.Count(records, service); n != 2 {
		t.Errorf("%d records of the time to live service, want 2: %s", n, records)
	}
	if got := answers(e, epoch, "DescribeTimeToLive", `{"TableName":"items"}`); got != `{"TimeToLiveDescription":{"TimeToLiveStatus":"ENABLED","AttributeName":"ttl"}}` {
		t.Error(got)
	}
}

// TestKeysOfSeveralAttributes queries an index whose range key has three
// attributes.
func TestKeysOfSeveralAttributes(t *testing.T) {
	e := New(Options{})
	call(t, e, "CreateTable", `{"TableName":"tab","BillingMode":"PAY_PER_REQUEST",
		"AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"},{"AttributeName":"h","AttributeType":"S"},{"AttributeName":"x","AttributeType":"S"},{"AttributeName":"y","AttributeType":"N"},{"AttributeName":"z","AttributeType":"S"}],
		"KeySchema":[{"AttributeName":"id","KeyType":"HASH"}],
		"GlobalSecondaryIndexes":[{"IndexName":"several","KeySchema":[{"AttributeName":"h","KeyType":"HASH"},{"AttributeName":"x","KeyType":"RANGE"},{"AttributeName":"y","KeyType":"RANGE"},{"AttributeName":"z","KeyType":"RANGE"}],"Projection":{"ProjectionType":"KEYS_ONLY"}}]}`)
	for i, it := range []string{`"x":{"S":"b"},"y":{"N":"10"},"z":{"S":"k"}`, `"x":{"S":"b"},"y":{"N":"9"},"z":{"S":"l"}`, `"x":{"S":"b"},"y":{"N":"9"},"z":{"S":"k"}`, `"x":{"S":"a"},"y":{"N":"99"},"z":{"S":"m"}`, `"x":{"S":"b"},"z":{"S":"k"}`} {
		call(t, e, "PutItem", fmt.Sprintf(`{"TableName":"tab","Item":{"id":{"S":"%d"},"h":{"S":"p"},%s}}`, i, it))
	}
	for _, c := range []struct{ condition, want string }{
		{"h = :p", "3210"}, // the last one lacks y
		{"h = :p AND x = :b", "210"},
		{"x = :b AND y = :nine AND h = :p", "21"},
		{"h = :p AND x = :b AND y > :nine", "0"},
		{"h = :p AND x = :b AND y = :nine AND begins_with(z, :k)", "2"},
		{"h = :p AND x < :b", "3"},
		{"h = :p AND y = :nine", "RANGE key attributes x must have equality conditions specified in the query because a condition is present on key attribute y"},
		{"h = :p AND x > :b AND y = :nine", "RANGE key attributes x must have equality conditions"},
		{"x = :b", "missed key schema element: h"},
	} {
		for _, forward := range []bool{true, false} {
			got, start := "", ""
			for {
				var values []string
				for name, v := range map[string]string{":p": `{"S":"p"}`, ":b": `{"S":"b"}`, ":nine": `{"N":"9"}`, ":k": `{"S":"k"}`} {
					if strings.Contains(c.condition, name) {
						values = append(values, `"`+name+`":`+v)
					}
				}
				r, err := do(e, epoch, "Query", fmt.Sprintf(`{"TableName":"tab","IndexName":"several","Limit":1,"ScanIndexForward":%v,"KeyConditionExpression":"%s","ExpressionAttributeValues":{%s}%s}`, forward, c.condition, strings.Join(values, ","), start))
				if err != nil {
					got = err.Message
					break
				}
				body := &reader{s: string(r.Body)}
				start = ""
				for member := range body.members() {
					switch member {
					case "Items":
						for range body.elements() {
							id := body.item(1).get("id").text
							if got += id; !forward {
								got = id + got[:len(got)-1]
							}
						}
					case "LastEvaluatedKey":
						start = `,"ExclusiveStartKey":` + show(body.item(1))
					default:
						body.skip(0)
					}
				}
				if start == "" {
					break
				}
			}
			if got != c.want && (len(c.want) < 5 || !strings.Contains(got, c.want)) {
				t.Errorf("%s, forward %v: got %s, want %s", c.condition, forward, got, c.want)
			}
		}
	}
	got := answers(e, epoch, "Query", `{"TableName":"tab","IndexName":"several","Limit":1,"KeyConditionExpression":"h = :p","ExpressionAttributeValues":{":p":{"S":"p"}}}`)
	if want := `"LastEvaluatedKey":{"h":{"S":"p"},"id":{"S":"3"},"x":{"S":"a"},"y":{"N":"99"},"z":{"S":"m"}}`; !strings.Contains(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
}
