package run

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/ackproof/ackproof/bench/ledger"
	"github.com/ackproof/ackproof/scenarios"
)

// open reads what is there. Only a directory without its beginnings is an
// error: damage further on is evidence that is missing.
// Opts are those of a judgement; nil: none is meant.
func open(dir string, opts *JudgeOptions) (*files, error) {
	parts, err := begun(dir)
	if err != nil {
		return nil, err
	}
	f := parts[0]
	if len(parts) > 1 || f.dir != dir {
		whole := *f.manifest
		f = &files{dir: dir, manifest: &whole, scenario: f.scenario, agents: len(parts)}
		whole.Agent, whole.Planned = 0, 0
	}
	if err := errors.Join(f.plans(parts), f.may(opts)); err != nil {
		return nil, err
	}
	for _, p := range parts {
		f.parts = append(f.parts, p.dir)
		if err := p.openAll(f.spent); err != nil {
			return nil, errors.Join(err, f.close())
		}
	}
	if f != parts[0] {
		f.join(parts)
	}
	f.clocks = compareClocks(f.story.samples, f.sentAt, f.started)
	return f, nil
}

// plans makes the plans of the whole run and of its parts, which may be one.
func (f *files) plans(parts []*files) error {
	whole := scenarios.NewPlan(f.scenario, f.manifest.Run, 0, f.manifest.Seed)
	for _, p := range parts {
		p.faults, p.plan = p.scenario.Faults, whole.Share(p.manifest.share())
		if p.plan.Len() != p.manifest.Planned {
			return fmt.Errorf("%s: the scenario plans %d requests, the run was of %d", p.dir, p.plan.Len(), p.manifest.Planned)
		}
	}
	if f.agents > 0 {
		f.faults, f.plan = parts[0].faults, whole.Shared(parts[0].manifest.share().Whole(f.manifest.Run))
		f.manifest.Planned = f.plan.Len()
	}
	return nil
}

// may says what a judgement may hold in memory. Nil: none is meant.
func (f *files) may(opts *JudgeOptions) error {
	if opts == nil {
		return nil
	}
	if err := f.allot(opts.Memory); err != nil {
		return err
	}
	f.progress = opts.Progress
	f.spent(0, 0)
	return nil
}

// openAll opens the files of one run directory.
func (f *files) openAll(spent func(uint64, float64)) error {
	if err := f.openFiles(spent); err != nil {
		return errors.Join(err, f.close())
	}
	events, problems, err := ledger.ReadEvents(filepath.Join(f.dir, eventsFile))
	if errors.Is(err, os.ErrNotExist) {
		problems, err = []string{err.Error()}, nil // no event, hence no evidence
	}
	if err != nil {
		return errors.Join(err, f.close())
	}
	f.damage = append(f.damage, problems...)
	if f.log != nil {
		f.damage = append(f.damage, f.log.parts[0].Problems()...)
	}
	f.story = tell(events, len(f.faults))
	f.lengths()
	f.strangers()
	f.problems = append(f.problems, f.exportProblems()...)
	f.started = f.ledger[0].Started()
	if f.started.IsZero() {
		f.started, _ = time.Parse(time.RFC3339Nano, f.manifest.Created)
	}
	return nil
}

// openFiles opens the large files, each of which is checked from end to end: side
// by side, since they have nothing in common.
func (f *files) openFiles(spent func(uint64, float64)) error {
	n := uint64(f.plan.Len())
	var side sync.WaitGroup
	f.numbers = readNumbers(f.dir)
	reads, errs := make([]read, len(f.numbers)), make([]error, 2+len(f.numbers))
	for i, number := range f.numbers {
		side.Go(func() {
			one, err := ledger.OpenRead(readDir(f.dir, number))
			reads[i], errs[2+i] = read{parts: []*ledger.Read{one}, ids: f.ids()}, err
			spent(n, costCheck)
		})
	}
	side.Go(func() {
		one, err := ledger.Open(filepath.Join(f.dir, ledgerDir))
		if errs[0] = err; err == nil {
			f.ledger = book{one}
		}
		spent(n, costCheck)
	})
	side.Go(func() {
		log, err := ledger.ReadDeliveries(filepath.Join(f.dir, deliveriesDir))
		if errors.Is(err, os.ErrNotExist) {
			return
		}
		if errs[1] = err; err == nil {
			f.log = &deliveries{parts: []*ledger.DeliveryLog{log}, ids: f.ids()}
		}
	})
	side.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	f.reads = [2]read(reads[len(reads)-2:])
	f.earlier = reads[:len(reads)-2]
	for _, read := range f.reads {
		f.problems = append(f.problems, read.Problems()...)
	}
	return nil
}

func (f *files) close() error { return f.ledger.Close() }
