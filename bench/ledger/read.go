package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path/filepath"

	"github.com/ackproof/ackproof/bench"
)

// Read is a final read, opened. Its iterators go through the files each time,
// and may be used at the same time.
type Read struct {
	dir      string
	header   ReadHeader
	complete bool
	rows     map[Table]int64
	print    Fingerprint
	foreign  int64
	samples  []string
	problems problems
}

// OpenRead opens the final read in dir and checks it from end to end. A file
// that is missing, torn or damaged is no error: the read is incomplete, and
// Problems says why. Its sound rows are given all the same, since what is
// there was there; only absence proves nothing then.
func OpenRead(dir string) (*Read, error) {
	r := &Read{dir: dir, complete: true, rows: map[Table]int64{}}
	for i := 0; i < len(tablesOf(r.header.Versions)); i++ { // the first header tells how many there are
		if err := r.check(tablesOf(r.header.Versions)[i]); err != nil {
			return nil, fmt.Errorf("open read: %w", err)
		}
	}
	return r, nil
}

// check goes through one file, and takes its trailer at its word only where it
// agrees with what was found.
func (r *Read) check(t Table) error {
	path := filepath.Join(r.dir, string(t))
	var found, end trailer
	var headed, ended bool
	before := len(r.problems.list)
	err := scanBlocks(path, &r.problems, func(b block) bool {
		page, isPage := openPage(b)
		switch {
		case ended:
			r.problems.add("%s: a block behind the trailer, at byte %d", path, b.at)
		case b.kind == blockHeader && !headed && b.at == 0:
			headed = r.checkHeader(path, t, b.body)
		case isPage:
			found.Pages++
			found.Rows += int64(page.rows)
		case b.kind == blockTrailer && json.Unmarshal(b.body, &end) == nil:
			ended = true
		default:
			r.problems.add("%s: a block that is none of this format, at byte %d", path, b.at)
		}
		return true
	})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.problems.add("%s is missing", path)
	case err != nil:
		return err
	case !headed:
		r.problems.add("%s: no header", path)
	case !ended:
		r.problems.add("%s: no trailer: the read was cut off after %d rows", path, found.Rows)
	case end.Rows != found.Rows || end.Pages != found.Pages:
		r.problems.add("%s: %d rows in %d pages, where the trailer counts %d in %d",
			path, found.Rows, found.Pages, end.Rows, end.Pages)
	}
	if len(r.problems.list) != before {
		r.complete = false
	}
	r.rows[t] = found.Rows
	// Each page has its own sum, so that what the trailer says of their rows holds
	// for what was found.
	if ended {
		r.print.join(end.Fingerprint)
		r.foreign += end.Foreign
		r.samples = append(r.samples, end.Samples...)
	}
	return nil
}

// checkHeader reports whether the header is one of this table and of the same
// run as the files before.
func (r *Read) checkHeader(path string, t Table, body []byte) bool {
	var h ReadHeader
	if err := json.Unmarshal(body, &h); err != nil {
		r.problems.add("%s: header: %v", path, err)
		return false
	}
	if h.Format != ReadFormat && h.Format != firstReadFormat || h.Table != t {
		r.problems.add("%s: a file of format %q and table %q, want %q and %q", path, h.Format, h.Table, ReadFormat, t)
		return false
	}
	h.Table = ""
	if r.header.Format != "" && (r.header.Run != h.Run || r.header.Number != h.Number || r.header.Agent != h.Agent) {
		r.problems.add("%s: read %d of run %s, beside files of read %d of run %s", path, h.Number, h.Run, r.header.Number, r.header.Run)
		return false
	}
	r.header = h
	return true
}

// Header says whose read it is.
func (r *Read) Header() ReadHeader { return r.header }

// Complete reports whether every file has its trailer and every page is sound:
// only then is what is absent known to be absent.
func (r *Read) Complete() bool { return r.complete }

// Fingerprint describes all rows and foreign ids, whatever their order: two
// reads that found the same have the same one. Of a read that is incomplete it
// says nothing.
func (r *Read) Fingerprint() Fingerprint { return r.print }

// Rows counts the rows that are there of a table.
func (r *Read) Rows(t Table) int64 { return r.rows[t] }

// Foreign counts the keys that were no id of this run, and gives the first few.
// Of an incomplete file they are not known.
func (r *Read) Foreign() (count int64, samples []string) { return r.foreign, r.samples }

// Problems lists what is wrong with the files, and where.
func (r *Read) Problems() []string { return r.problems.all() }

// Items gives the rows of the items table, in the order in which they were read.
func (r *Read) Items() iter.Seq[bench.Item] { return bench.Each(r.Pages(Items), (*bench.Rows).Item) }

// Effects gives the rows of the results table.
func (r *Read) Effects() iter.Seq[bench.Effect] {
	return bench.Each(r.Pages(Effects), (*bench.Rows).Effect)
}

// Latest gives the rows that the results table has for items of several versions,
// each with the request whose effect is the latest. Of other reads there are none.
func (r *Read) Latest() iter.Seq[bench.Effect] {
	return bench.Each(r.Pages(Latest), (*bench.Rows).Effect)
}

// DeadLetters gives the dead letters.
func (r *Read) DeadLetters() iter.Seq[bench.DeadLetter] {
	return bench.Each(r.Pages(DeadLetters), (*bench.Rows).DeadLetter)
}

// Pages gives the sound pages of one file. Errors are not lost here: OpenRead has
// been through the same bytes, and said what is wrong with them.
func (r *Read) Pages(t Table) iter.Seq[*bench.Rows] {
	return func(yield func(*bench.Rows) bool) {
		var seen problems
		var rows bench.Rows
		_ = scanBlocks(filepath.Join(r.dir, string(t)), &seen, func(b block) bool {
			if b.kind == blockTrailer {
				return false // what follows was never written by us
			}
			page, ok := openPage(b)
			if !ok {
				return true
			}
			page.decode(&rows)
			return yield(&rows)
		})
	}
}
