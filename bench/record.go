package bench

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
	"time"
)

// Request is one planned call, a pure function of plan, seed and Seq.
type Request struct {
	Seq     uint64
	ID      ID
	Payload []byte        // what the item will carry; the digest is taken over these bytes
	Due     time.Duration // from the start of load
	Stage   int           // index of the stage of the load it belongs to
}

// Outcome is what the client knows of a request when it is over.
type Outcome uint8

// The client's outcomes. Unsent is no outcome of a sent request: no byte of it
// was handed to a connection.
const (
	Unsent       Outcome = iota
	Acknowledged         // the status is one of request.ack
	Refused              // the status is one of request.refused, or the connection was refused before a byte was sent
	Unknown              // everything else: time-out, reset, 5xx, unreadable 2xx
)

var outcomeNames = [...]string{"unsent", "acknowledged", "refused", "unknown"}

// String gives the outcome's name as files and reports spell it.
func (o Outcome) String() string { return name(outcomeNames[:], uint8(o)) }

// Class says why a request has its outcome.
type Class uint8

// The classes. ClassNone is that of a request without an outcome, such as one
// that was on the wire when ackproof was killed.
const (
	ClassNone        Class = iota
	ClassStatus            // a status line was read and decided
	ClassTimeout           // request.timeout passed
	ClassReset             // the connection broke after a byte was sent
	ClassConnRefused       // no connection, hence no byte
	ClassUnreadable        // a status line was read, the body was not
	ClassInterrupted       // the run was interrupted
)

var classNames = [...]string{"none", "status", "timeout", "reset", "connection_refused", "unreadable", "interrupted"}

// String gives the class's name as files and reports spell it.
func (c Class) String() string { return name(classNames[:], uint8(c)) }

func name(names []string, i uint8) string {
	if int(i) < len(names) {
		return names[i]
	}
	return fmt.Sprintf("invalid(%d)", i)
}

// Attempt is one row of the ledger: what the client did and saw. Times count
// from the start of load; due is not kept, since the plan gives it. Seq and Retry
// together say which attempt it is.
type Attempt struct {
	Seq       uint64
	Retry     int // 0: the first attempt; n: the nth time that the request was sent again
	Outcome   Outcome
	Class     Class
	Status    int           // HTTP status, 0 where none was read
	Sent      time.Duration // first byte handed to a connection
	FirstByte time.Duration // first byte of the answer came; 0: none did
	End       time.Duration // response read to its end, or given up
	Error     string        // what went wrong, in a few words; "": nothing, or nobody said
}

// Joined joins the account that the client has of a request with a later attempt at
// it: acknowledged if any attempt was, else unknown if any was, else refused. Sent
// is that of the first attempt and End that of the last, so that the request's
// response time counts the waits between them; all else is of the one that decided,
// which is the first that was acknowledged, else the last of the joint outcome.
func (a Attempt) Joined(later Attempt) Attempt {
	if a.Outcome == Acknowledged || later.Outcome == Unsent {
		return a
	}
	if a.Outcome == Unknown && later.Outcome == Refused {
		a.End = max(a.End, later.End)
		return a
	}
	if a.Outcome != Unsent {
		later.Sent = a.Sent
	}
	return later
}

// Digest is the first eight bytes of the SHA-256 of a payload.
type Digest uint64

// DigestOf computes the digest of a payload.
func DigestOf(payload []byte) Digest {
	sum := sha256.Sum256(payload)
	return Digest(binary.BigEndian.Uint64(sum[:8]))
}

// String gives the digest as the results table holds it: 16 hex digits.
func (d Digest) String() string { return fmt.Sprintf("%016x", uint64(d)) }

// ParseDigest reads what String prints.
func ParseDigest(s string) (Digest, error) {
	var b [8]byte
	if len(s) != 16 {
		return 0, fmt.Errorf("parse digest %.40q: want 16 hex digits", s)
	}
	if _, err := hex.Decode(b[:], []byte(s)); err != nil {
		return 0, fmt.Errorf("parse digest %q: %w", s, err)
	}
	return Digest(binary.BigEndian.Uint64(b[:])), nil
}

// Sequence is a stream's sequence number, a decimal number of up to 38 digits.
// The texts have different lengths, so they are compared as numbers.
type Sequence struct{ Hi, Lo uint64 }

// ParseSequence reads a decimal sequence number.
func ParseSequence(s string) (Sequence, error) {
	if len(s) == 0 || len(s) > 38 {
		return Sequence{}, fmt.Errorf("parse sequence number %.60q: want 1 to 38 decimal digits", s)
	}
	var n Sequence
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > '9' {
			return Sequence{}, fmt.Errorf("parse sequence number %q: %q is no decimal digit", s, c)
		}
		hi, lo := bits.Mul64(n.Lo, 10)
		lo, carry := bits.Add64(lo, uint64(c-'0'), 0)
		n = Sequence{Hi: n.Hi*10 + hi + carry, Lo: lo}
	}
	return n, nil
}

// Compare orders sequence numbers: -1, 0 or +1.
func (n Sequence) Compare(m Sequence) int {
	switch {
	case n.Hi != m.Hi:
		if n.Hi < m.Hi {
			return -1
		}
		return 1
	case n.Lo < m.Lo:
		return -1
	case n.Lo > m.Lo:
		return 1
	}
	return 0
}

// Before gives the number one less; zero has none, and stays.
func (n Sequence) Before() Sequence {
	lo, borrow := bits.Sub64(n.Lo, 1, 0)
	hi, under := bits.Sub64(n.Hi, 0, borrow)
	if under != 0 {
		return Sequence{}
	}
	return Sequence{hi, lo}
}

// IsZero reports whether the sequence number is absent.
func (n Sequence) IsZero() bool { return n == Sequence{} }

// String prints the number in decimal.
func (n Sequence) String() string {
	var digits [40]byte
	i := len(digits)
	for {
		i--
		hi, rem := n.Hi/10, n.Hi%10
		lo, rem := bits.Div64(rem, n.Lo, 10)
		digits[i] = byte('0' + rem)
		n = Sequence{hi, lo}
		if n.IsZero() {
			return string(digits[i:])
		}
	}
}

// Item is what the API stored, as a final read found it.
type Item struct {
	Seq       uint64
	OfKey     bool   // Seq is the number of a shared key: which of its versions this is, it does not say
	Digest    Digest // of the payload as stored
	HasDigest bool   // false where the table does not show the payload
}

// Effect is the processor's work on one item, as a final read of the results
// table found it.
type Effect struct {
	Seq       uint64
	OfKey     bool  // Seq is the number of a shared key: which of its versions the row shows, it does not say
	Count     int64 // applications; -1 where the table does not tell
	Sequence  Sequence
	Digest    Digest
	HasDigest bool
	At        time.Time // when it was applied, by the processor's clock
}

// DeadLetter is one record that was handed to the on-failure destination.
type DeadLetter struct {
	Seq      uint64
	Readable bool      // its payload can still be read back
	At       time.Time // when it was handed over
}

// DeliveryOutcome is how an invocation ended for the records in its batch.
type DeliveryOutcome uint8

// The outcomes of a delivery. A throttled invocation is no delivery: nothing
// was handed over.
const (
	Delivered       DeliveryOutcome = iota + 1 // the invocation succeeded
	DeliveryError                              // the function returned an error
	DeliveryTimeout                            // the function ran into its time-out
	DeliveryCrash                              // the process died
)

var deliveryOutcomeNames = [...]string{"none", "ok", "error", "timeout", "crash"}

// String gives the outcome's name as files and reports spell it.
func (o DeliveryOutcome) String() string { return name(deliveryOutcomeNames[:], uint8(o)) }

// Delivery is one record handed to the processor once.
type Delivery struct {
	Shard    string
	Sequence string
	ID       string // of the request that wrote the item; see [WriterOf]
	Batch    uint64 // number of the batch; a retry of the same records keeps it
	Attempt  int    // 1 for the first invocation of the batch
	At       time.Time
	Outcome  DeliveryOutcome
}

// Commit is one write that reached the table and its stream.
type Commit struct {
	Shard    string
	Sequence string
	ID       string // of the request that wrote the item, or whose item is gone; see [WriterOf]
	At       time.Time
	Removed  bool // the item is gone with it: deleted, or expired
}
