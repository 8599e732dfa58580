package ledger

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// Encoding is how an export is written.
type Encoding string

// The encodings. CSV, JSON lines and Parquet hold the same [Columns] in the
// same order; vegeta's own encoding holds what vegeta has a place for, see
// [NewExporter].
const (
	CSV       Encoding = "csv"
	JSONLines Encoding = "jsonl"
	Parquet   Encoding = "parquet"
	Vegeta    Encoding = "vegeta"
)

// Encodings lists them in the order in which help texts name them.
func Encodings() []Encoding { return []Encoding{CSV, JSONLines, Parquet, Vegeta} }

// Binary reports whether a terminal could not show it.
func (e Encoding) Binary() bool { return e == Parquet || e == Vegeta }

// EncodingOf guesses the encoding from how a file's name ends; false: the name
// does not tell. vegeta's own manual calls its files .bin and .gob.
func EncodingOf(file string) (Encoding, bool) {
	switch strings.ToLower(filepath.Ext(file)) {
	case ".csv":
		return CSV, true
	case ".jsonl", ".ndjson":
		return JSONLines, true
	case ".parquet":
		return Parquet, true
	case ".vegeta", ".gob", ".bin":
		return Vegeta, true
	}
	return "", false
}

// Absent is a time that nobody knows, and Uncounted a count.
const (
	Absent    = time.Duration(math.MaxInt64)
	Uncounted = -1
)

// Known is an answer that evidence may be lacking for.
type Known uint8

// The answers.
const (
	NotKnown Known = iota
	No
	Yes
)

// Row is one line of an export: all that a run knows of one planned request.
// Times are positions from the start of load, [Absent] where they are not
// known; counts are [Uncounted] where nobody looked.
type Row struct {
	ID       bench.ID
	Phase    string // stage of the load
	Warmup   bool
	Fault    string // the fault in whose window it was due; "": none
	Due      time.Duration
	Start    time.Time // of the load
	State    State
	Outcome  bench.Outcome
	Class    bench.Class
	Status   int           // 0: none was read
	Sent     time.Duration // first byte handed to a connection, the first time
	Done     time.Duration // answer read to its end, or given up
	First    time.Duration // first byte of that answer
	Attempts int64         // that were sent
	Error    string        // what went wrong; "": nothing, or nobody knows
	Waited   time.Duration // of one that was due and never seen to end: for how long
	BodySize int           // bytes of the request's body

	Verdict         bench.ItemVerdict
	Stored          Known
	Committed       time.Duration // as the stream saw it, the first time
	Shard           string        // of its first commit, as Sequence; "": not seen
	Sequence        bench.Sequence
	Deliveries      int64
	Delivered       time.Duration // handed to the processor, the first time
	DeliveryOutcome bench.DeliveryOutcome
	Applications    int64
	Effect          time.Duration // by the processor's clock, the first
	Lag             time.Duration // acknowledged to effect
	Letter          Known         // it was handed to the on-failure destination
	LetterReadable  bool
	Lettered        time.Duration
}

// Exporter writes the rows of one export.
type Exporter struct {
	out  *bufio.Writer
	sink sink
	rows int64
}

// sink is one encoding. Its write reports whether the row has a place there.
type sink interface {
	write(*Row) (bool, error)
	close() error
}

// Request is the request that all rows share, for encodings that name it.
type Request struct {
	Scenario, Method, URL string
}

// NewExporter begins an export to w.
//
// In vegeta's encoding a result begins when the request was due, and its
// latency is our response time: so `vegeta report` of it agrees with
// result.json, where that of an attack of vegeta's own would leave out the wait
// before sending. Warm-up is left out, as it is there. A request that was never
// seen to end, or never sent, is an error of code 0 with the latency it had
// waited until the observation ended, which is less than it would have been.
func NewExporter(w io.Writer, e Encoding, r Request) (*Exporter, error) {
	x := &Exporter{out: bufio.NewWriterSize(w, 1<<18)}
	switch e {
	case CSV:
		x.sink = newCSVSink(x.out)
	case JSONLines:
		x.sink = newJSONSink(x.out)
	case Parquet:
		x.sink = newParquetSink(x.out)
	case Vegeta:
		x.sink = newVegetaSink(x.out, r)
	default:
		return nil, fmt.Errorf("no export is called %q; there are csv, jsonl, parquet and vegeta", e)
	}
	return x, nil
}

// Write writes one row. It does not keep it.
func (x *Exporter) Write(r *Row) error {
	written, err := x.sink.write(r)
	if written {
		x.rows++
	}
	return err
}

// Rows is how many rows have been written.
func (x *Exporter) Rows() int64 { return x.rows }

// Close writes what is left. Without it an export is not whole.
func (x *Exporter) Close() error {
	if err := x.sink.close(); err != nil {
		return err
	}
	return x.out.Flush()
}
