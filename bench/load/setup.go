package load

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/ackproof/ackproof/bench/clock"
)

// idleTimeout is how long a connection may be idle and be used again.
const idleTimeout = 90 * time.Second

// Connections tells of the connections of an attack.
type Connections struct {
	Opened, Failed int64
	Peak           int64 // open at the same time, at most
	Setup, TLS     []Bucket
}

// Bucket is a value of a histogram of 3 significant digits, in µs, and how often
// it was seen.
type Bucket struct {
	Micros int64 `json:"us"`
	Count  int64 `json:"n"`
}

// setups keeps how long it took to open connections.
type setups struct {
	clock          clock.Clock
	mu             sync.Mutex
	opened, failed int64
	open, peak     int64
	times, tls     *hdrhistogram.Histogram
}

func record(h **hdrhistogram.Histogram, d time.Duration) {
	if *h == nil {
		*h = hdrhistogram.New(1, time.Hour.Microseconds(), 3)
	}
	(*h).RecordValue(min(d, time.Hour).Microseconds())
}

type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// dial opens a connection and takes its time.
func (s *setups) dial(ctx context.Context, dial dialFunc, network, address string) (*countedConn, error) {
	began := s.clock.Now()
	conn, err := dial(ctx, network, address)
	took := s.clock.Now().Sub(began)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.failed++
		return nil, err
	}
	s.opened++
	s.open++
	s.peak = max(s.peak, s.open)
	record(&s.times, took)
	return &countedConn{Conn: conn, setups: s}, nil
}

func (s *setups) handshake(took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	record(&s.tls, took)
}

func (s *setups) connections() Connections {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Connections{Opened: s.opened, Failed: s.failed, Peak: s.peak, Setup: buckets(s.times), TLS: buckets(s.tls)}
}

func buckets(h *hdrhistogram.Histogram) []Bucket {
	var all []Bucket
	if h != nil {
		for _, b := range h.Distribution() {
			if b.Count > 0 {
				all = append(all, Bucket{b.To, b.Count})
			}
		}
	}
	return all
}

// countedConn is counted until it is closed.
type countedConn struct {
	net.Conn
	setups *setups
	once   sync.Once
}

// Close closes the connection.
func (c *countedConn) Close() error {
	c.once.Do(func() {
		c.setups.mu.Lock()
		defer c.setups.mu.Unlock()
		c.setups.open--
	})
	return c.Conn.Close()
}
