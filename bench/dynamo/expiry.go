package dynamo

import (
	"container/heap"
	"math"
	"strconv"
	"strings"
	"time"
)

// tooOld is how long ago a time to live may lie: the service takes an older one
// for a mistake, and leaves the item alone.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-before-you-start.html
const tooOld = 5 * 365 * 24 * time.Hour

// expiries are the items of a stripe that will expire, the next one first. An
// item that has been replaced or deleted stays listed until its time and is
// passed over then: finding it would cost every write more than that.
type expiries []expiring

// expiring is an item with a time to live.
type expiring struct {
	at  int64 // s since 1970
	row *row
}

func (x expiries) Len() int           { return len(x) }
func (x expiries) Less(i, j int) bool { return x[i].at < x[j].at }
func (x expiries) Swap(i, j int)      { x[i], x[j] = x[j], x[i] }
func (x *expiries) Push(v any)        { *x = append(*x, v.(expiring)) }
func (x *expiries) Pop() any {
	last := (*x)[len(*x)-1]
	(*x)[len(*x)-1] = expiring{}
	*x = (*x)[:len(*x)-1]
	return last
}

// expect notes when a row will expire, if it will. Its stripe is locked.
func (t *table) expect(r *row) {
	v := r.item.get(t.expiry)
	if v.kind != kindN {
		return
	}
	whole, _, _ := strings.Cut(v.text, ".")
	at, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return // so far away that nobody will see it
	}
	heap.Push(&t.expiries[stripeOf(r.key.hash)], expiring{at, r})
}

// expectAll lists anew what will expire. The table is locked as a whole.
func (t *table) expectAll() {
	for i := range t.stripes {
		t.expiries[i] = nil
		if t.expiry != "" {
			t.stripes[i].ascend(nil, math.MaxUint64, func(r *row) bool {
				t.expect(r)
				return true
			})
		}
	}
}

// Tick deletes the items whose time to live has passed, as the service does in
// the background: each becomes a REMOVE record with the identity of the time to
// live service. It returns how many there were.
//
// Operations call it by themselves when the second has changed, so that a driver
// with real time needs no timer; a test under virtual time may call it.
func (e *Engine) Tick(now time.Time) int {
	e.mu.RLock()
	tables := make([]*table, 0, len(e.tables))
	for _, t := range e.tables {
		tables = append(tables, t)
	}
	e.mu.RUnlock()
	e.trimStreams(now)
	n := 0
	for _, t := range tables {
		for i := range t.stripes {
			n += e.expire(now, t, i)
		}
	}
	return n
}

// tick runs Tick when a second has passed since it last ran, or a minute if no
// table has a time to live.
func (e *Engine) tick(now time.Time) {
	second, last := now.Unix(), e.ticked.Load()
	if second == last || second-last < 60 && !e.expiring.Load() {
		return
	}
	if second > last && e.ticked.CompareAndSwap(last, second) {
		e.Tick(now)
	}
}

func (e *Engine) expire(now time.Time, t *table, i int) int {
	s := &t.stripes[i]
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.gone || t.expiry == "" {
		return 0
	}
	n := 0
	due := &t.expiries[i]
	for len(*due) > 0 && (*due)[0].at < now.Unix() {
		x := heap.Pop(due).(expiring)
		if x.at < now.Add(-tooOld).Unix() || s.get(&x.row.key) != x.row {
			continue
		}
		e.commit(now, nil, []change{{table: t, key: &x.row.key, old: x.row, expired: true}})
		n++
	}
	return n
}
