package outside

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/letters"
)

const (
	// clocksApart is how far AWS's clock may be behind ours: what came to the
	// destination shortly before the run is looked at too. The ids tell whose it is.
	clocksApart = 5 * time.Minute
	// letGo bounds the giving back of letters when the target is stopped.
	letGo = 30 * time.Second
)

// post reads the on-failure destination of a system that is not ours.
type post struct {
	box     bench.LetterBox
	where   string
	since   time.Time
	streams letters.Streams // nil: the stream is not read
	stream  string          // ARN
	names   letters.Names
	stack   bench.Stack
	dead    []bench.DeadLetter // so far: each letter comes once
}

// openPost opens the destination, if one is named.
func (t *Target) openPost(ctx context.Context, stack bench.Stack) error {
	s := stack.System
	if s.LetterQueue == "" && s.LetterBucket == "" {
		return nil
	}
	where := "the queue " + s.LetterQueue
	if s.LetterBucket != "" {
		where = "the bucket " + s.LetterBucket
	}
	if t.opts.Letters == nil {
		return fmt.Errorf("look for dead letters in %s: no account of AWS is open here", where)
	}
	box, err := t.opts.Letters(ctx, s.LetterQueue, s.LetterBucket)
	if err != nil {
		return fmt.Errorf("look for dead letters in %s: %w", where, err)
	}
	t.post = &post{box: box, where: where, since: t.opts.Clock.Now().Add(-clocksApart), names: letters.Names{ID: s.ItemID, Version: s.Version}, stack: stack, dead: []bench.DeadLetter{}}
	return nil
}

// read gives all dead letters of the run that have come so far.
func (p *post) read(ctx context.Context) ([]bench.DeadLetter, error) {
	if err := p.box.Letters(ctx, p.since, func(l bench.Letter) error { return p.open(ctx, l) }); err != nil {
		return p.dead, fmt.Errorf("read the dead letters in %s: %w", p.where, err)
	}
	return p.dead, nil
}

// open takes in one letter. What is none of Lambda's, or of another stream, is
// somebody else's.
func (p *post) open(ctx context.Context, l bench.Letter) error {
	d, err := letters.Parse(l.Body)
	if err != nil {
		return nil
	}
	at := d.At()
	if at.IsZero() {
		at = l.At
	}
	var found map[string]bool
	switch {
	case d.RequestPayload != nil:
		if id, ok := letters.RequestIn(string(d.RequestPayload), p.stack.Run); ok {
			p.take(id, at)
		}
		return nil
	case d.Payload != "":
		found, err = letters.InPayload(d.Payload, p.names)
	case p.stack.Architecture != bench.Streams:
		return nil // of a mapping, and the system has none
	case p.stream == "":
		return errors.New("they say no more than where in the stream their records are, and it is not read: say target: {stream: auto}")
	case d.Range.StreamARN != p.stream:
		return nil
	default:
		found, err = letters.InStream(ctx, p.streams, *d.Range, func(r record) string { return writerOf(r, p.names.ID, p.names.Version) })
	}
	if err != nil {
		return fmt.Errorf("open a dead letter of %s: %w", d.Timestamp, err)
	}
	for text := range found {
		if id, err := bench.ParseKey(text); err == nil && id.Run == p.stack.Run {
			p.take(id, at)
		}
	}
	return nil
}

// take takes in a dead letter, unless it is of another agent or of a canary.
func (p *post) take(id bench.ID, at time.Time) {
	if int(id.Agent) == p.stack.Agent {
		p.dead = append(p.dead, bench.DeadLetter{Seq: id.Seq, Readable: true, At: at})
	}
}

// close gives back what nobody else could see meanwhile.
func (p *post) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), letGo)
	defer cancel()
	return p.box.Close(ctx)
}
