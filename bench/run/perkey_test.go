package run_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/ledger"
	"github.com/ackproof/ackproof/bench/run"
)

// keyed is a system of somebody else's: an API that stores an item of several versions
// and processes it at once, into one row for all of them.
type keyed struct {
	inProcess
	bare bool                        // rows do not name their version
	rows func(row map[string]string) // changes what a row says; nil: nothing
	skip func(key, seq uint64) bool  // it is not processed; nil: each is
	drop func(key, seq uint64) bool  // it is acknowledged and not stored
	late map[uint64]bool             // keys whose first row is put over each newer one
	mu   sync.Mutex
	last map[uint64]uint64              // by key: the version that was stored last
	show map[uint64]uint64              // by key: the version that its row shows
	been map[uint64][]map[string]string // by key: all that its row has shown
}

// keyedPlan loads it with hot keys and cold ones.
const keyedPlan = `
name: keyed
load: [{name: steady, for: 800ms, rate: 750/s}]
workload: {kind: versions, keys: 40, skew: zipf}
guarantee: {effects: at-least-once}
processor: {timeout: 100ms, work: 0ms}
mapping: {batchSize: 10, retryBase: 10ms, retryCap: 100ms}
drain: {quiet: 600ms}
target:
  url: http://127.0.0.1:1
  items: {table: items, id: order, payload: body, version: write}
  results: {table: results, id: order, processedAt: doneAt, version: by, digest: sum, perKey: true}
`

func (k *keyed) Name() string { return "http" }

func (k *keyed) Start(ctx context.Context, stack bench.Stack, events func(bench.Event)) (bench.Endpoints, error) {
	k.last, k.show, k.been = map[uint64]uint64{}, map[uint64]uint64{}, map[uint64][]map[string]string{}
	k.key, k.secret = stack.System.ItemID, true
	e, err := k.inProcess.Start(ctx, stack, events)
	api := httptest.NewServer(http.HandlerFunc(k.serve))
	k.servers = append(k.servers, api)
	e.API, e.Attributes = api.URL, &stack.System.Attributes
	return e, err
}

func (k *keyed) serve(w http.ResponseWriter, r *http.Request) {
	var in struct{ ID, Version, Payload string }
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	ctx := context.WithoutCancel(r.Context())
	shared, ours := bench.ParseSharedKey(in.ID)
	id, err := bench.ParseID(in.Version)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if ours && k.drop != nil && k.drop(shared.Number, id.Seq) {
		return
	}
	if ours {
		k.last[shared.Number] = id.Seq
	}
	err = k.put(ctx, k.tables[0], map[string]string{"order": in.ID, "write": in.Version, "body": in.Payload})
	if err == nil && !(ours && k.skip != nil && k.skip(shared.Number, id.Seq)) {
		row := map[string]string{"order": in.ID, "by": in.Version, "sum": bench.DigestOf([]byte(in.Payload)).String(), "#doneAt": fmt.Sprint(time.Now().UnixMilli())}
		if k.bare {
			delete(row, "by")
		}
		if k.rows != nil {
			k.rows(row)
		}
		err = k.put(ctx, k.tables[1], row)
		if ours && k.late[shared.Number] && len(k.been[shared.Number]) > 0 {
			err = errors.Join(err, k.put(ctx, k.tables[1], k.been[shared.Number][0]))
		} else if ours {
			k.show[shared.Number] = id.Seq
			k.been[shared.Number] = append(k.been[shared.Number], row)
		}
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// carryOutKeyed runs the plan on it.
func carryOutKeyed(t *testing.T, k *keyed) string {
	t.Helper()
	k.t = t
	text := keyedPlan
	if k.bare {
		text = strings.Replace(text, "version: by, ", "", 1)
	}
	return carryOutOn(t, text, k)
}

func findings(r *bench.Result, v bench.ItemVerdict) (seqs []uint64) {
	for _, f := range r.Findings {
		if f.Verdict == v {
			seqs = append(seqs, f.Seq)
		}
	}
	return seqs
}

// A system that keeps one row for all versions of an item is judged by what each row
// shows, here by its digest alone; of what was replaced nothing is said, and no figure
// is made.
func TestOneRowForAllVersionsOfASystemOfOnesOwn(t *testing.T) {
	run.Long(t)
	t.Parallel()
	k := &keyed{bare: true}
	dir := carryOutKeyed(t, k)
	r := judge(t, dir)
	keys := int64(len(k.show))
	if r.Verdict != bench.Pass || r.Items.Processed != keys || r.Items.Superseded != planned-keys || r.Items.Duplicated != nil {
		t.Fatalf("%s %v; %+v of %d keys", r.Verdict, r.Reasons, r.Items, keys)
	}
	if r.Lag == nil || r.Lag.Count != keys || r.Lag.Censored != 0 || r.Completion.Count != keys || len(r.Backlog) != 0 || !strings.Contains(strings.Join(r.Notes, " "), "one row for all versions") {
		t.Errorf("lag %+v, completion %+v, backlog %v, notes %q", r.Lag, r.Completion, r.Backlog, r.Notes)
	}
	if r.Clock.Samples != 0 {
		t.Errorf("%d requests were asked for that have no row", r.Clock.Samples)
	}
	k.tellsNoMoreThanItKnows(t, dir)
}

// tellsNoMoreThanItKnows looks at what the export says of each request.
func (k *keyed) tellsNoMoreThanItKnows(t *testing.T, dir string) {
	t.Helper()
	var out strings.Builder
	if _, err := run.Export(t.Context(), dir, &out, ledger.JSONLines); err != nil {
		t.Fatal(err)
	}
	shown := map[uint64]bool{}
	for _, seq := range k.show {
		shown[seq] = true
	}
	rows := strings.Split(strings.TrimSpace(out.String()), "\n")
	for seq, line := range rows {
		var row struct {
			Stored *bool    `json:"stored"`
			Effect *float64 `json:"processed_ms"`
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		if is := shown[uint64(seq)]; is != (row.Effect != nil) || is != (row.Stored != nil) {
			t.Fatalf("request %d is shown: %v; the export says %s", seq, is, line)
		}
	}
	if len(rows) != planned {
		t.Errorf("%d rows", len(rows))
	}
	trace, err := run.Trace(dir, fmt.Sprint(slices.Max(slices.Collect(unshown(shown)))))
	if err != nil || trace.Verdict != "superseded" || !strings.Contains(strings.Join(trace.Unknown, " "), "a newer version of its item") {
		t.Errorf("%+v, %v", trace, err)
	}
}

// unshown gives the requests that no row shows.
func unshown(shown map[uint64]bool) func(yield func(uint64) bool) {
	return func(yield func(uint64) bool) {
		for seq := range uint64(planned) {
			if !shown[seq] && !yield(seq) {
				return
			}
		}
	}
}

// Each defect, planted in keys of its own, is found by the ids of those versions that
// their items should show.
func TestOneRowThatDoesNotShowTheNewestVersion(t *testing.T) {
	run.Long(t)
	t.Parallel()
	const dropped, stale, spoilt = 0, 4, "3"
	other := bench.DigestOf(nil).String()
	k := &keyed{
		drop: func(key, seq uint64) bool { return key == dropped && seq >= planned/2 }, // the API acknowledges, and stores nothing
		late: map[uint64]bool{stale: true},
		skip: func(key, seq uint64) bool { return key%4 == 1 && seq >= planned/2 || key%4 == 2 }, // the last versions, or all
		rows: func(row map[string]string) {
			if strings.HasSuffix(row["order"], spoilt) {
				row["sum"] = other
			}
		},
	}
	r := judge(t, carryOutKeyed(t, k))
	var wrong, lost []uint64
	for key, last := range k.last {
		shown, there := k.show[key]
		if !there {
			lost = append(lost, last)
			continue
		}
		if shown != last {
			wrong = append(wrong, last)
		}
		if k.been[key][len(k.been[key])-1]["sum"] == other {
			wrong = append(wrong, shown)
		}
	}
	slices.Sort(wrong)
	slices.Sort(lost)
	if !slices.Equal(findings(r, bench.WrongEffect), wrong) || !slices.Equal(findings(r, bench.LostProcessing), lost) || !slices.Contains(wrong, k.last[stale]) || len(wrong) < 5 || len(lost) < 5 {
		t.Errorf("wrong %v, want %v; lost %v, want %v", findings(r, bench.WrongEffect), wrong, findings(r, bench.LostProcessing), lost)
	}
	// Those that were sent when the last one that was stored had been acknowledged.
	dropsFound := findings(r, bench.LostWrite)
	for _, seq := range dropsFound {
		if seq < planned/2 {
			t.Errorf("request %d is told to be lost, and was stored", seq)
		}
	}
	if len(dropsFound) < 5 || len(dropsFound)+len(wrong)+len(lost) != len(r.Findings) || r.Verdict != bench.Fail {
		t.Errorf("%d writes found lost, %d findings, %s %v", len(dropsFound), len(r.Findings), r.Verdict, r.Reasons)
	}
}

// An attribute that is not there is told by a canary, before the load.
func TestAnItemThatDoesNotSayItsVersion(t *testing.T) {
	t.Parallel()
	k := &keyed{}
	k.t = t
	s := scenario(t, strings.Replace(keyedPlan, "version: write", "version: revision", 1)+"  canary: 1s\n")
	r, err := run.Prepare(run.Options{Scenario: s, Target: k, Seed: 11, Out: t.TempDir(), Clock: clock.Real{}})
	if err != nil {
		t.Fatal(err)
	}
	defer k.Stop()
	if _, err := r.Do(t.Context()); err == nil || !strings.Contains(err.Error(), "revision the one that carries the version") {
		t.Errorf("%v", err)
	}
}
