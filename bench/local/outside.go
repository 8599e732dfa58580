package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	streamtypes "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
	"github.com/aws/smithy-go"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/sdk"
)

// Outside names a DynamoDB that is not the embedded one.
type Outside struct {
	URL string // empty: the embedded one is meant
	Yes bool   // it may be on a host that is not this one
}

const (
	// answerTimeout is how long an outside DynamoDB may take for its first answer.
	answerTimeout = 10 * time.Second
	// lookAgain lies between two looks at a table or stream that is being made.
	lookAgain = 100 * time.Millisecond
	// deleteTimeout bounds the deletion of the run's tables.
	deleteTimeout = 30 * time.Second
)

// Check says what keeps ackproof from using the endpoint, before anybody has
// called it.
func (o Outside) Check() error {
	if o.URL == "" {
		return nil
	}
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return fmt.Errorf("--dynamodb %s: want scheme, host and port alone, such as http://127.0.0.1:8000", o.URL)
	}
	if !o.Yes && !sdk.OnThisHost(u) {
		return fmt.Errorf("--dynamodb %s: %s is not this machine; tables would be made there and load fired at it, which may cost money: say --yes if that is meant", o.URL, u.Hostname())
	}
	return nil
}

// lacks says what an outside DynamoDB cannot do of a stack.
func (o Outside) lacks(stack bench.Stack, newFaults NewFaults) (lacks []string) {
	lack := func(format string, args ...any) {
		lacks = append(lacks, fmt.Sprintf("--dynamodb "+o.URL+": "+format, args...))
	}
	if err := o.Check(); err != nil {
		lacks = append(lacks, err.Error())
	}
	switch {
	case stack.Scratch:
		lack("table.durable asks for the log of the embedded DynamoDB; leave it out")
	case stack.Data != "":
		lack("--data is the log of the embedded DynamoDB; leave one of the two out")
	}
	if stack.OneTable {
		lack("with table.oneTable the processor's own writes could not be told from the API's in its stream; leave it out")
	}
	if stack.TimeToLive != "" {
		lack("when it removes items by time to live is not known; leave table.timeToLive out")
	}
	faults, err := newFaults(stack.Seed, stack.Faults)
	for i := 0; err == nil && i < len(stack.Faults); i++ {
		switch faults.Place(i) {
		case bench.PlaceClock:
			lack("its clock cannot be moved; leave the fault %q out", stack.Faults[i])
		case bench.PlaceCloud: // the gateway is ackproof's own
			lack("it is not ackproof's to kill; leave the fault %q out", stack.Faults[i])
		case bench.PlaceStream:
			lack("its stream is needed to the end, to see that all of it was read; leave the fault %q out", stack.Faults[i])
		}
	}
	return lacks
}

// lent is what a run has taken of an outside DynamoDB. It belongs to the
// target, not to the cloud, so that the tables are deleted also when the cloud
// was killed.
type lent struct {
	sdk.DynamoDB
	streamARN string
	made      []string // tables, and no others are ever deleted
}

// borrow makes the run's tables at an endpoint and waits until they, and the
// stream, can be used. After an error nothing is left there.
func borrow(ctx context.Context, target string, stack bench.Stack) (*lent, error) {
	e, err := sdk.OpenDynamoDB(ctx, target, "", "", nil)
	if err != nil {
		return nil, err
	}
	l := &lent{DynamoDB: e}
	if err := l.make(ctx, stack); err != nil {
		return nil, errors.Join(fmt.Errorf("--dynamodb %s: %w", target, err), l.giveBack())
	}
	return l, nil
}

func (l *lent) make(ctx context.Context, stack bench.Stack) (err error) {
	first, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	if l.made, l.streamARN, err = createTables(first, l.DB(), stack); err != nil {
		return explain(err)
	}
	for _, table := range l.made {
		err := l.poll(ctx, "table "+table+" is active", func() (bool, error) {
			out, err := l.DB().DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &table})
			return err == nil && out.Table != nil && out.Table.TableStatus == types.TableStatusActive, err
		})
		if err != nil {
			return err
		}
	}
	if stack.Architecture != bench.Streams {
		return nil
	}
	if l.streamARN == "" {
		return errors.New("it has no DynamoDB Streams: the table was made without one; use an engine that has them, or --architecture sync")
	}
	return l.poll(ctx, "the stream is enabled", func() (bool, error) {
		out, err := l.Reader().DescribeStream(ctx, &dynamodbstreams.DescribeStreamInput{StreamArn: &l.streamARN})
		if _, early := errors.AsType[*streamtypes.ResourceNotFoundException](err); early {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("its DynamoDB Streams cannot be read: %w; use an engine that has them, or --architecture sync", err)
		}
		d := out.StreamDescription
		return d != nil && d.StreamStatus == streamtypes.StreamStatusEnabled && len(d.Shards) > 0, nil
	})
}

// poll asks until it is so, an error comes, or ctx ends.
func (l *lent) poll(ctx context.Context, what string, is func() (bool, error)) error {
	for {
		ok, err := is()
		if ok || err != nil {
			return err
		}
		if !clock.Wait(lookAgain, ctx.Done()) {
			return fmt.Errorf("wait until %s: %w", what, ctx.Err())
		}
	}
}

// giveBack deletes the tables that were made. It may be called twice.
func (l *lent) giveBack() error {
	ctx, cancel := context.WithTimeout(context.Background(), deleteTimeout)
	defer cancel()
	var errs []error
	for _, table := range l.made {
		_, err := l.DB().DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: &table})
		if _, gone := errors.AsType[*types.ResourceNotFoundException](err); err != nil && !gone {
			errs = append(errs, fmt.Errorf("delete table %s at %s: %w; if it is still there it is yours to delete", table, l.Tables, err))
		}
	}
	l.made = nil
	return errors.Join(errs...)
}

// explain says what a failed first call means for whoever typed the URL.
func explain(err error) error {
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return fmt.Errorf("nobody answers there: %w; start the engine, or correct the URL", err)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %v: %w; is that a DynamoDB endpoint?", answerTimeout, err)
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok && api.ErrorCode() != "UnknownError" {
		return err // it speaks the protocol, and says itself what is wrong
	}
	return fmt.Errorf("what answers there is no DynamoDB: %w; correct the URL", err)
}

// outsideTransport keeps a connection for each call under way, and leaves
// bodies as they are, so that checksums over them still hold.
func outsideTransport() *http.Transport {
	return &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		MaxIdleConnsPerHost: 1024,
		IdleConnTimeout:     90 * time.Second,
		DisableCompression:  true,
	}
}
