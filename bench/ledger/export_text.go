package ledger

import (
	"bufio"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// csvSink writes RFC 4180, with a line of names first. Lines are built in one
// buffer that is used again: at ten million rows the slices of strings that
// encoding/csv asks for would cost more than everything else.
type csvSink struct {
	out  *bufio.Writer
	line []byte
}

func newCSVSink(out *bufio.Writer) *csvSink {
	s := &csvSink{out: out}
	for i, c := range columns {
		if i > 0 {
			s.line = append(s.line, ',')
		}
		s.line = append(s.line, c.Name...)
	}
	s.line = append(s.line, '\n')
	return s
}

func (s *csvSink) write(r *Row) (bool, error) {
	// The first line may still hold the names.
	for i := range columns {
		if i > 0 {
			s.line = append(s.line, ',')
		}
		c := columns[i].value(r)
		switch {
		case c.null:
		case columns[i].Kind == KindText:
			s.line = appendCSV(s.line, c.s)
		default:
			s.line = appendPlain(s.line, columns[i].Kind, c)
		}
	}
	s.line = append(s.line, '\n')
	return true, s.flush()
}

func (s *csvSink) flush() error {
	_, err := s.out.Write(s.line)
	s.line = s.line[:0]
	return err
}

func (s *csvSink) close() error { return s.flush() }

// formula begins a cell that a spreadsheet would carry out instead of showing
// it: https://owasp.org/www-community/attacks/CSV_Injection. Stage names and
// faults are whatever the author of a scenario wrote.
const formula = "=+-@\t\r\n"

// appendCSV appends a text. One that looks like a formula gets an apostrophe
// before it, which spreadsheets take for "this is text".
func appendCSV(b []byte, s string) []byte {
	guard := s != "" && strings.IndexByte(formula, s[0]) >= 0
	if !guard && !strings.ContainsAny(s, "\",\r\n") && !strings.HasPrefix(s, " ") {
		return append(b, s...)
	}
	b = append(b, '"')
	if guard {
		b = append(b, '\'')
	}
	return append(append(b, strings.ReplaceAll(s, `"`, `""`)...), '"')
}

// appendPlain appends what is no text, as CSV and JSON both spell it.
func appendPlain(b []byte, k Kind, c cell) []byte {
	switch k {
	case KindInteger:
		return strconv.AppendInt(b, c.i, 10)
	case KindBool:
		return strconv.AppendBool(b, c.i != 0)
	case KindTime:
		return time.UnixMicro(c.i).UTC().AppendFormat(b, "2006-01-02T15:04:05.000000Z")
	}
	return strconv.AppendFloat(b, c.f, 'f', -1, 64) // no exponent: not every reader takes one
}

// jsonSink writes one object a line, every key in every line.
type jsonSink struct {
	out   *bufio.Writer
	line  []byte
	names []string // `"seq":` and so on
}

func newJSONSink(out *bufio.Writer) *jsonSink {
	s := &jsonSink{out: out}
	for _, c := range columns {
		s.names = append(s.names, strconv.Quote(c.Name)+":")
	}
	return s
}

func (s *jsonSink) write(r *Row) (bool, error) {
	s.line = s.line[:0]
	for i := range columns {
		sep := byte(',')
		if i == 0 {
			sep = '{'
		}
		s.line = append(append(s.line, sep), s.names[i]...)
		c := columns[i].value(r)
		switch kind := columns[i].Kind; {
		case c.null:
			s.line = append(s.line, "null"...)
		case kind == KindText:
			s.line = appendJSON(s.line, c.s)
		case kind == KindTime:
			s.line = append(appendPlain(append(s.line, '"'), kind, c), '"')
		default:
			s.line = appendPlain(s.line, kind, c)
		}
	}
	s.line = append(s.line, '}', '\n')
	_, err := s.out.Write(s.line)
	return true, err
}

func (s *jsonSink) close() error { return nil }

// appendJSON appends a text; most are names of our own, which need no escaping.
func appendJSON(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) // a string always marshals
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}
