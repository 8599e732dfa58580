package dynamo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/ackproof/ackproof/bench/peer"
)

// side is one of two engines that play the same program. What it says is kept
// in a form in which equal answers are equal: numbers by value, sets and what
// has no order sorted.
type side struct {
	name   string
	url    string
	client *http.Client
	table  string // what the program's "tab" is called here
	await  func() // returns when the table can be used; nil where it can at once
	sent   int    // requests
}

// embedded makes the side of a new engine of our own; wrap may put something in
// front of it.
func embedded(wrap func(http.Handler) http.Handler) *side {
	h := NewServer(ServerOptions{Engine: New(Options{Shards: 3, Seed: 1})})
	if wrap != nil {
		h = wrap(h)
	}
	return &side{name: "embedded", url: "http://embedded.test", client: &http.Client{Transport: NewTransport(h)}, table: "tab"}
}

// answer is what an engine said.
type answer struct {
	Code    string // of an error; "" for none
	Body    object // of a success; of an error only what a client may build upon
	message string // of an error; texts are not compared
}

// gone is what call panics with when no answer comes: there are engines that
// one request can end.
type gone struct {
	side      *side
	operation string
	body      object
	err       error
}

func (g gone) Error() string {
	return fmt.Sprintf("%s: %s %s: %v", g.side.name, g.operation, jsonText(g.body), g.err)
}

// call runs one operation.
func (s *side) call(operation string, body object) answer {
	s.sent++
	r, err := peer.NewRequest(context.Background(), s.url, operation, []byte(strings.NewReplacer(`"tab"`, `"`+s.table+`"`, `"token-`, `"`+s.table+`-`).Replace(jsonText(body))))
	if err != nil {
		panic(err)
	}
	resp, err := s.client.Do(r)
	if err != nil {
		panic(gone{s, operation, body, err})
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		panic(gone{s, operation, body, err})
	}
	text = bytes.ReplaceAll(text, []byte(`"`+s.table+`"`), []byte(`"tab"`))
	var m object
	if err := json.Unmarshal(text, &m); err != nil {
		return answer{Code: fmt.Sprintf("status %d, no JSON", resp.StatusCode), message: string(text)}
	}
	if resp.StatusCode == http.StatusOK {
		return answer{Body: normal(m).(object)}
	}
	return failure(m, resp.StatusCode)
}

func failure(m object, status int) answer {
	a := answer{Body: object{}}
	code, _ := m["__type"].(string)
	a.Code = fmt.Sprintf("%s (%d)", code[strings.LastIndexByte(code, '#')+1:], status)
	for _, k := range []string{"message", "Message"} {
		if text, ok := m[k].(string); ok {
			a.message = text
		}
	}
	if it, ok := m["Item"].(object); ok {
		a.Body["Item"] = normal(it)
	}
	reasons, _ := m["CancellationReasons"].([]any)
	for _, r := range reasons {
		delete(r.(object), "Message")
	}
	if reasons != nil {
		a.Body["CancellationReasons"] = normal(reasons)
	}
	return a
}

// normal brings an answer into the form that is compared.
func normal(v any) any {
	switch v := v.(type) {
	case object:
		out := object{}
		for k, e := range v {
			switch s, isText := e.(string); {
			case k == "N" && isText:
				out[k] = normalNumber(s)
			case k == "SS" || k == "NS" || k == "BS":
				out[k] = normalSet(k, e)
			default:
				out[k] = normal(e)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = normal(v[i])
		}
		return out
	}
	return v
}

// normalNumber writes a number as a fraction. It shares nothing with the
// engine's own decimals.
func normalNumber(s string) string {
	if r, ok := new(big.Rat).SetString(s); ok {
		return r.RatString()
	}
	return "no number: " + s
}

func normalSet(kind string, members any) any {
	list, _ := members.([]any)
	var out []string
	for _, m := range list {
		s := fmt.Sprint(m)
		if kind == "NS" {
			s = normalNumber(s)
		}
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}

func jsonText(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// sorted orders a list that has no order of its own.
func sorted(list []any) []any {
	out := slices.Clone(list)
	slices.SortFunc(out, func(a, b any) int { return strings.Compare(jsonText(a), jsonText(b)) })
	return out
}

// run plays a move. Reads that have pages are read to their end: where a page
// of a Scan ends depends on an order that every engine has its own of.
func (s *side) run(m move) answer {
	switch m.name {
	case "Query":
		return s.pages(m, m.body, m.body["IndexName"] == nil)
	case "Scan":
		segments, _ := m.body["TotalSegments"].(int)
		if segments == 0 {
			return s.pages(m, m.body, false)
		}
		sum := answer{Body: object{"Items": []any{}, "Count": 0.0, "ScannedCount": 0.0}}
		for i := range segments {
			body := copied(m.body)
			body["Segment"] = i
			a := s.pages(m, body, false)
			if a.Code != "" {
				return a
			}
			for _, k := range []string{"Count", "ScannedCount"} {
				sum.Body[k] = sum.Body[k].(float64) + a.Body[k].(float64)
			}
			sum.Body["Items"] = sorted(append(sum.Body["Items"].([]any), a.Body["Items"].([]any)...))
		}
		return sum
	}
	a := s.call(m.name, m.body)
	if responses, ok := a.Body["Responses"].(object); ok { // of a BatchGetItem
		for table, items := range responses {
			responses[table] = sorted(items.([]any))
		}
	}
	return a
}

// pages follows a read to its end. Where the order is given, that of the items
// counts, and so does where each page ends.
func (s *side) pages(m move, body object, inOrder bool) answer {
	body = copied(body)
	items := []any{}
	var ends []any
	sum := object{"Count": 0.0, "ScannedCount": 0.0}
	for n := 0; ; n++ {
		a := s.call(m.name, body)
		if a.Code != "" {
			if n > 0 {
				a.Code += " on a page after the first"
			}
			return a
		}
		page, _ := a.Body["Items"].([]any)
		items = append(items, page...)
		for k := range sum {
			count, _ := a.Body[k].(float64)
			sum[k] = sum[k].(float64) + count
		}
		next, more := a.Body["LastEvaluatedKey"]
		ends = append(ends, len(page))
		if !more || n == 100 {
			break
		}
		body["ExclusiveStartKey"] = next
	}
	if inOrder {
		sum["ends"] = ends
	} else {
		items = sorted(items)
	}
	sum["Items"] = items
	return answer{Body: sum}
}

// chains reads the stream of the table whole and gives, for each key, its
// changes in their order. Sequence numbers, shards and times are each engine's
// own.
func (s *side) chains() map[string][]object {
	streams := s.call("ListStreams", object{"TableName": "tab"})
	list, _ := streams.Body["Streams"].([]any)
	if len(list) != 1 {
		panic(fmt.Sprintf("%s: not one stream: %+v", s.name, streams))
	}
	arn := list[0].(object)["StreamArn"]
	if text, ok := arn.(string); ok {
		arn = strings.ReplaceAll(text, "/tab/", "/"+s.table+"/")
	}
	described := s.call("DescribeStream", object{"StreamArn": arn})
	description, _ := described.Body["StreamDescription"].(object)
	shards, _ := description["Shards"].([]any)
	out := map[string][]object{}
	for _, sh := range shards {
		iterator := s.call("GetShardIterator", object{"StreamArn": arn, "ShardId": sh.(object)["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}).Body["ShardIterator"]
		for n := 0; iterator != nil && n < 100; n++ {
			got := s.call("GetRecords", object{"ShardIterator": iterator})
			records, _ := got.Body["Records"].([]any)
			if got.Code != "" {
				panic(fmt.Sprintf("%s: GetRecords: %+v", s.name, got))
			}
			if len(records) == 0 {
				break
			}
			for _, r := range records {
				change := r.(object)["dynamodb"].(object)
				key := jsonText(change["Keys"])
				one := object{"event": r.(object)["eventName"]}
				for _, k := range []string{"NewImage", "OldImage"} {
					if image, ok := change[k]; ok {
						one[k] = image
					}
				}
				out[key] = append(out[key], one)
			}
			iterator = got.Body["NextShardIterator"]
		}
	}
	return out
}

// disagreement is a place in which two engines differ.
type disagreement struct {
	engine string
	scene  scene
	move   move
	where  string // "answer", "item" (what a write left), "stream" (of one key), "end" (of the other server)
	before any    // the item, before a write of one
	ours   answer
	theirs answer
	oldest []object // for "stream": the chains
	newest []object
	rule   string // that explains it; "": none does
}

func (d disagreement) String() string {
	if d.where == "stream" {
		return fmt.Sprintf("%s, stream of %s:\n  embedded: %s\n  %s: %s", d.engine, jsonText(d.move.body), jsonText(d.oldest), d.engine, jsonText(d.newest))
	}
	return fmt.Sprintf("%s, %s of %s %s\n  item before: %s\n  embedded: %s %s %s\n  %s: %s %s %s", d.engine, d.where, d.move.name, jsonText(d.move.body), jsonText(d.before),
		d.ours.Code, jsonText(d.ours.Body), d.ours.message, d.engine, d.theirs.Code, jsonText(d.theirs.Body), d.theirs.message)
}

// match is a program played on two engines.
type match struct {
	ours, theirs *side
	program      program
	streams      bool
	differ       func(disagreement) // told of every difference
	texts        func(operation, ours, theirs string)
	tainted      map[string]bool // keys whose streams are not to be compared any more
	ended        bool            // the other server is gone
}

// play plays the program and tells of every difference. After one in what is
// stored, the item is made as ours is, so that one difference is told once.
func (g *match) play() {
	defer func() {
		switch err := recover().(type) {
		case nil:
		case gone:
			if err.side != g.theirs {
				panic(err)
			}
			g.ended = true
			g.differ(disagreement{engine: g.theirs.name, scene: g.program.scene, where: "end", move: move{name: err.operation, body: err.body}, theirs: answer{Code: "no answer", message: err.err.Error()}})
		default:
			panic(err)
		}
	}()
	g.tainted = map[string]bool{}
	for _, s := range []*side{g.ours, g.theirs} {
		if a := s.call("CreateTable", g.program.create("tab", g.streams)); a.Code != "" {
			panic(fmt.Sprintf("%s: CreateTable %s: %s %s", s.name, jsonText(g.program.create("tab", g.streams)), a.Code, a.message))
		}
		if s.await != nil {
			s.await()
		}
	}
	for _, m := range g.program.moves {
		g.move(m)
	}
	for _, index := range []string{"", "lsi", "gsi"} {
		if index == "lsi" && !g.program.local || index == "gsi" && g.program.global == "-" {
			continue
		}
		body := object{"TableName": "tab"}
		if index != "" {
			body["IndexName"] = index
		}
		g.move(move{name: "Scan", body: body})
	}
	if g.streams {
		g.compareStreams()
	}
}

func (g *match) move(m move) {
	var before any
	if len(m.keys) == 1 {
		before = g.get(g.ours, m.keys[0]).Body["Item"]
	}
	d := disagreement{engine: g.theirs.name, scene: g.program.scene, move: m, before: before, where: "answer", ours: g.ours.run(m), theirs: g.theirs.run(m)}
	if !same(d.ours, d.theirs) {
		g.differ(d)
	} else if d.ours.message != d.theirs.message && g.texts != nil {
		g.texts(m.name, d.ours.message, d.theirs.message)
	}
	for _, key := range m.keys {
		ours, theirs := g.get(g.ours, key), g.get(g.theirs, key)
		if same(ours, theirs) {
			continue
		}
		if ours.Code != "" || theirs.Code != "" {
			continue // no key that an item could have
		}
		if d.ours.Code == d.theirs.Code { // else what is stored differs because one has refused, which is told already
			d := d
			d.where, d.ours, d.theirs = "item", ours, theirs
			g.differ(d)
		}
		g.mend(key, ours.Body["Item"])
	}
}

func same(a, b answer) bool {
	return a.Code == b.Code && (len(a.Body) == 0 && len(b.Body) == 0 || reflect.DeepEqual(a.Body, b.Body))
}

func (g *match) get(s *side, key object) answer {
	return s.call("GetItem", object{"TableName": "tab", "Key": key, "ConsistentRead": true})
}

// mend makes the other engine's item as ours is. Its stream is another one now.
func (g *match) mend(key object, it any) {
	name, body := "DeleteItem", object{"TableName": "tab", "Key": key}
	if it != nil {
		name, body = "PutItem", object{"TableName": "tab", "Item": decimals(it)}
	}
	if a := g.theirs.call(name, body); a.Code != "" {
		panic(fmt.Sprintf("%s: %s %s: %s %s", g.theirs.name, name, jsonText(body), a.Code, a.message))
	}
	g.tainted[jsonText(normal(key))] = true
}

// decimals undoes what normal did to the numbers of an item.
func decimals(v any) any {
	switch v := v.(type) {
	case object:
		out := object{}
		for k, e := range v {
			if s, ok := e.(string); ok && k == "N" {
				out[k] = decimal(s)
			} else if list, ok := e.([]string); ok && k == "NS" {
				var texts []string
				for _, s := range list {
					texts = append(texts, decimal(s))
				}
				out[k] = texts
			} else {
				out[k] = decimals(e)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = decimals(v[i])
		}
		return out
	}
	return v
}

func decimal(fraction string) string {
	r, ok := new(big.Rat).SetString(fraction)
	if !ok {
		panic("no fraction: " + fraction)
	}
	if r.IsInt() {
		return r.Num().String()
	}
	text, _ := canonicalNumber(strings.TrimRight(r.FloatString(maxDigits-minMagnitude), "0"))
	return text
}

func (g *match) compareStreams() {
	ours, theirs := g.ours.chains(), g.theirs.chains()
	for key := range theirs {
		if _, ok := ours[key]; !ok {
			ours[key] = nil
		}
	}
	for key, chain := range ours {
		if !g.tainted[key] && !reflect.DeepEqual(chain, theirs[key]) {
			g.differ(disagreement{engine: g.theirs.name, scene: g.program.scene, where: "stream", move: move{name: "stream", body: object{"key": key}}, oldest: chain, newest: theirs[key]})
		}
	}
}
