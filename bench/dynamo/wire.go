package dynamo

import (
	"encoding/json"
	"iter"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// reader reads the JSON of a request in one pass, straight into values. It is
// our own because encoding/json matches names without regard to case, takes
// the last of two equal names and replaces broken text, each of which would
// store something that the client did not send; and because it is the part of
// a PutItem that we can make cheap.
//
// After an error every method returns zero values and the loops end; err holds
// the first error. A value that no attribute can have is no such error: the
// service reads the whole request and holds its parameters against their model
// before it looks at values. The first of those faults is noted, and reading
// goes on.
//
// The text lies in the server's buffer, which the next request will overwrite.
// What may outlive the request is therefore read into memory of its own, by
// default, or borrowed and packed later.
type reader struct {
	s      string
	i      int
	borrow bool   // items are read with texts that lie in s
	attrs  []attr // room for the attributes of a borrowed item
	err    *Error
	fault  *Error // of a value
}

func (r *reader) doubt(e *Error) {
	if r.fault == nil {
		r.fault = e
	}
}

func (r *reader) fail(e *Error) {
	if r.err == nil {
		r.err = e
	}
	r.i = len(r.s)
}

func (r *reader) malformed(want string) {
	r.fail(refuse(codeSerialization, "request body at byte %d: want %s", r.i, want))
}

// mistyped refuses a value of another sort than the parameter, in the words of the
// service, which reads it into a Java class; "" stands for an object or a list.
func (r *reader) mistyped(class string) {
	sort, c := "", r.next()
	switch {
	case c == '{':
		r.fail(refuse(codeSerialization, "Start of structure or map found where not expected"))
	case c == '[':
		r.fail(refuse(codeSerialization, "%s", strings.TrimSuffix("Unrecognized collection type class java.lang."+class, " class java.lang.")))
	case c == '"':
		sort = "STRING_VALUE"
	case r.word("true"):
		sort = "TRUE_VALUE"
	case r.word("false"):
		sort = "FALSE_VALUE"
	case c == '-' || c >= '0' && c <= '9':
		if sort = "NUMBER_VALUE"; strings.ContainsAny(r.number(), ".eE") {
			sort = "DECIMAL_VALUE"
		}
	default:
		r.malformed("a value")
	}
	switch {
	case class == "":
		r.fail(refuse(codeSerialization, "Unexpected field type"))
	case class == "Boolean" && c == '"':
		r.fail(refuse(codeSerialization, "Unexpected token received from parser"))
	default:
		r.fail(refuse(codeSerialization, "%s cannot be converted to %s", sort, class))
	}
}

// next skips white space and returns the next byte without taking it; 0 at
// the end.
func (r *reader) next() byte {
	for ; r.i < len(r.s); r.i++ {
		switch c := r.s[r.i]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

func (r *reader) take(c byte) bool {
	if r.next() != c || r.i >= len(r.s) {
		return false
	}
	r.i++
	return true
}

func (r *reader) word(w string) bool {
	r.next()
	if strings.HasPrefix(r.s[r.i:], w) {
		r.i += len(w)
		return true
	}
	return false
}

// members walks an object. The body of the loop must read the member's value; the
// name is borrowed.
// A member that is null is left out, as the service does.
func (r *reader) members() iter.Seq[string] {
	return func(yield func(string) bool) {
		if !r.take('{') {
			r.mistyped("")
			return
		}
		if r.take('}') {
			return
		}
		for r.err == nil {
			name := r.borrowed()
			if !r.take(':') {
				r.malformed("a colon")
				return
			}
			if !r.word("null") && !yield(name) {
				return
			}
			if r.take('}') {
				return
			}
			if !r.take(',') {
				r.malformed("a comma or the end of an object")
				return
			}
		}
	}
}

// elements walks an array. The body of the loop must read the element.
func (r *reader) elements() iter.Seq[int] {
	return func(yield func(int) bool) {
		if !r.take('[') {
			r.mistyped("")
			return
		}
		if r.take(']') {
			return
		}
		for n := 0; r.err == nil && yield(n); n++ {
			if r.take(']') {
				return
			}
			if !r.take(',') {
				r.malformed("a comma or the end of an array")
				return
			}
		}
	}
}

// str reads a string into memory of its own.
func (r *reader) str() string { return strings.Clone(r.borrowed()) }

// borrowed reads a string that may lie in the request's body, which is valid
// while the request is.
func (r *reader) borrowed() string {
	if !r.take('"') {
		r.mistyped("String")
		return ""
	}
	start, ascii := r.i, true
	for ; r.i < len(r.s); r.i++ {
		switch c := r.s[r.i]; {
		case c == '"':
			text := r.s[start:r.i]
			if !ascii && !utf8.ValidString(text) {
				r.malformed("valid UTF-8")
				return ""
			}
			r.i++
			return text
		case c == '\\':
			return r.escaped(start)
		case c < ' ':
			r.malformed("no control character in a string")
			return ""
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	r.malformed("the end of a string")
	return ""
}

// escaped reads on in a string that began at start and has an escape at r.i.
func (r *reader) escaped(start int) string {
	b := append(make([]byte, 0, 2*(r.i-start)+16), r.s[start:r.i]...)
	for r.i < len(r.s) {
		c := r.s[r.i]
		r.i++
		switch {
		case c == '"':
			if !utf8.Valid(b) {
				r.malformed("valid UTF-8")
				return ""
			}
			return string(b)
		case c < ' ':
			r.malformed("no control character in a string")
			return ""
		case c != '\\':
			b = append(b, c)
			continue
		}
		ch, ok := r.escape()
		if !ok {
			r.malformed("a valid escape")
			return ""
		}
		b = utf8.AppendRune(b, ch)
	}
	r.malformed("the end of a string")
	return ""
}

// escape reads what follows a backslash. Half a surrogate pair is no text, and
// is refused rather than replaced.
func (r *reader) escape() (rune, bool) {
	if r.i >= len(r.s) {
		return 0, false
	}
	c := r.s[r.i]
	r.i++
	switch c {
	case '"', '\\', '/':
		return rune(c), true
	case 'b':
		return '\b', true
	case 'f':
		return '\f', true
	case 'n':
		return '\n', true
	case 'r':
		return '\r', true
	case 't':
		return '\t', true
	case 'u':
		hi, ok := r.hex4()
		if !ok || !utf16.IsSurrogate(hi) {
			return hi, ok
		}
		if !strings.HasPrefix(r.s[r.i:], `\u`) {
			return 0, false
		}
		r.i += 2
		lo, ok := r.hex4()
		ch := utf16.DecodeRune(hi, lo)
		return ch, ok && ch != utf8.RuneError
	}
	return 0, false
}

func (r *reader) hex4() (rune, bool) {
	if r.i+4 > len(r.s) {
		return 0, false
	}
	var n rune
	for _, c := range []byte(r.s[r.i : r.i+4]) {
		switch {
		case c >= '0' && c <= '9':
			n = n<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			n = n<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	r.i += 4
	return n, true
}

func (r *reader) bool() bool {
	switch {
	case r.word("true"):
		return true
	case r.word("false"):
	default:
		r.mistyped("Boolean")
	}
	return false
}

// number reads a JSON number's text.
func (r *reader) number() string {
	r.next()
	start := r.i
	for r.i < len(r.s) && strings.IndexByte("+-.0123456789eE", r.s[r.i]) >= 0 {
		r.i++
	}
	text := r.s[start:r.i]
	if !json.Valid([]byte(text)) { // Atoi and ParseFloat take more than JSON has
		r.i = start
		r.malformed("a number")
	}
	return text
}

func (r *reader) int() int {
	if c := r.next(); c == '"' || c == 't' || c == 'f' || c == '[' || c == '{' {
		r.mistyped("Integer")
		return 0
	}
	at := r.i
	n, err := strconv.Atoi(r.number())
	if err != nil {
		r.i = at
		r.malformed("an integer")
	}
	return n
}

func (r *reader) float() float64 {
	at := r.i
	f, err := strconv.ParseFloat(r.number(), 64)
	if err != nil {
		r.i = at
		r.malformed("a number")
	}
	return f
}

// skip reads any value and forgets it.
func (r *reader) skip(depth int) {
	switch c := r.next(); {
	case depth > 4*maxDepth:
		r.malformed("less nesting")
	case c == '{':
		for range r.members() {
			r.skip(depth + 1)
		}
	case c == '[':
		for range r.elements() {
			r.skip(depth + 1)
		}
	case c == '"':
		r.str()
	case c == 't' || c == 'f':
		r.bool()
	case r.word("null"):
	default:
		r.number()
	}
}
