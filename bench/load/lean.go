package load

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"
)

// atOnce is how much of a request an idle connection is sure to take without
// waiting for the server to read. What is longer is written while the answer is
// read: a server may answer before it has read all, and then read no more.
const atOnce = 8 << 10

// lean sends plain HTTP/1.1. The request's goroutine itself writes and reads, so
// that a request costs two system calls and no change of goroutine beyond the
// wait for its answer.
type lean struct {
	attack *Attack
	pool   *pool
	setups setups
	heads  [][]byte        // by kind: the head up to the value of Content-Length
	asked  []*http.Request // by kind: what http.ReadResponse must know of the request
}

func newLean(a *Attack) *lean {
	l := &lean{attack: a, setups: setups{clock: a.cfg.Clock}}
	for _, k := range a.cfg.Kinds {
		u, err := url.Parse(a.cfg.URL + k.Path)
		if err != nil {
			panic("load: canBeLean lets no such URL pass: " + err.Error())
		}
		if l.pool == nil { // the host is the same for all
			l.pool = newPool(a, net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "80")), &l.setups)
		}
		l.asked = append(l.asked, &http.Request{Method: k.Method})
		l.heads = append(l.heads, k.head(u))
	}
	return l
}

// head writes the head of a kind's requests, but for the length of the body.
func (k Kind) head(u *url.URL) []byte {
	host := u.Host
	var lines []byte
	for _, h := range k.header() {
		if h.name == "Host" {
			host = h.value
			continue
		}
		lines = fmt.Appendf(lines, "%s: %s\r\n", h.name, h.value)
	}
	head := fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\n%s", k.Method, u.RequestURI(), host, lines)
	if idempotent(k.Method) {
		return head // no body, no length
	}
	return append(head, "Content-Length: "...)
}

// connection is one connection with its buffers.
type connection struct {
	conn      *countedConn
	elapsed   func() time.Duration // since the start of load, as are the times below
	in        *bufio.Reader
	body, out []byte
	used      bool          // has carried a request
	headLeft  int64         // how many bytes of a head may still come
	firstByte time.Duration // of the answer; never: none came
	lastByte  time.Duration // when something came for the last time; before that, when it was opened
}

func newConnection(conn *countedConn, elapsed func() time.Duration) *connection {
	c := &connection{conn: conn, elapsed: elapsed, lastByte: elapsed()}
	c.in = bufio.NewReaderSize(c, 4096)
	return c
}

var errLongHead = fmt.Errorf("the headers of the answer are longer than %d bytes", maxHead)

// Read reads from the connection, notes when the first byte of an answer came and
// when the last, and bounds its head.
func (c *connection) Read(p []byte) (int, error) {
	if c.headLeft <= 0 {
		return 0, errLongHead
	}
	n, err := c.conn.Read(p[:min(int64(len(p)), c.headLeft)])
	c.headLeft -= int64(n)
	c.lastByte = c.elapsed()
	if n > 0 && c.firstByte == never {
		c.firstByte = c.lastByte
	}
	return n, err
}

// errNothingWritten says that a connection took no byte of a request. If it had
// carried others before, the server has closed it meanwhile, and another one may
// have the request.
var errNothingWritten = errors.New("the connection took no byte")

// send puts a request on the wire.
func (l *lean) send(_ context.Context, t attempt, deadline time.Time) exchange {
	a := l.attack
	last := deadline.Sub(a.cfg.Start)
	for {
		c, idle, err := l.pool.get(last)
		if err != nil {
			return exchange{sent: never, firstByte: never, end: a.elapsed(), err: err}
		}
		c.conn.SetDeadline(deadline)
		if l.pool.over.Load() {
			c.conn.SetDeadline(past) // given up between get and SetDeadline
		}
		kind := a.plan.Kind(t.seq)
		c.layOut(l.heads[kind], !idempotent(l.asked[kind].Method), a.plan, t)
		closed := idle && !c.quiet()
		now := a.elapsed() // once, and right before it is handed over
		if closed || idle && now-c.lastByte >= idleTimeout {
			l.pool.drop(c)
			continue
		}
		if now >= last {
			l.pool.put(c)
			return exchange{sent: never, firstByte: never, end: now, err: errGivenUp}
		}
		fresh := !c.used
		x, reusable := l.exchange(c, t, now)
		if reusable {
			l.pool.put(c)
		} else {
			l.pool.drop(c)
		}
		if errors.Is(x.err, errNothingWritten) && !fresh {
			continue // a connection that was opened for nothing is the server's doing, and might be so for ever
		}
		if x.err != nil {
			x.end = a.elapsed()
		}
		if errors.Is(x.err, os.ErrDeadlineExceeded) {
			x.err = errGivenUp
			if l.pool.over.Load() {
				x.err = errInterrupted
			}
		}
		return x
	}
}

// exchange writes the request that is laid out to a connection, now, and reads the
// answer, which ends when its last byte came. The connection is reusable when both have
// come to their ends, and nothing follows the answer.
func (l *lean) exchange(c *connection, t attempt, now time.Duration) (x exchange, reusable bool) {
	c.used, c.headLeft, c.firstByte = true, maxHead, never
	x = exchange{sent: l.attack.handed(t, now), firstByte: never}
	var written <-chan error
	if len(c.out) <= atOnce {
		n, err := c.conn.Write(c.out)
		switch {
		case err != nil && n == 0:
			x.err = errNothingWritten
			if errors.Is(err, os.ErrDeadlineExceeded) {
				x.err = err
			}
			return x, false
		case err != nil:
			written = failed(err)
		}
	} else {
		written = c.writeBeside()
	}
	resp, err := c.answer(l.asked[l.attack.plan.Kind(t.seq)])
	x.firstByte = c.firstByte
	if err != nil {
		x.err = err
		return x, false
	}
	x.status = resp.StatusCode
	body := io.Reader(resp.Body)
	if x.status == http.StatusSwitchingProtocols && resp.Header.Get("Upgrade") != "" {
		body = c.in // nobody asked for that: what follows is no HTTP
	}
	x.err = discard(body)
	resp.Body.Close()
	x.end = c.lastByte
	reusable = x.err == nil && !resp.Close && x.status >= 200 && c.in.Buffered() == 0
	return x, reusable && hasWritten(written)
}

// patience is how long a connection is kept whose server has answered before it
// had been sent all of a request. It is what net/http gives it.
const patience = 50 * time.Millisecond

// hasWritten reports whether a request was written whole; nil: it was.
func hasWritten(written <-chan error) bool {
	if written == nil {
		return true
	}
	select {
	case err := <-written:
		return err == nil
	case <-time.After(patience):
		return false
	}
}

func failed(err error) <-chan error {
	c := make(chan error, 1)
	c <- err
	return c
}

// layOut lays a request out in c.out.
func (c *connection) layOut(head []byte, hasBody bool, plan Plan, t attempt) {
	c.out = append(c.out[:0], head...)
	if !hasBody {
		c.out = append(c.out, "\r\n"...)
		return
	}
	c.body = plan.AppendBody(c.body[:0], t.seq, t.retry)
	c.out = strconv.AppendInt(c.out, int64(len(c.body)), 10)
	c.out = append(c.out, "\r\n\r\n"...)
	c.out = append(c.out, c.body...)
}

// writeBeside writes c.out while the answer is read. The buffer is not the
// connection's any more: the writing may outlast the exchange.
func (c *connection) writeBeside() <-chan error {
	done, out := make(chan error, 1), c.out
	c.out = nil
	go func() {
		_, err := c.conn.Write(out)
		done <- err
	}()
	return done
}

// answer reads the head of the final answer.
func (c *connection) answer(asked *http.Request) (*http.Response, error) {
	for {
		resp, err := http.ReadResponse(c.in, asked)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			c.headLeft = 1 << 62
			return resp, nil
		}
	}
}

func (l *lean) giveUp() { l.pool.giveUp() }

func (l *lean) close() { l.pool.close() }

func (l *lean) connections() Connections { return l.setups.connections() }
