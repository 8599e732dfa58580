package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/eventsource"
	"github.com/ackproof/ackproof/bench/lambda"
	"github.com/ackproof/ackproof/bench/letters"
)

// readBackTimeout bounds the reading back of all letters from the stream.
const readBackTimeout = time.Minute

// letterBox is the on-failure destination of the mapping and of asynchronous
// invocation. The mapping's documents with the payload are kept as in an S3
// bucket; those without it say no more than where in the stream the records
// were, as a message in SQS does, and are read back from there:
// https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
// The record of an asynchronous event holds the event.
type letterBox struct {
	streams  eventsource.Streams
	injector bench.Injector // nil: it takes everything
	keeper   lambda.Keeper  // nil: letters die with the process

	// For asynchronous events, whose driver tells nobody of them.
	observer bench.Observer
	clock    clock.Clock
	run      bench.RunID

	mu      sync.Mutex
	letters []letter
}

// letter is what the box holds of one hand-over: a document of the mapping, with
// the ids of what was handed over with it, or the record of an asynchronous event.
// An operator would not know the ids; they tell which dead letters can no longer
// be read.
type letter struct {
	Document *eventsource.Document `json:",omitempty"`
	IDs      []string              `json:",omitempty"`
	Record   []byte                `json:",omitempty"` // the bytes that a queue or a bucket holds
	At       time.Time             `json:",omitzero"`  // when the record came
}

// keptLetters begins the keys of letters; their number follows.
const keptLetters = "letter/"

// keep makes the box one whose letters outlive the process, with those that were
// there before. A letter is safe before its records are settled, and so before any
// checkpoint is behind them.
func (b *letterBox) keep(k lambda.Keeper) error {
	kept := k.Kept(keptLetters)
	for _, key := range slices.Sorted(maps.Keys(kept)) {
		var l letter
		if err := json.Unmarshal([]byte(kept[key]), &l); err != nil {
			return fmt.Errorf("read the dead letter %s: %w", key, err)
		}
		b.letters = append(b.letters, l)
	}
	b.keeper = k
	return nil
}

// errRefused is what a destination says that was deleted, or that the mapping
// or the function may not write to.
var errRefused = errors.New("the destination refuses the document")

// refuse reports whether a fault strikes this hand-over.
func (b *letterBox) refuse() bool {
	if b.injector == nil {
		return false
	}
	strike := b.injector.Ask(bench.Op{Place: bench.PlaceDestination, Name: "Send"})
	if strike.Kind == "" {
		return false
	}
	b.injector.Struck(strike)
	return true
}

// take puts a letter into the box.
func (b *letterBox) take(l letter) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.keeper != nil {
		text, err := json.Marshal(l)
		if err == nil {
			err = b.keeper.Keep(fmt.Sprintf(keptLetters+"%012d", len(b.letters)), string(text))
		}
		if err != nil {
			return fmt.Errorf("keep the document: %w", err)
		}
	}
	b.letters = append(b.letters, l)
	return nil
}

// Send keeps a document of the mapping, unless a fault refuses it.
func (b *letterBox) Send(_ context.Context, doc eventsource.Document, records []eventsource.Record) error {
	if b.refuse() {
		return errRefused
	}
	l := letter{Document: &doc}
	for _, r := range records {
		l.IDs = append(l.IDs, r.ID)
	}
	return b.take(l)
}

// all are the letters that have come by now, in their order.
func (b *letterBox) all() []letter {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.letters[:len(b.letters):len(b.letters)]
}

// handedOver gives the letters as a queue or a bucket holds them.
func (b *letterBox) handedOver() ([]bench.Letter, error) {
	out := []bench.Letter{}
	for _, l := range b.all() {
		body, at, err := l.Record, l.At, error(nil)
		if l.Document != nil {
			if body, err = json.Marshal(l.Document); err == nil {
				at, err = time.Parse(time.RFC3339Nano, l.Document.Timestamp)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("give a dead letter as bytes: %w", err)
		}
		out = append(out, bench.Letter{At: at, Body: body})
	}
	return out, nil
}

// readBack reads all letters, in the order in which they came.
func (b *letterBox) readBack() ([]bench.DeadLetter, error) {
	ctx, cancel := context.WithTimeout(context.Background(), readBackTimeout)
	defer cancel()
	dead := []bench.DeadLetter{}
	for _, l := range b.all() {
		some, err := b.open(ctx, l)
		if err != nil {
			return nil, err
		}
		dead = append(dead, some...)
	}
	return dead, nil
}

// open reads a letter as an operator would: what can be found in it, or where it
// leads to, is readable.
func (b *letterBox) open(ctx context.Context, l letter) ([]bench.DeadLetter, error) {
	if l.Document == nil {
		return b.openRecord(l)
	}
	return b.openDocument(ctx, l)
}

// openDocument looks into the kept payload, or else into the stream.
func (b *letterBox) openDocument(ctx context.Context, l letter) (dead []bench.DeadLetter, err error) {
	info := l.Document.BatchInfo
	at, err := time.Parse(time.RFC3339Nano, l.Document.Timestamp)
	var found map[string]bool
	own := bench.OwnAttributes()
	switch {
	case err != nil:
	case l.Document.Payload != "":
		found, err = letters.InPayload(l.Document.Payload, letters.Names{ID: own.ItemID, Version: own.Version})
	default:
		found, err = letters.InStream(ctx, b.streams, letters.Range{
			ShardID: info.ShardID, StreamARN: info.StreamARN, StartSequenceNumber: info.StartSequenceNumber, EndSequenceNumber: info.EndSequenceNumber,
		}, eventsource.WriterOf)
	}
	if err != nil {
		return nil, fmt.Errorf("read back the dead letter of %s: %w", info.ShardID, err)
	}
	for _, text := range l.IDs {
		if id, err := bench.ParseKey(text); err == nil {
			dead = append(dead, bench.DeadLetter{Seq: id.Seq, Readable: found[text], At: at})
		}
	}
	return dead, nil
}
