package faults

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// Fault is one line of a scenario's fault list. Make it with Parse: the fields
// of a fault that Parse returned fit together. The zero value is no fault. Two
// faults are equal (==) if they mean the same.
type Fault struct {
	Kind *Kind

	// By time. For 0: one strike at At. Every 0: no repetition.
	At, For, Every time.Duration

	// By number, instead of by time: the First to the Last operation named On,
	// counted from 1 and from the start of load. On is empty otherwise.
	On          string
	First, Last uint64

	Share     float64   // percent of the operations, or of the strikes; above 0, at most 100
	Placement Placement // empty where the kind has none, and with On
	Writes    int       // K of after-write K, else 0

	By    time.Duration // the value of the key that is a duration: how long, for the kinds that delay
	Named string        // the value of the key that is a word
}

// String prints the line that Parse reads, in canonical form: what is default
// is left out, and durations are as short as they can be.
func (f Fault) String() string {
	if f.Kind == nil {
		return ""
	}
	var b strings.Builder
	if f.On != "" {
		fmt.Fprintf(&b, "on %s %d", f.On, f.First)
		if f.Last != f.First {
			fmt.Fprintf(&b, " to %d", f.Last)
		}
	} else {
		b.WriteString("at " + shortDuration(f.At))
		if f.For != 0 {
			b.WriteString(" for " + shortDuration(f.For))
		}
		if f.Every != 0 {
			b.WriteString(" every " + shortDuration(f.Every))
		}
	}
	b.WriteString(": " + f.Kind.Name)
	if f.Share != 100 {
		b.WriteString(" " + strconv.FormatFloat(f.Share, 'f', -1, 64) + "%")
	}
	switch {
	case f.Placement == AfterWrite:
		fmt.Fprintf(&b, " %s %d", AfterWrite, f.Writes)
	case f.Placement != "" && f.Placement != f.Kind.Placements[0]:
		b.WriteString(" " + string(f.Placement))
	}
	for _, key := range f.Kind.Keys {
		switch {
		case key.Word && f.Named != "":
			b.WriteString(" " + key.Name + "=" + f.Named)
		case !key.Word && f.By != 0:
			b.WriteString(" " + key.Name + "=" + shortDuration(f.By))
		}
	}
	return b.String()
}

// MarshalText prints the fault's line.
func (f Fault) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText reads a fault's line.
func (f *Fault) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	if err != nil {
		return err
	}
	*f = parsed
	return nil
}

// shortDuration prints a duration without the zero units that
// time.Duration.String appends: 1m, not 1m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// Strikes lists the moments at which the fault begins, or strikes again, from
// the start of load. A fault by number begins with the load.
func (f Fault) Strikes() []time.Duration {
	if f.On != "" {
		return []time.Duration{0}
	}
	strikes := []time.Duration{f.At}
	if f.Every > 0 {
		for t := f.At + f.Every; t < f.At+f.For; t += f.Every {
			strikes = append(strikes, t)
		}
	}
	return strikes
}

// Window gives the span in which the fault is meant to strike: from its first
// strike to the end of its `for`. Both ends are the same for a single strike;
// both are 0 for a fault by number, whose moment nobody knows beforehand.
func (f Fault) Window() (from, to time.Duration) {
	if f.On != "" {
		return 0, 0
	}
	return f.At, f.At + f.For
}

// Lasts is how long what one strike has done goes on by itself: a write that comes
// late, a mapping that is gone for a while.
func (f Fault) Lasts() time.Duration {
	switch {
	case f.Kind.Place == bench.PlaceClock, f.Kind.Place == bench.PlaceSkew, f.Kind.Place == bench.PlaceFunction: // how far it jumps, or is off; a time-out
		return 0
	case f.Kind == &streamRestart: // nobody reads the new stream
		return maxTime
	}
	return f.By
}

// OneStrike reports whether each begin of the fault is one strike that is used
// up, rather than a window.
func (f Fault) OneStrike() bool {
	return f.On == "" && (f.Every > 0 || f.For == 0 || f.Kind.Single)
}

// atProcessor reports whether the fault's placement is a point of the processor's
// work, where the machine asks under another name; else it is a moment of one
// operation, which the strike carries.
func (f Fault) atProcessor() bool { return f.Kind.Place == bench.PlaceProcessor }

// Moment is one entry of a timeline.
type Moment struct {
	At    time.Duration // from the start of load
	Fault int           // index into the faults
	End   bool          // the fault ends; else it begins, or strikes again
}

// Timeline lists when each fault begins, strikes again and ends, sorted by
// time. Faults without `for` and faults by number have no end of their own: end
// them when the load has ended. At one moment ends come first, then lower
// indices, so that a fault which follows another finds a system made whole.
func Timeline(faults []Fault) []Moment {
	var moments []Moment
	for i, f := range faults {
		for _, at := range f.Strikes() {
			moments = append(moments, Moment{At: at, Fault: i})
		}
		if from, to := f.Window(); to > from {
			moments = append(moments, Moment{At: to, Fault: i, End: true})
		}
	}
	slices.SortStableFunc(moments, func(a, b Moment) int {
		switch {
		case a.At != b.At:
			return int(min(1, max(-1, a.At-b.At)))
		case a.End != b.End:
			if a.End {
				return -1
			}
			return 1
		}
		return a.Fault - b.Fault
	})
	return moments
}
