package eventsource

import (
	"encoding/json"
	"strconv"
	"time"
)

// maxState is the most bytes that the state of a tumbling window may have
// (https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-windows.html).
const maxState = 1 << 20

// tumbling is an open tumbling window of a shard: a span of the records' time,
// and what the function has made of its records so far. Each invocation is
// given the state that the last one has answered.
//
// AWS does not say when a window ends for records that are late. Here it is
// when a record of another window comes, when the shard ends, or when a poll
// that was begun after the window's end gave all there was. Records carry whole
// seconds, rounded down, so one that belongs to the window was there by then.
type tumbling struct {
	start, end  time.Time
	state       json.RawMessage
	early       bool   // the state grew too large: to be ended before its time
	first, last Record // that the window has seen
}

// keep takes the state over that the function has answered.
func (w *tumbling) keep(state json.RawMessage) {
	w.state = append(json.RawMessage(nil), state...)
	w.early = len(state) > maxState
}

func (m *Machine) windowLength() time.Duration {
	return time.Duration(m.config.Settings.TumblingWindowInSeconds) * time.Second
}

// windowStart is when the tumbling window of a record begins. Windows follow
// each other from the Unix epoch on.
func (m *Machine) windowStart(created time.Time) time.Time {
	length := int64(m.config.Settings.TumblingWindowInSeconds)
	s := created.Unix()
	return time.Unix(s-((s%length)+length)%length, 0).UTC()
}

// ofOneWindow counts the gathered records that lie in the window of the first.
func (m *Machine) ofOneWindow(l *lane) int {
	if m.config.Settings.TumblingWindowInSeconds == 0 {
		return len(l.pending)
	}
	n := 0
	for n < len(l.pending) && m.windowStart(l.pending[n].Created).Equal(m.windowStart(l.pending[0].Created)) {
		n++
	}
	return n
}

// windowOver reports whether the open window is to be ended now.
func (m *Machine) windowOver(now time.Time, l *lane) bool {
	w := l.window
	switch {
	case w == nil:
		return false
	case w.early:
		return true
	case len(l.pending) > 0:
		return !m.windowStart(l.pending[0].Created).Equal(w.start)
	}
	return m.closed || !now.Before(w.end) && !m.polledAt.Before(w.end)
}

// openWindow opens the window of a batch, unless it is open.
func (m *Machine) openWindow(l *lane, b *batch) {
	if m.config.Settings.TumblingWindowInSeconds == 0 {
		return
	}
	if l.window == nil {
		start := m.windowStart(b.records[0].Created)
		l.window = &tumbling{start: start, end: start.Add(m.windowLength()), state: json.RawMessage("{}"), first: b.records[0].Record}
	}
	l.window.last = b.records[len(b.records)-1].Record
}

// appendWindow adds what the event of a tumbling window has beside its records
// (https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-windows.html). Of
// a window that is ended early the state is what the function has answered,
// however large, so that nothing is lost that was counted already.
func (m *Machine) appendWindow(event []byte, w *tumbling, final bool) []byte {
	event = event[:len(event)-1] // the closing brace
	event = appendMember(event, `,"window":{"start":`, w.start.Format(secondLayout))
	event = appendMember(event, `,"end":`, w.end.Format(secondLayout))
	event = append(append(event, `},"state":`...), w.state...)
	event = appendMember(event, `,"shardId":`, m.config.Shard)
	event = appendMember(event, `,"eventSourceARN":`, m.config.StreamARN)
	event = strconv.AppendBool(append(event, `,"isFinalInvokeForWindow":`...), final)
	event = strconv.AppendBool(append(event, `,"isWindowTerminatedEarly":`...), final && w.early)
	return append(event, '}')
}
