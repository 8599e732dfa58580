package ledger

import (
	"time"

	"github.com/ackproof/ackproof/bench"
)

// Kind is what a column holds.
type Kind string

// The kinds. In Parquet they are INT64, DOUBLE, STRING, BOOLEAN and TIMESTAMP
// in microseconds of UTC; in JSON the last one is a text.
const (
	KindInteger Kind = "integer"
	KindNumber  Kind = "number"
	KindText    Kind = "text"
	KindBool    Kind = "bool"
	KindTime    Kind = "timestamp"
)

// Column is one column of an export. Every value may be null, which says that
// it is not known or that there is none: an empty cell in CSV.
type Column struct {
	Name  string // times in milliseconds end in _ms
	Kind  Kind
	About string
	value func(*Row) cell
}

// cell is one value; which field counts follows from the column's kind.
type cell struct {
	null bool
	i    int64 // KindTime: µs of the Unix epoch; KindBool: 0 or 1
	f    float64
	s    string
}

var null = cell{null: true}

// Columns lists the columns of CSV, JSON lines and Parquet, in their order. The
// list only ever grows, at its end: readers go by name.
func Columns() []Column { return columns }

// Nanoseconds survive the way through milliseconds: a float64 holds 104 days
// of them.
var columns = []Column{
	{"seq", KindInteger, "number of the request in the plan, from 0", func(r *Row) cell { return cell{i: int64(r.ID.Seq)} }},
	{"id", KindText, "id of the request, and of its item", func(r *Row) cell { return cell{s: r.ID.String()} }},
	{"phase", KindText, "stage of the load", func(r *Row) cell { return text(r.Phase) }},
	{"warmup", KindBool, "the stage is warm-up, which figures leave out", func(r *Row) cell { return truth(r.Warmup) }},
	{"during_fault", KindText, "the fault in whose window it was due", func(r *Row) cell { return text(r.Fault) }},
	{"due_at", KindTime, "when the plan wanted it sent, in UTC", func(r *Row) cell { return cell{i: r.Start.Add(r.Due).UnixMicro()} }},
	{"due_ms", KindNumber, "the same from the start of load, as all that follow", func(r *Row) cell { return millis(r.Due) }},
	{"sent_ms", KindNumber, "first byte handed to a connection", func(r *Row) cell { return millis(r.Sent) }},
	{"done_ms", KindNumber, "answer read to its end, or given up", func(r *Row) cell { return millis(r.Done) }},
	{"send_delay_ms", KindNumber, "due to sent", func(r *Row) cell { return between(r.Due, r.Sent) }},
	{"service_time_ms", KindNumber, "sent to done", func(r *Row) cell { return between(r.Sent, r.Done) }},
	{"response_time_ms", KindNumber, "due to done", func(r *Row) cell { return between(r.Due, r.Done) }},
	{"waited_ms", KindNumber, "in its place, where it was due and never seen to end: it is longer", func(r *Row) cell { return millis(r.Waited) }},
	{"ledger", KindText, "unsent, sent (nobody knows how it ended), finished, torn (damaged), reserved (it may have been sent when the machine stopped)", func(r *Row) cell { return text(r.State.String()) }},
	{"outcome", KindText, "unsent, acknowledged, refused, unknown", func(r *Row) cell { return text(r.Outcome.String()) }},
	{"class", KindText, "why: status, timeout, reset, connection_refused, unreadable, interrupted", class},
	{"status", KindInteger, "HTTP status, where one was read", func(r *Row) cell { return cell{null: r.Status == 0, i: int64(r.Status)} }},
	{"body_bytes", KindInteger, "size of the request's body", func(r *Row) cell { return cell{i: int64(r.BodySize)} }},
	{"verdict", KindText, "what became of it: processed, lost_write, lost_processing, ...", func(r *Row) cell { return text(r.Verdict.String()) }},
	{"stored", KindBool, "found in a final read, or seen in the stream", func(r *Row) cell { return cell{null: r.Stored == NotKnown, i: truth(r.Stored == Yes).i} }},
	{"committed_ms", KindNumber, "its write reached the table and its stream", func(r *Row) cell { return millis(r.Committed) }},
	{"shard", KindText, "of the stream, where its record lies", func(r *Row) cell { return text(r.Shard) }},
	{"sequence", KindText, "sequence number of its record, up to 38 digits", sequence},
	{"deliveries", KindInteger, "how often its record was handed to the processor", func(r *Row) cell { return counted(r.Deliveries) }},
	{"delivered_ms", KindNumber, "when it was for the first time", func(r *Row) cell { return millis(r.Delivered) }},
	{"dispatch_lag_ms", KindNumber, "committed to delivered", func(r *Row) cell { return between(r.Committed, r.Delivered) }},
	{"delivery_outcome", KindText, "of the last delivery: ok, error, timeout, crash", deliveryOutcome},
	{"applications", KindInteger, "how often the processor's work was applied", func(r *Row) cell { return counted(r.Applications) }},
	{"processed_ms", KindNumber, "when it was, by the processor's clock, in whole milliseconds of UTC", func(r *Row) cell { return millis(r.Effect) }},
	{"processing_lag_ms", KindNumber, "acknowledged to processed; may be negative", func(r *Row) cell { return millis(r.Lag) }},
	{"completion_time_ms", KindNumber, "due to processed", func(r *Row) cell { return between(r.Due, r.Effect) }},
	{"dead_letter", KindBool, "handed to the on-failure destination", func(r *Row) cell { return cell{null: r.Letter == NotKnown, i: truth(r.Letter == Yes).i} }},
	{"dead_letter_readable", KindBool, "and can be read back from there", func(r *Row) cell { return cell{null: r.Letter != Yes, i: truth(r.LetterReadable).i} }},
	{"dead_lettered_ms", KindNumber, "when it was", func(r *Row) cell { return millis(r.Lettered) }},
	{"first_byte_ms", KindNumber, "first byte of the answer that done_ms is the end of", func(r *Row) cell { return millis(r.First) }},
	{"attempts", KindInteger, "how often it was sent: 1, and its retries; sent_ms is the first, outcome and what follows the one that decided", func(r *Row) cell { return counted(r.Attempts) }},
	{"error", KindText, "what went wrong, where no answer was read to its end", func(r *Row) cell { return text(r.Error) }},
}

// text is a text; the empty one is null.
func text(s string) cell { return cell{null: s == "", s: s} }

func truth(b bool) cell {
	if b {
		return cell{i: 1}
	}
	return cell{}
}

// millis is a position or a duration in milliseconds.
func millis(d time.Duration) cell {
	return cell{null: d == Absent, f: float64(d) / float64(time.Millisecond)}
}

// between is the time from one position to another.
func between(from, to time.Duration) cell {
	if from == Absent || to == Absent {
		return null
	}
	return millis(to - from)
}

func counted(n int64) cell { return cell{null: n == Uncounted, i: n} }

func class(r *Row) cell {
	if r.Class == bench.ClassNone {
		return null
	}
	return text(r.Class.String())
}

func sequence(r *Row) cell {
	if r.Sequence.IsZero() {
		return null
	}
	return text(r.Sequence.String())
}

func deliveryOutcome(r *Row) cell {
	if r.DeliveryOutcome == 0 {
		return null
	}
	return text(r.DeliveryOutcome.String())
}
