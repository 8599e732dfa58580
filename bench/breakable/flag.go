package breakable

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// Prefix begins the names of the variables; the number of the fault follows.
const Prefix = "ACKPROOF_FAULT_"

// The kinds that a handler can strike itself with.
const (
	Kill  = "processor.kill"
	Error = "processor.error"
	Slow  = "processor.slow"
)

// The points of its work.
const (
	Before       = "before"
	AfterWrite   = "after-write"
	AfterEffects = "after-effects"
)

// Flag is one fault as a function is told of it. Times are in milliseconds.
type Flag struct {
	Run       bench.RunID `json:"run"`
	Fault     int         `json:"fault"` // index among the run's
	Kind      string      `json:"kind"`
	Placement string      `json:"placement"`
	Writes    int         `json:"writes,omitempty"` // K of after-write K
	Share     float64     `json:"share"`            // percent of the invocations, or of the strikes
	ByMs      int64       `json:"by_ms,omitempty"`  // how long, of a kind that delays
	Once      bool        `json:"once,omitempty"`   // each environment is struck once
	EveryMs   int64       `json:"every_ms,omitempty"`
	Seed      uint64      `json:"seed"`
	UntilMs   int64       `json:"until_ms"` // since 1970: no strike after it
}

// Variable is the name under which it is set.
func (f Flag) Variable() string { return Prefix + strconv.Itoa(f.Fault) }

// Line is what is logged before it strikes. No other fault's line holds it.
func (f Flag) Line() string { return fmt.Sprintf("ackproof struck %s %d %s", f.Run, f.Fault, f.Kind) }

// Encode gives the variable's value.
func (f Flag) Encode() string {
	b, err := json.Marshal(f)
	if err != nil {
		panic("breakable: " + err.Error()) // texts and finite numbers always are JSON
	}
	return string(b)
}

// Decode reads a variable's value.
func Decode(text string) (Flag, error) {
	var f Flag
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return Flag{}, fmt.Errorf("read a fault's flag: %w", err)
	}
	if d.More() {
		return Flag{}, errors.New("read a fault's flag: something follows it")
	}
	for _, wrong := range []struct {
		is   bool
		what string
	}{
		{!f.Run.Valid(), fmt.Sprintf("run %q", f.Run)},
		{f.Fault < 0, fmt.Sprintf("fault %d", f.Fault)},
		{!slices.Contains([]string{Kill, Error, Slow}, f.Kind), fmt.Sprintf("kind %q", f.Kind)},
		{!slices.Contains([]string{Before, AfterWrite, AfterEffects}, f.Placement), fmt.Sprintf("placement %q", f.Placement)},
		{(f.Placement == AfterWrite) != (f.Writes > 0) || f.Writes < 0, fmt.Sprintf("placement %q with %d writes", f.Placement, f.Writes)},
		{f.Placement == AfterWrite && f.Kind != Kill, fmt.Sprintf("%s after a write", f.Kind)},
		{f.Kind == Kill && !f.Once, "a kill that is not once"},
		{!(f.Share > 0 && f.Share <= 100), fmt.Sprintf("share %v", f.Share)},
		{f.ByMs < 0 || f.ByMs > maxMs || (f.Kind == Slow) != (f.ByMs > 0), fmt.Sprintf("%s by %d ms", f.Kind, f.ByMs)},
		{f.EveryMs < 0 || f.EveryMs > maxMs || f.EveryMs > 0 && !f.Once, fmt.Sprintf("every %d ms", f.EveryMs)},
	} {
		if wrong.is {
			return Flag{}, fmt.Errorf("read a fault's flag: %s", wrong.what)
		}
	}
	return f, nil
}

// maxMs bounds times, so that they fit into a time.Duration.
const maxMs = int64(30 * 24 * time.Hour / time.Millisecond)
