package eventsource

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
	"github.com/google/go-cmp/cmp"

	"github.com/ackproof/ackproof/bench"
)

var testSource = source{streamARN: "arn:aws:dynamodb:us-east-1:000000000000:table/items/stream/1", region: "us-east-1"}

// epoch is where virtual time begins in these tests: a whole second, as stream
// times are.
var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

type (
	values = map[string]types.AttributeValue
	attrS  = types.AttributeValueMemberS
	attrN  = types.AttributeValueMemberN
	attrB  = types.AttributeValueMemberB
)

// streamRecord makes record n of a shard, as GetRecords would give it. Sequence
// numbers cross a power of ten, so that comparing them as text would fail.
func streamRecord(n int, created time.Time, payload string) types.Record {
	id := bench.ID{Run: "k3v9x2ab", Seq: uint64(n)}.String()
	return types.Record{
		EventID:      aws.String(fmt.Sprintf("%032x", n)),
		EventName:    types.OperationTypeInsert,
		EventVersion: aws.String("1.1"),
		EventSource:  aws.String("aws:dynamodb"),
		AwsRegion:    aws.String("us-east-1"),
		Dynamodb: &types.StreamRecord{
			ApproximateCreationDateTime: aws.Time(created),
			Keys:                        values{"id": &attrS{Value: id}},
			NewImage:                    values{"id": &attrS{Value: id}, "payload": &attrS{Value: payload}},
			SequenceNumber:              aws.String(sequenceText(n)),
			SizeBytes:                   aws.Int64(int64(2*len(id) + len(payload))),
			StreamViewType:              types.StreamViewTypeNewAndOldImages,
		},
	}
}

func sequenceText(n int) string { return strconv.Itoa(99_000+n) + strings.Repeat("0", 17) }

func decode(t *testing.T, event []byte) events.DynamoDBEvent {
	t.Helper()
	var got events.DynamoDBEvent
	if err := json.Unmarshal(event, &got); err != nil {
		t.Fatalf("aws-lambda-go cannot decode %s: %v", event, err)
	}
	return got
}

func TestEventDecodesWithLambdaTypes(t *testing.T) {
	in := streamRecord(7, epoch.Add(999*time.Millisecond), "héllo <&> \"\\\n\u2028")
	in.EventName = types.OperationTypeRemove
	in.UserIdentity = &types.Identity{Type: aws.String("Service"), PrincipalId: aws.String("dynamodb.amazonaws.com")}
	in.Dynamodb.OldImage = values{
		"s": &attrS{}, "n": &attrN{Value: "-1.50E+3"}, "b": &attrB{Value: []byte{0, 255}},
		"bool": &types.AttributeValueMemberBOOL{Value: true}, "null": &types.AttributeValueMemberNULL{Value: true},
		"ss": &types.AttributeValueMemberSS{Value: []string{"a", "b"}}, "ns": &types.AttributeValueMemberNS{Value: []string{"1", "2"}},
		"bs": &types.AttributeValueMemberBS{Value: [][]byte{{1}, {2, 3}}},
		"l":  &types.AttributeValueMemberL{Value: []types.AttributeValue{&attrS{Value: "x"}, &attrN{Value: "2"}}},
		"m":  &types.AttributeValueMemberM{Value: values{"k": &types.AttributeValueMemberL{}}},
	}
	r, err := testSource.newRecord(in, epoch)
	if err != nil {
		t.Fatal(err)
	}
	if want := (Record{ID: "k3v9x2ab-00-0000000007", Sequence: sequenceText(7), Created: epoch}); r.Record != want {
		t.Errorf("facts %+v, want %+v", r.Record, want)
	}
	event := encodeEvent([]record{r, r})
	if len(event) != eventSize(2, 2*len(r.json)) {
		t.Errorf("event has %d bytes, eventSize says %d", len(event), eventSize(2, 2*len(r.json)))
	}
	got := decode(t, event)
	if len(got.Records) != 2 {
		t.Fatalf("%d records, want 2", len(got.Records))
	}
	g := got.Records[1]
	if g.EventID != *in.EventID || g.EventName != "REMOVE" || g.EventVersion != "1.1" || g.EventSource != "aws:dynamodb" ||
		g.AWSRegion != "us-east-1" || g.EventSourceArn != testSource.streamARN ||
		g.UserIdentity == nil || *g.UserIdentity != (events.DynamoDBUserIdentity{Type: "Service", PrincipalID: "dynamodb.amazonaws.com"}) {
		t.Errorf("outer fields: %+v", g)
	}
	c := g.Change
	if !c.ApproximateCreationDateTime.Equal(epoch) {
		t.Errorf("created %v, want the whole second %v", c.ApproximateCreationDateTime, epoch)
	}
	if c.SequenceNumber != sequenceText(7) || c.SizeBytes != *in.Dynamodb.SizeBytes || c.StreamViewType != "NEW_AND_OLD_IMAGES" {
		t.Errorf("record fields: %+v", c)
	}
	for name, pair := range map[string][2]any{
		"Keys":     {plainMap(in.Dynamodb.Keys), plainLambdaMap(c.Keys)},
		"NewImage": {plainMap(in.Dynamodb.NewImage), plainLambdaMap(c.NewImage)},
		"OldImage": {plainMap(in.Dynamodb.OldImage), plainLambdaMap(c.OldImage)},
	} {
		if diff := cmp.Diff(pair[0], pair[1]); diff != "" {
			t.Errorf("%s (-stream +lambda):\n%s", name, diff)
		}
	}
}

// plain turns a value of either library into one comparable form.
func plain(v types.AttributeValue) any {
	switch v := v.(type) {
	case *attrS:
		return "S:" + v.Value
	case *attrN:
		return "N:" + v.Value
	case *attrB:
		return "B:" + string(v.Value)
	case *types.AttributeValueMemberBOOL:
		return v.Value
	case *types.AttributeValueMemberNULL:
		return nil
	case *types.AttributeValueMemberSS:
		return "SS:" + strings.Join(v.Value, ",")
	case *types.AttributeValueMemberNS:
		return "NS:" + strings.Join(v.Value, ",")
	case *types.AttributeValueMemberBS:
		return fmt.Sprintf("BS:%x", v.Value)
	case *types.AttributeValueMemberM:
		return plainMap(v.Value)
	case *types.AttributeValueMemberL:
		list := []any{}
		for _, e := range v.Value {
			list = append(list, plain(e))
		}
		return list
	}
	panic(fmt.Sprintf("type %T", v))
}

func plainMap(m values) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		out[k] = plain(v)
	}
	return out
}

func plainLambda(v events.DynamoDBAttributeValue) any {
	switch v.DataType() {
	case events.DataTypeString:
		return "S:" + v.String()
	case events.DataTypeNumber:
		return "N:" + v.Number()
	case events.DataTypeBinary:
		return "B:" + string(v.Binary())
	case events.DataTypeBoolean:
		return v.Boolean()
	case events.DataTypeNull:
		return nil
	case events.DataTypeStringSet:
		return "SS:" + strings.Join(v.StringSet(), ",")
	case events.DataTypeNumberSet:
		return "NS:" + strings.Join(v.NumberSet(), ",")
	case events.DataTypeBinarySet:
		return fmt.Sprintf("BS:%x", v.BinarySet())
	case events.DataTypeMap:
		return plainLambdaMap(v.Map())
	case events.DataTypeList:
		list := []any{}
		for _, e := range v.List() {
			list = append(list, plainLambda(e))
		}
		return list
	}
	panic(fmt.Sprintf("data type %v", v.DataType()))
}

func plainLambdaMap(m map[string]events.DynamoDBAttributeValue) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		out[k] = plainLambda(v)
	}
	return out
}

func TestSameRecordSameBytes(t *testing.T) {
	in := streamRecord(1, epoch, "p")
	for i := range 40 {
		in.Dynamodb.NewImage["attribute"+strconv.Itoa(i)] = &attrN{Value: strconv.Itoa(i)}
	}
	first, err := testSource.appendRecord(nil, in)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		again, _ := testSource.appendRecord(nil, in)
		if string(again) != string(first) {
			t.Fatalf("two encodings differ:\n%s\n%s", first, again)
		}
	}
}

func TestNewRecordRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*types.Record){
		"no sequence number": func(r *types.Record) { r.Dynamodb.SequenceNumber = nil },
		"no record":          func(r *types.Record) { r.Dynamodb = nil },
		"bad number":         func(r *types.Record) { r.Dynamodb.SequenceNumber = aws.String("12x") },
		"no value":           func(r *types.Record) { r.Dynamodb.NewImage["x"] = nil },
		"new type":           func(r *types.Record) { r.Dynamodb.NewImage["x"] = &types.UnknownUnionMember{Tag: "Q"} },
		"new type, deep": func(r *types.Record) {
			r.Dynamodb.NewImage["x"] = &types.AttributeValueMemberL{Value: []types.AttributeValue{&types.UnknownUnionMember{Tag: "Q"}}}
		},
	} {
		r := streamRecord(1, epoch, "p")
		spoil(&r)
		if _, err := testSource.newRecord(r, epoch); err == nil {
			t.Errorf("%s: taken over", name)
		}
	}
}

func TestItemID(t *testing.T) {
	for _, c := range []struct {
		keys values
		want string
	}{
		{values{"pk": &attrS{Value: "a"}}, "a"},
		{values{"pk": &attrS{Value: "a"}, "sk": &attrS{Value: "b"}}, ""},
		{values{"id": &attrS{Value: "a"}, "sk": &attrS{Value: "b"}}, "a"},
		{values{"id": &attrN{Value: "1"}}, ""},
		{nil, ""},
	} {
		if got := itemID(c.keys); got != c.want {
			t.Errorf("itemID(%v) = %q, want %q", c.keys, got, c.want)
		}
	}
}

func TestRecordWithoutTimeCountsAsNew(t *testing.T) {
	in := streamRecord(1, epoch, "p")
	in.Dynamodb.ApproximateCreationDateTime = nil
	r, err := testSource.newRecord(in, epoch.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if !r.Created.Equal(epoch.Add(time.Hour)) {
		t.Errorf("created %v, want the time of reading", r.Created)
	}
	decode(t, encodeEvent([]record{r}))
}

// grow makes a value of fuzz bytes; every type and nesting can come out.
func grow(b []byte, depth int) (types.AttributeValue, []byte) {
	if len(b) == 0 {
		return &types.AttributeValueMemberNULL{Value: true}, nil
	}
	kind, b := b[0], b[1:]
	text := func() string {
		n := 0
		if len(b) > 0 {
			n, b = min(int(b[0]), len(b)-1), b[1:]
		}
		s := strings.ToValidUTF8(string(b[:n]), "\uFFFD")
		b = b[n:]
		return s
	}
	if depth > 20 {
		kind %= 5
	}
	switch kind % 10 {
	case 0:
		return &attrS{Value: text()}, b
	case 1:
		return &attrN{Value: text()}, b
	case 2:
		return &attrB{Value: []byte(text())}, b
	case 3:
		return &types.AttributeValueMemberBOOL{Value: kind > 100}, b
	case 4:
		return &types.AttributeValueMemberNULL{Value: true}, b
	case 5:
		return &types.AttributeValueMemberSS{Value: []string{text(), text()}}, b
	case 6:
		return &types.AttributeValueMemberNS{Value: []string{text()}}, b
	case 7:
		return &types.AttributeValueMemberBS{Value: [][]byte{[]byte(text()), []byte(text())}}, b
	case 8:
		m := values{}
		for range kind / 10 % 4 {
			name := text()
			m[name], b = grow(b, depth+1)
		}
		return &types.AttributeValueMemberM{Value: m}, b
	default:
		l := []types.AttributeValue{}
		for range kind / 10 % 4 {
			var v types.AttributeValue
			v, b = grow(b, depth+1)
			l = append(l, v)
		}
		return &types.AttributeValueMemberL{Value: l}, b
	}
}

func FuzzEvent(f *testing.F) {
	f.Add([]byte{}, "id")
	f.Add([]byte{0, 5, 'h', 'e', 'l', 'l', 'o'}, "k3v9x2ab-00-0000000001")
	f.Add([]byte{38, 1, 'a', 0, 1, 'b', 1, 'c', 29, 1, 1, '9', 3, 5}, "\"\\\x00\x7f\u2028é")
	f.Add([]byte{7, 2, 0, 1, 1, 255}, "<&>")
	f.Fuzz(func(t *testing.T, content []byte, id string) {
		id = strings.ToValidUTF8(id, "\uFFFD")
		value, _ := grow(content, 0)
		in := streamRecord(1, epoch, "p")
		in.Dynamodb.Keys = values{"id": &attrS{Value: id}}
		in.Dynamodb.NewImage = values{"v": value}
		r, err := testSource.newRecord(in, epoch)
		if err != nil {
			t.Fatal(err)
		}
		got := decode(t, encodeEvent([]record{r, r}))
		if len(got.Records) != 2 {
			t.Fatalf("%d records, want 2", len(got.Records))
		}
		for _, g := range got.Records {
			if k := g.Change.Keys["id"].String(); k != id || r.ID != id {
				t.Errorf("id %q came out as %q, and as %q in the facts", id, k, r.ID)
			}
			if want, have := plain(value), plainLambda(g.Change.NewImage["v"]); !reflect.DeepEqual(want, have) { // cmp takes minutes where lists nest
				t.Errorf("value %v came out as %v", want, have)
			}
		}
	})
}

func BenchmarkEncodeRecord(b *testing.B) {
	in := streamRecord(1, epoch, strings.Repeat("x", 256))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := testSource.newRecord(in, epoch); err != nil {
			b.Fatal(err)
		}
	}
}
