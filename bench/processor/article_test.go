package processor

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/dynamo"
)

// table is a table in an embedded DynamoDB, which knows what an expression means.
type table struct {
	t  *testing.T
	db *dynamodb.Client
}

func newTable(t *testing.T) table {
	server := dynamo.NewServer(dynamo.ServerOptions{Engine: dynamo.New(dynamo.Options{}), Clock: clock.NewVirtual(start)})
	db := dynamodb.New(dynamodb.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://dynamo.invalid"), Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""), HTTPClient: &http.Client{Transport: dynamo.NewTransport(server)},
	})
	if _, err := db.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: aws.String("items"), BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: types.KeyTypeHash}},
	}); err != nil {
		t.Fatal(err)
	}
	return table{t, db}
}

func (b table) put(id string) {
	b.t.Helper()
	if _, err := b.db.PutItem(b.t.Context(), &dynamodb.PutItemInput{TableName: aws.String("items"),
		Item: map[string]types.AttributeValue{"id": text(id), "payload": text("x")}}); err != nil {
		b.t.Fatal(err)
	}
}

// get spells an item: which attributes the processor has given it, and their
// values but for the digest's.
func (b table) get(id string) string {
	b.t.Helper()
	out, err := b.db.GetItem(b.t.Context(), &dynamodb.GetItemInput{TableName: aws.String("items"), Key: map[string]types.AttributeValue{"id": text(id)}})
	if err != nil {
		b.t.Fatal(err)
	}
	if out.Item == nil {
		return "none"
	}
	var parts []string
	for _, name := range []string{"error", "ttl", "sequence", "count"} {
		switch v := out.Item[name].(type) {
		case *types.AttributeValueMemberN:
			parts = append(parts, name+"="+v.Value)
		case *types.AttributeValueMemberS:
			parts = append(parts, name)
		}
	}
	return strings.Join(parts, " ")
}

// TestArticle: what each form of the article's code does to a record that goes
// well, one that goes wrong, its own update, and an item that has expired.
func TestArticle(t *testing.T) {
	ttl := "ttl=" + strconv.FormatInt(start.Unix()+300, 10)
	for _, tt := range []struct {
		form      string
		fails     string // in the error; empty: it succeeds
		good, bad string // the items after two deliveries
		gone      string // an item that was not there
	}{
		{form: ArticlePrinted, fails: "ExpressionAttributeValues must not be empty", good: "", bad: ttl, gone: "none"},
		{form: ArticleIntended, good: ttl + " sequence=1 count=2", bad: "error", gone: ttl + " sequence=3 count=2"},
		{form: ArticleCorrected, fails: "refused", good: ttl + " sequence=1 count=1", bad: "", gone: "none"},
	} {
		b := newTable(t)
		h := New(Config{ItemsTable: "items", ResultsTable: "items", Article: tt.form}, b.db, clock.NewVirtual(start))
		b.put("good")
		b.put("bad")
		event := batch(t, "INSERT:1:good:x", "INSERT:2:bad:poison:", "INSERT:3:gone:x", "MODIFY:4:good:x", "REMOVE:5:good:x")
		for range 2 {
			_, err := h.Handle(t.Context(), event)
			if tt.fails == "" && err != nil || tt.fails != "" && (err == nil || !strings.Contains(err.Error(), tt.fails)) {
				t.Errorf("%s: error %v, want %q", tt.form, err, tt.fails)
			}
		}
		if good, bad, gone := b.get("good"), b.get("bad"), b.get("gone"); good != tt.good || bad != tt.bad || gone != tt.gone {
			t.Errorf("%s: good %q, bad %q, gone %q; want %q, %q, %q", tt.form, good, bad, gone, tt.good, tt.bad, tt.gone)
		}
	}
}
