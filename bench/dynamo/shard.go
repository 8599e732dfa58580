package dynamo

import (
	"fmt"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// Split closes an open shard of the table's stream and opens two children, each
// for one half of its keys, as the service does when a partition grows. It
// returns their ids. A reader must finish the parent before it reads a child, or
// it sees an item's changes in the wrong order.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
func (e *Engine) Split(now time.Time, table, shard string) ([]string, error) {
	return e.roll(now, table, shard, 2)
}

// RollShard closes an open shard of the table's stream and opens one child that
// goes on in its place, as the service does every few hours. It returns its id.
func (e *Engine) RollShard(now time.Time, table, shard string) (string, error) {
	ids, err := e.roll(now, table, shard, 1)
	if err != nil {
		return "", err
	}
	return ids[0], nil
}

func (e *Engine) roll(now time.Time, table, shard string, children int) ([]string, error) {
	t, err := e.table(table)
	if err != nil {
		return nil, fmt.Errorf("roll shard %s: %w", shard, err)
	}
	t.lockAll()
	defer t.unlockAll()
	if t.stream == nil {
		return nil, fmt.Errorf("roll shard %s: table %s has no stream", shard, table)
	}
	s := t.stream
	for i, old := range s.open {
		if old.id != shard {
			continue
		}
		if children == 2 && old.first == old.last {
			return nil, fmt.Errorf("split shard %s: it has one key hash only", shard)
		}
		old.close(now)
		s.open = append(s.open[:i:i], s.open[i+1:]...)
		var ids []string
		if children == 1 {
			ids = []string{s.openShard(now, old, old.first, old.last).id}
		} else {
			middle := old.first + (old.last-old.first)/2
			low := s.openShard(now, old, old.first, middle)
			high := s.openShard(now, old, middle+1, old.last)
			ids = []string{low.id, high.id}
		}
		e.logSetup(s, nil)
		return ids, e.log.settle()
	}
	return nil, fmt.Errorf("roll shard %s: no open shard of the stream of %s", shard, table)
}

// ShardEnd says where a shard of a table's current stream ends: for the proof
// that a reader has read it all.
type ShardEnd struct {
	Shard   string
	Last    string // sequence number of the newest record, "" without one
	Records int64  // appended so far, those trimmed since included
	Closed  bool   // nothing will follow
}

// Ends gives the ends of all shards of the table's current stream, closed ones
// included, or nil if it has none.
func (e *Engine) Ends(table string) []ShardEnd {
	return e.currentStream(table).ends()
}

// StreamEnds is Ends for a stream by its ARN, also for one that is switched off
// and can still be read; nil: there is none.
func (e *Engine) StreamEnds(arn string) []ShardEnd { return e.streamOf(arn).ends() }

func (e *Engine) streamOf(arn string) *stream {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.streams[arn]
}

func (s *stream) ends() []ShardEnd {
	if s == nil {
		return nil
	}
	s.mu.RLock()
	shards := s.shards
	s.mu.RUnlock()
	out := make([]ShardEnd, len(shards))
	for i, sh := range shards {
		sh.mu.RLock()
		out[i] = ShardEnd{Shard: sh.id, Records: sh.next, Closed: !sh.closed.IsZero()}
		if sh.next > 0 {
			out[i].Last = sequence(sh.lastOff).String()
		}
		sh.mu.RUnlock()
	}
	return out
}

// Behind counts the records of a shard that have a sequence number greater than
// after, "" standing for all; those trimmed are not among them. It takes
// O(log n). It returns -1 where there is no such table, stream or shard, or after
// is no sequence number.
func (e *Engine) Behind(table, shard, after string) int64 {
	return e.currentStream(table).behind(shard, after)
}

// StreamBehind is Behind for a stream by its ARN.
func (e *Engine) StreamBehind(arn, shard, after string) int64 {
	return e.streamOf(arn).behind(shard, after)
}

func (s *stream) behind(shard, after string) int64 {
	if s == nil {
		return -1
	}
	sh := s.shard(shard)
	if sh == nil {
		return -1
	}
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	if after == "" {
		return sh.next - sh.trimmed
	}
	n, err := bench.ParseSequence(after)
	if err != nil {
		return -1
	}
	if n.Compare(sequence(sh.lastOff)) >= 0 { // also of what offset cannot hold
		return 0
	}
	off := offset(n)
	return sh.next - sh.search(func(r *record) bool { return r.off > off })
}

// currentStream gives the stream of a table, or nil.
func (e *Engine) currentStream(table string) *stream {
	t, err := e.table(table)
	if err != nil {
		return nil
	}
	t.stripes[0].mu.RLock()
	defer t.stripes[0].mu.RUnlock()
	return t.stream
}

func (s *stream) shard(id string) *shard {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, sh := range s.shards {
		if sh.id == id {
			return sh
		}
	}
	return nil
}

// Two processes at most should read a shard at a time; more are throttled at the
// service.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
const (
	maxReaders   = 2
	readerWindow = time.Second
)

// reading is when a reader, a chain of iterators, has last read a shard.
type reading struct {
	reader uint64
	at     time.Time
}

// crowded notes a reading and reports whether more than two readers have read
// the shard within a second. The shard is locked.
func (s *shard) crowded(now time.Time, reader uint64) bool {
	kept := s.readers[:0]
	for _, r := range s.readers {
		if r.reader != reader && now.Sub(r.at) < readerWindow {
			kept = append(kept, r)
		}
	}
	s.readers = append(kept, reading{reader, now})
	return len(s.readers) > maxReaders
}

// CrowdedReads counts the GetRecords calls that found more than two readers on
// their shard within a second: a warning that the same set-up would be throttled
// at the service. A reader is a chain of iterators, so one that asks for a new
// iterator at each poll counts as many.
func (e *Engine) CrowdedReads() int64 { return e.crowdedReads.Load() }

// trimStreams lets go of what retention has ended.
func (e *Engine) trimStreams(now time.Time) {
	for _, s := range e.liveStreams(now) {
		for _, sh := range s.kept(now, e.options.Retention) {
			sh.mu.Lock()
			sh.trim(now, e.options.Retention)
			sh.mu.Unlock()
		}
	}
}
