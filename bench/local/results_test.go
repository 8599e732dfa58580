package local

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/dynamo"
)

// oneKind strikes every operation it is asked about.
type oneKind struct {
	strike bench.Strike
	bitten int
}

func (k *oneKind) Ask(bench.Op) bench.Strike { return k.strike }
func (k *oneKind) Struck(bench.Strike)       { k.bitten++ }

// table is a store that notes what it is given.
type table struct {
	got    []string
	answer string
}

func (s *table) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var b strings.Builder
	r.Write(&b)
	_, body, _ := strings.Cut(b.String(), "\r\n\r\n")
	s.got = append(s.got, body)
	w.Header().Set("X-Amz-Crc32", "1")
	w.Write([]byte(s.answer))
}

func (*table) position(string) ([]dynamo.ShardEnd, int, int)           { return nil, 0, 0 }
func (*table) look(context.Context, string) ([]dynamo.ShardEnd, error) { return nil, nil }
func (*table) behind(_, _, _ string) int64                             { return 0 }

func post(d *door, op, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "/", strings.NewReader(body))
	r.Header.Set("X-Amz-Target", "DynamoDB_20120810."+op)
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w
}

// TestPartOfABatchIsUnprocessed: every second write of a batch comes back, with
// those that the table itself has left out, and only the others reach it.
func TestPartOfABatchIsUnprocessed(t *testing.T) {
	put := func(id string) string { return `{"PutRequest":{"Item":{"id":{"S":"` + id + `"}}}}` }
	for _, tt := range []struct{ name, sent, answer, reaches, back string }{
		{"three", put("a") + "," + put("b") + "," + put("c"), `{"UnprocessedItems":{}}`,
			`"RequestItems":{"results":[` + put("a") + "," + put("c") + `]}`, `"UnprocessedItems":{"results":[` + put("b") + `]}`},
		{"the table's own", put("a") + "," + put("b"), `{"UnprocessedItems":{"results":[` + put("a") + `]}}`,
			`"RequestItems":{"results":[` + put("a") + `]}`, `"UnprocessedItems":{"results":[` + put("b") + "," + put("a") + `]}`},
	} {
		s, k := &table{answer: tt.answer}, &oneKind{strike: bench.Strike{Kind: strikeResultsThrottle}}
		w := post(&door{store: s, injector: k, table: "results", items: "items"}, "BatchWriteItem", `{"ReturnConsumedCapacity":"NONE","RequestItems":{"results":[`+tt.sent+`]}}`)
		if len(s.got) != 1 || !strings.Contains(s.got[0], tt.reaches) || !strings.Contains(s.got[0], "ReturnConsumedCapacity") {
			t.Errorf("%s: the table got %q", tt.name, s.got)
		}
		if w.Code != 200 || !strings.Contains(w.Body.String(), tt.back) || w.Header().Get("X-Amz-Crc32") != "" || k.bitten != 1 {
			t.Errorf("%s: %d %s %v, bitten %d", tt.name, w.Code, w.Body, w.Header(), k.bitten)
		}
	}
	s, k := &table{}, &oneKind{strike: bench.Strike{Kind: strikeResultsThrottle}}
	w := post(&door{store: s, injector: k, table: "results"}, "BatchWriteItem", `{"RequestItems":{"results":[`+put("a")+`]}}`)
	if len(s.got) != 0 || w.Code != 400 || !strings.Contains(w.Body.String(), throttled.code) {
		t.Errorf("of one: %d %s, the table got %q", w.Code, w.Body, s.got)
	}
}

// TestTheDoorKnowsItsTables: what writes to neither table is nobody's to strike,
// and a kind that is not known is an error and no bite.
func TestTheDoorKnowsItsTables(t *testing.T) {
	s, k := &table{answer: "{}"}, &oneKind{strike: bench.Strike{Kind: "results.melt"}}
	d := &door{store: s, injector: k, table: "results", items: "items"}
	for _, r := range [][2]string{
		{"PutItem", `{"TableName":"others","Item":{"id":{"S":"a"}}}`},
		{"GetItem", `{"TableName":"items","Key":{"id":{"S":"a"}}}`},
		{"PutItem", `no JSON`},
		{"ListTables", `{}`},
	} {
		if w := post(d, r[0], r[1]); w.Code != 200 {
			t.Errorf("%v: %d %s", r, w.Code, w.Body)
		}
	}
	if w := post(d, "PutItem", `{"TableName":"items","Item":{"id":{"S":"a"}}}`); w.Code != 500 || k.bitten != 0 || len(s.got) != 4 {
		t.Errorf("an unknown kind: %d %s, bitten %d", w.Code, w.Body, k.bitten)
	}
}

// TestAfterTheCommit: the write is done and the client is told that it was not.
func TestAfterTheCommit(t *testing.T) {
	for when, want := range map[bench.When]int{bench.BeforeCommit: 0, bench.AfterCommit: 1} {
		s, k := &table{answer: "{}"}, &oneKind{strike: bench.Strike{Kind: "table.error", When: when}}
		w := post(&door{store: s, injector: k, items: "items"}, "PutItem", `{"TableName":"items","Item":{"id":{"S":"a"}}}`)
		if w.Code != 500 || len(s.got) != want || k.bitten != 1 {
			t.Errorf("%s: %d, %d writes, bitten %d", when, w.Code, len(s.got), k.bitten)
		}
	}
}

func FuzzDoor(f *testing.F) {
	f.Add("BatchWriteItem", `{"RequestItems":{"results":[{"PutRequest":{"Item":{"id":{"S":"a"}}}},{"PutRequest":{}}]}}`, `{"UnprocessedItems":null}`)
	f.Add("BatchWriteItem", `{"RequestItems":{"results":[{},null]}}`, `[]`)
	f.Add("PutItem", `{"TableName":"results"}`, `{}`)
	f.Fuzz(func(t *testing.T, op, body, answer string) {
		if strings.ContainsAny(op, "\r\n") {
			t.Skip("no header")
		}
		s, k := &table{answer: answer}, &oneKind{strike: bench.Strike{Kind: strikeResultsThrottle}}
		post(&door{store: s, injector: k, table: "results", items: "items"}, op, body)
		if len(s.got) > 1 {
			t.Errorf("sent on %d times", len(s.got))
		}
	})
}
