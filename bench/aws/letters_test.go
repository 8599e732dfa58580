package aws

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/ackproof/ackproof/bench"
)

// someQueue is a queue in memory, without time: who has received a message holds it
// until it is given back.
type someQueue struct {
	waiting []types.Message
	mine    map[string]types.Message // by receipt handle
	others  int                      // that somebody else holds
	twice   bool                     // it gives the first message twice
	receipt int
	err     error
}

func (q *someQueue) ReceiveMessage(_ context.Context, in *sqs.ReceiveMessageInput, _ ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error) {
	if in.WaitTimeSeconds == 0 || in.VisibilityTimeout < 60 || in.MaxNumberOfMessages > 10 {
		return nil, fmt.Errorf("asked as %+v: a short poll leaves messages out", in)
	}
	n := min(3, len(q.waiting))
	out := &sqs.ReceiveMessageOutput{}
	for _, m := range q.waiting[:n] {
		q.receipt++
		handle := strconv.Itoa(q.receipt)
		q.mine[handle] = m
		m.ReceiptHandle = &handle
		out.Messages = append(out.Messages, m)
	}
	if q.waiting = q.waiting[n:]; q.twice && n > 0 {
		q.twice = false
		q.waiting = append(q.waiting, out.Messages[0])
	}
	return out, q.err
}

func (q *someQueue) GetQueueAttributes(context.Context, *sqs.GetQueueAttributesInput, ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error) {
	held := map[string]bool{}
	for _, m := range q.mine {
		held[*m.MessageId] = true
	}
	return &sqs.GetQueueAttributesOutput{Attributes: map[string]string{
		"ApproximateNumberOfMessages": strconv.Itoa(len(q.waiting)), "ApproximateNumberOfMessagesNotVisible": strconv.Itoa(len(held) + q.others), "ApproximateNumberOfMessagesDelayed": "0",
	}}, nil
}

func (q *someQueue) ChangeMessageVisibilityBatch(_ context.Context, in *sqs.ChangeMessageVisibilityBatchInput, _ ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityBatchOutput, error) {
	if len(in.Entries) == 0 || len(in.Entries) > 10 {
		return nil, fmt.Errorf("%d entries", len(in.Entries))
	}
	for _, e := range in.Entries {
		if m, held := q.mine[*e.ReceiptHandle]; held && e.VisibilityTimeout == 0 {
			delete(q.mine, *e.ReceiptHandle)
			q.waiting = append(q.waiting, m)
		}
	}
	return &sqs.ChangeMessageVisibilityBatchOutput{}, nil
}

func message(i int, sent time.Time) types.Message {
	return types.Message{MessageId: aws.String(fmt.Sprint("m", i)), Body: aws.String(fmt.Sprint("body ", i)), Attributes: map[string]string{"SentTimestamp": fmt.Sprint(sent.UnixMilli())}}
}

// bodies asks a box once.
func bodies(box bench.LetterBox, since time.Time) (got []string, err error) {
	err = box.Letters(context.Background(), since, func(l bench.Letter) error { got = append(got, string(l.Body)); return nil })
	slices.Sort(got)
	return got, err
}

// TestQueueIsReadWhole: every message, each once, and all of them are given back.
func TestQueueIsReadWhole(t *testing.T) {
	q := &someQueue{mine: map[string]types.Message{}, twice: true}
	for i := range 25 {
		q.waiting = append(q.waiting, message(i, runEnded.Add(time.Duration(i-5)*time.Minute)))
	}
	box := &letterQueue{api: q, url: "q", held: map[string]string{}}
	got, err := bodies(box, runEnded)
	if err != nil || len(got) != 20 || slices.Contains(got, "body 4") || len(slices.Compact(slices.Clone(got))) != 20 {
		t.Errorf("read %q, %v; want bodies 5 to 24, each once", got, err)
	}
	q.waiting = append(q.waiting, message(25, runEnded))
	if got, err = bodies(box, runEnded); err != nil || len(got) != 1 || got[0] != "body 25" {
		t.Errorf("asked again: %q, %v; want what is new", got, err)
	}
	if err := box.Close(t.Context()); err != nil {
		t.Error(err)
	}
	distinct := map[string]bool{}
	for _, m := range q.waiting {
		distinct[*m.MessageId] = true
	}
	if len(distinct) != 26 {
		t.Errorf("%d of 26 messages are back", len(distinct))
	}
}

// TestQueueThatOthersReadToo cannot be read whole, and says so.
func TestQueueThatOthersReadToo(t *testing.T) {
	q := &someQueue{mine: map[string]types.Message{}, waiting: []types.Message{message(1, runEnded)}, others: 2}
	got, err := bodies(&letterQueue{api: q, url: "q", held: map[string]string{}}, runEnded)
	if err == nil || !strings.Contains(err.Error(), "does somebody else receive from it?") || len(got) != 1 {
		t.Errorf("%q, %v", got, err)
	}
	q = &someQueue{err: errors.New("access denied")}
	if _, err := bodies(&letterQueue{api: q, url: "q", held: map[string]string{}}, runEnded); err == nil {
		t.Error("a queue that cannot be read has no letters")
	}
}

// someBucket holds objects in memory.
type someBucket struct {
	objects map[string]string
	etag    string
	breaks  int // reads that end too soon
	gone    bool
	asked   []string // ranges
}

func (b *someBucket) ListObjectsV2(_ context.Context, in *s3.ListObjectsV2Input, _ ...func(*s3.Options)) (*s3.ListObjectsV2Output, error) {
	out := &s3.ListObjectsV2Output{}
	var keys []string
	for key := range b.objects {
		if strings.HasPrefix(key, *in.Prefix) && key > aws.ToString(in.StartAfter) && key > aws.ToString(in.ContinuationToken) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	seen := map[string]bool{}
	for _, key := range keys {
		rest := key[len(*in.Prefix):]
		if i := strings.Index(rest, "/"); aws.ToString(in.Delimiter) == "/" && i >= 0 {
			if p := *in.Prefix + rest[:i+1]; !seen[p] {
				seen[p] = true
				out.CommonPrefixes = append(out.CommonPrefixes, s3types.CommonPrefix{Prefix: &p})
			}
			continue
		}
		if len(out.Contents) == 2 {
			out.IsTruncated, out.NextContinuationToken = aws.Bool(true), out.Contents[1].Key
			break
		}
		out.Contents = append(out.Contents, s3types.Object{Key: &key, LastModified: aws.Time(runEnded)})
	}
	return out, nil
}

func (b *someBucket) GetObject(_ context.Context, in *s3.GetObjectInput, _ ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	b.asked = append(b.asked, aws.ToString(in.Range))
	text, there := b.objects[*in.Key]
	switch {
	case b.gone:
		return nil, errors.New("connection refused")
	case !there:
		return nil, &s3types.NoSuchKey{}
	case in.IfMatch != nil && *in.IfMatch != `"`+b.etag+`"`:
		return nil, errors.New("PreconditionFailed: it is another version")
	}
	if from, ok := strings.CutPrefix(aws.ToString(in.Range), "bytes="); ok {
		n, err := strconv.Atoi(strings.TrimSuffix(from, "-"))
		if err != nil {
			return nil, err
		}
		text = text[n:]
	}
	body := io.Reader(strings.NewReader(text))
	if b.breaks > 0 && len(text) > 1 {
		b.breaks--
		body = io.MultiReader(strings.NewReader(text[:len(text)/2]), brokenPipe{})
	}
	return &s3.GetObjectOutput{Body: io.NopCloser(body), ETag: aws.String(`"` + b.etag + `"`)}, nil
}

type brokenPipe struct{}

func (brokenPipe) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestBucketIsReadFromTheRunOn: of every mapping, shard and function, and nothing that
// came before.
func TestBucketIsReadFromTheRunOn(t *testing.T) {
	b := &someBucket{objects: map[string]string{
		"aws/lambda/uuid-1/shard-1/2026/03/01/2026-03-01T14.06.09-a": "early",
		"aws/lambda/uuid-1/shard-1/2026/03/01/2026-03-01T14.06.11-a": "one",
		"aws/lambda/uuid-1/shard-1/2026/03/02/2026-03-02T00.00.00-b": "two",
		"aws/lambda/uuid-1/shard-1/2026/03/02/2026-03-02T00.00.01-b": "three",
		"aws/lambda/uuid-1/shard-1/2026/03/02/2026-03-02T00.00.02-b": "four",
		"aws/lambda/uuid-2/shard-9/2027/01/01/2027-01-01T00.00.00-c": "five",
		"aws/lambda/async/f/2026/03/01/2026-03-01T23.00.00-d":        "six",
		"aws/lambda/async/f/2025/12/31/2025-12-31T23.00.00-d":        "of last year",
		"exports/something/else":                                     "not Lambda's",
	}}
	box := &letterBucket{objects: b, name: "b", seen: map[string]bool{}}
	got, err := bodies(box, runEnded) // 14:06:10
	if want := []string{"five", "four", "one", "six", "three", "two"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("read %q, %v; want %q", got, err, want)
	}
	b.objects["aws/lambda/async/g/2026/03/01/2026-03-01T23.00.00-d"] = "seven"
	if got, err := bodies(box, runEnded); err != nil || !slices.Equal(got, []string{"seven"}) {
		t.Errorf("asked again: %q, %v; want what is new", got, err)
	}
	b.gone = true
	b.objects["aws/lambda/async/h/2026/03/01/2026-03-01T23.00.00-d"] = "eight"
	if _, err := bodies(box, runEnded); err == nil {
		t.Error("an object that cannot be read is none")
	}
}

// TestObjectIsReadToItsEnd over connections that break, and of one version alone.
func TestObjectIsReadToItsEnd(t *testing.T) {
	long := strings.Repeat("0123456789", 10_000)
	read := func(b *someBucket, etag string) (string, error) {
		in, err := (&exported{objects: b, bucket: "b", prefix: "p"}).Open(t.Context(), "data/x", etag)
		if err != nil {
			return "", err
		}
		defer in.Close()
		all, err := io.ReadAll(in)
		return string(all), err
	}
	sound := func() *someBucket {
		return &someBucket{objects: map[string]string{"p/data/x": long}, etag: "v1"}
	}
	if got, err := read(sound(), "v1"); err != nil || got != long {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	b := sound()
	b.breaks = 12
	if got, err := read(b, ""); err != nil || got != long || len(b.asked) != 13 {
		t.Errorf("over broken connections: %d bytes, %v, asked for %q", len(got), err, b.asked)
	}
	if _, err := read(sound(), "v2"); err == nil || !strings.Contains(err.Error(), "s3://b/p/data/x") {
		t.Errorf("another version was read: %v", err)
	}
	b = sound()
	in, err := (&exported{objects: b, bucket: "b", prefix: "p"}).Open(t.Context(), "data/x", "")
	if err != nil {
		t.Fatal(err)
	}
	b.breaks, b.gone = 1, true
	in.(*reading).body = io.NopCloser(io.MultiReader(bytes.NewReader([]byte(long[:10])), brokenPipe{}))
	if got, err := io.ReadAll(in); err == nil || len(got) != 10 {
		t.Errorf("of a store that is gone: %d bytes, %v", len(got), err)
	}
}
