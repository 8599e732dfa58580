package dynamo

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// kind is the type of an attribute value.
type kind uint8

const (
	kindNone kind = iota // no value: the attribute does not exist
	kindS
	kindN
	kindB
	kindBOOL
	kindNULL
	kindM
	kindL
	kindSS
	kindNS
	kindBS
)

var kindNames = [...]string{"", "S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS"}

func (k kind) String() string { return kindNames[k] }

// kindOf finds the kind by its name on the wire.
func kindOf(name string) kind {
	for k := kindS; int(k) < len(kindNames); k++ {
		if kindNames[k] == name {
			return k
		}
	}
	return kindNone
}

// member is the kind of a set's members, or kindNone for what is no set.
func (k kind) member() kind {
	if k >= kindSS {
		return k - kindSS + kindS
	}
	return kindNone
}

// value is one attribute value. Values are immutable and shared freely: by the
// table, by both images of stream records, by answers under way. Whoever
// changes one makes a new one, and copies only the path that leads there.
//
// Nearly all values of a large table are scalars, so what only the others need
// lies behind a pointer: an attribute takes 48 bytes and its text.
type value struct {
	text   string  // S; N in canonical form; B as raw bytes; BOOL as true or false
	nested *nested // M, L and sets
	kind   kind
}

// nested is what a value consists of that is no scalar.
type nested struct {
	list  []value // L in order; SS, NS and BS sorted and without duplicates
	attrs item    // M
}

func listOf(k kind, list []value) value { return value{kind: k, nested: &nested{list: list}} }

func mapOf(it item) value { return value{kind: kindM, nested: &nested{attrs: it}} }

// list gives the members of a list or set, in their order; nil for all others.
func (v value) list() []value {
	if v.nested == nil {
		return nil
	}
	return v.nested.list
}

// attrs gives the attributes of a map; nil for all others.
func (v value) attrs() item {
	if v.nested == nil {
		return nil
	}
	return v.nested.attrs
}

// attr is a named value.
type attr struct {
	name  string
	value value
}

// item is a map of attributes, sorted by name: smaller than a Go map for the
// handful of attributes that items have, and it has one order of its own, so
// that equal items encode to equal bytes.
type item []attr

// get returns the attribute, or a value of kindNone.
func (it item) get(name string) value {
	if i, ok := it.find(name); ok {
		return it[i].value
	}
	return value{}
}

func (it item) find(name string) (int, bool) {
	return slices.BinarySearchFunc(it, name, func(a attr, n string) int { return strings.Compare(a.name, n) })
}

// with returns a copy in which the attribute has the value.
func (it item) with(name string, v value) item {
	i, ok := it.find(name)
	if ok {
		c := slices.Clone(it)
		c[i].value = v
		return c
	}
	c := make(item, 0, len(it)+1)
	c = append(append(append(c, it[:i]...), attr{name, v}), it[i:]...)
	return c
}

// without returns a copy that lacks the attribute.
func (it item) without(name string) item {
	i, ok := it.find(name)
	if !ok {
		return it
	}
	c := make(item, 0, len(it)-1)
	return append(append(c, it[:i]...), it[i+1:]...)
}

func (it item) equal(other item) bool {
	return slices.EqualFunc(it, other, func(a, b attr) bool { return a.name == b.name && a.value.equal(b.value) })
}

// equal compares deeply. Numbers compare by amount and sets without order,
// since both are kept in canonical form.
func (v value) equal(w value) bool {
	if v.kind != w.kind || v.text != w.text {
		return false
	}
	return v.nested == w.nested || slices.EqualFunc(v.list(), w.list(), value.equal) && v.attrs().equal(w.attrs())
}

// compare orders two values of the same kind S, N or B; ok is false for all
// others, between which DynamoDB knows no order.
func (v value) compare(w value) (c int, ok bool) {
	if v.kind != w.kind {
		return 0, false
	}
	switch v.kind {
	case kindS, kindB:
		return strings.Compare(v.text, w.text), true // UTF-8 bytes, as the service orders
	case kindN:
		return compareNumbers(v.text, w.text), true
	}
	return 0, false
}

// newSet sorts members into a set value and drops duplicates.
func newSet(k kind, members []value) value {
	slices.SortFunc(members, func(a, b value) int { c, _ := a.compare(b); return c })
	return listOf(k, slices.CompactFunc(members, value.equal))
}

// has reports whether a set or list contains the member.
func (v value) has(m value) bool { return slices.ContainsFunc(v.list(), m.equal) }

// size is the number of bytes that count against the 400 KB of an item, for
// capacity and for pages.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
func (v value) size() int {
	switch v.kind {
	case kindS, kindB:
		return len(v.text)
	case kindN:
		return numberSize(v.text)
	case kindM:
		return 3 + v.attrs().size() + len(v.attrs())
	}
	n := 0
	for _, e := range v.list() {
		n += e.size()
	}
	switch v.kind {
	case kindL:
		return 3 + n + len(v.list())
	case kindBOOL, kindNULL:
		return 1
	}
	return n
}

func (it item) size() int {
	n := 0
	for _, a := range it {
		n += len(a.name) + a.value.size()
	}
	return n
}

// length is what the function size() gives in an expression; ok is false for
// kinds that have none.
func (v value) length() (n int, ok bool) {
	switch v.kind {
	case kindS:
		// The service counts UTF-16 code units, as Java does.
		n = utf8.RuneCountInString(v.text)
		for _, r := range v.text {
			if r > 0xFFFF {
				n++
			}
		}
		return n, true
	case kindB:
		return len(v.text), true
	case kindM:
		return len(v.attrs()), true
	case kindL, kindSS, kindNS, kindBS:
		return len(v.list()), true
	}
	return 0, false
}
