package local

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/dynamo"
	"github.com/ackproof/ackproof/bench/gateway"
)

// The kinds of strikes at the results table.
const (
	strikeLate = "results.late"

	strikeResultsThrottle = "results.throttle"
)

// The kinds of strikes that both tables know.
const (
	strikeDeny  = ".deny"
	strikeError = ".error"
	strikeCut   = ".cut"
	strikeDelay = ".delay"
)

// door stands before a store where a fault strikes writes on their way to a table.
// It is made only then: to know the table a request must be read, which costs.
type door struct {
	store
	injector bench.Injector
	table    string // of the results
	items    string
	held     atomic.Int64
	offsets  *offsets
	closed   <-chan struct{} // when the cloud stops, what is held is let go
}

// guard puts the door before the cloud's store, where a fault asks for it.
func (c *cloud) guard(ctx context.Context, injector bench.Injector) {
	stack := c.cfg.Stack
	for i := range stack.Faults {
		if place := c.faults.Place(i); place == bench.PlaceResults || place == bench.PlaceTableWay || place == bench.PlaceSkew {
			c.store = &door{store: c.store, injector: injector, table: ResultsTable(stack.Run), items: ItemsTable(stack.Run), closed: ctx.Done(),
				offsets: &offsets{now: c.clock.Now, tell: c.watch.Event}}
			return
		}
	}
}

// position counts what is held as under way: it will still commit.
func (d *door) position(stream string) (ends []dynamo.ShardEnd, unseen, writing int) {
	held := int(d.held.Load()) // before the look at the store: what is let go between the two counts twice, not never
	ends, unseen, writing = d.store.position(stream)
	return ends, unseen, writing + held
}

// ServeHTTP asks about writes to the two tables, and lets all else through.
func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if r.Body == nil || r.Header.Get("Content-Encoding") != "" || !isData(op) {
		d.store.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return // the client is gone before it has asked
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	req, ok := readRequest(op, body)
	if !ok {
		d.store.ServeHTTP(w, r)
		return
	}
	var s bench.Strike
	switch {
	case req.writesTo(d.table):
		body = d.skew(op, body)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		if s = d.injector.Ask(bench.Op{Place: bench.PlaceResults, Name: op}); s.Kind == "" {
			d.offsets.saw(body)
		}
	case req.writesTo(d.items):
		s = d.injector.Ask(bench.Op{Place: bench.PlaceTableWay, Name: op})
	}
	d.strike(w, r, s, op, body)
}

// strike does what a strike says to a request; the zero strike lets it through.
func (d *door) strike(w http.ResponseWriter, r *http.Request, s bench.Strike, op string, body []byte) {
	switch {
	case s.Kind == "":
		d.store.ServeHTTP(w, r)
	case strings.HasSuffix(s.Kind, strikeDeny):
		d.injector.Struck(s)
		answer(w, d.denied(s, op))
	case s.Kind == strikeLate:
		d.injector.Struck(s)
		d.hold(s.Delay)
		d.act(w, r)
	case s.Kind == strikeResultsThrottle:
		d.injector.Struck(s)
		if op != "BatchWriteItem" || !d.batch(w, r, body) {
			answer(w, throttled)
		}
	case strings.HasSuffix(s.Kind, strikeError):
		d.injector.Struck(s)
		if s.When == bench.AfterCommit {
			d.act(&kept{}, r)
		}
		answer(w, refusal{http.StatusInternalServerError, "InternalServerError", "Internal server error"})
	case strings.HasSuffix(s.Kind, strikeCut):
		d.cut(w, r, s)
	case strings.HasSuffix(s.Kind, strikeDelay):
		d.injector.Struck(s)
		d.delay(w, r, s)
	default:
		answer(w, refusal{http.StatusInternalServerError, "InternalServerError", "the tables do not know the fault kind " + s.Kind})
	}
}

// denied is what IAM says to a role without the permission.
func (d *door) denied(s bench.Strike, op string) refusal {
	table := d.items
	if strings.HasPrefix(s.Kind, string(bench.PlaceResults)) {
		table = d.table
	}
	return refusal{http.StatusBadRequest, codeDenied, "User: arn:aws:sts::" + account + ":assumed-role/ackproof/ackproof is not authorized to perform: dynamodb:" + op +
		" on resource: arn:aws:dynamodb:" + Region + ":" + account + ":table/" + table + " because no identity-based policy allows the dynamodb:" + op + " action"}
}

// act lets a request through whatever becomes of its sender: what was sent arrives.
func (d *door) act(w http.ResponseWriter, r *http.Request) {
	d.store.ServeHTTP(w, r.WithContext(context.WithoutCancel(r.Context())))
}

// delay holds a write up, or its answer.
func (d *door) delay(w http.ResponseWriter, r *http.Request, s bench.Strike) {
	if s.When == bench.BeforeCommit {
		d.hold(s.Delay)
		d.act(w, r)
		return
	}
	var k kept
	d.act(&k, r)
	d.hold(s.Delay)
	k.send(w)
}

// hold waits, and counts what waits as under way.
func (d *door) hold(delay time.Duration) {
	d.held.Add(1)
	defer d.held.Add(-1)
	clock.Wait(delay, d.closed)
}

// cut breaks the connection of a write before it is sent on, when it is done, or
// in the middle of its answer.
func (d *door) cut(w http.ResponseWriter, r *http.Request, s bench.Strike) {
	var k kept
	if s.When != bench.BeforeCommit {
		d.act(&k, r)
	}
	if s.When == bench.MidAnswer {
		k.sendHalf(w)
	}
	if gateway.Cut(w) == nil {
		d.injector.Struck(s)
	}
}

// batch does what the service does to a batch for which there is not enough
// throughput: it writes some and hands the others back. It reports false, and has
// done nothing, where the batch is of one write, or is none.
func (d *door) batch(w http.ResponseWriter, r *http.Request, body []byte) bool {
	var fields map[string]json.RawMessage
	var tables map[string][]json.RawMessage
	if json.Unmarshal(body, &fields) != nil || json.Unmarshal(fields["RequestItems"], &tables) != nil {
		return false
	}
	done, left, n := map[string][]json.RawMessage{}, map[string][]json.RawMessage{}, 0
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		for _, one := range tables[name] {
			into := done
			if n++; n%2 == 0 {
				into = left
			}
			into[name] = append(into[name], one)
		}
	}
	if len(left) == 0 {
		return false
	}
	fields["RequestItems"] = encoded(done)
	var k kept
	r.Body = io.NopCloser(bytes.NewReader(encoded(fields)))
	r.ContentLength = -1
	d.act(&k, r)
	var out map[string]json.RawMessage
	if k.status == http.StatusOK && json.Unmarshal(k.body.Bytes(), &out) == nil {
		var refused map[string][]json.RawMessage
		json.Unmarshal(out["UnprocessedItems"], &refused) // none: what the store left out itself
		for name, more := range refused {
			left[name] = append(left[name], more...)
		}
		out["UnprocessedItems"] = encoded(left)
		k.replace(encoded(out))
	}
	k.send(w)
	return true
}
