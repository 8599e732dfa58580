package eventsource

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/ackproof/ackproof/bench"
)

// maxPayload is the most bytes that one synchronous invocation may carry
// (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
const maxPayload = 6 << 20

// The frame of an event around its records.
const (
	eventHead = `{"Records":[`
	eventTail = `]}`
)

// Record is what is known of a stream record beside its content.
type Record struct {
	ID       string    // of the request that wrote it, see [bench.WriterOf]; empty where the item's hash key is no string
	Sequence string    // sequence number, as the stream spells it
	Created  time.Time // ApproximateCreationDateTime, a whole second
}

// record is a stream record in the hands of a machine. It is encoded once, when
// it is read: a batch may be retried thousands of times.
type record struct {
	Record
	seq    bench.Sequence
	json   []byte // one element of Records
	lane   *lane
	number uint64 // in the shard's progress
}

// source takes records over from one stream.
type source struct {
	streamARN string
	region    string
	scratch   []byte // reused: an encoding is kept at its exact size
}

// newRecord takes over a record that was read at the given time.
func (s *source) newRecord(r types.Record, read time.Time) (record, error) {
	if r.Dynamodb == nil || r.Dynamodb.SequenceNumber == nil {
		return record{}, errors.New("record has no sequence number")
	}
	text := *r.Dynamodb.SequenceNumber
	seq, err := bench.ParseSequence(text)
	if err != nil {
		return record{}, err
	}
	encoded, err := s.appendRecord(s.scratch[:0], r)
	if err != nil {
		return record{}, fmt.Errorf("encode record %s: %w", text, err)
	}
	s.scratch = encoded
	// AWS always gives the time. Without it the record counts as new, since a
	// zero time would make it too old to be delivered at all.
	created := read
	if t := r.Dynamodb.ApproximateCreationDateTime; t != nil {
		created = time.Unix(t.Unix(), 0).UTC()
	}
	return record{
		Record: Record{ID: WriterOf(r), Sequence: text, Created: created},
		seq:    seq,
		json:   bytes.Clone(encoded),
	}, nil
}

// WriterOf gives the id of the request that wrote a record, as far as the stream's
// view shows it.
func WriterOf(r types.Record) string {
	image := r.Dynamodb.NewImage
	if r.EventName == types.OperationTypeRemove {
		image = r.Dynamodb.OldImage
	}
	version, _ := image["version"].(*types.AttributeValueMemberS)
	if version == nil {
		return itemID(r.Dynamodb.Keys)
	}
	return bench.WriterOf(itemID(r.Dynamodb.Keys), version.Value)
}

// itemID takes the text of the only key attribute, or of the one named "id"
// where the table has a sort key too.
func itemID(keys map[string]types.AttributeValue) string {
	value := keys["id"]
	if len(keys) == 1 {
		for _, only := range keys {
			value = only
		}
	}
	if s, ok := value.(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}

// eventSize is the length of the event that appendEvent would make of records
// with so many bytes.
func eventSize(records, recordBytes int) int {
	return len(eventHead) + recordBytes + max(records-1, 0) + len(eventTail)
}

// encodeEvent makes the event that the function is given
// (https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html).
func encodeEvent(records []record) []byte {
	size := 0
	for i := range records {
		size += len(records[i].json)
	}
	b := append(make([]byte, 0, eventSize(len(records), size)), eventHead...)
	for i := range records {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, records[i].json...)
	}
	return append(b, eventTail...)
}

// appendRecord writes one element of Records. Maps are written in the order of
// their keys, so that the same record always gives the same bytes.
func (s *source) appendRecord(b []byte, r types.Record) ([]byte, error) {
	b = appendMember(b, `{"eventID":`, deref(r.EventID))
	b = appendMember(b, `,"eventName":`, string(r.EventName))
	b = appendMember(b, `,"eventVersion":`, orElse(deref(r.EventVersion), "1.1"))
	b = appendMember(b, `,"eventSource":`, orElse(deref(r.EventSource), "aws:dynamodb"))
	b = appendMember(b, `,"awsRegion":`, orElse(deref(r.AwsRegion), s.region))
	b = append(b, `,"dynamodb":{`...)
	d := r.Dynamodb
	if t := d.ApproximateCreationDateTime; t != nil {
		// Whole seconds, as the stream has them: it rounds down, so a fraction
		// here would promise a precision that AWS does not give.
		b = append(b, `"ApproximateCreationDateTime":`...)
		b = strconv.AppendInt(b, t.Unix(), 10)
		b = append(b, ',')
	}
	var err error
	for _, image := range []struct {
		name  string
		value map[string]types.AttributeValue
	}{{`"Keys":`, d.Keys}, {`"NewImage":`, d.NewImage}, {`"OldImage":`, d.OldImage}} {
		if image.value == nil {
			continue
		}
		if b, err = appendAttributes(append(b, image.name...), image.value); err != nil {
			return nil, err
		}
		b = append(b, ',')
	}
	b = appendMember(b, `"SequenceNumber":`, deref(d.SequenceNumber))
	b = append(b, `,"SizeBytes":`...)
	b = strconv.AppendInt(b, deref(d.SizeBytes), 10)
	b = appendMember(b, `,"StreamViewType":`, string(d.StreamViewType))
	b = append(b, '}')
	if u := r.UserIdentity; u != nil {
		b = appendMember(b, `,"userIdentity":{"type":`, deref(u.Type))
		b = appendMember(b, `,"principalId":`, deref(u.PrincipalId))
		b = append(b, '}')
	}
	b = appendMember(b, `,"eventSourceARN":`, s.streamARN)
	return append(b, '}'), nil
}

// appendAttributes writes a map of attributes as DynamoDB JSON.
func appendAttributes(b []byte, attributes map[string]types.AttributeValue) ([]byte, error) {
	b = append(b, '{')
	for i, name := range slices.Sorted(maps.Keys(attributes)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, name), ':')
		var err error
		if b, err = appendAttribute(b, attributes[name]); err != nil {
			return nil, fmt.Errorf("attribute %q: %w", name, err)
		}
	}
	return append(b, '}'), nil
}

// appendAttribute writes one value with its type, such as {"S":"x"}.
func appendAttribute(b []byte, value types.AttributeValue) ([]byte, error) {
	switch v := value.(type) {
	case *types.AttributeValueMemberS:
		b = appendMember(b, `{"S":`, v.Value)
	case *types.AttributeValueMemberN:
		b = appendMember(b, `{"N":`, v.Value)
	case *types.AttributeValueMemberB:
		b = appendBinary(append(b, `{"B":`...), v.Value)
	case *types.AttributeValueMemberBOOL:
		b = strconv.AppendBool(append(b, `{"BOOL":`...), v.Value)
	case *types.AttributeValueMemberNULL:
		b = strconv.AppendBool(append(b, `{"NULL":`...), v.Value)
	case *types.AttributeValueMemberSS:
		b = appendList(append(b, `{"SS":`...), v.Value, appendString)
	case *types.AttributeValueMemberNS:
		b = appendList(append(b, `{"NS":`...), v.Value, appendString)
	case *types.AttributeValueMemberBS:
		b = appendList(append(b, `{"BS":`...), v.Value, appendBinary)
	case *types.AttributeValueMemberM:
		var err error
		if b, err = appendAttributes(append(b, `{"M":`...), v.Value); err != nil {
			return nil, err
		}
	case *types.AttributeValueMemberL:
		b = append(b, `{"L":[`...)
		for i, element := range v.Value {
			if i > 0 {
				b = append(b, ',')
			}
			var err error
			if b, err = appendAttribute(b, element); err != nil {
				return nil, fmt.Errorf("element %d: %w", i, err)
			}
		}
		b = append(b, ']')
	default:
		return nil, fmt.Errorf("type %T is none that DynamoDB documents", value)
	}
	return append(b, '}'), nil
}

func appendList[T any](b []byte, list []T, appendOne func([]byte, T) []byte) []byte {
	b = append(b, '[')
	for i, element := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendOne(b, element)
	}
	return append(b, ']')
}

func appendBinary(b []byte, value []byte) []byte {
	b = append(b, '"')
	b = base64.StdEncoding.AppendEncode(b, value)
	return append(b, '"')
}

// appendMember writes a prefix that ends in a colon, and a string.
func appendMember(b []byte, prefix, value string) []byte {
	return appendString(append(b, prefix...), value)
}

// appendString writes a JSON string. Plain ASCII, nearly all there is, takes
// the short way; encoding/json knows the rest.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return append(b, quoted(s)...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// quoted leaves <, > and & as they are: the event is no HTML, and escaping
// them would count six bytes for one against the payload limit.
func quoted(s string) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		panic("eventsource: a string that cannot be encoded: " + err.Error()) // encoding/json encodes every string
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte{'\n'})
}

// deref gives the value behind a pointer of the SDK, or the zero value.
func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
