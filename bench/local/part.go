package local

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
)

const (
	// returnTimeout bounds one start of a process in the place of another.
	returnTimeout = 30 * time.Second
	// returnTries is how often in a row a start may fail: whoever kills at random
	// also hits a process that is about to come up.
	returnTries = 5
	// deathNotice is how long after a failed call it may take to hear that the
	// process is dead. Its connections end a moment before it is reaped.
	deathNotice = time.Second
)

// part is a process of the target through all its lives. It is used from any
// goroutine.
type part struct {
	role    string
	sockets []*socket
	// start starts a life: the first one, or one in the place of another that has
	// died.
	start  func(ctx context.Context, again bool) (*child, error)
	events func(bench.Event)
	// returns: it has data to go on with when it has died. Else its death is for
	// good.
	returns bool

	ctx    context.Context // of a start under way
	cancel context.CancelFunc
	ended  chan struct{} // closed when nothing is started any more

	mu       sync.Mutex
	now      *child        // nil: none is up
	changed  chan struct{} // closed when now or gone has changed
	gone     error         // why none will be up any more
	stopping bool
}

// up starts the first life, and looks after all that follow.
func (p *part) up(ctx context.Context) error {
	first, err := p.start(ctx, false)
	if err != nil {
		return err
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.ended, p.changed, p.now = make(chan struct{}), make(chan struct{}), first
	go p.watch(first)
	return nil
}

// watch waits for the death of each life and starts the next.
func (p *part) watch(c *child) {
	defer close(p.ended)
	for {
		<-c.exited
		c.kill() // what is left of its descendants
		at, how := clock.Real{}.Now(), c.waitErr
		if !p.set(nil, nil) {
			return
		}
		next, err := (*child)(nil), fmt.Errorf("the %s is gone: %v", p.role, how)
		if p.returns {
			next, err = p.again()
		}
		if !p.set(next, err) {
			if next != nil {
				next.kill()
				<-next.exited
			}
			return
		}
		now := clock.Real{}.Now()
		if err != nil {
			p.events(bench.Event{At: now, Kind: bench.EventTargetDeath, PID: c.pid, Text: err.Error()})
			for _, k := range p.sockets {
				k.close() // nobody shall wait at its door
			}
			return
		}
		p.events(bench.Event{At: now, Kind: bench.EventTargetReturn, PID: next.pid,
			Text: fmt.Sprintf("the %s was gone (%v) and is up again after %d ms", p.role, how, now.Sub(at).Milliseconds())})
		c = next
	}
}

// again starts the next life.
func (p *part) again() (*child, error) {
	var errs []error
	for range returnTries {
		ctx, cancel := context.WithTimeout(p.ctx, returnTimeout)
		c, err := p.start(ctx, true)
		cancel()
		if err == nil {
			return c, nil
		}
		if errs = append(errs, err); p.ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("the %s was killed and does not come up again: %w", p.role, errors.Join(errs...))
}

// set says what is up now. It reports false where the part is being stopped, and
// then nothing is.
func (p *part) set(c *child, gone error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now, p.gone = c, gone; p.stopping {
		p.now, p.gone = nil, fmt.Errorf("the %s is stopped", p.role)
	}
	close(p.changed)
	p.changed = make(chan struct{})
	return !p.stopping
}

// live waits until a process is up. With it, and with no other change between,
// it calls then.
func (p *part) live(ctx context.Context, then func()) (*child, error) {
	for {
		p.mu.Lock()
		c, changed, gone := p.now, p.changed, p.gone
		if c != nil && then != nil {
			then()
		}
		p.mu.Unlock()
		switch {
		case c != nil:
			return c, nil
		case gone != nil:
			return nil, gone
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the %s to be up again: %w", p.role, ctx.Err())
		}
	}
}

// call makes a call that may be made twice: a process that dies over it is
// followed by one that is asked anew.
func (p *part) call(ctx context.Context, method, path string, out any) error {
	for {
		c, err := p.live(ctx, nil)
		if err != nil {
			return err
		}
		if err = c.control.call(ctx, method, path, out); err == nil || !c.diedOver(err) {
			return err
		}
		select { // watch is about to notice
		case <-p.died(c):
		case <-ctx.Done():
			return err
		}
	}
}

// died gives a channel that is closed when a life is no longer the present one.
func (p *part) died(c *child) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now == c {
		return p.changed
	}
	closed := make(chan struct{})
	close(closed)
	return closed
}

// kill kills the present life, and returns when it is gone.
func (p *part) kill(ctx context.Context) error {
	c, err := p.live(ctx, nil)
	if err != nil {
		return err
	}
	c.kill()
	select {
	case <-p.died(c):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stop ends it for good.
func (p *part) stop() error {
	var err error
	if p.ended != nil { // it has been up
		p.mu.Lock()
		p.stopping = true
		c := p.now
		p.now = nil // for a second call
		p.mu.Unlock()
		p.cancel()
		if c != nil {
			err = c.stop()
		}
		<-p.ended
	}
	for _, k := range p.sockets {
		k.close()
	}
	return err
}
