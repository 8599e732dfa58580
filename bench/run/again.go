package run

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/ledger"
	"github.com/ackproof/ackproof/bench/tableexport"
)

// TableExport names one export of both tables: the folders that hold their manifests.
// Of a system with one table, Results is empty.
type TableExport struct{ Items, Results string }

// Again says where the tables of a run are read again from. What is read becomes
// reads of the run, behind those that it has: what any of them found was there, and
// what the last two did not find is not.
type Again struct {
	Exports []TableExport // in their order
	Live    bool          // from the tables themselves, if they carry the run's id
	Clock   clock.Clock
}

// ErrNotLive says that the tables of a run are not there any more, or carry other
// runs' ids alone.
var ErrNotLive = errors.New("the run's tables are not there")

const (
	// liveTimeout bounds the first question to tables that may be gone.
	liveTimeout = 3 * time.Second
	// probes are how many of the run's ids are asked for, from all over its plan: of
	// a run that has lost nearly all, too.
	probes = 300
)

// ReadAgain reads the tables of the run in dir again, of each of its agents. An error
// leaves the run as it was.
func ReadAgain(ctx context.Context, dir string, a Again) error {
	parts, err := begun(dir)
	if err != nil {
		return err
	}
	f := &files{manifest: &manifest{}, scenario: parts[0].scenario}
	f.manifest.Run, f.manifest.Seed = parts[0].manifest.Run, parts[0].manifest.Seed
	if err := f.plans(parts); err != nil {
		return err
	}
	for _, p := range parts {
		if err := errors.Join(p.readExports(ctx, a), p.readLive(ctx, a)); err != nil {
			return err
		}
	}
	return nil
}

// readNumbers lists the reads of a run directory, in their order; the first two at
// least, which every run means to make.
func readNumbers(dir string) []int {
	all := []int{1, 2}
	entries, _ := os.ReadDir(filepath.Join(dir, "reads")) // none: they are missing
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil && n > 2 && fmt.Sprint(n) == e.Name() {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all
}

// another makes one more read. It is there whole or not at all.
func (f *files) another(begun time.Time, fill func(*rowWriter) error) error {
	n := slices.Max(readNumbers(f.dir)) + 1
	temp := readDir(f.dir, n) + ".new"
	if err := os.RemoveAll(temp); err != nil { // of a call that was killed
		return err
	}
	defer os.RemoveAll(temp)
	w, err := ledger.CreateRead(temp, ledger.ReadHeader{
		Run: f.manifest.Run, Agent: uint8(f.manifest.Agent), Number: n, Begun: begun, NoLetters: true, Versions: f.plan.Keys() > 0,
	})
	if err != nil {
		return err
	}
	defer w.Close()
	if err := fill(newRowWriter(f.plan, f.manifest.Endpoints, f.scenario.Read.Shared(), w)); err != nil {
		return err
	}
	if err := w.Finish(); err != nil {
		return err
	}
	return os.Rename(temp, readDir(f.dir, n))
}

// readExports takes the exports in.
func (f *files) readExports(ctx context.Context, a Again) error {
	for _, e := range a.Exports {
		items, err := f.openExport(ctx, e.Items, f.manifest.Endpoints.ItemsTable)
		effects := items
		if err == nil && e.Results != "" {
			effects, err = f.openExport(ctx, e.Results, f.manifest.Endpoints.ResultsTable)
		}
		if err != nil {
			return err
		}
		ofItems, ofEffects := sources(f.manifest.Endpoints)
		err = f.another(items.At, func(w *rowWriter) error {
			err := errors.Join(effects.Rows(ctx, ofEffects.names, w.effect), items.Rows(ctx, ofItems.names, w.item))
			if err == nil && w.own.Load() == 0 && items.Items+effects.Items > 0 {
				err = fmt.Errorf("%s and %s hold no id of run %s: they are of another run's tables", e.Items, e.Results, f.manifest.Run)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// openExport opens the export of one table, and makes sure that it can tell of the
// run: it is of the run's table, and was made after the load.
func (f *files) openExport(ctx context.Context, dir, table string) (*tableexport.Export, error) {
	e, err := tableexport.Open(ctx, tableexport.Folder(dir))
	if err != nil {
		return nil, err
	}
	if table != "" && e.Table != table {
		return nil, fmt.Errorf("%s is an export of table %s; the run's table is %s", dir, e.Table, table)
	}
	started, err := time.Parse(time.RFC3339Nano, f.manifest.Started)
	if err != nil {
		return nil, fmt.Errorf("%s: the load never began: there is nothing to look for in an export", f.dir)
	}
	if end := started.Add(f.plan.Duration()); e.At.Before(end) {
		return nil, fmt.Errorf("%s shows the table at %s, before the load ended at %s: export it again", dir, e.At.UTC().Format(time.RFC3339), end.UTC().Format(time.RFC3339))
	}
	return e, nil
}

// OnThisMachine reports whether the tables of the run in dir are at a port of this
// machine: whoever asks there asks nobody else.
func OnThisMachine(dir string) bool {
	parts, err := begun(dir)
	if err != nil {
		return false
	}
	return !slices.ContainsFunc(parts, func(p *files) bool {
		u, err := url.Parse(p.manifest.Endpoints.DynamoDB)
		if err != nil {
			return true
		}
		ip := net.ParseIP(u.Hostname())
		return u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback())
	})
}

// readLive reads the tables themselves twice, with a rest between, if they are there
// and carry the run's id.
func (f *files) readLive(ctx context.Context, a Again) error {
	if !a.Live {
		return nil
	}
	e := f.manifest.Endpoints
	if e.ResultsTable == "" {
		return fmt.Errorf("%w: it names none", ErrNotLive)
	}
	rd, err := newReader(ctx, e, f.plan, f.scenario.Read, a.Clock, nil)
	if err == nil {
		err = f.carried(ctx, rd)
	}
	if err != nil {
		return errors.Join(ErrNotLive, err)
	}
	for n := range 2 {
		if n > 0 {
			clock.Wait(restBetweenReads, ctx.Done())
		}
		if err := f.another(a.Clock.Now(), func(w *rowWriter) error { return rd.tables(ctx, w) }); err != nil {
			return err
		}
	}
	return nil
}

// carried looks for the run's own ids in its tables. A port of this machine may
// have become another run's.
func (f *files) carried(ctx context.Context, rd *reader) error {
	ctx, cancel := context.WithTimeout(ctx, liveTimeout)
	defer cancel()
	if u, err := url.Parse(rd.endpoints.DynamoDB); err == nil && u.Host != "" {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", u.Host) // asked once: most often nobody is there any more
		if err != nil {
			return err
		}
		c.Close()
	}
	for _, in := range []source{rd.items, rd.effects} {
		if in.table == "" {
			continue
		}
		n := rd.rowKeys(in)
		for from := uint64(0); from < min(n, probes); from += maxKeys {
			var keys []attributes
			for i := from; i < min(from+maxKeys, n, probes); i++ {
				keys = append(keys, rd.rowKey(in, i*n/min(n, probes)))
			}
			found := errFound
			err := rd.getKeys(ctx, in.table, keys, func(rows []attributes) error {
				if len(rows) > 0 {
					return found
				}
				return nil
			})
			switch {
			case errors.Is(err, found):
				return nil
			case err != nil:
				return err
			}
		}
	}
	return fmt.Errorf("%s and %s at %s carry no id of run %s", rd.items.table, rd.effects.table, rd.endpoints.DynamoDB, f.manifest.Run)
}
