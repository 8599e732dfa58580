package local

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/dynamo"
)

// The kinds of strikes at the results table.
const (
	strikeDeny = "results.deny"
	strikeLate = "results.late"
)

// door stands before a store where a fault strikes writes to the results table.
// It is made only then: to know the table a request must be read, which costs.
type door struct {
	store
	injector bench.Injector
	table    string
	held     atomic.Int64
	closed   <-chan struct{} // when the cloud stops, what is held is let go
}

// guard puts the door before the cloud's store, where a fault asks for it.
func (c *cloud) guard(ctx context.Context, injector bench.Injector) {
	stack := c.cfg.Stack
	for i := range stack.Faults {
		if c.faults.Place(i) == bench.PlaceResults {
			c.store = &door{store: c.store, injector: injector, table: resultsTable(stack), closed: ctx.Done()}
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

// ServeHTTP asks about writes to the results table, and lets all else through.
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
	if !ok || !slices.ContainsFunc(req.writes, func(i itemWrite) bool { return i.table == d.table }) {
		d.store.ServeHTTP(w, r)
		return
	}
	switch s := d.injector.Ask(bench.Op{Place: bench.PlaceResults, Name: op}); s.Kind {
	case "":
		d.store.ServeHTTP(w, r)
	case strikeDeny:
		d.injector.Struck(s)
		answer(w, refusal{http.StatusBadRequest, "AccessDeniedException", "User: StreamProcessor is not authorized to perform: dynamodb:" + op + " on resource: table/" + d.table})
	case strikeLate:
		d.injector.Struck(s)
		d.hold(w, r, s.Delay)
	default:
		answer(w, refusal{http.StatusInternalServerError, "InternalServerError", "the results table does not know the fault kind " + s.Kind})
	}
}

// hold lets a write through after a time. That its sender is gone by then
// changes nothing: what was sent arrives.
func (d *door) hold(w http.ResponseWriter, r *http.Request, delay time.Duration) {
	d.held.Add(1)
	defer d.held.Add(-1)
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-d.closed:
	}
	d.store.ServeHTTP(w, r.WithContext(context.WithoutCancel(r.Context())))
}
