package local

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/lambda"
	"github.com/ackproof/ackproof/bench/ledger"
)

// again is what the parent knows of a cloud that has died, for the next one. What
// the dead one had counted and not told is unknown, and left out: a strike that
// nobody was told of may strike once more, and is counted once.
type again struct {
	Faults    []bench.FaultState
	Committed int64
	Effects   int64
}

// What the cloud keeps in the log of its engine beside tables and streams. On AWS
// none of it dies with a machine: the queue of asynchronous events, what the
// destination was given, and the control plane.
//
//	plane     JSON: plane
//	life      how many clouds have lived on this data
//	letter/N  JSON: letter, see letterBox
//	event/ID  an asynchronous event, see lambda.Keeper
//	trial/ID  retries that were spent of a shard's batches, see eventsource.Keeper
const (
	keptPlane = "plane"
	keptLife  = "life"
)

// lifeShift leaves a life this many bits for the numbers of its shards.
const lifeShift = 16

// plane is what the faults have made of the control plane.
type plane struct {
	Stream string         // ARN of the one that the mapping reads
	Skips  []skip         // of the time
	Pulled map[int]string // kinds of the faults in force
}

// keeper is nil where nothing outlives the cloud.
func (c *cloud) keeper() lambda.Keeper {
	if c.engine == nil || c.cfg.Stack.Data == "" {
		return nil
	}
	return c.engine
}

// keepPlane writes the control plane down, before its change is told.
func (c *cloud) keepPlane() {
	k := c.keeper()
	if k == nil {
		return
	}
	c.levers.mu.Lock()
	defer c.levers.mu.Unlock()
	text, err := json.Marshal(plane{c.stream, c.time.skipped(), c.levers.pulled})
	if err == nil {
		err = k.Keep(keptPlane, string(text))
	}
	if err != nil {
		c.watch.Event(bench.Event{At: c.clock.Now(), Kind: bench.EventEvidence, Text: "the control plane is not kept: " + err.Error()})
	}
}

// goOn takes over what a cloud before this one has kept. Nobody is served yet.
func (c *cloud) goOn(observer bench.Observer) error {
	c.stream = c.cfg.StreamARN
	k := c.keeper()
	if k == nil {
		return nil
	}
	if err := c.letters.keep(k); err != nil {
		return err
	}
	if text, lived := k.Kept(keptLife)[keptLife]; lived {
		n, err := strconv.ParseUint(text, 10, 32-lifeShift)
		if err != nil {
			return fmt.Errorf("read how many clouds have lived on %s: %w", c.cfg.Stack.Data, err)
		}
		c.life = uint32(n) + 1
	}
	if err := k.Keep(keptLife, fmt.Sprint(c.life%(1<<lifeShift-1))); err != nil {
		return err
	}
	var p plane
	if text, kept := k.Kept(keptPlane)[keptPlane]; kept {
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			return fmt.Errorf("read the control plane of %s: %w", c.cfg.Stack.Data, err)
		}
	}
	if a := c.cfg.Again; a != nil {
		c.stream = p.Stream
		c.time.resume(p.Skips)
		if p.Pulled != nil {
			c.levers.pulled = p.Pulled
		}
		c.recount(a)
		return c.retell(observer)
	}
	// Another call of ackproof has none of the faults, and the time is what it is.
	if p.Stream != "" {
		c.stream = p.Stream
	}
	return nil
}

// recount finds the counters again: from the rows, but never less than was told.
// With one table the effects cannot be told from the items.
func (c *cloud) recount(a *again) {
	run := c.cfg.Stack.Run
	c.stored.Store(max(a.Committed, c.engine.Rows(ItemsTable(run))))
	c.effects.Store(a.Effects)
	if !c.cfg.Stack.OneTable {
		c.effects.Store(max(a.Effects, c.engine.Rows(ResultsTable(run))))
	}
}

// retell tells of the commits that the dead cloud did not come to write down: at
// most those since its last flush. They are in the stream. Of its deliveries of
// that moment nobody knows; they are made again.
func (c *cloud) retell(observer bench.Observer) error {
	log, err := ledger.ReadDeliveries(filepath.Join(c.cfg.Stack.Dir, "deliveries"))
	if err != nil {
		return err
	}
	last := map[string]string{}
	for commit := range log.Commits() {
		last[commit.Shard] = commit.Sequence // in the order of their shard
	}
	for _, commit := range c.engine.Commits(c.stream, last) {
		observer.Committed(commit)
	}
	return nil
}

// openTables makes the tables, or finds those that are there. The mapping stays
// on its stream, also where the table has got another one since.
func (c *cloud) openTables(ctx context.Context) error {
	_, stream, err := createTables(ctx, c.db, c.cfg.Stack)
	if err != nil {
		return err
	}
	if c.stream == "" {
		c.stream = stream
	}
	c.keepPlane()
	return nil
}

// pullAgain pulls the levers that the dead cloud was asked for and had not pulled
// when it died.
func (c *cloud) pullAgain() {
	if c.cfg.Again == nil {
		return
	}
	for i, s := range c.cfg.Again.Faults {
		if s.Armed && isLever(c.faults.Place(i)) && (s.Pending > 0 || s.Bitten == 0 && c.levers.pulled[i] == "") {
			c.pull(i)
		}
	}
}
