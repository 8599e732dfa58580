package dynamo

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func equalAV(t *testing.T, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.IgnoreUnexported(
		types.AttributeValueMemberS{}, types.AttributeValueMemberN{}, types.AttributeValueMemberB{}, types.AttributeValueMemberM{},
		types.AttributeValueMemberL{}, types.AttributeValueMemberSS{}, types.AttributeValueMemberNS{}, types.AttributeValueMemberBS{},
		types.AttributeValueMemberBOOL{}, types.AttributeValueMemberNULL{})); d != "" {
		t.Fatalf("%s (-want +got):\n%s", what, d)
	}
}

func TestItemOperations(t *testing.T) {
	both(t, func(t *testing.T, socket bool) {
		w := newWorld(t, socket, Options{}, ServerOptions{})
		w.create("items", "", "NEW_AND_OLD_IMAGES")
		it := avMap{
			"pk": s("a"), "text": s("quote \" slash \\ tab \t nul \x00 ü 🎈"), "num": n("12345678901234567890123456789012345678"),
			"bin": &types.AttributeValueMemberB{Value: []byte{0, 255, 1}}, "yes": &types.AttributeValueMemberBOOL{Value: true},
			"no": &types.AttributeValueMemberBOOL{Value: false}, "nil": &types.AttributeValueMemberNULL{Value: true},
			"list": &types.AttributeValueMemberL{Value: []av{n(1), s("x")}}, "map": &types.AttributeValueMemberM{Value: avMap{"k": n("-0.5")}},
			"ss": &types.AttributeValueMemberSS{Value: []string{"a", "b"}}, "ns": &types.AttributeValueMemberNS{Value: []string{"-2", "1", "10"}},
			"bs": &types.AttributeValueMemberBS{Value: [][]byte{{1}, {2}}}, "empty": s(""),
		}
		w.put("items", it)
		equalAV(t, "item", w.get("items", avMap{"pk": s("a")}), it)

		out, err := w.db.UpdateItem(w.ctx, &dynamodb.UpdateItemInput{
			TableName: aws.String("items"), Key: avMap{"pk": s("a")}, ReturnValues: "UPDATED_NEW",
			UpdateExpression:          aws.String("SET #m.k = #m.k + :one, #l[9] = :x ADD num :one REMOVE bs, nosuch DELETE ss :b"),
			ExpressionAttributeNames:  map[string]string{"#m": "map", "#l": "list"},
			ExpressionAttributeValues: avMap{":one": n(1), ":x": s("end"), ":b": &types.AttributeValueMemberSS{Value: []string{"b"}}},
		})
		w.must(err)
		equalAV(t, "updated", out.Attributes["map"], av(&types.AttributeValueMemberM{Value: avMap{"k": n("0.5")}}))
		equalAV(t, "updated", out.Attributes["num"], n("12345678901234567890123456789012345679"))
		equalAV(t, "updated", out.Attributes["ss"], av(&types.AttributeValueMemberSS{Value: []string{"a"}}))
		got := w.get("items", avMap{"pk": s("a")})
		equalAV(t, "list", got["list"], av(&types.AttributeValueMemberL{Value: []av{n(1), s("x"), s("end")}}))
		if got["bs"] != nil {
			t.Error("REMOVE left bs")
		}

		_, err = w.db.PutItem(w.ctx, &dynamodb.PutItemInput{TableName: aws.String("items"), Item: avMap{"pk": s("a")},
			ConditionExpression: aws.String("attribute_not_exists(pk)"), ReturnValuesOnConditionCheckFailure: "ALL_OLD"})
		failed := wantError[*types.ConditionalCheckFailedException](t, err)
		equalAV(t, "item of the failure", failed.Item["yes"], it["yes"])

		del, err := w.db.DeleteItem(w.ctx, &dynamodb.DeleteItemInput{TableName: aws.String("items"), Key: avMap{"pk": s("a")}, ReturnValues: "ALL_OLD", ReturnConsumedCapacity: "TOTAL"})
		w.must(err)
		equalAV(t, "deleted", del.Attributes["yes"], it["yes"])
		if *del.ConsumedCapacity.CapacityUnits != 1 {
			t.Errorf("capacity %v, want 1", *del.ConsumedCapacity.CapacityUnits)
		}
		if got := w.get("items", avMap{"pk": s("a")}); got != nil {
			t.Errorf("deleted item is still there: %v", got)
		}
		_, err = w.db.GetItem(w.ctx, &dynamodb.GetItemInput{TableName: aws.String("nosuch"), Key: avMap{"pk": s("a")}})
		wantError[*types.ResourceNotFoundException](t, err)
	})
}

func TestTables(t *testing.T) {
	w := newWorld(t, false, Options{}, ServerOptions{})
	w.create("one", "N", "KEYS_ONLY")
	w.create("two", "", "")
	w.put("one", avMap{"pk": s("a"), "sk": n(1)})
	d, err := w.db.DescribeTable(w.ctx, &dynamodb.DescribeTableInput{TableName: aws.String("one")})
	w.must(err)
	if d.Table.TableStatus != "ACTIVE" || *d.Table.ItemCount != 1 || d.Table.StreamSpecification.StreamViewType != "KEYS_ONLY" || !strings.HasPrefix(*d.Table.LatestStreamArn, *d.Table.TableArn+"/stream/") {
		t.Errorf("description %+v", d.Table)
	}
	if !d.Table.CreationDateTime.Equal(epoch) {
		t.Errorf("created %v, want %v", d.Table.CreationDateTime, epoch)
	}
	l, err := w.db.ListTables(w.ctx, &dynamodb.ListTablesInput{Limit: aws.Int32(1)})
	w.must(err)
	l2, err := w.db.ListTables(w.ctx, &dynamodb.ListTablesInput{ExclusiveStartTableName: l.LastEvaluatedTableName})
	w.must(err)
	if got := append(l.TableNames, l2.TableNames...); !cmp.Equal(got, []string{"one", "two"}) {
		t.Errorf("tables %v", got)
	}
	_, err = w.db.UpdateTable(w.ctx, &dynamodb.UpdateTableInput{TableName: aws.String("one"), StreamSpecification: &types.StreamSpecification{StreamEnabled: aws.Bool(false)}})
	w.must(err)
	_, err = w.db.UpdateTable(w.ctx, &dynamodb.UpdateTableInput{TableName: aws.String("one"), StreamSpecification: &types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: "NEW_IMAGE"}})
	w.must(err)
	d2, err := w.db.DescribeTable(w.ctx, &dynamodb.DescribeTableInput{TableName: aws.String("one")})
	w.must(err)
	if *d2.Table.LatestStreamArn == *d.Table.LatestStreamArn {
		t.Error("a stream switched on again has the old ARN")
	}
	_, err = w.db.DeleteTable(w.ctx, &dynamodb.DeleteTableInput{TableName: aws.String("one")})
	w.must(err)
	_, err = w.db.DescribeTable(w.ctx, &dynamodb.DescribeTableInput{TableName: aws.String("one")})
	wantError[*types.ResourceNotFoundException](t, err)
	_, err = w.db.CreateTable(w.ctx, &dynamodb.CreateTableInput{TableName: aws.String("two"), BillingMode: "PAY_PER_REQUEST",
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: "S"}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: "HASH"}}})
	wantError[*types.ResourceInUseException](t, err)
}

func TestBatch(t *testing.T) {
	var wrote []Write
	w := newWorld(t, true, Options{}, ServerOptions{Wrote: func(x Write) { wrote = append(wrote, x) }})
	w.create("one", "", "")
	w.create("two", "", "")
	write := func(table string, from, to int) map[string][]types.WriteRequest {
		var rs []types.WriteRequest
		for i := from; i < to; i++ {
			rs = append(rs, types.WriteRequest{PutRequest: &types.PutRequest{Item: avMap{"pk": s(fmt.Sprint(i)), "v": n(i)}}})
		}
		return map[string][]types.WriteRequest{table: rs}
	}
	_, err := w.db.BatchWriteItem(w.ctx, &dynamodb.BatchWriteItemInput{RequestItems: write("one", 0, 25)})
	w.must(err)
	if want := []Write{{"AKTEST", "one", 25}}; !cmp.Equal(wrote, want) {
		t.Errorf("wrote %v, want %v", wrote, want)
	}
	_, err = w.db.BatchWriteItem(w.ctx, &dynamodb.BatchWriteItemInput{RequestItems: write("one", 0, 26)})
	wantValidation(t, err, "Member must have length less than or equal to 25")
	out, err := w.db.BatchGetItem(w.ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
		"one": {Keys: []map[string]av{{"pk": s("3")}, {"pk": s("99")}}, ProjectionExpression: aws.String("v")},
		"two": {Keys: []map[string]av{{"pk": s("3")}}},
	}})
	w.must(err)
	equalAV(t, "one", out.Responses["one"], []map[string]av{{"v": n(3)}})
	if len(out.Responses["two"]) != 0 || len(out.UnprocessedKeys) != 0 {
		t.Errorf("two %v, unprocessed %v", out.Responses["two"], out.UnprocessedKeys)
	}
}

// wantValidation fails unless err is a ValidationException with the text.
func wantValidation(t *testing.T, err error, text string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != "ValidationException" || !strings.Contains(api.ErrorMessage(), text) {
		t.Fatalf("got error %v, want a ValidationException with %q", err, text)
	}
}

func TestTransactions(t *testing.T) {
	w := newWorld(t, true, Options{}, ServerOptions{})
	w.create("items", "", "NEW_AND_OLD_IMAGES")
	w.put("items", avMap{"pk": s("counter"), "v": n(0)})
	tx := &dynamodb.TransactWriteItemsInput{ClientRequestToken: aws.String("token"), TransactItems: []types.TransactWriteItem{
		{Put: &types.Put{TableName: aws.String("items"), Item: avMap{"pk": s("a"), "v": n(1)}}},
		{Update: &types.Update{TableName: aws.String("items"), Key: avMap{"pk": s("counter")}, UpdateExpression: aws.String("ADD v :one"), ExpressionAttributeValues: avMap{":one": n(1)}}},
		{ConditionCheck: &types.ConditionCheck{TableName: aws.String("items"), Key: avMap{"pk": s("b")}, ConditionExpression: aws.String("attribute_not_exists(pk)")}},
		{Delete: &types.Delete{TableName: aws.String("items"), Key: avMap{"pk": s("none")}}},
	}}
	for range 2 { // the second one is the same one, and does nothing
		_, err := w.db.TransactWriteItems(w.ctx, tx)
		w.must(err)
	}
	equalAV(t, "counter", w.get("items", avMap{"pk": s("counter")})["v"], n(1))
	w.clock.Advance(tokenLife)
	_, err := w.db.TransactWriteItems(w.ctx, tx)
	w.must(err)
	equalAV(t, "counter after the token's life", w.get("items", avMap{"pk": s("counter")})["v"], n(2))

	tx.TransactItems = tx.TransactItems[:2]
	_, err = w.db.TransactWriteItems(w.ctx, tx)
	wantError[*types.IdempotentParameterMismatchException](t, err)

	_, err = w.db.TransactWriteItems(w.ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Put: &types.Put{TableName: aws.String("items"), Item: avMap{"pk": s("c")}}},
		{Put: &types.Put{TableName: aws.String("items"), Item: avMap{"pk": s("a")}, ConditionExpression: aws.String("v = :v"), ExpressionAttributeValues: avMap{":v": n(7)}, ReturnValuesOnConditionCheckFailure: "ALL_OLD"}},
	}})
	c := wantError[*types.TransactionCanceledException](t, err)
	if len(c.CancellationReasons) != 2 || *c.CancellationReasons[0].Code != "None" || *c.CancellationReasons[1].Code != "ConditionalCheckFailed" {
		t.Fatalf("reasons %+v", c.CancellationReasons)
	}
	equalAV(t, "item of the reason", c.CancellationReasons[1].Item["v"], n(1))
	if w.get("items", avMap{"pk": s("c")}) != nil {
		t.Error("a cancelled transaction has put an item")
	}
	g, err := w.db.TransactGetItems(w.ctx, &dynamodb.TransactGetItemsInput{TransactItems: []types.TransactGetItem{
		{Get: &types.Get{TableName: aws.String("items"), Key: avMap{"pk": s("a")}}}, {Get: &types.Get{TableName: aws.String("items"), Key: avMap{"pk": s("zz")}}}}})
	w.must(err)
	equalAV(t, "transact get", g.Responses[0].Item, avMap{"pk": s("a"), "v": n(1)})
	if g.Responses[1].Item != nil {
		t.Error("an item that is not there was got")
	}
}

func TestQuery(t *testing.T) {
	w := newWorld(t, false, Options{}, ServerOptions{})
	w.create("rng", "N", "")
	for i := range 1000 {
		w.put("rng", avMap{"pk": s("p"), "sk": n((i*7)%1000 - 500), "even": &types.AttributeValueMemberBOOL{Value: i%2 == 0}})
	}
	w.put("rng", avMap{"pk": s("q"), "sk": n(1)})
	query := func(cond string, back bool, limit int32, values avMap) []string {
		var got []string
		values[":p"] = s("p")
		in := &dynamodb.QueryInput{TableName: aws.String("rng"), KeyConditionExpression: &cond, ExpressionAttributeValues: values, ScanIndexForward: aws.Bool(!back)}
		if limit > 0 {
			in.Limit = &limit
		}
		for {
			out, err := w.db.Query(w.ctx, in)
			w.must(err)
			for _, it := range out.Items {
				got = append(got, it["sk"].(*types.AttributeValueMemberN).Value)
			}
			if in.ExclusiveStartKey = out.LastEvaluatedKey; in.ExclusiveStartKey == nil {
				return got
			}
		}
	}
	for _, c := range []struct {
		cond        string
		values      avMap
		first, last int
	}{
		{"pk = :p", avMap{}, -500, 499},
		{"pk = :p AND sk < :x", avMap{":x": n(-497)}, -500, -498},
		{"pk = :p AND sk <= :x", avMap{":x": n(-497)}, -500, -497},
		{"sk > :x and pk = :p", avMap{":x": n("490.5")}, 491, 499},
		{"pk = :p AND (sk >= :x)", avMap{":x": n(490)}, 490, 499},
		{"pk = :p AND sk BETWEEN :x AND :y", avMap{":x": n(-3), ":y": n(3)}, -3, 3},
		{"pk = :p AND sk = :x", avMap{":x": n("1e2")}, 100, 100},
	} {
		for _, limit := range []int32{0, 1, 100} {
			if limit == 1 && c.last-c.first > 50 {
				continue
			}
			var want, reversed []string
			for i := c.first; i <= c.last; i++ {
				want = append(want, fmt.Sprint(i))
				reversed = append([]string{fmt.Sprint(i)}, reversed...)
			}
			if got := query(c.cond, false, limit, c.values); !cmp.Equal(got, want) {
				t.Errorf("%s limit %d: got %v", c.cond, limit, got)
			}
			if got := query(c.cond, true, limit, c.values); !cmp.Equal(got, reversed) {
				t.Errorf("%s backwards, limit %d: got %v", c.cond, limit, got)
			}
		}
	}
	out, err := w.db.Query(w.ctx, &dynamodb.QueryInput{TableName: aws.String("rng"), KeyConditionExpression: aws.String("pk = :p"), FilterExpression: aws.String("even = :t"),
		ExpressionAttributeValues: avMap{":p": s("p"), ":t": &types.AttributeValueMemberBOOL{Value: true}}, Select: "COUNT"})
	w.must(err)
	if out.Count != 500 || out.ScannedCount != 1000 || out.Items != nil {
		t.Errorf("count %d of %d", out.Count, out.ScannedCount)
	}
	_, err = w.db.Query(w.ctx, &dynamodb.QueryInput{TableName: aws.String("rng"), KeyConditionExpression: aws.String("sk = :p"), ExpressionAttributeValues: avMap{":p": n(1)}})
	wantValidation(t, err, "missed key schema element: pk")
}

func TestQueryPrefix(t *testing.T) {
	w := newWorld(t, false, Options{}, ServerOptions{})
	w.create("rng", "S", "")
	for _, k := range []string{"a", "ab", "ab\xf4\x8f\xbf\xbf", "abc", "ac", "b"} {
		w.put("rng", avMap{"pk": s("p"), "sk": s(k)})
	}
	for _, forward := range []bool{true, false} {
		out, err := w.db.Query(w.ctx, &dynamodb.QueryInput{TableName: aws.String("rng"), KeyConditionExpression: aws.String("pk = :p AND begins_with(sk, :x)"),
			ExpressionAttributeValues: avMap{":p": s("p"), ":x": s("ab")}, ScanIndexForward: &forward})
		w.must(err)
		if out.Count != 3 {
			t.Errorf("forward %v: %d rows, want 3", forward, out.Count)
		}
	}
}
