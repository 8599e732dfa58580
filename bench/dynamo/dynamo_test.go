package dynamo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"

	"github.com/ackproof/ackproof/bench/clock"
)

// world is an engine with its face and unmodified SDK clients.
type world struct {
	*testing.T
	ctx     context.Context
	engine  *Engine
	clock   *clock.Virtual
	handler http.Handler
	db      *dynamodb.Client
	streams *dynamodbstreams.Client
}

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)

// newWorld makes a world whose clients call the handler without a socket, or
// over loopback.
func newWorld(t *testing.T, socket bool, o Options, so ServerOptions) *world {
	w := &world{T: t, ctx: t.Context(), engine: New(o), clock: clock.NewVirtual(epoch)}
	so.Engine, so.Clock = w.engine, w.clock
	w.handler = NewServer(so)
	client, url := &http.Client{Transport: NewTransport(w.handler)}, "http://dynamodb.test"
	if socket {
		srv := httptest.NewUnstartedServer(w.handler)
		srv.Listener = Front(srv.Listener, w.handler)
		srv.Start()
		t.Cleanup(srv.Close)
		client, url = srv.Client(), srv.URL
	}
	cfg := aws.Config{
		Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("AKTEST", "secret", ""),
		HTTPClient: client, BaseEndpoint: aws.String(url), Retryer: func() aws.Retryer { return aws.NopRetryer{} },
	}
	w.db, w.streams = dynamodb.NewFromConfig(cfg), dynamodbstreams.NewFromConfig(cfg)
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// create makes a table with a hash key pk (S), a range key sk of the given type
// unless that is "", and a stream of the view type unless that is "".
func (w *world) create(name, rangeType, view string) {
	w.Helper()
	in := &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: "S"}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: "HASH"}},
	}
	if rangeType != "" {
		in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{AttributeName: aws.String("sk"), AttributeType: types.ScalarAttributeType(rangeType)})
		in.KeySchema = append(in.KeySchema, types.KeySchemaElement{AttributeName: aws.String("sk"), KeyType: "RANGE"})
	}
	if view != "" {
		in.StreamSpecification = &types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewType(view)}
	}
	_, err := w.db.CreateTable(w.ctx, in)
	w.must(err)
}

type av = types.AttributeValue
type avMap = map[string]types.AttributeValue

func s(v string) av { return &types.AttributeValueMemberS{Value: v} }
func n(v any) av    { return &types.AttributeValueMemberN{Value: fmt.Sprint(v)} }

func (w *world) put(table string, it avMap) {
	w.Helper()
	_, err := w.db.PutItem(w.ctx, &dynamodb.PutItemInput{TableName: &table, Item: it})
	w.must(err)
}

func (w *world) get(table string, key avMap) avMap {
	w.Helper()
	out, err := w.db.GetItem(w.ctx, &dynamodb.GetItemInput{TableName: &table, Key: key, ConsistentRead: aws.Bool(true)})
	w.must(err)
	return out.Item
}

// wantError fails unless err is of type E.
func wantError[E error](t *testing.T, err error) E {
	t.Helper()
	var e E
	if !errors.As(err, &e) {
		t.Fatalf("got error %v, want a %T", err, e)
	}
	return e
}

// both runs a test without a socket and over loopback.
func both(t *testing.T, f func(*testing.T, bool)) {
	t.Run("transport", func(t *testing.T) { f(t, false) })
	t.Run("socket", func(t *testing.T) { f(t, true) })
}
