package local

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/eventsource"
)

// The levers that the cloud knows.
const (
	leverDisable  = "mapping.disable"
	leverUpdate   = "mapping.update"
	leverRecreate = "mapping.recreate"
	leverRestart  = "stream.restart"
	leverSplit    = "stream.split"
	leverSkip     = "clock.skip"
)

// levers do the faults of the control plane, one after the other and behind the
// call that asks for them: as on AWS, a mapping is told to stop and stops when
// what is in flight has come to its end.
type levers struct {
	mu     sync.Mutex
	last   <-chan struct{} // closed when what was asked for last is done
	pulled map[int]string  // kinds of the faults that are in force
	undone map[int]error   // why a fault could not be taken back
}

// do carries f out behind everything before it.
func (l *levers) do(f func()) (done <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before, now := l.last, make(chan struct{})
	l.last = now
	go func() {
		defer close(now)
		if before != nil {
			<-before
		}
		f()
	}()
	return now
}

// inForce reports whether a fault of a kind has been done and not taken back.
func (l *levers) inForce(kind string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, pulled := range l.pulled {
		if pulled == kind {
			return true
		}
	}
	return false
}

func isLever(p bench.Place) bool {
	return p == bench.PlaceMapping || p == bench.PlaceStream || p == bench.PlaceClock
}

// pull does the fault that has just been armed, if it is a lever. It is counted
// when it is done; what fails is told, and bites nobody.
func (c *cloud) pull(fault int) {
	place := c.faults.Place(fault)
	if !isLever(place) {
		return
	}
	strike := c.faults.Ask(bench.Op{Place: place, Name: bench.OpPull})
	if strike.Kind == "" {
		return
	}
	at := c.clock.Now()
	c.levers.do(func() {
		if err := c.lever(strike); err != nil {
			c.watch.Event(bench.Event{At: at, Kind: bench.EventEvidence, Fault: &fault, Text: fmt.Sprintf("%s failed: %v", strike.Kind, err)})
			return
		}
		c.levers.mu.Lock()
		c.levers.pulled[fault] = strike.Kind
		c.levers.mu.Unlock()
		c.keepPlane()
		told{c.faults, c.watch, c.clock}.Struck(strike)
	})
}

// lever does what a strike says.
func (c *cloud) lever(s bench.Strike) error {
	settings := c.cfg.Stack.Mapping
	if s.Delay > 0 {
		settings.StartDelay = s.Delay
	}
	switch s.Kind {
	case leverDisable:
		return c.mapping.Disable()
	case leverUpdate:
		return c.mapping.Update(settings)
	case leverRecreate:
		return c.mapping.Recreate(settings)
	case leverRestart:
		return c.switchStream(false)
	case leverSplit:
		return c.splitShard()
	case leverSkip:
		c.time.skip(s.Delay)
		c.host.TimePassed()
		return nil
	}
	return fmt.Errorf("the cloud knows no lever %q", s.Kind)
}

// release takes a lever back, and returns when that is confirmed, and when all
// that was asked for before it is done. Some leave nothing to be taken back: an
// updated mapping works on, and time does not return.
func (c *cloud) release(ctx context.Context, fault int) error {
	done := c.levers.do(func() {
		c.levers.mu.Lock()
		kind := c.levers.pulled[fault]
		delete(c.levers.pulled, fault)
		c.levers.mu.Unlock()
		err := c.takeBack(kind)
		c.levers.mu.Lock()
		c.levers.undone[fault] = err
		c.levers.mu.Unlock()
		c.keepPlane()
	})
	select {
	case <-done:
	case <-ctx.Done():
		return ctx.Err()
	}
	c.levers.mu.Lock()
	defer c.levers.mu.Unlock()
	return c.levers.undone[fault]
}

func (c *cloud) takeBack(kind string) error {
	var err error
	switch kind {
	case leverDisable:
		err = c.mapping.Enable()
	case leverRestart:
		err := c.switchStream(true)
		if err == nil {
			c.watch.Event(bench.Event{At: c.clock.Now(), Kind: bench.EventEvidence, Text: "the table has a new stream; the mapping is on the old one, " + c.stream})
		}
		return err
	case leverUpdate, leverRecreate:
	default:
		return nil
	}
	if s := c.mapping.State(); err == nil && s != eventsource.Enabled {
		err = fmt.Errorf("the mapping is %s", s)
	}
	return err
}

// splitShard splits the first shard that is open and more than one key hash wide.
func (c *cloud) splitShard() error {
	if c.engine == nil {
		return errors.New("the DynamoDB outside splits its shards itself")
	}
	table := ItemsTable(c.cfg.Stack.Run)
	err := errors.New("the table has no stream")
	for _, end := range c.engine.StreamEnds(c.stream) {
		if _, err = c.engine.Split(c.time.Now(), table, end.Shard); err == nil {
			return nil
		}
	}
	return err
}

// switchTimeout bounds a change of the table.
const switchTimeout = 5 * time.Second

// switchStream switches the stream of the items table off, or a new one on.
func (c *cloud) switchStream(on bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), switchTimeout)
	defer cancel()
	spec := &types.StreamSpecification{StreamEnabled: aws.Bool(on)}
	if on {
		spec.StreamViewType = types.StreamViewType(c.cfg.Stack.ViewType)
	}
	_, err := c.db.UpdateTable(ctx, &dynamodb.UpdateTableInput{TableName: aws.String(ItemsTable(c.cfg.Stack.Run)), StreamSpecification: spec})
	return err
}
