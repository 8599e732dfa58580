package cost

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// Work is what a run did, as its files show it, and the settings that decide what it
// costs. Nil is what nobody saw.
type Work struct {
	Architecture string
	Incurred     bool // it was done on AWS
	Foreseen     bool // nothing has been done yet: every request is stored and processed once
	BuiltIn      bool // the processor is ours: what it does for a record is known
	OneTable     bool // effects are written onto the items
	Versions     bool // an effect is two writes: of the version, and of its item's latest
	PerKey       bool // of its item's alone, even so
	IDBytes      int
	Payload      int // bytes of an item's payload; -1: not known

	Requests     int64 // sent
	Attempts     int64 // at sending them, retries of the client included
	Refused      int64 // requests that were refused
	Acknowledged int64
	Stored       *int64 // writes to the items table that the stream shows
	Applied      *int64 // results that were found at the end

	Handed    *Tally        // what the processor was handed; nil: nobody saw
	BatchSize int           // records of an invocation, at most
	Tries     int           // attempts at an asynchronous event, at most
	Disturbed bool          // something may have been tried again that nobody counted
	PerRecord time.Duration // work of the processor for each
	Timeout   time.Duration // of an invocation
	MemoryMB  int

	OnFailure string // none; bucket or queue
	Letters   *int64 // records that were handed to it

	ReadRows Rows // of all final reads together
}

// The on-failure destinations.
const (
	NoDestination = ""
	Bucket        = "bucket"
	Queue         = "queue"
)

// Rows are what the final reads found.
type Rows struct {
	Items, Effects int64
	Asked          int64 // ids that both tables were asked for one by one; 0: they were scanned
	Exported       int64 // bytes of exports, in the place of Items and Effects
	Complete       bool  // every read came to its end
}

// The sizes of rows: names and values of their attributes.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
const (
	itemNames    = len("id") + len("payload")
	versionName  = len("version")
	effectFields = len("sequence") + 14 + len("digest") + 16 + len("processedAt") + 8 + len("count") + 2
)

func (w *Work) itemBytes() int {
	n := itemNames + w.IDBytes + max(0, w.Payload)
	if w.Versions {
		n += versionName + w.IDBytes
	}
	return n
}

func (w *Work) effectBytes() int {
	n := len("id") + w.IDBytes + effectFields
	if w.OneTable {
		n += w.itemBytes()
	}
	return n
}

// Cost says what the work costs at the prices.
func (w *Work) Cost(p *Prices) *bench.Cost { return Sum(p, w) }

// Sum says what several works cost together.
func Sum(p *Prices, works ...*Work) *bench.Cost {
	var used Quantities
	var requests int64
	for _, w := range works {
		used = used.Plus(w.quantities())
		requests += w.Requests
	}
	c := p.Of(used, requests)
	for _, w := range works {
		c.Incurred = c.Incurred || w.Incurred
		for _, a := range w.assumptions() {
			if !slices.Contains(c.Assumptions, a) {
				c.Assumptions = append(c.Assumptions, a)
			}
		}
	}
	c.LeftOut = append(c.LeftOut, leftOut...)
	return c
}

func (w *Work) quantities() Quantities {
	q := Quantities{Calls: Between(float64(w.Attempts-w.Refused), float64(w.Attempts)), Reads: w.reads(), ExportedGB: Exactly(float64(w.ReadRows.Exported) / 1e9)}
	if w.Attempts == 0 && w.Requests == 0 {
		return Quantities{Reads: q.Reads, ExportedGB: q.ExportedGB}
	}
	if w.Architecture == bench.Streams {
		w.stream(&q)
	} else {
		w.invoked(&q)
	}
	w.letters(&q)
	return q
}

// stream is what the article's system uses.
func (w *Work) stream(q *Quantities) {
	item := writeUnits(w.itemBytes())
	if w.OneTable {
		item = writeUnits(w.effectBytes()) // its writes are of items that have one
	}
	stored := w.seen(w.Stored, float64(w.Acknowledged))
	if q.ItemWrites = stored.Times(item); w.Payload < 0 {
		q.ItemWrites = AtLeast(stored.Low)
	}
	invocations, records, seconds := w.handed()
	q.Invocations, q.GBSeconds = invocations, seconds.Times(w.gigabytes())
	if w.OneTable { // the stream shows them among the items
		return
	}
	writes := float64(w.writesPerEffect()) * writeUnits(w.effectBytes())
	if q.EffectWrites = records.Times(writes); !w.BuiltIn {
		q.EffectWrites = AtLeast(w.seen(w.Applied, 0).Low)
	}
}

// handed is how often the function was invoked by its mapping, how many records it wrote
// the result of, and how long it ran.
func (w *Work) handed() (invocations, records, seconds Amount) {
	if w.Foreseen { // in batches between full ones and single records
		n := float64(w.Requests)
		invocations, records = Between(math.Ceil(n/float64(max(1, w.BatchSize))), n), Exactly(n)
		seconds = Between(n*w.PerRecord.Seconds(), n*billed(w.PerRecord))
	} else if w.Handed != nil {
		invocations, records, seconds = w.Handed.sums()
	} else {
		stored, applied := w.seen(w.Stored, float64(w.Acknowledged)).Low, w.seen(w.Applied, 0).Low
		invocations = AtLeast(math.Ceil(stored / float64(max(1, w.BatchSize))))
		records, seconds = AtLeast(applied), AtLeast(applied*w.PerRecord.Seconds())
	}
	if !w.BuiltIn {
		seconds = AtLeast(invocations.Low / 1000)
	}
	return invocations, records, seconds
}

// invoked is what the architectures use that invoke the function for each request.
func (w *Work) invoked(q *Quantities) {
	acknowledged, attempts := float64(w.Acknowledged), float64(w.Attempts)
	done, least := acknowledged, billed(w.PerRecord)
	q.Invocations = Between(acknowledged, attempts)
	most := acknowledged*least + (attempts-acknowledged)*billed(w.Timeout)
	if w.Architecture == bench.FireAndForget {
		done = w.seen(w.Applied, 0).Low
		if w.Disturbed || done < acknowledged {
			q.Invocations.High = attempts * float64(w.Tries)
			most = q.Invocations.High * billed(w.Timeout)
		}
	}
	q.Together = Between(done, q.Invocations.High).Times(2 * (writeUnits(w.itemBytes()) + float64(w.writesPerEffect())*writeUnits(w.effectBytes())))
	seconds := Between(done*least, most)
	if !w.BuiltIn {
		q.Together, seconds = AtLeast(2*done), AtLeast(acknowledged/1000)
	}
	if w.Payload < 0 {
		q.Together.High = math.Inf(1)
	}
	q.GBSeconds = seconds.Times(w.gigabytes())
}

// letters is what the on-failure destination is sent: a document for each batch that was
// given up, or for each event.
func (w *Work) letters(q *Quantities) {
	if w.OnFailure == NoDestination {
		return
	}
	n := AtLeast(0)
	if w.Letters != nil {
		n = Between(math.Ceil(float64(*w.Letters)/float64(max(1, w.BatchSize))), float64(*w.Letters))
	}
	if w.OnFailure == Bucket {
		q.Puts = n
	} else {
		q.Messages = n
	}
}

// reads is what the final reads of both tables take.
func (w *Work) reads() Amount {
	r := w.ReadRows
	n := readUnits(float64(r.Items)*float64(w.itemBytes())) + readUnits(float64(r.Effects)*float64(w.effectBytes()))
	if r.Asked > 0 { // an id that is not there takes a unit as well
		n = float64(r.Asked)*readUnits(float64(w.itemBytes())) + float64(r.Asked)*readUnits(float64(w.effectBytes()))
	}
	if !r.Complete || w.Payload < 0 {
		return AtLeast(n)
	}
	return Exactly(n)
}

// Forecast is the work of a plan of so many requests, with nothing seen yet: each is
// stored and processed once, and both final reads find that.
func (w Work) Forecast(requests int64, asked, exported bool) *Work {
	n := requests
	w.Foreseen, w.BuiltIn = true, true
	w.Requests, w.Attempts, w.Acknowledged, w.Refused, w.Stored, w.Applied, w.Letters = n, n, n, 0, &n, &n, new(int64)
	w.ReadRows = Rows{Complete: true}
	switch {
	case exported:
		w.ReadRows.Exported = 2 * n * int64(w.itemBytes()+w.effectBytes())
	case asked:
		w.ReadRows.Asked = 2 * n
	default:
		w.ReadRows.Items, w.ReadRows.Effects = 2*n, 2*n
	}
	return &w
}

// seen is a count that somebody saw, or at least so much.
func (w *Work) seen(n *int64, least float64) Amount {
	if n == nil {
		return AtLeast(least)
	}
	return Exactly(float64(*n))
}

func (w *Work) gigabytes() float64 { return float64(w.MemoryMB) / 1024 }

func (w *Work) writesPerEffect() int {
	if w.Versions && !w.PerKey {
		return 2
	}
	return 1
}

// billed is how many seconds of an invocation are paid for: whole milliseconds.
// https://aws.amazon.com/lambda/pricing/
func billed(d time.Duration) float64 {
	return math.Ceil(max(1, float64(d)/float64(time.Millisecond))) / 1000
}

var leftOut = []string{
	"free tiers, volume discounts, taxes",
	"logs and metrics of CloudWatch, data transfer, storage",
	"the starts of the function, which are billed too",
	"what ackproof reads of the stream on AWS: the first 2.5 million calls of a month are free, and those of Lambda are too",
	"what a table pays for point-in-time recovery, and what exports take in S3",
	"canaries and sentinels, the few requests of the measurement itself",
}

func (w *Work) assumptions() []string {
	out := []string{
		"every price is that of its first tier",
		"a request that was refused may have been throttled by API Gateway, which is not charged, or not",
	}
	if w.Foreseen {
		out = append(out, "nothing has been sent yet: it is taken that each request is sent, stored and processed once, and that nothing is tried again")
	}
	switch {
	case w.Payload < 0:
		out = append(out, "the items are made by a template of the scenario's own: their size is not known, and counts with 1 KB at least")
	default:
		out = append(out, fmt.Sprintf("an item has %d bytes and takes %g write request unit(s), one for each KB begun", w.itemBytes(), writeUnits(w.itemBytes())))
	}
	out = append(out, fmt.Sprintf("the function has %d MB on arm64, and is billed by the millisecond", w.MemoryMB))
	if w.BuiltIn {
		out = append(out, fmt.Sprintf("a record takes the processor %v, the work that the scenario says; the time of its own writes is not known here and left out", w.PerRecord))
	} else {
		out = append(out, "what the processor does is its own affair: how long it takes and what it writes have no upper bound here")
	}
	switch w.Architecture {
	case bench.Streams:
		out = append(out, "a record handed over is one result written, also where its condition does not hold; in an invocation that failed, somewhere between none and all were",
			"Lambda reads the stream for nothing")
	case bench.Sync:
		out = append(out, "item and result are written in one transaction, at twice the price; a request that was not acknowledged may have run until the function's time-out, or never")
	case bench.FireAndForget:
		out = append(out, fmt.Sprintf("item and result are written in one transaction, at twice the price; nobody counts attempts: where something was broken or is missing, each event may have had %d, of a time-out each", w.Tries))
	}
	return out
}
