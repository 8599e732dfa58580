package outside_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/outside"
	"github.com/ackproof/ackproof/bench/targettest"
	"github.com/ackproof/ackproof/faults"
)

// memoryBox is a destination in memory.
type memoryBox struct {
	letters []bench.Letter
	given   int
	err     error
	closed  int
}

func (b *memoryBox) Letters(_ context.Context, _ time.Time, each func(bench.Letter) error) error {
	for ; b.given < len(b.letters); b.given++ {
		if err := each(b.letters[b.given]); err != nil {
			return err
		}
	}
	return b.err
}

func (b *memoryBox) Close(context.Context) error { b.closed++; return nil }

// withBox is a target whose system has the box as its queue.
func withBox(box *memoryBox) *outside.Target {
	return outside.New(outside.Options{
		Name: "http", Clock: clock.Real{}, NewFaults: func(seed uint64, texts []string) (outside.Faults, error) { return faults.ParseSet(seed, texts) },
		Letters: func(_ context.Context, queue, bucket string) (bench.LetterBox, error) {
			if queue != "letters" {
				return nil, errors.New("no such queue")
			}
			return box, nil
		},
	})
}

func TestDeadLettersOfSomebodyElse(t *testing.T) {
	box := &memoryBox{}
	targettest.RunLetters(t, func(t *testing.T) (bench.Target, bench.System, func(string, []byte)) {
		system := theirs(t)
		system.LetterQueue = "letters"
		return withBox(box), system, func(_ string, body []byte) {
			box.letters = append(box.letters, bench.Letter{At: time.Now(), Body: body})
		}
	})
	if box.closed != 1 {
		t.Errorf("the queue was closed %d times", box.closed)
	}
}

// TestDeadLettersThatCannotBeRead are an error, and never no letters.
func TestDeadLettersThatCannotBeRead(t *testing.T) {
	system := theirs(t)
	start := func(change func(*bench.Stack), box *memoryBox) (*outside.Target, error) {
		stack := targettest.Stack(t)
		stack.System = system
		stack.System.LetterQueue = "letters"
		change(&stack)
		target := withBox(box)
		t.Cleanup(func() { target.Stop() })
		_, err := target.Start(t.Context(), stack, func(bench.Event) {})
		return target, err
	}
	if _, err := start(func(s *bench.Stack) { s.System.LetterQueue = "nope" }, nil); err == nil || !strings.Contains(err.Error(), "the queue nope: no such queue") {
		t.Errorf("a queue that is not there: %v", err)
	}
	inRange := bench.Letter{Body: []byte(`{"DDBStreamBatchInfo":{"shardId":"s","startSequenceNumber":"1","endSequenceNumber":"2","streamArn":"arn"}}`)}
	for name, c := range map[string]struct {
		box    memoryBox
		change func(*bench.Stack)
		want   string
	}{
		"a queue that others empty": {memoryBox{err: errors.New("it counts more than it gave")}, func(*bench.Stack) {}, "the queue letters: it counts more"},
		"a stream that is not read": {memoryBox{letters: []bench.Letter{inRange}}, func(s *bench.Stack) { s.System.Stream = "none" }, "say target: {stream: auto}"},
		"a payload that is cut off": {memoryBox{letters: []bench.Letter{{Body: []byte(`{"payload":"{\"Records\":[{"}`)}}}, func(*bench.Stack) {}, "open a dead letter"},
	} {
		target, err := start(c.change, &c.box)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if letters, err := target.DeadLetters(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v; want %q", name, letters, err, c.want)
		}
	}
	lacks := newTarget().Lacks(bench.Stack{Architecture: bench.Sync, System: bench.System{URL: "http://x", LetterQueue: "q"}})
	if !slices.ContainsFunc(lacks, func(l string) bool { return strings.Contains(l, "no on-failure destination") }) {
		t.Errorf("sync lacks %q", lacks)
	}
}

// TestNobodyLooksForDeadLetters where none are named: that is not the same as none.
func TestNobodyLooksForDeadLetters(t *testing.T) {
	if letters, err := newTarget().DeadLetters(t.Context()); letters != nil || err != nil {
		t.Errorf("%v, %v", letters, err)
	}
}
