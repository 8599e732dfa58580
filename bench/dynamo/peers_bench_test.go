package dynamo

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench/peer"
)

// What make bench-peers may be told.
const (
	benchPeersEnv  = "ACKPROOF_BENCH_PEERS"  // not empty: run
	benchSizesEnv  = "ACKPROOF_BENCH_SIZES"  // items in the table, default 0,100000,1000000
	benchRoundsEnv = "ACKPROOF_BENCH_ROUNDS" // of which the median is taken, default 7
)

// A slot is how long one server is measured at a time, and a fill how long it
// has to take in the items of a size; one that needs longer cannot hold them.
const (
	slotTime = 600 * time.Millisecond
	fillTime = 4 * time.Minute
)

// contestant is a server under measurement.
type contestant struct {
	name      string
	operation string // PutItem or UpdateItem
	start     func(testing.TB) *benchServer
	// fresh starts it anew for each slot, to see it at its best: one that slows
	// down with each record would only get worse.
	fresh bool
	size  bool // it holds items

	server *benchServer
	seq    atomic.Int64
	filled int // items, or -1 where it could not hold them
}

func contestants() []*contestant {
	peers := func(name string, stream bool) func(testing.TB) *benchServer {
		return func(t testing.TB) *benchServer {
			s := peer.Start(t, name)
			table := benchTable
			if !stream {
				table = table[:strings.Index(table, `,"StreamSpecification"`)] + "}"
			}
			status, body, err := s.Call(context.Background(), "CreateTable", []byte(table))
			if err != nil || status != 200 {
				t.Fatalf("%s: CreateTable: %d %s %v", name, status, body, err)
			}
			if err := s.AwaitTable(context.Background(), "items"); err != nil {
				t.Fatal(err)
			}
			return &benchServer{addr: strings.TrimPrefix(s.URL, "http://"), pid: s.PID, stop: s.Stop}
		}
	}
	own := func(mode string) func(testing.TB) *benchServer {
		return func(t testing.TB) *benchServer { return startBenchServer(t, mode) }
	}
	return []*contestant{
		{name: "embedded, stream", operation: "PutItem", start: own("put"), size: true},
		{name: "embedded, without the front", operation: "PutItem", start: own(frontless), size: true},
		{name: "floor", operation: "PutItem", start: own("floor")},
		{name: "embedded, conditional UpdateItem", operation: "UpdateItem", start: own("put"), size: true},
		{name: "dynoxide, stream", operation: "PutItem", start: peers(peer.Dynoxide, true), fresh: true},
		{name: "dynoxide, no stream", operation: "PutItem", start: peers(peer.Dynoxide, false), size: true},
		{name: "dynalite, no stream", operation: "PutItem", start: peers(peer.Dynalite, false), size: true},
	}
}

// TestBenchPeers prints what a PutItem costs here and elsewhere, measured in one
// run: slots of all servers take turns, and medians are shown. It is no check,
// and runs only when it is asked for.
func TestBenchPeers(t *testing.T) {
	if os.Getenv(benchPeersEnv) == "" {
		t.Skip("make bench-peers runs it: it takes a quiet machine and a quarter of an hour")
	}
	var sizes []int
	for _, text := range strings.Split(setting(benchSizesEnv, "0,100000,1000000"), ",") {
		sizes = append(sizes, number(t, text))
	}
	rounds := number(t, setting(benchRoundsEnv, "7"))
	all := contestants()
	for _, c := range all {
		if !c.fresh {
			c.server = c.start(t)
		}
	}
	fmt.Printf("%-34s %9s %8s %9s %7s %9s %7s %7s\n", "server", "items", "clients", "ops/s", "ratio", "CPU µs/op", "ratio", "busy")
	for _, size := range sizes {
		for _, c := range all {
			c.fill(t, size)
		}
		for _, clients := range []int{1, 16, 64} {
			measureRounds(t, all, size, clients, rounds)
		}
	}
	inProcess(t)
}

func setting(name, otherwise string) string {
	if text := os.Getenv(name); text != "" {
		return text
	}
	return otherwise
}

func number(t *testing.T, text string) int {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || n < 0 {
		t.Fatalf("%q: want a number", text)
	}
	return n
}

// measureRounds prints a line for each server; the ratios are to the first one.
func measureRounds(t *testing.T, all []*contestant, size, clients, rounds int) {
	rates, costs, busy := map[string][]float64{}, map[string][]float64{}, map[string][]float64{}
	for range rounds {
		for _, c := range all {
			if !c.holds(size) {
				continue
			}
			m := c.measure(t, clients)
			rates[c.name] = append(rates[c.name], m.rate)
			costs[c.name] = append(costs[c.name], m.cpu)
			busy[c.name] = append(busy[c.name], m.others)
		}
	}
	first := all[0].name
	for _, c := range all {
		if !c.holds(size) {
			fmt.Printf("%-34s %9d %8d         - cannot hold so many, or holds none\n", c.name, size, clients)
			continue
		}
		rate, cost := median(rates[c.name]), median(costs[c.name])
		fmt.Printf("%-34s %9d %8d %9.0f %7.2f %9.1f %7.2f %6.0f%%\n", c.name, size, clients, rate, rate/median(rates[first]), cost, cost/median(costs[first]), 100*median(busy[c.name]))
	}
}

// holds says whether a server is to be measured at a size.
func (c *contestant) holds(size int) bool {
	return size == 0 || c.size && c.filled >= size || c.name == "floor"
}

// fill brings a table to a size, as far as the server can.
func (c *contestant) fill(t *testing.T, size int) {
	if !c.size || size == 0 || c.filled < 0 {
		return
	}
	end := time.Now().Add(fillTime)
	next, failed := atomic.Int64{}, atomic.Bool{}
	payload := strings.Repeat("x", 256)
	c.each(t, 16, func(client *rawClient) bool {
		at := next.Add(25) - 25
		if at >= int64(size) || failed.Load() {
			return false
		}
		var requests []string
		for i := at; i < at+25; i++ {
			requests = append(requests, fmt.Sprintf(`{"PutRequest":{"Item":{"id":{"S":"k3v9x2ab-00-%010d"},"payload":{"S":"%s"}}}}`, i, payload))
		}
		if err := client.send("BatchWriteItem", `{"RequestItems":{"items":[`+strings.Join(requests, ",")+`]}}`); err != nil || time.Now().After(end) {
			failed.Store(true)
		}
		return true
	})
	if c.filled = size; failed.Load() {
		c.filled = -1
	}
	c.seq.Store(max(c.seq.Load(), int64(size)))
}

// each gives a connection to each of so many clients, who do work until it says
// that there is none left.
func (c *contestant) each(t *testing.T, clients int, work func(*rawClient) bool) {
	var wg sync.WaitGroup
	for range clients {
		conn, err := net.Dial("tcp", c.server.addr)
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			defer conn.Close()
			client := &rawClient{conn: conn, r: bufio.NewReader(conn)}
			for work(client) {
			}
		})
	}
	wg.Wait()
}

// measurement is what a slot has shown.
type measurement struct {
	rate   float64 // operations a second
	cpu    float64 // µs of the server's processor time for each
	others float64 // share of the machine's processors that neither it nor we have used
}

func (c *contestant) measure(t *testing.T, clients int) measurement {
	if c.fresh {
		c.server, c.filled = c.start(t), 0
		c.seq.Store(0)
		defer c.server.stop()
	}
	payload := strings.Repeat("x", 256)
	operation := func(client *rawClient) bool {
		var err error
		if i := c.seq.Add(1); c.operation == "UpdateItem" {
			err = client.send(c.operation, fmt.Sprintf(`{"TableName":"items","Key":{"id":{"S":"k3v9x2ab-00-%010d"}},"UpdateExpression":"SET payload = :p","ConditionExpression":"attribute_not_exists(payload) OR payload <> :x","ExpressionAttributeValues":{":p":{"S":"%s"},":x":{"S":"x"}}}`, i, payload))
		} else {
			err = client.put(i, payload)
		}
		if err != nil {
			t.Error(c.name, err)
		}
		return err == nil
	}
	warm := atomic.Int64{}
	c.each(t, clients, func(client *rawClient) bool { return warm.Add(1) <= 200 && operation(client) })
	done := atomic.Int64{}
	start, cpu, idle := time.Now(), c.server.cpu(t), machineIdle()
	ownCPU := (&benchServer{pid: os.Getpid()}).cpu(t)
	c.each(t, clients, func(client *rawClient) bool {
		if time.Since(start) > slotTime || !operation(client) {
			return false
		}
		done.Add(1)
		return true
	})
	took := time.Since(start)
	used := c.server.cpu(t) - cpu
	capacity := took.Seconds() * 1e6 * float64(processors())
	others := 1 - (used+(&benchServer{pid: os.Getpid()}).cpu(t)-ownCPU+machineIdle()-idle)/capacity
	return measurement{rate: float64(done.Load()) / took.Seconds(), cpu: used / float64(done.Load()), others: max(0, others)}
}

// machineIdle is how long the machine's processors have been idle, in µs, from
// the first line of /proc/stat, which counts in hundredths of a second.
func machineIdle() float64 {
	text, err := os.ReadFile("/proc/stat")
	fields := strings.Fields(string(text))
	if err != nil || len(fields) < 6 {
		return 0
	}
	idle, _ := strconv.ParseFloat(fields[4], 64)
	waiting, _ := strconv.ParseFloat(fields[5], 64)
	return (idle + waiting) * 1e4
}

func processors() int {
	text, _ := os.ReadFile("/proc/stat")
	return max(1, strings.Count(string(text), "\ncpu"))
}

func median(of []float64) float64 {
	s := slices.Sorted(slices.Values(of))
	return s[len(s)/2]
}

// inProcess prints what needs no socket.
func inProcess(t *testing.T) {
	g := grow(t, benchEngine(t), 1_000_000, 100_000)
	fmt.Printf("in the process: a put %.2f µs in the first 100,000 and %.2f µs in the last of a million; %.2f bytes of live heap for each of the requests\n", g.first, g.last, g.heap)
	records, items := testing.Benchmark(BenchmarkGetRecords), testing.Benchmark(BenchmarkScan)
	fmt.Printf("in the process: %.0f records/s by GetRecords, %.0f items/s by Scan\n", records.Extra["records/s"], items.Extra["items/s"])
}
