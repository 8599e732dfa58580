package dynamo

import (
	"sync/atomic"
	"time"
)

// table is one table. Its rows lie in stripes, each with a lock of its own,
// and each stripe is one contiguous part of the range of hashes.
type table struct {
	name       string
	arn, id    string
	created    time.Time
	keys       []keyAttr // hash key, then range key if there is one
	definition []keyAttr
	billing    string
	capacity   [2]int    // read, write; shown, never enforced
	onDemand   time.Time // since when billing has been, or was last, PAY_PER_REQUEST

	settings settings          // guarded by the engine's lock
	tags     map[string]string // likewise

	items, bytes atomic.Int64
	stripes      [stripes]stripe

	// Guarded by all stripes: held by one to read, by all to write. So no write
	// meets a stream that is being switched, nor a table being deleted.
	stream  *stream
	indexes []*index
	expiry  string // attribute of time to live, "" without one
	gone    bool

	expiries [stripes]expiries // each guarded by its stripe
}

// settings are what a table is told of and has no use for here. They are shown
// again as they came.
type settings struct {
	protected bool   // DeletionProtectionEnabled
	class     string // TableClass
	ceiling   [2]int // OnDemandThroughput: read, write; 0: none
	encrypted bool   // SSESpecification.Enabled
	masterKey string // SSESpecification.KMSMasterKeyId
}

// keyAttr is a key attribute.
type keyAttr struct {
	name string
	kind kind
}

func (t *table) stripe(hash uint64) *stripe { return &t.stripes[stripeOf(hash)] }

func (t *table) lockAll() {
	for i := range t.stripes {
		t.stripes[i].mu.Lock()
	}
}

func (t *table) unlockAll() {
	for i := range t.stripes {
		t.stripes[i].mu.Unlock()
	}
}

func (t *table) isKey(name string) bool {
	return name == t.keys[0].name || len(t.keys) > 1 && name == t.keys[1].name
}

// checkScalars refuses paths that lead into a key attribute of the table or an index.
func (t *table) checkScalars(e *env, uses ...use) *Error {
	for _, u := range uses {
		for _, s := range u.nested {
			name := e.name(s)
			t.stripes[0].mu.RLock()
			_, key := attribute(t.definition, name)
			t.stripes[0].mu.RUnlock()
			switch {
			case t.isKey(name):
				return invalid("Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: %s", name)
			case key:
				return invalid("Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: IndexKey: %s", name)
			}
		}
	}
	return nil
}

// attribute gives the definition of an attribute of a key.
func attribute(definition []keyAttr, name string) (keyAttr, bool) {
	for _, a := range definition {
		if a.name == name {
			return a, true
		}
	}
	return keyAttr{}, false
}

// index finds an index by its name, or returns nil.
func (t *table) index(name string) *index {
	t.stripes[0].mu.RLock()
	defer t.stripes[0].mu.RUnlock()
	for _, ix := range t.indexes {
		if ix.name == name {
			return ix
		}
	}
	return nil
}
