package breakage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/ackproof/ackproof/bench"
)

// Commands are how something is broken and put right again: exit status 0 means
// that it is done. Count prints one number, how often the breakage has struck so
// far: packets dropped, requests refused.
type Commands struct{ Do, Undo, Confirm, Count Command }

// Open is a fault that is, or may be, in force: all that is needed to undo it.
type Open struct {
	Fault    int    // index among the run's
	Text     string // its line
	Commands Commands
	Dir      string   // the commands run there
	Env      []string // K=V, beside the environment of whoever runs the commands
}

// line is one line of a journal: the run first, then what begins and what is over.
type line struct {
	Run  bench.RunID `json:",omitempty"`
	Dir  string      `json:",omitempty"` // the run directory
	Open *Open       `json:",omitempty"`
	Over *int        `json:",omitempty"`
}

// Journal holds what one run has open. It is safe for concurrent use.
type Journal struct {
	Run bench.RunID // of a journal that was left
	Dir string      // its run directory

	mu    sync.Mutex
	file  *os.File
	names []string
	open  map[int]Open
}

// append writes a line, and returns when it is on disk.
func (j *Journal) append(l line) error {
	b, err := json.Marshal(l)
	if err != nil {
		return err
	}
	if _, err := j.file.Write(append(b, '\n')); err != nil {
		return err
	}
	return j.file.Sync()
}

// Note writes down that something is open, which somebody else is about to break.
func (j *Journal) Note(o Open) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.append(line{Open: &o}); err != nil {
		return fmt.Errorf("write down that %q is open: %w", o.Text, err)
	}
	j.open[o.Fault] = o
	return nil
}

// Over writes down that a fault has been put right by who broke it.
func (j *Journal) Over(fault int) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.over(fault)
}

func (j *Journal) over(fault int) error {
	err := j.append(line{Over: &fault})
	if err == nil {
		delete(j.open, fault)
	}
	return err
}

// Begin breaks something. That it is open is on disk before; after an error it
// still is, since nobody knows how far the command has come. It gives what Count
// said before.
func (j *Journal) Begin(ctx context.Context, o Open) (counted int64, err error) {
	if err := j.Note(o); err != nil {
		return 0, err
	}
	if counted, err = o.count(ctx); err == nil {
		_, err = o.Commands.Do.run(ctx, o.Dir, o.Env)
	}
	return counted, err
}

// Count asks how often an open fault has struck.
func (j *Journal) Count(ctx context.Context, fault int) (int64, error) {
	j.mu.Lock()
	o, ok := j.open[fault]
	j.mu.Unlock()
	if !ok {
		return 0, fmt.Errorf("fault %d is not open", fault)
	}
	return o.count(ctx)
}

func (o Open) count(ctx context.Context) (int64, error) {
	said, err := o.Commands.Count.run(ctx, o.Dir, o.Env)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(strings.TrimSpace(said), 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q printed %.60q: want one whole number, how often the fault has struck", strings.Join(o.Commands.Count.Run, " "), said)
	}
	return n, nil
}

// Undo puts a fault right, and returns when that is confirmed and written down. A
// fault that is not open is no error.
func (j *Journal) Undo(ctx context.Context, fault int) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	o, ok := j.open[fault]
	if !ok {
		return nil
	}
	_, err := o.Commands.Undo.run(ctx, o.Dir, o.Env)
	if err == nil {
		if _, err = o.Commands.Confirm.run(ctx, o.Dir, o.Env); err != nil {
			err = fmt.Errorf("undone, and not confirmed: %w", err)
		}
	}
	if err != nil {
		return fmt.Errorf("undo %q: %w", o.Text, err)
	}
	return j.over(fault)
}

// Texts lists the faults that are open, in order.
func (j *Journal) Texts() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var texts []string
	for _, fault := range slices.Sorted(maps.Keys(j.open)) {
		texts = append(texts, j.open[fault].Text)
	}
	return texts
}

// UndoAll undoes all that is open, the last begun fault first where numbers say
// so. All that cannot be undone is said at once.
func (j *Journal) UndoAll(ctx context.Context) error {
	j.mu.Lock()
	open := slices.Sorted(maps.Keys(j.open))
	j.mu.Unlock()
	var errs []error
	for _, fault := range slices.Backward(open) {
		errs = append(errs, j.Undo(ctx, fault))
	}
	return errors.Join(errs...)
}

// Close ends the journal: it is removed if nothing is open, and left otherwise.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.open) > 0 {
		return j.file.Close()
	}
	return j.remove()
}

// remove removes the journal under both names, before the lock is let go.
func (j *Journal) remove() error {
	var errs []error
	for _, name := range j.names {
		if err := os.Remove(name); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, j.file.Close())...)
}
