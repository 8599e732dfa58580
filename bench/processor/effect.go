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
	"github.com/ackproof/ackproof/bench/breakable"
)

// effect is one application of the work, about to be written.
type effect struct {
	id       string // the item's key
	version  string // of an item that is written again and again: which of its writes this is; empty: it is written once
	sequence string // decimal
	digest   bench.Digest
}

// A version has two effects, each of them idempotent by itself, so that they need
// no transaction: a row of its own, which is there once however often and however
// late the version is delivered, and the row of its item, which shows the latest
// version and never goes back.
const versionCondition = "attribute_not_exists(id)"

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
// a transaction takes; an UpdateItem has the same parts. An empty condition is
// none.
func (h *Handler) write(e effect, condition string) *types.Update {
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
	if e.version != "" {
		u.UpdateExpression = aws.String("SET version = :version, " + (*u.UpdateExpression)[len("SET "):])
		u.ExpressionAttributeValues[":version"] = text(e.version)
	}
	if condition != "" && h.defect.conditional() {
		u.ConditionExpression = &condition
	}
	return u
}

// versioned gives the two effects of a version: that of its own, and that on its
// item.
func (e effect) versioned() (own, latest effect) {
	own = e
	own.id, own.version = e.version, ""
	return own, e
}

// update applies an effect with one UpdateItem, or two.
func (h *Handler) update(ctx context.Context, e effect) error {
	if e.version == "" || h.cfg.PerKey {
		applied, err := h.apply(ctx, e, effectCondition)
		if err != nil || !applied {
			return err
		}
		return h.doubled(ctx, e)
	}
	own, latest := e.versioned()
	applied, err := h.apply(ctx, own, versionCondition)
	if err == nil {
		_, err = h.apply(ctx, latest, effectCondition)
	}
	if err != nil || !applied {
		return err
	}
	return h.doubled(ctx, own)
}

// apply applies one effect and reports whether it was not there. That its
// condition does not hold is success: the effect is there already, or a newer one.
// It also covers the SDK's own second attempt after an answer that was lost.
func (h *Handler) apply(ctx context.Context, e effect, condition string) (applied bool, err error) {
	err = h.updateItem(ctx, h.write(e, condition))
	if _, there := errors.AsType[*types.ConditionalCheckFailedException](err); there {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("apply effect of %q: %w", e.id, err)
	}
	return true, nil
}

// doubled applies every K-th effect a second time, where that defect is
// planted.
func (h *Handler) doubled(ctx context.Context, e effect) error {
	if h.defect.name != DefectDouble || !h.applied.hit(h.defect.nth) {
		return nil
	}
	if err := h.updateItem(ctx, h.write(e, "")); err != nil {
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
	if err == nil {
		breakable.Wrote(ctx)
	}
	return err
}

// transact writes item and effect in one transaction: both or none. Where the
// effect is there already the transaction is cancelled and the item, too, is
// there already; that is success.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html
func (h *Handler) transact(ctx context.Context, e effect, payload string) error {
	item := map[string]types.AttributeValue{"id": text(e.id), "payload": text(payload)}
	own, condition := e, effectCondition
	var latest []types.TransactWriteItem
	if e.version != "" && h.cfg.PerKey {
		item["version"] = text(e.version)
		condition = "" // the newest is the one that is stored last, and it is stored now
	} else if e.version != "" {
		// Without a stream nothing numbers the versions: the newest is the one that
		// was stored last, and its effect comes with it.
		item["version"] = text(e.version)
		var last effect
		own, last = e.versioned()
		condition = versionCondition
		latest = []types.TransactWriteItem{{Update: h.write(last, "")}}
	}
	_, err := h.client.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: append([]types.TransactWriteItem{
		{Put: &types.Put{TableName: &h.cfg.ItemsTable, Item: item}},
		{Update: h.write(own, condition)},
	}, latest...)})
	if cancelled, ok := errors.AsType[*types.TransactionCanceledException](err); ok && alreadyApplied(cancelled) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("store and apply %q: %w", e.id, err)
	}
	breakable.Wrote(ctx)
	return h.doubled(ctx, own)
}

// alreadyApplied reports whether the effect's condition is the only reason why
// a transaction was cancelled. Reasons come in the order of the writes, of which
// the effect is the second.
func alreadyApplied(c *types.TransactionCanceledException) bool {
	failed := 0
	for _, r := range c.CancellationReasons {
		if code := aws.ToString(r.Code); code != "None" && code != "" {
			failed++
		}
	}
	return failed == 1 && len(c.CancellationReasons) > 1 && aws.ToString(c.CancellationReasons[1].Code) == "ConditionalCheckFailed"
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(s string) types.AttributeValue { return &types.AttributeValueMemberN{Value: s} }
