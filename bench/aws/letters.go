package aws

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/ackproof/ackproof/bench"
)

const (
	// mostMessages is as many as one call may ask for or name.
	mostMessages = 10
	// longPoll makes a call ask all servers of the queue. A short one asks some of
	// them, and finds what those hold.
	// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html
	longPoll = 2 // seconds
	// unseen is how long others do not see what was received, if nobody gives it back.
	unseen = 600 // seconds
	// emptyPolls in a row say that a queue gives no more, and queueLooks bounds how often
	// it is held against what it counts: SQS's counts settle within a minute.
	// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html
	emptyPolls = 2
	queueLooks = 20
	// maxLetter bounds one object: an event has 6 MB at most, and its text as a JSON
	// string may be longer.
	maxLetter = 64 << 20
)

// Letters opens an on-failure destination: a queue, by URL or name, or else a bucket.
func (a *Account) Letters(ctx context.Context, queue, bucket string) (bench.LetterBox, error) {
	if queue != "" {
		return a.openQueue(ctx, queue)
	}
	return &letterBucket{objects: a.objects, name: bucket, seen: map[string]bool{}}, a.SeeBucket(ctx, bucket)
}

// queueAPI is the part of SQS that reads.
type queueAPI interface {
	ReceiveMessage(context.Context, *sqs.ReceiveMessageInput, ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error)
	GetQueueAttributes(context.Context, *sqs.GetQueueAttributesInput, ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error)
	ChangeMessageVisibilityBatch(context.Context, *sqs.ChangeMessageVisibilityBatchInput, ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityBatchOutput, error)
}

// letterQueue reads the messages of a queue and leaves them there. Whoever receives a
// message holds it for a while, so that nobody else sees it; it is given back when the
// queue is closed, or comes back by itself.
type letterQueue struct {
	api  queueAPI
	url  string
	held map[string]string // receipt handles by message id, of all that were ever received
}

func (a *Account) openQueue(ctx context.Context, queue string) (*letterQueue, error) {
	q := &letterQueue{api: a.queues, url: queue, held: map[string]string{}}
	if u, err := url.Parse(queue); err != nil || u.Scheme == "" {
		out, err := a.queues.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &queue})
		if err != nil {
			return nil, fmt.Errorf("%w; name a queue of %s", err, a)
		}
		q.url = aws.ToString(out.QueueUrl)
	}
	attributes, err := q.attributes(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w; it takes the permissions sqs:GetQueueAttributes, ReceiveMessage and ChangeMessageVisibility", err)
	}
	if policy := attributes[string(types.QueueAttributeNameRedrivePolicy)]; policy != "" {
		return nil, fmt.Errorf("it has a redrive policy (%s): each look at a message counts as a receive, and would drive it on; take the policy away, or name a queue without", policy)
	}
	return q, nil
}

func (q *letterQueue) attributes(ctx context.Context) (map[string]string, error) {
	out, err := q.api.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &q.url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
	if err != nil {
		return nil, err
	}
	return out.Attributes, nil
}

// Letters receives until the queue gives nothing more and counts no more than was
// received. SQS promises neither to be the truth; a count that stays above it says
// that somebody else holds messages, or takes them, and is an error.
func (q *letterQueue) Letters(ctx context.Context, since time.Time, each func(bench.Letter) error) error {
	for look := 1; ; look++ {
		for empty := 0; empty < emptyPolls; empty++ {
			n, err := q.receive(ctx, since, each)
			if err != nil {
				return err
			}
			if n > 0 {
				empty = -1
			}
		}
		attributes, err := q.attributes(ctx)
		if err != nil {
			return err
		}
		count := func(name types.QueueAttributeName) int {
			n, _ := strconv.Atoi(attributes[string(name)]) // it does not say: none
			return n
		}
		waiting := count(types.QueueAttributeNameApproximateNumberOfMessages) + count(types.QueueAttributeNameApproximateNumberOfMessagesDelayed)
		hidden := count(types.QueueAttributeNameApproximateNumberOfMessagesNotVisible)
		if waiting == 0 && hidden <= len(q.held) {
			return nil
		}
		if look == queueLooks {
			return fmt.Errorf("it counts %d messages that wait and %d that somebody has received, and gave %d: does somebody else receive from it? Stop that, and judge by a queue of which this run is the only reader", waiting, hidden, len(q.held))
		}
	}
}

// receive asks once, and counts what is new.
func (q *letterQueue) receive(ctx context.Context, since time.Time, each func(bench.Letter) error) (fresh int, err error) {
	out, err := q.api.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &q.url, MaxNumberOfMessages: mostMessages, WaitTimeSeconds: longPoll, VisibilityTimeout: unseen,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameSentTimestamp},
	})
	if err != nil {
		return 0, err
	}
	for _, m := range out.Messages {
		id := aws.ToString(m.MessageId)
		_, known := q.held[id]
		q.held[id] = aws.ToString(m.ReceiptHandle)
		if known { // a queue may give a message twice
			continue
		}
		fresh++
		at := sentAt(m)
		if at.Before(since) {
			continue
		}
		if err := each(bench.Letter{At: at, Body: []byte(aws.ToString(m.Body))}); err != nil {
			return fresh, err
		}
	}
	return fresh, nil
}

// sentAt is when a message came. Of one that does not say it is taken to be new.
func sentAt(m types.Message) time.Time {
	ms, err := strconv.ParseInt(m.Attributes[string(types.MessageSystemAttributeNameSentTimestamp)], 10, 64)
	if err != nil {
		return time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return time.UnixMilli(ms)
}

// Close gives all messages back at once. Those that came back by themselves are no
// error.
func (q *letterQueue) Close(ctx context.Context) error {
	var errs []error
	for some := range slices.Chunk(slices.Collect(maps.Values(q.held)), mostMessages) {
		in := &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &q.url}
		for i, handle := range some {
			in.Entries = append(in.Entries, types.ChangeMessageVisibilityBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: aws.String(handle), VisibilityTimeout: 0})
		}
		if _, err := q.api.ChangeMessageVisibilityBatch(ctx, in); err != nil {
			errs = append(errs, fmt.Errorf("give messages back to %s: %w; they come back by themselves within %d minutes", q.url, err, unseen/60))
			break
		}
	}
	clear(q.held)
	return errors.Join(errs...)
}

// bucketAPI is the part of S3 that reads.
type bucketAPI interface {
	s3.ListObjectsV2APIClient
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
}

// letterBucket reads the objects that Lambda puts into a bucket:
//
//	aws/lambda/<mapping's UUID>/<shard>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<UUID>
//	aws/lambda/async/<function>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<UUID>
//
// https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html and
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
type letterBucket struct {
	objects bucketAPI
	name    string
	seen    map[string]bool
}

const lettersRoot = "aws/lambda/"

// Letters lists what came since a moment, of every mapping and function. S3 lists
// what is there: nothing that came before is left out.
func (b *letterBucket) Letters(ctx context.Context, since time.Time, each func(bench.Letter) error) error {
	sources, err := b.below(ctx, lettersRoot)
	if err != nil {
		return err
	}
	for _, source := range sources {
		shards, err := b.below(ctx, source)
		if err != nil {
			return err
		}
		for _, shard := range shards {
			if err := b.list(ctx, shard, since, each); err != nil {
				return err
			}
		}
	}
	return nil
}

// below lists the folders in one.
func (b *letterBucket) below(ctx context.Context, prefix string) ([]string, error) {
	var all []string
	pages := s3.NewListObjectsV2Paginator(b.objects, &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: &prefix, Delimiter: aws.String("/")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list s3://%s/%s: %w; it takes the permissions s3:ListBucket and s3:GetObject", b.name, prefix, err)
		}
		for _, p := range page.CommonPrefixes {
			all = append(all, aws.ToString(p.Prefix))
		}
	}
	return all, nil
}

// list reads the letters in a folder whose names begin with the day.
func (b *letterBucket) list(ctx context.Context, folder string, since time.Time, each func(bench.Letter) error) error {
	pages := s3.NewListObjectsV2Paginator(b.objects, &s3.ListObjectsV2Input{
		Bucket: &b.name, Prefix: &folder, StartAfter: aws.String(folder + since.UTC().Format("2006/01/02/2006-01-02T15.04.05")),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list s3://%s/%s: %w", b.name, folder, err)
		}
		for _, object := range page.Contents {
			key := aws.ToString(object.Key)
			if b.seen[key] || strings.HasSuffix(key, "/") {
				continue
			}
			body, err := b.body(ctx, key)
			if err == nil {
				b.seen[key] = true
				err = each(bench.Letter{At: aws.ToTime(object.LastModified), Body: body})
			}
			if err != nil {
				return fmt.Errorf("s3://%s/%s: %w", b.name, key, err)
			}
		}
	}
	return nil
}

func (b *letterBucket) body(ctx context.Context, key string) ([]byte, error) {
	out, err := b.objects.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.name, Key: &key})
	if err != nil {
		return nil, err
	}
	defer out.Body.Close()
	body, err := io.ReadAll(io.LimitReader(out.Body, maxLetter+1))
	if err == nil && len(body) > maxLetter {
		err = fmt.Errorf("it has more than %d bytes", maxLetter)
	}
	return body, err
}

// Close has nothing to give back.
func (b *letterBucket) Close(context.Context) error { return nil }

// SeeBucket makes sure that there is a bucket, and in the account's region. Whoever
// may not look is let pass: reading needs less.
func (a *Account) SeeBucket(ctx context.Context, bucket string) error {
	_, err := a.objects.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &bucket})
	refused, ok := errors.AsType[smithy.APIError](err)
	switch {
	case err == nil || ok && (refused.ErrorCode() == "Forbidden" || refused.ErrorCode() == "AccessDenied"):
		return nil
	case ok && refused.ErrorCode() == "NotFound":
		return fmt.Errorf("there is no bucket %s; make it with 'aws s3 mb s3://%s --region %s'", bucket, bucket, a.Region)
	case ok && (refused.ErrorCode() == "MovedPermanently" || refused.ErrorCode() == "PermanentRedirect"):
		return fmt.Errorf("bucket %s is not in %s: name one that is", bucket, a.Region)
	}
	return fmt.Errorf("bucket %s: %w", bucket, err)
}
