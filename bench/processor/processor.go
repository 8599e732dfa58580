// Package processor is the function under test: the StreamProcessor that the
// stream feeds, here with one piece of work whose effect can be counted.
//
//	stream event   for each record: work, then UpdateItem(results)           the streams architecture
//	proxy event    work, then TransactWriteItems(items, results), then 200   sync and fire-and-forget
//
// The stream delivers at least once, so the effect is applied under a condition:
// only if there is none yet, or one of an older sequence number. A redelivered
// record then changes nothing, and [bench.Effect.Count] says how often the work
// was really applied. Records are taken one after the other and an error gives
// up the whole batch, which the event source mapping will deliver again.
//
// It is an ordinary Lambda function, built on aws-lambda-go and the AWS SDK. On one
// machine whatever breaks it, breaks it from outside; on AWS, where nobody can reach
// into a process, package breakable does, which sleeps otherwise. What is broken
// inside, on purpose, is a [Defect], and each one is planted so that a run must find
// it under its own name.
package processor

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
)

// Config says what the processor does. The environment that it is read from is
// listed at [FromEnv].
type Config struct {
	ItemsTable   string        // written in sync and fire-and-forget alone
	ResultsTable string        // one row an item: id, sequence, digest, processedAt, count
	Work         time.Duration // waited for each record, as for a slow third party
	Burn         time.Duration // computed for each record, on one CPU
	Defect       string        // see Defects; empty: none
	Article      string        // play the article's own processor, in one of its forms; empty: no
	Partial      bool          // answer which record of a batch failed, instead of an error
	PerKey       bool          // of an item of several versions its own row alone is written, which shows the latest
}

// FromEnv reads the configuration out of environment variables and reports all
// that is wrong with them:
//
//	ITEMS_TABLE, RESULTS_TABLE    table names, needed
//	ACKPROOF_WORK, ACKPROOF_BURN  Go durations, default 0
//	ACKPROOF_DEFECT               a planted defect, default none
//	ACKPROOF_ARTICLE              printed, intended or corrected: the article's own processor, default none
//	ACKPROOF_PARTIAL              true: answer with batchItemFailures, default false
//	ACKPROOF_PER_KEY              true: one row for all versions of an item, default false
func FromEnv(getenv func(string) string) (Config, error) {
	var errs []error
	table := func(name string) string {
		t := getenv(name)
		if t == "" {
			errs = append(errs, fmt.Errorf("%s is not set: give the table's name", name))
		}
		return t
	}
	duration := func(name string) time.Duration {
		text := getenv(name)
		if text == "" {
			return 0
		}
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 {
			errs = append(errs, fmt.Errorf("%s=%s: want a duration such as 2ms, not negative", name, text))
		}
		return d
	}
	is := func(name string) bool {
		v := getenv(name)
		if v != "" && v != "true" && v != "false" {
			errs = append(errs, fmt.Errorf("%s=%s: want true or false", name, v))
		}
		return v == "true"
	}
	c := Config{
		ItemsTable: table("ITEMS_TABLE"), ResultsTable: table("RESULTS_TABLE"),
		Work: duration("ACKPROOF_WORK"), Burn: duration("ACKPROOF_BURN"),
		Defect: getenv("ACKPROOF_DEFECT"), Article: getenv("ACKPROOF_ARTICLE"), Partial: is("ACKPROOF_PARTIAL"), PerKey: is("ACKPROOF_PER_KEY"),
	}
	if c.Article != "" && !slices.Contains(Articles(), c.Article) {
		errs = append(errs, fmt.Errorf("ACKPROOF_ARTICLE=%s: want %s", c.Article, strings.Join(Articles(), " or ")))
	}
	if _, err := parseDefect(c.Defect); err != nil {
		errs = append(errs, fmt.Errorf("ACKPROOF_DEFECT: %w", err))
	}
	if err := errors.Join(errs...); err != nil {
		return Config{}, fmt.Errorf("read processor's environment: %w", err)
	}
	return c, nil
}

// DynamoDB is what the processor needs of the AWS SDK's client.
type DynamoDB interface {
	UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error)
	TransactWriteItems(
		context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options),
	) (*dynamodb.TransactWriteItemsOutput, error)
}

// Handler is the function. One execution environment handles one event at a
// time, but the handler may also be called concurrently.
type Handler struct {
	cfg           Config
	client        DynamoDB
	clock         clock.Clock
	defect        defect
	marked        marks
	seen, applied counter // records and effects of this process, for the defects that count
}

// New makes the function. It panics on a defect that does not exist: FromEnv
// refuses it.
func New(cfg Config, client DynamoDB, c clock.Clock) *Handler {
	d, err := parseDefect(cfg.Defect)
	if err != nil {
		panic("processor: " + err.Error())
	}
	return &Handler{cfg: cfg, client: client, clock: c, defect: d}
}

// Handle handles one event: a DynamoDB stream event, whose answer is nil unless
// the mapping asks for more, or an API Gateway proxy event, whose answer is a
// proxy response. An error means
// that the event is to be tried again.
func (h *Handler) Handle(ctx context.Context, event json.RawMessage) (any, error) {
	// One decoding for both kinds: a batch may have megabytes, and to look
	// first and decode then would cost a second pass over them.
	var e struct {
		Records *[]record       `json:"Records"`
		Window  json.RawMessage `json:"window"` // of a tumbling window
		State   json.RawMessage `json:"state"`
		proxyEvent
	}
	if err := json.Unmarshal(event, &e); err != nil {
		return nil, fmt.Errorf("read event: %w", err)
	}
	switch {
	case e.Records != nil && h.cfg.Article != "":
		return nil, h.article(ctx, *e.Records)
	case e.Records != nil:
		return h.batch(ctx, *e.Records, e.Window != nil, e.State)
	case e.HTTPMethod != "":
		out, err := h.proxy(ctx, e.proxyEvent)
		if err != nil {
			return nil, err
		}
		return out, nil
	}
	return nil, errors.New("read event: neither a DynamoDB stream event (Records) nor an API Gateway proxy event (httpMethod)")
}

// poison begins the payload of a bad record, the processor's one business rule:
// such an item can be stored and can never be processed. It is how a test puts
// a record that blocks its shard into the stream.
const poison = "poison:"

// work does everything for one item that comes before its effect. It returns
// when ctx ends, as the function's time-out is near then.
func (h *Handler) work(ctx context.Context, id string, payload []byte) error {
	if h.cfg.Work > 0 {
		t := time.NewTimer(h.cfg.Work)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return fmt.Errorf("process item %q: %w", id, ctx.Err())
		}
	}
	if h.cfg.Burn > 0 {
		sum := sha256.Sum256(payload)
		for end := h.clock.Now().Add(h.cfg.Burn); h.clock.Now().Before(end); {
			if ctx.Err() != nil {
				return fmt.Errorf("process item %q: %w", id, ctx.Err())
			}
			for range 64 { // a few µs between two looks at the clock
				sum = sha256.Sum256(sum[:])
			}
		}
	}
	if strings.HasPrefix(string(payload), poison) {
		return fmt.Errorf("process item %q: the payload begins with %q, which is refused", id, poison)
	}
	return nil
}

// finish does the work before the answer, as it should be, or behind it, where
// that defect is planted. Lambda gives no time to a process between two
// invocations, and a crash takes with it what is not done.
func (h *Handler) finish(ctx context.Context, work func(context.Context) error) error {
	if h.defect.name != DefectEarlyAnswer {
		return work(ctx)
	}
	ctx = context.WithoutCancel(ctx)
	go func() {
		if err := work(ctx); err != nil {
			log.Printf("error after the answer: %v", err)
		}
	}()
	return nil
}

// swallowed reports an error to the log and nobody else, where that defect is
// planted; else it gives the error back.
func (h *Handler) swallowed(err error) error {
	if err != nil && h.defect.name == DefectSwallow {
		log.Printf("error swallowed: %v", err)
		return nil
	}
	return err
}

// digest is what the results table keeps of a payload.
func (h *Handler) digest(payload []byte) bench.Digest {
	if h.defect.name == DefectCorrupt {
		payload = append([]byte("corrupt"), payload...)
	}
	return bench.DigestOf(payload)
}
