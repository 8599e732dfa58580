// Package clock is where time and chance come in: the only package that reads
// the wall clock or makes a random generator. A test keeps that so.
//
// The step machines take the time as an argument. Their live drivers take a
// [Clock]; tests give them a [Virtual] one, so that a day passes in one line.
// Chance is either a generator made from the run's seed and a label ([Rand]),
// or, where the same operation must meet the same fate whatever order things
// happen in, a pure function of seed, label and number ([Draw]).
package clock

import (
	crand "crypto/rand"
	"encoding/binary"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"
)

// Clock tells the time.
type Clock interface {
	Now() time.Time
}

// Real is the wall clock, with Go's monotonic reading.
type Real struct{}

// Now tells the time of day.
func (Real) Now() time.Time { return time.Now() }

// Since tells how long ago t was, by a clock. Of [Real] it asks for the monotonic
// reading alone, which costs half of what Now does.
func Since(c Clock, t time.Time) time.Duration {
	if _, real := c.(Real); real {
		return time.Since(t)
	}
	return c.Now().Sub(t)
}

// Wait lets d pass, and reports whether it has: false where stop was closed before.
func Wait(d time.Duration, stop <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-stop:
		return false
	default: // of both, stop comes first
	}
	select {
	case <-timer.C:
		return true
	case <-stop:
		return false
	}
}

// Virtual is a clock that stands still until it is moved. It is safe for
// concurrent use.
type Virtual struct {
	mu  sync.Mutex
	now time.Time
}

// NewVirtual makes a clock that stands at t.
func NewVirtual(t time.Time) *Virtual { return &Virtual{now: t} }

// Now tells the time the clock stands at.
func (v *Virtual) Now() time.Time {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.now
}

// Advance moves the clock forward. It panics on a negative duration: time that
// goes back would break every machine's order.
func (v *Virtual) Advance(d time.Duration) {
	if d < 0 {
		panic("clock: advance by a negative duration")
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.now = v.now.Add(d)
}

// Entropy returns 64 random bits of the operating system, for run ids, tokens
// and seeds that nobody gave.
func Entropy() uint64 {
	var b [8]byte
	crand.Read(b[:]) // never fails: it ends the process instead
	return binary.LittleEndian.Uint64(b[:])
}

// Rand makes the generator that belongs to a seed and a label. Two labels of
// one seed give unrelated streams; the same two give the same stream again.
func Rand(seed uint64, label string) *rand.Rand {
	return rand.New(rand.NewPCG(seed, labelHash(label)))
}

// Draw returns the n-th number in [0, 1) of a seed and a label, whatever was
// drawn before.
func Draw(seed uint64, label string, n uint64) float64 {
	return float64(Bits(seed, label, n)>>11) / (1 << 53)
}

// Bits returns 64 bits for a seed, a label and a number, whatever was drawn
// before.
func Bits(seed uint64, label string, n uint64) uint64 { return NumbersOf(seed, label).At(n) }

// Numbers are the random numbers of a seed and a label, as [Bits] gives them, for
// who asks often.
type Numbers struct{ origin uint64 }

// NumbersOf gives those of a seed and a label.
func NumbersOf(seed uint64, label string) Numbers { return Numbers{mix(seed ^ labelHash(label))} }

// At is the n-th one.
func (r Numbers) At(n uint64) uint64 { return mix(r.origin + n) }

func labelHash(label string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(label))
	return h.Sum64()
}

// mix is the finaliser of SplitMix64 over the golden-ratio step (Steele, Lea,
// Flood 2014): neighbouring numbers come out unrelated.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
