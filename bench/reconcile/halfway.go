package reconcile

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ackproof/ackproof/bench"
)

// Halfway is a judgement under way: the ids below Judged have their verdicts. It can
// be written down, and gone on with by another process that has the same evidence.
// How the ids are cut into windows may differ.
type Halfway struct {
	Judged   uint64
	planned  uint64
	counts   counts
	verdicts []judged // of all ids; those from Judged on have none yet
}

// NewHalfway is a judgement of the evidence that has not begun.
func NewHalfway(e *Evidence) *Halfway {
	n := uint64(max(e.Planned, 0))
	return &Halfway{planned: n, counts: newCounts(e), verdicts: make([]judged, n)}
}

// halfwayCounts is what Counts writes.
type halfwayCounts struct {
	Judged uint64
	Counts counts
}

// Counts is what was counted so far, written down.
func (h *Halfway) Counts() ([]byte, error) {
	return json.Marshal(halfwayCounts{h.Judged, h.counts})
}

// Verdicts copies what is kept of the ids from one to another, a byte each.
func (h *Halfway) Verdicts(from, to uint64) []byte {
	b := make([]byte, to-from)
	for i := range b {
		b[i] = byte(h.verdicts[from+uint64(i)])
	}
	return b
}

// Enter takes in what Verdicts gave of the ids from a number on. They count with the
// Counts that follow.
func (h *Halfway) Enter(from uint64, verdicts []byte) error {
	if from > h.planned || uint64(len(verdicts)) > h.planned-from {
		return fmt.Errorf("verdicts of %d requests from %d on, and %d were planned", len(verdicts), from, h.planned)
	}
	for i, b := range verdicts {
		h.verdicts[from+uint64(i)] = judged(b)
	}
	return nil
}

// Resume takes in what Counts gave, behind all verdicts before it. What does not add
// up is an error, and leaves the judgement as it was.
func (h *Halfway) Resume(b []byte) error {
	read := halfwayCounts{Counts: counts{Beyond: map[uint64]flags{}, Firsts: map[bench.ItemVerdict]uint64{}}}
	if err := json.Unmarshal(b, &read); err != nil {
		return err
	}
	c, own := &read.Counts, &h.counts
	if read.Judged < h.Judged || read.Judged > h.planned {
		return fmt.Errorf("counts of %d requests, behind those of %d of %d", read.Judged, h.Judged, h.planned)
	}
	if len(c.Phases) != len(own.Phases) || len(c.Loss) != len(own.Loss) || len(c.Stages) != len(own.Stages) || len(c.Around) != len(own.Around) ||
		c.Beyond == nil || c.Firsts == nil || c.Control.Strike != own.Control.Strike || c.Control.End != own.Control.End {
		return errors.New("counts of a run with other stages or faults")
	}
	var items perVerdict
	var known [1 << verdictBits]bool
	for _, v := range append(bench.ItemVerdicts(), bench.NoVerdict) {
		known[v] = true
	}
	for i, one := range h.verdicts[:read.Judged] {
		if int(one>>verdictBits) >= len(stations) || !known[one.verdict()] {
			return fmt.Errorf("request %d has a verdict that cannot be: %d", i, one)
		}
		items[one.verdict()]++
	}
	if r := c.Requests; items != c.Items || uint64(r.Sent+r.Unsent) != read.Judged || r.Sent != r.Acknowledged+r.Refused+r.Unknown {
		return fmt.Errorf("the counts of %d requests are not those of their verdicts", read.Judged)
	}
	h.Judged, h.counts = read.Judged, *c
	return nil
}
