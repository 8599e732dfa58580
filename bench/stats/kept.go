package stats

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// What follows writes the counts down and reads them again, exactly: for a judgement
// that is cut off and goes on later. It is no format for others.

// keptHistogram is a Histogram as it is written.
type keptHistogram struct {
	Pos      []int64       `json:"pos,omitempty"` // by bucket
	Neg      []int64       `json:"neg,omitempty"`
	Over     []int64       `json:"over,omitempty"`
	Count    int64         `json:"count"`
	Censored int64         `json:"censored"`
	Bounds   *Histogram    `json:"bounds,omitempty"`
	SumHi    int64         `json:"sum_hi"`
	SumLo    uint64        `json:"sum_lo"`
	Max      time.Duration `json:"max"`
}

// MarshalJSON writes the histogram down, for UnmarshalJSON.
func (h *Histogram) MarshalJSON() ([]byte, error) {
	k := keptHistogram{
		Pos: buckets(h.pos), Neg: buckets(h.neg), Over: h.over, Count: h.count, Censored: h.censored,
		SumHi: h.sum.hi, SumLo: h.sum.lo, Max: h.max,
	}
	if h.censored > 0 {
		k.Bounds = h.bounds
	}
	return json.Marshal(&k)
}

// UnmarshalJSON makes the histogram what MarshalJSON has written. Counts that do not
// add up are an error.
func (h *Histogram) UnmarshalJSON(b []byte) error {
	var k keptHistogram
	if err := json.Unmarshal(b, &k); err != nil {
		return err
	}
	read := Histogram{over: k.Over, count: k.Count, censored: k.Censored, bounds: k.Bounds, sum: total{hi: k.SumHi, lo: k.SumLo}, max: k.Max}
	seen := int64(len(k.Over))
	for _, side := range []struct {
		from []int64
		into **hdrhistogram.Histogram
	}{{k.Pos, &read.pos}, {k.Neg, &read.neg}} {
		n, err := fromBuckets(side.from, side.into)
		if err != nil {
			return err
		}
		seen += n
	}
	bounded := int64(0)
	if k.Bounds != nil {
		bounded = k.Bounds.count
	}
	if seen != k.Count || bounded != k.Censored || k.Bounds != nil && k.Bounds.censored > 0 {
		return fmt.Errorf("a histogram of %d values has %d, and %d censored ones of %d", k.Count, seen, bounded, k.Censored)
	}
	*h = read
	return nil
}

func buckets(h *hdrhistogram.Histogram) []int64 {
	if h == nil || h.TotalCount() == 0 {
		return nil
	}
	return h.Export().Counts
}

// fromBuckets makes one side of a histogram, and counts it.
func fromBuckets(counts []int64, into **hdrhistogram.Histogram) (n int64, err error) {
	if len(counts) == 0 {
		return 0, nil
	}
	s := newHDR().Export()
	if len(counts) != len(s.Counts) {
		return 0, fmt.Errorf("a histogram of %d buckets, want %d", len(counts), len(s.Counts))
	}
	for _, c := range counts {
		if n += c; c < 0 || n < 0 {
			return 0, errors.New("a histogram with a count that cannot be")
		}
	}
	s.Counts = counts
	*into = hdrhistogram.Import(s)
	return n, nil
}

// MarshalJSON writes the counts down, for UnmarshalJSON.
func (b *Backlog) MarshalJSON() ([]byte, error) {
	all := make([][5]int64, len(b.seconds))
	for i, s := range b.seconds {
		all[i] = [5]int64{s.acked, s.stored, s.effects, s.joined, s.left}
	}
	return json.Marshal(all)
}

// UnmarshalJSON adds what MarshalJSON has written to a new backlog of the same
// observation.
func (b *Backlog) UnmarshalJSON(text []byte) error {
	var all [][5]int64
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	read := Backlog{seconds: make([]passed, len(all))}
	for i, s := range all {
		read.seconds[i] = passed{s[0], s[1], s[2], s[3], s[4]}
	}
	b.Merge(&read)
	return nil
}

// MarshalJSON writes the counts down, for UnmarshalJSON.
func (a *Availability) MarshalJSON() ([]byte, error) {
	all := make([][2]int64, len(a.seconds))
	for i, s := range a.seconds {
		all[i] = [2]int64{s.due, s.acknowledged}
	}
	return json.Marshal(all)
}

// UnmarshalJSON makes the counts what MarshalJSON has written.
func (a *Availability) UnmarshalJSON(text []byte) error {
	var all [][2]int64
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	a.seconds = make([]offered, len(all))
	for i, s := range all {
		a.seconds[i] = offered{s[0], s[1]}
	}
	return nil
}
