package run

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/ledger"
	"github.com/ackproof/ackproof/bench/tableexport"
	"github.com/ackproof/ackproof/scenarios"
)

// The attributes of an item or an effect that the judge needs.
const (
	rowID = iota
	rowPayload
	rowCount
	rowSequence
	rowDigest
	rowProcessedAt
	rowVersion
)

// source is a table, and the names of its attributes that the judge needs: the key
// is the first, and "" says that there is no such attribute.
type source struct {
	table string // "": there is none
	names []string
}

// sources gives the tables of a system.
func sources(e bench.Endpoints) (items, effects source) {
	a := bench.OwnAttributes()
	if e.Attributes != nil {
		a = *e.Attributes
	}
	items = source{e.ItemsTable, []string{rowID: a.ItemID, rowPayload: a.Payload, rowVersion: a.Version}}
	return items, source{e.ResultsTable, []string{rowID: a.EffectID, rowCount: a.Count, rowSequence: a.Sequence, rowDigest: a.Digest, rowProcessedAt: a.ProcessedAt, rowVersion: a.EffectVersion}}
}

// key is the key of a row.
func (s source) key(id string) attributes {
	return attributes{s.names[rowID]: &types.AttributeValueMemberS{Value: id}}
}

// values picks the attributes of a row out of what DynamoDB gave.
func (s source) values(item attributes) []tableexport.Value {
	row := make([]tableexport.Value, len(s.names))
	for i, name := range s.names {
		switch v := item[name].(type) {
		case *types.AttributeValueMemberS:
			row[i] = tableexport.Value{Type: "S", Text: []byte(v.Value)}
		case *types.AttributeValueMemberN:
			row[i] = tableexport.Value{Type: "N", Text: []byte(v.Value)}
		case nil:
		default:
			row[i] = tableexport.Value{Type: "other"}
		}
	}
	return row
}

// rowWriter writes the rows of two tables into final reads. A row that is none of
// the run's requests is foreign; one of another agent of the run is passed over,
// since that agent reads it too. It is safe for concurrent use.
type rowWriter struct {
	plan     *scenarios.Plan
	shared   bool                 // the tables hold other data too, which is nobody's business here
	oneTable bool                 // an item without an effect yet is none in the results table
	reads    []*ledger.ReadWriter // each gets every row
	own      atomic.Int64         // rows of the run's own
}

func newRowWriter(plan *scenarios.Plan, e bench.Endpoints, shared bool, reads ...*ledger.ReadWriter) *rowWriter {
	return &rowWriter{plan: plan, shared: shared, oneTable: e.ResultsTable == e.ItemsTable, reads: reads}
}

// perKey reports whether the results table has one row for all versions of an item.
func perKey(e bench.Endpoints) bool { return e.Attributes != nil && e.Attributes.PerKey }

func (w *rowWriter) each(do func(*ledger.ReadWriter) error) (err error) {
	for _, read := range w.reads {
		err = errors.Join(err, do(read))
	}
	return err
}

// seq gives the number of the request that a row belongs to: of a row with a
// shared key, the one that wrote it last. An item under a key that its request does
// not write is nobody's, and so is the effect of such a one.
func (w *rowWriter) seq(kind ledger.Table, row []tableexport.Value) (seq uint64, ours bool, err error) {
	key := text(row[rowID])
	id, err := bench.ParseKey(bench.WriterOf(key, text(row[rowVersion])))
	var wrong bool
	switch others, own := w.plan.Whole(), w.plan.IDs(); {
	case w.shared && (err != nil || id.Run != own.Run):
		return 0, false, nil
	case err != nil:
		wrong = true
	case id.Run == own.Run && id.Agent == bench.CanaryAgent:
		return 0, false, nil
	default:
		if seq, ours = own.Seq(id); !ours {
			if _, theirs := others.Seq(id); theirs {
				return 0, false, nil
			}
			wrong = true
		}
	}
	if shared := isShared(key); shared || w.plan.Keys() > 0 && kind == ledger.Items {
		wrong = wrong || w.plan.Keys() == 0 || key != w.plan.Key(seq)
	}
	if wrong {
		return 0, false, w.each(func(r *ledger.ReadWriter) error { return r.Foreign(kind, key) })
	}
	w.own.Add(1)
	return seq, true, nil
}

func isShared(key string) bool {
	_, shared := bench.ParseSharedKey(key)
	return shared
}

// ofKey gives the number of the key that a row is of, where it names no request as the
// one that wrote the version of it that it shows.
func (w *rowWriter) ofKey(row []tableexport.Value) (number uint64, is bool) {
	key, shared := bench.ParseSharedKey(text(row[rowID]))
	if !shared || key.Run != w.plan.IDs().Run || key.Number >= w.plan.Keys() {
		return 0, false
	}
	_, err := bench.ParseKey(text(row[rowVersion]))
	return key.Number, err != nil
}

func (w *rowWriter) item(row []tableexport.Value) error {
	if number, is := w.ofKey(row); is {
		return w.each(func(r *ledger.ReadWriter) error { return r.Item(bench.Item{Seq: number, OfKey: true}) })
	}
	seq, ours, err := w.seq(ledger.Items, row)
	if !ours {
		return err
	}
	it := bench.Item{Seq: seq, HasDigest: row[rowPayload].Type == "S"}
	if it.HasDigest {
		it.Digest = bench.DigestOf(row[rowPayload].Text)
	}
	return w.each(func(r *ledger.ReadWriter) error { return r.Item(it) })
}

func (w *rowWriter) effect(row []tableexport.Value) error {
	seq, ofKey := w.ofKey(row)
	ours, err := ofKey, error(nil)
	if !ofKey {
		seq, ours, err = w.seq(ledger.Effects, row)
	}
	if !ours || w.oneTable && row[rowProcessedAt].Type == "" {
		return err
	}
	e := bench.Effect{Seq: seq, OfKey: ofKey, Count: -1}
	if n, err := strconv.ParseInt(number(row[rowCount]), 10, 64); err == nil {
		e.Count = n
	}
	if s, err := bench.ParseSequence(number(row[rowSequence])); err == nil {
		e.Sequence = s
	}
	if d, err := bench.ParseDigest(text(row[rowDigest])); err == nil {
		e.Digest, e.HasDigest = d, true
	}
	e.At = moment(row[rowProcessedAt])
	if isShared(text(row[rowID])) {
		return w.each(func(r *ledger.ReadWriter) error { return r.Latest(e) })
	}
	return w.each(func(r *ledger.ReadWriter) error { return r.Effect(e) })
}

// moment reads a time: milliseconds since 1970, or seconds where they would lie
// before 1973 as milliseconds, or a text of RFC 3339. The zero time: it is none.
func moment(v tableexport.Value) time.Time {
	if t, err := time.Parse(time.RFC3339Nano, text(v)); err == nil {
		return t
	}
	n, err := strconv.ParseFloat(number(v), 64)
	switch {
	case err != nil || !(n > 0 && n < 1e15):
		return time.Time{}
	case n < 1e11:
		n *= 1e3
	}
	return time.UnixMicro(int64(n * 1e3))
}

func text(v tableexport.Value) string {
	if v.Type == "S" {
		return string(v.Text)
	}
	return ""
}

func number(v tableexport.Value) string {
	if v.Type == "N" {
		return string(v.Text)
	}
	return ""
}

// tables reads both tables, as far as there are any. Effects first: an item that
// comes between the two is then no effect without an item.
func (r *reader) tables(ctx context.Context, w *rowWriter) error {
	return errors.Join(
		r.rows(ctx, r.effects, func(item attributes) error { return w.effect(r.effects.values(item)) }),
		r.rows(ctx, r.items, func(item attributes) error { return w.item(r.items.values(item)) }),
	)
}
