package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	sdkaws "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/schemas"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go/transport/http/protocol/awsquery"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/aws"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/local"
	"github.com/ackproof/ackproof/bench/outside"
	"github.com/ackproof/ackproof/bench/peer"
	"github.com/ackproof/ackproof/bench/sdk"
	"github.com/ackproof/ackproof/bench/targettest"
	"github.com/ackproof/ackproof/faults"
	"github.com/ackproof/ackproof/scenarios"
)

// somewhere is a system of somebody else's with an account of AWS around it: a local
// stack behind a DynamoDB that can export tables, and moto's S3, SQS and CloudWatch.
type somewhere struct {
	t        *testing.T
	stack    bench.Endpoints
	dynamodb string // URL of the front
	moto     string
	s3       *s3.Client
	sqs      *sqs.Client
	watch    *cloudwatch.Client
	queue    string // URL
}

func startSomewhere(t *testing.T) *somewhere {
	t.Helper()
	if os.Getenv("ACKPROOF_CONFORMANCE") != "all" {
		t.Skip("set ACKPROOF_CONFORMANCE=all: it needs python3 and its packages")
	}
	w := &somewhere{t: t, moto: peer.Start(t, peer.MotoAWS).URL}
	config := sdk.Local(sdk.DefaultRegion, nil)
	config.BaseEndpoint = &w.moto
	w.s3 = s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = true })
	w.sqs = sqs.NewFromConfig(config)
	w.watch = cloudwatch.NewFromConfig(config, func(o *cloudwatch.Options) { o.Protocol = awsquery.New(schemas.GraniteServiceVersion20100801) })

	// One record in it can never be processed, and goes without a word: this test puts
	// the letters where Lambda would.
	s, err := scenarios.Load("given-up", nil)
	if err != nil {
		t.Fatal(err)
	}
	stack := s.Stack(1)
	stack.Run, stack.Dir, stack.Mapping.BisectBatchOnFunctionError = bench.NewRunID(clock.Entropy()), t.TempDir(), true
	target := local.New(local.Options{NewFaults: newFaults, Log: t.Output()})
	t.Cleanup(func() { target.Stop() })
	if w.stack, err = target.Start(t.Context(), stack, func(bench.Event) {}); err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(&targettest.Exporter{T: t, Behind: w.stack.DynamoDB, Put: w.put})
	t.Cleanup(front.Close)
	w.dynamodb = front.URL
	w.must(w.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: sdkaws.String("kept")}))
	made, err := w.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: sdkaws.String("letters")})
	w.must(made, err)
	w.queue = sdkaws.ToString(made.QueueUrl)
	w.must(w.watch.PutMetricAlarm(t.Context(), &cloudwatch.PutMetricAlarmInput{
		AlarmName: sdkaws.String("too-many-errors"), Namespace: sdkaws.String("AWS/Lambda"), MetricName: sdkaws.String("Errors"), Statistic: cwtypes.StatisticSum,
		Period: sdkaws.Int32(60), EvaluationPeriods: sdkaws.Int32(1), Threshold: sdkaws.Float64(1), ComparisonOperator: cwtypes.ComparisonOperatorGreaterThanThreshold,
	}))
	w.alarm(cwtypes.StateValueOk)
	return w
}

func (w *somewhere) must(_ any, err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// put makes an object as DynamoDB does: in parts, which shows in its ETag.
func (w *somewhere) put(bucket, key string, object []byte) error {
	ctx := context.Background()
	begun, err := w.s3.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return err
	}
	part, err := w.s3.UploadPart(ctx, &s3.UploadPartInput{Bucket: &bucket, Key: &key, UploadId: begun.UploadId, PartNumber: sdkaws.Int32(1), Body: bytes.NewReader(object)})
	if err != nil {
		return err
	}
	_, err = w.s3.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: &bucket, Key: &key, UploadId: begun.UploadId,
		MultipartUpload: &s3types.CompletedMultipartUpload{Parts: []s3types.CompletedPart{{PartNumber: sdkaws.Int32(1), ETag: part.ETag}}}})
	return err
}

func (w *somewhere) alarm(state cwtypes.StateValue) {
	w.t.Helper()
	w.must(w.watch.SetAlarmState(w.t.Context(), &cloudwatch.SetAlarmStateInput{AlarmName: sdkaws.String("too-many-errors"), StateValue: state, StateReason: sdkaws.String("7 errors in a minute")}))
}

// scenario writes a file that names the system. Request 150 is the record that cannot
// be processed.
func (w *somewhere) scenario(more string) string {
	w.t.Helper()
	dir := w.t.TempDir()
	text := fmt.Sprintf(`load: [{name: steady, for: 4s, rate: 100/s}]
workload: {poison: [150]}
mapping: {maximumRetryAttempts: 2}
target:
  url: %s
  dynamodb: {endpoint: %q}
  items: {table: %s, payload: payload}
  results: {table: %s, processedAt: processedAt, count: count, digest: digest, sequence: sequence}
%s`, w.stack.API, w.dynamodb, w.stack.ItemsTable, w.stack.ResultsTable, more)
	if err := os.WriteFile(filepath.Join(dir, "theirs.yaml"), []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
	return dir
}

func (w *somewhere) run(dir string, args ...string) *session {
	return startAckproofIn(w.t, dir, append([]string{"run", "theirs.yaml", "--quiet", "--endpoint", w.moto}, args...)...)
}

// underWay waits until the load has begun, and gives the run's id.
func (w *somewhere) underWay(s *session) string {
	w.t.Helper()
	until(w.t, time.Minute, "the load has begun", func() bool {
		b, _ := os.ReadFile(filepath.Join(s.runDir(), "events.jsonl"))
		return strings.Contains(string(b), `"text":"load"`)
	})
	dir := s.runDir()
	return dir[strings.LastIndexByte(dir, '-')+1:]
}

// letterOf is what Lambda says of an asynchronous event, and of a stream's records where
// it keeps them.
func letterOf(id string) (async, kept string) {
	return fmt.Sprintf(`{"version":"1.0","timestamp":"2026-11-30T15:00:00.000Z","requestPayload":{"body":"{\"id\":\"%s\"}"}}`, id),
		fmt.Sprintf(`{"version":"1.0","timestamp":"2026-11-30T15:00:00.000Z","DDBStreamBatchInfo":{"shardId":"s","batchSize":1},"payload":"{\"Records\":[{\"dynamodb\":{\"Keys\":{\"id\":{\"S\":\"%s\"}}}}]}"}`, id)
}

// TestConformanceCloud runs on a system of somebody else's with all that an account of
// AWS adds: tables are exported and read in S3, dead letters are found in a queue or a
// bucket and stay there, an alarm ends the load.
func TestConformanceCloud(t *testing.T) {
	t.Parallel()
	w := startSomewhere(t)
	for i := range 23 { // of others
		async, _ := letterOf(fmt.Sprintf("00000000-00-%010d", i))
		w.must(w.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &w.queue, MessageBody: &async}))
	}
	t.Run("exports and a queue", func(t *testing.T) {
		dir := w.scenario("  deadLetters: {queue: letters}\n  stop: {alarm: too-many-errors}\n  limits: {cost: 5 USD}\nread: {by: export, bucket: kept, timeout: 1m}\nguarantee: {deadLetters: allow}\n")
		s := w.run(dir)
		async, _ := letterOf(w.underWay(s) + "-00-0000000150")
		w.must(w.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &w.queue, MessageBody: &async}))
		code, r := s.code(), resultOf(t, s.latest())
		if code != exitPass || r.Items.Processed != 399 || r.Items.DeadLettered != 1 || *r.Deliveries.DeadLettered != 1 || *r.Items.Unexpected != 0 {
			t.Errorf("exit %d, %+v, %v, notes %q: %s", code, r.Items, r.Reasons, r.Notes, &s.stderr)
		}
		t.Logf("%s", &s.stdout)
		if !strings.Contains(s.stderr.String(), "exports in bucket kept, dead letters in letters, alarm too-many-errors in account 123456789012, region us-east-1") {
			t.Errorf("nobody says what is asked of which account: %s", &s.stderr)
		}
		w.letters(24)
	})
	t.Run("a bucket", func(t *testing.T) {
		dir := w.scenario("  deadLetters: {bucket: kept}\n")
		s := w.run(dir)
		_, kept := letterOf(w.underWay(s) + "-00-0000000150")
		now := (clock.Real{}).Now().UTC()
		w.must(nil, w.put("kept", now.Format("aws/lambda/uuid/shard-1/2006/01/02/2006-01-02T15.04.05-")+"aaaa", []byte(kept)))
		code, r := s.code(), resultOf(t, s.latest())
		if code != exitFail || r.Items.DeadLettered != 1 || r.Items.LostProcessing != 0 {
			t.Errorf("exit %d, %+v, %v: %s", code, r.Items, r.Reasons, &s.stderr)
		}
	})
	t.Run("an alarm", func(t *testing.T) {
		s := w.run(w.scenario("  stop: {alarm: too-many-errors}\n"), "--set", "workload.poison=[]", "--rate", "50/s", "--for", "60s")
		w.underWay(s)
		w.alarm(cwtypes.StateValueAlarm)
		defer w.alarm(cwtypes.StateValueOk)
		code, r := s.code(), resultOf(t, s.latest())
		if code != exitUnknown || r.Requests.Unsent < 1000 || !slices.ContainsFunc(r.Reasons, func(x bench.Reason) bool {
			return x.Code == bench.Code(bench.GatePlanComplete) && strings.Contains(x.Text, "the alarm too-many-errors went off: 7 errors in a minute")
		}) {
			t.Errorf("exit %d, %d unsent, %v", code, r.Requests.Unsent, r.Reasons)
		}
		s = w.run(w.scenario("  stop: {alarm: too-many-errors}\n"))
		if code := s.code(); code != exitMisuse || !strings.Contains(s.stderr.String(), "has gone off already: 7 errors") {
			t.Errorf("exit %d of an alarm that is on: %s", code, &s.stderr)
		}
	})
	t.Run("what is not there", func(t *testing.T) {
		redriven, err := w.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: sdkaws.String("redriven"), Attributes: map[string]string{
			"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:123456789012:letters","maxReceiveCount":"3"}`}})
		w.must(redriven, err)
		for more, want := range map[string]string{
			"  deadLetters: {queue: nope}\n":            "the queue nope",
			"  deadLetters: {queue: redriven}\n":        "redrive policy",
			"  deadLetters: {bucket: nope}\n":           "there is no bucket nope",
			"  stop: {alarm: nope}\n":                   "there is no alarm nope in account",
			"read: {by: export, bucket: nope}\n":        "there is no bucket nope",
			"  limits: {cost: 0.0001 USD}\n":            "over the limit of 0.0001 USD",
			"  limits: {cost: 0.0001 USD, rate: 1/s}\n": "over the limit of 1/s",
		} {
			s := w.run(w.scenario(more))
			if code := s.code(); code != exitMisuse || !strings.Contains(s.stderr.String(), want) {
				t.Errorf("%s exit %d, want %q: %s", more, code, want, &s.stderr)
			}
		}
	})
}

// letters sees that so many messages can be received, and none is held back.
func (w *somewhere) letters(want int) {
	w.t.Helper()
	out, err := w.sqs.GetQueueAttributes(w.t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &w.queue, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll}})
	w.must(out, err)
	if n := out.Attributes["ApproximateNumberOfMessages"]; n != fmt.Sprint(want) {
		w.t.Errorf("%s messages can be received after the run, want all %d: %v", n, want, out.Attributes)
	}
}

// TestConformanceDeadLetters holds the target that reads a queue or a bucket to what
// every such target must do, on moto's.
func TestConformanceDeadLetters(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"queue", "bucket"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := startSomewhere(t)
			account, err := aws.OpenAccount(t.Context(), w.moto, "", "")
			w.must(account, err)
			system := bench.System{
				URL: w.stack.API, DynamoDB: w.stack.DynamoDB, Items: w.stack.ItemsTable, Results: w.stack.ResultsTable,
				Attributes: bench.OwnAttributes(), ByKey: true, Stream: "auto", LetterQueue: w.queue,
			}
			put := func(_ string, body []byte) {
				w.must(w.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &w.queue, MessageBody: sdkaws.String(string(body))}))
			}
			if kind == "bucket" {
				system.LetterQueue, system.LetterBucket = "", "kept"
				put = func(name string, body []byte) {
					key := (clock.Real{}).Now().UTC().Format("aws/lambda/uuid/shard-1/2006/01/02/2006-01-02T15.04.05-") + name
					w.must(nil, w.put("kept", key, body))
				}
			}
			targettest.RunLetters(t, func(*testing.T) (bench.Target, bench.System, func(string, []byte)) {
				return outside.New(outside.Options{Name: "http", Clock: clock.Real{}, Letters: account.Letters, NewFaults: func(seed uint64, texts []string) (outside.Faults, error) {
					return faults.ParseSet(seed, texts)
				}}), system, put
			})
			if kind == "queue" {
				w.letters(10)
			}
		})
	}
}
