package run

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/sdk"
	"github.com/ackproof/ackproof/scenarios"
)

const (
	readSegments = 4 // parts of a table that are read at once
	pageAttempts = 6 // for one page; a read may be repeated, it changes nothing
	pageTimeout  = 10 * time.Second
	firstBackOff = 50 * time.Millisecond // before a page is asked for again, doubling
	lastBackOff  = 5 * time.Second

	// maxKeys is how many keys a BatchGetItem may name:
	// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
	maxKeys = 100
)

// tableAPI is the part of DynamoDB that reads.
type tableAPI interface {
	Scan(context.Context, *dynamodb.ScanInput, ...func(*dynamodb.Options)) (*dynamodb.ScanOutput, error)
	BatchGetItem(context.Context, *dynamodb.BatchGetItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error)
}

// reader reads the run's tables through the public DynamoDB API, with consistent
// reads: by Scan, or by BatchGetItem of the ids of the plan.
type reader struct {
	db        tableAPI
	endpoints bench.Endpoints
	items     source
	effects   source
	plan      *scenarios.Plan
	by        string // scenarios.ReadScan, ReadGet, or ReadExport: then all but the final reads is by get
	budget    *budget

	exports     exportAPI
	clock       clock.Clock
	bothExports bool // both final reads came through
}

func newReader(ctx context.Context, e bench.Endpoints, plan *scenarios.Plan, settings scenarios.Read, c clock.Clock, dialer bench.Dialer) (*reader, error) {
	d, err := openDynamoDB(ctx, e, dialer)
	if err != nil {
		return nil, err
	}
	items, effects := sources(e)
	// A page is tried again here, also where its body broke off.
	db := d.DB()
	return &reader{db: db, exports: db, clock: c, endpoints: e, items: items, effects: effects, plan: plan, by: settings.By, budget: newBudget(settings.Capacity, c)}, nil
}

// byKey reports whether the tables are asked for the run's own ids.
func (r *reader) byKey() bool { return r.by != scenarios.ReadScan }

// openDynamoDB is how the run's tables and their stream are called.
func openDynamoDB(ctx context.Context, e bench.Endpoints, dialer bench.Dialer) (sdk.DynamoDB, error) {
	var dial sdk.Dial
	if dialer != nil {
		dial = dialer.DialContext
	}
	return sdk.OpenDynamoDB(ctx, e.DynamoDB, e.Region, e.Profile, dial)
}

// oneTable reports whether effects are written onto the items.
func (r *reader) oneTable() bool { return r.effects.table != "" && r.effects.table == r.items.table }

type attributes = map[string]types.AttributeValue

// rows calls each for every item of a table, or for those of the plan's ids, one
// at a time. Of no table there are none.
func (r *reader) rows(ctx context.Context, from source, each func(attributes) error) error {
	var mu sync.Mutex
	one := func(items []attributes) error {
		mu.Lock()
		defer mu.Unlock()
		for _, item := range items {
			if err := each(item); err != nil { // the disk is full: so it is for the next one
				return err
			}
		}
		return nil
	}
	if from.table == "" {
		return nil
	}
	if r.byKey() {
		return r.get(ctx, from, 0, r.rowKeys(from), r.rowKey, one)
	}
	return r.scan(ctx, from.table, one)
}

// scan reads a whole table in parallel segments.
func (r *reader) scan(ctx context.Context, table string, page func([]attributes) error) error {
	group, ctx := errgroup.WithContext(ctx)
	for segment := range int32(readSegments) {
		group.Go(func() error {
			in := &dynamodb.ScanInput{
				TableName: &table, ConsistentRead: aws.Bool(true), ReturnConsumedCapacity: r.budget.wants(),
				Segment: aws.Int32(segment), TotalSegments: aws.Int32(readSegments),
			}
			for {
				var out *dynamodb.ScanOutput
				err := r.ask(ctx, func(ctx context.Context, items int) (spending, error) {
					if items > 0 {
						in.Limit = aws.Int32(int32(items))
					}
					var err error
					if out, err = r.db.Scan(ctx, in); err != nil {
						return spending{}, err
					}
					return costOf(int(out.ScannedCount), out.ConsumedCapacity), nil
				})
				if err == nil {
					err = page(out.Items)
				}
				if err != nil {
					return fmt.Errorf("scan %s, segment %d: %w", table, segment, err)
				}
				if len(out.LastEvaluatedKey) == 0 {
					return nil
				}
				in.ExclusiveStartKey = out.LastEvaluatedKey
			}
		})
	}
	return group.Wait()
}

// get reads the rows from first to before end, of which key gives the keys.
func (r *reader) get(ctx context.Context, in source, first, end uint64, key func(in source, n uint64) attributes, page func([]attributes) error) error {
	group, ctx := errgroup.WithContext(ctx)
	var mu sync.Mutex
	take := func() (from, to uint64) {
		mu.Lock()
		defer mu.Unlock()
		from = first
		first = min(end, first+maxKeys)
		return from, first
	}
	for range readSegments {
		group.Go(func() error {
			for {
				from, to := take()
				if from == to {
					return nil
				}
				keys := make([]attributes, 0, maxKeys)
				for n := from; n < to; n++ {
					keys = append(keys, key(in, n))
				}
				if err := r.getKeys(ctx, in.table, keys, page); err != nil {
					return fmt.Errorf("get rows %d to %d from %s: %w", from, to-1, in.table, err)
				}
			}
		})
	}
	return group.Wait()
}

// key is the key of a request's own row.
func (r *reader) key(in source, seq uint64) attributes { return in.key(r.plan.ID(seq).String()) }

// rowKeys is how many rows a table can have of the plan: one for each key that requests
// share, and one for each request where it has an item or an effect of its own.
func (r *reader) rowKeys(in source) uint64 {
	n := r.plan.Keys()
	if n == 0 || in.table == r.effects.table && !perKey(r.endpoints) {
		n += uint64(r.plan.Len())
	}
	return n
}

// rowKey is the key of the n-th of them.
func (r *reader) rowKey(in source, n uint64) attributes {
	if keys := r.plan.Keys(); n >= keys {
		return r.key(in, n-keys)
	}
	return in.key(r.plan.SharedKey(n))
}

// getKeys reads the items of some keys. What DynamoDB leaves unprocessed it is
// asked for again, later each time that it gives nothing at all.
func (r *reader) getKeys(ctx context.Context, table string, keys []attributes, page func([]attributes) error) error {
	for idle := 0; len(keys) > 0; {
		var out *dynamodb.BatchGetItemOutput
		asked := 0
		err := r.ask(ctx, func(ctx context.Context, items int) (spending, error) {
			if asked = len(keys); items > 0 {
				asked = min(asked, items)
			}
			var err error
			out, err = r.db.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{
				ReturnConsumedCapacity: r.budget.wants(),
				RequestItems:           map[string]types.KeysAndAttributes{table: {ConsistentRead: aws.Bool(true), Keys: keys[:asked]}},
			})
			if err != nil {
				return spending{}, err
			}
			var used *types.ConsumedCapacity
			if len(out.ConsumedCapacity) > 0 {
				used = &out.ConsumedCapacity[0]
			}
			return costOf(asked-len(out.UnprocessedKeys[table].Keys), used), nil
		})
		if err == nil {
			err = page(out.Responses[table])
		}
		if err != nil {
			return err
		}
		left := out.UnprocessedKeys[table].Keys
		if idle++; len(left) < asked {
			idle = 0
		}
		if idle == pageAttempts {
			return fmt.Errorf("%d keys were left unprocessed %d times", len(left), pageAttempts)
		}
		keys = append(left, keys[asked:]...)
		if idle > 0 && !clock.Wait(backOff(idle), ctx.Done()) {
			return ctx.Err()
		}
	}
	return nil
}

// ask reads one page within the budget. One that failed is asked for again, from
// the same key: nothing of a failed page has been handed on.
func (r *reader) ask(ctx context.Context, page func(ctx context.Context, items int) (spending, error)) error {
	var errs []error
	for attempt := 1; ; attempt++ {
		err := r.budget.spend(ctx, func(items int) (spending, error) {
			ctx, cancel := context.WithTimeout(ctx, pageTimeout)
			defer cancel()
			return page(ctx, items)
		})
		if err == nil {
			return nil
		}
		if errs = append(errs, err); errors.Is(err, errNoCost) || attempt == pageAttempts || !clock.Wait(backOff(attempt), ctx.Done()) {
			return errors.Join(errs...)
		}
	}
}

// backOff is how long to wait after the n-th failure in a row.
func backOff(n int) time.Duration { return min(firstBackOff<<(n-1), lastBackOff) }
