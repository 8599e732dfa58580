package dynamo

import (
	"maps"
	"strings"
	"sync"
	"sync/atomic"
)

// names keeps one copy of each name of an attribute: a table has few names and
// very many items.
var names interner

// interner gives equal short texts one memory. Those that it has are found
// without a lock; it takes no more than a program's attributes can be, so that a
// client that makes up names cannot fill the memory.
type interner struct {
	known atomic.Pointer[map[string]string]
	mu    sync.Mutex
}

const (
	maxInterned     = 1024
	maxInternedText = 64 // bytes
)

// of returns a text equal to s that does not share its memory.
func (in *interner) of(s string) string {
	known := in.known.Load()
	if known != nil {
		if own, ok := (*known)[s]; ok {
			return own
		}
	}
	own := strings.Clone(s)
	if len(s) > maxInternedText || known != nil && len(*known) >= maxInterned {
		return own
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	more := map[string]string{}
	if known = in.known.Load(); known != nil {
		more = maps.Clone(*known)
	}
	if other, ok := more[own]; ok {
		return other
	}
	more[own] = own
	in.known.Store(&more)
	return own
}

// pack copies an item whose texts lie in the body of a request, which will be
// used again: into one piece of memory for all of its texts and one for each
// list of attributes.
func pack(it item) item {
	var b strings.Builder
	b.Grow(it.textSize())
	return packItem(&b, it)
}

func packItem(b *strings.Builder, it item) item {
	out := make(item, len(it))
	for i, a := range it {
		out[i] = attr{names.of(a.name), packValue(b, a.value)}
	}
	return out
}

func packValue(b *strings.Builder, v value) value {
	switch v.kind {
	case kindM:
		return mapOf(packItem(b, v.attrs()))
	case kindL, kindSS, kindNS, kindBS:
		list := make([]value, len(v.list()))
		for i, e := range v.list() {
			list[i] = packValue(b, e)
		}
		return listOf(v.kind, list)
	case kindBOOL, kindNULL:
		return v // constants
	}
	// The builder has room for all, so it never moves what it has.
	at := b.Len()
	b.WriteString(v.text)
	v.text = b.String()[at:]
	return v
}

func (it item) textSize() int {
	n := 0
	for i := range it {
		n += it[i].value.textSize()
	}
	return n
}

func (v *value) textSize() int {
	if v.nested == nil {
		return len(v.text)
	}
	n := v.nested.attrs.textSize()
	for i := range v.nested.list {
		n += v.nested.list[i].textSize()
	}
	return n
}
