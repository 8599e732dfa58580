package run

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/scenarios"
)

// quietPolls is how often the tables are looked at within drain.quiet, at most: a
// look reads both tables whole, and what it reads is paid for.
const quietPolls = 8

// byQuiet proves that no item and no effect has come for drain.quiet, which is
// longer than a pipeline with work left can stay silent. A silence counts that has
// begun before drain.timeout has passed.
func (r *Run) byQuiet(ctx context.Context, w *watcher) {
	began := r.opts.Clock.Now()
	settings := r.opts.Scenario.Drain
	d := drained{Drain: bench.Drain{Proof: bench.DrainNone}}
	var s silence
	for {
		now, err := w.look(ctx, func() time.Duration { return r.since(began) })
		if err == nil && s.add(now) >= settings.Quiet {
			d.Proof = bench.DrainQuiet
			break
		}
		if d.TimedOut = r.since(began) > settings.Timeout && (err != nil || s.since > settings.Timeout); d.TimedOut || ctx.Err() != nil {
			if d.Why = "the tables went on changing"; err != nil {
				d.Why = err.Error()
			}
			break
		}
		r.showDrain(-1)
		clock.Wait(max(settings.Quiet/quietPolls, now.ended-now.began), ctx.Done())
	}
	r.drained(d)
}

// silence is how long the tables have shown the same.
type silence struct {
	sum   sum
	since time.Duration // when the first look had ended that showed it
	known bool
}

// add takes in a look, and gives for how long nothing has come. A look is not one
// moment: what two looks agree on has not changed between the end of the first and
// the beginning of the second.
func (s *silence) add(l look) time.Duration {
	if !s.known || l.sum != s.sum {
		*s = silence{sum: l.sum, since: l.ended, known: true}
	}
	return l.began - s.since
}

// look is what both tables hold: rows that are the same give the same sum.
type look struct {
	sum          sum
	began, ended time.Duration
}

// sum describes a set of rows whatever their order.
type sum struct {
	rows     int64
	add, xor uint64
}

func (s *sum) row(hash uint64) {
	s.rows++
	s.add += hash
	s.xor ^= hash
}

// watcher looks at the tables of a run.
type watcher struct {
	reader *reader
	seed   maphash.Seed
	last   *sum // of the last look that came through; nil: none has
}

// look reads both tables, between two moments that now tells.
func (w *watcher) look(ctx context.Context, now func() time.Duration) (look, error) {
	if w.seed == (maphash.Seed{}) {
		w.seed = maphash.MakeSeed()
	}
	l := look{began: now()}
	var errs []error
	for _, in := range []source{w.reader.items, w.reader.effects} {
		errs = append(errs, w.reader.rows(ctx, in, func(item attributes) error {
			l.sum.row(maphash.String(w.seed, in.table+in.text(item)))
			return nil
		}))
	}
	l.ended = now()
	err := errors.Join(errs...)
	if err == nil {
		w.last = &l.sum
	}
	return l, err
}

// untimed is the clock of a look whose time does not matter.
func untimed() time.Duration { return 0 }

// settle looks at the tables at the end of the drain. Where they are exported, the
// two exports are compared with each other instead: both are from after it.
func (w *watcher) settle(ctx context.Context) error {
	if w.reader.by == scenarios.ReadExport {
		return nil
	}
	_, err := w.look(ctx, untimed)
	return err
}

// rest looks whether the tables hold what they held at the end of the drain.
func (w *watcher) rest(ctx context.Context) (atRest, error) {
	if w.reader.by == scenarios.ReadExport {
		return atRest{Unchanged: w.reader.bothExports}, nil // that they agree is a gate of its own
	}
	before := w.last
	after, err := w.look(ctx, untimed)
	return atRest{Unchanged: err == nil && before != nil && *before == after.sum}, err
}

// text writes what the judge reads of a row.
func (s source) text(item attributes) string {
	var b strings.Builder
	for _, name := range s.names {
		switch v := item[name].(type) {
		case *types.AttributeValueMemberS:
			fmt.Fprintf(&b, "\x00S%s", v.Value)
		case *types.AttributeValueMemberN:
			fmt.Fprintf(&b, "\x00N%s", v.Value)
		default:
			b.WriteString("\x00")
		}
	}
	return b.String()
}
