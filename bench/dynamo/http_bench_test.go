package dynamo

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench/peer"
)

// serveEnv makes the test binary a server in a process of its own, so that the
// client's work is not in the figures.
const serveEnv = "ACKPROOF_BENCH_SERVE"

// frontless is the mode of an engine that net/http alone serves: what the front is
// to be held against.
const frontless = "frontless"

func TestMain(m *testing.M) {
	mode := os.Getenv(serveEnv)
	if mode == "" {
		os.Exit(m.Run())
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	h := benchHandler(mode)
	if mode != frontless {
		l = Front(l, h)
	}
	go http.Serve(l, h)
	io.Copy(io.Discard, os.Stdin) // until the parent is gone
}

// benchHandler is the engine with a table, or the floor that it is measured
// against: a handler that reads the same body and answers {}.
func benchHandler(mode string) http.Handler {
	if mode == "floor" {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			w.Write([]byte("{}"))
		})
	}
	e := New(Options{})
	if dir, ok := strings.CutPrefix(mode, "data:"); ok {
		var err error
		if e, _, err = Open(dir, Options{Shards: 2}); err != nil {
			panic(err)
		}
	}
	e.Do(epoch, Call{Operation: "CreateTable", Body: []byte(benchTable)})
	return NewServer(ServerOptions{Engine: e})
}

const benchTable = `{"TableName":"items","BillingMode":"PAY_PER_REQUEST","AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}],
	"KeySchema":[{"AttributeName":"id","KeyType":"HASH"}],"StreamSpecification":{"StreamEnabled":true,"StreamViewType":"NEW_AND_OLD_IMAGES"}}`

// benchServer is a server process.
type benchServer struct {
	addr string
	pid  int
	stop func()
}

func startBenchServer(b testing.TB, mode string) *benchServer {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serveEnv+"="+mode)
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	stop := sync.OnceFunc(func() { in.Close(); cmd.Wait() })
	b.Cleanup(stop)
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return &benchServer{strings.TrimSpace(addr), cmd.Process.Pid, stop}
}

// cpu is the processor time that the server has used, in µs.
func (s *benchServer) cpu(b testing.TB) float64 {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", s.pid))
	if err != nil {
		b.Skip("no processor time of another process here: " + err.Error())
	}
	sum := 0.0
	for _, t := range tasks { // a file for each thread; one may have ended meanwhile
		if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/schedstat", s.pid, t.Name())); err == nil {
			ns, _ := strconv.ParseFloat(strings.Fields(string(stat))[0], 64)
			sum += ns / 1000
		}
	}
	return sum
}

// rawClient sends a request as bytes and reads an answer without decoding it:
// a client that costs less than what it measures.
type rawClient struct {
	conn net.Conn
	r    *bufio.Reader
	buf  []byte
}

func (c *rawClient) put(seq int64, payload string) error {
	return c.send("PutItem", fmt.Sprintf(`{"TableName":"items","Item":{"id":{"S":"k3v9x2ab-00-%010d"},"payload":{"S":"%s"}}}`, seq, payload))
}

func (c *rawClient) send(operation, body string) error {
	c.buf = append(c.buf[:0], "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.0\r\nX-Amz-Date: 20260101T000000Z\r\nAuthorization: "+peer.Credentials+"\r\nX-Amz-Target: DynamoDB_20120810."...)
	c.buf = append(append(c.buf, operation...), "\r\nContent-Length: "...)
	c.buf = strconv.AppendInt(c.buf, int64(len(body)), 10)
	c.buf = append(append(c.buf, "\r\n\r\n"...), body...)
	if _, err := c.conn.Write(c.buf); err != nil {
		return err
	}
	length := -1
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if length < 0 && !strings.HasPrefix(string(line), "HTTP/1.1 200") {
			return fmt.Errorf("answer %s", line)
		}
		length = max(length, 0)
		const name = "content-length: "
		if len(line) > len(name) && strings.EqualFold(string(line[:len(name)]), name) {
			length, _ = strconv.Atoi(strings.TrimSpace(string(line[len(name):])))
		}
		if len(line) == 2 {
			_, err := c.r.Discard(length)
			return err
		}
	}
}

// benchPuts measures puts over HTTP by their rate and by what they cost the
// server's processor.
func benchPuts(b *testing.B, mode string, clients int) {
	s := startBenchServer(b, mode)
	payload := strings.Repeat("x", 256)
	conns := make([]*rawClient, clients)
	for i := range conns {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close()
		conns[i] = &rawClient{conn: conn, r: bufio.NewReader(conn)}
	}
	var seq atomic.Int64
	run := func(n int64) {
		var wg sync.WaitGroup
		end := seq.Load() + n
		for _, c := range conns {
			wg.Go(func() {
				for {
					i := seq.Add(1)
					if i > end {
						return
					}
					if err := c.put(i, payload); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
	}
	run(2000) // warm
	before := s.cpu(b)
	b.ResetTimer()
	run(int64(b.N))
	b.StopTimer()
	b.ReportMetric((s.cpu(b)-before)/float64(b.N), "server-µs/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "puts/s")
}

// The two are to be compared in one run on one machine: the floor's figures are
// the part of ours that is net/http and the kernel.
func BenchmarkPutItemHTTP(b *testing.B) { benchPuts(b, "put", 16) }
func BenchmarkFloorHTTP(b *testing.B)   { benchPuts(b, "floor", 16) }

// BenchmarkPutItemLoggedHTTP is BenchmarkPutItemHTTP with a log. The folder is
// that for temporary files; what counts for the figures is its file system.
func BenchmarkPutItemLoggedHTTP(b *testing.B) {
	for _, clients := range []int{1, 16, 64} {
		b.Run(fmt.Sprint("memory-", clients), func(b *testing.B) { benchPuts(b, "put", clients) })
		b.Run(fmt.Sprint("logged-", clients), func(b *testing.B) { benchPuts(b, "data:"+b.TempDir(), clients) })
	}
}

// BenchmarkGrowth puts a million items and says what the first and the last
// hundred thousand of them cost, and what one weighs in memory beside its
// request. It takes long, so it runs only when it is asked for by name.
func BenchmarkGrowth(b *testing.B) {
	if f := flag.Lookup("test.bench"); !strings.Contains(f.Value.String(), "Growth") {
		b.Skip("-bench Growth runs it")
	}
	const million, bucket = 1_000_000, 100_000
	for b.Loop() {
		g := grow(b, benchEngine(b), million, bucket)
		b.ReportMetric(g.first, "µs/put-first")
		b.ReportMetric(g.last, "µs/put-last")
		b.ReportMetric(g.heap, "heap/request")
	}
}

// growth is what puts cost as the table and its stream grow.
type growth struct {
	first, last float64 // µs a put, in the first and the last bucket
	heap        float64 // live bytes for each byte of the requests
}

// grow puts n items of 256 bytes into an empty engine.
func grow(t testing.TB, e *Engine, n, bucket int) growth {
	payload := strings.Repeat("x", 256)
	requests := 0
	before := liveHeap()
	var g growth
	for at := 0; at < n; at += bucket {
		start := time.Now()
		for i := at; i < at+bucket; i++ {
			body := fmt.Sprintf(`{"TableName":"items","Item":{"id":{"S":"k3v9x2ab-00-%010d"},"payload":{"S":"%s"}}}`, i, payload)
			requests += len(body)
			if _, err := e.Do(epoch, Call{Operation: "PutItem", Body: []byte(body)}); err != nil {
				t.Fatal(err)
			}
		}
		g.last = float64(time.Since(start).Microseconds()) / float64(bucket)
		if at == 0 {
			g.first = g.last
		}
	}
	g.heap = float64(liveHeap()-before) / float64(requests)
	runtime.KeepAlive(e)
	return g
}

func liveHeap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
