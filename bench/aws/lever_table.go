package aws

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// capacity takes from a table all its write capacity but one unit a second.
//
// A provisioned table gets less capacity. What was saved up in the five minutes before
// may be used first (burst capacity), and capacity may be lowered but a few times a day.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
//
// A table on demand gets a maximum throughput. It is 1 at least, may be changed at any
// time, and is removed by -1. DynamoDB takes it for a target and not for a ceiling, so
// that burst capacity may exceed it.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode-max-throughput.html
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_OnDemandThroughput.html
type capacity struct {
	Table       string
	OnDemand    bool  `json:",omitempty"`
	Read, Write int64 // units a second, that were before
}

const (
	// unlimited is the maximum throughput of a table on demand that has none.
	unlimited = -1
	// leastUnits is the lowest write capacity, and the lowest maximum.
	leastUnits = 1
)

func (c *capacity) now(ctx context.Context, h *hand) (*types.TableDescription, error) {
	out, err := h.tables.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &c.Table})
	if err != nil {
		return nil, h.explain(err, "look at table "+c.Table, "dynamodb:DescribeTable")
	}
	return out.Table, nil
}

// units are the capacity of a table, or on demand its maximum throughput.
func (c *capacity) units(t *types.TableDescription) (read, write int64) {
	if !c.OnDemand {
		return aws.ToInt64(t.ProvisionedThroughput.ReadCapacityUnits), aws.ToInt64(t.ProvisionedThroughput.WriteCapacityUnits)
	}
	if t.OnDemandThroughput == nil {
		return unlimited, unlimited
	}
	return cmp.Or(aws.ToInt64(t.OnDemandThroughput.MaxReadRequestUnits), unlimited), cmp.Or(aws.ToInt64(t.OnDemandThroughput.MaxWriteRequestUnits), unlimited)
}

// named says what a number of units for writes is.
func (c *capacity) named(write int64) string {
	switch {
	case !c.OnDemand:
		return fmt.Sprintf("a write capacity of %d", write)
	case write == unlimited:
		return "no maximum of write throughput"
	}
	return fmt.Sprintf("a maximum write throughput of %d", write)
}

func (c *capacity) look(ctx context.Context, h *hand) error {
	t, err := c.now(ctx, h)
	if err != nil {
		return err
	}
	c.OnDemand = t.BillingModeSummary != nil && t.BillingModeSummary.BillingMode == types.BillingModePayPerRequest
	if c.Read, c.Write = c.units(t); c.Write != unlimited && c.Write <= leastUnits {
		return fmt.Errorf("table %s has %s: there is nothing to be lowered", c.Table, c.named(c.Write))
	}
	_, err = c.count(ctx, h, h.clock.Now(), h.clock.Now())
	return err
}

func (c *capacity) pull(ctx context.Context, h *hand) error { return c.set(ctx, h, leastUnits) }

func (c *capacity) undo(ctx context.Context, h *hand) error { return c.set(ctx, h, c.Write) }

// change is what gives the table so much for writes, and leaves what it has for reads.
func (c *capacity) change(write int64) *dynamodb.UpdateTableInput {
	if !c.OnDemand {
		return &dynamodb.UpdateTableInput{TableName: &c.Table, ProvisionedThroughput: &types.ProvisionedThroughput{ReadCapacityUnits: &c.Read, WriteCapacityUnits: &write}}
	}
	most := &types.OnDemandThroughput{MaxWriteRequestUnits: &write}
	if c.Read != unlimited {
		most.MaxReadRequestUnits = &c.Read
	}
	return &dynamodb.UpdateTableInput{TableName: &c.Table, OnDemandThroughput: most}
}

// set asks for so much for writes, unless the table has it: DynamoDB refuses a change to
// the same. It returns when the table has it.
func (c *capacity) set(ctx context.Context, h *hand, write int64) error {
	has := func() (bool, string, error) {
		t, err := c.now(ctx, h)
		if err != nil {
			return false, "", err
		}
		_, w := c.units(t)
		return w == write && t.TableStatus == types.TableStatusActive, fmt.Sprintf("%s with %s", t.TableStatus, c.named(w)), nil
	}
	doing := fmt.Sprintf("give table %s %s", c.Table, c.named(write))
	err := h.whileBusy(ctx, doing, func() error {
		if ok, _, err := has(); ok || err != nil {
			return err
		}
		_, err := h.tables.UpdateTable(ctx, c.change(write))
		return h.explain(err, doing, "dynamodb:UpdateTable")
	})
	if err != nil {
		return err
	}
	return h.until(ctx, doing, has)
}

func (c *capacity) undone(ctx context.Context, h *hand) (bool, string, error) {
	t, err := c.now(ctx, h)
	if err != nil {
		return false, "", err
	}
	_, write := c.units(t)
	return write == c.Write, c.named(write), nil
}

// counter counts the writes that were throttled; on demand those of them for which the
// maximum is the reason.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TroubleshootingThrottling-cloudwatch.html
func (c *capacity) counter() metricCounter {
	metric := "WriteThrottleEvents"
	if c.OnDemand {
		metric = "WriteMaxOnDemandThroughputThrottleEvents"
	}
	return metricCounter{"AWS/DynamoDB", metric, []string{"TableName", c.Table}}
}

func (c *capacity) count(ctx context.Context, h *hand, from, to time.Time) (int64, error) {
	return c.counter().count(ctx, h, from, to)
}

func (c *capacity) late() time.Duration { return c.counter().late() }
