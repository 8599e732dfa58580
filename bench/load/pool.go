package load

import (
	"container/list"
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// pool holds the connections to one address: so many at most, each with one
// request at a time. A request that finds none free waits its turn.
//
// As many connections are being opened as requests wait, within the limit. One
// that is open goes to whoever has waited longest, and so does the error of one
// that cannot be opened.
type pool struct {
	attack  *Attack
	address string
	dial    dialFunc
	setups  *setups
	ctx     context.Context // of opening connections; cancelled by giveUp and close
	cancel  context.CancelFunc
	over    atomic.Bool // given up

	mu      sync.Mutex
	idle    []*connection // last used last
	all     map[*connection]struct{}
	opening int       // connections that are being opened, beside those in all
	waiting list.List // of *waiter
}

// waiter is a request that waits for a connection.
type waiter struct {
	deadline time.Duration
	place    *list.Element // nil: it was given something, or has left
	given    chan given
}

// given is what a waiter is handed.
type given struct {
	conn *connection
	err  error
}

func newPool(a *Attack, address string, s *setups) *pool {
	p := &pool{attack: a, address: address, dial: (&net.Dialer{}).DialContext, setups: s, all: map[*connection]struct{}{}}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// get gives a connection to a request, which owes it back with put or drop. One that
// was idle may be none any more (connection.quiet, idleTimeout). The deadline counts from the start
// of load. The error is errGivenUp, errInterrupted or that of opening a connection.
func (p *pool) get(deadline time.Duration) (c *connection, idle bool, err error) {
	c, w := p.takeOrWait(deadline)
	switch {
	case w != nil:
		c, err = p.await(w, deadline-p.attack.elapsed())
		return c, false, err
	case c != nil:
		return c, true, nil
	case p.over.Load():
		return nil, false, errInterrupted
	}
	return nil, false, errGivenUp
}

// takeOrWait takes an idle connection, or a place in the queue. Neither: all is
// over, or the deadline has passed.
func (p *pool) takeOrWait(deadline time.Duration) (*connection, *waiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over.Load() {
		return nil, nil
	}
	if last := len(p.idle) - 1; last >= 0 {
		c := p.idle[last]
		p.idle = p.idle[:last]
		return c, nil
	}
	if deadline <= p.attack.elapsed() {
		return nil, nil
	}
	w := &waiter{deadline: deadline, given: make(chan given, 1)}
	w.place = p.waiting.PushBack(w)
	p.openMore()
	return nil, w
}

// await waits until the request's turn has come.
func (p *pool) await(w *waiter, patience time.Duration) (*connection, error) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case g := <-w.given:
		return g.conn, g.err
	case <-timer.C:
	}
	p.mu.Lock()
	if w.place != nil {
		p.leave(w)
	} else if g := <-w.given; g.conn != nil {
		p.giveBack(g.conn)
	}
	p.mu.Unlock()
	return nil, errGivenUp
}

// leave takes a waiter out of the queue.
func (p *pool) leave(w *waiter) {
	p.waiting.Remove(w.place)
	w.place = nil
}

// openMore opens connections as long as more requests wait than are being opened
// and the limit allows it. Each may take as long as the last in the queue can wait.
func (p *pool) openMore() {
	for len(p.all)+p.opening < p.attack.cfg.Connections && p.opening < p.waiting.Len() && !p.over.Load() {
		p.opening++
		go p.open(p.waiting.Back().Value.(*waiter).deadline)
	}
}

// open opens a connection.
func (p *pool) open(deadline time.Duration) {
	ctx, cancel := context.WithDeadline(p.ctx, p.attack.cfg.Start.Add(deadline))
	defer cancel()
	conn, err := p.setups.dial(ctx, p.dial, "tcp", p.address)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.opening--
	if err == nil {
		c := newConnection(conn, p.attack.elapsed)
		p.all[c] = struct{}{}
		p.giveBack(c)
		return
	}
	// Whoever waits has a deadline of his own.
	if first := p.waiting.Front(); first != nil && ctx.Err() == nil {
		w := first.Value.(*waiter)
		p.leave(w)
		w.given <- given{err: err}
	}
	p.openMore()
}

// put gives back a connection that can carry another request.
func (p *pool) put(c *connection) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.giveBack(c)
}

// giveBack hands a connection to whoever has waited longest, or lays it aside.
func (p *pool) giveBack(c *connection) {
	if p.over.Load() {
		delete(p.all, c)
		c.conn.Close()
		return
	}
	if first := p.waiting.Front(); first != nil {
		w := first.Value.(*waiter)
		p.leave(w)
		w.given <- given{conn: c}
		return
	}
	p.idle = append(p.idle, c)
}

// drop closes a connection that cannot carry another request.
func (p *pool) drop(c *connection) {
	c.conn.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.all, c)
	p.openMore()
}

// giveUp ends all that is under way.
func (p *pool) giveUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over.Store(true)
	p.cancel()
	for c := range p.all {
		c.conn.SetDeadline(past)
	}
	for e := p.waiting.Front(); e != nil; e = p.waiting.Front() {
		w := e.Value.(*waiter)
		p.leave(w)
		w.given <- given{err: errInterrupted}
	}
}

// close closes the connections that are idle.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cancel()
	for _, c := range p.idle {
		delete(p.all, c)
		c.conn.Close()
	}
	p.idle = nil
}

// past is a deadline that has passed.
var past = time.Unix(1, 0)
