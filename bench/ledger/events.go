package ledger

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// EventWriter writes events.jsonl, one line of JSON an event:
//
//	{"t_ms":-12.345,"kind":"phase","pid":71,"fault":0,"text":"...","data":{...},"crc":"0123abcd"}
//
// crc is the CRC-32C of the line before `,"crc":"`, in eight hex digits of lower
// case. Files of the first versions of ackproof had none in any line.
//
// t_ms counts from the start of load, which is not known while the system is
// brought up. Until SetStart, events therefore go to a file of their own beside
// it, before-start.jsonl, with their time of day ("at") instead of t_ms; then
// they become the first lines of events.jsonl, with negative t_ms, in one step.
// So each event is on its way to the disk the moment it is known, and a reader
// of the finished run sees one file. Each line is one write(2). It is safe for
// concurrent use.
type EventWriter struct {
	path  string
	mu    sync.Mutex
	f     *os.File
	start time.Time // zero: not known yet
	early []bench.Event
}

type eventLine struct {
	TMs   *float64        `json:"t_ms,omitempty"`
	At    *time.Time      `json:"at,omitempty"` // in before-start.jsonl alone
	Kind  bench.EventKind `json:"kind"`
	PID   int             `json:"pid,omitempty"`
	Fault *int            `json:"fault,omitempty"`
	Text  string          `json:"text,omitempty"`
	Data  json.RawMessage `json:"data,omitempty"`
}

func earlyPath(path string) string { return filepath.Join(filepath.Dir(path), "before-start.jsonl") }

// CreateEvents begins the events of a run. Path is that of events.jsonl, which
// must not exist.
func CreateEvents(path string) (*EventWriter, error) {
	if _, err := os.Lstat(path); err == nil {
		return nil, fmt.Errorf("create events: %s: %w", path, fs.ErrExist)
	}
	f, err := openAppend(earlyPath(path), os.O_EXCL)
	if err != nil {
		return nil, fmt.Errorf("create events: %w", err)
	}
	return &EventWriter{path: path, f: f}, nil
}

func openAppend(path string, flag int) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND|flag, 0o644)
}

// Append writes one event. Its Data must be JSON or empty.
func (w *EventWriter) Append(e bench.Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.f == nil {
		return fmt.Errorf("append event: %w", os.ErrClosed)
	}
	text, err := encodeEvent(e, w.start)
	if err != nil {
		return fmt.Errorf("append event: %w", err)
	}
	if _, err := w.f.Write(text); err != nil {
		return fmt.Errorf("append event: %w", err)
	}
	if w.start.IsZero() {
		w.early = append(w.early, e)
	}
	return nil
}

// encodeEvent writes one line, its end included.
func encodeEvent(e bench.Event, start time.Time) ([]byte, error) {
	line := eventLine{Kind: e.Kind, PID: e.PID, Fault: e.Fault, Text: e.Text, Data: e.Data}
	if start.IsZero() {
		at := e.At.UTC().Round(0)
		line.At = &at
	} else {
		ms := float64(e.At.Sub(start).Microseconds()) / 1000
		line.TMs = &ms
	}
	text, err := json.Marshal(line)
	if err != nil {
		return nil, err
	}
	return append(AppendSum(text), '\n'), nil
}

// SetStart tells the start of load, once; a later call is an error.
func (w *EventWriter) SetStart(at time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.f == nil || !w.start.IsZero() {
		return errors.New("set start of events: closed, or set before")
	}
	var all []byte
	for _, e := range w.early {
		text, err := encodeEvent(e, at)
		if err != nil {
			return fmt.Errorf("set start of events: %w", err)
		}
		all = append(all, text...)
	}
	if err := writeWhole(w.path, all); err != nil {
		return fmt.Errorf("set start of events: %w", err)
	}
	f, err := openAppend(w.path, 0)
	if err != nil {
		return fmt.Errorf("set start of events: %w", err)
	}
	// From here on events.jsonl has it all: a reader that finds both files
	// reads that one alone.
	err = errors.Join(w.f.Close(), os.Remove(earlyPath(w.path)))
	w.f, w.start, w.early = f, at, nil
	return err
}

// Close closes the file. A second call does nothing.
func (w *EventWriter) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.f == nil {
		return nil
	}
	f := w.f
	w.f = nil
	return f.Close()
}

// TimedEvent is an event as read back.
type TimedEvent struct {
	// T counts from the start of load. In a run that ended before its load
	// began there is no such moment: T is 0, and Event.At holds the time of
	// day, which is otherwise zero.
	T time.Duration
	bench.Event
}

// maxEventLine bounds one line: evidence in Data may be long, damage is longer.
const maxEventLine = 16 << 20

// ReadEvents reads the events of a run, given the path of events.jsonl. Lines
// that cannot be read, such as the last one of a writer that was killed, are
// left out and listed. Files without checksums are of an older version: there,
// damage that leaves a line readable is not seen.
func ReadEvents(path string) ([]TimedEvent, []string, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		path = earlyPath(path)
		f, err = os.Open(path)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read events: %w", err)
	}
	defer f.Close()
	events, bad, err := decodeEvents(path, f)
	if err != nil {
		return nil, nil, fmt.Errorf("read events %s: %w", path, err)
	}
	return events, bad, nil
}

// timedLine is an event, and whether its line had a checksum.
type timedLine struct {
	TimedEvent
	summed bool
}

func decodeEvents(name string, r io.Reader) ([]TimedEvent, []string, error) {
	var all []timedLine
	var p problems
	var unsummed []int // lines of events that have no checksum
	summed := false
	in := bufio.NewScanner(r)
	in.Buffer(nil, maxEventLine)
	in.Split(scanLinesWhole)
	for n := 1; in.Scan(); n++ {
		text := in.Bytes()
		if text[len(text)-1] != '\n' {
			p.add("%s:%d: the last line has no end: torn", name, n)
			continue
		}
		found, err := CheckSum(text[:len(text)-1])
		summed = summed || found
		var e TimedEvent
		if err == nil {
			e, err = decodeEvent(text)
		}
		if err != nil {
			p.add("%s:%d: %v", name, n, err)
			continue
		}
		if !found {
			unsummed = append(unsummed, n)
		}
		all = append(all, timedLine{e, found})
	}
	for _, n := range unsummed {
		if summed {
			p.add("%s:%d: no checksum, which other lines have", name, n)
		}
	}
	var events []TimedEvent
	for _, l := range all {
		if l.summed == summed {
			events = append(events, l.TimedEvent)
		}
	}
	if errors.Is(in.Err(), bufio.ErrTooLong) {
		p.add("%s: a line of more than %d bytes; what follows is not read", name, maxEventLine)
		return events, p.all(), nil
	}
	return events, p.all(), in.Err()
}

// scanLinesWhole is bufio.ScanLines, but keeps the line's end: a line without
// one is torn, however well it reads.
func scanLinesWhole(data []byte, atEOF bool) (int, []byte, error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i+1], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

func decodeEvent(text []byte) (TimedEvent, error) {
	var line eventLine
	if err := json.Unmarshal(text, &line); err != nil {
		return TimedEvent{}, err
	}
	e := TimedEvent{Event: bench.Event{Kind: line.Kind, PID: line.PID, Fault: line.Fault, Text: line.Text, Data: line.Data}}
	switch {
	case line.Kind == "":
		return TimedEvent{}, errors.New("an event without kind")
	case line.TMs != nil:
		e.T = time.Duration(math.Round(*line.TMs * float64(time.Millisecond)))
	case line.At != nil:
		e.At = *line.At
	default:
		return TimedEvent{}, errors.New("an event without t_ms")
	}
	return e, nil
}
