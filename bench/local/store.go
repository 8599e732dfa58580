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
)

// store is DynamoDB as the cloud serves it: the embedded engine, or a proxy
// before one outside. Both ask the injector about the items table and tell the
// cloud of each write before it is answered.
type store interface {
	http.Handler
	// position gives the newest record of each shard of the items table's
	// stream, how many writes the stream has not shown yet, and how many
	// requests that write are under way beside those that others count.
	position() (ends []dynamo.ShardEnd, unseen, writing int)
	// look gives the newest records as they are at this moment.
	look(context.Context) ([]dynamo.ShardEnd, error)
}

// openStore makes the store.
func (c *cloud) openStore(ctx context.Context, injector bench.Injector) error {
	stack, table := c.cfg.Stack, ItemsTable(c.cfg.Stack.Run)
	if c.cfg.Outside == "" {
		engine := dynamo.New(dynamo.Options{Region: Region, Shards: stack.Shards, Seed: stack.Seed})
		c.store = embedded{engine: engine, table: table, Handler: dynamo.NewServer(dynamo.ServerOptions{
			Engine: engine, Clock: c.clock, Injector: injector, Observer: c.watch, ItemsTable: table, Wrote: c.wrote,
		})}
		return nil
	}
	e, err := dial(ctx, c.cfg.Outside)
	if err != nil {
		return err
	}
	p := &proxy{
		endpoint: e, transport: outsideTransport(), signer: v4.NewSigner(), clock: c.clock,
		injector: injector, items: table, wrote: c.wrote,
	}
	if c.cfg.StreamARN != "" {
		p.tail = newTail(e.reader(), c.cfg.StreamARN, c.watch, c.clock)
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
	table  string
}

func (e embedded) position() ([]dynamo.ShardEnd, int, int) { return e.engine.Ends(e.table), 0, 0 }

func (e embedded) look(context.Context) ([]dynamo.ShardEnd, error) {
	return e.engine.Ends(e.table), nil
}

// createTables makes the run's two tables, and the stream where one is wanted.
// After an error it says which were made nevertheless.
func createTables(ctx context.Context, db *dynamodb.Client, stack bench.Stack) (made []string, streamARN string, err error) {
	in := dynamodb.CreateTableInput{
		BillingMode:          types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: types.KeyTypeHash}},
	}
	results := in
	results.TableName = aws.String(ResultsTable(stack.Run))
	if _, err := db.CreateTable(ctx, &results); err != nil {
		return nil, "", fmt.Errorf("create the results table: %w", err)
	}
	made = append(made, *results.TableName)
	in.TableName = aws.String(ItemsTable(stack.Run))
	if stack.Architecture == bench.Streams {
		in.StreamSpecification = &types.StreamSpecification{StreamEnabled: aws.Bool(true), StreamViewType: types.StreamViewType(stack.ViewType)}
	}
	out, err := db.CreateTable(ctx, &in)
	if err != nil {
		return made, "", fmt.Errorf("create the items table: %w", err)
	}
	return append(made, *in.TableName), aws.ToString(out.TableDescription.LatestStreamArn), nil
}
