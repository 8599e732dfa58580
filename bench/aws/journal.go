package aws

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
)

// openSchema is that of the journal's objects.
const openSchema = "ackproof.open-fault/v1"

// OpenFault is a fault that is, or may be, in force on AWS. Each is an object in the
// bucket of the account, below the stack's name, written before the lever is pulled
// and deleted when the undoing is confirmed: whoever may undo it, from wherever, finds
// there how.
type OpenFault struct {
	Schema string          `json:"schema"`
	Stack  string          `json:"stack"`
	Run    bench.RunID     `json:"run"`
	Fault  int             `json:"fault"` // index among the run's
	Text   string          `json:"text"`
	Host   string          `json:"host"`  // of the ackproof that has pulled it
	Since  time.Time       `json:"since"` // UTC
	Lever  string          `json:"lever"`
	State  json.RawMessage `json:"state"` // what was before, by lever
}

// openPrefix is where the journal of a stack is.
func openPrefix(stack string) string { return stack + "/open-faults/" }

func (o *OpenFault) key() string {
	return fmt.Sprintf("%s%s-%d.json", openPrefix(o.Stack), o.Run, o.Fault)
}

// note writes down that a lever is about to be pulled.
func (h *hand) note(ctx context.Context, o OpenFault, l lever) (err error) {
	o.Schema, o.Since = openSchema, h.clock.Now().UTC()
	o.Host, _ = os.Hostname() // for people alone
	if o.Lever, o.State, err = encode(l); err != nil {
		return err
	}
	b, err := json.Marshal(o)
	if err != nil {
		return err
	}
	put := func() error {
		_, err := h.objects.PutObject(ctx, &s3.PutObjectInput{
			Bucket: aws.String(h.codeBucket()), Key: aws.String(o.key()), Body: bytes.NewReader(b), ContentLength: aws.Int64(int64(len(b))), ContentType: aws.String("application/json"),
		})
		return err
	}
	if err = put(); missing(err) { // nothing was deployed here
		if err = h.makeBucket(ctx); err == nil {
			err = put()
		}
	}
	return h.explain(err, fmt.Sprintf("write down that %q is open, in s3://%s", o.Text, h.codeBucket()), "s3:PutObject")
}

// over takes a fault out of the journal.
func (h *hand) over(ctx context.Context, o OpenFault) error {
	bucket := h.codeBucket()
	_, err := h.objects.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: aws.String(o.key())})
	return h.explain(err, fmt.Sprintf("write down that %q is undone, in s3://%s", o.Text, bucket), "s3:DeleteObject")
}

// OpenFaults lists what the journal of a stack has open, the oldest first. One that
// cannot be read is an error beside the others.
func (a *Account) OpenFaults(ctx context.Context, stack string) (open []OpenFault, err error) {
	bucket := a.codeBucket()
	h := &hand{Account: a}
	var errs []error
	pages := s3.NewListObjectsV2Paginator(a.objects, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: aws.String(openPrefix(stack))})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if missing(err) {
			break
		}
		if err != nil {
			return nil, h.explain(err, "read the journal of open faults in s3://"+bucket, "s3:ListBucket")
		}
		for _, object := range page.Contents {
			o, err := a.readOpen(ctx, text(object.Key))
			if err != nil {
				errs = append(errs, h.explain(err, fmt.Sprintf("read s3://%s/%s; see in it what was to be undone, undo that, and delete the object", bucket, text(object.Key)), "s3:GetObject"))
				continue
			}
			open = append(open, o)
		}
	}
	slices.SortStableFunc(open, func(a, b OpenFault) int { return a.Since.Compare(b.Since) })
	return open, errors.Join(errs...)
}

// maxOpen bounds an object of the journal, in bytes.
const maxOpen = 1 << 20

func (a *Account) readOpen(ctx context.Context, key string) (o OpenFault, err error) {
	out, err := a.objects.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(a.codeBucket()), Key: &key})
	if err != nil {
		return o, err
	}
	defer out.Body.Close()
	b, err := io.ReadAll(io.LimitReader(out.Body, maxOpen))
	if err != nil {
		return o, err
	}
	return parseOpen(b)
}

// parseOpen reads one object of the journal, of which every part is needed.
func parseOpen(b []byte) (o OpenFault, err error) {
	if err := json.Unmarshal(b, &o); err != nil {
		return o, err
	}
	if o.Schema != openSchema {
		return o, fmt.Errorf("its schema is %q, and this version of ackproof knows %s", o.Schema, openSchema)
	}
	if o.Stack == "" || !o.Run.Valid() || o.Fault < 0 {
		return o, errors.New("it names no stack, run or fault")
	}
	_, err = decode(o.Lever, o.State)
	return o, err
}

// UndoFaults undoes what the journal of a stack has open, the newest first, and
// returns when each is confirmed. Done is told of each; what cannot be undone stays
// in the journal, and all of that is said at once.
func (a *Account) UndoFaults(ctx context.Context, stack string, done func(OpenFault)) error {
	return (&hand{Account: a, clock: clock.Real{}, poll: lookAgain}).undoAll(ctx, stack, done)
}

func (h *hand) undoAll(ctx context.Context, stack string, done func(OpenFault)) error {
	open, err := h.OpenFaults(ctx, stack)
	errs := []error{err}
	for _, o := range slices.Backward(open) {
		l, err := decode(o.Lever, o.State)
		if err == nil {
			one, cancel := context.WithTimeout(ctx, patience)
			err = h.putBack(one, l)
			cancel()
		}
		if err == nil {
			err = h.over(ctx, o)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("undo %q of run %s: %w", o.Text, o.Run, err))
			continue
		}
		done(o)
	}
	return errors.Join(errs...)
}
