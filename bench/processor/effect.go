package processor

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/ackproof/ackproof/bench"
)

// effect is one application of the work, about to be written.
type effect struct {
	id       string
	sequence string // decimal
	digest   bench.Digest
}

// The effect is one write, under one condition: two writes, a look and then an
// update, would leave a gap in which a second delivery does the same. Without
// the condition a redelivery would be applied again; a condition on the id alone
// would refuse a newer version of the same item. SEQUENCE and COUNT are reserved
// words of DynamoDB, hence the placeholders.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.ConditionExpressions.html
const (
	effectUpdate    = "SET #sequence = :sequence, digest = :digest, processedAt = :processedAt ADD #count :one"
	effectReplace   = "SET #sequence = :sequence, digest = :digest, processedAt = :processedAt, #count = :one"
	effectCondition = "attribute_not_exists(id) OR #sequence < :sequence"
)

// write makes the write of an effect to the results table, in the shape that
// a transaction takes; an UpdateItem has the same parts.
func (h *Handler) write(e effect, conditional bool) *types.Update {
	u := &types.Update{
		TableName:                &h.cfg.ResultsTable,
		Key:                      map[string]types.AttributeValue{"id": text(e.id)},
		UpdateExpression:         aws.String(effectUpdate),
		ExpressionAttributeNames: map[string]string{"#sequence": "sequence", "#count": "count"},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":sequence":    number(e.sequence),
			":digest":      text(e.digest.String()),
			":processedAt": number(strconv.FormatInt(h.clock.Now().UnixMilli(), 10)),
			":one":         number("1"),
		},
	}
	if h.defect.replaces() {
		u.UpdateExpression = aws.String(effectReplace)
	}
	if conditional {
		u.ConditionExpression = aws.String(effectCondition)
	}
	return u
}

// update applies an effect with one UpdateItem. That the condition does not
// hold is success: the effect is there already, or a newer one. It also covers
// the SDK's own second attempt after an answer that was lost.
func (h *Handler) update(ctx context.Context, e effect) error {
	err := h.updateItem(ctx, h.write(e, h.defect.conditional()))
	if _, there := errors.AsType[*types.ConditionalCheckFailedException](err); there {
		return nil
	}
	if err != nil {
		return fmt.Errorf("apply effect of %q: %w", e.id, err)
	}
	return h.doubled(ctx, e)
}

// doubled applies every K-th effect a second time, where that defect is
// planted.
func (h *Handler) doubled(ctx context.Context, e effect) error {
	if h.defect.name != DefectDouble || !h.applied.hit(h.defect.nth) {
		return nil
	}
	if err := h.updateItem(ctx, h.write(e, false)); err != nil {
		return fmt.Errorf("apply effect of %q again: %w", e.id, err)
	}
	return nil
}

// updateItem sends an update outside of a transaction.
func (h *Handler) updateItem(ctx context.Context, u *types.Update) error {
	_, err := h.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: u.TableName, Key: u.Key,
		UpdateExpression: u.UpdateExpression, ConditionExpression: u.ConditionExpression,
		ExpressionAttributeNames: u.ExpressionAttributeNames, ExpressionAttributeValues: u.ExpressionAttributeValues,
	})
	return err
}

// transact writes item and effect in one transaction: both or none. Where the
// effect is there already the transaction is cancelled and the item, too, is
// there already; that is success.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html
func (h *Handler) transact(ctx context.Context, e effect, payload string) error {
	_, err := h.client.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Put: &types.Put{
			TableName: &h.cfg.ItemsTable,
			Item:      map[string]types.AttributeValue{"id": text(e.id), "payload": text(payload)},
		}},
		{Update: h.write(e, h.defect.conditional())},
	}})
	if cancelled, ok := errors.AsType[*types.TransactionCanceledException](err); ok && alreadyApplied(cancelled) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("store and apply %q: %w", e.id, err)
	}
	return h.doubled(ctx, e)
}

// alreadyApplied reports whether the effect's condition is the only reason why
// a transaction was cancelled. Reasons come in the order of the writes.
func alreadyApplied(c *types.TransactionCanceledException) bool {
	const put, update = 0, 1
	if len(c.CancellationReasons) != 2 {
		return false
	}
	itemReason, effectReason := aws.ToString(c.CancellationReasons[put].Code), aws.ToString(c.CancellationReasons[update].Code)
	return (itemReason == "None" || itemReason == "") && effectReason == "ConditionalCheckFailed"
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(s string) types.AttributeValue { return &types.AttributeValueMemberN{Value: s} }
