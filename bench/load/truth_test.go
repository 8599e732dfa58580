package load

import (
	"bufio"
	"container/heap"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/stats"
	"github.com/ackproof/ackproof/scenarios"
)

// known is a server whose every answer is known beforehand: when it answers a
// request follows from its number and from when the server began with it.
type known struct {
	name     string
	load     string // stages
	answered func(seq uint64, began time.Duration) time.Duration
	timeout  time.Duration // 0: a minute
}

const ms = time.Millisecond

var knowns = []known{
	{name: "a stall of two seconds", load: "{name: a, for: 6s, rate: 1000/s}", answered: stalls},
	{name: "a stall of two seconds, random arrivals", load: "{name: a, for: 6s, rate: 1000/s, arrivals: poisson}", answered: stalls},
	{name: "a stall that some do not wait for", load: "{name: a, for: 6s, rate: 1000/s}", answered: stalls, timeout: 1500 * ms},
	{name: "two modes", load: "{name: a, for: 15s, rate: 300/s}", answered: func(seq uint64, began time.Duration) time.Duration {
		if clock.Draw(1, "slow", seq) < 0.02 {
			return began + 900*ms
		}
		return began + 8*ms
	}},
	{name: "a slow start", load: "{name: a, for: 5s, rate: 400/s}", answered: func(_ uint64, began time.Duration) time.Duration {
		return began + 2*ms + max(0, 200*ms-began/10)
	}},
	{name: "the slowest are lost", load: "{name: a, for: 8s, rate: 300/s, arrivals: poisson}", timeout: 500 * ms, answered: func(seq uint64, began time.Duration) time.Duration {
		// Exponential with a mean of 100 ms: one in 148 would take longer than 500 ms.
		return began + time.Duration(-math.Log1p(-clock.Draw(1, "service", seq))*float64(100*ms))
	}},
}

// stalls answers after a millisecond, but from the 2nd second to the 4th not at all.
func stalls(_ uint64, began time.Duration) time.Duration {
	if began >= 2*time.Second && began < 4*time.Second {
		return 4 * time.Second
	}
	return began + ms
}

// free is when connections become free, the earliest first.
type free []time.Duration

func (f free) Len() int           { return len(f) }
func (f free) Less(i, j int) bool { return f[i] < f[j] }
func (f free) Swap(i, j int)      { f[i], f[j] = f[j], f[i] }
func (f *free) Push(x any)        { *f = append(*f, x.(time.Duration)) }
func (f *free) Pop() any          { x := (*f)[len(*f)-1]; *f = (*f)[:len(*f)-1]; return x }

// truth computes each response time: so many connections, each with one request at
// a time, first come, first served. A request that was given up has taken as long as
// its time-out. unsent counts those that found no connection before.
func (k known) truth(plan *scenarios.Plan, connections int) (times []time.Duration, unsent int) {
	conns := make(free, connections)
	for seq := range uint64(plan.Len()) {
		due := plan.Due(seq)
		began := max(due, conns[0])
		if began >= due+k.timeout {
			unsent++
			continue
		}
		end := min(k.answered(seq, began), due+k.timeout)
		times = append(times, end-due)
		conns[0] = end
		heap.Fix(&conns, 0)
	}
	slices.Sort(times)
	return times, unsent
}

// memoryServer serves connections within the process, so that it can live in
// virtual time.
type memoryServer struct {
	known
	start time.Time
}

func (s memoryServer) DialContext(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	go s.serve(server)
	return client, nil
}

func (s memoryServer) serve(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		var body struct{ Seq uint64 }
		text, _ := io.ReadAll(r.Body)
		if json.Unmarshal(text, &body) != nil {
			return
		}
		time.Sleep(s.answered(body.Seq, time.Since(s.start)) - time.Since(s.start))
		if _, err := fmt.Fprint(conn, fine); err != nil {
			return
		}
	}
}

// numbered is a plan whose bodies tell the number.
type numbered struct{ *scenarios.Plan }

func (numbered) AppendBody(dst []byte, seq uint64, _ int) []byte {
	return fmt.Appendf(dst, `{"seq":%d}`, seq)
}

// Percentiles of response time are the arithmetic truth, whatever the server does
// to make a client forget to look: coordinated omission would show here.
func TestResponseTimesAreTheTruth(t *testing.T) {
	const connections = 64
	for _, k := range knowns {
		if k.timeout == 0 {
			k.timeout = time.Minute
		}
		s, err := scenarios.Parse("truth.yaml", []byte("overload: true\nload: ["+k.load+"]\n"), nil)
		if err != nil {
			t.Fatal(err)
		}
		plan := scenarios.NewPlan(s, "", 0, 3)
		want, unsent := k.truth(plan, connections)
		for _, with := range senders {
			t.Run(k.name+"/"+with.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					cfg := config("http://server")
					server := memoryServer{k, cfg.Start}
					cfg.Connections, cfg.Timeout, cfg.Dialer = connections, k.timeout, server
					b := newBook()
					a := New(cfg, numbered{plan}, b)
					a.sender = with.make(a)
					if l, ok := a.sender.(*lean); ok {
						l.pool.dial = server.DialContext
					}
					if _, err := a.Run(t.Context()); err != nil {
						t.Fatal(err)
					}
					var got stats.Histogram
					missing := 0
					for seq, at := range b.done {
						if at.Outcome == bench.Unsent {
							missing++
							continue
						}
						got.Record(at.End - plan.Due(seq))
					}
					if missing != unsent || got.Count() != int64(len(want)) {
						t.Errorf("%d unsent and %d sent, want %d and %d", missing, got.Count(), unsent, len(want))
					}
					l := got.Latency()
					for q, got := range map[float64]*float64{0.5: l.P50, 0.9: l.P90, 0.95: l.P95, 0.99: l.P99, 0.999: l.P999, 1: l.Max} {
						truth := float64(want[int(math.Ceil(q*float64(len(want))))-1]) / 1e6
						if math.Abs(*got-truth) > 0.02*truth {
							t.Errorf("percentile %v is %.3f ms, the truth is %.3f ms", q*100, *got, truth)
						}
					}
				})
			})
		}
	}
}
