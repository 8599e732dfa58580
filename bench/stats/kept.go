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
	Pos      [][2]int64    `json:"pos,omitempty"` // buckets that are not empty, rising, and their counts
	Neg      [][2]int64    `json:"neg,omitempty"`
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
		from [][2]int64
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

func buckets(h *hdrhistogram.Histogram) (filled [][2]int64) {
	if h == nil || h.TotalCount() == 0 {
		return nil
	}
	for bucket, n := range h.Export().Counts {
		if n != 0 {
			filled = append(filled, [2]int64{int64(bucket), n})
		}
	}
	return filled
}

// fromBuckets makes one side of a histogram, and counts it.
func fromBuckets(filled [][2]int64, into **hdrhistogram.Histogram) (n int64, err error) {
	if len(filled) == 0 {
		return 0, nil
	}
	s := newHDR().Export()
	last := int64(-1)
	for _, f := range filled {
		bucket, c := f[0], f[1]
		if n += c; c <= 0 || n < 0 || bucket <= last || bucket >= int64(len(s.Counts)) {
			return 0, errors.New("a histogram with a bucket or a count that cannot be")
		}
		s.Counts[bucket], last = c, bucket
	}
	*into = hdrhistogram.Import(s)
	return n, nil
}

// MarshalJSON writes the counts down, for UnmarshalJSON, up to the last that is not 0.
func (b *Backlog) MarshalJSON() ([]byte, error) {
	n := len(b.seconds)
	for n > 0 && b.seconds[n-1] == (passed{}) {
		n--
	}
	all := make([][5]int64, n)
	for i, s := range b.seconds[:n] {
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
