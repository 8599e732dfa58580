package dynamo

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ackproof/ackproof/bench/clock"
)

// pipes is a listener whose connections are pipes in memory, in which one write
// arrives as one piece.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial() net.Conn {
	here, there := net.Pipe()
	p.conns <- there
	return here
}

// strangers counts the connections that a front has left to others.
type strangers struct {
	net.Listener
	n int
}

func (s *strangers) Accept() (net.Conn, error) {
	c, err := s.Listener.Accept()
	if err == nil {
		s.n++
	}
	return c, err
}

// play sends pieces to a server with an empty table, each in one write, and gives
// all answers and what is stored after them. It runs in a bubble of its own, which
// finds whatever is left running.
func play(t *testing.T, fronted bool, pieces ...string) (answers []string, strange int) {
	synctest.Test(t, func(t *testing.T) {
		e := New(Options{Seed: 1})
		call(t, e, "CreateTable", benchTable)
		h := NewServer(ServerOptions{Engine: e, Clock: clock.NewVirtual(epoch)})
		p := newPipes()
		l := &strangers{Listener: p}
		if fronted {
			l.Listener = Front(p, h)
		}
		srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
		go srv.Serve(l)
		conn := p.dial()
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			defer conn.Close()
			for _, piece := range pieces {
				if _, err := io.WriteString(conn, piece); err != nil {
					return // the server has hung up
				}
				synctest.Wait()
			}
		}()
		for r := bufio.NewReader(conn); ; {
			answer, err := http.ReadResponse(r, nil)
			if err != nil {
				break
			}
			body, err := io.ReadAll(answer.Body)
			id := answer.Header.Get("X-Amzn-Requestid")
			if answer.StatusCode != 100 && len(id) != 52 && answer.Header.Get("Server") != "" {
				t.Errorf("request id %q", id)
			}
			if id != "" {
				answer.Header.Set("X-Amzn-Requestid", "some")
			}
			answers = append(answers, fmt.Sprint(answer.Proto, answer.Status, answer.Header, answer.Close, answer.ContentLength, string(body), err))
		}
		<-sent
		srv.Close()
		synctest.Wait()
		answers = append(answers, fmt.Sprint(call(t, e, "Scan", `{"TableName":"items"}`)))
		strange = l.n
	})
	return answers, strange
}

// raw is a request as bytes, with more headers if wanted.
func raw(operation, body string, more ...string) string {
	return "POST / HTTP/1.1\r\nHost: localhost:8000\r\nAuthorization: " + someone + "\r\nX-Amz-Target: DynamoDB_20120810." + operation + "\r\n" +
		strings.Join(append(more, "Content-Length: "+strconv.Itoa(len(body))), "\r\n") + "\r\n\r\n" + body
}

// TestFrontAnswersAsNetHTTP plays requests of all sorts, plain and strange, with and
// without the front. Nobody must be able to tell which it was; plain ones must not
// have gone to net/http, and strange ones must.
func TestFrontAnswersAsNetHTTP(t *testing.T) {
	put := func(id string, more ...string) string {
		return raw("PutItem", `{"TableName":"items","Item":{"id":{"S":"`+id+`"}}}`, more...)
	}
	long := raw("PutItem", `{"TableName":"items","Item":{"id":{"S":"long"},"v":{"S":"`+strings.Repeat("x", 100<<10)+`"}}}`)
	scan := raw("Scan", `{"TableName":"items"}`)
	cut := func(text string, at ...int) (pieces []string) {
		for i := len(at) - 1; i >= 0; i-- {
			pieces = append([]string{text[at[i]:]}, pieces...)
			text = text[:at[i]]
		}
		return append([]string{text}, pieces...)
	}
	for _, c := range []struct {
		name   string
		plain  bool
		pieces []string
	}{
		{"puts", true, []string{put("a"), put("b"), scan}},
		{"two in one piece", true, []string{put("a") + put("b"), scan}},
		{"head, then body", true, cut(put("a"), len(put("a"))-40)},
		{"long body", true, append(cut(long, 400, 8192, 50_000), scan, scan)},
		{"line ends behind a body", true, []string{put("a") + "\r\n" + put("b"), scan}},
		{"names in any case", true, []string{strings.Replace(put("a"), "X-Amz-Target", "x-aMZ-tARGET", 1), scan}},
		{"much white space", true, []string{strings.Replace(put("a"), "Content-Length: ", "Content-Length: \t ", 1), scan}},
		{"keep-alive", true, []string{put("a", "Connection: Keep-Alive"), scan}},
		{"a header that nobody knows", true, []string{put("a", "X-Long: "+strings.Repeat("y", 2000), "Amz-Sdk-Request: attempt=1"), scan}},
		{"errors", true, []string{raw("Frobnicate", "{}"), raw("PutItem", "{"), raw("GetItem", `{"TableName":"none","Key":{}}`), raw("PutItem", ""), scan}},
		{"no credentials", true, []string{strings.Replace(put("a"), "Authorization", "X-Other", 1), scan}},
		{"no target", true, []string{strings.Replace(put("a"), "X-Amz-Target", "X-Other", 1), scan}},
		{"half a body", true, []string{put("a")[:len(put("a"))-1]}},

		{"head in two pieces", false, append(cut(put("a"), 50), scan)},
		{"strange behind plain", false, []string{put("a") + put("b", "Expect: 100-continue") + put("c"), scan}},
		{"chunked", false, []string{strings.Replace(raw("PutItem", "28\r\n"+`{"TableName":"items","Item":{"id":{"S":"`+"\r\n5\r\n"+`b"}}}`+"\r\n0\r\n\r\n"), "Content-Length:", "Transfer-Encoding: chunked\r\nX-Was:", 1), scan}},
		{"chunked and long at once", false, []string{put("a", "Transfer-Encoding: chunked"), scan}},
		{"close", false, []string{put("a", "Connection: close"), scan}},
		{"upgrade", false, []string{put("a", "Connection: upgrade", "Upgrade: h2c"), scan}},
		{"another expectation", false, []string{put("a", "Expect: nothing"), scan}},
		{"another encoding", false, []string{put("a", "Content-Encoding: br"), scan}},
		{"HTTP/1.0", false, []string{strings.Replace(put("a"), "HTTP/1.1", "HTTP/1.0", 1), scan}},
		{"another path", false, []string{strings.Replace(put("a"), "POST /", "POST /x", 1), scan}},
		{"another method", false, []string{strings.Replace(put("a"), "POST", "PUT", 1), scan}},
		{"HEAD", false, []string{"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", scan}},
		{"GET", false, []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", scan}},
		{"bare line ends", false, []string{strings.ReplaceAll(put("a"), "\r\n", "\n"), scan}},
		{"two lengths", false, []string{put("a", "Content-Length: 3"), scan}},
		{"two equal lengths", false, []string{put("a", fmt.Sprint("Content-Length: ", len(put("a"))-strings.Index(put("a"), "{"))), scan}},
		{"two targets", false, []string{put("a", "X-Amz-Target: DynamoDB_20120810.ListTables"), scan}},
		{"two hosts", false, []string{put("a", "Host: other"), scan}},
		{"no host", false, []string{strings.Replace(put("a"), "Host", "X-Host", 1), scan}},
		{"an impossible host", false, []string{strings.Replace(put("a"), "localhost", "local host", 1), scan}},
		{"a negative length", false, []string{strings.Replace(put("a"), "Content-Length: ", "Content-Length: -", 1), scan}},
		{"no length", false, []string{strings.Replace(put("a"), "Content-Length", "X-Length", 1), scan}},
		{"a length beyond the limit", false, []string{strings.Replace(put("a"), "Content-Length: ", "Content-Length: 999999", 1), scan}},
		{"a length beyond all numbers", false, []string{strings.Replace(put("a"), "Content-Length: ", "Content-Length: 99999999999999999999", 1), scan}},
		{"a folded line", false, []string{put("a", "X-Long: a", " b"), scan}},
		{"a space in a name", false, []string{put("a", "X Long: a"), scan}},
		{"a control character", false, []string{put("a", "X-Long: a\x01"), scan}},
		{"no colon", false, []string{put("a", "X-Long"), scan}},
		{"nonsense", false, []string{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", scan}},
		{"nothing", true, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			want, _ := play(t, false, c.pieces...)
			got, strange := play(t, true, c.pieces...)
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("the front answers otherwise (-net/http +front):\n%s", d)
			}
			if strange == 0 != c.plain {
				t.Errorf("%d connections have gone to net/http", strange)
			}
		})
	}
}

// TestFrontCloses holds that closing a front hangs up on clients who have asked for
// nothing, lets an answer under way be given, and refuses who comes later.
func TestFrontCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New(Options{})
		call(t, e, "CreateTable", benchTable)
		held := make(chan struct{})
		h := NewServer(ServerOptions{Engine: e, Clock: clock.NewVirtual(epoch), Wrote: func(Write) { <-held }})
		p := newPipes()
		l := Front(p, h)
		served := make(chan error)
		go func() { served <- http.Serve(l, h) }()
		idle, used, busy := p.dial(), p.dial(), p.dial()
		ask := func(conn net.Conn, request string) {
			if _, err := io.WriteString(conn, request); err != nil {
				t.Fatal(err)
			}
		}
		answer := func(conn net.Conn) {
			r, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil || r.StatusCode != 200 {
				t.Fatal(r, err)
			}
			if _, err := io.ReadAll(r.Body); err != nil {
				t.Fatal(err)
			}
		}
		over := func(conn net.Conn) {
			if n, err := conn.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("got %d bytes and %v of a connection that should be closed", n, err)
			}
		}
		ask(used, raw("ListTables", "{}"))
		answer(used)
		ask(busy, raw("PutItem", `{"TableName":"items","Item":{"id":{"S":"a"}}}`))
		synctest.Wait()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		over(idle)
		over(used)
		if err := <-served; err != net.ErrClosed {
			t.Errorf("Accept says %v", err)
		}
		close(held)
		answer(busy)
		over(busy)
		if err := l.Close(); err != nil {
			t.Error("closed again:", err)
		}
	})
}

// TestFrontSurvivesAPanic holds that a panic costs its connection and no other.
func TestFrontSurvivesAPanic(t *testing.T) {
	stdlog.SetOutput(io.Discard)
	defer stdlog.SetOutput(os.Stderr)
	synctest.Test(t, func(t *testing.T) {
		e := New(Options{})
		call(t, e, "CreateTable", benchTable)
		h := NewServer(ServerOptions{Engine: e, Clock: clock.NewVirtual(epoch), Wrote: func(Write) { panic("of the test") }})
		p := newPipes()
		l := Front(p, h)
		defer l.Close()
		first, second := p.dial(), p.dial()
		defer second.Close()
		for conn, operation := range map[net.Conn]string{first: "PutItem", second: "GetItem"} {
			body := `{"TableName":"items","Item":{"id":{"S":"a"}}}`
			if operation == "GetItem" {
				body = strings.Replace(body, "Item", "Key", 1)
			}
			if _, err := io.WriteString(conn, raw(operation, body)); err != nil {
				t.Fatal(err)
			}
			_, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if (err != nil) != (operation == "PutItem") {
				t.Errorf("%s: error %v", operation, err)
			}
		}
	})
}

// TestFrontLeavesOthersAlone holds that only a handler of NewServer gets a front.
func TestFrontLeavesOthersAlone(t *testing.T) {
	p := newPipes()
	h := NewServer(ServerOptions{Engine: New(Options{})})
	if l := Front(p, http.HandlerFunc(h.ServeHTTP)); l != net.Listener(p) {
		t.Errorf("a wrapped handler got a %T", l)
	}
}

// FuzzReadHead holds that a head which is taken for plain says to net/http what it
// says to the front.
func FuzzReadHead(f *testing.F) {
	for _, more := range []string{"X-Long: a", "Connection: keep-alive", "Connection: close", "Expect: 100-continue", "Transfer-Encoding: chunked", "Content-Length: 2", " folded", "A b: c", "Host:"} {
		f.Add([]byte(raw("PutItem", "{}", more)))
		f.Add([]byte(raw("PutItem", "{}", "X-Amz-Security-Token: x", more)))
	}
	f.Add([]byte("POST / HTTP/1.1\r\nhost:\r\ncontent-length: 0\r\n\r\n"))
	f.Add([]byte("POST / HTTP/1.1\r\nHost: x\r\nContent-Length:00000002 \t\r\nX-Amz-Target:\r\nX-Amz-Target: a\r\n\r\n{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, ok := readHead(b)
		if !ok {
			return
		}
		rest := bytes.NewReader(b)
		lines := bufio.NewReader(rest)
		r, err := http.ReadRequest(lines)
		if err != nil {
			t.Fatalf("%q is plain, and net/http says %v", b, err)
		}
		size := len(b) - rest.Len() - lines.Buffered()
		if h.size != size || int64(h.length) != r.ContentLength || h.target != r.Header.Get("X-Amz-Target") || h.caller != r.Header.Get("Authorization") ||
			r.Method != "POST" || r.URL.Path != "/" || r.Close || len(r.TransferEncoding) > 0 || r.Header.Get("Expect") != "" || r.Header.Get("Content-Encoding") != "" {
			t.Fatalf("%q:\nfront %+v\nnet/http %d bytes, %+v", b, h, size, r)
		}
	})
}
