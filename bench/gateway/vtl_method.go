package gateway

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"
)

// methods lists what can be called on values, with the least and the greatest
// number of arguments. They are Java's, of String, List, Map, Map.Entry and
// numbers, as far as mapping templates commonly use them; all others are
// refused when the template is read.
var methods = map[string][2]int{
	// of every value
	"toString": {0, 0}, "equals": {1, 1},
	// of texts
	"length": {0, 0}, "substring": {1, 2}, "charAt": {1, 1}, "lastIndexOf": {1, 1}, "startsWith": {1, 1}, "endsWith": {1, 1},
	"replace": {2, 2}, "replaceAll": {2, 2}, "replaceFirst": {2, 2}, "matches": {1, 1}, "split": {1, 1}, "trim": {0, 0},
	"toLowerCase": {0, 0}, "toUpperCase": {0, 0}, "equalsIgnoreCase": {1, 1}, "concat": {1, 1},
	// of texts and lists
	"isEmpty": {0, 0}, "indexOf": {1, 1}, "contains": {1, 1},
	// of lists and maps
	"size": {0, 0}, "get": {1, 1}, "add": {1, 1}, "remove": {1, 1}, "set": {2, 2},
	"put": {2, 2}, "keySet": {0, 0}, "values": {0, 0}, "entrySet": {0, 0}, "containsKey": {1, 1},
	// of entries and numbers
	"getKey": {0, 0}, "getValue": {0, 0}, "intValue": {0, 0},
}

// checkMethods refuses what no value has.
func checkMethods(steps []access) error {
	for _, s := range steps {
		if s.kind != isMethod {
			continue
		}
		bounds, known := methods[s.name]
		switch {
		case !known:
			return fmt.Errorf("the method %s() is not modelled", s.name)
		case len(s.args) < bounds[0] || len(s.args) > bounds[1]:
			return fmt.Errorf("the method %s() does not take %d arguments", s.name, len(s.args))
		}
		if pattern, ok := patternOf(s); ok {
			if _, err := regexp.Compile(pattern); err != nil {
				return fmt.Errorf("%s(): the pattern %q cannot be used: %w", s.name, pattern, err)
			}
		}
	}
	return nil
}

// patternOf gives the regular expression of a method, if it is written out.
func patternOf(s access) (string, bool) {
	switch s.name {
	case "replaceAll", "replaceFirst", "matches", "split":
		if l, ok := s.args[0].(literal); ok {
			pattern, ok := l.v.(string)
			return pattern, ok
		}
	}
	return "", false
}

// call calls a method on a value that is not nil. What the value does not have
// gives nil.
func (r *renderer) call(v any, name string, args []any) (any, error) {
	switch name {
	case "toString":
		return r.text(v)
	case "equals":
		return r.equal(v, args[0])
	}
	switch v := v.(type) {
	case string:
		if err := r.did(len(v)); err != nil {
			return nil, err
		}
		return r.textMethod(v, name, args)
	case *list:
		return r.listMethod(v, name, args)
	case *object:
		return r.objectMethod(v, name, args)
	case *entry:
		return member(v, strings.ToLower(strings.TrimPrefix(name, "get"))), nil
	}
	if n, f, whole, ok := numeric(v); ok && name == "intValue" {
		if !whole {
			n = int64(f)
		}
		return n, nil
	}
	return nil, nil
}

// textMethod calls a method of a text with a text, a number or nothing.
func (r *renderer) textMethod(s, name string, args []any) (any, error) {
	switch name {
	case "length":
		return int64(len(utf16.Encode([]rune(s)))), nil
	case "isEmpty":
		return s == "", nil
	case "trim":
		return strings.TrimFunc(s, func(c rune) bool { return c <= ' ' }), nil
	case "toLowerCase":
		return strings.ToLower(s), nil
	case "toUpperCase":
		return strings.ToUpper(s), nil
	case "substring", "charAt":
		return substring(s, name, args)
	}
	var texts [2]string
	for i, a := range args {
		t, ok := a.(string)
		if !ok {
			return nil, nil // Java has no such method, or throws
		}
		texts[i] = t
	}
	switch a := texts[0]; name {
	case "contains":
		return strings.Contains(s, a), nil
	case "startsWith":
		return strings.HasPrefix(s, a), nil
	case "endsWith":
		return strings.HasSuffix(s, a), nil
	case "equalsIgnoreCase":
		return strings.EqualFold(s, a), nil
	case "concat":
		return r.join(s, a)
	case "indexOf":
		return units(s, strings.Index(s, a)), nil
	case "lastIndexOf":
		return units(s, strings.LastIndex(s, a)), nil
	case "replace":
		if n := strings.Count(s, a); n > 0 && len(s)+n*len(texts[1]) > maxOutput {
			return nil, errTooLarge
		}
		out := strings.ReplaceAll(s, a, texts[1])
		return out, r.did(len(out))
	case "replaceAll", "replaceFirst", "matches", "split":
		return r.patternMethod(s, name, a, texts[1])
	}
	return nil, nil
}

// units turns an index in bytes into one in UTF-16 units, as Java counts.
func units(s string, i int) int64 {
	if i < 0 {
		return -1
	}
	return int64(len(utf16.Encode([]rune(s[:i]))))
}

// substring cuts by UTF-16 units. Outside the text Java throws, and the
// template fails.
func substring(s, name string, args []any) (any, error) {
	all := utf16.Encode([]rune(s))
	from, to := int64(0), int64(len(all))
	for i, bound := range []*int64{&from, &to}[:len(args)] {
		n, _, whole, ok := numeric(args[i])
		if !ok || !whole {
			return nil, nil
		}
		*bound = n
	}
	if name == "charAt" {
		to = from + 1
	}
	if from < 0 || to > int64(len(all)) || from > to {
		return nil, fmt.Errorf("%s(): %d to %d is outside a text of %d characters", name, from, to, len(all))
	}
	return string(utf16.Decode(all[from:to])), nil
}

// maxPattern bounds a regular expression that is computed, in bytes.
const maxPattern = 1000

// patternMethod calls a method that takes a regular expression. Java's and Go's
// differ in what they offer, not in what the common ones mean; what Go does not
// know (look-around, back references) is refused.
func (r *renderer) patternMethod(s, name, pattern, replacement string) (any, error) {
	if len(pattern) > maxPattern {
		return nil, fmt.Errorf("%s(): a pattern of more than %d bytes", name, maxPattern)
	}
	re, err := r.pattern(pattern)
	if err != nil {
		return nil, fmt.Errorf("%s(): %w", name, err)
	}
	// A match costs up to the product of text and pattern.
	if err := r.did(len(s) * (1 + len(pattern)/16)); err != nil {
		return nil, err
	}
	switch name {
	case "matches":
		loc := re.FindStringIndex(s)
		full, err := r.pattern("^(?:" + pattern + ")$")
		return loc != nil && err == nil && full.MatchString(s), nil
	case "split":
		l := &list{}
		parts := re.Split(s, -1)
		for len(parts) > 1 && parts[len(parts)-1] == "" { // as Java does
			parts = parts[:len(parts)-1]
		}
		for _, part := range parts {
			l.items = append(l.items, part)
		}
		return l, r.did(len(parts) * 16)
	}
	limit := -1
	if name == "replaceFirst" {
		limit = 1
	}
	var b strings.Builder
	last := 0
	for _, m := range re.FindAllStringSubmatchIndex(s, limit) {
		b.WriteString(s[last:m[0]])
		if err := expand(&b, replacement, s, m); err != nil {
			return nil, fmt.Errorf("%s(): %w", name, err)
		}
		last = m[1]
		if b.Len() > maxOutput {
			return nil, errTooLarge
		}
	}
	b.WriteString(s[last:])
	return b.String(), r.did(b.Len())
}

// pattern compiles a regular expression, once in a rendering.
func (r *renderer) pattern(s string) (*regexp.Regexp, error) {
	if re, ok := r.patterns[s]; ok {
		return re, nil
	}
	if err := r.did(64 * 20); err != nil { // what compiling costs
		return nil, err
	}
	re, err := regexp.Compile(s)
	if err != nil {
		return nil, err
	}
	if r.patterns == nil {
		r.patterns = map[string]*regexp.Regexp{}
	}
	r.patterns[s] = re
	return re, nil
}

// expand writes a replacement, in which $1 is a group and a backslash takes the
// meaning from the sign behind it.
func expand(b *strings.Builder, replacement, s string, m []int) error {
	for i := 0; i < len(replacement); i++ {
		c := replacement[i]
		switch {
		case c == '\\' && i+1 < len(replacement):
			i++
			b.WriteByte(replacement[i])
		case c == '$' && i+1 < len(replacement) && '0' <= replacement[i+1] && replacement[i+1] <= '9':
			i++
			group, _ := strconv.Atoi(replacement[i : i+1])
			if 2*group+1 >= len(m) {
				return fmt.Errorf("the replacement %q names a group that is not there", replacement)
			}
			if m[2*group] >= 0 {
				b.WriteString(s[m[2*group]:m[2*group+1]])
			}
		case c == '$' || c == '\\':
			return fmt.Errorf("the replacement %q has a %c that stands for nothing", replacement, c)
		default:
			b.WriteByte(c)
		}
	}
	return nil
}

// listMethod calls a method of a list. One that changes it gives what Java
// gives, so that it is printed unless #set takes it.
func (r *renderer) listMethod(l *list, name string, args []any) (any, error) {
	switch name {
	case "size":
		return int64(len(l.items)), nil
	case "isEmpty":
		return len(l.items) == 0, nil
	case "get":
		return at(l, args[0]), nil
	case "add":
		l.items = append(l.items, args[0])
		return true, r.did(16)
	case "set", "remove":
		i, ok := l.index(args[0])
		if !ok {
			return nil, nil
		}
		old := l.items[i]
		if name == "set" {
			l.items[i] = args[1]
			return old, nil
		}
		l.items = append(l.items[:i:i], l.items[i+1:]...)
		return old, r.did(len(l.items) * 16)
	case "contains", "indexOf":
		for i, item := range l.items {
			same, err := r.equal(item, args[0])
			if err != nil {
				return nil, err
			}
			if same && name == "contains" {
				return true, nil
			}
			if same {
				return int64(i), nil
			}
			if err := r.did(0); err != nil {
				return nil, err
			}
		}
		if name == "contains" {
			return false, nil
		}
		return int64(-1), nil
	}
	return nil, nil
}

// objectMethod calls a method of a map.
func (r *renderer) objectMethod(o *object, name string, args []any) (any, error) {
	var key string
	if len(args) > 0 {
		var err error
		if key, err = r.text(args[0]); err != nil {
			return nil, err
		}
	}
	if err := r.did(len(o.keys) * 16); err != nil { // what listing them costs
		return nil, err
	}
	switch name {
	case "size":
		return int64(len(o.keys)), nil
	case "isEmpty":
		return len(o.keys) == 0, nil
	case "get":
		return o.members[key], nil
	case "containsKey":
		_, ok := o.members[key]
		return ok, nil
	case "put":
		old := o.members[key]
		o.put(key, args[1])
		return old, nil
	case "remove":
		return o.remove(key), nil
	case "values":
		return &list{items: o.values()}, nil
	case "keySet", "entrySet":
		l := &list{}
		for _, k := range o.keys {
			if name == "keySet" {
				l.items = append(l.items, k)
			} else {
				l.items = append(l.items, &entry{k, o.members[k]})
			}
		}
		return l, nil
	}
	return nil, nil
}
