package load

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
)

// rude is a server that does with each connection what it likes.
type rude struct {
	net.Listener
	serve func(*peer)
	seen  atomic.Int64 // requests that were read whole
	conns atomic.Int64
	over  chan struct{}
	wait  sync.WaitGroup
}

// peer is one connection to it.
type peer struct {
	rude *rude
	*net.TCPConn
	in *bufio.Reader
}

func newRude(t *testing.T, serve func(*peer)) *rude {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &rude{Listener: l, serve: serve, over: make(chan struct{})}
	r.wait.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			r.conns.Add(1)
			r.wait.Go(func() {
				defer conn.Close()
				context.AfterFunc(t.Context(), func() { conn.Close() })
				p := &peer{r, conn.(*net.TCPConn), bufio.NewReader(conn)}
				serve(p)
			})
		}
	})
	t.Cleanup(func() { l.Close(); close(r.over); r.wait.Wait() })
	return r
}

// read reads one request and reports whether there was one.
func (p *peer) read() bool {
	req, err := http.ReadRequest(p.in)
	if err != nil {
		return false
	}
	if _, err := io.Copy(io.Discard, req.Body); err != nil {
		return false
	}
	p.rude.seen.Add(1)
	return true
}

func (p *peer) say(format string, args ...any) { fmt.Fprintf(p.TCPConn, format, args...) }

// hang keeps the connection open and silent until the test is over.
func (p *peer) hang() { <-p.rude.over }

// reset closes the connection as a crash does.
func (p *peer) reset() { p.SetLinger(0); p.TCPConn.Close() }

// always answers each request in the same way, over as many connections as come.
func always(answer string) func(*peer) {
	return func(p *peer) {
		for p.read() {
			p.say("%s", answer)
		}
	}
}

// once answers one request and closes.
func once(answer string) func(*peer) {
	return func(p *peer) {
		if p.read() {
			p.say("%s", answer)
		}
	}
}

const fine = "HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok"

type misbehaviour struct {
	name    string
	serve   func(*peer)
	outcome bench.Outcome
	class   bench.Class
	status  int
	seen    int64  // requests that the server read whole, of 3
	conns   int64  // that it accepted; 0: as it comes
	body    int    // size of a request's body
	method  string // POST
}

var misbehaviours = []misbehaviour{
	{name: "none", serve: always(fine), outcome: bench.Acknowledged, class: bench.ClassStatus, status: 202, seen: 3, conns: 1},
	{name: "chunked", serve: always("HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n"), outcome: bench.Acknowledged, class: bench.ClassStatus, status: 202, seen: 3, conns: 1},
	{name: "chunked with a trailer", serve: always("HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n2\r\nok\r\n0\r\nX: 1\r\n\r\n"), outcome: bench.Acknowledged, class: bench.ClassStatus, status: 202, seen: 3, conns: 1},
	{name: "a body that ends with the connection", serve: once("HTTP/1.1 202 Accepted\r\n\r\nok"), outcome: bench.Acknowledged, class: bench.ClassStatus, status: 202, seen: 3, conns: 3},
	{name: "HTTP/1.0", serve: once("HTTP/1.0 202 Accepted\r\nContent-Length: 2\r\n\r\nok"), outcome: bench.Acknowledged, class: bench.ClassStatus, status: 202, seen: 3, conns: 3},
	{name: "lines without carriage return", serve: always("HTTP/1.1 202 Accepted\nContent-Length: 2\n\nok"), outcome: bench.Acknowledged, class: bench.ClassStatus, status: 202, seen: 3, conns: 1},
	{name: "no body, said so", serve: always("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"), outcome: bench.Acknowledged, class: bench.ClassStatus, status: 202, seen: 3, conns: 1},
	{name: "204", serve: always("HTTP/1.1 204 No Content\r\n\r\n"), outcome: bench.Unknown, class: bench.ClassStatus, status: 204, seen: 3, conns: 1},
	{name: "304 that tells a length", serve: always("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"), outcome: bench.Unknown, class: bench.ClassStatus, status: 304, seen: 3, conns: 1},
	{name: "a GET", method: "GET", serve: always(fine), outcome: bench.Acknowledged, class: bench.ClassStatus, status: 202, seen: 3, conns: 1},
	{name: "a HEAD", method: "HEAD", serve: always("HTTP/1.1 202 Accepted\r\nContent-Length: 9\r\n\r\n"), outcome: bench.Acknowledged, class: bench.ClassStatus, status: 202, seen: 3, conns: 1},
	{name: "100 Continue that nobody asked for", serve: always("HTTP/1.1 100 Continue\r\n\r\n" + fine), outcome: bench.Acknowledged, class: bench.ClassStatus, status: 202, seen: 3, conns: 1},
	{name: "early hints", serve: always(strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", 9) + fine), outcome: bench.Acknowledged, class: bench.ClassStatus, status: 202, seen: 3, conns: 1},
	{name: "interim answers without end", serve: once(strings.Repeat("HTTP/1.1 103 Early Hints\r\nX: "+strings.Repeat("x", 1<<12)+"\r\n\r\n", 280)), outcome: bench.Unknown, class: bench.ClassReset, seen: 3},
	{name: "a protocol of its own", serve: once("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\nhello"), outcome: bench.Unknown, class: bench.ClassStatus, status: 101, seen: 3, conns: 3},
	{name: "a protocol that it does not name", serve: once("HTTP/1.1 101 Switching Protocols\r\n\r\n"), outcome: bench.Unknown, class: bench.ClassStatus, status: 101, seen: 3, conns: 3},
	{name: "closes, and says so", serve: once("HTTP/1.1 202 Accepted\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"), outcome: bench.Acknowledged, class: bench.ClassStatus, status: 202, seen: 3, conns: 3},
	{name: "closes the idle connection", serve: once(fine), outcome: bench.Acknowledged, class: bench.ClassStatus, status: 202, seen: 3, conns: 3},
	{name: "resets the idle connection", serve: func(p *peer) {
		if p.read() {
			p.say(fine)
			<-time.After(10 * time.Millisecond) // for the answer to be read: a reset may overtake it
			p.reset()
		}
	}, outcome: bench.Acknowledged, class: bench.ClassStatus, status: 202, seen: 3, conns: 3},
	{name: "speaks unasked on the idle connection", serve: func(p *peer) {
		if p.read() {
			p.say(fine)
			<-time.After(10 * time.Millisecond)
			p.say("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
			p.hang()
		}
	}, outcome: bench.Acknowledged, class: bench.ClassStatus, status: 202, seen: 3, conns: 3},
	{name: "answers twice", serve: always(fine + "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"), outcome: bench.Acknowledged, class: bench.ClassStatus, status: 202, seen: 3, conns: 3},
	{name: "works and closes without an answer", serve: once(""), outcome: bench.Unknown, class: bench.ClassReset, seen: 3, conns: 3},
	{name: "works and resets", serve: func(p *peer) { p.read(); p.reset() }, outcome: bench.Unknown, class: bench.ClassReset, seen: 3, conns: 3},
	{name: "works and resets, and it was a GET", method: "GET", serve: func(p *peer) { p.read(); p.reset() }, outcome: bench.Unknown, class: bench.ClassReset, seen: 3, conns: 3},
	{name: "hears half a request", body: 1 << 20, serve: func(p *peer) { io.CopyN(io.Discard, p, 1<<10); p.reset() }, outcome: bench.Unknown, class: bench.ClassReset, conns: 3},
	{name: "answers before it has heard all, and closes", body: 8 << 20, serve: func(p *peer) {
		p.in.ReadString('\n')
		p.say("HTTP/1.1 429 Too Many\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		p.hang()
	}, outcome: bench.Refused, class: bench.ClassStatus, status: 429, conns: 3},
	{name: "answers before it has heard all, and hears no more", body: 8 << 20, serve: func(p *peer) {
		p.in.ReadString('\n')
		p.say("HTTP/1.1 429 Too Many\r\nContent-Length: 0\r\n\r\n")
		p.hang()
	}, outcome: bench.Refused, class: bench.ClassStatus, status: 429, conns: 3},
	{name: "a large body", body: 1 << 20, serve: always(fine), outcome: bench.Acknowledged, class: bench.ClassStatus, status: 202, seen: 3, conns: 1},
	{name: "half a body", serve: once("HTTP/1.1 202 Accepted\r\nContent-Length: 9\r\n\r\nok"), outcome: bench.Unknown, class: bench.ClassUnreadable, status: 202, seen: 3, conns: 3},
	{name: "half a chunk", serve: once("HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nok"), outcome: bench.Unknown, class: bench.ClassUnreadable, status: 202, seen: 3, conns: 3},
	{name: "chunks without an end", serve: once("HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"), outcome: bench.Unknown, class: bench.ClassUnreadable, status: 202, seen: 3, conns: 3},
	{name: "a chunk that has no size", serve: once("HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n0\r\n\r\n"), outcome: bench.Unknown, class: bench.ClassUnreadable, status: 202, seen: 3, conns: 3},
	{name: "more than 10 MB", serve: once("HTTP/1.1 202 Accepted\r\nContent-Length: 11000000\r\n\r\n" + strings.Repeat("x", 11_000_000)), outcome: bench.Unknown, class: bench.ClassUnreadable, status: 202, seen: 3, conns: 3},
	{name: "half a head", serve: once("HTTP/1.1 202 Accepted\r\nContent-Le"), outcome: bench.Unknown, class: bench.ClassReset, seen: 3, conns: 3},
	{name: "half a status line", serve: once("HTTP/1.1 20"), outcome: bench.Unknown, class: bench.ClassReset, seen: 3, conns: 3},
	{name: "garbage", serve: once("\x16\x03\x01 no HTTP at all\r\n\r\n"), outcome: bench.Unknown, class: bench.ClassReset, seen: 3, conns: 3},
	{name: "a status that is no number", serve: once("HTTP/1.1 two Accepted\r\nContent-Length: 0\r\n\r\n"), outcome: bench.Unknown, class: bench.ClassReset, seen: 3, conns: 3},
	{name: "a status of four digits", serve: once("HTTP/1.1 2020 Accepted\r\nContent-Length: 0\r\n\r\n"), outcome: bench.Unknown, class: bench.ClassReset, seen: 3, conns: 3},
	{name: "a length that is no number", serve: once("HTTP/1.1 202 Accepted\r\nContent-Length: many\r\n\r\n"), outcome: bench.Unknown, class: bench.ClassReset, seen: 3, conns: 3},
	{name: "two lengths", serve: once("HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!"), outcome: bench.Unknown, class: bench.ClassReset, seen: 3, conns: 3},
	{name: "a header without a colon", serve: once("HTTP/1.1 202 Accepted\r\nno header\r\n\r\n"), outcome: bench.Unknown, class: bench.ClassReset, seen: 3, conns: 3},
	{name: "headers of 1.1 MB", serve: once("HTTP/1.1 202 Accepted\r\n" + strings.Repeat("X: "+strings.Repeat("x", 1<<12)+"\r\n", 270) + "Content-Length: 0\r\n\r\n"), outcome: bench.Unknown, class: bench.ClassReset, seen: 3},
	{name: "never answers", serve: func(p *peer) { p.read(); p.hang() }, outcome: bench.Unknown, class: bench.ClassTimeout, seen: 3, conns: 3},
	{name: "never ends its head", serve: func(p *peer) { p.read(); p.say("HTTP/1.1 202 Accepted\r\n"); p.hang() }, outcome: bench.Unknown, class: bench.ClassTimeout, seen: 3, conns: 3},
	{name: "never ends its body", serve: func(p *peer) { p.read(); p.say("HTTP/1.1 202 Accepted\r\nContent-Length: 9\r\n\r\nok"); p.hang() }, outcome: bench.Unknown, class: bench.ClassTimeout, status: 202, seen: 3, conns: 3},
	{name: "never reads", body: 8 << 20, serve: (*peer).hang, outcome: bench.Unknown, class: bench.ClassTimeout, conns: 3},
}

// sized is a plan whose bodies have a size.
type sized struct {
	every
	size int
}

func (p sized) AppendBody(dst []byte, seq uint64, retry int) []byte {
	dst = p.every.AppendBody(dst, seq, retry)
	return append(dst, make([]byte, max(0, p.size-len(dst)))...)
}

// senders are both ways to send.
var senders = []struct {
	name string
	make func(*Attack) sender
}{
	{"standard", func(a *Attack) sender { return newStandard(a) }},
	{"lean", func(a *Attack) sender { return newLean(a) }},
}

// A request has the same outcome whichever sender carries it, whatever the server
// does, and the server never sees it twice.
func TestBothSendersAgreeAboutEveryMisbehaviour(t *testing.T) {
	for _, m := range misbehaviours {
		for _, with := range senders {
			t.Run(m.name+"/"+with.name, func(t *testing.T) {
				t.Parallel()
				server := newRude(t, m.serve)
				cfg := config("http://" + server.Addr().String())
				cfg.Timeout = 30 * time.Second
				if m.class == bench.ClassTimeout {
					cfg.Timeout = time.Second
				}
				if m.method != "" {
					cfg.Kinds[0].Method = m.method
				}
				b := newBook()
				a := New(cfg, sized{every{3, 0}, m.body}, b)
				a.sender = with.make(a)
				defer a.sender.close()
				for seq := range uint64(3) { // one after the other, so that it is known which connection each finds
					at := a.judge(attempt{seq: seq}, a.sender.send(t.Context(), attempt{seq: seq}, clock.Real{}.Now().Add(cfg.Timeout)))
					if at.Outcome != m.outcome || at.Class != m.class || at.Status != m.status {
						t.Errorf("request %d is %v (%v, status %d), want %v (%v, %d)", seq, at.Outcome, at.Class, at.Status, m.outcome, m.class, m.status)
					}
					if _, ok := b.sent[seq]; !ok {
						t.Errorf("request %d was sent and the book knows nothing of it", seq)
					}
					<-time.After(30 * time.Millisecond) // in which net/http hears what the server does with an idle connection
				}
				if n := server.seen.Load(); n != m.seen {
					t.Errorf("the server read %d requests, want %d", n, m.seen)
				}
				if n := server.conns.Load(); m.conns != 0 && n != m.conns {
					t.Errorf("the server had %d connections, want %d", n, m.conns)
				}
			})
		}
	}
}
