package dynamo

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Limits of transactions, and how long a ClientRequestToken is remembered.
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
const (
	maxTransact      = 100
	maxTransactBytes = 4 << 20
	tokenLife        = 10 * time.Minute
)

// stripeRef names a stripe of a table, for locking in order.
type stripeRef struct {
	table *table
	n     int
}

// stripeSet sorts and deduplicates stripes: the one order in which all
// transactions lock.
func stripeSet(refs []stripeRef) []stripeRef {
	slices.SortFunc(refs, func(a, b stripeRef) int {
		return cmp.Or(strings.Compare(a.table.name, b.table.name), a.n-b.n)
	})
	return slices.Compact(refs)
}

// transactWrite does all of its actions or none.
func (e *Engine) transactWrite(x *execution) *Error {
	actions := x.req.actions
	if err := checkTransaction(len(actions)); err != nil {
		return err
	}
	if err := x.req.checkTables(); err != nil {
		return err
	}
	if err := checkActions(actions); err != nil {
		return err
	}
	if x.req.token == nil {
		return e.transact(x, false)
	}
	var f faults
	if checkLength(&f, *x.req.token, "clientRequestToken", 1, 36); f != nil {
		return f.err()
	}
	x.token = &tokenMark{digestOf([]byte(*x.req.token)), digestActions(actions)}
	done, err := e.tokens.begin(x.now, x.token)
	if err != nil {
		return err
	}
	err = e.transact(x, done)
	e.tokens.end(x.now, x.token.id, done || err == nil)
	return err
}

// transact runs a transaction, or, where it was done before under the same
// token, only answers.
func (e *Engine) transact(x *execution, done bool) *Error {
	plans := make([]*plan, len(x.req.actions))
	ids := make([]itemID, len(plans))
	refs := make([]stripeRef, len(plans))
	for i := range x.req.actions {
		p, err := e.plan(&x.req.actions[i])
		if err != nil {
			return blame(err, i, len(plans))
		}
		plans[i], ids[i], refs[i] = p, p.table.itemID(p.key), stripeRef{p.table, stripeOf(p.key.hash)}
	}
	if duplicate(ids) {
		return invalid("Transaction request cannot include multiple operations on one item")
	}
	var used usage
	if !done {
		if err := e.commitAll(x, plans, stripeSet(refs), &used); err != nil {
			return err
		}
	}
	x.w.open('{')
	x.consumedAll(used, true)
	x.collectionsAll(plans)
	x.w.close('}')
	return nil
}

// blame says what an error found before any item was looked at means for a
// transaction: keys and types that do not fit the schema are the fault of action i
// of n, all else is the request's. The service stops at the first.
func blame(err *Error, i, n int) *Error {
	if !err.action {
		return err
	}
	reasons := make([]reason, n)
	for j := range reasons {
		reasons[j].code = "None"
	}
	reasons[i] = reasonOf(err)
	return cancelled(reasons)
}

func (e *Engine) commitAll(x *execution, plans []*plan, refs []stripeRef, used *usage) *Error {
	for _, r := range refs {
		r.table.stripes[r.n].mu.Lock()
		defer r.table.stripes[r.n].mu.Unlock()
	}
	olds, news := make([]*row, len(plans)), make([]*row, len(plans))
	reasons := make([]reason, len(plans))
	failed := false
	for i, p := range plans {
		if p.table.gone {
			return tableNotFound(p.table.name)
		}
		olds[i] = p.table.stripe(p.key.hash).get(&p.key)
		var err *Error
		if news[i], err = p.next(olds[i]); err != nil {
			if err.whole {
				return err
			}
			failed = true
			reasons[i] = reasonOf(err)
		} else {
			reasons[i].code = "None"
		}
	}
	if failed {
		return cancelled(reasons)
	}
	step := make([]change, len(plans)) // a ConditionCheck changes nothing
	for i, p := range plans {
		step[i] = change{table: p.table, key: &p.key, old: olds[i], new: news[i]}
	}
	e.commit(x.now, x.token, step)
	if x.token != nil { // before a snapshot can find the one without the other
		e.tokens.end(x.now, x.token.id, true)
	}
	for i, p := range plans {
		if p.verb != verbCheck {
			x.wrote(p.table.name)
		}
		// Twice the units in the table; an index knows of no transaction.
		used.write(p.table.name, 2*writeUnits(olds[i], news[i]), step[i].units)
	}
	return nil
}

func reasonOf(e *Error) reason {
	code := "ValidationError"
	if e.Code == codeConditional {
		code = "ConditionalCheckFailed"
	}
	return reason{code: code, message: e.Message, item: e.item}
}

func cancelled(reasons []reason) *Error {
	codes := make([]string, len(reasons))
	for i, r := range reasons {
		codes[i] = r.code
	}
	err := refuse("TransactionCanceledException", "Transaction cancelled, please refer cancellation reasons for specific reasons [%s]", strings.Join(codes, ", "))
	err.reasons = reasons
	return err
}

// transactGet reads several items as of one moment.
func (e *Engine) transactGet(x *execution) *Error {
	if err := checkTransaction(len(x.req.gets)); err != nil {
		return err
	}
	if err := x.req.checkTables(); err != nil {
		return err
	}
	lookups := make([]*lookup, len(x.req.gets))
	ids := make([]itemID, len(lookups))
	for i := range lookups {
		if len(x.req.gets[i].keys) != 1 {
			var f faults
			f.missing(fmt.Sprintf("transactItems.%d.member.get.key", i+1))
			return f.err()
		}
		l, err := e.lookup(&x.req.gets[i])
		if err != nil {
			return blame(err, i, len(lookups))
		}
		lookups[i], ids[i] = l, l.table.itemID(l.keys[0])
	}
	if duplicate(ids) {
		return invalid("Transaction request cannot include multiple operations on one item")
	}
	refs := make([]stripeRef, len(lookups))
	for i, l := range lookups {
		refs[i] = stripeRef{l.table, stripeOf(l.keys[0].hash)}
	}
	rows := readAll(lookups, stripeSet(refs))
	size := 0
	for _, r := range rows {
		if r != nil {
			size += r.size
		}
	}
	if size > maxTransactBytes {
		return invalid("The aggregate size of the items in the transaction exceeded 4MB")
	}
	var used usage
	w := &x.w
	w.open('{')
	w.key("Responses")
	w.open('[')
	for i, l := range lookups {
		size := 0
		w.element()
		w.open('{')
		if r := rows[i]; r != nil {
			size = r.size
			w.key("Item")
			w.item(l.shown(r))
		}
		w.close('}')
		used.read(l.table.name, 2*readUnits(size, true))
	}
	w.close(']')
	x.consumedAll(used, true)
	w.close('}')
	return nil
}

func readAll(lookups []*lookup, refs []stripeRef) []*row {
	for _, r := range refs {
		r.table.stripes[r.n].mu.RLock()
		defer r.table.stripes[r.n].mu.RUnlock()
	}
	rows := make([]*row, len(lookups))
	for i, l := range lookups {
		rows[i] = l.table.stripe(l.keys[0].hash).get(&l.keys[0])
	}
	return rows
}

// digest identifies a token or a list of actions.
type digest [16]byte

func digestOf(b []byte) digest {
	sum := sha256.Sum256(b)
	return digest(sum[:16])
}

// digestActions tells whether two transactions ask for the same. It is taken
// over the parsed actions, since an SDK may write the members of a map in
// another order each time.
func digestActions(actions []action) digest {
	var w writer
	for i := range actions {
		a := &actions[i]
		w.open('{')
		w.int(int64(a.verb))
		w.string(a.table)
		w.item(a.item)
		w.item(a.key)
		for _, text := range []*string{a.condition, a.update} {
			if text != nil {
				w.string(*text)
			}
			w.open(';')
		}
		w.string(a.onFailure)
		for _, name := range slices.Sorted(maps.Keys(a.env.names)) {
			w.string(name)
			w.string(a.env.names[name])
		}
		for _, name := range slices.Sorted(maps.Keys(a.env.values)) {
			w.string(name)
			w.value(a.env.values[name])
		}
		w.close('}')
	}
	return digestOf(w.b)
}

// tokens remembers the ClientRequestTokens of the last ten minutes, as
// digests: every transaction of an SDK brings one.
type tokens struct {
	mu     sync.Mutex
	m      map[digest]*tokenState
	oldest []expiry // in the order they were done
}

// tokenMark is a token and what it was used for.
type tokenMark struct{ id, actions digest }

type tokenState struct {
	actions digest
	done    bool
	at      time.Time
}

type expiry struct {
	token digest
	at    time.Time
}

// begin notes that a transaction is under way. It reports done if one with the
// same token and the same actions has been.
func (t *tokens) begin(now time.Time, mark *tokenMark) (done bool, err *Error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.oldest) > 0 && now.Sub(t.oldest[0].at) >= tokenLife {
		delete(t.m, t.oldest[0].token)
		t.oldest = t.oldest[1:]
	}
	if t.m == nil {
		t.m = make(map[digest]*tokenState)
	}
	switch old := t.m[mark.id]; {
	case old == nil:
		t.m[mark.id] = &tokenState{actions: mark.actions}
		return false, nil
	case old.actions != mark.actions:
		return false, refuse("IdempotentParameterMismatchException", "The request was rejected because a different request was already made with the same ClientRequestToken")
	case !old.done:
		return false, refuse("TransactionInProgressException", "A transaction with the given ClientRequestToken is in progress")
	}
	return true, nil
}

// end keeps the token of a transaction that was done, and forgets that of one
// that failed.
func (t *tokens) end(now time.Time, id digest, done bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch old := t.m[id]; {
	case old == nil || old.done:
	case !done:
		delete(t.m, id)
	default:
		old.done, old.at = true, now
		t.oldest = append(t.oldest, expiry{id, now})
	}
}
