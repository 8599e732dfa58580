package dynamo

import (
	"encoding/base64"
	"strconv"
	"time"
)

// writer builds the JSON of an answer by appending.
type writer struct{ b []byte }

func (w *writer) open(c byte)  { w.b = append(w.b, c) }
func (w *writer) close(c byte) { w.b = append(w.b, c) }

// element writes the comma that a second member or element needs.
func (w *writer) element() {
	if n := len(w.b); n > 0 && w.b[n-1] != '{' && w.b[n-1] != '[' {
		w.b = append(w.b, ',')
	}
}

// key begins a member of an object.
func (w *writer) key(name string) {
	w.element()
	w.string(name)
	w.b = append(w.b, ':')
}

func (w *writer) int(n int64)     { w.b = strconv.AppendInt(w.b, n, 10) }
func (w *writer) bool(v bool)     { w.b = strconv.AppendBool(w.b, v) }
func (w *writer) float(f float64) { w.b = strconv.AppendFloat(w.b, f, 'f', -1, 64) }

// seconds writes a time as epoch seconds with milliseconds.
func (w *writer) seconds(t time.Time) {
	w.b = strconv.AppendFloat(w.b, float64(t.UnixMilli())/1000, 'f', -1, 64)
}

const hexDigits = "0123456789abcdef"

// string writes a string of valid UTF-8, escaping what JSON demands.
func (w *writer) string(s string) {
	w.b = append(w.b, '"')
	start := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		w.b = append(w.b, s[start:i]...)
		start = i + 1
		if c < ' ' {
			w.b = append(w.b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		} else {
			w.b = append(w.b, '\\', c)
		}
	}
	w.b = append(append(w.b, s[start:]...), '"')
}

func (w *writer) item(it item) {
	w.open('{')
	for _, a := range it {
		w.key(a.name)
		w.value(a.value)
	}
	w.close('}')
}

func (w *writer) value(v value) {
	w.open('{')
	w.key(v.kind.String())
	switch v.kind {
	case kindM:
		w.item(v.attrs())
	case kindL:
		w.open('[')
		for _, e := range v.list() {
			w.element()
			w.value(e)
		}
		w.close(']')
	case kindSS, kindNS, kindBS:
		w.open('[')
		for _, e := range v.list() {
			w.element()
			w.scalar(e)
		}
		w.close(']')
	default:
		w.scalar(v)
	}
	w.close('}')
}

func (w *writer) scalar(v value) {
	switch v.kind {
	case kindB:
		w.open('"')
		w.b = base64.StdEncoding.AppendEncode(w.b, []byte(v.text))
		w.close('"')
	case kindBOOL:
		w.b = append(w.b, v.text...)
	case kindNULL:
		w.b = append(w.b, "true"...)
	default:
		w.string(v.text)
	}
}
