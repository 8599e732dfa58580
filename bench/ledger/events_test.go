package ledger

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ackproof/ackproof/bench"
)

func TestEvents(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	w, err := CreateEvents(path)
	if err != nil {
		t.Fatal(err)
	}
	two := 2
	early := bench.Event{At: testStart.Add(-1500 * time.Millisecond), Kind: bench.EventPhase, Text: "starting\nup"}
	late := bench.Event{At: testStart.Add(12345 * time.Microsecond), Kind: bench.EventStrike, PID: 71, Fault: &two, Data: json.RawMessage("{\"a\":\n1}")}
	if err := w.Append(early); err != nil {
		t.Fatal(err)
	}
	// Killed now, the event would be there.
	got, bad, err := ReadEvents(path)
	if err != nil || len(bad) != 0 || len(got) != 1 || !got[0].At.Equal(early.At) || got[0].T != 0 {
		t.Fatalf("%+v %v %v", got, bad, err)
	}
	if err := w.SetStart(testStart); err != nil {
		t.Fatal(err)
	}
	if err := w.SetStart(testStart); err == nil {
		t.Error("the load started twice")
	}
	if err := w.Append(late); err != nil {
		t.Fatal(err)
	}
	if err := w.Append(bench.Event{Kind: "x", Data: json.RawMessage("{")}); err == nil {
		t.Error("broken JSON was written")
	}
	w.Close()
	if err := w.Append(late); err == nil {
		t.Error("written after Close")
	}
	got, bad, err = ReadEvents(path)
	if err != nil || len(bad) != 0 {
		t.Fatal(bad, err)
	}
	early.At, late.At = time.Time{}, time.Time{}
	late.Data = json.RawMessage(`{"a":1}`)
	want := []TimedEvent{{-1500 * time.Millisecond, early}, {12345 * time.Microsecond, late}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	text, _ := os.ReadFile(path)
	if first, _, _ := strings.Cut(string(text), "\n"); first != `{"t_ms":-1500,"kind":"phase","text":"starting\nup","crc":"89b09910"}` {
		t.Errorf("first line %s", first)
	}
	if _, err := os.Stat(earlyPath(path)); err == nil {
		t.Error("the file of early events was left behind")
	}

	edit(t, path, func(b []byte) []byte {
		return append(b[:len(b)-4], "\nnonsense\n{\"t_ms\":1}\n\n{\"t_ms\":1,\"kind\":\"phase\"}"...)
	})
	got, bad, err = ReadEvents(path)
	if err != nil || len(got) != 1 || len(bad) != 5 {
		t.Errorf("%+v %q %v", got, bad, err)
	}

	// A file of the time before checksums is read as it is.
	old := `{"t_ms":1,"kind":"phase"}` + "\n"
	edit(t, path, func([]byte) []byte { return []byte(old + old) })
	if got, bad, err = ReadEvents(path); err != nil || len(got) != 2 || len(bad) != 0 {
		t.Errorf("%+v %q %v", got, bad, err)
	}
	// But one line of it among others has lost its own.
	edit(t, path, func([]byte) []byte { return append(append([]byte(old), text...), old...) })
	if got, bad, err = ReadEvents(path); err != nil || len(got) != 2 || len(bad) != 2 {
		t.Errorf("%+v %q %v", got, bad, err)
	}
}

// FuzzEvents gives the reader any text.
func FuzzEvents(f *testing.F) {
	f.Add([]byte(`{"t_ms":1,"kind":"phase"}` + "\n"))
	f.Add([]byte(`{"at":"2026-03-01T12:00:00Z","kind":"phase","fault":1,"data":[1]}` + "\n{"))
	f.Add([]byte("\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		events, bad, err := decodeEvents("events", bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		lines := bytes.Count(b, []byte("\n"))
		if len(b) > 0 && b[len(b)-1] != '\n' {
			lines++
		}
		if lines <= maxProblems && len(events)+len(bad) != lines {
			t.Fatalf("%d events and %d problems of %d lines", len(events), len(bad), lines)
		}
	})
}
