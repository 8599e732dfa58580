package local

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// behind is the way in which a clock is off that is not ahead.
const behind = bench.When("behind")

// stamp finds, in a request that writes, when its sender says that it did its work:
// as an attribute, or as the value of an expression.
var stamp = regexp.MustCompile(`(":?processedAt"\s*:\s*\{\s*"N"\s*:\s*")(-?[0-9]{1,17})(")`)

// skew changes the time in a write, where the processor's clock is to be off. One
// that tells no time is not struck.
func (d *door) skew(op string, body []byte) []byte {
	s := d.injector.Ask(bench.Op{Place: bench.PlaceSkew, Name: op})
	if s.Kind == "" {
		return body
	}
	by := s.Delay.Milliseconds()
	if s.When == behind {
		by = -by
	}
	struck := false
	body = stamp.ReplaceAllFunc(body, func(found []byte) []byte {
		part := stamp.FindSubmatch(found)
		ms, err := strconv.ParseInt(string(part[2]), 10, 64)
		if err != nil {
			return found
		}
		struck = true
		return fmt.Appendf(nil, "%s%d%s", part[1], ms+by, part[3])
	})
	if struck {
		d.injector.Struck(s)
	}
	return body
}

// offsetNoise is what lies between reading a clock and the arrival of what was
// written then, at most: less is no difference of clocks.
const offsetNoise = 100 * time.Millisecond

// offsets compares the processor's clock with that of the cloud, which sees each
// write come: the difference is told when it changes. So nobody need know that a
// fault has changed it.
type offsets struct {
	now  func() time.Time
	tell func(bench.Event)

	mu      sync.Mutex
	current time.Duration
}

// clockOffset is the evidence: from when on the processor's clock is how far ahead.
type clockOffset struct {
	Evidence string  `json:"evidence"` // clock_offset
	Ms       float64 `json:"ms"`
}

// saw takes in a write to the results table as it comes.
func (o *offsets) saw(body []byte) {
	found := stamp.FindSubmatch(body)
	if o == nil || found == nil {
		return
	}
	ms, err := strconv.ParseInt(string(found[2]), 10, 64)
	if err != nil {
		return
	}
	at := o.now()
	ahead := time.UnixMilli(ms).Sub(at)
	if ahead.Abs() <= offsetNoise {
		ahead = 0
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if (ahead - o.current).Abs() <= offsetNoise {
		return
	}
	o.current = ahead
	data, err := json.Marshal(clockOffset{"clock_offset", float64(ahead) / float64(time.Millisecond)})
	if err == nil {
		o.tell(bench.Event{At: at, Kind: bench.EventEvidence, Text: fmt.Sprintf("the processor's clock is ahead by %v", ahead.Round(time.Millisecond)), Data: data})
	}
}
