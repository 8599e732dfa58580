package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// list is an array of the body, or one that the template made. They print
// differently: $input.path is seen to print an array as JSON, while a list of
// Velocity's own prints in Java's way.
type list struct {
	items []any
	json  bool
}

// object is a map that keeps the order of its keys.
type object struct {
	keys    []string
	members map[string]any
}

func newObject() *object { return &object{members: map[string]any{}} }

func (o *object) put(key string, v any) {
	if _, ok := o.members[key]; !ok {
		o.keys = append(o.keys, key)
	}
	o.members[key] = v
}

func (o *object) remove(key string) any {
	v, ok := o.members[key]
	if ok {
		delete(o.members, key)
		o.keys = slices.DeleteFunc(o.keys, func(k string) bool { return k == key })
	}
	return v
}

// entry is one pair of a map's entrySet.
type entry struct {
	key   string
	value any
}

// decodeValue reads a JSON text that is known to be valid. Numbers keep the
// client's own digits.
func decodeValue(d *json.Decoder) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('['):
		l := &list{json: true}
		for d.More() {
			v, err := decodeValue(d)
			if err != nil {
				return nil, err
			}
			l.items = append(l.items, v)
		}
		_, err = d.Token()
		return l, err
	case json.Delim('{'):
		o := newObject()
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := decodeValue(d)
			if err != nil {
				return nil, err
			}
			o.put(key.(string), v)
		}
		_, err = d.Token()
		return o, err
	}
	return token, nil
}

// readJSON turns a JSON text into a value of the template.
func readJSON(raw []byte) (any, error) {
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	v, err := decodeValue(d)
	if err != nil {
		return nil, fmt.Errorf("read JSON: %w", err)
	}
	if d.More() {
		return nil, errors.New("read JSON: more than one value")
	}
	return v, nil
}

// truth is what #if asks of a value: false and nothing are false. An empty
// text is true, as Velocity 1.7 has it, and a template that means it must say
// $x != "".
func truth(v any) bool {
	b, isBool := v.(bool)
	return v != nil && (b || !isBool)
}

// numeric gives the number that a value is. A text is none.
func numeric(v any) (n int64, f float64, whole, ok bool) {
	switch v := v.(type) {
	case int64:
		return v, float64(v), true, true
	case float64:
		return 0, v, false, true
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n, float64(n), true, true
		}
		f, err := v.Float64()
		return 0, f, false, err == nil
	}
	return 0, 0, false, false
}

// text is a value as Java would print it: a map as {a=1}, a list as [a, b],
// and an array of the body as JSON.
func (r *renderer) text(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "null", nil
	case string:
		return v, nil
	case *list, *object, *entry, *turn:
		var b strings.Builder
		err := r.print(&b, v, 0)
		return b.String(), err
	default:
		return scalar(v), nil
	}
}

func scalar(v any) string {
	switch v := v.(type) {
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case json.Number:
		return v.String()
	case float64:
		s := strconv.FormatFloat(v, 'f', -1, 64)
		if !strings.Contains(s, ".") && !math.IsInf(v, 0) && !math.IsNaN(v) {
			s += ".0"
		}
		return s
	}
	panic(fmt.Sprintf("gateway: a template has a value of type %T", v))
}

// print writes a value that may hold others. Work and depth are bounded: a list
// can be made to hold itself.
func (r *renderer) print(b *strings.Builder, v any, depth int) error {
	if depth > 1000 || b.Len() > maxOutput {
		return errTooLarge
	}
	if err := r.did(0); err != nil {
		return err
	}
	each := func(n int, open, closing, comma string, one func(i int) error) error {
		b.WriteString(open)
		for i := range n {
			if i > 0 {
				b.WriteString(comma)
			}
			if err := one(i); err != nil {
				return err
			}
		}
		b.WriteString(closing)
		return nil
	}
	switch v := v.(type) {
	case *list:
		if v.json {
			return r.printJSON(b, v, depth)
		}
		return each(len(v.items), "[", "]", ", ", func(i int) error { return r.print(b, v.items[i], depth+1) })
	case *object:
		return each(len(v.keys), "{", "}", ", ", func(i int) error {
			b.WriteString(v.keys[i] + "=")
			return r.print(b, v.members[v.keys[i]], depth+1)
		})
	case *entry:
		b.WriteString(v.key + "=")
		return r.print(b, v.value, depth+1)
	case *turn:
		b.WriteString("foreach")
		return nil
	}
	s, err := r.text(v)
	b.WriteString(s)
	return errors.Join(err, r.did(len(s)))
}

// printJSON writes a value as JSON.
func (r *renderer) printJSON(b *strings.Builder, v any, depth int) error {
	if depth > 1000 || b.Len() > maxOutput {
		return errTooLarge
	}
	if err := r.did(0); err != nil {
		return err
	}
	switch v := v.(type) {
	case *list:
		b.WriteByte('[')
		for i, e := range v.items {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := r.printJSON(b, e, depth+1); err != nil {
				return err
			}
		}
		b.WriteByte(']')
		return nil
	case *object:
		b.WriteByte('{')
		for i, k := range v.keys {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(quoteJSON(k) + ":")
			if err := r.printJSON(b, v.members[k], depth+1); err != nil {
				return err
			}
		}
		b.WriteByte('}')
		return nil
	case nil, bool, int64, float64, json.Number:
		s, _ := r.text(v)
		b.WriteString(s)
		return nil
	}
	s, err := r.text(v)
	b.WriteString(quoteJSON(s))
	return errors.Join(err, r.did(len(s)))
}

func quoteJSON(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic("gateway: a text is no JSON: " + err.Error())
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// member is $v.name: a map's entry, or what an entry and a loop know of
// themselves. Nothing else has members.
func member(v any, name string) any {
	switch v := v.(type) {
	case *object:
		return v.members[name]
	case *entry:
		switch name {
		case "key":
			return v.key
		case "value":
			return v.value
		}
	case *turn:
		if v == nil {
			return nil
		}
		switch name {
		case "index":
			return int64(v.index)
		case "count":
			return int64(v.index + 1)
		case "hasNext":
			return v.index+1 < v.size
		case "first":
			return v.index == 0
		case "last":
			return v.index+1 == v.size
		case "parent":
			if v.parent != nil {
				return v.parent
			}
		}
	}
	return nil
}

// at is $v[key]. An index from the end counts from -1.
func at(v, key any) any {
	switch v := v.(type) {
	case *object:
		if s, ok := key.(string); ok {
			return v.members[s]
		}
	case *list:
		if i, ok := v.index(key); ok {
			return v.items[i]
		}
	}
	return nil
}

func (l *list) index(key any) (int, bool) {
	n, _, whole, ok := numeric(key)
	if n < 0 {
		n += int64(len(l.items))
	}
	return int(n), ok && whole && n >= 0 && n < int64(len(l.items))
}

// put is #set($v[key] = value).
func (r *renderer) put(v, key, value any) error {
	switch v := v.(type) {
	case *object:
		if s, ok := key.(string); ok {
			v.put(s, value)
			return nil
		}
	case *list:
		if i, ok := v.index(key); ok {
			v.items[i] = value
			return nil
		}
	}
	return fmt.Errorf("#set: there is no place %v to put a value in", key)
}

// elements is what #foreach goes through.
func elements(v any) []any {
	switch v := v.(type) {
	case *list:
		return v.items
	case *object:
		return v.values()
	}
	return nil
}

func (o *object) values() []any {
	all := make([]any, len(o.keys))
	for i, k := range o.keys {
		all[i] = o.members[k]
	}
	return all
}
