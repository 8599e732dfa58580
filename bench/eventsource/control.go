package eventsource

import (
	"context"
	"fmt"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
)

// State is what AWS calls the state of a mapping.
type State string

// The states. Enabled means that the control plane is done, and not that records
// are read: on AWS the first poll may come minutes later, which is what
// Settings.StartDelay stands for
// (https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-eventsourcemapping.html).
const (
	Enabled   State = "Enabled"
	Disabling State = "Disabling" // what is in flight comes to its end
	Disabled  State = "Disabled"
	Updating  State = "Updating" // as Disabling, before the new settings hold
	Deleting  State = "Deleting"
	Deleted   State = "Deleted" // AWS has no such state: the mapping is gone
)

// State returns the state.
func (m *Mapping) State() State {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state
}

func (m *Mapping) enter(s State) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state = s
}

// Disable begins nothing new, and returns when nothing is in flight. The
// position is kept.
func (m *Mapping) Disable() error {
	m.control.Lock()
	defer m.control.Unlock()
	if err := m.alive("disable"); err != nil {
		return err
	}
	m.pause(Disabling)
	m.enter(Disabled)
	return nil
}

// Enable resumes the work of a disabled mapping at its checkpoints, after
// StartDelay. Retry budgets begin anew, and what was settled beyond a
// checkpoint is delivered again.
func (m *Mapping) Enable() error {
	m.control.Lock()
	defer m.control.Unlock()
	if err := m.alive("enable"); err != nil {
		return err
	}
	if m.state == Disabled {
		m.begin(false)
	}
	return nil
}

// Update works on with other settings, after StartDelay. It fails, with all
// errors at once, where they are wrong, and then changes nothing.
//
// With StartingPosition LATEST the work begins anew at the end of the stream, so
// what comes while the poller stops and starts is missed, as AWS warns
// (https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html).
func (m *Mapping) Update(settings bench.Mapping) error {
	m.control.Lock()
	defer m.control.Unlock()
	if err := m.alive("update"); err != nil {
		return err
	}
	if settings.StartingPosition != m.config.Settings.StartingPosition {
		return fmt.Errorf("update mapping: StartingPosition %s: it cannot be changed, recreate the mapping", settings.StartingPosition)
	}
	if err := m.change(settings); err != nil {
		return fmt.Errorf("update mapping: %w", err)
	}
	was := m.state
	m.pause(Updating)
	m.apply(settings)
	if was == Disabled {
		m.enter(Disabled)
		return nil
	}
	m.begin(settings.StartingPosition == latest)
	return nil
}

// Delete begins nothing new, waits until nothing is in flight, and gives the
// positions up: Position is empty then.
func (m *Mapping) Delete() {
	m.control.Lock()
	defer m.control.Unlock()
	m.pause(Deleting)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state = Deleted
	m.shards, m.byID = nil, make(map[string]*shard)
}

// Recreate deletes the mapping and makes it anew, as a deployment does that
// replaces it: every position is lost, and the work begins at StartingPosition,
// after StartDelay. From TRIM_HORIZON everything that the stream still has is
// delivered again; from LATEST what came meanwhile is missed. Counters go on,
// and so do the numbers of batches.
func (m *Mapping) Recreate(settings bench.Mapping) error {
	m.control.Lock()
	defer m.control.Unlock()
	if err := m.ctx.Err(); err != nil {
		return fmt.Errorf("recreate mapping: %w", err)
	}
	if err := m.change(settings); err != nil {
		return fmt.Errorf("recreate mapping: %w", err)
	}
	m.pause(Deleting)
	m.apply(settings)
	if err := m.discover(m.ctx); err != nil {
		m.enter(Deleted)
		return fmt.Errorf("recreate mapping: %w", err)
	}
	m.begin(true)
	return nil
}

// change checks settings that are to take the place of the present ones.
func (m *Mapping) change(settings bench.Mapping) error {
	next := m.config
	next.Settings = settings
	return next.check()
}

func (m *Mapping) apply(settings bench.Mapping) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.config.Settings = settings
}

// alive says why nothing can be done to the mapping any more; nil: it can. Once
// its context has ended, the outcome of what was in flight is not known, and
// nothing may go on from there.
func (m *Mapping) alive(what string) error {
	if m.state == Deleted {
		return fmt.Errorf("%s mapping: it is deleted; recreate it", what)
	}
	if err := m.ctx.Err(); err != nil {
		return fmt.Errorf("%s mapping: %w", what, err)
	}
	return nil
}

// pause begins nothing new and waits for what is in flight: at most the rest of
// one invocation a lane. The caller holds control.
func (m *Mapping) pause(s State) {
	m.enter(s)
	m.stop()
	m.running.Wait()
}

// begin starts the work: at the checkpoints, or where the positions are lost at
// StartingPosition. The caller holds control, and nothing runs.
func (m *Mapping) begin(lost bool) {
	m.enter(Enabled)
	if lost {
		m.rewind() // at once: until the first poll nobody may take the old positions for proof
	}
	var reading context.Context
	reading, m.stop = context.WithCancel(m.ctx)
	delay := m.config.Settings.StartDelay
	if delay == 0 {
		m.launch(reading, lost)
	}
	m.running.Go(func() {
		if delay > 0 {
			if !clock.Wait(delay, reading.Done()) {
				return
			}
			m.look(reading)
			m.launch(reading, lost)
		}
		m.follow(reading)
	})
}

// launch makes the machines ready and starts the shards. With LATEST the shards
// that are there now are read from their ends, all at once: a parent that is
// closed has nothing to wait for. Shards that come later are read from their
// beginnings.
func (m *Mapping) launch(reading context.Context, lost bool) {
	if lost {
		m.rewind()
	} else {
		m.restart(nil)
	}
	m.startShards(reading)
}

// rewind gives every position up for StartingPosition.
func (m *Mapping) rewind() {
	from := From{Kind: Horizon}
	if m.config.Settings.StartingPosition == latest {
		from.Kind = Latest
	}
	m.restart(&from)
}

func (m *Mapping) restart(lost *From) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.shards {
		s.restart(m.config.Settings, lost)
	}
}
