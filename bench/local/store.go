package local

import (
	"context"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/dynamo"
	"github.com/ackproof/ackproof/bench/sdk"
)

// store is DynamoDB as the cloud serves it: the embedded engine, or a proxy
// before one outside. Both ask the injector about the items table and tell the
// cloud of each write before it is answered.
type store interface {
	http.Handler
	// position gives the newest record of each shard of the stream, how many
	// writes it has not shown yet, and how many requests that write are under way
	// beside those that others count.
	position(stream string) (ends []dynamo.ShardEnd, unseen, writing int)
	// look gives the newest records as they are at this moment.
	look(ctx context.Context, stream string) ([]dynamo.ShardEnd, error)
	// behind counts what can still be read of a shard behind a sequence number; -1
	// where nobody knows.
	behind(stream, shard, after string) int64
}

// openStore makes the store.
func (c *cloud) openStore(ctx context.Context, injector bench.Injector, observer bench.Observer) error {
	table := ItemsTable(c.cfg.Stack.Run)
	if c.cfg.Outside == "" {
		engine, err := c.openEngine(ctx)
		if err != nil {
			return err
		}
		c.engine = engine
		c.store = embedded{engine: engine, Handler: dynamo.NewServer(dynamo.ServerOptions{
			Engine: engine, Clock: c.time, Injector: injector, Observer: observer, ItemsTable: table, Wrote: c.wrote,
		})}
		return nil
	}
	e, err := sdk.OpenDynamoDB(ctx, c.cfg.Outside, "", "", nil)
	if err != nil {
		return err
	}
	p := &proxy{
		DynamoDB: e, transport: outsideTransport(), signer: v4.NewSigner(), clock: c.clock,
		injector: injector, items: table, wrote: c.wrote,
	}
	if c.cfg.StreamARN != "" {
		p.tail = newTail(e.Reader(), c.cfg.StreamARN, c.watch, c.clock)
		following, stop := context.WithCancel(ctx)
		done := make(chan struct{})
		go func() { defer close(done); p.tail.follow(following) }()
		c.onStop(func() error { stop(); <-done; return nil })
	}
	c.store = p
	return nil
}

// embedded is the engine of our own, which knows its streams' ends.
type embedded struct {
	http.Handler
	engine *dynamo.Engine
}

func (e embedded) position(stream string) ([]dynamo.ShardEnd, int, int) {
	return e.engine.StreamEnds(stream), 0, 0
}

func (e embedded) look(_ context.Context, stream string) ([]dynamo.ShardEnd, error) {
	return e.engine.StreamEnds(stream), nil
}

func (e embedded) behind(stream, shard, after string) int64 {
	return e.engine.StreamBehind(stream, shard, after)
}

// createTables makes the run's tables, and the stream where one is wanted, or
// finds those of the stack that was here before. After an error it says which
// were made nevertheless.
func createTables(ctx context.Context, db *dynamodb.Client, stack bench.Stack) (made []string, streamARN string, err error) {
	in := dynamodb.CreateTableInput{
		BillingMode:          types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: types.KeyTypeHash}},
	}
	results := in
	results.TableName = aws.String(ResultsTable(stack.Run))
	if !stack.OneTable {
		if _, err := createTable(ctx, db, &results, stack.Data != ""); err != nil {
			return nil, "", fmt.Errorf("create the results table: %w", err)
		}
		made = append(made, *results.TableName)
	}
	in.TableName = aws.String(ItemsTable(stack.Run))
	if stack.Architecture == bench.Streams {
		in.StreamSpecification = &types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewType(stack.ViewType)}
	}
	if streamARN, err = createTable(ctx, db, &in, stack.Data != ""); err != nil {
		return made, "", fmt.Errorf("create the items table: %w", err)
	}
	made = append(made, *in.TableName)
	if stack.TimeToLive != "" {
		ttl := &types.TimeToLiveSpecification{AttributeName: &stack.TimeToLive, Enabled: aws.Bool(true)}
		if _, err := db.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{TableName: in.TableName, TimeToLiveSpecification: ttl}); err != nil {
			return made, "", fmt.Errorf("set the time to live: %w", err)
		}
	}
	return made, streamARN, nil
}
