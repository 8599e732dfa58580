package dynamo

import (
	"bytes"
	"strings"
	"unsafe"
)

// head is what the front knows of a plain request. Its texts lie in the buffer.
type head struct {
	size   int // bytes, the empty line included
	length int // Content-Length
	target string
	caller string // Authorization
}

// plainStart is the first line that every SDK sends.
const plainStart = "POST / HTTP/1.1\r\n"

// readHead reads the head at the start of b. ok is false unless all of it is there
// and it is plain: what HTTP leaves no doubt about, and needs nothing but a length
// to find its end. Everything else is for net/http to judge, so this refuses
// whatever it has not been told to take: a name that is given twice, an unusual
// byte, a header that changes how a message is read or a connection goes on.
// https://www.rfc-editor.org/rfc/rfc9112.html
func readHead(b []byte) (h head, ok bool) {
	if !bytes.HasPrefix(b, []byte(plainStart)) {
		return h, false
	}
	seen := header(0)
	for i := len(plainStart); ; {
		end := bytes.IndexByte(b[i:], '\n')
		if end < 1 || b[i+end-1] != '\r' {
			return h, false
		}
		line := b[i : i+end-1]
		i += end + 1
		if len(line) == 0 {
			h.size = i
			return h, seen&headerNeeded == headerNeeded
		}
		colon := bytes.IndexByte(line, ':')
		if colon < 1 || !all(line[:colon], inName) || !all(line[colon+1:], inValue) {
			return h, false
		}
		sort := headers[lower(line[:colon])]
		if seen&sort != 0 || !h.read(sort, bytes.Trim(line[colon+1:], " \t")) {
			return h, false
		}
		seen |= sort
	}
}

// read takes the value of a header, unless it is not plain.
func (h *head) read(sort header, value []byte) bool {
	switch sort {
	case headerTarget:
		h.target = textIn(value)
	case headerCaller:
		h.caller = textIn(value)
	case headerHost:
		return all(value, inHost)
	case headerConnection:
		return strings.EqualFold(textIn(value), "keep-alive")
	case headerLength:
		for _, c := range value {
			h.length = 10*h.length + int(c-'0')
		}
		return len(value) > 0 && len(value) < 9 && all(value, inDigits)
	}
	return sort != headerStrange
}

// textIn is a text that lies in b.
func textIn(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// header is a sort of header that readHead knows; zero are all others, which are of
// no consequence to the server.
type header uint8

const (
	headerTarget header = 1 << iota
	headerCaller
	headerHost
	headerLength
	headerConnection
	headerStrange

	headerNeeded = headerHost | headerLength
)

// headerName has room for each name that readHead knows.
type headerName [len("transfer-encoding")]byte

var headers = func() map[headerName]header {
	known := map[headerName]header{}
	for name, sort := range map[string]header{
		"x-amz-target": headerTarget, "authorization": headerCaller, "host": headerHost, "content-length": headerLength, "connection": headerConnection,
		"content-encoding": headerStrange, "transfer-encoding": headerStrange, "expect": headerStrange, "upgrade": headerStrange, "trailer": headerStrange,
	} {
		known[lower([]byte(name))] = sort
	}
	return known
}()

// lower gives a name in lower case; that of a name too long is empty.
func lower(name []byte) (low headerName) {
	if len(name) > len(low) {
		return low
	}
	for i, c := range name {
		if low[i] = c; c >= 'A' && c <= 'Z' {
			low[i] = c + 'a' - 'A'
		}
	}
	return low
}

// The places where a byte may stand in a head.
const (
	inName = 1 << iota
	inValue
	inHost
	inDigits
)

// bytesIn says where each byte may stand.
// https://www.rfc-editor.org/rfc/rfc9110.html#name-tokens
var bytesIn = func() (in [256]uint8) {
	for c := range in {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		digit := c >= '0' && c <= '9'
		if letter || digit || c < 128 && strings.IndexByte("!#$%&'*+-.^_`|~", byte(c)) >= 0 {
			in[c] |= inName
		}
		if c >= ' ' && c != 127 || c == '\t' {
			in[c] |= inValue
		}
		if letter || digit || c < 128 && strings.IndexByte(".:-_[]", byte(c)) >= 0 {
			in[c] |= inHost
		}
		if digit {
			in[c] |= inDigits
		}
	}
	return in
}()

func all(b []byte, place uint8) bool {
	for _, c := range b {
		if bytesIn[c]&place == 0 {
			return false
		}
	}
	return true
}
