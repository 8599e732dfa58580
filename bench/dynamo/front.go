package dynamo

import (
	"hash/crc32"
	stdlog "log" // log is ours
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/ackproof/ackproof/bench/clock"
)

// front answers plain requests by itself: those whose head [readHead] takes, which
// are all that an SDK sends in its daily work. net/http makes two dozen objects for
// each request, and keeps a second goroutine ready to notice that a client has
// gone, which nothing here asks about; beside a put that costs as much as
// everything that the engine does. So its part is done by a loop that reads into one
// buffer, runs the same code as [server.ServeHTTP], and writes once.
//
// HTTP is large, and the front knows a corner of it. At the first request that is
// not plain, or does not come in one piece, the connection goes to whoever accepts
// from the front, with all that has been read and not answered, and stays there.
type front struct {
	net.Listener
	server *server

	strange chan net.Conn // to be accepted
	failed  chan error    // of the listener beneath
	closed  chan struct{}
	closing atomic.Bool

	mu    sync.Mutex
	conns map[*frontConn]bool
}

// Front puts a server before a listener that speaks HTTP/1.1 for a fraction of the
// cost of net/http. What it does not know it leaves to net/http, so a program
// serves what Front returns, with the same handler:
//
//	http.Serve(dynamo.Front(l, h), h)
//
// Closing it closes connections that wait for a request at once, and others when
// they have been answered; it waits for none. A handler that is not of [NewServer]
// gets l back as it is: what is wrapped around one is asked about every request.
func Front(l net.Listener, h http.Handler) net.Listener {
	s, ok := h.(*server)
	if !ok {
		return l
	}
	f := &front{Listener: l, server: s, strange: make(chan net.Conn), failed: make(chan error), closed: make(chan struct{}), conns: map[*frontConn]bool{}}
	go f.accept()
	return f
}

// accept takes connections until the listener is closed. An error goes to the one
// who accepts from the front, and who will ask again if it is to be tried again.
func (f *front) accept() {
	for {
		conn, err := f.Listener.Accept()
		if err == nil {
			f.take(conn)
			continue
		}
		select {
		case f.failed <- err:
		case <-f.closed:
			return
		}
	}
}

func (f *front) take(conn net.Conn) {
	c := &frontConn{Conn: conn, front: f, in: make([]byte, frontBuffer)}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closing.Load() {
		conn.Close()
		return
	}
	f.conns[c] = true
	go c.serve()
}

// Accept gives the connections that are not for the front.
func (f *front) Accept() (net.Conn, error) {
	select {
	case conn := <-f.strange:
		return conn, nil
	case err := <-f.failed:
		return nil, err
	case <-f.closed:
		return nil, net.ErrClosed
	}
}

// Close stops it.
func (f *front) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closing.Swap(true) {
		return nil
	}
	close(f.closed)
	err := f.Listener.Close()
	for c := range f.conns {
		if c.idle.CompareAndSwap(true, false) {
			c.Conn.Close()
		}
	}
	return err
}

// frontBuffer is room for a request as an SDK sends it; a longer body gets a
// buffer of its own.
const frontBuffer = 8 << 10

// gatherBody is how long a body may be to be copied behind its head, which costs
// less than writing in two pieces.
const gatherBody = 16 << 10

// frontConn is a connection, and a net.Conn that gives once more what the front has
// read and not answered.
type frontConn struct {
	net.Conn
	front *front
	// idle is true while it waits for a request. Whoever makes it false has the
	// connection: its loop to answer, or Close to close.
	idle atomic.Bool

	in        []byte // the buffer
	from, to  int    // what has been read and not answered
	answered  bool   // a request
	out       []byte
	accessKey string // of the last caller
	second    int64  // of date
	date      []byte
}

func (c *frontConn) serve() {
	kept := true
	defer func() {
		if p := recover(); p != nil { // as net/http does: others go on
			stdlog.Printf("dynamo: panic serving %v: %v\n%s", c.RemoteAddr(), p, debug.Stack())
		}
		c.front.mu.Lock()
		delete(c.front.conns, c)
		c.front.mu.Unlock()
		if kept {
			c.Conn.Close()
		}
	}()
	for {
		if c.from == c.to && !c.await() {
			return
		}
		c.skipLines()
		h, ok := readHead(c.in[c.from:c.to])
		if !ok || h.length > maxBody {
			select {
			case c.front.strange <- c:
				kept = false
			case <-c.front.closed:
			}
			return
		}
		if !c.answer(h) {
			return
		}
	}
}

// await waits for the next request, or for the end of the connection.
func (c *frontConn) await() bool {
	c.idle.Store(true)
	if c.front.closing.Load() {
		return false
	}
	n, err := c.Conn.Read(c.in)
	c.from, c.to = 0, n
	return c.idle.CompareAndSwap(true, false) && err == nil
}

// skipLines passes over the line ends that old clients send behind a body.
func (c *frontConn) skipLines() {
	for n := 0; n < 4 && c.answered && c.from < c.to && (c.in[c.from] == '\r' || c.in[c.from] == '\n'); n++ {
		c.from++
	}
}

// answer answers the request whose head is at the start of what has been read. It
// reports whether the connection may go on.
func (c *frontConn) answer(h head) bool {
	s := c.front.server
	x := s.execution()
	defer s.executions.Put(x)
	body, ok := c.body(x, h)
	if !ok {
		return false
	}
	op, caller, err := admit(http.MethodPost, h.target, h.caller)
	if err == nil {
		if caller != c.accessKey { // which may be kept, and must not lie in the buffer
			c.accessKey = strings.Clone(caller)
		}
		err = s.perform(x, op, c.accessKey, body)
	}
	status, answer := x.answer(err)
	c.answered = true
	return c.write(status, answer)
}

// body gives the request's body and takes the request out of the buffer.
func (c *frontConn) body(x *execution, h head) ([]byte, bool) {
	start := c.from + h.size
	end := start + h.length
	if end <= c.to {
		c.from = end
		return c.in[start:end], true
	}
	x.body = append(slices.Grow(x.body, h.length), c.in[start:c.to]...)
	c.from = c.to
	for len(x.body) < h.length {
		n, err := c.Conn.Read(x.body[len(x.body):h.length])
		if x.body = x.body[:len(x.body)+n]; err != nil && len(x.body) < h.length {
			return nil, false
		}
	}
	return x.body, true
}

// write sends an answer with the headers that [server.ServeHTTP] and net/http give it.
func (c *frontConn) write(status int, body []byte) bool {
	b := append(c.out[:0], "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(append(b, ' '), http.StatusText(status)...)
	b = append(b, "\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(body)), 10)
	b = append(b, "\r\nContent-Type: application/x-amz-json-1.0\r\nServer: Server\r\nX-Amz-Crc32: "...)
	b = strconv.AppendUint(b, uint64(crc32.ChecksumIEEE(body)), 10)
	b = append(b, "\r\nX-Amzn-Requestid: "...)
	b = c.front.server.appendID(b)
	b = append(b, "\r\nDate: "...)
	b = append(append(b, c.today()...), "\r\n\r\n"...)
	if c.out = b; len(body) > gatherBody {
		both := net.Buffers{b, body}
		_, err := both.WriteTo(c.Conn)
		return err == nil
	}
	c.out = append(b, body...)
	_, err := c.Conn.Write(c.out)
	return err == nil
}

// today is the Date of an answer: that of the wall, as net/http's is, whatever the
// engine's clock is made to say.
func (c *frontConn) today() []byte {
	if now := (clock.Real{}).Now(); c.date == nil || now.Unix() != c.second {
		c.second, c.date = now.Unix(), now.UTC().AppendFormat(c.date[:0], http.TimeFormat)
	}
	return c.date
}

// Read gives what is in the buffer, and then what comes.
func (c *frontConn) Read(b []byte) (int, error) {
	if c.from < c.to {
		n := copy(b, c.in[c.from:c.to])
		if c.from += n; c.from == c.to {
			c.in = nil
		}
		return n, nil
	}
	return c.Conn.Read(b)
}

// CloseWrite is asked for by net/http, which hangs up in two steps, so that a client
// can read why.
func (c *frontConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
