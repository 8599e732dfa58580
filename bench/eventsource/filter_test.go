package eventsource

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
)

// filterRecord has something of every kind that a pattern can speak of.
func filterRecord(t *testing.T) []byte {
	t.Helper()
	in := streamRecord(7, epoch, "order-7.json")
	in.UserIdentity = &types.Identity{Type: aws.String("Service"), PrincipalId: aws.String("dynamodb.amazonaws.com")}
	in.Dynamodb.NewImage["n"] = &attrN{Value: "300"}
	in.Dynamodb.NewImage["empty"] = &attrS{}
	in.Dynamodb.NewImage["flag"] = &types.AttributeValueMemberBOOL{Value: true}
	in.Dynamodb.NewImage["tags"] = &types.AttributeValueMemberSS{Value: []string{"red", "blue"}}
	in.Dynamodb.NewImage["none"] = &types.AttributeValueMemberSS{}
	in.Dynamodb.NewImage["deep"] = &types.AttributeValueMemberM{Value: values{"inner": &attrS{Value: "x"}}}
	in.Dynamodb.NewImage["list"] = &types.AttributeValueMemberL{Value: []types.AttributeValue{&attrS{Value: "a"}, &attrN{Value: "1"}}}
	r, err := testSource.newRecord(in, epoch)
	if err != nil {
		t.Fatal(err)
	}
	return r.json
}

// The operators are those of
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html, and
// the examples over keys and images follow
// https://docs.aws.amazon.com/lambda/latest/dg/with-ddb-filtering.html.
func TestFilterMatches(t *testing.T) {
	image := func(attribute, kind, list string) string {
		return `{"dynamodb":{"NewImage":{"` + attribute + `":{"` + kind + `":` + list + `}}}}`
	}
	for _, c := range []struct {
		pattern string
		want    bool
	}{
		{`{"eventName":["INSERT"]}`, true},
		{`{"eventName":["insert"]}`, false},
		{`{"eventName":["MODIFY","INSERT"]}`, true}, // or
		{`{"eventName":["INSERT"],"awsRegion":["eu-west-1"]}`, false},
		{`{"dynamodb":{"Keys":{"id":{"S":["k3v9x2ab-00-0000000007"]}}}}`, true},
		// What TTL deletes: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-streams.html
		{`{"userIdentity":{"type":["Service"],"principalId":["dynamodb.amazonaws.com"]}}`, true},
		{image("payload", "S", `[{"prefix":"order-"}]`), true},
		{image("payload", "S", `[{"prefix":"Order-"}]`), false},
		{image("payload", "S", `[{"prefix":{"equals-ignore-case":"Order-"}}]`), true},
		{image("payload", "S", `[{"suffix":".json"}]`), true},
		{image("payload", "S", `[{"suffix":{"equals-ignore-case":".JSON"}}]`), true},
		{image("payload", "S", `[{"suffix":".xml"},"order-7.json"]`), true},
		{image("payload", "S", `[{"equals-ignore-case":"ORDER-7.JSON"}]`), true},
		{image("payload", "S", `[{"anything-but":"x"}]`), true},
		{image("payload", "S", `[{"anything-but":["x","order-7.json"]}]`), false},
		{image("missing", "S", `[{"anything-but":"x"}]`), false}, // what is not there is not anything
		{image("empty", "S", `[""]`), true},
		{image("payload", "S", `[""]`), false},
		{image("payload", "S", `[null]`), false},
		{image("missing", "S", `[null]`), false},
		{image("payload", "S", `[{"exists":true}]`), true},
		{image("payload", "S", `[{"exists":false}]`), false},
		{image("missing", "S", `[{"exists":false}]`), true},
		{image("missing", "S", `[{"exists":true}]`), false},
		{image("payload", "N", `[{"exists":true}]`), false}, // it is an S
		{`{"dynamodb":{"OldImage":{"id":{"S":[{"exists":false}]}}}}`, true},
		{`{"dynamodb":{"NewImage":[{"exists":true}]}}`, false}, // no leaf
		{image("flag", "BOOL", `[true]`), true},
		{image("flag", "BOOL", `["true"]`), false},
		{image("n", "N", `["300"]`), true},
		// DynamoDB's numbers are texts in a record.
		{image("n", "N", `[300]`), false},
		{image("n", "N", `[{"numeric":["=",300]}]`), false},
		{image("tags", "SS", `["blue"]`), true},
		{image("tags", "SS", `["green"]`), false},
		{image("none", "SS", `[{"exists":true}]`), false},
		{image("deep", "M", `{"inner":{"S":["x"]}}`), true},
		{image("list", "L", `{"S":["a"]}`), true},
		{image("list", "L", `{"S":["b"]}`), false},
		{`{"dynamodb":{"SizeBytes":[{"numeric":[">",0,"<=",1000]}]}}`, true},
		{`{"dynamodb":{"SizeBytes":[{"numeric":["<",10]}]}}`, false},
		{`{"dynamodb":{"ApproximateCreationDateTime":[{"numeric":[">=",1767323045]}]}}`, true},
		{`{"dynamodb":{"ApproximateCreationDateTime":[{"numeric":[">",1767323045]}]}}`, false},
		{`{"dynamodb":{"ApproximateCreationDateTime":[{"numeric":["=",1767323045.0]}]}}`, true},
		{`{"dynamodb":{"ApproximateCreationDateTime":[1767323045]}}`, true},
		{`{"dynamodb":{"ApproximateCreationDateTime":[1767323045.0]}}`, false}, // exact is as it is spelled
		{`{"$or":[{"eventName":["MODIFY"]},{"dynamodb":{"NewImage":{"n":{"N":["300"]}}}}]}`, true},
		{`{"$or":[{"eventName":["MODIFY"]},{"eventName":["REMOVE"]}]}`, false},
		{`{"awsRegion":["us-east-1"],"$or":[{"eventName":["MODIFY"]},{"eventName":["INSERT"]}]}`, true},
		{`{"awsRegion":["eu-west-1"],"$or":[{"eventName":["INSERT"]}]}`, false},
		{`{"dynamodb":{"NewImage":{"$or":[{"n":{"N":["1"]}},{"payload":{"S":[{"prefix":"order"}]}}]}}}`, true},
		{`{"eventName":{"deeper":["INSERT"]}}`, false},
	} {
		if got := mustFilter([]string{c.pattern}).match(filterRecord(t)); got != c.want {
			t.Errorf("%s matches: %v, want %v", c.pattern, got, c.want)
		}
	}
	if !mustFilter(nil).match(filterRecord(t)) {
		t.Error("without a pattern nothing passes")
	}
	if !mustFilter([]string{`{"eventName":["REMOVE"]}`, `{"eventName":["INSERT"]}`}).match(filterRecord(t)) {
		t.Error("one of two patterns is not enough")
	}
}

func TestFilterRefuses(t *testing.T) {
	for _, pattern := range []string{
		``, `x`, `"single-string"`, `[{"eventName":["INSERT"]}]`, `{}`, `null`, `{"a":[1]} {}`,
		`{"eventName":"INSERT"}`, `{"eventName":[]}`, `{"eventName":{}}`, `{"eventName":null}`, `{"a":[["x"]]}`,
		`{"a":[{"exists":"yes"}]}`, `{"a":[{"prefix":1}]}`, `{"a":[{"prefix":{"suffix":"x"}}]}`, `{"a":[{"prefix":"x","suffix":"y"}]}`, `{"a":[{}]}`,
		`{"a":[{"numeric":[]}]}`, `{"a":[{"numeric":["=","5"]}]}`, `{"a":[{"numeric":["~",5]}]}`, `{"a":[{"numeric":["<",5,">",1]}]}`,
		`{"a":[{"numeric":["=",5,"=",5]}]}`, `{"a":[{"numeric":[">",1,"<"]}]}`, `{"a":[{"numeric":5}]}`, `{"a":[{"numeric":["=",1e999]}]}`,
		`{"a":[{"anything-but":[]}]}`, `{"a":[{"anything-but":[true]}]}`, `{"a":[{"anything-but":{"prefix":"x"}}]}`,
		`{"a":[{"cidr":"10.0.0.0/24"}]}`, `{"a":[{"wildcard":"*"}]}`, `{"a":[{"unknown":1}]}`,
		`{"$or":[]}`, `{"$or":{"a":["x"]}}`, `{"$or":["x"]}`, `{"$or":[{"a":"x"}]}`, `{"a":[{"equals-ignore-case":["x"]}]}`,
		`{"a":["` + strings.Repeat("x", maxPatternLength) + `"]}`,
	} {
		_, err := parsePattern(pattern)
		if _, ok := errors.AsType[*patternError](err); !ok || !strings.Contains(err.Error(), "Invalid filter pattern definition.") {
			t.Errorf("%.80s: %v", pattern, err)
		}
	}
}

// TestFilteredRecords: they are counted and settled, never delivered, and the
// checkpoint moves over them.
func TestFilteredRecords(t *testing.T) {
	s := defaults()
	s.FilterCriteria = []string{`{"dynamodb":{"NewImage":{"payload":{"S":["yes"]}}}}`}
	page := []types.Record{streamRecord(1, epoch, "no"), streamRecord(2, epoch, "yes"), streamRecord(3, epoch, "no")}
	tr := &trace{machine: newTestMachine(s), pages: [][]types.Record{page}, answer: always(success)}
	tr.run(t)
	if got := calls(tr.invokes, func(in Invoke) []Record { return in.Records }); got != "[2]" || !tr.ended {
		t.Errorf("delivered %s", got)
	}
	c := tr.machine.Counters()
	if c.Filtered != 2 || c.Settled != 1 || c.Polled != 3 || c.CloudWatch()["FilteredOutEventCount"] != 2 {
		t.Errorf("%+v", c)
	}
	if p := tr.machine.Position(); p.Checkpoint != sequenceText(3) || p.Behind != 0 {
		t.Errorf("position %+v", p)
	}
}

func FuzzPattern(f *testing.F) {
	for _, seed := range []string{
		`{"eventName":["INSERT"]}`, `{"a":{"b":[{"exists":false}]}}`, `{"$or":[{"a":[1]},{"b":[null]}]}`, `{"a":[{"numeric":[">",0,"<=",5]}]}`,
		`{"a":[{"anything-but":["x",1]}]}`, `{"a":[{"prefix":{"equals-ignore-case":"x"}}]}`, `{"a":[[]]}`, `{"a":`,
	} {
		f.Add(seed, `{"a":{"b":["x",1,null]},"eventName":"INSERT"}`)
	}
	f.Fuzz(func(t *testing.T, pattern, record string) {
		p, err := parsePattern(pattern)
		if err != nil {
			if _, ok := errors.AsType[*patternError](err); !ok {
				t.Fatal(err)
			}
			return
		}
		if !json.Valid([]byte(record)) {
			return
		}
		value, err := decodeJSON([]byte(record))
		if err != nil {
			return
		}
		// An alternative that is there twice changes nothing, and neither does
		// another pattern of the same words.
		got := p.match(value, true)
		if twice := (filter{p, p}).match([]byte(record)); twice != got {
			t.Fatalf("%s matches %s: %v, twice: %v", pattern, record, got, twice)
		}
		either, err := parsePattern(`{"$or":[` + pattern + `,{"never there":[{"exists":true}]}]}`)
		if err != nil {
			return // now it is too long
		}
		object, isObject := value.(map[string]any)
		if _, there := object["never there"]; isObject && !there && either.match(value, true) != got {
			t.Fatalf("%s matches %s: %v, as an alternative it does not", pattern, record, got)
		}
	})
}

func BenchmarkFilter(b *testing.B) {
	f := mustFilter([]string{`{"eventName":["INSERT"],"dynamodb":{"NewImage":{"payload":{"S":[{"prefix":"order"}]}}}}`})
	r, err := testSource.newRecord(streamRecord(1, epoch, strings.Repeat("order", 50)), epoch)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if !f.match(r.json) {
			b.Fatal("no match")
		}
	}
}
