package dynamo

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/ackproof/ackproof/bench"
)

// notes are what the driver of an engine keeps beside the tables: what else must
// survive the death of the process, in the same log and as safe as an item. No
// client sees them.
type notes struct {
	mu sync.Mutex
	m  map[string]string
}

// set sets a note, or takes it away. It reports whether that changed anything.
func (n *notes) set(key, text string) bool {
	if old, there := n.m[key]; there && old == text || !there && text == "" {
		return false
	}
	if n.m == nil {
		n.m = map[string]string{}
	}
	if n.m[key] = text; text == "" {
		delete(n.m, key)
	}
	return true
}

// Keep keeps a text under a key of the driver's own; the empty text takes what
// is there away. When it returns without an error, the note is as safe as an
// item that a client was told of. An engine without a log keeps it for as long
// as it lives.
func (e *Engine) Keep(key, text string) error {
	if size := len(key) + len(text); size > maxEntry/2 {
		return fmt.Errorf("keep note %s: it has %d bytes, at most %d are kept", key, size, maxEntry/2)
	}
	e.notes.mu.Lock()
	if e.notes.set(key, text) && e.log != nil {
		e.log.begin()
		e.log.buf = appendNote(e.log.buf, key, text)
		e.log.end()
	}
	e.notes.mu.Unlock()
	if err := e.log.settle(); err != nil {
		return fmt.Errorf("keep note %s: %w", key, err)
	}
	return nil
}

// Kept gives the notes whose keys begin with a prefix.
func (e *Engine) Kept(prefix string) map[string]string {
	e.notes.mu.Lock()
	defer e.notes.mu.Unlock()
	found := maps.Clone(e.notes.m)
	maps.DeleteFunc(found, func(key, _ string) bool { return !strings.HasPrefix(key, prefix) })
	return found
}

func appendNote(b []byte, key, text string) []byte {
	return appendText(appendText(append(b, kindNote), key), text)
}

// image gives the notes in the order of their keys, key and text by turns.
func (n *notes) image() (list []string) {
	for _, key := range slices.Sorted(maps.Keys(n.m)) {
		list = append(list, key, n.m[key])
	}
	return list
}

// Rows counts the items of a table; 0 where there is none.
func (e *Engine) Rows(table string) int64 {
	t, err := e.table(table)
	if err != nil {
		return 0
	}
	return int64(t.items.Load())
}

// Commits gives the records of a stream behind a sequence number for each shard,
// or all that the shard still has, in the order of their shard: what an observer
// was told of, or would have been, had its process lived.
func (e *Engine) Commits(arn string, after map[string]string) (found []bench.Commit) {
	s := e.streamOf(arn)
	for _, end := range s.ends() {
		sh := s.shard(end.Shard)
		if sh == nil { // retention has ended it meanwhile
			continue
		}
		known, err := bench.ParseSequence(after[end.Shard])
		sh.mu.RLock()
		for n := sh.trimmed; n < sh.next; n++ {
			r := sh.at(n)
			if at := sequence(r.off); err != nil || at.Compare(known) > 0 {
				found = append(found, bench.Commit{Shard: sh.id, Sequence: at.String(), ID: r.row().writer(), At: r.time(), Removed: r.new == nil})
			}
		}
		sh.mu.RUnlock()
	}
	return found
}
