package aws

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// capacity takes from a table all its write capacity but one unit. What was saved up
// in the five minutes before may be used first (burst capacity), and capacity may be
// lowered but a few times a day.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
type capacity struct {
	Table       string
	Read, Write int64
}

func (c *capacity) now(ctx context.Context, h *hand) (*types.TableDescription, error) {
	out, err := h.tables.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &c.Table})
	if err != nil {
		return nil, h.explain(err, "look at table "+c.Table, "dynamodb:DescribeTable")
	}
	return out.Table, nil
}

func (c *capacity) look(ctx context.Context, h *hand) error {
	t, err := c.now(ctx, h)
	if err != nil {
		return err
	}
	if b := t.BillingModeSummary; b != nil && b.BillingMode == types.BillingModePayPerRequest {
		return fmt.Errorf("table %s is on demand: it has no write capacity to be lowered, and DynamoDB lets a table be switched to provisioned and back but once in 24 hours; give it a provisioned capacity, or take results.deny or table.deny", c.Table)
	}
	c.Read, c.Write = aws.ToInt64(t.ProvisionedThroughput.ReadCapacityUnits), aws.ToInt64(t.ProvisionedThroughput.WriteCapacityUnits)
	if c.Write <= 1 {
		return fmt.Errorf("table %s has a write capacity of %d: there is nothing to be lowered", c.Table, c.Write)
	}
	_, err = c.count(ctx, h, h.clock.Now(), h.clock.Now())
	return err
}

func (c *capacity) pull(ctx context.Context, h *hand) error { return c.set(ctx, h, 1) }

func (c *capacity) undo(ctx context.Context, h *hand) error { return c.set(ctx, h, c.Write) }

// set asks for a write capacity, unless the table has it: DynamoDB refuses a change to
// the same. It returns when the table has it.
func (c *capacity) set(ctx context.Context, h *hand, units int64) error {
	has := func() (bool, string, error) {
		t, err := c.now(ctx, h)
		if err != nil {
			return false, "", err
		}
		w := aws.ToInt64(t.ProvisionedThroughput.WriteCapacityUnits)
		return w == units && t.TableStatus == types.TableStatusActive, fmt.Sprintf("%s with a write capacity of %d", t.TableStatus, w), nil
	}
	doing := fmt.Sprintf("give table %s a write capacity of %d", c.Table, units)
	err := h.whileBusy(ctx, doing, func() error {
		if ok, _, err := has(); ok || err != nil {
			return err
		}
		_, err := h.tables.UpdateTable(ctx, &dynamodb.UpdateTableInput{TableName: &c.Table, ProvisionedThroughput: &types.ProvisionedThroughput{ReadCapacityUnits: &c.Read, WriteCapacityUnits: &units}})
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
	w := aws.ToInt64(t.ProvisionedThroughput.WriteCapacityUnits)
	return w == c.Write, fmt.Sprintf("a write capacity of %d", w), nil
}

func (c *capacity) counter() metricCounter {
	return metricCounter{"AWS/DynamoDB", "WriteThrottleEvents", []string{"TableName", c.Table}}
}

func (c *capacity) count(ctx context.Context, h *hand, from, to time.Time) (int64, error) {
	return c.counter().count(ctx, h, from, to)
}

func (c *capacity) late() time.Duration { return c.counter().late() }
