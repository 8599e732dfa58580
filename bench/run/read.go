package run

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/ledger"
	"github.com/ackproof/ackproof/bench/sdk"
)

const (
	scanSegments = 4 // parts of a table that are read at once
	pageAttempts = 5 // for one page; a read may be repeated, it changes nothing
	pageTimeout  = 10 * time.Second
)

// reader reads the run's tables through the public DynamoDB API.
type reader struct {
	db        *dynamodb.Client
	run       bench.RunID
	endpoints bench.Endpoints
}

func newReader(e bench.Endpoints, run bench.RunID, dialer bench.Dialer) *reader {
	var dial func(context.Context, string, string) (net.Conn, error)
	if dialer != nil {
		dial = dialer.DialContext
	}
	return &reader{run: run, endpoints: e, db: dynamodb.New(dynamodb.Options{
		Region:       e.Region,
		BaseEndpoint: aws.String(e.DynamoDB),
		Credentials:  credentials.NewStaticCredentialsProvider("ackproof", "local", ""),
		Retryer:      aws.NopRetryer{}, // a page is tried again here, also where its body broke off
		HTTPClient:   sdk.HTTPClient(dial),
	})}
}

type attributes = map[string]types.AttributeValue

// scan reads a whole table with consistent reads, in parallel segments. each is
// called for one item at a time.
func (r *reader) scan(ctx context.Context, table string, each func(attributes) error) error {
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	for segment := range int32(scanSegments) {
		group.Go(func() error {
			in := &dynamodb.ScanInput{
				TableName: &table, ConsistentRead: aws.Bool(true),
				Segment: aws.Int32(segment), TotalSegments: aws.Int32(scanSegments),
			}
			for {
				out, err := r.page(ctx, in)
				if err != nil {
					return fmt.Errorf("scan %s, segment %d: %w", table, segment, err)
				}
				mu.Lock()
				for _, item := range out.Items {
					err = errors.Join(err, each(item))
				}
				mu.Unlock()
				if err != nil || len(out.LastEvaluatedKey) == 0 {
					return err
				}
				in.ExclusiveStartKey = out.LastEvaluatedKey
			}
		})
	}
	return group.Wait()
}

// page reads one page. One that failed is asked for again, from the same key:
// nothing of a failed page has been handed on.
func (r *reader) page(ctx context.Context, in *dynamodb.ScanInput) (*dynamodb.ScanOutput, error) {
	var errs []error
	for range pageAttempts {
		try, cancel := context.WithTimeout(ctx, pageTimeout)
		out, err := r.db.Scan(try, in)
		cancel()
		if err == nil {
			return out, nil
		}
		if errs = append(errs, err); ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(errs...)
}

// seeCleanStart makes sure, before the first request, that both tables are
// empty: whatever is in them later is this run's doing.
func (r *Run) seeCleanStart(ctx context.Context, rd *reader) error {
	var c cleanStart
	count := func(n *int64) func(attributes) error { return func(attributes) error { *n++; return nil } }
	err := errors.Join(
		rd.scan(ctx, rd.endpoints.ItemsTable, count(&c.Items)),
		rd.scan(ctx, rd.endpoints.ResultsTable, count(&c.Effects)),
	)
	if err != nil {
		return err
	}
	r.evidence(evidenceCleanStart, c)
	return nil
}

// read makes the two final reads, with a rest between them that an interrupt
// cuts short. Both are made even if the first one fails.
func (r *Run) read(ctx, after context.Context, rd *reader) error {
	r.phase("reading")
	first := r.readOnce(after, rd, 1)
	wait(ctx, restBetweenReads)
	return errors.Join(first, r.readOnce(after, rd, 2))
}

// readOnce makes one final read. What is read is kept whatever happens; the
// read counts as complete only if all of it came through.
func (r *Run) readOnce(ctx context.Context, rd *reader, n int) error {
	w, err := ledger.CreateRead(readDir(r.dir, n), ledger.ReadHeader{Run: r.id, Number: n, Begun: r.opts.Clock.Now()})
	if err != nil {
		return err
	}
	defer w.Close()
	letters, err := r.opts.Target.DeadLetters(ctx)
	// Effects first: an item that comes between the two scans is then no effect
	// without an item.
	errs := []error{err, rd.effects(ctx, w), rd.items(ctx, w)}
	for _, l := range letters {
		errs = append(errs, w.DeadLetter(l))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("final read %d: %w", n, err)
	}
	return w.Finish()
}

// rows reads one table. A row whose key is no id of this run is foreign.
func (r *reader) rows(ctx context.Context, w *ledger.ReadWriter, table string, kind ledger.Table, row func(uint64, attributes) error) error {
	return r.scan(ctx, table, func(item attributes) error {
		key := text(item["id"])
		id, err := bench.ParseKey(key)
		if err != nil || id.Run != r.run || id.Agent != 0 {
			return w.Foreign(kind, key)
		}
		return row(id.Seq, item)
	})
}

func (r *reader) items(ctx context.Context, w *ledger.ReadWriter) error {
	return r.rows(ctx, w, r.endpoints.ItemsTable, ledger.Items, func(seq uint64, item attributes) error {
		payload, ok := item["payload"].(*types.AttributeValueMemberS)
		it := bench.Item{Seq: seq, HasDigest: ok}
		if ok {
			it.Digest = bench.DigestOf([]byte(payload.Value))
		}
		return w.Item(it)
	})
}

func (r *reader) effects(ctx context.Context, w *ledger.ReadWriter) error {
	return r.rows(ctx, w, r.endpoints.ResultsTable, ledger.Effects, func(seq uint64, item attributes) error {
		if r.endpoints.ResultsTable == r.endpoints.ItemsTable && item["processedAt"] == nil {
			return nil // one table for both: an item without an effect yet
		}
		e := bench.Effect{Seq: seq, Count: -1}
		if n, err := strconv.ParseInt(number(item["count"]), 10, 64); err == nil {
			e.Count = n
		}
		if s, err := bench.ParseSequence(number(item["sequence"])); err == nil {
			e.Sequence = s
		}
		if d, err := bench.ParseDigest(text(item["digest"])); err == nil {
			e.Digest, e.HasDigest = d, true
		}
		if at, err := strconv.ParseInt(number(item["processedAt"]), 10, 64); err == nil {
			e.At = time.UnixMilli(at)
		}
		return w.Effect(e)
	})
}

func text(v types.AttributeValue) string {
	if s, ok := v.(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}

func number(v types.AttributeValue) string {
	if n, ok := v.(*types.AttributeValueMemberN); ok {
		return n.Value
	}
	return ""
}
