package harness_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/harness"
	"github.com/ackproof/ackproof/bench/ledger"
	"github.com/ackproof/ackproof/bench/processor"
	"github.com/ackproof/ackproof/faults"
)

const (
	struckEach = 30                     // operations that each fault sees
	heldUp     = 307 * time.Millisecond // no whole number of requests
)

// onTheWire are the faults of all kinds that strike HTTP requests, each over
// operations of its own: the puts first, since a later request may not come to the
// table, then the requests, then the updates.
func onTheWire() (texts []string) {
	places := []struct {
		place bench.Place
		op    string
	}{
		{bench.PlaceTable, "PutItem"}, {bench.PlaceTableWay, "PutItem"},
		{bench.PlaceClient, "Request"}, {bench.PlaceGateway, "Request"},
		{bench.PlaceResults, "UpdateItem"},
	}
	first := 1
	for _, p := range places {
		for _, k := range faults.Kinds() {
			if k.Place != p.place {
				continue
			}
			text := fmt.Sprintf("on %s %d to %d: %s 30%%", p.op, first, first+struckEach-1, k.Name)
			if len(k.Keys) > 0 {
				text += " by=" + heldUp.String()
			}
			texts = append(texts, text)
			first += struckEach
		}
	}
	return texts
}

// seen are the calls of the processor that did not end as they should, in order.
type seen struct {
	mu    sync.Mutex
	calls []string
	times map[string]int // that an id was written
}

// watched is a processor's way to the tables.
type watched struct {
	*seen
	next aws.HTTPClient
}

// Do sends a call on and looks at its end.
func (s watched) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	var call struct {
		Key struct{ ID struct{ S string } }
	}
	if err := json.Unmarshal(body, &call); err != nil {
		return nil, err
	}
	_, number, _ := strings.Cut(call.Key.ID.S, "-") // the run's id is another one each time
	began := time.Now()
	answer, err := s.next.Do(r)
	end := "held up"
	switch {
	case err != nil:
		end = "cut"
	case answer.StatusCode >= 400:
		text, _ := io.ReadAll(answer.Body)
		answer.Body = io.NopCloser(bytes.NewReader(text))
		var e struct {
			Type string `json:"__type"`
		}
		json.Unmarshal(text, &e) // what is no JSON has no type
		if end = e.Type; strings.Contains(end, "ConditionalCheckFailed") {
			end = "" // done before
		}
	case time.Since(began) < heldUp:
		end = ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if end != "" {
		s.calls = append(s.calls, number+" "+end)
	}
	s.times[number]++
	return answer, err
}

// strikes plays all of them with a seed, and gives the numbers of the requests that
// each was seen to strike, by the text of the fault; those of the updates, which have
// no number of their own, are together.
func strikes(t *testing.T, seed uint64) (map[string][]string, []bench.FaultResult) {
	s := &seen{times: map[string]int{}}
	set, err := json.Marshal(onTheWire())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	r := play(t, func(env harness.Env) harness.Handler[json.RawMessage, any] {
		cfg, err := processor.FromEnv(env.Getenv)
		if err != nil {
			panic(err)
		}
		env.AWS.HTTPClient, env.AWS.RetryMaxAttempts = watched{s, env.AWS.HTTPClient}, 1
		return processor.New(cfg, dynamodb.NewFromConfig(env.AWS), clock.Real{}).Handle
	}, harness.Options{Scenario: "testdata/struck.yaml", Seed: seed, Dir: dir, Set: []string{"faults=" + string(set)}})
	books, err := filepath.Glob(filepath.Join(dir, "*-struck-*", "ledger"))
	if err != nil || len(books) != 1 {
		t.Fatal(books, err)
	}
	book, err := ledger.Open(books[0])
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]string{"updates": s.calls}
	for seq := range book.Len() {
		a, _ := book.At(seq)
		n := fmt.Sprintf("00-%010d", seq)
		if a.Outcome == bench.Acknowledged && a.End-a.Sent < heldUp && s.times[n] < 2 {
			continue
		}
		which := int(seq) / struckEach
		if which >= len(r.Faults) || strings.Contains(r.Faults[which].Text, "UpdateItem") {
			continue
		}
		text := r.Faults[which].Text
		got[text] = append(got[text], n)
	}
	return got, r.Faults
}

// The seed decides which operations are struck, of every kind between two parts that
// speak HTTP: the same again, and others with another one.
func TestASeedStrikesTheSame(t *testing.T) {
	long(t)
	first, bites := strikes(t, 11)
	for _, f := range bites {
		if f.Bitten == 0 {
			t.Errorf("%s has struck nothing", f.Text)
		}
	}
	again, _ := strikes(t, 11)
	other, _ := strikes(t, 12)
	for text, struck := range first {
		if len(struck) == 0 || !slices.Equal(struck, again[text]) {
			t.Errorf("%s: one seed has struck\n%v and\n%v", text, struck, again[text])
		}
		if slices.Equal(struck, other[text]) {
			t.Errorf("%s: two seeds have struck %v", text, struck)
		}
	}
}
